// simulate: a cluster whose truth is known is foretold from its small sizes, and trees do what
// trees do.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>

#include "plots/memory.h"
#include "plots/simulate.h"

enum { SIZES = 4, ROUNDS = 50, VALUES = 2, REPEATS = 3 };

static const double samples = 50000, sample_s = 1e-4, spread = 0.03;
static const double link_s = 4e-3, fan_out_s = 2e-3, take_s = 1e-3, average_s = 5e-4;

typedef struct {
    results_set_t set;
    results_run_t runs[SIZES * REPEATS];
    results_round_t rounds[SIZES * REPEATS * ROUNDS * SIZES];
} world_t;

// One round of the true cluster; rows receive what a coordinator would have measured.
static double
true_round(gsl_rng *random, double of_samples, size_t nodes, results_round_t *rows)
{
    double arrivals[64], now = 0;
    for (size_t i = 0; i < nodes; i++) {
        const double share = of_samples / ROUNDS / (double)nodes;
        const double compute_s = share * sample_s * (1 + gsl_ran_gaussian(random, spread));
        const double send_s = fan_out_s * (double)(i + 1) + link_s;
        arrivals[i] = compute_s + send_s;
        if (rows != NULL)
            rows[i] = (results_round_t){.rank = (int)i,
                                        .compute_s = compute_s,
                                        .send_s = send_s,
                                        .aggregate_s = average_s + take_s * (double)nodes,
                                        .samples = share,
                                        .sent_bytes = 248024};
    }
    gsl_sort(arrivals, 1, nodes);
    for (size_t i = 0; i < nodes; i++)
        now = fmax(now, arrivals[i]) + take_s;
    return now + average_s;
}

static double
true_t_s(double of_samples, size_t nodes)
{
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    double t_s = 0;
    for (int i = 0; i < ROUNDS; i++)
        t_s += true_round(random, of_samples, nodes, NULL);
    gsl_rng_free(random);
    return t_s;
}

// One run of ROUNDS rounds, with its rows behind those that the set has.
static void
measure(world_t *world, gsl_rng *random, results_run_t run)
{
    const size_t nodes = (size_t)run.nodes, index = world->set.n_runs++;
    for (int r = 1; r <= ROUNDS; r++) {
        results_round_t *rows = &world->rounds[world->set.n_rounds];
        run.t_s += nodes == 1 ? run.samples * sample_s / ROUNDS
                              : true_round(random, run.samples, nodes, rows);
        for (size_t i = 0; nodes > 1 && i < nodes; i++) {
            rows[i].run = index;
            rows[i].round = r;
        }
        world->set.n_rounds += nodes > 1 ? nodes : 0;
    }
    world->runs[index] = run;
}

static world_t *
world_empty(void)
{
    static char name[] = "world";
    world_t *world = plots_alloc(1, sizeof *world);
    world->set =
        (results_set_t){.name = name, .folder = name, .runs = world->runs, .rounds = world->rounds};
    return world;
}

static results_run_t
run_of(size_t nodes, double of_samples, char **values)
{
    return (results_run_t){.is_done = true,
                           .nodes = (double)nodes,
                           .cores = 2.0 * (double)nodes,
                           .samples = of_samples,
                           .values = values};
}

// Measured on one to four nodes of two cores.
static world_t *
world_new(size_t n_sizes)
{
    world_t *world = world_empty();
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 7);
    for (size_t nodes = 1; nodes <= n_sizes; nodes++)
        measure(world, random, run_of(nodes, samples, NULL));
    gsl_rng_free(random);
    return world;
}

static calibration_t *
calibrated(const world_t *world)
{
    calibration_t *calibrations = NULL;
    size_t n = 0;
    draft_t left_out = {0};
    plots_error_t error;
    assert_int_equal(calibrations_new(&world->set, &calibrations, &n, &left_out, &error), PLOTS_OK);
    assert_int_equal(n, 1);
    assert_int_equal(left_out.length, 0);
    return calibrations;
}

static void
what_a_round_is_made_of_is_found_again(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t *calibration = calibrated(world);
    assert_true(calibration->cores_a_node == 2);
    assert_true(calibration->rounds == ROUNDS);
    assert_true(fabs(calibration->take.slope / take_s - 1) < 0.01);
    assert_true(fabs(calibration->take.intercept / average_s - 1) < 0.01);
    assert_true(fabs(calibration->send.slope / fan_out_s - 1) < 0.05);
    calibrations_free(&calibration, 1);
    free(world);
}

