// compare: what counts as a regression, and what does not.
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plots/compare.h"

enum { CELLS = 4, REPEATS = 3 };
static char empty[] = "";
static char done[] = "done";
static char sweep[] = "sweep";
static char ids[CELLS][8] = {"n1-c2", "n2-c4", "n3-c6", "n4-c8"};

typedef struct {
    results_run_t runs[CELLS * REPEATS];
    results_set_t set;
    results_t results;
} made_t;

// Times of 100/n seconds that are `factor` as long, with noise drawn from `random`.
static void
make(made_t *made, gsl_rng *random, double factor, double accuracy, size_t n_repeats)
{
    size_t n = 0;
    for (int cell = 0; cell < CELLS; cell++) {
        for (size_t repeat = 0; repeat < n_repeats; repeat++) {
            const double t = 100.0 / (cell + 1) * factor * (1.0 + 0.01 * gsl_ran_ugaussian(random));
            made->runs[n++] =
                (results_run_t){.cell = ids[cell],
                                .nodes = cell + 1,
                                .cores = 2 * (cell + 1),
                                .repeat = (int)repeat + 1,
                                .mean_of = 1,
                                .attempt = empty,
                                .status = done,
                                .data = empty,
                                .enforced = empty,
                                .is_done = true,
                                .t_s = t,
                                .work_s = t,
                                .overhead_s = 0,
                                .accuracy = accuracy + 0.005 * gsl_ran_ugaussian(random)};
        }
    }
    made->set = (results_set_t){.folder = empty,
                                .name = sweep,
                                .title = sweep,
                                .data = empty,
                                .launcher = empty,
                                .runs = made->runs,
                                .n_runs = n};
    made->results = (results_t){.root = sweep, .sets = &made->set, .n_sets = 1, .notes = empty};
}

