// What a host does with what is copied to it, and what it says of its cache: the commands that go
// over ssh, run by a shell here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/fleet_errand.h"
#include "runner/memory.h"
#include "runner/process.h"
#include "runner/remains.h"

enum { LIMIT_MS = 20000, PROGRAM_BYTES = 200000 };

static char cache[64]; // as a host has it
static char bytes[PROGRAM_BYTES];

static int
make_cache(void **state)
{
    (void)state;
    strcpy(cache, "/tmp/dmlx-test-XXXXXX");
    for (int i = 0; i < PROGRAM_BYTES; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    return mkdtemp(cache) && setenv("XDG_CACHE_HOME", cache, 1) == 0 ? 0 : -1;
}

static int
remove_cache(void **state)
{
    (void)state;
    remains_remove_tree(cache);
    return 0;
}

static process_t
start(const char *command)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    process_options_t options = {
        .argv = argv, .log_path = "/dev/null", .pipe_in = true, .pipe_out = true};
    process_t shell;
    assert_int_equal(process_start(&options, &shell, NULL), 0);
    return shell;
}

static int
end(process_t *shell)
{
    process_close_in(shell);
    assert_int_equal(process_wait(shell, LIMIT_MS, NULL), 0);
    int status = process_exit_status(shell->status);
    process_close(shell);
    return status;
}

// Runs a command with n bytes on its standard input, and gives its exit status.
static int
feed(const char *command, size_t n_bytes)
{
    process_t shell = start(command);
    assert_int_equal(process_write(shell.in_fd, bytes, n_bytes, LIMIT_MS, NULL), 0);
    return end(&shell);
}

// How many files or folders of the cache match.
static int
count(const char *pattern)
{
    char *path = memory_format("%s/dmlx/%s", cache, pattern);
    glob_t found;
    int n = glob(path, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    globfree(&found);
    free(path);
    return n;
}

static char *
take_program(void)
{
    char *folder = memory_format("%s/dmlx/bin/cafe", cache);
    char *command = fleet_take_command(folder, "dmlx", PROGRAM_BYTES);
    free(folder);
    return command;
}

static void
shell(const char *words)
{
    char *command = memory_format("cd %s && %s", cache, words);
    assert_int_equal(system(command), 0);
    free(command);
}

// Whether a host says that it has the program.
static bool
says_program(void)
{
    char *hello = fleet_hello_command("cafe", PROGRAM_BYTES, "");
    char *command = memory_format("%s </dev/null", hello);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    char line[256], last[256] = "";
    bool is_there = false;
    while (fgets(line, sizeof line, said)) {
        is_there = is_there || strcmp(line, "program yes\n") == 0;
        strcpy(last, line);
    }
    assert_string_equal(last, "end\n");
    pclose(said);
    free(command);
    free(hello);
    return is_there;
}

static void
half_a_program_never_has_its_name(void **state)
{
    (void)state;
    char *command = take_program();
    assert_int_equal(feed(command, PROGRAM_BYTES / 2), 1);
    assert_int_equal(count("bin/cafe/*"), 0);
    assert_false(says_program());
    assert_int_equal(feed(command, PROGRAM_BYTES), 0);
    assert_int_equal(count("bin/cafe/*"), 1);
    assert_true(says_program());
    char taken[PROGRAM_BYTES + 1];
    char *path = memory_format("%s/dmlx/bin/cafe/dmlx", cache);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(taken, 1, sizeof taken, file), PROGRAM_BYTES);
    fclose(file);
    assert_memory_equal(taken, bytes, PROGRAM_BYTES);
    free(path);
    free(command);
}

// A connection that is gone takes no complaint either.
static void
a_cut_connection_leaves_no_part(void **state)
{
    (void)state;
    char *command = take_program();
    char *words = memory_format("%s 2>&1", command);
    process_t taker = start(words);
    process_close_out(&taker);
    assert_int_equal(process_write(taker.in_fd, bytes, PROGRAM_BYTES / 2, LIMIT_MS, NULL), 0);
    assert_int_equal(end(&taker), 1);
    assert_int_equal(count("bin/cafe/*"), 0);
    free(words);
    free(command);
}

