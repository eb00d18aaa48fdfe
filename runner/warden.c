#define _GNU_SOURCE // pidfd_open, signalfd, POLLRDHUP, prctl
#include "runner/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/process.h"

enum { REMOVE_WAIT_MS = 2000, PATH_BYTES = 4096 };

// Set for a warden that was started anew in a scope, to the scope's name.
static const char scope_variable[] = "DMLX_SCOPE";

// What the warden looks after.
typedef struct watch {
    pid_t child, parent; // parent: who started us; another one means that it died
    int child_fd;        // pidfd
    int signal_fd;       // TERM, INT, HUP
    int lifeline_fd;     // -1: none
    bool dies_with_parent;
    int grace_ms;
    const limits_group_t *group; // to remove; NULL: none
} watch_t;

// --- before the split --------------------------------------------------------------------------

// Becomes systemd-run, which becomes this program again, in a scope. Returns only on failure.
static int
enter_scope(const warden_options_t *options, const char *name, fault_t *fault)
{
    static char program[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0 || !options->argv) {
        fault_set(fault, "the program's own file is not known: %s", strerror(errno));
        return WARDEN_SYSTEM;
    }
    int n_argv = 0;
    while (options->argv[n_argv])
        n_argv++;
    const char **argv = calloc((size_t)n_argv + 2, sizeof *argv);
    if (!argv)
        abort();
    argv[0] = program;
    for (int i = 0; i < n_argv; i++)
        argv[i + 1] = options->argv[i];
    const char **wrapped = limits_scope_argv(name, options->cores, options->period_us, argv);
    setenv(scope_variable, name, 1);
    execvp(wrapped[0], (char *const *)(size_t)wrapped);
    fault_set(fault, "no scope for '%s': systemd-run: %s", name, strerror(errno));
    unsetenv(scope_variable);
    free(wrapped);
    free(argv);
    return WARDEN_DENIED;
}

// Makes the group that the role will run in. In a scope it is there already, and systemd's to
// remove. `is_ours` tells whether to remove it afterwards.
static int
make_group(const warden_options_t *options, warden_grant_t *grant, bool *is_ours, fault_t *fault)
{
    char name[LIMITS_NAME_BYTES], id[KEEPER_ID_BYTES];
    keeper_own_id(id);
    snprintf(name, sizeof name, "dmlx-%s-role", id);
    if (options->name)
        snprintf(name, sizeof name, "%s", options->name);
    *is_ours = false;
    const char *scope = getenv(scope_variable);
    if (options->cores <= 0 || (scope && strcmp(scope, name) == 0)) {
        unsetenv(scope_variable);
        grant->is_limited = limits_current("", &grant->group, fault) == 0 && grant->group.cores > 0;
        return grant->is_limited || options->cores <= 0 ? 0 : WARDEN_DENIED;
    }
    limits_host_t host;
    if (limits_probe("", &host, fault) != 0)
        return WARDEN_DENIED;
    if (host.kind == LIMITS_SCOPE)
        return enter_scope(options, name, fault);
    if (limits_create(&host, name, options->cores, options->period_us, &grant->group, fault) != 0)
        return WARDEN_DENIED;
    *is_ours = grant->is_limited = true;
    return 0;
}

// --- the warden --------------------------------------------------------------------------------

static void
signal_child(const watch_t *watch, int number)
{
    pidfd_send_signal(watch->child_fd, number, NULL, 0);
}

// Passes a signal on, unless a terminal has sent it to the whole foreground group, child included.
// One that is stopped hears it only when it goes on.
static void
pass_signal(const watch_t *watch)
{
    struct signalfd_siginfo info;
    if (read(watch->signal_fd, &info, sizeof info) == (ssize_t)sizeof info &&
        info.ssi_code != SI_KERNEL) {
        signal_child(watch, (int)info.ssi_signo);
        signal_child(watch, SIGCONT);
    }
}

static bool
supervisor_is_gone(const watch_t *watch, const struct pollfd *lifeline)
{
    return (lifeline->revents & (POLLHUP | POLLERR | POLLNVAL | POLLRDHUP)) != 0 ||
           (watch->dies_with_parent && getppid() != watch->parent);
}

