// What a run could not remove is asked for again and again, written down, and removed by the
// next.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/left_behind.h"
#include "runner/process.h"

enum { PATH_BYTES = 256, SHORT_MS = 300 };

// A cluster that lets go after so many times; who asked last; what was said.
static int n_refusals, n_asked;
static char asked_for[64], said[2048];

static int
refuse(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault)
{
    (void)cluster;
    assert_true(timeout_ms >= 0);
    n_asked++;
    snprintf(asked_for, sizeof asked_for, "%s", run_id);
    if (n_refusals == 0)
        return 0;
    n_refusals--;
    fault_set(fault, "the manager does not\nanswer");
    return LAUNCH_FAILED;
}

static const launcher_t stubborn = {.name = "stubborn", .clean_ms_max = SHORT_MS, .clean = refuse};

static void
hear(const char *text)
{
    strncat(said, text, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

static void
begin(int refusals)
{
    n_refusals = refusals;
    n_asked = 0;
    *said = *asked_for = 0;
}

static void
a_refusal_is_not_the_last_word(void **state)
{
    (void)state;
    fault_t fault = {{0}};
    cluster_t cluster = {0};
    begin(3);
    assert_int_equal(left_behind_remove(&stubborn, &cluster, "a-1-1", 60000, &fault), 0);
    assert_int_equal(n_asked, 4);
    assert_string_equal(asked_for, "a-1-1");
}

static void
asking_ends_with_the_time(void **state)
{
    (void)state;
    fault_t fault = {{0}};
    cluster_t cluster = {0};
    begin(1000000);
    long long began_ms = process_clock_ms();
    assert_int_equal(left_behind_remove(&stubborn, &cluster, "a-1-1", SHORT_MS, &fault), -1);
    assert_true(process_clock_ms() - began_ms >= SHORT_MS / 2);
    assert_true(n_asked > 1 && n_asked < 10); // and not as fast as it can
    assert_string_equal(fault.text, "the manager does not\nanswer");
}

static void
what_is_written_down_is_told_and_tried_again(void **state)
{
    (void)state;
    char parent[] = "/tmp/dmlx-test-behind-XXXXXX", folder[PATH_BYTES], file[PATH_BYTES * 2];
    cluster_t cluster = {0};
    assert_non_null(mkdtemp(parent));
    snprintf(folder, sizeof folder, "%s/results/tiny", parent); // not there yet
    snprintf(file, sizeof file, "%s/left-behind.txt", folder);
    left_behind_note(folder, "a-1-1", "the manager does not\nanswer");
    assert_int_equal(access(file, R_OK), 0);

    begin(1000000);
    left_behind_retry(folder, &stubborn, &cluster, hear);
    assert_string_equal(asked_for, "a-1-1");
    assert_non_null(strstr(said, "left something behind: the manager does not answer"));
    assert_int_equal(access(file, R_OK), 0); // for the time after

    begin(0);
    left_behind_retry(folder, &stubborn, &cluster, hear);
    assert_non_null(strstr(said, "it is removed now"));
    assert_int_not_equal(access(file, R_OK), 0);

    begin(0);
    left_behind_retry(folder, &stubborn, &cluster, hear);
    assert_int_equal(n_asked, 0);
    assert_string_equal(said, "");
    for (int depth = 0; depth < 3; depth++) {
        assert_int_equal(rmdir(folder), 0);
        *strrchr(folder, '/') = 0;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_not_the_last_word),
        cmocka_unit_test(asking_ends_with_the_time),
        cmocka_unit_test(what_is_written_down_is_told_and_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
