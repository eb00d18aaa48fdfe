#include "runner/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sha2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "runner/fleet_errand.h"
#include "runner/keeper.h"
#include "runner/memory.h"
#include "runner/remains.h"
#include "runner/signals.h"
#include "runner/text.h"
#include "runner/version.h"

enum { CONNECT_LIMIT_MS = 15000, CLOSE_GRACE_MS = 300, WORDS_MAX = 64, HEARD_BYTES = 64 << 10 };

// No quotes within the script's, whatever shell the user has. Only as many bytes as ours are the
// program: one cut short may stand there under its name.
char *
fleet_hello_command(const char *program_hash, long long program_bytes, const char *data_xxh128)
{
    return memory_format("exec sh -c '"
                         "cache=${XDG_CACHE_HOME:-$HOME/.cache}/dmlx; "
                         "echo \"arch $(uname -m)\"; echo \"cache $cache\"; "
                         "echo \"connection $SSH_CONNECTION\"; "
                         "program=$cache/bin/%s/dmlx; "
                         "[ -x \"$program\" ] && [ $(wc -c <\"$program\") -eq %lld ] && "
                         "echo program yes; "
                         "[ -f \"$cache/data/%s/whole\" ] && echo data yes; "
                         "echo end; exec cat >/dev/null'",
                         program_hash, program_bytes, *data_xxh128 ? data_xxh128 : "none");
}

char *
fleet_quoted(const char *word)
{
    text_t text = {0};
    text_add(&text, "'");
    for (const char *at = word; *at; at++)
        text_add(&text, *at == '\'' ? "'\\''" : "%c", *at);
    text_add(&text, "'");
    return text_take(&text);
}

// --- one command a host, on all hosts at once ----------------------------------------------------

static const char *const common_words[] = {"ssh",
                                           "-T",
                                           "-x",
                                           "-o",
                                           "BatchMode=yes",
                                           "-o",
                                           "ConnectTimeout=10",
                                           "-o",
                                           "ServerAliveInterval=5",
                                           "-o",
                                           "ServerAliveCountMax=3",
                                           NULL};

void
fleet_words(const fleet_t *fleet, const fleet_host_t *host, const char **words)
{
    int n = 0;
    (void)fleet;
    for (int i = 0; common_words[i]; i++)
        words[n++] = common_words[i];
    words[n++] = "-o";
    words[n++] = "ControlMaster=no";
    words[n++] = "-S";
    words[n++] = host->socket;
    words[n++] = host->name;
    words[n++] = "--";
    words[n] = NULL;
}

// What a process printed, up to its end or `mark`. False when the time was over, a signal came, or
// it ended before the mark.
static bool
hear(process_t *process, const char *mark, long long until_ms, char *text, size_t n_bytes)
{
    size_t n = 0;
    text[0] = 0;
    for (;;) {
        if (mark && strstr(text, mark))
            return true;
        long long left_ms = until_ms - process_clock_ms();
        struct pollfd fds[2] = {{.fd = process->out_fd, .events = POLLIN},
                                {.fd = signals_fd(), .events = POLLIN}};
        if (left_ms <= 0 || signals_stop() || (poll(fds, 2, (int)left_ms) < 0 && errno != EINTR))
            return false;
        ssize_t got = read(process->out_fd, text + n, n_bytes - n - 1);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return !mark;
        n += got > 0 ? (size_t)got : 0;
        text[n] = 0;
        if (n == n_bytes - 1)
            return false;
    }
}

static void
read_log(const char *path, char *text, size_t n_bytes)
{
    text[0] = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    text[fread(text, 1, n_bytes - 1, file)] = 0;
    fclose(file);
}

// The last line of what ssh or the remote program complained about.
static const char *
last_line(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = 0;
    char *start = strrchr(text, '\n');
    return start ? start + 1 : text;
}

typedef struct task {
    process_t process;
    char *log;
    char heard[HEARD_BYTES];
} task_t;

static char *
log_path(const fleet_t *fleet, int index)
{
    return memory_format("%s/%d.log", fleet->folder, index);
}

// Starts `sh -c "SCRIPT"` here, in which "$@" is the ssh command line up to the remote command.
static int
start_task(fleet_t *fleet, int index, const char *script, const char *remote, task_t *task)
{
    fleet_host_t *host = &fleet->hosts[index];
    const char *argv[WORDS_MAX] = {"sh", "-c", script, "sh"};
    fleet_words(fleet, host, argv + 4);
    int n = 0;
    while (argv[n])
        n++;
    argv[n++] = remote;
    argv[n] = NULL;
    task->log = log_path(fleet, index);
    unlink(task->log);
    process_options_t options = {.name = host->name,
                                 .argv = argv,
                                 .log_path = task->log,
                                 .pipe_out = true,
                                 .death_signal = SIGTERM};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    host->asked_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    return process_start(&options, &task->process, &host->fault);
}

