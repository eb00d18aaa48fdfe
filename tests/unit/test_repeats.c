// repeats: when a cell has been run often enough.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#include "plots/statistics.h"
#include "runner/repeats.h"

static const repeats_t goal = {.min = 3, .max = 20, .ci = 0.05};

static void
a_fixed_number_is_run_whatever_the_spread(void **state)
{
    (void)state;
    const double same[] = {1, 1, 1}, apart[] = {1, 9, 1};
    const repeats_t three = repeats_fixed(3);
    assert_false(repeats_are_enough(&three, same, 2));
    assert_true(repeats_are_enough(&three, apart, 3));
    assert_int_equal(repeats_expected(&three, apart, 3), 3);
    assert_int_equal(repeats_expected(&three, apart, 0), 3);
}

static void
a_narrow_interval_ends_it(void **state)
{
    (void)state;
    // Half widths: 4.303 · 0.01 / √3 = 0.0248 and 4.303 · 0.03 / √3 = 0.0745.
    const double narrow[] = {0.99, 1, 1.01}, wide[] = {0.97, 1, 1.03};
    assert_true(repeats_are_enough(&goal, narrow, 3));
    assert_false(repeats_are_enough(&goal, wide, 3));
}

static void
a_goal_stops_a_cell_and_the_most_repeats_do_not(void **state)
{
    (void)state;
    const double narrow[] = {0.99, 1, 1.01}, wide[] = {0.97, 1, 1.03};
    const repeats_t three_at_most = {.min = 3, .max = 3, .ci = 0.05}, fixed = repeats_fixed(4);
    double share = 0;
    assert_true(repeats_were_stopped(&goal, narrow, 3, &share));
    assert_true(fabs(share - 0.0248) < 1e-4);
    assert_false(repeats_were_stopped(&goal, narrow, 2, &share)); // fewer than the least
    assert_false(repeats_were_stopped(&goal, wide, 3, &share));
    assert_false(repeats_were_stopped(&three_at_most, narrow, 3, &share));
    assert_false(repeats_were_stopped(&fixed, narrow, 3, &share));
}

static void
it_is_never_fewer_than_min_nor_more_than_max(void **state)
{
    (void)state;
    double apart[20];
    for (int i = 0; i < 20; i++)
        apart[i] = i % 2 ? 1 : 9;
    const double same[] = {1, 1};
    assert_false(repeats_are_enough(&goal, same, 2));
    assert_false(repeats_are_enough(&goal, NULL, 0));
    assert_false(repeats_are_enough(&goal, apart, 19));
    assert_true(repeats_are_enough(&goal, apart, 20));
    assert_int_equal(repeats_expected(&goal, apart, 3), 20);
}

static void
the_interval_is_relative_to_the_mean(void **state)
{
    (void)state;
    const double narrow[] = {990, 1000, 1010}, wide[] = {970, 1000, 1030};
    assert_true(repeats_are_enough(&goal, narrow, 3));
    assert_false(repeats_are_enough(&goal, wide, 3));
}

static void
what_is_expected_is_where_the_interval_would_be_narrow_enough(void **state)
{
    (void)state;
    const double wide[] = {0.97, 1, 1.03};
    // A spread of 0.03: 3.182 · 0.03 / √4 = 0.0477 is the first within 0.05.
    assert_int_equal(repeats_expected(&goal, wide, 3), 4);
    assert_int_equal(repeats_expected(&goal, wide, 0), 3);
    assert_int_equal(repeats_expected(&goal, wide, 1), 3);
}

// Share of cells whose interval holds the true mean of 1 when the goal has stopped them.
static double
coverage(const repeats_t *repeats, double spread)
{
    enum { CELLS = 4000 };
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    int n_held = 0;
    for (int cell = 0; cell < CELLS; cell++) {
        double t_s[64];
        size_t n = 0;
        while (!repeats_are_enough(repeats, t_s, n))
            t_s[n++] = 1 + gsl_ran_gaussian(random, spread);
        estimate_t estimate = statistics_estimate(t_s, n);
        n_held += estimate.low <= 1 && 1 <= estimate.high;
    }
    gsl_rng_free(random);
    return (double)n_held / CELLS;
}

static void
stopping_early_costs_little_of_what_the_intervals_promise(void **state)
{
    (void)state;
    const repeats_t from_five = {.min = 5, .max = 60, .ci = 0.05};
    const repeats_t from_three = {.min = 3, .max = 60, .ci = 0.05};
    const double spreads[] = {0.01, 0.03, 0.06, 0.1};
    for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++) {
        double three = coverage(&from_three, spreads[i]), five = coverage(&from_five, spreads[i]);
        print_message("spread %.2f: %.3f from three, %.3f from five\n", spreads[i], three, five);
        assert_true(three > 0.88);
        assert_true(five > 0.905);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fixed_number_is_run_whatever_the_spread),
        cmocka_unit_test(a_narrow_interval_ends_it),
        cmocka_unit_test(a_goal_stops_a_cell_and_the_most_repeats_do_not),
        cmocka_unit_test(it_is_never_fewer_than_min_nor_more_than_max),
        cmocka_unit_test(the_interval_is_relative_to_the_mean),
        cmocka_unit_test(what_is_expected_is_where_the_interval_would_be_narrow_enough),
        cmocka_unit_test(stopping_early_costs_little_of_what_the_intervals_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
