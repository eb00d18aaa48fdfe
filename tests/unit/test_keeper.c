#define _GNU_SOURCE // mkdtemp, pipe2
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/limits.h"
#include "runner/process.h"

enum { SERVICE_LIMIT_MS = 12345, CLEAN_LIMIT_MS = 20000, LIMIT_MS = 10000, PATH_BYTES = 512 };

// What a stand-in of `dmlx run` has started.
typedef struct started {
    char run_id[KEEPER_ID_BYTES];
    pid_t worker, orphan;
    bool has_group;
    limits_group_t group;
    char folder[PATH_BYTES]; // told to the keeper
    char called[PATH_BYTES]; // file that the clean hook writes
} started_t;

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

static void
clean_hook(const char *run_id, int timeout_ms, void *context)
{
    // A service is given its own time, and not what this host has left.
    if (timeout_ms == SERVICE_LIMIT_MS)
        write_file(context, run_id);
}

static void
start_group(started_t *started)
{
    limits_host_t host;
    char name[LIMITS_NAME_BYTES];
    snprintf(name, sizeof name, "dmlx-%s-worker", started->run_id);
    started->has_group = limits_probe("", &host, NULL) == 0 && host.kind != LIMITS_SCOPE &&
                         limits_create(&host, name, 0.5, 0, &started->group, NULL) == 0;
    if (started->has_group)
        limits_join(&started->group, started->worker, NULL);
}

// Stands in for `dmlx run`: starts a worker that does not listen to TERM, in a group, and a process
// in a session of its own; tells about them, and waits to be killed.
static void
be_supervisor(int told_fd, started_t *started, bool has_keeper)
{
    fault_t fault;
    keeper_t *keeper = NULL;
    if (has_keeper &&
        !(keeper = keeper_start(clean_hook, SERVICE_LIMIT_MS, started->called, &fault)))
        _exit(1);
    keeper_own_id(started->run_id);
    char mark[128];
    snprintf(mark, sizeof mark, "%s=%s", KEEPER_VARIABLE, started->run_id);
    const char *environment[] = {mark, NULL};
    const char *deaf[] = {"sh", "-c", "trap '' TERM; sleep 1000; sleep 1000", NULL};
    const char *detached[] = {"sh", "-c", "setsid sleep 1000 & echo $!", NULL};
    process_t worker, parent;
    process_options_t options = {.argv = deaf, .environment = environment};
    if (process_start(&options, &worker, &fault) != 0)
        _exit(1);
    options.argv = detached;
    options.pipe_out = true;
    if (process_start(&options, &parent, &fault) != 0)
        _exit(1);
    char text[32] = "";
    poll(&(struct pollfd){.fd = parent.out_fd, .events = POLLIN}, 1, LIMIT_MS);
    if (read(parent.out_fd, text, sizeof text - 1) <= 0)
        _exit(1);
    started->worker = worker.pid;
    started->orphan = (pid_t)atoi(text);
    start_group(started);
    if (keeper && keeper_add_folder(keeper, started->folder) != 0)
        _exit(1);
    if (write(told_fd, started, sizeof *started) < 0)
        _exit(1);
    pause();
    _exit(0);
}

static pid_t
supervisor_start(started_t *started, bool has_keeper)
{
    *started = (started_t){.folder = "/tmp/dmlx-test-keeper-XXXXXX"};
    assert_non_null(mkdtemp(started->folder));
    snprintf(started->called, sizeof started->called, "/tmp/dmlx-test-called-%d", (int)getpid());
    unlink(started->called);
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s/below", started->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/below/file", started->folder);
    write_file(path, "x");
    int told[2];
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t supervisor = fork();
    if (supervisor == 0)
        be_supervisor(told[1], started, has_keeper);
    close(told[1]);
    assert_int_equal(read(told[0], started, sizeof *started), sizeof *started);
    close(told[0]);
    assert_true(process_started(started->worker) > 0);
    return supervisor;
}

static bool
is_all_gone(const started_t *started)
{
    char mark[128];
    pid_t pid;
    snprintf(mark, sizeof mark, "%s=%s", KEEPER_VARIABLE, started->run_id);
    return process_marked(mark, &pid, 1) == 0 && process_started(started->worker) == 0 &&
           process_started(started->orphan) == 0 &&
           (!started->has_group ||
            (access(started->group.cpu, F_OK) != 0 && access(started->group.usage, F_OK) != 0));
}

static void
nothing_outlives_a_killed_run(void **state)
{
    (void)state;
    started_t started;
    pid_t supervisor = supervisor_start(&started, true);
    if (!started.has_group)
        print_message("without a control group: none can be made here\n");
    long long start_ms = process_clock_ms();
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    while (!is_all_gone(&started) || access(started.folder, F_OK) == 0 ||
           access(started.called, F_OK) != 0) {
        assert_true(process_clock_ms() - start_ms < CLEAN_LIMIT_MS);
        poll(NULL, 0, 5);
    }
    print_message("all gone after %lld ms\n", process_clock_ms() - start_ms);
    unlink(started.called);
}

