// launch.c — what the launchers share: the list of them, names, command lines, framing.
#include "runner/launch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/host_survey.h"
#include "runner/limits.h"
#include "runner/memory.h"
#include "runner/process.h"
#include "runner/text.h"

enum {
    HEADER_BYTES = 32,
    LAST_LINE_BYTES = 200,
    SHORT_NAME_BYTES = 72,
    SSH_GONE = 255 // how an ssh client ends whose connection did, and no role
};

static const char header_word[] = "dmlx-text ";

static const launcher_t *const launchers[] = {
    &launcher_local, &launcher_ssh, &launcher_docker, &launcher_podman, &launcher_swarm,
    &launcher_slurm, NULL};

const launcher_t *
launch_find(const char *name)
{
    for (int i = 0; launchers[i]; i++)
        if (strcmp(launchers[i]->name, name) == 0)
            return launchers[i];
    return NULL;
}

void
launch_deny_port(const cluster_t *cluster, const char *host, fault_t *fault)
{
    fault_set(fault,
              "port %ld or %ld of host '%s' is taken; choose another cluster.port, or 0 for any",
              cluster->port, cluster->port + 1, host);
}

int
launch_check_port(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    char host[256] = "";
    fault_t why;
    if (need->n_nodes == 1 || host_ports_are_free(cluster->port))
        return 0;
    gethostname(host, sizeof host - 1);
    launch_deny_port(cluster, host, &why);
    return launch_fall_short(need, 1, &why, fault);
}

int
launch_fall_short(const launch_need_t *need, int n_nodes_max, const fault_t *why, fault_t *fault)
{
    launch_shortfall_t *shortfall = need->shortfall;
    if (!shortfall || n_nodes_max < need->n_nodes_least) {
        fault_set(fault, "%s", why->text);
        return LAUNCH_DENIED;
    }
    if (!*shortfall->why.text || n_nodes_max < shortfall->n_nodes_max)
        *shortfall = (launch_shortfall_t){.n_nodes_max = n_nodes_max, .why = *why};
    return 0;
}

void
launch_process_name(const launch_cell_t *cell, int rank, char name[LAUNCH_NAME_BYTES])
{
    if (rank >= 0)
        snprintf(name, LAUNCH_NAME_BYTES, "worker-%d", rank);
    else
        snprintf(name, LAUNCH_NAME_BYTES, "%s", cell->n_nodes > 1 ? "coordinator" : "standalone");
}

char *
launch_log_path(const launch_cell_t *cell, int rank)
{
    char name[LAUNCH_NAME_BYTES];
    launch_process_name(cell, rank, name);
    return memory_format("%s/%s.log", cell->folder, name);
}

// A cell's name as part of another name, of which the kernel takes 255 bytes in all: a long one is
// cut, with a hash (FNV-1a) in place of what is lost.
static void
short_name(const char *name, char shortened[SHORT_NAME_BYTES])
{
    unsigned hash = 2166136261u;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    if (strlen(name) < SHORT_NAME_BYTES)
        strcpy(shortened, name);
    else
        snprintf(shortened, SHORT_NAME_BYTES, "%.*s-%08x", SHORT_NAME_BYTES - 10, name, hash);
}

void
launch_group_name(const launch_cell_t *cell, int rank, char *name, size_t n_bytes)
{
    char process[LAUNCH_NAME_BYTES] = "", shortened[SHORT_NAME_BYTES];
    short_name(cell->name, shortened);
    if (rank != LAUNCH_CELL)
        launch_process_name(cell, rank, process);
    snprintf(name, n_bytes, "dmlx-%s-%s-%s", cell->run_id, shortened, process);
}

// The last line of a log that says something; "" when there is none.
static void
last_line(const char *path, char line[LAST_LINE_BYTES])
{
    char text[4 * LAST_LINE_BYTES];
    *line = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fseek(file, -(long)(sizeof text - 1), SEEK_END) != 0)
        rewind(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == 0))
        n--;
    text[n] = 0;
    snprintf(line, LAST_LINE_BYTES, "%.*s", LAST_LINE_BYTES - 1, text_last_line(text));
}

