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
#include "runner/launch.h"
#include "runner/limits.h"
#include "runner/process.h"

enum { LIMIT_MS = 10000, PATH_BYTES = 512, EVENTS_MAX = 64 };

// Stands in for dmlx: speaks the record channel, and does what the word after "--" says.
static const char stand_in[] =
    "#!/bin/sh\n"
    "role=$1 endpoint=$2; for last; do :; done\n"
    "echo \"$*\" >&2\n"
    "case $role in\n"
    "serve) IFS= read -r header; IFS= read -r text; echo \"text: $text\" >&2\n"
    "  [ \"$last\" = mute ] && exec sleep 1000\n"
    "  [ \"$last\" = die ] && { echo 'out of cheese' >&2; exit 5; }\n"
    "  echo '{\"record\":\"event\",\"text\":\"early\"}'\n"
    "  echo '{\"record\":\"listening\",\"endpoint\":\"tcp://127.0.0.1:4321\"}'\n"
    "  [ \"$last\" = wait ] && exec sleep 1000\n"
    "  [ \"$last\" = flood ] && exec head -c 9000000 /dev/zero\n"
    "  echo '{\"record\":\"event\",\"text\":\"one\"}'; echo "
    "'{\"record\":\"event\",\"text\":\"two\"}'\n"
    "  ;;\n"
    "train) IFS= read -r header; IFS= read -r text; echo \"{\\\"text\\\":\\\"$text\\\"}\";;\n"
    "work) [ \"$last\" = wait ] && exec sleep 1000\n"
    "  [ \"$last\" = deaf ] && { trap '' TERM; while :; do sleep 1; done; }\n"
    "  [ \"$last\" = die ] && kill -9 $$\n"
    "  [ \"$endpoint\" = tcp://127.0.0.1:4321 ] || exit 9;;\n"
    "esac\n";

static char folder[] = "/tmp/dmlx-test-launch-XXXXXX";
static char program[PATH_BYTES], run_id[KEEPER_ID_BYTES];
static const cluster_t cluster;

static int
folder_new(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    keeper_own_id(run_id);
    snprintf(program, sizeof program, "%s/stand-in", folder);
    FILE *file = fopen(program, "w");
    fputs(stand_in, file);
    fclose(file);
    return chmod(program, 0755);
}