static void
a_sweep_finds_what_a_dead_run_left(void **state)
{
    (void)state;
    started_t started;
    pid_t supervisor = supervisor_start(&started, false);
    assert_int_equal(keeper_is_dead(started.run_id), false);
    keeper_sweep(); // its owner lives: nothing of it is touched
    assert_true(process_started(started.worker) > 0);
    assert_true(process_started(started.orphan) > 0);
    kill(supervisor, SIGKILL);
    waitpid(supervisor, NULL, 0);
    assert_int_equal(keeper_is_dead(started.run_id), true);
    // Another run on this machine may sweep at the same moment: what counts is that all is gone.
    keeper_sweep();
    long long until_ms = process_clock_ms() + CLEAN_LIMIT_MS;
    while (!is_all_gone(&started)) {
        assert_true(process_clock_ms() < until_ms);
        poll(NULL, 0, 5);
    }
    char command[PATH_BYTES * 2];
    snprintf(command, sizeof command, "rm -r '%s'", started.folder);
    assert_int_equal(system(command), 0);
}

static void
a_farewell_ends_the_keeper_and_nothing_else(void **state)
{
    (void)state;
    char called[] = "/tmp/dmlx-test-called-XXXXXX";
    close(mkstemp(called));
    unlink(called);
    fault_t fault;
    keeper_t *keeper = keeper_start(clean_hook, 0, called, &fault);
    assert_non_null(keeper);
    char folder[] = "/tmp/dmlx-test-keeper-XXXXXX", own[KEEPER_ID_BYTES];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(keeper_add_folder(keeper, folder), 0);
    keeper_own_id(own);
    assert_string_equal(keeper_run_id(keeper), own);
    assert_int_equal(poll(&(struct pollfd){.fd = keeper_fd(keeper), .events = POLLIN}, 1, 0), 0);
    keeper_end(&keeper);
    assert_null(keeper);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_not_equal(access(called, F_OK), 0);
    assert_int_equal(rmdir(folder), 0);
    keeper_end(&keeper);
}

static void
only_folders_of_ours_are_taken(void **state)
{
    (void)state;
    keeper_t *keeper = keeper_start(NULL, 0, NULL, NULL);
    assert_non_null(keeper);
    assert_int_equal(keeper_add_folder(keeper, "/home"), -1);
    assert_int_equal(keeper_add_folder(keeper, "dmlx-relative"), -1);
    assert_int_equal(keeper_add_folder(keeper, "/tmp/dmlx-a\nfolder /home"), -1);
    keeper_end(&keeper);
}

static void
a_keeper_holds_no_descriptor_of_the_run(void **state)
{
    (void)state;
    int held[2];
    assert_int_equal(pipe(held), 0);
    keeper_t *keeper = keeper_start(NULL, 0, NULL, NULL);
    assert_non_null(keeper);
    close(held[1]);
    struct pollfd end = {.fd = held[0], .events = POLLIN};
    assert_int_equal(poll(&end, 1, LIMIT_MS), 1); // its end is seen, so nobody else holds it
    close(held[0]);
    keeper_end(&keeper);
}

static void
an_id_of_elsewhere_is_never_judged_dead(void **state)
{
    (void)state;
    char own[KEEPER_ID_BYTES], other[KEEPER_ID_BYTES];
    keeper_own_id(own);
    assert_false(keeper_is_dead(own));
    snprintf(other, sizeof other, "%.8s-%d-1", own, (int)getpid());
    assert_true(keeper_is_dead(other)); // the same number, another process
    other[0] = other[0] == '0' ? '1' : '0';
    assert_false(keeper_is_dead(other));
    assert_false(keeper_is_dead("nonsense"));
    assert_false(keeper_is_dead(""));
}

static void
folders_of_a_run_are_removed_without_following_links(void **state)
{
    (void)state;
    char temporary[] = "/tmp/dmlx-test-tmpdir-XXXXXX", path[PATH_BYTES], link_path[PATH_BYTES * 2];
    char precious[] = "/tmp/dmlx-test-precious-XXXXXX";
    assert_non_null(mkdtemp(temporary));
    close(mkstemp(precious));
    setenv("TMPDIR", temporary, 1);
    snprintf(path, sizeof path, "%s/dmlx-00000000-1-1-keys", temporary);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(link_path, sizeof link_path, "%s/link", path);
    assert_int_equal(symlink(precious, link_path), 0);
    assert_int_equal(keeper_clean_run("00000000-1-1", 1000), 1);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(access(precious, F_OK), 0);
    unsetenv("TMPDIR");
    assert_int_equal(rmdir(temporary), 0);
    unlink(precious);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_outlives_a_killed_run),
        cmocka_unit_test(a_sweep_finds_what_a_dead_run_left),
        cmocka_unit_test(a_farewell_ends_the_keeper_and_nothing_else),
        cmocka_unit_test(only_folders_of_ours_are_taken),
        cmocka_unit_test(a_keeper_holds_no_descriptor_of_the_run),
        cmocka_unit_test(an_id_of_elsewhere_is_never_judged_dead),
        cmocka_unit_test(folders_of_a_run_are_removed_without_following_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
