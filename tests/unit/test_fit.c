// fit: regressions worked by hand, laws with known parameters, and the paper's own numbers.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plots/fit.h"
#include "plots/fits.h"
#include "plots/line.h"

static void
near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%.12g is not %.12g", value, wanted);
}

static void
a_line_has_the_intervals_of_the_textbook(void **state)
{
    (void)state;
    // x 1..5, y 2 4 5 4 5: mean x 3, mean y 4, Sxx 10, Sxy 6: slope 0.6, intercept 2.2. Residuals
    // −0.8 0.6 1 −0.6 −0.2: sum of squares 2.4, R² = 1 − 2.4/6 = 0.6, s² = 0.8, standard error of
    // the slope √(0.8/10) = 0.28284, t(3) = 3.18245: ± 0.90013.
    const fit_point_t points[] = {
        {.x = 1, .y = 2}, {.x = 2, .y = 4}, {.x = 3, .y = 5}, {.x = 4, .y = 4}, {.x = 5, .y = 5}};
    fit_t fit = fit_model(model_named("linear"), points, 5);
    assert_true(fit.is_good);
    near(fit.coefficients[0], 2.2, 1e-12);
    near(fit.coefficients[1], 0.6, 1e-12);
    near(fit.r_squared, 0.6, 1e-12);
    near(fit.sigma, sqrt(0.8), 1e-12);
    const fit_value_t slope = fit_parameter(&fit, 1);
    near(slope.value, 0.6, 1e-12);
    near(slope.low, 0.6 - 0.90013, 0.08);
    near(slope.high, 0.6 + 0.90013, 0.08);
    // At x = 3 the band is ± t·s/√5 = 1.2730.
    const fit_value_t middle = fit_predict(&fit, 3);
    near(middle.value, 4, 1e-12);
    near(middle.high - middle.low, 2 * 1.2730, 0.25);
    char *equation = fit_equation(&fit);
    assert_string_equal(equation, "y = 2.2 + 0.6 x");
    free(equation);
    fit_clear(&fit);
}

static void
an_exponential_is_fitted_in_logarithms(void **state)
{
    (void)state;
    // 8, 4, 2, 1 at 0.. would be exact; at x = 1..4: y = 16·exp(−ln 2·x).
    const fit_point_t points[] = {
        {.x = 1, .y = 8}, {.x = 2, .y = 4}, {.x = 3, .y = 2}, {.x = 4, .y = 1}};
    fit_t fit = fit_model(model_named("exponential"), points, 4);
    near(fit_parameter(&fit, 0).value, 16, 1e-9);
    near(fit_parameter(&fit, 1).value, -log(2), 1e-12);
    near(fit.r_squared, 1, 1e-12);
    near(fit_predict(&fit, 5).value, 0.5, 1e-9);
    near(fit.held_out_error, 0, 1e-9);
    fit_clear(&fit);
}

static void
laws_find_the_parameters_they_were_made_with(void **state)
{
    (void)state;
    fit_point_t amdahl[6];
    fit_point_t usl[6];
    fit_point_t ernest[6];
    for (int i = 0; i < 6; i++) {
        const double x = i + 1;
        amdahl[i] = (fit_point_t){.x = x, .y = 100 * (0.1 + 0.9 / x)};
        usl[i] = (fit_point_t){.x = x, .y = 100 * (1 + 0.05 * (x - 1) + 0.01 * x * (x - 1)) / x};
        ernest[i] = (fit_point_t){.x = x, .y = 3 + 90 / x + 2 * log(x) + 0.5 * x};
    }
    fit_t fit = fit_model(model_named("amdahl"), amdahl, 6);
    near(fit_parameter(&fit, 0).value, 100, 1e-6);
    near(fit_parameter(&fit, 1).value, 0.1, 1e-9);
    fit_clear(&fit);
    fit = fit_model(model_named("usl"), usl, 6);
    near(fit_parameter(&fit, 1).value, 0.05, 1e-8);
    near(fit_parameter(&fit, 2).value, 0.01, 1e-8);
    fit_clear(&fit);
    fit = fit_model(model_named("ernest"), ernest, 6);
    near(fit.coefficients[0], 3, 1e-5);
    near(fit.coefficients[1], 90, 1e-5);
    near(fit.coefficients[2], 2, 1e-5);
    near(fit.coefficients[3], 0.5, 1e-5);
    near(fit.held_out_error, 0, 1e-6);
    fit_clear(&fit);
}

