// The bands of every law, held against a truth that is known because it was made up.
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plots/fit.h"
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bands_cover_the_truth_95_times_of_100),
        cmocka_unit_test(bands_of_ernest_cover_the_truth_and_stay_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
