// The bands of every law, held against a truth that is known because it was made up.
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plots/fit_speedup.h"
#include "plots/prediction.h"
#include "tests/support/coverage.h"

// What coverage is looked at for: the law, the sizes it is measured on, and where it is asked.
typedef struct {
    const char *name;
    double truth[MODEL_TERMS_MAX]; // coefficients
    int n_sizes;                   // nodes 1..n_sizes
    bool is_grid;                  // with one and with two cores a node; else x alone
    double nodes, cores;           // where the band is asked for
} case_t;

// Noise of 2 %, of the kind the law takes it to be: a share of each value for laws of times, one
// size for the line (2 % of its first value), and on the logarithm for the exponential.
static double
measure(const model_t *model, const double *truth, const model_place_t *at, gsl_rng *random)
{
    const double noise = gsl_ran_gaussian(random, 0.02);
    const double value = model_value_at(model, truth, at);
    if (model->is_logarithmic)
        return value * exp(noise);
    return value + noise * (model->is_relative ? value : model_value(model, truth, 1.0));
}

static fit_t
fit_measured(const model_t *model, const case_t *c, gsl_rng *random)
{
    fit_point_t points[64];
    size_t n = 0;
    for (int nodes = 1; nodes <= c->n_sizes; nodes++) {
        for (int cores = nodes; cores <= (c->is_grid ? 2 * nodes : nodes); cores += nodes) {
            const model_place_t at = {cores, nodes, cores};
            for (int repeat = 0; repeat < 3; repeat++)
                points[n++] = (fit_point_t){
                    .x = cores,
                    .y = measure(model, c->truth, &at, random),
                    .nodes = nodes,
                    .cores = cores,
                };
        }
    }
    return fit_model(model, points, n);
}

typedef struct {
    const model_t *model;
    model_place_t at;
} question_t;

static double
ask_value(const double *coefficients, const double *unused, const void *context)
{
    (void)unused;
    const question_t *question = context;
    return model_value_at(question->model, coefficients, &question->at);
}

// How many of `n` experiments of three repeats have a band that covers the truth and is at most
// `width` of it wide.
static int
count_covered(const case_t *c, int n, double width)
{
    const model_t *model = model_named(c->name);
    const question_t question = {model, {c->cores, c->nodes, c->cores}};
    const double wanted = model_value_at(model, c->truth, &question.at);
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 20);
    int n_covered = 0;
    for (int i = 0; i < n; i++) {
        fit_t fit = fit_measured(model, c, random);
        const fit_value_t band = fit_interval(&fit, NULL, ask_value, &question);
        n_covered +=
            band.low <= wanted && wanted <= band.high && band.high - band.low <= width * wanted;
        fit_clear(&fit);
    }
    gsl_rng_free(random);
    return n_covered;
}