static void
times_are_never_negative(void **state)
{
    (void)state;
    // Better than linear: the best unbounded serial part would be −5.
    const fit_point_t points[] = {
        {.x = 1, .y = 95}, {.x = 2, .y = 45}, {.x = 4, .y = 20}, {.x = 5, .y = 15}};
    fit_t fit = fit_model(model_named("amdahl"), points, 4);
    near(fit.coefficients[0], 0, 0);
    assert_true(fit.coefficients[1] > 0);
    assert_true(fit_predict(&fit, 1000).low >= 0);
    fit_clear(&fit);
}

static void
too_few_sizes_are_said_and_not_fitted(void **state)
{
    (void)state;
    const fit_point_t points[] = {
        {.x = 1, .y = 10}, {.x = 1, .y = 11}, {.x = 2, .y = 6}, {.x = 3, .y = 4}};
    fit_t fit = fit_model(model_named("ernest"), points, 4);
    assert_false(fit.is_good);
    assert_string_equal(fit.note, "3 sizes, needs at least 4: not fitted");
    fit_clear(&fit);
    fit = fit_model(model_named("usl"), points + 1, 3);
    assert_true(fit.is_good);
    assert_null(fit.draws);
    assert_true(isnan(fit_parameter(&fit, 0).low));
    assert_true(isnan(fit.held_out_error));
    assert_string_equal(fit.note, "as many sizes as parameters and no repeats: no intervals; "
                                  "nothing held out");
    assert_true(fit_is_by_default(&fit));
    fit_clear(&fit);
    const fit_point_t repeated[] = {
        {.x = 2, .y = 10}, {.x = 2, .y = 11}, {.x = 3, .y = 12}, {.x = 3, .y = 13}};
    fit = fit_model(model_named("communication"), repeated, 4);
    assert_non_null(fit.draws);
    assert_string_equal(fit.note, "as many sizes as parameters: nothing held out");
    fit_clear(&fit);
    fit = fit_model(model_named("exponential"),
                    (fit_point_t[]){{.x = 1, .y = 1}, {.x = 2, .y = 0}, {.x = 3, .y = 1}}, 3);
    assert_string_equal(fit.note, "needs values above zero");
    fit_clear(&fit);
}

static void
a_wrong_model_is_not_made_sure_by_repetition(void **state)
{
    (void)state;
    // A parabola with hardly any noise, many times over: a line misses it by far more than the
    // repeats differ.
    fit_point_t points[40];
    for (int i = 0; i < 40; i++) {
        const double x = i % 5;
        points[i] = (fit_point_t){.x = x + 1, .y = x * x + (i % 2 ? 0.001 : -0.001)};
    }
    fit_t fit = fit_model(model_named("linear"), points, 40);
    near(fit.degrees, 3, 0);
    assert_non_null(strstr(fit.note, "misses the means"));
    fit_clear(&fit);
}

static void
the_held_out_size_chooses_the_model(void **state)
{
    (void)state;
    const char *const names[] = {"linear", "amdahl", NULL};
    fit_point_t points[5];
    for (int i = 0; i < 5; i++)
        points[i] = (fit_point_t){.x = i + 1, .y = 5 + 60.0 / (i + 1)};
    fit_t fit = fit_best(names, points, 5);
    assert_string_equal(fit.model->name, "amdahl");
    near(fit.largest, 5, 0);
    fit_clear(&fit);
    for (int i = 0; i < 5; i++)
        points[i].y = 100 - 10 * i;
    fit = fit_best(names, points, 5);
    assert_string_equal(fit.model->name, "linear");
    fit_clear(&fit);
}