static int
folder_remove(void **state)
{
    (void)state;
    char command[PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static launch_cell_t
cell_of(int n_nodes, const char *coordinator_does, const char *worker_does)
{
    static const char *arguments[] = {NULL, NULL}, *worker_arguments[] = {NULL, NULL};
    arguments[0] = coordinator_does;
    worker_arguments[0] = worker_does;
    return (launch_cell_t){.run_id = run_id,
                           .name = "n2-c2-r1",
                           .folder = folder,
                           .text = "name = 'x';\n",
                           .n_nodes = n_nodes,
                           .n_threads = 1,
                           .start_ms_max = LIMIT_MS,
                           .arguments = arguments,
                           .worker_arguments = worker_arguments,
                           .program = program};
}

static launch_t *
start(const launch_cell_t *cell)
{
    launch_t *launch = NULL;
    fault_t fault = {""};
    if (launcher_local.start(&cluster, cell, &launch, &fault) != 0)
        fail_msg("%s", fault.text);
    return launch;
}

// The next event that is not LAUNCH_QUIET.
static launch_event_t
next(launch_t *launch)
{
    launch_event_t event;
    fault_t fault = {""};
    long long until_ms = process_clock_ms() + LIMIT_MS;
    do {
        assert_true(process_clock_ms() < until_ms);
        if (launcher_local.stream(launch, 1000, &event, &fault) != 0)
            fail_msg("%s", fault.text);
    } while (event.kind == LAUNCH_QUIET);
    return event;
}

static void
stop(launch_t **launch)
{
    fault_t fault = {""};
    if (launcher_local.stop(launch, LIMIT_MS, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_null(*launch);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    pid_t pid;
    char mark[128];
    snprintf(mark, sizeof mark, "%s=%s", KEEPER_VARIABLE, run_id);
    assert_int_equal(process_marked(mark, &pid, 1), 0);
}

static const char *
log_text(const char *name)
{
    static char text[4096];
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static void
records_come_in_order_and_ends_after_them(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "go", "go");
    launch_t *launch = start(&cell);
    int n_records = 0, n_ended = 0;
    const char *expected[] = {"early", "listening", "one", "two"};
    for (launch_event_t event; (event = next(launch)).kind != LAUNCH_DONE;) {
        if (event.kind == LAUNCH_RECORD) {
            assert_true(n_records < 4);
            assert_non_null(strstr(event.line, expected[n_records++]));
            assert_int_equal(strlen(event.line), event.n_bytes);
        } else {
            assert_int_equal(event.status, 0);
            if (event.rank == LAUNCH_COORDINATOR)
                assert_int_equal(n_records, 4);
            n_ended++;
        }
    }
    assert_int_equal(n_records, 4);
    assert_int_equal(n_ended, 3);
    assert_int_equal(next(launch).kind, LAUNCH_DONE);
    stop(&launch);
    assert_string_equal(log_text("worker-1.log"), "work tcp://127.0.0.1:4321 --supervised "
                                                  "--identity worker-1 --threads 1 go\n");
    assert_string_equal(log_text("coordinator.log"),
                        "serve - --supervised go\ntext: name = 'x';\n");
}

static void
one_node_runs_the_standalone_role(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(1, "go", NULL);
    launch_t *launch = start(&cell);
    launch_event_t event = next(launch);
    assert_string_equal(event.line, "{\"text\":\"name = 'x';\"}");
    event = next(launch);
    assert_int_equal(event.kind, LAUNCH_ENDED);
    assert_non_null(strstr(event.text, "standalone on '"));
    assert_int_equal(next(launch).kind, LAUNCH_DONE);
    stop(&launch);
}

static void
a_coordinator_that_does_not_listen_is_named(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "mute", "go");
    cell.start_ms_max = 100;
    launch_t *launch = start(&cell);
    launch_event_t event;
    fault_t fault;
    assert_int_equal(launcher_local.stream(launch, LIMIT_MS, &event, &fault), LAUNCH_TIMEOUT);
    assert_non_null(strstr(fault.text, "did not listen within 100 ms; see '"));
    assert_non_null(strstr(fault.text, "coordinator.log'"));
    stop(&launch);
}

static void
an_early_end_tells_the_logs_last_line(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "die", "go");
    launch_t *launch = start(&cell);
    launch_event_t event = next(launch);
    assert_int_equal(event.kind, LAUNCH_ENDED);
    assert_int_equal(event.rank, LAUNCH_COORDINATOR);
    assert_int_equal(event.status, 5);
    assert_non_null(strstr(event.text, "exited with status 5: out of cheese; see '"));
    assert_int_equal(next(launch).kind, LAUNCH_DONE);
    stop(&launch);
}

static void
a_lost_connection_is_no_fault_of_what_was_said_last(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "wait", "wait");
    launch_event_t event;
    char *path = launch_log_path(&cell, LAUNCH_COORDINATOR);
    FILE *log = fopen(path, "w");
    assert_non_null(log);
    fputs("worker 1 came\n", log);
    fclose(log);
    launch_ended(&cell, LAUNCH_COORDINATOR, "mgr", 255 << 8, &event);
    assert_int_equal(event.status, 255);
    assert_non_null(strstr(event.text, "coordinator on 'mgr' is gone with its connection (status "
                                       "255 of ssh); said last: worker 1 came; see '"));
    assert_int_equal(unlink(path), 0);
    launch_ended(&cell, LAUNCH_COORDINATOR, "mgr", 255 << 8, &event);
    assert_non_null(strstr(event.text, "(status 255 of ssh); see '"));
    free(path);
}

static void
a_lost_worker_is_named_and_can_be_respawned(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "wait", "die");
    launch_t *launch = start(&cell);
    int n_lost = 0;
    while (n_lost < 2) {
        launch_event_t event = next(launch);
        if (event.kind != LAUNCH_ENDED)
            continue;
        assert_int_equal(event.status, 128 + SIGKILL);
        assert_non_null(strstr(event.text, "was killed by signal 9 (Killed)"));
        n_lost++;
    }
    fault_t fault;
    assert_int_equal(launcher_local.respawn(launch, 1, &fault), 0);
    launch_event_t event = next(launch);
    assert_int_equal(event.kind, LAUNCH_ENDED);
    assert_int_equal(event.rank, 1);
    stop(&launch);
}