// Waits for it, and takes what it said. The host's fault is set when it did not end well.
static bool
end_task(fleet_host_t *host, task_t *task, long long until_ms, const fleet_errand_t *errand)
{
    bool is_whole = hear(&task->process, NULL, until_ms, task->heard, sizeof task->heard);
    long long left_ms = until_ms - process_clock_ms();
    bool has_ended =
        is_whole && process_wait(&task->process, left_ms > 0 ? (int)left_ms : 0, NULL) == 0;
    if (!has_ended)
        process_stop(&task->process, 0, NULL);
    bool is_good = has_ended && process_exit_status(task->process.status) == 0;
    char complaint[2048];
    read_log(task->log, complaint, sizeof complaint);
    if (!has_ended)
        fault_set(&host->fault, "host '%s' did not %s in time; %s", host->name, errand->what,
                  errand->copies ? "give it more by cluster.timeout.copy_s, or see why it takes so "
                                   "long"
                                 : "see what keeps it busy, or its network");
    else if (!is_good)
        fault_set(&host->fault, "host '%s' could not %s: %s; %s", host->name, errand->what,
                  *complaint ? last_line(complaint) : "it said nothing", errand->advice);
    process_close(&task->process);
    free(task->log);
    return is_good;
}

// Tells what is begun that may take long: "dmlx is copied to 'w1', 'w2'".
static void
say_copy(const fleet_t *fleet, const fleet_errand_t *errand, const bool *is_started)
{
    text_t text = {0};
    const char *comma = "";
    for (int i = 0; i < fleet->n_hosts; i++)
        if (is_started[i]) {
            text_add(&text, "%s '%s'", comma, fleet->hosts[i].name);
            comma = ",";
        }
    char *names = text_take(&text);
    text_add(&text, "%s is copied to%s", errand->copies, names);
    char *sentence = text_take(&text);
    if (fleet->say && *names)
        fleet->say(sentence);
    free(sentence);
    free(names);
}

void
fleet_on_all(fleet_t *fleet, const fleet_errand_t *errand, const char *script)
{
    task_t *tasks = memory_new((size_t)fleet->n_hosts * sizeof *tasks);
    bool *is_started = memory_new((size_t)fleet->n_hosts * sizeof *is_started);
    for (int i = 0; i < fleet->n_hosts; i++) {
        fleet_host_t *host = &fleet->hosts[i];
        if (*host->fault.text || (errand->wants && !errand->wants(host)))
            continue;
        char *command = errand->remote(fleet, host);
        is_started[i] = start_task(fleet, i, script, command, &tasks[i]) == 0;
        free(command);
    }
    if (errand->copies)
        say_copy(fleet, errand, is_started);
    long long until_ms = process_clock_ms() +
                         (errand->copies ? (int)(1000 * fleet->cluster->copy_s) : errand->limit_ms);
    for (int i = 0; i < fleet->n_hosts; i++)
        if (is_started[i] && end_task(&fleet->hosts[i], &tasks[i], until_ms, errand) &&
            errand->take)
            errand->take(fleet, &fleet->hosts[i], tasks[i].heard);
    free(is_started);
    free(tasks);
}

// --- connections ---------------------------------------------------------------------------------

// What ssh says, and what to do about it.
static void
word_refusal(fleet_host_t *host, const char *said, const char *last)
{
    const char *name = host->name;
    if (strstr(said, "Could not resolve") || strstr(said, "Name or service not known"))
        fault_set(&host->fault,
                  "host '%s' is not known: neither ssh_config, /etc/hosts nor DNS has it; correct "
                  "cluster.hosts or add it to ~/.ssh/config",
                  name);
    else if (strstr(said, "IDENTIFICATION HAS CHANGED"))
        fault_set(&host->fault,
                  "host '%s' shows another key than the one known for it; if it was set up anew, "
                  "'ssh-keygen -R %s' and log in once by hand, else somebody stands between",
                  name, name);
    else if (strstr(said, "Host key verification failed"))
        fault_set(&host->fault,
                  "the key of host '%s' is not known yet; log in once by hand: ssh %s true", name,
                  name);
    else if (strstr(said, "Permission denied"))
        fault_set(&host->fault, "host '%s' refuses our key (%s); put it there: ssh-copy-id %s",
                  name, last, name);
    else if (strstr(said, "Connection refused"))
        fault_set(&host->fault,
                  "host '%s' runs no ssh server (connection refused); start sshd there", name);
    else
        fault_set(&host->fault, "host '%s' cannot be reached: %s; is it on, and on this network?",
                  name, *last ? last : "no answer");
}

static int
start_master(fleet_t *fleet, int index)
{
    fleet_host_t *host = &fleet->hosts[index];
    const cluster_t *cluster = fleet->cluster;
    const char *argv[WORDS_MAX];
    int n = 0;
    for (; common_words[n]; n++)
        argv[n] = common_words[n];
    argv[n++] = "-o";
    argv[n++] = "ControlPersist=no";
    argv[n++] = "-M";
    argv[n++] = "-S";
    argv[n++] = host->socket;
    for (size_t i = 0; i < cluster->options.n_items && n < WORDS_MAX - 5; i++)
        argv[n++] = cluster->options.items[i];
    argv[n++] = host->name;
    argv[n++] = "--";
    char *script =
        fleet_hello_command(fleet->program_hash, fleet->program_bytes, fleet->data_xxh128);
    argv[n++] = script;
    argv[n] = NULL;
    char *log = log_path(fleet, index);
    process_options_t options = {.name = host->name,
                                 .argv = argv,
                                 .log_path = log,
                                 .pipe_in = true,
                                 .pipe_out = true,
                                 .death_signal = SIGTERM};
    int status = process_start(&options, &host->master, &host->fault);
    free(log);
    free(script);
    return status;
}

