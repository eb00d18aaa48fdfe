#define _GNU_SOURCE // mkdtemp beside pipe2
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
#include <sys/wait.h>
#include <unistd.h>

#include "runner/process.h"

enum { LIMIT_MS = 10000 };

static process_t
start_shell(const char *script, process_options_t options)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    options.argv = argv;
    options.death_signal = SIGKILL; /* a test that fails leaves nothing behind */
    process_t process;
    fault_t fault = {""};
    if (process_start(&options, &process, &fault) != 0)
        fail_msg("%s", fault.text);
    return process;
}

// All that comes from the descriptor until its end.
static void
read_all(int fd, char *text, size_t n_bytes)
{
    size_t n = 0;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, LIMIT_MS), 1);
        ssize_t n_read = read(fd, text + n, n_bytes - 1 - n);
        if (n_read <= 0)
            break;
        n += (size_t)n_read;
    }
    text[n] = 0;
}

static void
a_childs_output_and_status_come_back(void **state)
{
    (void)state;
    process_t child = start_shell("echo hello; exit 3", (process_options_t){.pipe_out = true});
    char text[100];
    read_all(child.out_fd, text, sizeof text);
    assert_string_equal(text, "hello\n");
    assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
    assert_string_equal(process_status_text(child.status, text, sizeof text),
                        "exited with status 3");
    assert_int_equal(process_exit_status(child.status), 3);
    process_close(&child);
    assert_int_equal(child.pid, 0);
}

static void
a_missing_program_is_told_at_start(void **state)
{
    (void)state;
    const char *argv[] = {"/nowhere/dmlx", NULL};
    process_options_t options = {.name = "worker-1", .argv = argv};
    process_t child;
    fault_t fault;
    assert_int_equal(process_start(&options, &child, &fault), PROCESS_SYSTEM);
    assert_string_equal(fault.text, "worker-1 cannot be started as '/nowhere/dmlx': No such file "
                                    "or directory");
    assert_int_equal(child.pid, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void
standard_error_is_appended_to_the_log(void **state)
{
    (void)state;
    char path[] = "/tmp/dmlx-test-log-XXXXXX";
    int fd = mkstemp(path);
    for (int i = 0; i < 2; i++) {
        process_t child = start_shell("echo line >&2", (process_options_t){.log_path = path});
        assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
        process_close(&child);
    }
    char text[100] = "";
    assert_int_equal(read(fd, text, sizeof text - 1), 10);
    assert_string_equal(text, "line\nline\n");
    close(fd);
    unlink(path);
}

static void
a_log_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    const char *argv[] = {"true", NULL};
    process_options_t options = {.name = "worker-1", .argv = argv, .log_path = "/nowhere/a.log"};
    process_t child;
    fault_t fault;
    assert_int_equal(process_start(&options, &child, &fault), PROCESS_SYSTEM);
    assert_non_null(strstr(fault.text, "'/nowhere/a.log' of worker-1"));
}

static void
no_descriptor_of_ours_leaks_into_a_child(void **state)
{
    (void)state;
    int leak = open("/dev/null", O_RDONLY); // without O_CLOEXEC, on purpose
    assert_true(leak > 2);
    process_t child =
        start_shell("ls /proc/self/fd | wc -l", (process_options_t){.pipe_out = true});
    char text[100];
    read_all(child.out_fd, text, sizeof text);
    assert_string_equal(text, "4\n"); // 0, 1, 2 and the folder that ls reads
    assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
    process_close(&child);
    close(leak);
}

static void
environment_is_added_and_replaced(void **state)
{
    (void)state;
    setenv("DMLX_TEST_A", "old", 1);
    setenv("DMLX_TEST_AB", "kept", 1);
    const char *environment[] = {"DMLX_TEST_A=new", NULL};
    process_t child =
        start_shell("env | grep DMLX_TEST | LC_ALL=C sort",
                    (process_options_t){.pipe_out = true, .environment = environment});
    char text[200];
    read_all(child.out_fd, text, sizeof text);
    assert_string_equal(text, "DMLX_TEST_A=new\nDMLX_TEST_AB=kept\n");
    assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
    process_close(&child);
}

static void
a_wait_has_a_limit(void **state)
{
    (void)state;
    process_t child = start_shell("read line", (process_options_t){.pipe_in = true});
    fault_t fault;
    assert_int_equal(process_wait(&child, 20, &fault), PROCESS_TIMEOUT);
    assert_non_null(strstr(fault.text, "still runs after 20 ms"));
    process_close_in(&child); // its input's end ends it
    assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
    process_close(&child);
}

static void
stop_gives_time_to_end_in_good_order(void **state)
{
    (void)state;
    process_t child = start_shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done",
                                  (process_options_t){.pipe_out = true});
    char text[10];
    struct pollfd poll_fd = {.fd = child.out_fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, LIMIT_MS), 1);
    assert_int_equal(read(child.out_fd, text, 6), 6);
    assert_int_equal(process_stop(&child, LIMIT_MS, NULL), 0);
    assert_int_equal(process_exit_status(child.status), 7);
    process_close(&child);
}