static void
stopping_ends_everything_at_once(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(3, "wait", "wait");
    launch_t *launch = start(&cell);
    next(launch);
    next(launch);
    stop(&launch);
}

static void
a_deaf_worker_is_killed_after_the_grace(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "wait", "deaf");
    launch_t *launch = start(&cell);
    next(launch);
    next(launch);
    fault_t fault = {""};
    assert_int_equal(launcher_local.stop(&launch, 100, &fault), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void
a_record_without_end_is_refused(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "flood", "wait");
    launch_t *launch = start(&cell);
    next(launch);
    next(launch);
    launch_event_t event = {.kind = LAUNCH_QUIET};
    fault_t fault = {""};
    int status = 0;
    while (status == 0 && event.kind != LAUNCH_ENDED && event.kind != LAUNCH_DONE)
        status = launcher_local.stream(launch, 1000, &event, &fault);
    assert_int_equal(status, LAUNCH_FAILED);
    assert_non_null(strstr(fault.text, "sent a record of more than"));
    stop(&launch);
}

static void
a_missing_program_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "go", "go");
    cell.program = "/nowhere/dmlx";
    launch_t *launch = NULL;
    fault_t fault;
    assert_int_equal(launcher_local.start(&cluster, &cell, &launch, &fault), LAUNCH_FAILED);
    assert_null(launch);
    assert_non_null(strstr(fault.text, "coordinator cannot be started as '/nowhere/dmlx'"));
}

static void
the_descriptor_tells_when_there_is_an_event(void **state)
{
    (void)state;
    launch_cell_t cell = cell_of(2, "go", "go");
    launch_t *launch = start(&cell);
    launch_event_t event = {.kind = LAUNCH_QUIET};
    while (event.kind != LAUNCH_DONE) {
        struct pollfd poll_fd = {.fd = launcher_local.fd(launch), .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, LIMIT_MS), 1);
        // Everything that is there is taken one by one, a poll before each.
        assert_int_equal(launcher_local.stream(launch, 0, &event, NULL), 0);
        if (event.kind == LAUNCH_ENDED && event.rank == LAUNCH_COORDINATOR)
            break;
    }
    stop(&launch);
}

static void
command_lines_are_built_in_one_place(void **state)
{
    (void)state;
    const char *more[] = {"--data", "/data", NULL};
    launch_cell_t cell = {.run_id = "1-2-3",
                          .name = "n3-c1-r2",
                          .n_nodes = 3,
                          .n_threads = 1,
                          .cpu_limit = 1.0 / 3,
                          .worker_arguments = more};
    launch_argv_t argv;
    launch_argv_build(&argv, &cell, 2, "dmlx", "tcp://h:1", true);
    const char *expected[] = {"dmlx",        "work",
                              "tcp://h:1",   "--supervised",
                              "--identity",  "worker-2",
                              "--threads",   "1",
                              "--cpus",      "0.333333333",
                              "--period-us", "10000",
                              "--cgroup",    "dmlx-1-2-3-n3-c1-r2-worker-2",
                              "--data",      "/data"};
    assert_int_equal(argv.n, sizeof expected / sizeof *expected);
    for (int i = 0; i < argv.n; i++)
        assert_string_equal(argv.argv[i], expected[i]);
    assert_null(argv.argv[argv.n]);
    launch_argv_build(&argv, &cell, 2, "dmlx", "tcp://h:1", false);
    assert_int_equal(argv.n, 10);
}

static void
long_names_of_cells_stay_apart(void **state)
{
    (void)state;
    char one[LIMITS_NAME_BYTES], other[LIMITS_NAME_BYTES], name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    launch_cell_t cell = {.run_id = "1-2-3", .name = name, .n_nodes = 2};
    launch_group_name(&cell, 1, one, sizeof one);
    name[sizeof name - 2] = 'b';
    launch_group_name(&cell, 1, other, sizeof other);
    assert_string_not_equal(one, other);
    assert_non_null(strstr(one, "-worker-1"));
}

static void
a_framed_text_leaves_the_stream_open(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(launch_text_write(ends[1], "a = 1;\n", LIMIT_MS, NULL), 0);
    assert_int_equal(write(ends[1], "rest", 4), 4);
    char *text = NULL, rest[8];
    assert_int_equal(launch_text_read(ends[0], LIMIT_MS, &text, NULL), 0);
    assert_string_equal(text, "a = 1;\n");
    assert_int_equal(read(ends[0], rest, sizeof rest), 4);
    free(text);
    close(ends[0]);
    close(ends[1]);
}