void
launch_ended(const launch_cell_t *cell, int rank, const char *host, int status,
             launch_event_t *event)
{
    char name[LAUNCH_NAME_BYTES], how[128], line[LAST_LINE_BYTES];
    char *log = launch_log_path(cell, rank);
    launch_process_name(cell, rank, name);
    process_status_text(status, how, sizeof how);
    last_line(log, line);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        *line = 0; // which nobody sees coming: what was said last is not why
    else if (process_exit_status(status) == SSH_GONE)
        snprintf(how, sizeof how, "is gone with its connection (status %d of ssh)%s", SSH_GONE,
                 *line ? "; said last" : "");
    *event =
        (launch_event_t){.kind = LAUNCH_ENDED, .rank = rank, .status = process_exit_status(status)};
    snprintf(event->text, sizeof event->text, "%s on '%.80s' %s%s%s; see '%s'", name, host, how,
             *line && event->status != 0 ? ": " : "", event->status != 0 ? line : "", log);
    free(log);
}

// --- command lines -------------------------------------------------------------------------------

static void
add(launch_argv_t *self, const char *argument)
{
    if (self->n < LAUNCH_ARGS_MAX)
        self->argv[self->n++] = argument;
    self->argv[self->n] = NULL;
}

static void
add_all(launch_argv_t *self, const char *const *arguments)
{
    for (int i = 0; arguments && arguments[i]; i++)
        add(self, arguments[i]);
}

// An option and a place for its value.
static char *
add_option(launch_argv_t *self, const char *option)
{
    char *text = self->texts[self->n_texts++];
    add(self, option);
    add(self, text);
    return text;
}

static void
add_number(launch_argv_t *self, const char *option, double number)
{
    snprintf(add_option(self, option), sizeof self->texts[0], "%.9g", number);
}

static void
add_limit(launch_argv_t *self, const launch_cell_t *cell, int rank)
{
    add_number(self, "--cpus", cell->cpu_limit);
    add_number(self, "--period-us", cell->period_us > 0 ? cell->period_us : LIMITS_PERIOD_US);
    launch_group_name(cell, rank, add_option(self, "--cgroup"), sizeof self->texts[0]);
}

void
launch_argv_build(launch_argv_t *self, const launch_cell_t *cell, int rank, const char *program,
                  const char *endpoint, bool with_limit)
{
    *self = (launch_argv_t){.n = 0};
    bool is_coordinator = rank == LAUNCH_COORDINATOR && cell->n_nodes > 1;
    add(self, program);
    add(self, is_coordinator ? "serve" : rank == LAUNCH_COORDINATOR ? "train" : "work");
    add(self, rank == LAUNCH_COORDINATOR ? "-" : endpoint);
    add(self, "--supervised");
    if (rank != LAUNCH_COORDINATOR)
        launch_process_name(cell, rank, add_option(self, "--identity"));
    if (!is_coordinator) {
        if (cell->n_threads > 0)
            add_number(self, "--threads", cell->n_threads);
        if (with_limit && cell->cpu_limit > 0)
            add_limit(self, cell, rank);
    }
    add_all(self, rank == LAUNCH_COORDINATOR ? cell->arguments : cell->worker_arguments);
}

void
launch_argv_data(launch_argv_t *self, const char *folder)
{
    for (int i = 0; i + 1 < self->n; i++) {
        if (strcmp(self->argv[i], "--data") != 0)
            continue;
        self->argv[i + 1] = folder;
        if (folder)
            return;
        memmove(&self->argv[i], &self->argv[i + 2], (size_t)(self->n - i - 1) * sizeof *self->argv);
        self->n -= 2;
        return;
    }
}

// --- framing -------------------------------------------------------------------------------------

