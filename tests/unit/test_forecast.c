// forecast and the bands of fits, held against a truth that is known because it was made up.
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plots/fit.h"
#include "plots/fit_rounds.h"
#include "plots/fits.h"
#include "plots/forecast.h"
#include "plots/memory.h"
#include "tests/support/coverage.h"

static void
near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%.12g is not %.12g", value, wanted);
}

// W = 2 + 60/n, O = 0.5 + 0.5 n above one node, two cores a node.
static double
true_work(double nodes)
{
    return 2.0 + 60.0 / nodes;
}

static double
true_overhead(double nodes)
{
    return nodes > 1.0 ? 0.5 + 0.5 * nodes : 0.0;
}

enum { NODES = 4, REPEATS = 4 };
static char nothing[] = "";
static char done[] = "done";
static char names[NODES][8] = {"n1-c2", "n2-c4", "n3-c6", "n4-c8"};

static results_set_t
made_set(results_run_t *runs, unsigned long seed, double noise)
{
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    size_t n = 0;
    for (int node = 1; node <= NODES; node++) {
        for (int repeat = 1; repeat <= REPEATS; repeat++) {
            const double work = true_work(node) * (1.0 + noise * gsl_ran_ugaussian(random));
            const double overhead = true_overhead(node) * (1.0 + noise * gsl_ran_ugaussian(random));
            runs[n++] = (results_run_t){.cell = names[node - 1],
                                        .nodes = node,
                                        .cores = 2.0 * node,
                                        .repeat = repeat,
                                        .mean_of = 1,
                                        .attempt = nothing,
                                        .status = done,
                                        .data = nothing,
                                        .enforced = nothing,
                                        .is_done = true,
                                        .t_s = work + overhead,
                                        .work_s = work,
                                        .overhead_s = overhead,
                                        .accuracy = NAN};
        }
    }
    gsl_rng_free(random);
    return (results_set_t){.folder = nothing,
                           .name = nothing,
                           .title = nothing,
                           .data = nothing,
                           .launcher = nothing,
                           .runs = runs,
                           .n_runs = n};
}

// The forecast where no set has a further axis.
static int
forecast_new(const results_t *results, const double *nodes, size_t n, forecast_t ***forecast,
             plots_error_t *error)
{
    size_t n_forecasts = 0;
    draft_t left_out = {0};
    const int result =
        forecasts_new(results, nodes, n, 0, forecast, &n_forecasts, &left_out, error);
    assert_true(n_forecasts == (result == PLOTS_OK ? 1 : 0));
    draft_clear(&left_out);
    return result;
}