static char *
read_plain(const char *plain, size_t n_bytes, int expected_status)
{
    int ends[2];
    char *text = NULL;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], plain, n_bytes), n_bytes);
    close(ends[1]);
    assert_int_equal(launch_text_read(ends[0], LIMIT_MS, &text, NULL), expected_status);
    close(ends[0]);
    return text;
}

static void
a_plain_text_is_read_to_its_end(void **state)
{
    (void)state;
    const char *texts[] = {"", "d", "dmlx", "name = \"x\";\n", "dmlx-text is no number\nat all\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text = read_plain(texts[i], strlen(texts[i]), 0);
        assert_string_equal(text, texts[i]);
        free(text);
    }
    assert_null(read_plain("dmlx-text 10\nshort", 18, LAUNCH_FAILED));
    assert_null(read_plain("dmlx-text 99999999\nlong", 23, LAUNCH_FAILED));
}

static void
a_text_that_does_not_come_is_given_up(void **state)
{
    (void)state;
    int ends[2];
    char *text = NULL;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(launch_text_read(ends[0], 20, &text, NULL), LAUNCH_TIMEOUT);
    assert_null(text);
    close(ends[0]);
    close(ends[1]);
}

static void
what_cannot_be_run_leaves_the_rest(void **state)
{
    (void)state;
    launch_shortfall_t shortfall = {0};
    fault_t why = {"host 'w3' is off"}, port = {"port 7070 is taken"}, fault = {{0}};
    launch_need_t need = {.n_nodes = 3, .n_nodes_least = 1, .shortfall = &shortfall};
    assert_int_equal(launch_fall_short(&need, 2, &why, &fault), 0);
    assert_int_equal(shortfall.n_nodes_max, 2);
    assert_string_equal(shortfall.why.text, "host 'w3' is off");
    // The narrower limit stands, whichever comes first.
    assert_int_equal(launch_fall_short(&need, 1, &port, &fault), 0);
    assert_int_equal(launch_fall_short(&need, 2, &why, &fault), 0);
    assert_int_equal(shortfall.n_nodes_max, 1);
    assert_string_equal(shortfall.why.text, "port 7070 is taken");
    assert_string_equal(fault.text, "");
    // Nothing is left that could be run, or nobody wants less than all.
    assert_int_equal(launch_fall_short(&need, 0, &why, &fault), LAUNCH_DENIED);
    assert_string_equal(fault.text, "host 'w3' is off");
    need.shortfall = NULL;
    assert_int_equal(launch_fall_short(&need, 2, &port, &fault), LAUNCH_DENIED);
    assert_string_equal(fault.text, "port 7070 is taken");
}

static void
launchers_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(launch_find("local"), &launcher_local);
    assert_null(launch_find("lokal"));
}

#define ON_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_new, folder_remove)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FOLDER(records_come_in_order_and_ends_after_them),
        ON_FOLDER(one_node_runs_the_standalone_role),
        ON_FOLDER(a_coordinator_that_does_not_listen_is_named),
        ON_FOLDER(an_early_end_tells_the_logs_last_line),
        ON_FOLDER(a_lost_connection_is_no_fault_of_what_was_said_last),
        ON_FOLDER(a_lost_worker_is_named_and_can_be_respawned),
        ON_FOLDER(stopping_ends_everything_at_once),
        ON_FOLDER(a_deaf_worker_is_killed_after_the_grace),
        ON_FOLDER(a_record_without_end_is_refused),
        ON_FOLDER(a_missing_program_is_told_and_leaves_nothing),
        ON_FOLDER(the_descriptor_tells_when_there_is_an_event),
        cmocka_unit_test(command_lines_are_built_in_one_place),
        cmocka_unit_test(long_names_of_cells_stay_apart),
        cmocka_unit_test(a_framed_text_leaves_the_stream_open),
        cmocka_unit_test(a_plain_text_is_read_to_its_end),
        cmocka_unit_test(a_text_that_does_not_come_is_given_up),
        cmocka_unit_test(what_cannot_be_run_leaves_the_rest),
        cmocka_unit_test(launchers_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