int
launch_text_write(int fd, const char *text, int timeout_ms, fault_t *fault)
{
    char header[HEADER_BYTES];
    size_t n_text = strlen(text);
    int n_header = snprintf(header, sizeof header, "%s%zu\n", header_word, n_text);
    if (n_text > LAUNCH_TEXT_BYTES_MAX) {
        fault_set(fault, "a text of %zu bytes is too long; at most %d fit", n_text,
                  LAUNCH_TEXT_BYTES_MAX);
        return LAUNCH_DENIED;
    }
    int status = process_write(fd, header, (size_t)n_header, timeout_ms, fault);
    if (status == 0)
        status = process_write(fd, text, n_text, timeout_ms, fault);
    return status == 0 ? 0 : status == PROCESS_TIMEOUT ? LAUNCH_TIMEOUT : LAUNCH_FAILED;
}

// A text being read from a descriptor with a limit.
typedef struct source {
    int fd;
    long long until_ms;
    char *text;
    size_t n, capacity;
} source_t;

// Reads at most n_bytes more. Returns how many, 0 at the end, LAUNCH_FAILED or LAUNCH_TIMEOUT.
static ssize_t
source_read(source_t *source, size_t n_bytes, fault_t *fault)
{
    long long left_ms = source->until_ms - process_clock_ms();
    struct pollfd poll_fd = {.fd = source->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0) == 0) {
        fault_set(fault, "no experiment came on standard input in time");
        return LAUNCH_TIMEOUT;
    }
    if (source->n + n_bytes + 1 > source->capacity) {
        source->capacity = 2 * (source->n + n_bytes + 1);
        source->text = memory_resize(source->text, source->capacity);
    }
    ssize_t n_read = read(source->fd, source->text + source->n, n_bytes);
    if (n_read < 0 && errno != EINTR && errno != EAGAIN) {
        fault_set(fault, "standard input cannot be read: %s", strerror(errno));
        return LAUNCH_FAILED;
    }
    source->n += n_read > 0 ? (size_t)n_read : 0;
    source->text[source->n] = 0;
    return n_read < 0 ? (ssize_t)n_bytes : n_read; // interrupted: not the end
}

// Reads byte by byte as far as the text may be a frame's header, so as not to take anything behind
// the framed text. 1: it is one, and *n_text the text's length; 0: it is not.
static int
read_header(source_t *source, size_t *n_text, fault_t *fault)
{
    size_t n_word = sizeof header_word - 1;
    while (source->n < HEADER_BYTES) {
        ssize_t status = source_read(source, 1, fault);
        if (status < 0)
            return (int)status;
        size_t n_same = source->n < n_word ? source->n : n_word;
        if (status == 0 || memcmp(source->text, header_word, n_same) != 0)
            return 0;
        if (source->n > n_word && source->text[source->n - 1] == '\n') {
            char *end;
            unsigned long n = strtoul(source->text + n_word, &end, 10);
            if (*end != '\n')
                return 0;
            *n_text = n;
            return 1;
        }
    }
    return 0;
}

char *
launch_text_frame(const char *text)
{
    return memory_format("%s%zu\n%s", header_word, strlen(text), text);
}

int
launch_text_read(int fd, int timeout_ms, char **text, fault_t *fault)
{
    source_t source = {.fd = fd, .until_ms = process_clock_ms() + timeout_ms};
    size_t n_wanted = LAUNCH_TEXT_BYTES_MAX + 1;
    int is_framed = read_header(&source, &n_wanted, fault);
    ssize_t status = is_framed < 0 ? is_framed : 1;
    if (is_framed == 1)
        source.n = 0;
    while (status > 0 && source.n < n_wanted && source.n <= LAUNCH_TEXT_BYTES_MAX) {
        size_t n_left = n_wanted - source.n;
        status = source_read(&source, n_left < 65536 ? n_left : 65536, fault);
    }
    if (status >= 0 && source.n > LAUNCH_TEXT_BYTES_MAX) {
        fault_set(fault, "the text on standard input is longer than %d bytes",
                  LAUNCH_TEXT_BYTES_MAX);
        status = LAUNCH_FAILED;
    } else if (status >= 0 && is_framed == 1 && source.n < n_wanted) {
        fault_set(fault, "standard input ended after %zu of %zu bytes", source.n, n_wanted);
        status = LAUNCH_FAILED;
    }
    if (status < 0) {
        free(source.text);
        return (int)status;
    }
    source.text[source.n] = 0;
    *text = source.text;
    return 0;
}
