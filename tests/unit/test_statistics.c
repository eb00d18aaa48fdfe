// statistics: against values worked by hand and from printed tables of Student's t.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plots/statistics.h"

static void
near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%.12g is not %.12g", value, wanted);
}

static void
quantiles_are_those_of_the_printed_tables(void **state)
{
    (void)state;
    near(statistics_t_quantile(0.975, 1), 12.706, 5e-4);
    near(statistics_t_quantile(0.975, 2), 4.303, 5e-4);
    near(statistics_t_quantile(0.975, 9), 2.262, 5e-4);
    near(statistics_t_quantile(0.95, 4), 2.132, 5e-4);
}

static void
three_values_have_a_wide_interval(void **state)
{
    (void)state;
    // Mean 12, squares 4 + 0 + 4, sd 2, standard error 2/√3, t 4.3027: 12 ± 4.968.
    const estimate_t estimate = statistics_estimate((double[]){10, 12, 14}, 3);
    assert_int_equal(estimate.n, 3);
    near(estimate.mean, 12, 1e-12);
    near(estimate.sd, 2, 1e-12);
    near(statistics_margin(estimate), 4.9683, 1e-4);
    near(estimate.low + estimate.high, 24, 1e-9);
}

static void
one_value_has_no_interval_and_none_no_mean(void **state)
{
    (void)state;
    const estimate_t one = statistics_estimate((double[]){7, NAN}, 2);
    assert_int_equal(one.n, 1);
    near(one.mean, 7, 0);
    assert_true(isnan(one.sd) && isnan(one.low) && isnan(one.high));
    const estimate_t none = statistics_estimate(NULL, 0);
    assert_int_equal(none.n, 0);
    assert_true(isnan(none.mean));
}

static void
a_ratio_of_means_has_the_interval_of_the_delta_method(void **state)
{
    (void)state;
    // a: 20 ± sd 1, n 4; b: 10 ± sd 0.5, n 4. Relative errors 0.025 each, together 0.025·√2 =
    // 0.035355, 6 degrees of freedom, t 2.4469: exp(±0.086511) around 2.
    const estimate_t a = {4, 20, 1, 0, 0};
    const estimate_t b = {4, 10, 0.5, 0, 0};
    const estimate_t ratio = statistics_ratio(a, b);
    near(ratio.mean, 2, 1e-12);
    near(ratio.low, 2 * exp(-0.086511), 1e-5);
    near(ratio.high, 2 * exp(0.086511), 1e-5);
    assert_true(isnan(statistics_ratio(statistics_exact(3, 3), b).low));
    near(statistics_ratio(statistics_exact(3, 3), b).mean, 0.3, 1e-12);
}

static void
welch_finds_the_textbook_difference(void **state)
{
    (void)state;
    // a: mean 20.6, sd 1.1402 (5); b: mean 22, sd 1.5811 (5). Variances of the means 0.26 and 0.5;
    // t = 1.4/√0.76 = 1.6059; degrees of freedom 0.76²/(0.26²/4 + 0.5²/4) = 7.2746.
    const estimate_t a = statistics_estimate((double[]){19, 20, 21, 21, 22}, 5);
    const estimate_t b = statistics_estimate((double[]){20, 21, 22, 23, 24}, 5);
    const welch_t welch = statistics_welch(a, b);
    near(welch.difference, -1.4, 1e-12);
    near(welch.degrees, 7.2746, 1e-3);
    near(welch.p, 0.1508, 5e-4);
    assert_true(welch.low < 0 && welch.high > 0);
    assert_true(isnan(statistics_welch(a, statistics_exact(1, 1)).p));
}

static void
equal_values_without_spread_do_not_differ(void **state)
{
    (void)state;
    const estimate_t a = statistics_estimate((double[]){2, 2}, 2);
    const estimate_t b = statistics_estimate((double[]){3, 3}, 2);
    near(statistics_welch(a, a).p, 1, 0);
    near(statistics_welch(a, b).p, 0, 0);
}