static void
the_same_points_give_the_same_intervals_in_any_order(void **state)
{
    (void)state;
    const fit_point_t points[] = {{.x = 1, .y = 10},
                                  {.x = 2, .y = 6},
                                  {.x = 3, .y = 4},
                                  {.x = 4, .y = 3.5},
                                  {.x = 5, .y = 3}};
    const fit_point_t turned[] = {{.x = 5, .y = 3},
                                  {.x = 1, .y = 10},
                                  {.x = 3, .y = 4},
                                  {.x = 2, .y = 6},
                                  {.x = 4, .y = 3.5}};
    fit_t a = fit_model(model_named("amdahl"), points, 5);
    fit_t b = fit_model(model_named("amdahl"), turned, 5);
    near(fit_predict(&a, 8).low, fit_predict(&b, 8).low, 0);
    near(fit_parameter(&a, 1).high, fit_parameter(&b, 1).high, 0);
    fit_clear(&a);
    fit_clear(&b);
}

static void
lines_cross_where_they_cross(void **state)
{
    (void)state;
    // Work 60/n, overhead 5 + 5(n − 1) = 5n: 60/n = 5n at √12.
    const fit_point_t work[] = {
        {.x = 1, .y = 60}, {.x = 2, .y = 30}, {.x = 3, .y = 20}, {.x = 4, .y = 15}};
    const fit_point_t overhead[] = {{.x = 2, .y = 10}, {.x = 3, .y = 15}, {.x = 4, .y = 20}};
    fit_t falling = fit_model(model_named("amdahl"), work, 4);
    fit_t rising = fit_model(model_named("communication"), overhead, 3);
    near(fit_crossing(&falling, &rising, 1, 100).value, sqrt(12), 2e-3);
    assert_true(isinf(fit_crossing(&falling, &rising, 1, 3).value));
    fit_clear(&falling);
    fit_clear(&rising);
}

static void
the_papers_regressions_give_the_papers_limit(void **state)
{
    (void)state;
    const char *const folder = PAPER;
    results_t *results = NULL;
    assert_int_equal(results_load(&folder, 1, &results, NULL), PLOTS_OK);
    summary_t *summaries[] = {summary_new(&results->sets[0]), summary_new(&results->sets[1])};
    line_t nodes = line_find((const summary_t *const *)summaries, 2, LINE_NODES);
    assert_int_equal(nodes.n, 3);
    near(nodes.fixed, 2, 0);
    fits_extrapolation_t e = fits_extrapolate(&nodes);
    // "A practical limit at 4 to 5 nodes": exponential work meets linear overhead there.
    assert_true(e.paper_crossing.value > 4 && e.paper_crossing.value < 5);
    assert_true(e.crossing.value > e.paper_crossing.value);
    fits_extrapolation_clear(&e);
    line_clear(&nodes);
    line_t cores = line_find((const summary_t *const *)summaries, 2, LINE_CORES);
    assert_int_equal(cores.n, 6);
    near(cores.fixed, 3, 0);
    line_clear(&cores);
    draft_t draft = {0};
    fits_draft(results, &draft);
    assert_non_null(
        strstr(draft.text, "node_sweep,t_s,nodes,ernest,,,,,,,,,3,3,,\"3 sizes, needs"));
    assert_non_null(strstr(draft.text, "overhead_exceeds_work_nodes"));
    draft_clear(&draft);
    summary_free(&summaries[0]);
    summary_free(&summaries[1]);
    results_free(&results);
}