// Waits until the child has ended. Once the supervisor is gone the child has grace_ms left.
static void
stand_guard(const watch_t *watch)
{
    struct pollfd fds[] = {{.fd = watch->child_fd, .events = POLLIN},
                           {.fd = watch->signal_fd, .events = POLLIN},
                           {.fd = watch->lifeline_fd, .events = POLLRDHUP}};
    long long kill_at_ms = -1; // -1: the supervisor lives
    for (;;) {
        long long left_ms = kill_at_ms - process_clock_ms();
        int n = poll(fds, 3, kill_at_ms < 0 ? -1 : left_ms > 0 ? (int)left_ms : 0);
        if (fds[0].revents)
            return;
        if (n == 0)
            signal_child(watch, SIGKILL);
        if (n > 0 && fds[1].revents)
            pass_signal(watch);
        if (kill_at_ms < 0 && supervisor_is_gone(watch, &fds[2])) {
            fds[2].fd = -1;
            kill_at_ms = process_clock_ms() + watch->grace_ms;
            signal_child(watch, SIGTERM);
            signal_child(watch, SIGCONT);
        } else if (n == 0) {
            kill_at_ms = -1; // killed: only its end is left to come
            fds[2].fd = -1;
        }
    }
}

// Ends as the child did, so that whoever waits for us sees what happened to it.
static void
end_as(int status)
{
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0}); // the child's core is the one worth having
        signal(number, SIG_DFL);
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, number);
        sigprocmask(SIG_UNBLOCK, &one, NULL);
        kill(getpid(), number);
    }
    _exit(process_exit_status(status));
}

// Lets go of what others wait to see closed: the record channel above all.
static void
let_go_of_output(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDOUT_FILENO);
    prctl(PR_SET_NAME, "dmlx-warden");
}

static void
be_warden(const watch_t *watch)
{
    let_go_of_output();
    stand_guard(watch);
    int status = 0;
    waitpid(watch->child, &status, 0);
    if (watch->group)
        limits_remove(watch->group, REMOVE_WAIT_MS, NULL);
    end_as(status);
}

// --- the split ---------------------------------------------------------------------------------

// The child's first steps: bound to the warden, it waits until it is in its group.
static int
be_child(int ready_fd, pid_t warden, const sigset_t *mask)
{
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != warden || read(ready_fd, &byte, 1) != 1)
        _exit(1);
    close(ready_fd);
    sigprocmask(SIG_SETMASK, mask, NULL);
    return 0;
}

// Puts the child into its group and lets it go on. On failure there is no child any more.
static int
release_child(const watch_t *watch, int ready_fd, fault_t *fault)
{
    int status = watch->group ? limits_join(watch->group, watch->child, fault) : 0;
    if (status == 0 && (watch->child_fd < 0 || write(ready_fd, "", 1) != 1)) {
        fault_set(fault, "the role cannot be watched: %s", strerror(errno));
        status = -1;
    }
    if (status != 0) {
        kill(watch->child, SIGKILL);
        waitpid(watch->child, NULL, 0);
    }
    return status;
}

static int
split(watch_t *watch, fault_t *fault)
{
    sigset_t passed, before;
    sigemptyset(&passed);
    sigaddset(&passed, SIGTERM);
    sigaddset(&passed, SIGINT);
    sigaddset(&passed, SIGHUP);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) {
        fault_set(fault, "no pipe for the role's guard: %s", strerror(errno));
        return WARDEN_SYSTEM;
    }
    sigprocmask(SIG_BLOCK, &passed, &before);
    pid_t warden = getpid();
    watch->parent = getppid();
    if (watch->dies_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM); // wakes us; that the parent is another one says the rest
    watch->child = fork();
    if (watch->child == 0) {
        close(ready[1]);
        return be_child(ready[0], warden, &before);
    }
    int status = WARDEN_SYSTEM;
    close(ready[0]);
    if (watch->child < 0) {
        fault_set(fault, "no process for the role: %s", strerror(errno));
    } else {
        watch->child_fd = pidfd_open(watch->child, 0);
        watch->signal_fd = signalfd(-1, &passed, SFD_CLOEXEC);
        status = release_child(watch, ready[1], fault);
        if (status == 0)
            be_warden(watch); // does not return
    }
    close(ready[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status == LIMITS_DENIED ? WARDEN_DENIED : WARDEN_SYSTEM;
}

int
warden_enter(const warden_options_t *options, warden_grant_t *grant, fault_t *fault)
{
    warden_grant_t granted = {0};
    bool is_ours;
    int status = make_group(options, &granted, &is_ours, fault);
    if (status != 0)
        return status;
    watch_t watch = {.lifeline_fd = options->lifeline_fd,
                     .dies_with_parent = options->dies_with_parent,
                     .grace_ms = options->grace_ms > 0 ? options->grace_ms : WARDEN_GRACE_MS,
                     .group = is_ours ? &granted.group : NULL};
    status = split(&watch, fault);
    if (status == 0)
        *grant = granted;
    else if (is_ours)
        limits_remove(&granted.group, REMOVE_WAIT_MS, NULL);
    return status;
}