static void
larger_clusters_are_foretold(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t *calibration = calibrated(world);
    const size_t sizes[] = {2, 4, 8, 16, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const double is = simulate(calibration, sizes[i], 0, 1).t_s,
                     truth = true_t_s(samples, sizes[i]);
        print_message("%zu nodes: %.3f s, truth %.3f s\n", sizes[i], is, truth);
        assert_true(fabs(is / truth - 1) < 0.02);
    }
    simulate_check_t *checks = NULL;
    assert_int_equal(simulate_checks(calibration, &checks), SIZES);
    for (size_t i = 0; i < SIZES; i++)
        assert_true(fabs(checks[i].error) < 0.05);
    free(checks);
    calibrations_free(&calibration, 1);
    free(world);
}

static void
a_tree_relieves_the_coordinator(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t *calibration = calibrated(world);
    const simulated_t flat = simulate(calibration, 10000, 0, 1);
    const simulated_t tree = simulate(calibration, 10000, 16, 1);
    assert_string_equal(simulate_bottleneck(&flat), "coordinator");
    assert_true(tree.t_s < flat.t_s / 10);
    assert_true(tree.memory_bytes < flat.memory_bytes / 100);
    assert_true(fabs(flat.compute + flat.straggling + flat.link + flat.coordinator - 1) < 1e-6);
    calibrations_free(&calibration, 1);
    free(world);
}

static void
one_node_only_computes(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t *calibration = calibrated(world);
    const simulated_t one = simulate(calibration, 1, 0, 1);
    assert_string_equal(simulate_bottleneck(&one), "compute");
    assert_true(fabs(one.t_s / (samples * sample_s) - 1) < 0.02);
    assert_true(fabs(one.overhead_s) < 1e-9 && one.memory_bytes == 0);
    calibrations_free(&calibration, 1);
    free(world);
}

static void
the_same_seed_gives_the_same_rounds(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t *calibration = calibrated(world);
    assert_true(simulate(calibration, 9, 3, 5).t_s == simulate(calibration, 9, 3, 5).t_s);
    assert_true(simulate(calibration, 9, 3, 5).t_s != simulate(calibration, 9, 3, 6).t_s);
    calibrations_free(&calibration, 1);
    free(world);
}

static void
without_rounds_of_two_workers_it_says_so(void **state)
{
    (void)state;
    world_t *world = world_new(1);
    calibration_t *calibrations = NULL;
    size_t n = 0;
    draft_t left_out = {0};
    plots_error_t error;
    assert_int_equal(calibrations_new(&world->set, &calibrations, &n, &left_out, &error),
                     PLOTS_EMPTY);
    assert_non_null(strstr(error.text, "two workers"));
    assert_null(calibrations);
    draft_clear(&left_out);
    free(world);
}

// A further axis sets cells apart that have as many nodes and cores: a quarter of the samples, and
// a value that only one node has.
static void
each_value_of_a_further_axis_is_calibrated_alone(void **state)
{
    (void)state;
    static char setting[] = "train.samples", unit[] = "", all[] = "50000", few[] = "12500";
    static char alone[] = "7";
    results_axis_t axis = {.setting = setting, .name = setting, .unit = unit};
    char *values[][1] = {{all}, {few}, {alone}};
    const double of_samples[] = {samples, samples / 4};
    world_t *world = world_empty();
    world->set.axes = &axis;
    world->set.n_axes = 1;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    measure(world, random, run_of(1, 7, values[2]));
    for (size_t nodes = 2; nodes <= SIZES; nodes++) {
        for (size_t v = 0; v < VALUES; v++)
            measure(world, random, run_of(nodes, of_samples[v], values[v]));
    }
    gsl_rng_free(random);
    calibration_t *calibrations = NULL;
    size_t n = 0;
    draft_t left_out = {0};
    plots_error_t error;
    assert_int_equal(calibrations_new(&world->set, &calibrations, &n, &left_out, &error), PLOTS_OK);
    assert_int_equal(n, VALUES);
    assert_non_null(strstr(left_out.text, "train.samples 7: no rounds of two workers"));
    draft_clear(&left_out);
    for (size_t v = 0; v < VALUES; v++) {
        assert_string_equal(calibrations[v].values[0], values[v][0]);
        const double is = simulate(&calibrations[v], 16, 0, 1).t_s;
        assert_true(fabs(is / true_t_s(of_samples[v], 16) - 1) < 0.02);
        simulate_check_t *checks = NULL;
        assert_int_equal(simulate_checks(&calibrations[v], &checks), SIZES - 1);
        for (size_t i = 0; i < SIZES - 1; i++)
            assert_true(fabs(checks[i].error) < 0.05);
        free(checks);
    }
    calibrations_free(&calibrations, n);
    free(world);
}

