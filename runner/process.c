#define _GNU_SOURCE // pipe2, execvpe, close_range, prctl
#include "runner/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/memory.h"

enum { KILL_WAIT_MS = 1000, FIRST_OTHER_FD = 3, EXEC_FAILED = 127 };

extern char **environ;

process_t
process_none(void)
{
    return (process_t){.pidfd = -1, .in_fd = -1, .out_fd = -1};
}

long long
process_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

// The descriptors of one start: [0] reads, [1] writes; -1 where there is none.
typedef struct channels {
    int in[2], out[2];
    int log;
    int failure[2]; // carries errno when exec fails, and its end tells that exec went well
} channels_t;

static void
channels_close(channels_t *channels)
{
    for (int end = 0; end < 2; end++) {
        close_fd(&channels->in[end]);
        close_fd(&channels->out[end]);
        close_fd(&channels->failure[end]);
    }
    close_fd(&channels->log);
}

static int
channels_open(channels_t *channels, const process_options_t *options, const char *name,
              fault_t *fault)
{
    *channels = (channels_t){{-1, -1}, {-1, -1}, -1, {-1, -1}};
    if ((options->pipe_in && pipe2(channels->in, O_CLOEXEC) != 0) ||
        (options->pipe_out && pipe2(channels->out, O_CLOEXEC) != 0) ||
        pipe2(channels->failure, O_CLOEXEC) != 0) {
        fault_set(fault, "no pipe to %s: %s", name, strerror(errno));
        channels_close(channels);
        return PROCESS_SYSTEM;
    }
    if (options->log_path) {
        channels->log =
            open(options->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
        if (channels->log < 0) {
            fault_set(fault, "the log '%s' of %s cannot be written: %s", options->log_path, name,
                      strerror(errno));
            channels_close(channels);
            return PROCESS_SYSTEM;
        }
    }
    return 0;
}

// Our environment with the additions in front: execvpe's program takes the first of a name.
static char **
environment_new(const char *const *additions)
{
    size_t n_ours = 0, n_more = 0;
    while (environ && environ[n_ours])
        n_ours++;
    while (additions && additions[n_more])
        n_more++;
    char **result = memory_new((n_ours + n_more + 1) * sizeof *result);
    size_t n = 0;
    for (size_t i = 0; i < n_more; i++)
        result[n++] = (char *)(size_t)additions[i];
    for (size_t i = 0; i < n_ours; i++) {
        bool is_replaced = false;
        for (size_t j = 0; j < n_more; j++) {
            size_t n_name = strcspn(additions[j], "=") + 1;
            is_replaced = is_replaced || strncmp(environ[i], additions[j], n_name) == 0;
        }
        if (!is_replaced)
            result[n++] = environ[i];
    }
    return result;
}

// A copy of the descriptor above the three standard ones; -1 when there is none to copy. Copied
// before any is placed, so that a program started with its standard descriptors closed, whose pipes
// then have numbers 0 to 2, does not overwrite one with the other.
static int
raised(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
}

static bool
child_place_fds(const channels_t *channels)
{
    int in = channels->in[0] >= 0 ? channels->in[0] : open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log = channels->log >= 0 ? channels->log : STDERR_FILENO;
    int out = channels->out[1] >= 0 ? channels->out[1] : log;
    in = raised(in);
    out = raised(out);
    log = raised(log);
    return dup2(in, STDIN_FILENO) == STDIN_FILENO && dup2(out, STDOUT_FILENO) == STDOUT_FILENO &&
           dup2(log, STDERR_FILENO) == STDERR_FILENO;
}

// Signal handling starts afresh: what we ignore or block is no business of the program.
static void
child_reset_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static const char *
program_of(const process_options_t *options)
{
    return options->program ? options->program : options->argv[0];
}

// The child's side of process_start; only ends by becoming the program or by _exit.
static void
child_run(const process_options_t *options, const channels_t *channels, char **environment,
          pid_t parent)
{
    int failure = fcntl(channels->failure[1], F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
    setsid();
    if (options->death_signal) {
        prctl(PR_SET_PDEATHSIG, options->death_signal);
        if (getppid() != parent) // it died before the line above could bind us to it
            _exit(EXEC_FAILED);
    }
    child_reset_signals();
    bool is_ready = (!options->folder || chdir(options->folder) == 0) &&
                    (options->network_fd <= 0 || setns(options->network_fd, CLONE_NEWNET) == 0) &&
                    child_place_fds(channels);
    if (is_ready && close_range(FIRST_OTHER_FD, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execvpe(program_of(options), (char *const *)(size_t)options->argv, environment);
    int reason = errno;
    ssize_t ignored = write(failure, &reason, sizeof reason);
    (void)ignored;
    _exit(EXEC_FAILED);
}

// 0 once the program runs, otherwise the errno it failed with. Blocks for as long as exec takes.
static int
exec_result(int failure_fd)
{
    int reason = 0;
    ssize_t n_bytes;
    do
        n_bytes = read(failure_fd, &reason, sizeof reason);
    while (n_bytes < 0 && errno == EINTR);
    return n_bytes == (ssize_t)sizeof reason ? reason : 0;
}

static int
take_ends(process_t *process, channels_t *channels)
{
    process->pidfd = pidfd_open(process->pid, 0);
    process->in_fd = channels->in[1];
    process->out_fd = channels->out[0];
    channels->in[1] = channels->out[0] = -1;
    if (process->in_fd >= 0)
        fcntl(process->in_fd, F_SETFL, O_NONBLOCK);
    if (process->out_fd >= 0)
        fcntl(process->out_fd, F_SETFL, O_NONBLOCK);
    return process->pidfd;
}

static pid_t
fork_child(const process_options_t *options, const channels_t *channels)
{
    char **environment = environment_new(options->environment);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // no handler of ours runs in the child
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_run(options, channels, environment, parent);
    int reason = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free(environment);
    errno = reason;
    return pid;
}

int
process_start(const process_options_t *options, process_t *process, fault_t *fault)
{
    const char *name = options->name ? options->name : options->argv[0];
    *process = process_none();
    channels_t channels;
    if (channels_open(&channels, options, name, fault) != 0)
        return PROCESS_SYSTEM;
    process_t child = process_none();
    snprintf(child.name, sizeof child.name, "%s", name);
    child.pid = fork_child(options, &channels);
    int reason = child.pid < 0 ? errno : 0;
    if (child.pid > 0) {
        close_fd(&channels.failure[1]);
        reason = exec_result(channels.failure[0]);
        if (reason == 0 && take_ends(&child, &channels) < 0)
            reason = errno;
        if (reason != 0) {
            kill(child.pid, SIGKILL);
            waitpid(child.pid, NULL, 0);
        }
    }
    channels_close(&channels);
    if (reason != 0) {
        process_close(&child);
        fault_set(fault, "%s cannot be started as '%s': %s", name, program_of(options),
                  strerror(reason));
        return PROCESS_SYSTEM;
    }
    *process = child;
    return 0;
}

// Polls one descriptor until the moment `until_ms`; signals do not shorten the wait.
static int
poll_until(int fd, short events, long long until_ms)
{
    for (;;) {
        long long left_ms = until_ms - process_clock_ms();
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int n = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

int
process_wait(process_t *process, int timeout_ms, fault_t *fault)
{
    if (process->pid == 0 || process->has_ended)
        return 0;
    if (poll_until(process->pidfd, POLLIN, process_clock_ms() + timeout_ms) <= 0) {
        fault_set(fault, "%s (process %d) still runs after %d ms", process->name, (int)process->pid,
                  timeout_ms);
        return PROCESS_TIMEOUT;
    }
    // As long as its zombie holds the id, its group is surely its own.
    kill(-process->pid, SIGKILL);
    int status = 0;
    if (waitpid(process->pid, &status, 0) != process->pid) {
        fault_set(fault, "no status of %s (process %d): %s", process->name, (int)process->pid,
                  strerror(errno));
        return PROCESS_SYSTEM;
    }
    process->has_ended = true;
    process->status = status;
    return 0;
}

int
process_stop(process_t *process, int grace_ms, fault_t *fault)
{
    if (process->pid == 0 || process->has_ended)
        return 0;
    process_signal(process, SIGTERM);
    process_signal(process, SIGCONT); // a stopped process would only get TERM when it goes on
    if (grace_ms > 0 && process_wait(process, grace_ms, NULL) == 0)
        return 0;
    kill(-process->pid, SIGKILL);
    return process_wait(process, KILL_WAIT_MS, fault);
}

void
process_signal(const process_t *process, int signal_number)
{
    if (process->pid > 0 && !process->has_ended)
        kill(process->pid, signal_number); // not waited for yet, so the id is still its own
}

void
process_close_in(process_t *process)
{
    close_fd(&process->in_fd);
}

void
process_close_out(process_t *process)
{
    close_fd(&process->out_fd);
}

void
process_close(process_t *process)
{
    close_fd(&process->in_fd);
    close_fd(&process->out_fd);
    close_fd(&process->pidfd);
    *process = process_none();
}

// write() without SIGPIPE, whatever the program has set: blocked, and taken back if it came.
static ssize_t
quiet_write(int fd, const void *bytes, size_t n_bytes)
{
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t n_written = write(fd, bytes, n_bytes);
    int reason = errno;
    if (n_written < 0 && reason == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return n_written;
}

int
process_write(int fd, const void *bytes, size_t n_bytes, int timeout_ms, fault_t *fault)
{
    const char *at = bytes;
    long long until_ms = process_clock_ms() + timeout_ms;
    while (n_bytes > 0) {
        if (poll_until(fd, POLLOUT, until_ms) == 0) {
            fault_set(fault, "nothing was read within %d ms", timeout_ms);
            return PROCESS_TIMEOUT;
        }
        ssize_t n_written = quiet_write(fd, at, n_bytes);
        if (n_written < 0 && errno != EAGAIN && errno != EINTR) {
            fault_set(fault, "nobody reads: %s", strerror(errno));
            return PROCESS_SYSTEM;
        }
        if (n_written > 0) {
            at += n_written;
            n_bytes -= (size_t)n_written;
        }
    }
    return 0;
}

const char *
process_status_text(int status, char *text, size_t n_bytes)
{
    if (WIFSIGNALED(status))
        snprintf(text, n_bytes, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, n_bytes, "exited with status %d", WEXITSTATUS(status));
    return text;
}

int
process_exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

unsigned long long
process_started(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n_bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n_bytes] = 0;
    // "PID (NAME) STATE …": the name may hold spaces and parentheses, what follows may not.
    const char *after_name = strrchr(text, ')');
    char state = 0;
    unsigned long long started = 0;
    int n_read = after_name ? sscanf(after_name,
                                     ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                     "%*s %*s %*s %*s %*s %llu",
                                     &state, &started)
                            : 0;
    return n_read == 2 && state != 'Z' && state != 'X' ? started : 0;
}

// Calls for each entry "NAME=value" of the process's environment until one is taken.
static bool
find_entry(pid_t pid, bool (*is_taken)(const char *entry, void *context), void *context)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char *entry = NULL;
    size_t n_bytes = 0;
    bool is_found = false;
    while (!is_found && getdelim(&entry, &n_bytes, 0, file) > 0)
        is_found = is_taken(entry, context);
    free(entry);
    fclose(file);
    return is_found;
}

static bool
is_mark(const char *entry, void *context)
{
    const char *mark = context;
    size_t n = strlen(mark);
    return mark[n - 1] == '=' ? strncmp(entry, mark, n) == 0 : strcmp(entry, mark) == 0;
}

bool
process_is_marked(pid_t pid, const char *mark)
{
    return find_entry(pid, is_mark, (char *)(size_t)mark);
}

// A variable that is looked for, and where its value goes.
typedef struct wanted {
    const char *name;
    char *value;
    size_t n_bytes;
} wanted_t;

static bool
take_value(const char *entry, void *context)
{
    wanted_t *wanted = context;
    size_t n_name = strlen(wanted->name);
    if (strncmp(entry, wanted->name, n_name) != 0 || entry[n_name] != '=')
        return false;
    snprintf(wanted->value, wanted->n_bytes, "%s", entry + n_name + 1);
    return true;
}

bool
process_variable(pid_t pid, const char *name, char *value, size_t n_bytes)
{
    wanted_t wanted = {name, value, n_bytes};
    return find_entry(pid, take_value, &wanted);
}

int
process_marked(const char *mark, pid_t *pids, int n_max)
{
    DIR *proc = opendir("/proc");
    int n = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid <= 0 || pid == getpid() || !process_is_marked(pid, mark) ||
            process_started(pid) == 0)
            continue;
        if (n < n_max)
            pids[n] = pid;
        n++;
    }
    if (proc)
        closedir(proc);
    return n;
}