// As older versions left it there.
static void
half_a_program_under_its_name_is_replaced(void **state)
{
    (void)state;
    shell("mkdir -p dmlx/bin/cafe && cd dmlx/bin/cafe && echo half >dmlx && chmod 700 dmlx");
    assert_false(says_program());
    char *command = take_program();
    assert_int_equal(feed(command, PROGRAM_BYTES), 0);
    assert_true(says_program());
    free(command);
}

static void
a_signal_leaves_no_part(void **state)
{
    (void)state;
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
    for (int i = 0; i < 3; i++) {
        char *command = take_program();
        process_t taker = start(command);
        // More than a pipe holds: some of it was read when this returns, so the part is there.
        assert_int_equal(process_write(taker.in_fd, bytes, PROGRAM_BYTES / 2, LIMIT_MS, NULL), 0);
        assert_int_equal(count("bin/cafe/dmlx.*"), 1);
        process_signal(&taker, signals[i]);
        assert_int_equal(end(&taker), 1);
        assert_int_equal(count("bin/cafe/*"), 0);
        free(command);
    }
}

// A part of that process's; `host` is "" for one of an older version.
static void
leave_part(long pid, const char *host)
{
    char *words = memory_format("mkdir -p dmlx/bin/cafe && : >dmlx/bin/cafe/dmlx.%ld%s%s", pid,
                                *host ? "." : "", host);
    shell(words);
    free(words);
}

static bool
has_part(long pid, const char *host)
{
    char *name = memory_format("bin/cafe/dmlx.%ld%s%s", pid, *host ? "." : "", host);
    bool has = count(name) == 1;
    free(name);
    return has;
}

// What is of a process that is gone. Not what another one is still writing, or one on another host
// that shares the folder; nor what is no part.
static void
the_next_copy_removes_parts_of_the_dead(void **state)
{
    (void)state;
    struct utsname here;
    uname(&here);
    pid_t gone = fork();
    assert_true(gone >= 0);
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    const char *const hosts[] = {"", here.nodename, "elsewhere"};
    for (int i = 0; i < 3; i++) {
        leave_part(gone, hosts[i]);
        leave_part(getpid(), hosts[i]);
    }
    shell(": >dmlx/bin/cafe/dmlx.old");
    char *command = take_program();
    assert_int_equal(feed(command, PROGRAM_BYTES), 0);
    for (int i = 0; i < 3; i++)
        assert_true(has_part(getpid(), hosts[i]));
    assert_false(has_part(gone, ""));
    assert_false(has_part(gone, here.nodename));
    assert_true(has_part(gone, "elsewhere"));
    assert_int_equal(count("bin/cafe/dmlx.old"), 1);
    free(command);
}

static void
half_an_archive_leaves_nothing(void **state)
{
    (void)state;
    shell("mkdir set && head -c 150000 /dev/zero >set/batch && tar -C set -cf whole.tar . && "
          "head -c 70000 whole.tar >half.tar");
    char *folder = memory_format("%s/dmlx/data", cache);
    char *take = fleet_take_command(folder, "beef", -1);
    char *half = memory_format("%s <%s/half.tar 2>/dev/null", take, cache);
    char *whole = memory_format("%s <%s/whole.tar", take, cache);
    shell("mkdir -p dmlx/data/beef.999999999");
    assert_int_not_equal(feed(half, 0), 0);
    assert_int_equal(count("data/*"), 0);
    for (int i = 0; i < 2; i++) { // the second finds that another was faster
        assert_int_equal(feed(whole, 0), 0);
        assert_int_equal(count("data/*"), 1);
        assert_int_equal(count("data/beef/whole"), 1);
        assert_int_equal(count("data/beef/batch"), 1);
    }
    free(whole);
    free(half);
    free(take);
    free(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(half_a_program_never_has_its_name, make_cache,
                                        remove_cache),
        cmocka_unit_test_setup_teardown(half_a_program_under_its_name_is_replaced, make_cache,
                                        remove_cache),
        cmocka_unit_test_setup_teardown(a_cut_connection_leaves_no_part, make_cache, remove_cache),
        cmocka_unit_test_setup_teardown(a_signal_leaves_no_part, make_cache, remove_cache),
        cmocka_unit_test_setup_teardown(the_next_copy_removes_parts_of_the_dead, make_cache,
                                        remove_cache),
        cmocka_unit_test_setup_teardown(half_an_archive_leaves_nothing, make_cache, remove_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