static void
bands_cover_the_truth_95_times_of_100(void **state)
{
    (void)state;
    // Of 300, 95 % is 285. Fewer than 279 (93 %) fail, as bands that cover 90 % do 95 times of 100;
    // more than 292 are bands that are wider than they need be.
    enum { EXPERIMENTS = 300 };
    static const case_t cases[] = {
        {"linear", {70, -8}, 4, false, 8, 8},
        {"exponential", {4, -0.4}, 4, false, 8, 8},
        {"amdahl", {5, 60}, 4, false, 8, 8},
        {"saving", {50, 10}, 4, false, 8, 8},
        {"usl", {60, 5, 1}, 5, false, 8, 8},
        {"latency", {2}, 5, false, 8, 8},
        {"communication", {0.3, 0.5}, 5, false, 8, 8},
        {"straggler", {0.4, 0.5}, 5, false, 8, 8},
        {"work_grid", {4, 10, 60}, 4, true, 8, 24},
        {"overhead_grid", {0.3, 0.5, 0.4}, 5, true, 8, 24},
        {"linear_grid", {150, -6, -2}, 4, true, 8, 24},
        {"exponential_grid", {4, -0.3, -0.1}, 4, true, 8, 24},
        {"usl_grid", {60, 5, 1}, 4, true, 8, 24},
        // Terms that are really zero must not make it surer.
        {"amdahl", {0, 60}, 4, false, 8, 8},
        {"saving", {60, 0}, 4, false, 8, 8},
        {"usl", {60, 5, 0}, 5, false, 8, 8},
        {"straggler", {0, 0.5}, 5, false, 8, 8},
        {"work_grid", {0, 0, 60}, 4, true, 8, 24},
        {"overhead_grid", {0.3, 0.5, 0}, 5, true, 8, 24},
        {"usl_grid", {60, 5, 0}, 4, true, 8, 24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_covers(cases[i].name, count_covered(&cases[i], EXPERIMENTS, INFINITY), EXPERIMENTS);
}

// Six sizes hardly tell its four terms apart, so that the bands of what may be missing are joined
// almost always: they cover more, up to all, and are held to a width instead, of half the truth.
static void
bands_of_ernest_cover_the_truth_and_stay_narrow(void **state)
{
    (void)state;
    enum { EXPERIMENTS = 150 };
    static const case_t cases[] = {
        {"ernest", {2, 60, 3, 0.5}, 6, false, 8, 8},
        {"ernest", {0, 60, 0, 0.5}, 6, false, 8, 8},
        {"ernest_grid", {2, 60, 1, 0.5}, 5, true, 8, 24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int n = count_covered(&cases[i], EXPERIMENTS, 0.5);
        if (n < least_covered(EXPERIMENTS))
            fail_msg("ernest %zu: %d of %d", i, n, EXPERIMENTS);
    }
}

// ---- the trend of speedups, which all have one T beneath them ----

enum { SIZES = 6, REPEATS = 3 };
static const int NODES[SIZES] = {1, 2, 3, 4, 6, 8};
static char empty[] = "";

typedef struct {
    char cells[SIZES][8];
    results_run_t runs[SIZES * REPEATS];
    results_set_t set;
} sweep_t;

// T = 60 s (serial + (1 − serial)/n), each run off by `noise` and each pass over all sizes by
// `drift`.
static void
run_sweep(sweep_t *sweep, double serial, double noise, double drift, gsl_rng *random)
{
    double passes[REPEATS];
    for (int repeat = 0; repeat < REPEATS; repeat++)
        passes[repeat] = exp(gsl_ran_gaussian(random, drift));
    for (int i = 0; i < SIZES; i++) {
        snprintf(sweep->cells[i], sizeof sweep->cells[i], "n%d-c%d", NODES[i], NODES[i]);
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            const double t_s = 60.0 * (serial + (1.0 - serial) / NODES[i]) * passes[repeat] *
                               (1.0 + gsl_ran_gaussian(random, noise));
            sweep->runs[i * REPEATS + repeat] = (results_run_t){.cell = sweep->cells[i],
                                                                .nodes = NODES[i],
                                                                .cores = NODES[i],
                                                                .repeat = repeat + 1,
                                                                .mean_of = 1,
                                                                .is_done = true,
                                                                .t_s = t_s,
                                                                .work_s = t_s};
        }
    }
    sweep->set = (results_set_t){
        .name = empty, .title = empty, .runs = sweep->runs, .n_runs = SIZES * REPEATS};
}

typedef struct {
    fit_value_t at_8, intercept, slope;
    bool is_rejected;
} trend_t;

static trend_t
trend_of(const results_set_t *set)
{
    summary_t *summary = summary_new(set);
    line_t line = line_find((const summary_t *const *)&summary, 1, LINE_NODES);
    fit_t fit = fit_speedup(&line);
    const trend_t trend = {fit_predict(&fit, 8.0), fit_parameter(&fit, 0), fit_parameter(&fit, 1),
                           fit.is_rejected};
    fit_clear(&fit);
    line_clear(&line);
    summary_free(&summary);
    return trend;
}

static bool
covers(fit_value_t interval, double truth)
{
    return interval.low <= truth && truth <= interval.high;
}

// The truth is S = n. A line fitted to the speedups as if they were independent, and the first of
// them uncertain, covers it at 8 nodes 59 times of 100.
static void
bands_of_speedup_know_that_all_have_one_base(void **state)
{
    (void)state;
    enum { EXPERIMENTS = 300 };
    static const double drifts[] = {0.0, 0.2};
    for (size_t d = 0; d < sizeof drifts / sizeof *drifts; d++) {
        gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
        gsl_rng_set(random, 20);
        int at_8 = 0, intercept = 0, slope = 0;
        for (int i = 0; i < EXPERIMENTS; i++) {
            sweep_t sweep;
            run_sweep(&sweep, 0.0, 0.03, drifts[d], random);
            const trend_t trend = trend_of(&sweep.set);
            at_8 += covers(trend.at_8, 8.0);
            intercept += covers(trend.intercept, 0.0);
            slope += covers(trend.slope, 1.0);
        }
        gsl_rng_free(random);
        assert_covers("speedup at 8", at_8, EXPERIMENTS);
        assert_covers("intercept", intercept, EXPERIMENTS);
        assert_covers("slope", slope, EXPERIMENTS);
    }
}

// With a fifth of T serial, the speedups bend by far more than their noise.
static void
a_line_through_bent_speedups_is_not_sure_of_itself(void **state)
{
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    sweep_t sweep;
    run_sweep(&sweep, 0.2, 0.005, 0.0, random);
    const trend_t bent = trend_of(&sweep.set);
    assert_true(bent.is_rejected);
    assert_true(covers(bent.at_8, 8.0 / (1.0 + 0.2 * 7.0)));
    run_sweep(&sweep, 0.0, 0.005, 0.0, random);
    const trend_t straight = trend_of(&sweep.set);
    assert_false(straight.is_rejected);
    assert_true(straight.at_8.high - straight.at_8.low < 0.02 * 8.0);
    gsl_rng_free(random);
}

// ---- one further run ----

// What one further run at 8 nodes is foretold to take, by Amdahl's law.
static fit_value_t
further_run_of(const results_set_t *set)
{
    summary_t *summary = summary_new(set);
    line_t line = line_find((const summary_t *const *)&summary, 1, LINE_NODES);
    size_t n;
    fit_point_t *points = line_points(&line, QUANTITY_T, &n);
    fit_t fit = fit_model(model_named("amdahl"), points, n);
    prediction_t prediction = prediction_of(&line, QUANTITY_T, QUANTITY_T);
    fit_t run = prediction_fit(&fit, prediction.first);
    const fit_value_t interval = fit_predict(&run, 8.0);
    fit_clear(&run);
    prediction_clear(&prediction);
    fit_clear(&fit);
    free(points);
    line_clear(&line);
    summary_free(&summary);
    return interval;
}

// A run strays by its own noise and by that of its pass, of which three say little: the interval
// has two degrees of freedom where passes are all there is. Of 3000 experiments it
// covers 95.9, 93.4 and 93.6 % in these cases. Of 1000, an interval that covers 90 % stays below
// 920 98 times of 100, and one of 93.4 % is there once in 30: a seed settles which.
static void
one_further_run_is_covered_95_times_of_100(void **state)
{
    (void)state;
    enum { EXPERIMENTS = 1000 };
    static const struct {
        double noise, drift;
    } cases[] = {{0.03, 0.0}, {0.03, 0.03}, {0.03, 0.2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
        gsl_rng_set(random, 20);
        int n_covered = 0;
        for (int i = 0; i < EXPERIMENTS; i++) {
            sweep_t sweep;
            run_sweep(&sweep, 0.2, cases[c].noise, cases[c].drift, random);
            const double further = 60.0 * (0.2 + 0.8 / 8.0) *
                                   exp(gsl_ran_gaussian(random, cases[c].drift)) *
                                   (1.0 + gsl_ran_gaussian(random, cases[c].noise));
            n_covered += covers(further_run_of(&sweep.set), further);
        }
        gsl_rng_free(random);
        printf("one further run: %d of %d\n", n_covered, EXPERIMENTS);
        assert_in_range(n_covered, 920, 970);
    }
}

// Of cells that were run once nothing is known of how a run strays, and no interval is made up.
static void
runs_that_were_not_repeated_foretell_no_single_one(void **state)
{
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    sweep_t sweep;
    run_sweep(&sweep, 0.2, 0.03, 0.0, random);
    gsl_rng_free(random);
    assert_true(isfinite(further_run_of(&sweep.set).low));
    for (size_t i = 0; i < sweep.set.n_runs; i++)
        sweep.runs[i].is_done = sweep.runs[i].repeat == 1;
    const fit_value_t interval = further_run_of(&sweep.set);
    assert_true(isfinite(interval.value) && isnan(interval.low) && isnan(interval.high));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_cover_the_truth_95_times_of_100),
        cmocka_unit_test(bands_of_ernest_cover_the_truth_and_stay_narrow),
        cmocka_unit_test(bands_of_speedup_know_that_all_have_one_base),
        cmocka_unit_test(a_line_through_bent_speedups_is_not_sure_of_itself),
        cmocka_unit_test(one_further_run_is_covered_95_times_of_100),
        cmocka_unit_test(runs_that_were_not_repeated_foretell_no_single_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
