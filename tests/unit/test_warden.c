#define _GNU_SOURCE // pipe2, prctl
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/process.h"
#include "runner/warden.h"

enum { LIMIT_MS = 10000, LIFE_S = 20 };

// What a role tells the test, through a pipe.
typedef struct told {
    int status; // of warden_enter
    pid_t child;
    double cores;
    limits_group_t group;
    char fault[FAULT_TEXT_BYTES];
} told_t;

// A role under test: its warden's id, a lifeline to hold, and what its child told.
typedef struct role {
    pid_t warden;
    int lifeline;
    told_t told;
} role_t;

static volatile sig_atomic_t n_signals;

static void
count_signal(int number)
{
    (void)number;
    n_signals++;
}

// The child's work: to end as `script` says.
static void
play(const char *script)
{
    alarm(LIFE_S); // a test that fails leaves nothing behind for long
    if (strcmp(script, "exit 7") == 0)
        _exit(7);
    if (strcmp(script, "abort") == 0) {
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (strcmp(script, "deaf") == 0)
        signal(SIGTERM, SIG_IGN);
    if (strcmp(script, "leave one behind") == 0 && fork() != 0)
        _exit(0);
    pause();
    pause();
    _exit(0);
}

// Starts a role that splits, waits for what its child tells.
static role_t
role_start(const char *script, warden_options_t options)
{
    int lifeline[2], told[2];
    assert_int_equal(pipe2(lifeline, O_CLOEXEC), 0);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    role_t role = {.lifeline = lifeline[1]};
    role.warden = fork();
    if (role.warden == 0) {
        close(lifeline[1]);
        if (options.lifeline_fd == 0)
            options.lifeline_fd = lifeline[0];
        warden_grant_t grant = {0};
        fault_t fault = {""};
        told_t message = {.status = warden_enter(&options, &grant, &fault), .child = getpid()};
        message.cores = grant.group.cores;
        message.group = grant.group;
        memcpy(message.fault, fault.text, sizeof fault.text);
        if (strcmp(script, "deaf") == 0)
            signal(SIGTERM, SIG_IGN);
        if (write(told[1], &message, sizeof message) < 0)
            _exit(99);
        play(message.status == 0 ? script : "exit 7");
    }
    close(lifeline[0]);
    close(told[1]);
    assert_int_equal(read(told[0], &role.told, sizeof role.told), sizeof role.told);
    close(told[0]);
    return role;
}

// Waits for the warden's end and gives what a shell would see.
static int
role_end(role_t *role)
{
    int status = 0;
    long long until_ms = process_clock_ms() + LIMIT_MS;
    while (waitpid(role->warden, &status, WNOHANG) == 0) {
        assert_true(process_clock_ms() < until_ms);
        poll(NULL, 0, 1);
    }
    if (role->lifeline >= 0)
        close(role->lifeline);
    return process_exit_status(status);
}

static void
assert_gone(pid_t pid)
{
    long long until_ms = process_clock_ms() + LIMIT_MS;
    while (process_started(pid) != 0) {
        assert_true(process_clock_ms() < until_ms);
        poll(NULL, 0, 1);
    }
}

static warden_options_t
limited(const char *what)
{
    static char name[LIMITS_NAME_BYTES];
    fault_t fault;
    limits_host_t host;
    if (!limits_available(&fault) || limits_probe("", &host, NULL) != 0 ||
        host.kind == LIMITS_SCOPE) {
        print_message("skipped: groups cannot be made here\n");
        skip();
    }
    snprintf(name, sizeof name, "dmlx-test-%d-%s", (int)getpid(), what);
    return (warden_options_t){.name = name, .cores = 0.3};
}

static void
the_childs_exit_status_is_the_wardens(void **state)
{
    (void)state;
    role_t role = role_start("exit 7", (warden_options_t){0});
    assert_int_equal(role.told.status, 0);
    assert_int_not_equal(role.told.child, role.warden);
    assert_int_equal(role_end(&role), 7);
}

static void
the_childs_signal_is_the_wardens(void **state)
{
    (void)state;
    role_t role = role_start("abort", (warden_options_t){0});
    assert_int_equal(role_end(&role), 128 + SIGABRT);
}

static void
a_signal_to_the_warden_reaches_the_child(void **state)
{
    (void)state;
    role_t role = role_start("wait", (warden_options_t){0});
    kill(role.warden, SIGTERM);
    assert_int_equal(role_end(&role), 128 + SIGTERM);
    assert_gone(role.told.child);
}

static void
a_stopped_child_hears_it_too(void **state)
{
    (void)state;
    role_t role = role_start("wait", (warden_options_t){0});
    kill(role.told.child, SIGSTOP);
    kill(role.warden, SIGTERM);
    // Without the CONT its alarm would not end it either: role_end's limit does.
    assert_int_equal(role_end(&role), 128 + SIGTERM);
}

static void
the_lifelines_end_ends_the_child(void **state)
{
    (void)state;
    role_t role = role_start("wait", (warden_options_t){0});
    close(role.lifeline);
    role.lifeline = -1;
    assert_int_equal(role_end(&role), 128 + SIGTERM);
    assert_gone(role.told.child);
}

static void
a_deaf_child_is_killed_after_the_grace(void **state)
{
    (void)state;
    role_t role = role_start("deaf", (warden_options_t){.grace_ms = 50});
    close(role.lifeline);
    role.lifeline = -1;
    assert_int_equal(role_end(&role), 128 + SIGKILL);
}

static void
a_stopped_child_ends_too(void **state)
{
    (void)state;
    role_t role = role_start("wait", (warden_options_t){0});
    kill(role.told.child, SIGSTOP);
    close(role.lifeline);
    role.lifeline = -1;
    assert_int_equal(role_end(&role), 128 + SIGTERM);
}

static void
a_killed_warden_takes_the_child_along(void **state)
{
    (void)state;
    warden_options_t options = limited("kill9");
    role_t role = role_start("deaf", options);
    kill(role.warden, SIGKILL);
    assert_int_equal(role_end(&role), 128 + SIGKILL);
    assert_gone(role.told.child);
    // The group is empty now; whoever started the role removes it by its name.
    assert_int_equal(limits_remove(&role.told.group, LIMIT_MS, NULL), 0);
}

static void
the_child_runs_in_its_group(void **state)
{
    (void)state;
    warden_options_t options = limited("group");
    role_t role = role_start("wait", options);
    assert_string_equal(role.told.fault, "");
    assert_true(role.told.cores > 0.299 && role.told.cores < 0.301);
    assert_string_equal(role.told.group.name, options.name);
    pid_t pids[4];
    assert_int_equal(limits_members(&role.told.group, pids, 4), 1);
    assert_int_equal(pids[0], role.told.child);
    kill(role.warden, SIGTERM);
    assert_int_equal(role_end(&role), 128 + SIGTERM);
    assert_int_not_equal(access(role.told.group.cpu, F_OK), 0);
    assert_int_not_equal(access(role.told.group.usage, F_OK), 0);
}

static void
what_the_child_leaves_in_its_group_is_killed(void **state)
{
    (void)state;
    warden_options_t options = limited("leave");
    role_t role = role_start("leave one behind", options);
    assert_int_equal(role_end(&role), 0);
    assert_int_not_equal(access(role.told.group.cpu, F_OK), 0);
}

static void
a_limit_that_cannot_be_set_splits_nothing(void **state)
{
    (void)state;
    warden_options_t options = limited("bad/name");
    role_t role = role_start("wait", options);
    assert_int_equal(role.told.status, WARDEN_DENIED);
    assert_int_equal(role.told.child, role.warden);
    assert_non_null(strstr(role.told.fault, "is no name for a control group"));
    assert_int_equal(role_end(&role), 7);
}

static void
the_supervisors_death_ends_the_child_and_the_group(void **state)
{
    (void)state;
    warden_options_t options = limited("orphan");
    options.dies_with_parent = true;
    options.lifeline_fd = -1;
    options.grace_ms = 50;
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        role_t role = role_start("deaf", options);
        if (write(told[1], &role, sizeof role) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    role_t role;
    assert_int_equal(read(told[0], &role, sizeof role), sizeof role);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    assert_gone(role.told.child);
    assert_gone(role.warden);
    assert_int_not_equal(access(role.told.group.cpu, F_OK), 0);
    close(told[0]);
    close(told[1]);
}

static void
a_signal_counts_once(void **state)
{
    (void)state;
    int told[2];
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t warden = fork();
    if (warden == 0) {
        warden_options_t options = {.lifeline_fd = -1};
        warden_grant_t grant;
        struct sigaction action = {.sa_handler = count_signal};
        if (warden_enter(&options, &grant, NULL) != 0)
            _exit(1);
        alarm(LIFE_S);
        sigaction(SIGINT, &action, NULL);
        if (write(told[1], "", 1) != 1)
            _exit(1);
        while (n_signals == 0)
            poll(NULL, 0, 5); // cut short by the signal
        poll(NULL, 0, 20);    // a second one would come now
        _exit((int)n_signals);
    }
    char byte;
    assert_int_equal(read(told[0], &byte, 1), 1);
    kill(warden, SIGINT);
    role_t role = {.warden = warden, .lifeline = -1};
    assert_int_equal(role_end(&role), 1);
    close(told[0]);
    close(told[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_childs_exit_status_is_the_wardens),
        cmocka_unit_test(the_childs_signal_is_the_wardens),
        cmocka_unit_test(a_signal_to_the_warden_reaches_the_child),
        cmocka_unit_test(a_stopped_child_hears_it_too),
        cmocka_unit_test(a_signal_counts_once),
        cmocka_unit_test(the_lifelines_end_ends_the_child),
        cmocka_unit_test(a_deaf_child_is_killed_after_the_grace),
        cmocka_unit_test(a_stopped_child_ends_too),
        cmocka_unit_test(a_killed_warden_takes_the_child_along),
        cmocka_unit_test(the_child_runs_in_its_group),
        cmocka_unit_test(what_the_child_leaves_in_its_group_is_killed),
        cmocka_unit_test(a_limit_that_cannot_be_set_splits_nothing),
        cmocka_unit_test(the_supervisors_death_ends_the_child_and_the_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