// Three repeats on two to four nodes; what the coordinator does and the link take a run's own time,
// a tenth about the truth.
static world_t *
world_noisy(unsigned long seed)
{
    world_t *world = world_empty();
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    for (size_t i = 0; i < 3 * REPEATS; i++) {
        const size_t first = world->set.n_rounds;
        measure(world, random, run_of(2 + i / REPEATS, samples, NULL));
        const double send = 1 + gsl_ran_gaussian(random, 0.1);
        const double aggregate = 1 + gsl_ran_gaussian(random, 0.1);
        for (size_t r = first; r < world->set.n_rounds; r++) {
            world->rounds[r].send_s *= send;
            world->rounds[r].aggregate_s *= aggregate;
        }
    }
    gsl_rng_free(random);
    return world;
}

// What is known of a cost a node from a few nodes is multiplied by many, its error too.
static void
the_interval_has_the_error_of_the_calibration(void **state)
{
    (void)state;
    enum { WORLDS = 40 };
    const double truth = true_t_s(samples, 64);
    size_t covered = 0, wider = 0;
    for (unsigned long seed = 1; seed <= WORLDS; seed++) {
        world_t *world = world_noisy(seed);
        calibration_t *calibration = calibrated(world);
        const simulated_t near = simulate(calibration, 4, 0, 1);
        const simulated_t far = simulate(calibration, 64, 0, 1);
        covered += far.t_low_s <= truth && truth <= far.t_high_s;
        wider +=
            (far.t_high_s - far.t_low_s) / truth > 3 * (near.t_high_s - near.t_low_s) / near.t_s;
        assert_true(far.t_low_s <= far.t_s && far.t_s <= far.t_high_s);
        calibrations_free(&calibration, 1);
        free(world);
    }
    print_message("%zu of %d intervals hold the truth, %zu are wider\n", covered, WORLDS, wider);
    assert_true(covered >= 35);
    assert_true(wider >= 38);
}

// Every other round costs nine times as much to send and to take as those between.
static world_t *
world_swinging(void)
{
    world_t *world = world_new(SIZES);
    for (size_t r = 0; r < world->set.n_rounds; r++) {
        results_round_t *round = &world->rounds[r];
        const double factor = round->round % 2 == 0 ? 0.2 : 1.8;
        round->send_s *= factor;
        round->aggregate_s *= factor;
    }
    return world;
}

// Costs are drawn for each round, and what goes together in the records stays together. A run has
// as many dear rounds as cheap ones on the mean alone, so its T strays further.
static void
rounds_stray_as_measured_and_together(void **state)
{
    (void)state;
    world_t *calm = world_new(SIZES), *swinging = world_swinging();
    calibration_t *a = calibrated(calm), *b = calibrated(swinging);
    for (size_t i = 0; i < b->n_round_share; i++) {
        assert_true(fabs(b->send_round_share[i] - b->take_round_share[i]) < 0.1);
        assert_true(fabs(fabs(b->take_round_share[i] - 1.0) - 0.8) < 1e-6);
        assert_true(fabs(a->take_round_share[i] - 1.0) < 1e-6);
    }
    const simulated_t flat = simulate(a, 64, 0, 1), is = simulate(b, 64, 0, 1);
    print_message("%.3f s (%.3f to %.3f), calm %.3f s (%.3f to %.3f)\n", is.t_s, is.t_low_s,
                  is.t_high_s, flat.t_s, flat.t_low_s, flat.t_high_s);
    assert_true(fabs(is.t_s / flat.t_s - 1.0) < 0.05);
    assert_true(is.t_high_s - is.t_low_s > 2.0 * (flat.t_high_s - flat.t_low_s));
    calibrations_free(&a, 1);
    calibrations_free(&b, 1);
    free(calm);
    free(swinging);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_round_is_made_of_is_found_again),
        cmocka_unit_test(larger_clusters_are_foretold),
        cmocka_unit_test(a_tree_relieves_the_coordinator),
        cmocka_unit_test(one_node_only_computes),
        cmocka_unit_test(the_same_seed_gives_the_same_rounds),
        cmocka_unit_test(the_interval_has_the_error_of_the_calibration),
        cmocka_unit_test(rounds_stray_as_measured_and_together),
        cmocka_unit_test(each_value_of_a_further_axis_is_calibrated_alone),
        cmocka_unit_test(without_rounds_of_two_workers_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