// Reads "arch x86_64" and its like.
static void
take_hello(fleet_host_t *host, char *heard)
{
    char ours[64], theirs[64];
    for (char *line = strtok(heard, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "arch ", 5) == 0)
            snprintf(host->arch, sizeof host->arch, "%.31s", line + 5);
        else if (strncmp(line, "cache ", 6) == 0)
            snprintf(host->cache, sizeof host->cache, "%.511s", line + 6);
        else if (sscanf(line, "connection %63s %*s %63s", ours, theirs) == 2) {
            strcpy(host->our_address, ours);
            strcpy(host->address, theirs);
        }
        host->has_program = host->has_program || strcmp(line, "program yes") == 0;
        host->has_data = host->has_data || strcmp(line, "data yes") == 0;
    }
}

static void
await_master(fleet_t *fleet, int index, long long until_ms)
{
    fleet_host_t *host = &fleet->hosts[index];
    char *heard = memory_new(HEARD_BYTES);
    if (!*host->fault.text && hear(&host->master, "\nend\n", until_ms, heard, HEARD_BYTES)) {
        take_hello(host, heard);
    } else if (!*host->fault.text) {
        char said[4096];
        char *log = log_path(fleet, index);
        process_stop(&host->master, CLOSE_GRACE_MS, NULL);
        read_log(log, said, sizeof said);
        char *copy = memory_text(said);
        word_refusal(host, said, last_line(copy));
        free(copy);
        free(log);
    }
    free(heard);
}

// The program's own hash names its copies, so that another build is another file.
static void
measure_program(fleet_t *fleet)
{
    char digest[SHA256_DIGEST_STRING_LENGTH];
    struct stat facts = {0};
    snprintf(fleet->program_hash, sizeof fleet->program_hash, "%.16s",
             SHA256File("/proc/self/exe", digest) ? digest : "unknown");
    stat("/proc/self/exe", &facts);
    fleet->program_bytes = facts.st_size;
}

fleet_t *
fleet_open(const cluster_t *cluster, const char *run_id, const char *data_xxh128,
           const char *const *names, int n_names, fault_t *fault)
{
    const char *temporary = getenv("TMPDIR");
    fleet_t *fleet = memory_new(sizeof *fleet);
    fleet->cluster = cluster;
    fleet->data_xxh128 = data_xxh128;
    fleet->folder = memory_format("%s/dmlx-%s-ssh",
                                  temporary && *temporary == '/' ? temporary : "/tmp", run_id);
    if (mkdir(fleet->folder, 0700) != 0 && errno != EEXIST) {
        fault_set(fault, "no folder '%s' for connections: %s", fleet->folder, strerror(errno));
        free(fleet->folder);
        free(fleet);
        return NULL;
    }
    measure_program(fleet);
    fleet->hosts = memory_new((size_t)(n_names + 1) * sizeof *fleet->hosts);
    for (int i = 0; i < n_names; i++) {
        if (fleet_find(fleet, names[i]))
            continue;
        fleet_host_t *host = &fleet->hosts[fleet->n_hosts];
        snprintf(host->name, sizeof host->name, "%.255s", names[i]);
        host->socket = memory_format("%s/%d", fleet->folder, fleet->n_hosts);
        host->master = process_none();
        start_master(fleet, fleet->n_hosts++);
    }
    long long until_ms = process_clock_ms() + CONNECT_LIMIT_MS;
    for (int i = 0; i < fleet->n_hosts; i++)
        await_master(fleet, i, until_ms);
    return fleet;
}

void
fleet_close(fleet_t **fleet)
{
    fleet_t *self = *fleet;
    if (!self)
        return;
    for (int i = 0; i < self->n_hosts; i++)
        process_close_in(&self->hosts[i].master); // its session ends, and it with that
    for (int i = 0; i < self->n_hosts; i++) {
        fleet_host_t *host = &self->hosts[i];
        if (process_wait(&host->master, CLOSE_GRACE_MS, NULL) != 0)
            process_stop(&host->master, CLOSE_GRACE_MS, NULL);
        process_close(&host->master);
        free(host->socket);
        free(host->program);
        free(host->data_folder);
    }
    remains_remove_tree(self->folder);
    free(self->folder);
    free(self->hosts);
    free(self);
    *fleet = NULL;
}

fleet_host_t *
fleet_find(fleet_t *fleet, const char *name)
{
    for (int i = 0; fleet && i < fleet->n_hosts; i++)
        if (strcmp(fleet->hosts[i].name, name) == 0)
            return &fleet->hosts[i];
    return NULL;
}