static compare_t *
compared(unsigned long seed, double factor, double accuracy, double tolerance, size_t n_repeats)
{
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    made_t a;
    made_t b;
    make(&a, random, 1.0, 0.55, REPEATS);
    make(&b, random, factor, accuracy, n_repeats);
    gsl_rng_free(random);
    compare_t *comparison = NULL;
    plots_error_t error = {""};
    if (compare_new(&a.results, &b.results, tolerance, &comparison, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    return comparison;
}

static void
a_slower_cell_beyond_the_tolerance_is_a_regression(void **state)
{
    (void)state;
    compare_t *comparison = compared(1, 1.25, 0.55, 0.05, REPEATS);
    assert_int_equal(comparison->n_rows, CELLS);
    assert_int_equal(comparison->n_worse, CELLS);
    assert_int_equal(comparison->rows[0].t_s.verdict, COMPARE_WORSE);
    assert_true(comparison->rows[0].t_s.ratio.low > 1.1);
    compare_free(&comparison);
    comparison = compared(1, 1.25, 0.55, 0.50, REPEATS);
    assert_int_equal(comparison->n_worse, 0);
    assert_int_equal(comparison->rows[0].t_s.verdict, COMPARE_WITHIN);
    compare_free(&comparison);
}

static void
faster_is_better_and_less_accurate_is_worse(void **state)
{
    (void)state;
    compare_t *comparison = compared(2, 0.7, 0.40, 0.05, REPEATS);
    assert_int_equal(comparison->n_better, CELLS);
    assert_int_equal(comparison->n_worse, CELLS);
    assert_int_equal(comparison->rows[1].t_s.verdict, COMPARE_BETTER);
    assert_int_equal(comparison->rows[1].accuracy.verdict, COMPARE_WORSE);
    compare_free(&comparison);
}

static void
equal_results_raise_no_more_false_alarms_for_more_cells(void **state)
{
    (void)state;
    // Without any tolerance, two one-sided tests at 5 % each: of 200 comparisons of equal things,
    // hardly more than 10 may call one worse.
    int n_alarms = 0;
    for (unsigned long seed = 1; seed <= 200; seed++) {
        compare_t *comparison = compared(seed, 1.0, 0.55, 0.0, REPEATS);
        n_alarms += comparison->n_worse > 0;
        compare_free(&comparison);
    }
    assert_true(n_alarms <= 17);
}

static void
too_few_repeats_are_shown_and_not_judged(void **state)
{
    (void)state;
    compare_t *comparison = compared(3, 2.0, 0.55, 0.05, 1);
    assert_int_equal(comparison->n_worse, 0);
    assert_int_equal(comparison->rows[0].t_s.verdict, COMPARE_BEYOND);
    assert_int_equal(comparison->rows[0].accuracy.verdict, COMPARE_UNTESTED);
    assert_int_equal(comparison->n_untested, 2 * CELLS);
    assert_int_equal(comparison->n_beyond, CELLS);
    assert_true(comparison->rows[0].t_s.ratio.mean > 1.9);
    assert_true(isnan(comparison->rows[0].t_s.p_holm));
    compare_free(&comparison);
}

// Twice as fast is beyond the tolerance too, but nothing to warn of.
static void
only_what_is_worse_is_beyond(void **state)
{
    (void)state;
    compare_t *comparison = compared(3, 0.5, 0.55, 0.05, 1);
    assert_int_equal(comparison->rows[0].t_s.verdict, COMPARE_UNTESTED);
    assert_int_equal(comparison->n_beyond, 0);
    compare_free(&comparison);
    comparison = compared(3, 1.0, 0.40, 0.05, 1);
    assert_int_equal(comparison->rows[0].accuracy.verdict, COMPARE_BEYOND);
    assert_int_equal(comparison->n_beyond, CELLS);
    compare_free(&comparison);
}

// Measured against published means, whose spread nobody printed: one mean a cell, taken as exact.
static void
published_means_are_what_measured_ones_are_tested_against(void **state)
{
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    made_t paper;
    made_t measured;
    make(&paper, random, 1.0, 0.55, 1);
    make(&measured, random, 1.5, 0.55, REPEATS);
    gsl_rng_free(random);
    paper.set.is_published = true;
    compare_t *comparison = NULL;
    plots_error_t error = {""};
    assert_int_equal(compare_new(&paper.results, &measured.results, 0.05, &comparison, &error),
                     PLOTS_OK);
    assert_int_equal(comparison->n_worse, CELLS);
    // One mean of three values: Student's t with two degrees of freedom, the delta method's error.
    const compare_value_t *t = &comparison->rows[1].t_s;
    const double error_of_log = t->b.sd / t->b.mean / sqrt(REPEATS);
    assert_true(fabs(t->ratio.high - t->ratio.mean * exp(4.302653 * error_of_log)) < 1e-5);
    draft_t draft = {0};
    compare_draft(comparison, TABLE_TEXT, &draft);
    assert_non_null(strstr(draft.text, "taken as exact"));
    draft_clear(&draft);
    compare_free(&comparison);
    // Two publications have nothing to test.
    measured.set.is_published = true;
    measured.set.n_runs = 0;
    for (size_t i = 0; i < CELLS; i++)
        measured.runs[measured.set.n_runs++] = measured.runs[i * REPEATS];
    assert_int_equal(compare_new(&paper.results, &measured.results, 0.05, &comparison, &error),
                     PLOTS_OK);
    assert_int_equal(comparison->rows[1].t_s.verdict, COMPARE_UNTESTED);
    compare_free(&comparison);
}

static void
cells_without_a_partner_are_counted(void **state)
{
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    made_t a;
    made_t b;
    make(&a, random, 1.0, 0.5, REPEATS);
    make(&b, random, 1.0, 0.5, REPEATS);
    gsl_rng_free(random);
    a.set.n_runs = 2 * REPEATS;
    compare_t *comparison = NULL;
    plots_error_t error = {""};
    assert_int_equal(compare_new(&a.results, &b.results, 0.05, &comparison, &error), PLOTS_OK);
    assert_int_equal(comparison->n_rows, 2);
    assert_int_equal(comparison->n_only_b, 2);
    draft_t draft = {0};
    compare_draft(comparison, TABLE_TEXT, &draft);
    assert_non_null(strstr(draft.text, "Without a partner: 0 cells of A, 2 of B."));
    draft_clear(&draft);
    compare_draft(comparison, TABLE_CSV, &draft);
    assert_non_null(strstr(draft.text, "\n1:2,t_s,"));
    draft_clear(&draft);
    compare_draft(comparison, TABLE_JSON, &draft);
    assert_non_null(strstr(draft.text, "\"verdict\""));
    draft_clear(&draft);
    compare_free(&comparison);
    a.set.n_runs = REPEATS;
    b.set.runs = b.runs + REPEATS;
    b.set.n_runs = REPEATS;
    assert_int_equal(compare_new(&a.results, &b.results, 0.05, &comparison, &error), PLOTS_EMPTY);
    assert_null(comparison);
}

static void
expect_lines(const compare_t *comparison, table_format_t format, const char *const *lines)
{
    draft_t draft = {0};
    compare_draft(comparison, format, &draft);
    for (; *lines != NULL; lines++) {
        if (strstr(draft.text, *lines) == NULL)
            fail_msg("'%s' is not in:\n%s", *lines, draft.text);
    }
    draft_clear(&draft);
}

// The second cell fails in B, the third was never run there: the one is a regression, the other is
// not. And the fourth fails in A, where nothing was to be lost.
static void
a_cell_that_only_fails_is_a_regression(void **state)
{
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    made_t a;
    made_t b;
    make(&a, random, 1.0, 0.5, REPEATS);
    make(&b, random, 1.0, 0.5, REPEATS);
    gsl_rng_free(random);
    for (size_t i = 0; i < REPEATS; i++) {
        b.runs[REPEATS + i].is_done = false;
        a.runs[3 * REPEATS + i].is_done = false;
        b.runs[2 * REPEATS + i] = b.runs[3 * REPEATS + i];
    }
    b.set.n_runs = 3 * REPEATS;
    compare_t *comparison = NULL;
    plots_error_t error = {""};
    assert_int_equal(compare_new(&a.results, &b.results, 0.05, &comparison, &error), PLOTS_OK);
    assert_int_equal(comparison->n_rows, 2);
    assert_int_equal(comparison->n_failed, 1);
    assert_int_equal(comparison->n_only_a, 1);
    assert_int_equal(comparison->n_only_b, 1);
    assert_int_equal(comparison->n_worse + comparison->n_untested, 0);
    assert_int_equal(comparison->rows[0].t_s.verdict, COMPARE_SAME);
    assert_int_equal(comparison->rows[1].t_s.verdict, COMPARE_FAILED);
    expect_lines(comparison, TABLE_TEXT,
                 (const char *const[]){"failed", "0 untested, 1 cell failed.", NULL});
    expect_lines(comparison, TABLE_MARKDOWN, (const char *const[]){"| failed |", NULL});
    expect_lines(
        comparison, TABLE_CSV,
        (const char *const[]){"ratio_high,p_holm,verdict,a_failed,b_failed,a_failed_repeats,"
                              "b_failed_repeats\n",
                              ",,,,,,failed,0,3,,1 2 3\n1:2,accuracy,", NULL});
    expect_lines(comparison, TABLE_JSON,
                 (const char *const[]){"\"verdict\": \"failed\"", "\"p_holm\": null", NULL});
    compare_free(&comparison);
}

// One repeat failed in A and two in B, beside those that the means are of.
static void
failed_repeats_are_counted_and_named(void **state)
{
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    made_t a;
    made_t b;
    make(&a, random, 1.0, 0.5, REPEATS);
    make(&b, random, 1.0, 0.5, REPEATS);
    gsl_rng_free(random);
    a.runs[1].is_done = false;
    b.runs[REPEATS].is_done = b.runs[2 * REPEATS - 1].is_done = false;
    compare_t *comparison = NULL;
    plots_error_t error = {""};
    assert_int_equal(compare_new(&a.results, &b.results, 0.05, &comparison, &error), PLOTS_OK);
    assert_int_equal(comparison->rows[0].a_failed.n, 1);
    assert_int_equal(comparison->rows[1].b_failed.n, 2);
    assert_int_equal(comparison->n_failed, 0);
    const char *const notes[] = {"1 failed repeat of A, not counted: 1:2 (repeat 2).",
                                 "2 failed repeats of B, not counted: 2:4 (repeats 1 3).", NULL};
    expect_lines(comparison, TABLE_TEXT, notes);
    expect_lines(comparison, TABLE_MARKDOWN, notes);
    expect_lines(comparison, TABLE_CSV,
                 (const char *const[]){",1,0,2,\n2:4,t_s,", ",0,2,,1 3\n3:6,t_s,", NULL});
    expect_lines(comparison, TABLE_JSON,
                 (const char *const[]){"\"b_failed\": 2", "\"a_failed_repeats\": \"2\"", NULL});
    compare_free(&comparison);
    // Nothing is said where nothing failed.
    comparison = compared(1, 1.0, 0.55, 0.05, REPEATS);
    draft_t draft = {0};
    compare_draft(comparison, TABLE_TEXT, &draft);
    assert_null(strstr(draft.text, "not counted"));
    draft_clear(&draft);
    compare_free(&comparison);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slower_cell_beyond_the_tolerance_is_a_regression),
        cmocka_unit_test(faster_is_better_and_less_accurate_is_worse),
        cmocka_unit_test(equal_results_raise_no_more_false_alarms_for_more_cells),
        cmocka_unit_test(too_few_repeats_are_shown_and_not_judged),
        cmocka_unit_test(only_what_is_worse_is_beyond),
        cmocka_unit_test(published_means_are_what_measured_ones_are_tested_against),
        cmocka_unit_test(cells_without_a_partner_are_counted),
        cmocka_unit_test(a_cell_that_only_fails_is_a_regression),
        cmocka_unit_test(failed_repeats_are_counted_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
