#define _GNU_SOURCE // eventfd beside epoll
#include "runner/launch_pipes.h"

#include <errno.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/limits.h"
#include "runner/memory.h"
#include "runner/process.h"
#include "runner/report.h"
#include "runner/signals.h"

enum {
    READ_BYTES = 64 << 10,
    GROUP_WAIT_MS = 1000,
    WAKE_RANK = -3,
    SIGNAL_RANK = -4,
    LAUNCH_TEXT_WORD_BYTES = 16 << 10
};

// A process of the cell. Worker r is at position r + 1, the coordinator at 0.
typedef struct member {
    process_t process;
    bool is_told; // its end was given as an event, or it was never started
    char host[LAUNCH_HOST_BYTES];
} member_t;

struct launch {
    launch_cell_t cell;
    const launch_pipes_t *how;
    void *context;
    char mark[KEEPER_ID_BYTES + 16]; // DMLX_RUN=…, in every process's environment
    char endpoint[LAUNCH_ENDPOINT_BYTES];
    long long listen_until_ms; // the coordinator's limit; 0 once it listens
    int n_members;
    member_t *members;
    int poll_fd; // epoll: the record channel, every pidfd, wake_fd, and what a signal makes
                 // readable
    int wake_fd; // eventfd, readable while a whole line is waiting in `lines`
    char *lines; // what came on the record channel and was not given yet
    size_t begin, end, capacity;
    bool is_wound_up; // the record channel has ended
};

// --- command lines -------------------------------------------------------------------------------

void
launch_command_add(launch_command_t *command, const char *word)
{
    if (command->n < LAUNCH_WORDS_MAX)
        command->argv[command->n++] = word;
    command->argv[command->n] = NULL;
}

