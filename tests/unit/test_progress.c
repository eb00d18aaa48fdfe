// How far a matrix is, in words and numbers.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runner/clock.h"
#include "runner/progress.h"

static void
durations_and_numbers_read_easily(void **state)
{
    (void)state;
    char text[24];
    assert_string_equal(progress_duration(0, text), "0 s");
    assert_string_equal(progress_duration(44.2, text), "45 s");
    assert_string_equal(progress_duration(250, text), "4m 10s");
    assert_string_equal(progress_duration(7500, text), "2h 05m");
    assert_string_equal(progress_thousands(999, text), "999");
    assert_string_equal(progress_thousands(31200, text), "31,200");
    assert_string_equal(progress_thousands(1234567, text), "1,234,567");
}

static void
the_estimate_is_told_before_anything_has_run(void **state)
{
    (void)state;
    progress_t progress;
    progress_start(&progress, stderr, 4, 40, 1);
    assert_true(progress_left_s(&progress) == 40);
    progress_skip(&progress, 10);
    assert_true(progress_left_s(&progress) == 30);
}

static void
the_rate_seen_replaces_the_estimate(void **state)
{
    (void)state;
    progress_t progress;
    progress_start(&progress, stderr, 4, 40, 1);
    int cell = progress_cell(&progress, 1, "n1-c2 r1", 10);
    progress.busy_since_s = clock_s() - 30; // the cell took three times as long as expected
    progress_cell_end(&progress, cell);
    double left_s = progress_left_s(&progress);
    assert_true(left_s > 89.9 && left_s < 91);
}

static void
a_skipped_cell_tells_nothing_about_the_rate(void **state)
{
    (void)state;
    progress_t progress;
    progress_start(&progress, stderr, 3, 30, 1);
    progress_skip(&progress, 10);
    int cell = progress_cell(&progress, 2, "n1-c2 r1", 10);
    progress.busy_since_s = clock_s() - 20;
    progress_cell_end(&progress, cell);
    double left_s = progress_left_s(&progress);
    assert_true(left_s > 19.9 && left_s < 21);
}

static void
a_file_gets_plain_lines_a_minute_apart(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n_text = 0;
    FILE *out = open_memstream(&text, &n_text);
    progress_t progress;
    progress_start(&progress, out, 3, 30, 1);
    int cell = progress_cell(&progress, 2, "n3-c6 r1", 10);
    progress_round(&progress, cell, 12, 20, 1.392, 31200);
    fflush(out);
    assert_int_equal(n_text, 0);
    progress.drawn_s -= 61;
    progress_round(&progress, cell, 13, 20, 1.392, 31200);
    progress_round(&progress, cell, 14, 20, 1.392, 31200);
    fclose(out);
    assert_ptr_equal(strstr(text, "cell 2/3 n3-c6 r1  round 13/20  loss 1.3920  31,200 samples/s"),
                     text);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_ptr_equal(strchr(text, '\n'), text + n_text - 1);
    free(text);
}

static void
several_cells_are_told_in_one_line(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n_text = 0;
    FILE *out = open_memstream(&text, &n_text);
    progress_t progress;
    progress_start(&progress, out, 27, 300, 1);
    int first = progress_cell(&progress, 3, "n3-c6 r1", 10);
    int second = progress_cell(&progress, 4, "n1-c2 r2", 10);
    progress_cell(&progress, 5, "n2-c2 r1", 10);
    progress_cell(&progress, 6, "n2-c4 r1", 10);
    progress_round(&progress, first, 12, 20, 1.392, 31200);
    progress.drawn_s -= 61;
    progress_round(&progress, second, 4, 20, 1.392, 31200);
    fflush(out);
    const char *expected = "cells 3, 4, 5, 6/27  n3-c6 r1 round 12/20, n1-c2 r2 round 4/20, n2-c2 "
                           "r1, 1 more  ";
    assert_memory_equal(text, expected, strlen(expected));
    progress_cell_end(&progress, first);
    // Its place is taken by the next one, which has had no round.
    assert_int_equal(progress_cell(&progress, 7, "n1-c1 r1", 10), first);
    progress.drawn_s -= 61;
    progress_round(&progress, PROGRESS_NO_CELL, 1, 1, 0, 0);
    progress_tick(&progress);
    fclose(out);
    expected = "cells 4, 5, 6, 7/27  n1-c2 r2 round 4/20, n2-c2 r1, n2-c4 r1, 1 more  ";
    assert_memory_equal(strchr(text, '\n') + 1, expected, strlen(expected));
    free(text);
}

// Two cells of ten seconds each take ten together: what is left takes half its work.
static void
cells_side_by_side_share_the_time(void **state)
{
    (void)state;
    progress_t progress;
    progress_start(&progress, stderr, 6, 60, 0.5);
    assert_true(progress_left_s(&progress) == 30);
    int first = progress_cell(&progress, 1, "a r1", 10), second;
    second = progress_cell(&progress, 2, "b r1", 10);
    progress.busy_since_s = clock_s() - 10;
    progress_round(&progress, second, 10, 20, 1, 1);
    progress_cell_end(&progress, first);
    double left = progress_left_s(&progress); // 45 of work at 15 in 10 s
    assert_true(left > 29.9 && left < 30.5);
    progress_cell_end(&progress, second);
    left = progress_left_s(&progress); // 40 at 20 in 10 s
    assert_true(left > 19.9 && left < 20.5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_and_numbers_read_easily),
        cmocka_unit_test(the_estimate_is_told_before_anything_has_run),
        cmocka_unit_test(the_rate_seen_replaces_the_estimate),
        cmocka_unit_test(a_skipped_cell_tells_nothing_about_the_rate),
        cmocka_unit_test(several_cells_are_told_in_one_line),
        cmocka_unit_test(cells_side_by_side_share_the_time),
        cmocka_unit_test(a_file_gets_plain_lines_a_minute_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