static void
a_ratio_is_tested_against_a_bound(void **state)
{
    (void)state;
    // As above: log 2 with error 0.035355 and 6 degrees of freedom. Against 2 it is a coin's toss;
    // against 2·exp(−t(0.95, 6)·error), 5 %.
    const estimate_t a = {4, 20, 1, 0, 0};
    const estimate_t b = {4, 10, 0.5, 0, 0};
    const log_ratio_t ratio = statistics_log_ratio(a, b);
    near(ratio.degrees, 6, 1e-9);
    near(statistics_p_above(ratio, 2), 0.5, 1e-12);
    near(statistics_p_above(ratio, 2 * exp(-1.94318 * ratio.error)), 0.05, 1e-5);
    assert_true(isnan(statistics_p_above(statistics_log_ratio(statistics_exact(1, 1), b), 1)));
}

static void
what_lies_outside_is_told_as_its_interval_tells_it(void **state)
{
    (void)state;
    const double values[] = {1, 2, 3, 4};
    const estimate_t estimate = statistics_estimate(values, 4);
    const double error = estimate.sd / 2.0;
    near(statistics_p_outside(2.5, error, 3, 0, estimate.low), 0.05, 1e-9);
    near(statistics_p_outside(2.5, error, 3, estimate.high, 9), 0.05, 1e-9);
    near(statistics_p_outside(2.5, error, 3, 0, 2.5), 1.0, 1e-12);
    near(statistics_p_outside(2.5, error, 3, 2, 3), 1.0, 1e-12);
    near(statistics_p_outside(2.5, 0, 3, 2, 3), 1.0, 1e-12);
    near(statistics_p_outside(2.5, 0, 3, 3, 4), 0.0, 1e-12);
    assert_true(isnan(statistics_p_outside(2.5, NAN, 3, 3, 4)));
}

static void
holm_counts_the_questions(void **state)
{
    (void)state;
    // Holm's own scheme: 0.01·4, 0.015·3, 0.03·2, 0.04·1, none below the one before.
    double p[] = {0.04, 0.01, NAN, 0.03, 0.015};
    statistics_holm(p, 5);
    near(p[1], 0.04, 1e-12);
    near(p[4], 0.045, 1e-12);
    near(p[3], 0.06, 1e-12);
    near(p[0], 0.06, 1e-12);
    assert_true(isnan(p[2]));
    double many[] = {0.5, 0.5};
    statistics_holm(many, 2);
    near(many[0], 1, 1e-12);
    near(many[1], 1, 1e-12);
}

static void
grubbs_flags_the_one_that_stands_apart(void **state)
{
    (void)state;
    // Grubbs' own kind of example: the last is 2.2 standard deviations off, the limit for 7 values
    // is 2.02.
    const double values[] = {10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 12.0};
    assert_int_equal(statistics_outlier(values, 7), 6);
    assert_int_equal(statistics_outlier(values, 6), 6);
    assert_int_equal(statistics_outlier((double[]){5, 9}, 2), 2);
    assert_int_equal(statistics_outlier((double[]){5, 5, 5}, 3), 3);
    assert_int_equal(statistics_outlier((double[]){10, 10.4, 11}, 3), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_the_printed_tables),
        cmocka_unit_test(three_values_have_a_wide_interval),
        cmocka_unit_test(one_value_has_no_interval_and_none_no_mean),
        cmocka_unit_test(a_ratio_of_means_has_the_interval_of_the_delta_method),
        cmocka_unit_test(welch_finds_the_textbook_difference),
        cmocka_unit_test(equal_values_without_spread_do_not_differ),
        cmocka_unit_test(a_ratio_is_tested_against_a_bound),
        cmocka_unit_test(what_lies_outside_is_told_as_its_interval_tells_it),
        cmocka_unit_test(holm_counts_the_questions),
        cmocka_unit_test(grubbs_flags_the_one_that_stands_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