static forecast_t **
forecast_of(unsigned long seed, double noise, const double *nodes, size_t n)
{
    results_run_t runs[NODES * REPEATS];
    results_set_t set = made_set(runs, seed, noise);
    const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
    forecast_t **forecast = NULL;
    plots_error_t error = {""};
    if (forecast_new(&results, nodes, n, &forecast, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    return forecast;
}

static void
without_noise_the_forecast_is_the_truth(void **state)
{
    (void)state;
    const double nodes[] = {1, 6, 8, 20};
    forecast_t **forecast = forecast_of(1, 1e-9, nodes, 4);
    for (size_t i = 0; i < 4; i++) {
        const double wanted = true_work(nodes[i]) + true_overhead(nodes[i]);
        near((*forecast)->rows[i].t_s.value, wanted, 1e-4 * wanted);
    }
    near((*forecast)->rows[1].speedup.value, 62.0 / (12.0 + 3.5), 1e-3);
    near((*forecast)->rows[0].overhead_s.value, 0, 0);
    assert_true((*forecast)->rows[0].is_measured);
    assert_false((*forecast)->rows[1].is_measured);
    // T, W, O and S have their bands in the table for people, here without width.
    grid_t *grid = forecast_grid(*forecast);
    draft_t text = {0};
    grid_text(grid, &text);
    assert_non_null(strstr(text.text, "15.5 [15.5, 15.5]  [15.5, 15.5]  12.0 [12.0, 12.0]  "
                                      "3.50 [3.50, 3.50]  0.23  4.00 [4.00, 4.00]  0.67"));
    draft_clear(&text);
    grid_free(&grid);
    // 0.5 + n/2 > 2 + 60/n from n = 13 on; T is least at √120, 10.95; S/n < 1/2 from 9 on: 62/T(9)
    // = 4.33.
    near((*forecast)->overhead_exceeds_work.value, 13, 0);
    near((*forecast)->least_time.value, 11, 0);
    near((*forecast)->half_efficiency.value, 10, 0);
    near((*forecast)->one_more_node_s.value, 60.0 / 4 - 60.0 / 5 - 0.5, 1e-3);
    forecasts_free(&forecast, 1);
}

static void
forecasts_are_within_ten_percent_and_their_bands_hold(void **state)
{
    (void)state;
    enum { EXPERIMENTS = 100 };
    const double nodes[] = {6, 8};
    int n_close = 0;
    double sum = 0.0;
    int n_covered[2] = {0};
    int n_points_covered[3] = {0};
    int n_runs_covered[2] = {0};
    int n_wider = 0;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    for (unsigned long seed = 1; seed <= EXPERIMENTS; seed++) {
        forecast_t **forecast = forecast_of(seed, 0.02, nodes, 2);
        for (size_t i = 0; i < 2; i++) {
            const double wanted = true_work(nodes[i]) + true_overhead(nodes[i]);
            const fit_value_t t = (*forecast)->rows[i].t_s;
            const double miss = fabs(t.value - wanted) / wanted;
            n_close += miss < 0.10;
            sum += miss;
            n_covered[i] += t.low <= wanted && wanted <= t.high;
            // One further run, whose noise is that of the measured ones.
            const fit_value_t run = (*forecast)->rows[i].run_t_s;
            const double further = true_work(nodes[i]) * (1.0 + gsl_ran_gaussian(random, 0.02)) +
                                   true_overhead(nodes[i]) * (1.0 + gsl_ran_gaussian(random, 0.02));
            n_runs_covered[i] += run.low <= further && further <= run.high;
            assert_true(run.value == t.value);
            n_wider += run.high - run.low > t.high - t.low;
        }
        // Where without noise they are, in the test above.
        const fit_value_t points[] = {(*forecast)->overhead_exceeds_work, (*forecast)->least_time,
                                      (*forecast)->half_efficiency};
        const double wanted[] = {13, 11, 10};
        for (size_t i = 0; i < 3; i++)
            n_points_covered[i] += points[i].low <= wanted[i] && wanted[i] <= points[i].high;
        forecasts_free(&forecast, 1);
    }
    assert_true(n_close >= 190); // within a tenth, of 200, at up to twice what was measured
    assert_true(sum / (2 * EXPERIMENTS) < 0.03);
    // Rivals widen them, and whole nodes do: they cover 95 % or more. Fewer than 91 of 100 fail, as
    // bands that cover 85 % do 94 times of 100, and those that cover 90 % every second time.
    for (size_t i = 0; i < 2; i++)
        assert_in_range(n_covered[i], least_covered(EXPERIMENTS), EXPERIMENTS);
    for (size_t i = 0; i < 2; i++)
        assert_in_range(n_runs_covered[i], least_covered(EXPERIMENTS), EXPERIMENTS);
    gsl_rng_free(random);
    assert_true(n_wider > 190); // of 200: a band that spans rivals may leave noise little to add
    for (size_t i = 0; i < 3; i++)
        assert_in_range(n_points_covered[i], least_covered(EXPERIMENTS), EXPERIMENTS);
}

// The value in the row of fits.csv that holds these words, which end before it.
static double
parameter_in(const char *fits, const char *words)
{
    const char *row = strstr(fits, words);
    return row != NULL ? strtod(row + strlen(words), NULL) : NAN;
}

// A cluster whose T is 3 + 60 / cores + nodes / 2, exactly; `cores_a_node` of each of one to four
// nodes.
static results_set_t
measured_grid(results_run_t *runs, char *name, double cores_a_node, double samples)
{
    results_set_t set = made_set(runs, 1, 0.0);
    set.name = name;
    for (size_t r = 0; r < set.n_runs; r++) {
        runs[r].cores = cores_a_node * runs[r].nodes;
        runs[r].samples = samples;
        runs[r].work_s = 3.0 + 60.0 / runs[r].cores + 0.5 * runs[r].nodes;
        runs[r].overhead_s = runs[r].nodes > 1.0 ? 0.2 + 0.1 * runs[r].nodes : 0.0;
        runs[r].t_s = runs[r].work_s;
    }
    return set;
}

// Two sizes above one node are as many as the parameters of a law of overhead: the first is taken,
// and both fits.csv and the forecast say that nothing chose it.
static void
a_law_that_nothing_chose_is_said_to_be_taken_by_default(void **state)
{
    (void)state;
    results_run_t runs[NODES * REPEATS];
    results_set_t set = made_set(runs, 1, 0.01);
    const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
    static const char words[] = "Overhead by model communication, by default: too few sizes";
    for (size_t n_sizes = 3; n_sizes <= NODES; n_sizes++) {
        set.n_runs = n_sizes * REPEATS;
        draft_t fits = {0};
        fits_draft(&results, &fits);
        const double nodes[] = {6};
        plots_error_t error = {""};
        forecast_t **forecast = NULL;
        assert_int_equal(forecast_new(&results, nodes, 1, &forecast, &error), PLOTS_OK);
        grid_t *grid = forecast_grid(*forecast);
        draft_t text = {0};
        grid_text(grid, &text);
        const bool is_told = strstr(fits.text, ",8,2,yes,as many sizes as parameters: nothing held "
                                               "out; chosen by default\n") != NULL;
        assert_true(is_told == (n_sizes == 3));
        assert_true((strstr(text.text, words) != NULL) == (n_sizes == 3));
        // Work was held out in both.
        assert_true(isfinite((*forecast)->work_error));
        draft_clear(&text);
        grid_free(&grid);
        forecasts_free(&forecast, 1);
        draft_clear(&fits);
    }
}

// Nodes and cores at once: what no sweep of one of them tells.
static void
models_of_nodes_and_cores_at_once_are_fitted_over_several_sets(void **state)
{
    (void)state;
    static char first[] = "ones", second[] = "twos", other[] = "others";
    results_run_t runs[3][NODES * REPEATS];
    results_set_t sets[3] = {measured_grid(runs[0], first, 1.0, 1000.0),
                             measured_grid(runs[1], second, 2.0, 1004.0),
                             // A hundred times the work: another experiment.
                             measured_grid(runs[2], other, 0.5, 1e5)};
    for (size_t r = 0; r < sets[2].n_runs; r++)
        runs[2][r].t_s *= 100.0;
    const results_t results = {.root = nothing, .sets = sets, .n_sets = 3, .notes = nothing};
    draft_t fits = {0};
    fits_draft(&results, &fits);
    const char *both = strstr(fits.text, "ones and twos,t_s,nodes and cores,usl_grid,");
    assert_non_null(both);
    near(parameter_in(both, "t_s,nodes and cores,ernest_grid,divided_s,"), 60.0, 1e-6);
    near(parameter_in(both, "t_s,nodes and cores,ernest_grid,each_s,"), 0.5, 1e-6);
    near(parameter_in(both, "t_s,nodes and cores,usl_grid,t1_s,"), 63.5, 1e-6);
    near(parameter_in(both, "overhead_s,nodes and cores,communication,transfer_s,"), 0.1, 1e-6);
    // A set that is one line alone has no such fits.
    assert_null(strstr(fits.text, "\nones,t_s,nodes and cores"));
    const char *row = strstr(both, "usl_grid,t1_s");
    char *line = plots_format("%.*s", (int)strcspn(row, "\n"), row);
    assert_non_null(strstr(line, ",yes,"));
    // Its points are those of the two sets that were measured alike.
    assert_non_null(strstr(line, ",32,8,"));
    free(line);
    draft_clear(&fits);
}

// The whole number of nodes from which on overhead is above work. Of some draws it is so for less
// than a node, which a forecast of whole nodes passes over; hence three tenths.
static void
assert_same_nodes(double whole, double exact)
{
    if (isinf(exact) ? isfinite(whole) : whole < exact - 1e-2 || whole > 1.0 + 1.3 * exact)
        fail_msg("%g nodes, and %g in figure 9", whole, exact);
}

// One page shows both: where overhead outgrows work in figure 9, and in the forecast's table.
static void
figure_9_and_the_forecast_are_equally_sure(void **state)
{
    (void)state;
    int n_with_rivals = 0;
    for (unsigned long seed = 1; seed <= 10; seed++) {
        results_run_t runs[NODES * REPEATS];
        results_set_t set = made_set(runs, seed, 0.03);
        summary_t *summary = summary_new(&set);
        line_t line = line_find((const summary_t *const[]){summary}, 1, LINE_NODES);
        fits_extrapolation_t figure = fits_extrapolate(&line);
        forecast_t **forecast = forecast_of(seed, 0.03, (double[]){8}, 1);
        const fit_value_t nodes = (*forecast)->overhead_exceeds_work;
        assert_same_nodes(nodes.value, figure.crossing.value);
        assert_same_nodes(nodes.low, figure.crossing.low);
        assert_same_nodes(nodes.high, figure.crossing.high);
        n_with_rivals += figure.work.n > 1 || figure.overhead.n > 1;
        forecasts_free(&forecast, 1);
        fits_extrapolation_clear(&figure);
        line_clear(&line);
        summary_free(&summary);
    }
    assert_true(n_with_rivals > 0);
}

// Three sizes of nine repeats, as `make reproduce` left them on a noisy machine. Law `saving`
// misses their means, and has one degree of freedom to say by how much; at the held-out size it is
// not told from Amdahl's. Spanned as a rival it made 6.4 s, known to 0.5, a forecast of 2.2
// to 15.3.
static void
a_law_that_the_repeats_reject_widens_no_band(void **state)
{
    (void)state;
    enum { SIZES = 3, TIMES = 9 };
    static const double work_s[SIZES] = {6.437, 3.329, 2.427};
    static const double overhead_s[SIZES] = {0.0, 0.412, 0.481};
    static const double spread[SIZES] = {0.093, 0.052, 0.116};
    results_run_t runs[SIZES * TIMES];
    results_run_t few[NODES * REPEATS];
    results_set_t set = made_set(few, 1, 0.0);
    for (int i = 0; i < SIZES * TIMES; i++) {
        const int size = i / TIMES;
        const double z = (i % TIMES - 4) / 2.7386; // nine values of standard deviation one
        runs[i] = few[size * REPEATS];
        runs[i].repeat = i % TIMES + 1;
        runs[i].work_s = work_s[size] * (1.0 + spread[size] * z);
        runs[i].overhead_s = overhead_s[size] * (1.0 + 0.1 * z);
        runs[i].t_s = runs[i].work_s + runs[i].overhead_s;
    }
    set.runs = runs;
    set.n_runs = SIZES * TIMES;
    const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
    forecast_t **forecast = NULL;
    plots_error_t error = {""};
    assert_int_equal(forecast_new(&results, (double[]){1, 2, 3}, 3, &forecast, &error), PLOTS_OK);
    for (size_t i = 0; i < SIZES; i++) {
        const fit_value_t t = (*forecast)->rows[i].t_s;
        if (t.low < 0.85 * t.value || t.high > 1.15 * t.value)
            fail_msg("%zu nodes: %g, %g to %g", i + 1, t.value, t.low, t.high);
    }
    forecasts_free(&forecast, 1);
}

// The mean miss at 8 nodes of a cluster whose overhead does not grow, and whose work gets cheaper a
// sample by `saved` of itself, measured with noise on 1 to 4.
static double
miss_of_flat_overhead(double saved, double work_noise, double overhead_noise)
{
    enum { EXPERIMENTS = 40 };
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 7);
    double sum = 0.0;
    for (int i = 0; i < EXPERIMENTS; i++) {
        results_run_t runs[NODES * REPEATS];
        results_set_t set = made_set(runs, 1, 0.0);
        for (size_t r = 0; r < set.n_runs; r++) {
            const double n = runs[r].nodes;
            runs[r].work_s = 60.0 / n * (1.0 - saved + saved / n) *
                             (1.0 + work_noise * gsl_ran_ugaussian(random));
            runs[r].overhead_s =
                n > 1.0 ? 2.0 * (1.0 + overhead_noise * gsl_ran_ugaussian(random)) : 0.0;
            runs[r].t_s = runs[r].work_s + runs[r].overhead_s;
        }
        const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
        forecast_t **forecast = NULL;
        plots_error_t error = {""};
        assert_int_equal(forecast_new(&results, (double[]){8}, 1, &forecast, &error), PLOTS_OK);
        const double wanted = 60.0 / 8.0 * (1.0 - saved + saved / 8.0) + 2.0;
        sum += fabs((*forecast)->rows[0].t_s.value / wanted - 1.0) / EXPERIMENTS;
        forecasts_free(&forecast, 1);
    }
    gsl_rng_free(random);
    return sum;
}

static void
noise_is_not_drawn_out_into_an_overhead_that_grows(void **state)
{
    (void)state;
    const double flat = miss_of_flat_overhead(0.0, 0.02, 0.2);
    const double saving = miss_of_flat_overhead(0.15, 0.02, 0.2);
    if (flat > 0.05 || saving > 0.05)
        fail_msg("%.3f and %.3f off", flat, saving);
}

enum { ROUNDS = 10, ROUNDS_MAX = NODES * REPEATS * ROUNDS * NODES };

// A transfer that grows and a wait for the slowest that grows otherwise, in seconds a round.
static double
true_wire(double nodes)
{
    return 0.01 + 0.02 * nodes;
}

static double
true_wait(double nodes)
{
    return 0.4 * log(nodes);
}

// Gives each run of a made set rounds of these, with noise of each run's own, and their sum as its
// overhead.
static void
make_rounds(results_set_t *set, results_round_t *rounds, double noise, gsl_rng *random)
{
    set->rounds = rounds;
    set->n_rounds = 0;
    for (size_t r = 0; r < set->n_runs; r++) {
        results_run_t *run = &set->runs[r];
        const double n = run->nodes;
        const double wire_s = true_wire(n) * (1.0 + gsl_ran_gaussian(random, noise));
        const double wait_s = true_wait(n) * (1.0 + gsl_ran_gaussian(random, noise));
        for (int round = 1; round <= ROUNDS; round++) {
            for (int rank = 0; rank < (int)n; rank++) {
                const double mine_s = n > 1.0 ? wait_s * n / (n - 1.0) : 0.0;
                set->rounds[set->n_rounds++] =
                    (results_round_t){.run = r,
                                      .round = round,
                                      .rank = rank,
                                      .compute_s = 1.0 + (rank == 0 ? mine_s : 0.0),
                                      .round_s = 1.0 + mine_s + (n > 1.0 ? wire_s : 0.0)};
            }
        }
        run->overhead_s = n > 1.0 ? ROUNDS * (wire_s + wait_s) : 0.0;
        run->t_s = run->work_s + run->overhead_s;
    }
}

static void
bands_of_rounds_cover_the_truth(void **state)
{
    (void)state;
    enum { EXPERIMENTS = 300 };
    const double wanted = ROUNDS * (true_wire(8) + true_wait(8));
    results_run_t runs[NODES * REPEATS];
    results_round_t rounds[ROUNDS_MAX];
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    int n_covered = 0;
    for (int i = 0; i < EXPERIMENTS; i++) {
        results_set_t set = made_set(runs, 1, 0.02);
        make_rounds(&set, rounds, 0.02, random);
        summary_t *summary = summary_new(&set);
        line_t line = line_find((const summary_t *const[]){summary}, 1, LINE_NODES);
        fit_t fit = fit_rounds(&line);
        assert_true(fit.is_good);
        const fit_value_t band = fit_predict(&fit, 8);
        n_covered += band.low <= wanted && wanted <= band.high;
        fit_clear(&fit);
        line_clear(&line);
        summary_free(&summary);
    }
    gsl_rng_free(random);
    assert_covers("rounds", n_covered, EXPERIMENTS);
}

// Their sum fits neither law, but rounds.csv has them apart.
static void
the_parts_of_rounds_foretell_what_their_sum_does_not(void **state)
{
    (void)state;
    results_run_t runs[NODES * REPEATS];
    results_round_t rounds[ROUNDS_MAX];
    results_set_t set = made_set(runs, 1, 1e-4);
    const double nodes[] = {8};
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    make_rounds(&set, rounds, 1e-4, random);
    gsl_rng_free(random);
    const double wanted = ROUNDS * (true_wire(8) + true_wait(8));
    const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
    forecast_t **forecast = NULL;
    plots_error_t error = {""};
    assert_int_equal(forecast_new(&results, nodes, 1, &forecast, &error), PLOTS_OK);
    assert_string_equal((*forecast)->overhead_model, "rounds");
    near((*forecast)->rows[0].overhead_s.value, wanted, 0.01 * wanted);
    forecasts_free(&forecast, 1);

    // fits.csv has it beside the others, chosen, with the truth as its parameters; and figure 9's
    // crossing is that of the same law.
    draft_t fits = {0};
    fits_draft(&results, &fits);
    near(parameter_in(fits.text, "overhead_s,nodes,rounds,latency_s,"), ROUNDS * 0.01, 0.01);
    near(parameter_in(fits.text, "overhead_s,nodes,rounds,transfer_s,"), ROUNDS * 0.02, 0.01);
    near(parameter_in(fits.text, "overhead_s,nodes,rounds,waiting_s,"), ROUNDS * 0.4, 0.01);
    const char *row = strstr(fits.text, "overhead_s,nodes,rounds,latency_s,");
    char *line = plots_format("%.*s", (int)strcspn(row, "\n"), row);
    assert_non_null(strstr(line, ",yes,"));
    free(line);
    assert_non_null(strstr(fits.text, "and rounds,overhead_exceeds_work_nodes,"));
    draft_clear(&fits);

    // Rounds of one size of several nodes are too few for it: said, and not fitted.
    size_t n_rounds = 0;
    for (size_t i = 0; i < set.n_rounds; i++) {
        if (runs[rounds[i].run].nodes <= 2.0)
            rounds[n_rounds++] = rounds[i];
    }
    set.n_rounds = n_rounds;
    fits_draft(&results, &fits);
    assert_non_null(
        strstr(fits.text, "overhead_s,nodes,rounds,,,,,,,,,4,1,,needs rounds.csv of 2"));
    draft_clear(&fits);
}

static void
the_papers_numbers_are_forecast_without_bands(void **state)
{
    (void)state;
    const char *paper = PAPER;
    results_t *results = NULL;
    forecast_t **forecast = NULL;
    plots_error_t error = {""};
    const double nodes[] = {4};
    assert_int_equal(results_load(&paper, 1, &results, &error), PLOTS_OK);
    assert_int_equal(forecast_new(results, nodes, 1, &forecast, &error), PLOTS_OK);
    assert_true(isnan((*forecast)->rows[0].t_s.low));
    assert_non_null(strstr((*forecast)->note, "no bands"));
    draft_t draft = {0};
    forecasts_draft(forecast, 1, TABLE_TEXT, &draft);
    assert_non_null(strstr(draft.text, "Overhead outgrows work: at 8 nodes"));
    draft_clear(&draft);
    forecasts_draft(forecast, 1, TABLE_JSON, &draft);
    assert_non_null(strstr(draft.text, "\"low\": null"));
    draft_clear(&draft);
    forecasts_draft(forecast, 1, TABLE_CSV, &draft);
    assert_non_null(strstr(draft.text, "node_sweep,4,8,no,"));
    draft_clear(&draft);
    forecasts_free(&forecast, 1);
    results_free(&results);
}

static void
each_value_of_a_further_axis_is_forecast(void **state)
{
    (void)state;
    static char name[] = "link_mbit", unit[] = "Mbit/s", ten[] = "10", hundred[] = "100";
    char *slow[] = {ten}, *fast[] = {hundred};
    results_axis_t axis = {.setting = name, .name = name, .unit = unit};
    results_run_t runs[2 * NODES * REPEATS];
    char fast_cells[NODES * REPEATS][32];
    results_set_t set = made_set(runs, 1, 0.01);
    for (size_t i = 0; i < set.n_runs; i++) {
        runs[set.n_runs + i] = runs[i];
        snprintf(fast_cells[i], sizeof fast_cells[i], "%s-fast", runs[i].cell);
        runs[set.n_runs + i].cell = fast_cells[i];
        runs[set.n_runs + i].t_s *= 3;
        runs[set.n_runs + i].work_s *= 3;
        runs[set.n_runs + i].overhead_s *= 3;
        runs[i].values = slow;
        runs[set.n_runs + i].values = fast;
    }
    set.n_runs *= 2;
    set.axes = &axis;
    set.n_axes = 1;
    const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
    forecast_t **forecasts = NULL;
    size_t n = 0;
    draft_t draft = {0};
    plots_error_t error = {""};
    const double six = 6;
    if (forecasts_new(&results, &six, 1, 0, &forecasts, &n, &draft, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    assert_int_equal(n, 2);
    assert_null(draft.text);
    const double truth = true_work(6) + true_overhead(6);
    assert_non_null(strstr(forecasts[0]->setting, "; link_mbit 10 Mbit/s alone"));
    assert_non_null(strstr(forecasts[1]->setting, "; link_mbit 100 Mbit/s alone"));
    near(forecasts[0]->rows[0].t_s.value, truth, 1);
    near(forecasts[1]->rows[0].t_s.value, 3 * truth, 3);
    forecasts_draft(forecasts, n, TABLE_CSV, &draft);
    assert_non_null(strstr(draft.text, "set,link_mbit,nodes,cores,"));
    assert_non_null(strstr(draft.text, "\n,10,6,12,no,"));
    assert_non_null(strstr(draft.text, "\n,100,6,12,no,"));
    draft_clear(&draft);
    forecasts_draft(forecasts, n, TABLE_JSON, &draft);
    assert_true(draft.text[0] == '[');
    assert_non_null(strstr(draft.text, "\"link_mbit\": \"100\""));
    draft_clear(&draft);
    forecasts_free(&forecasts, n);

    // Of one value there are two sizes alone: the other is forecast, and what is missing is told.
    for (size_t i = 0; i < set.n_runs; i++)
        runs[i].is_done = runs[i].values == slow || runs[i].nodes <= 2.0;
    assert_int_equal(forecasts_new(&results, &six, 1, 0, &forecasts, &n, &draft, &error), PLOTS_OK);
    assert_int_equal(n, 1);
    assert_non_null(strstr(draft.text, "link_mbit 100 Mbit/s: cannot forecast"));
    draft_clear(&draft);
    forecasts_free(&forecasts, n);
    for (size_t i = 0; i < set.n_runs; i++)
        runs[i].is_done = true;

    // fits.csv has each value's fits, with the value in a column: T of the second is three times
    // the first's.
    draft_t fits = {0};
    fits_draft(&results, &fits);
    assert_non_null(strstr(fits.text, "set,quantity,over,link_mbit,model,parameter,"));
    const double t1_s = parameter_in(fits.text, "t_s,nodes,10,amdahl,t1_s,");
    near(parameter_in(fits.text, "t_s,nodes,100,amdahl,t1_s,"), 3 * t1_s, 1e-6 * t1_s);
    draft_clear(&fits);
}

static void
one_number_of_nodes_is_nothing_to_forecast_from(void **state)
{
    (void)state;
    results_run_t runs[NODES * REPEATS];
    results_set_t set = made_set(runs, 1, 0.01);
    set.n_runs = REPEATS;
    const results_t results = {.root = nothing, .sets = &set, .n_sets = 1, .notes = nothing};
    forecast_t **forecast = NULL;
    plots_error_t error = {""};
    assert_int_equal(forecast_new(&results, (double[]){4}, 1, &forecast, &error), PLOTS_EMPTY);
    assert_non_null(strstr(error.text, "different numbers of nodes"));
    set.n_runs = 2 * REPEATS; // 1 and 2 nodes: one size of overhead
    assert_int_equal(forecast_new(&results, (double[]){4}, 1, &forecast, &error), PLOTS_EMPTY);
    assert_non_null(strstr(error.text, "overhead: 1 size"));
    assert_null(forecast);
}

static void
nodes_are_read_from_ranges(void **state)
{
    (void)state;
    double *nodes = NULL;
    assert_int_equal(forecast_parse_nodes("1:3,8,16:17", &nodes), 6);
    near(nodes[2], 3, 0);
    near(nodes[5], 17, 0);
    free(nodes);
    nodes = NULL;
    static const char *const bad[] = {"", "0", "3:1", "1,x", "1:", "1:100000", "-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(forecast_parse_nodes(bad[i], &nodes), 0);
    assert_null(nodes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_noise_the_forecast_is_the_truth),
        cmocka_unit_test(forecasts_are_within_ten_percent_and_their_bands_hold),
        cmocka_unit_test(a_law_that_nothing_chose_is_said_to_be_taken_by_default),
        cmocka_unit_test(models_of_nodes_and_cores_at_once_are_fitted_over_several_sets),
        cmocka_unit_test(figure_9_and_the_forecast_are_equally_sure),
        cmocka_unit_test(a_law_that_the_repeats_reject_widens_no_band),
        cmocka_unit_test(noise_is_not_drawn_out_into_an_overhead_that_grows),
        cmocka_unit_test(bands_of_rounds_cover_the_truth),
        cmocka_unit_test(the_parts_of_rounds_foretell_what_their_sum_does_not),
        cmocka_unit_test(the_papers_numbers_are_forecast_without_bands),
        cmocka_unit_test(each_value_of_a_further_axis_is_forecast),
        cmocka_unit_test(one_number_of_nodes_is_nothing_to_forecast_from),
        cmocka_unit_test(nodes_are_read_from_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