void
launch_command_addf(launch_command_t *command, const char *format, ...)
{
    char text[LAUNCH_TEXT_WORD_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (command->n_made == LAUNCH_WORDS_MAX)
        return;
    command->made[command->n_made] = memory_text(text);
    launch_command_add(command, command->made[command->n_made++]);
}

void
launch_command_add_all(launch_command_t *command, const char *const *words)
{
    for (int i = 0; words && words[i]; i++)
        launch_command_add(command, words[i]);
}

void
launch_command_free(launch_command_t *command)
{
    for (int i = 0; i < command->n_made; i++)
        free(command->made[i]);
    *command = (launch_command_t){.n = 0};
}

// --- processes -----------------------------------------------------------------------------------

static void
watch_fd(launch_t *launch, int fd, int rank)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)rank};
    epoll_ctl(launch->poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int
send_text(launch_t *launch, member_t *member, const char *text, const char *log, fault_t *fault)
{
    fault_t why;
    process_t *process = &member->process;
    int timeout_ms = launch->cell.start_ms_max;
    int status = text ? launch_text_write(process->in_fd, text, timeout_ms, &why) : 0;
    if (status != 0)
        fault_set(fault, "%s on '%s' does not take its text: %s; see '%s'", process->name,
                  member->host, why.text, log);
    return status;
}

// Starts what the launcher's command says, on its pipes.
static int
start_command(launch_t *launch, int rank, const launch_command_t *command, const char *log,
              fault_t *fault)
{
    member_t *member = &launch->members[rank + 1];
    char name[LAUNCH_NAME_BYTES];
    const char *environment[] = {launch->mark, NULL};
    launch_process_name(&launch->cell, rank, name);
    process_options_t options = {.name = name,
                                 .program = command->program,
                                 .argv = command->argv,
                                 .environment = environment,
                                 .log_path = log,
                                 .pipe_in = true,
                                 .pipe_out = rank == LAUNCH_COORDINATOR,
                                 .death_signal = SIGTERM,
                                 .network_fd = command->network_fd};
    if (*command->host)
        snprintf(member->host, sizeof member->host, "%s", command->host);
    if (process_start(&options, &member->process, fault) != 0)
        return LAUNCH_FAILED;
    member->is_told = false;
    watch_fd(launch, member->process.pidfd, rank);
    if (rank == LAUNCH_COORDINATOR)
        watch_fd(launch, member->process.out_fd, rank);
    return 0;
}

static int
start_member(launch_t *launch, int rank, fault_t *fault)
{
    const launch_cell_t *cell = &launch->cell;
    const char *text = launch->how->is_alone        ? NULL
                       : rank == LAUNCH_COORDINATOR ? cell->text
                       : cell->worker_texts         ? cell->worker_texts[rank]
                                                    : NULL;
    char *log = launch_log_path(cell, rank);
    launch_command_t command = {.n = 0};
    int status =
        launch->how->command(launch->context, cell, rank, launch->endpoint, &command, fault);
    if (status == 0)
        status = start_command(launch, rank, &command, log, fault);
    if (status == 0)
        status = send_text(launch, &launch->members[rank + 1], text, log, fault);
    launch_command_free(&command);
    free(log);
    return status;
}

static int
start_workers(launch_t *launch, fault_t *fault)
{
    for (int rank = 0; rank + 1 < launch->n_members; rank++)
        if (start_member(launch, rank, fault) != 0)
            return LAUNCH_FAILED;
    return 0;
}

static launch_t *
launch_new(const launch_pipes_t *how, void *context, const launch_cell_t *cell)
{
    launch_t *launch = memory_new(sizeof *launch);
    bool has_workers = cell->n_nodes > 1 && !how->is_alone;
    launch->cell = *cell;
    launch->how = how;
    launch->context = context;
    launch->n_members = has_workers ? cell->n_nodes + 1 : 1;
    launch->members = memory_new((size_t)launch->n_members * sizeof *launch->members);
    for (int i = 0; i < launch->n_members; i++) {
        launch->members[i] = (member_t){.process = process_none(), .is_told = true};
        gethostname(launch->members[i].host, LAUNCH_HOST_BYTES - 1);
    }
    snprintf(launch->mark, sizeof launch->mark, "%s=%s", KEEPER_VARIABLE, cell->run_id);
    launch->listen_until_ms = has_workers ? process_clock_ms() + cell->start_ms_max : 0;
    launch->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    launch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return launch;
}

static void
launch_pipes_free(launch_t *launch)
{
    for (int i = 0; i < launch->n_members; i++)
        process_close(&launch->members[i].process);
    if (launch->poll_fd >= 0)
        close(launch->poll_fd);
    if (launch->wake_fd >= 0)
        close(launch->wake_fd);
    if (launch->how->free)
        launch->how->free(launch->context);
    free(launch->members);
    free(launch->lines);
    free(launch);
}

int
launch_pipes_start(const launch_pipes_t *how, void *context, const launch_cell_t *cell,
                   launch_t **launch, fault_t *fault)
{
    launch_t *made = launch_new(how, context, cell);
    int status = LAUNCH_FAILED;
    if (made->poll_fd < 0 || made->wake_fd < 0) {
        fault_set(fault, "no descriptors to watch the cell '%s' with: %s", cell->name,
                  strerror(errno));
    } else {
        watch_fd(made, made->wake_fd, WAKE_RANK);
        if (signals_fd() >= 0) // whichever thread the handler runs in
            watch_fd(made, signals_fd(), SIGNAL_RANK);
        status = start_member(made, LAUNCH_COORDINATOR, fault);
    }
    if (status != 0) {
        launch_pipes_stop(&made, 0, NULL);
        return status;
    }
    *launch = made;
    return 0;
}

// --- the record channel --------------------------------------------------------------------------

// Reads what there is, up to a limit, so that a talkative coordinator cannot hold us here. False
// when nothing came.
static bool
read_records(launch_t *launch)
{
    int fd = launch->members[0].process.out_fd;
    if (launch->is_wound_up || fd < 0)
        return false;
    if (launch->begin > 0) {
        memmove(launch->lines, launch->lines + launch->begin, launch->end - launch->begin);
        launch->end -= launch->begin;
        launch->begin = 0;
    }
    if (launch->end + READ_BYTES + 1 > launch->capacity) {
        launch->capacity = 2 * (launch->end + READ_BYTES + 1);
        launch->lines = memory_resize(launch->lines, launch->capacity);
    }
    ssize_t n = read(fd, launch->lines + launch->end, READ_BYTES);
    if (n > 0)
        launch->end += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        launch->is_wound_up = true;
        epoll_ctl(launch->poll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
    return n > 0;
}

static char *
find_newline(const launch_t *launch)
{
    size_t n = launch->end - launch->begin;
    return n > 0 ? memchr(launch->lines + launch->begin, '\n', n) : NULL;
}

// Keeps the descriptor that callers poll readable as long as a line waits that no poll would tell.
static void
set_wake(const launch_t *launch)
{
    eventfd_t value;
    if (find_newline(launch))
        eventfd_write(launch->wake_fd, 1);
    else
        eventfd_read(launch->wake_fd, &value);
}

// Gives the first whole line that waits. False: there is none.
static bool
take_line(launch_t *launch, launch_event_t *event)
{
    char *newline = find_newline(launch);
    if (!newline)
        return false;
    char *line = launch->lines + launch->begin;
    *newline = 0;
    launch->begin += (size_t)(newline - line) + 1;
    *event =
        (launch_event_t){.kind = LAUNCH_RECORD, .line = line, .n_bytes = (size_t)(newline - line)};
    set_wake(launch);
    return true;
}

// The "listening" record tells the workers' endpoint; they are started when it passes by.
static int
mind_listening(launch_t *launch, const launch_event_t *event, fault_t *fault)
{
    report_t report;
    if (launch->listen_until_ms == 0 || report_parse(event->line, event->n_bytes, &report) != 0)
        return 0;
    int status = 0;
    if (report.kind == REPORT_LISTENING) {
        launch->listen_until_ms = 0;
        snprintf(launch->endpoint, sizeof launch->endpoint, "%.*s", LAUNCH_ENDPOINT_BYTES - 1,
                 report.text);
        status = start_workers(launch, fault);
    }
    report_free(&report);
    return status;
}

// --- events --------------------------------------------------------------------------------------

// Gives the next end that was not told. The coordinator's comes after all its records.
static bool
take_end(launch_t *launch, launch_event_t *event)
{
    for (int i = launch->n_members - 1; i >= 0; i--) {
        member_t *member = &launch->members[i];
        if (member->is_told || process_wait(&member->process, 0, NULL) != 0)
            continue;
        if (i == 0 && read_records(launch))
            return false; // look at those first; it has still ended then
        member->is_told = true;
        epoll_ctl(launch->poll_fd, EPOLL_CTL_DEL, member->process.pidfd, NULL);
        launch_ended(&launch->cell, i - 1, member->host, member->process.status, event);
        if (i == 0)
            launch->listen_until_ms = 0;
        return true;
    }
    return false;
}

static bool
all_told(const launch_t *launch)
{
    for (int i = 0; i < launch->n_members; i++)
        if (!launch->members[i].is_told)
            return false;
    return true;
}

// The limits that are checked whenever nothing else is to be told.
static int
check_limits(const launch_t *launch, fault_t *fault)
{
    char *log = launch_log_path(&launch->cell, LAUNCH_COORDINATOR);
    int status = 0;
    if (launch->end - launch->begin > REPORT_LINE_BYTES_MAX) {
        fault_set(fault, "coordinator on '%s' sent a record of more than %d bytes; see '%s'",
                  launch->members[0].host, REPORT_LINE_BYTES_MAX, log);
        status = LAUNCH_FAILED;
    } else if (launch->listen_until_ms > 0 && process_clock_ms() >= launch->listen_until_ms) {
        fault_set(fault, "coordinator on '%s' did not listen within %d ms; see '%s'",
                  launch->members[0].host, launch->cell.start_ms_max, log);
        status = LAUNCH_TIMEOUT;
    }
    free(log);
    return status;
}

// Sleeps until something happens. False: the time is over, or a signal came.
static bool
sleep_until(const launch_t *launch, long long until_ms)
{
    if (launch->listen_until_ms > 0 && launch->listen_until_ms < until_ms)
        until_ms = launch->listen_until_ms;
    long long left_ms = until_ms - process_clock_ms();
    struct epoll_event event;
    int n = epoll_wait(launch->poll_fd, &event, 1, left_ms > 0 ? (int)left_ms : 0);
    return n > 0 && !signals_stop();
}

int
launch_pipes_stream(launch_t *launch, int timeout_ms, launch_event_t *event, fault_t *fault)
{
    long long until_ms = process_clock_ms() + timeout_ms;
    *event = (launch_event_t){.kind = LAUNCH_QUIET};
    for (bool is_awake = true; is_awake;) {
        if (take_line(launch, event))
            return mind_listening(launch, event, fault);
        int status = check_limits(launch, fault);
        if (status != 0)
            return status;
        if (read_records(launch))
            continue;
        if (take_end(launch, event))
            return 0;
        if (find_newline(launch))
            continue;
        if (all_told(launch)) {
            event->kind = LAUNCH_DONE;
            return 0;
        }
        is_awake = sleep_until(launch, until_ms);
    }
    return check_limits(launch, fault);
}

int
launch_pipes_fd(const launch_t *launch)
{
    return launch->poll_fd;
}

const char *
launch_pipes_host(const launch_t *launch, int rank)
{
    return launch->members[rank + 1 < launch->n_members ? rank + 1 : 0].host;
}

const launch_cell_t *
launch_pipes_cell(const launch_t *launch)
{
    return &launch->cell;
}

int
launch_pipes_respawn(launch_t *launch, int rank, fault_t *fault)
{
    member_t *member = &launch->members[rank + 1];
    if (process_stop(&member->process, 0, fault) != 0)
        return LAUNCH_FAILED;
    process_close(&member->process);
    return start_member(launch, rank, fault);
}

// --- the end -------------------------------------------------------------------------------------

static void
remove_group(const limits_group_t *group, void *context)
{
    fault_t *fault = context;
    limits_remove(group, GROUP_WAIT_MS, fault);
}

// Wardens remove their groups themselves; what a killed one left is found by the cell's name.
static int
remove_groups(const launch_cell_t *cell, fault_t *fault)
{
    char prefix[LIMITS_NAME_BYTES];
    fault_t why = {""};
    launch_group_name(cell, LAUNCH_CELL, prefix, sizeof prefix);
    if (cell->cpu_limit > 0)
        limits_each("", prefix, remove_group, &why);
    if (!*why.text)
        return 0;
    fault_set(fault, "%s", why.text);
    return LAUNCH_FAILED;
}

int
launch_pipes_stop(launch_t **launch, int grace_ms, fault_t *fault)
{
    launch_t *self = *launch;
    if (!self)
        return 0;
    *launch = NULL;
    int status = 0;
    long long until_ms = process_clock_ms() + grace_ms;
    process_close_out(&self->members[0].process); // a coordinator must not wait for us to read on
    // All workers are told before any is waited for; the coordinator sees them go, and follows.
    for (int i = self->n_members - 1; i >= 0; i--) {
        process_signal(&self->members[i].process, SIGTERM);
        process_signal(&self->members[i].process, SIGCONT);
    }
    for (int i = self->n_members - 1; i >= 0; i--) {
        process_t *process = &self->members[i].process;
        long long left_ms = until_ms - process_clock_ms();
        if (process_wait(process, left_ms > 0 ? (int)left_ms : 0, NULL) != 0 &&
            process_stop(process, 0, fault) != 0)
            status = LAUNCH_FAILED;
    }
    if (remove_groups(&self->cell, fault) != 0)
        status = LAUNCH_FAILED;
    if (self->how->finish && self->how->finish(self->context, &self->cell, fault) != 0)
        status = LAUNCH_FAILED;
    launch_pipes_free(self);
    return status;
}

int
launch_clean_here(const char *run_id, int timeout_ms, fault_t *fault)
{
    if (keeper_clean_run(run_id, timeout_ms) >= 0)
        return 0;
    fault_set(fault,
              "something of run '%s' would not go within %d ms; look for processes with "
              "%s=%s and control groups 'dmlx-%s-…'",
              run_id, timeout_ms, KEEPER_VARIABLE, run_id, run_id);
    return LAUNCH_FAILED;
}