static void
rounds_tell_communication_from_straggling(void **state)
{
    (void)state;
    static char cells[2][8] = {"n1-c2", "n2-c4"};
    static char nothing[] = "";
    results_run_t runs[2] = {
        {.cell = cells[0], .nodes = 1, .cores = 2, .is_done = true, .t_s = 9, .work_s = 9},
        {.cell = cells[1], .nodes = 2, .cores = 4, .is_done = true, .t_s = 6, .work_s = 5},
    };
    for (int i = 0; i < 2; i++) {
        runs[i].mean_of = 1;
        runs[i].enforced = nothing;
    }
    // Two rounds of two workers: slowest 3 and 2, means 2.5 and 2, rounds of 3.4 and 2.2 seconds.
    results_round_t rounds[] = {
        {.run = 0, .round = 0, .rank = 0, .compute_s = 9, .round_s = 9},
        {.run = 1, .round = 0, .rank = 0, .compute_s = 2, .round_s = 3.4, .sent_bytes = 100},
        {.run = 1, .round = 0, .rank = 1, .compute_s = 3, .round_s = 3.4, .sent_bytes = 100},
        {.run = 1, .round = 1, .rank = 0, .compute_s = 2, .round_s = 2.2, .sent_bytes = 100},
        {.run = 1, .round = 1, .rank = 1, .compute_s = 2, .round_s = 2.2, .sent_bytes = 100},
    };
    const results_set_t set = {
        .name = nothing, .runs = runs, .n_runs = 2, .rounds = rounds, .n_rounds = 5};
    summary_t *summary = summary_new(&set);
    const summary_t *summaries[] = {summary};
    line_t line = line_find(summaries, 1, LINE_NODES);
    size_t n;
    double bytes;
    fit_point_t *points = line_round_points(&line, LINE_COMMUNICATION, &n, &bytes);
    assert_int_equal(n, 1); // one node alone has no company to talk to
    near(points[0].x, 2, 0);
    near(points[0].y, 0.3, 1e-12);
    near(bytes, 100, 0);
    free(points);
    points = line_round_points(&line, LINE_STRAGGLING, &n, &bytes);
    near(points[0].y, 0.25, 1e-12);
    free(points);
    line_clear(&line);
    summary_free(&summary);
}

// The first coefficient where it is at least the fitted one; the others are no answer.
static double
ask_upper_half(const double *first, const double *second, const void *context)
{
    (void)second;
    const fit_t *fit = context;
    return first[0] >= fit->coefficients[0] ? first[0] : NAN;
}

static void
draws_without_an_answer_are_left_out(void **state)
{
    (void)state;
    const fit_point_t points[] = {{.x = 1, .y = 10}, {.x = 2, .y = 13}, {.x = 3, .y = 14},
                                  {.x = 4, .y = 17}, {.x = 5, .y = 18}, {.x = 6, .y = 21}};
    fit_t fit = fit_model(model_named("linear"), points, 6);
    const fit_value_t all = fit_parameter(&fit, 0);
    const fit_value_t half = fit_interval(&fit, NULL, ask_upper_half, &fit);
    assert_true(half.low == fit.coefficients[0]);
    // Of half the draws the upper fortieth is the upper eightieth of all.
    assert_true(half.high > all.high);
    fit_clear(&fit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_the_intervals_of_the_textbook),
        cmocka_unit_test(an_exponential_is_fitted_in_logarithms),
        cmocka_unit_test(laws_find_the_parameters_they_were_made_with),
        cmocka_unit_test(times_are_never_negative),
        cmocka_unit_test(too_few_sizes_are_said_and_not_fitted),
        cmocka_unit_test(a_wrong_model_is_not_made_sure_by_repetition),
        cmocka_unit_test(the_held_out_size_chooses_the_model),
        cmocka_unit_test(the_same_points_give_the_same_intervals_in_any_order),
        cmocka_unit_test(lines_cross_where_they_cross),
        cmocka_unit_test(rounds_tell_communication_from_straggling),
        cmocka_unit_test(the_papers_regressions_give_the_papers_limit),
        cmocka_unit_test(draws_without_an_answer_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