static void
stop_kills_who_does_not_listen(void **state)
{
    (void)state;
    process_t child = start_shell("trap '' TERM; echo ready; sleep 1000; sleep 1000",
                                  (process_options_t){.pipe_out = true});
    char text[100];
    struct pollfd poll_fd = {.fd = child.out_fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, LIMIT_MS), 1);
    assert_int_equal(read(child.out_fd, text, 6), 6);
    assert_int_equal(process_stop(&child, 50, NULL), 0);
    assert_string_equal(process_status_text(child.status, text, sizeof text),
                        "was killed by signal 9 (Killed)");
    process_close(&child);
}

static void
a_stopped_process_can_be_ended(void **state)
{
    (void)state;
    process_t child = start_shell("sleep 1000", (process_options_t){0});
    process_signal(&child, SIGSTOP);
    assert_int_equal(process_stop(&child, LIMIT_MS, NULL), 0);
    assert_int_equal(process_exit_status(child.status), 128 + SIGTERM);
    process_close(&child);
}

static void
what_a_child_leaves_in_its_group_ends_with_it(void **state)
{
    (void)state;
    // The grandchild holds the pipe: its end is seen as the pipe's end.
    process_t child = start_shell("sleep 1000 & exit 0", (process_options_t){.pipe_out = true});
    assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
    char text[10];
    read_all(child.out_fd, text, sizeof text);
    process_close(&child);
}

static void
a_child_dies_with_its_parent(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t middle = fork();
    if (middle == 0) {
        const char *argv[] = {"sleep", "1000", NULL};
        process_options_t options = {.argv = argv, .death_signal = SIGKILL};
        process_t child;
        fault_t fault;
        process_start(&options, &child, &fault);
        if (write(pipe_fds[1], &child.pid, sizeof child.pid) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    pid_t pid = 0;
    assert_int_equal(read(pipe_fds[0], &pid, sizeof pid), sizeof pid);
    assert_true(process_started(pid) > 0);
    kill(middle, SIGKILL);
    assert_int_equal(waitpid(middle, NULL, 0), middle);
    long long until_ms = process_clock_ms() + LIMIT_MS;
    while (process_started(pid) != 0)
        assert_true(process_clock_ms() < until_ms);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
a_closed_reader_is_an_error_and_no_signal(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    close(pipe_fds[0]);
    fault_t fault;
    assert_int_equal(process_write(pipe_fds[1], "x", 1, 100, &fault), PROCESS_SYSTEM);
    assert_non_null(strstr(fault.text, "nobody reads"));
    close(pipe_fds[1]);
}

static void
a_reader_that_does_not_read_is_given_up(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    static const char bytes[1 << 20];
    fault_t fault;
    assert_int_equal(process_write(pipe_fds[1], bytes, sizeof bytes, 20, &fault), PROCESS_TIMEOUT);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
processes_are_found_by_their_mark(void **state)
{
    (void)state;
    char mark[64], start_of_mark[32];
    snprintf(start_of_mark, sizeof start_of_mark, "DMLX_TEST_MARK=%d", (int)getpid());
    snprintf(mark, sizeof mark, "%s and more", start_of_mark);
    const char *environment[] = {mark, NULL};
    process_t child =
        start_shell("exec sleep 1000", (process_options_t){.environment = environment});
    pid_t pids[4] = {0};
    /* While the shell becomes sleep, the kernel shows neither's environment. */
    long long until_ms = process_clock_ms() + LIMIT_MS;
    while (process_marked(mark, pids, 4) != 1)
        assert_true(process_clock_ms() < until_ms);
    assert_int_equal(pids[0], child.pid);
    assert_int_equal(process_marked(start_of_mark, pids, 4), 0);
    assert_int_equal(process_stop(&child, LIMIT_MS, NULL), 0);
    assert_int_equal(process_marked(mark, pids, 4), 0);
    process_close(&child);
}

static void
a_start_time_names_a_process(void **state)
{
    (void)state;
    char own[64];
    snprintf(own, sizeof own, "%llu\n", process_started(getpid()));
    char script[200];
    snprintf(script, sizeof script, "sed 's/.*) //' /proc/%d/stat | cut -d' ' -f20", (int)getpid());
    process_t child = start_shell(script, (process_options_t){.pipe_out = true});
    char text[64];
    read_all(child.out_fd, text, sizeof text);
    assert_string_equal(text, own);
    assert_int_equal(process_wait(&child, LIMIT_MS, NULL), 0);
    process_close(&child);
    assert_int_equal(process_started(0x3ffffff), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_childs_output_and_status_come_back),
        cmocka_unit_test(a_missing_program_is_told_at_start),
        cmocka_unit_test(standard_error_is_appended_to_the_log),
        cmocka_unit_test(a_log_that_cannot_be_written_is_named),
        cmocka_unit_test(no_descriptor_of_ours_leaks_into_a_child),
        cmocka_unit_test(environment_is_added_and_replaced),
        cmocka_unit_test(a_wait_has_a_limit),
        cmocka_unit_test(stop_gives_time_to_end_in_good_order),
        cmocka_unit_test(stop_kills_who_does_not_listen),
        cmocka_unit_test(a_stopped_process_can_be_ended),
        cmocka_unit_test(what_a_child_leaves_in_its_group_ends_with_it),
        cmocka_unit_test(a_child_dies_with_its_parent),
        cmocka_unit_test(a_closed_reader_is_an_error_and_no_signal),
        cmocka_unit_test(a_reader_that_does_not_read_is_given_up),
        cmocka_unit_test(processes_are_found_by_their_mark),
        cmocka_unit_test(a_start_time_names_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
