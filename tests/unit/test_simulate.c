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

enum { SIZES = 4, ROUNDS = 50 };

static const double samples = 50000, sample_s = 1e-4, spread = 0.03;
static const double link_s = 4e-3, fan_out_s = 2e-3, take_s = 1e-3, average_s = 5e-4;

typedef struct {
    results_set_t set;
    results_run_t runs[SIZES];
    results_round_t rounds[SIZES * ROUNDS * SIZES];
} world_t;

// One round of the true cluster; rows receive what a coordinator would have measured.
static double
true_round(gsl_rng *random, size_t nodes, results_round_t *rows)
{
    double arrivals[64], now = 0;
    for (size_t i = 0; i < nodes; i++) {
        const double share = samples / ROUNDS / (double)nodes;
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
true_t_s(size_t nodes)
{
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    double t_s = 0;
    for (int i = 0; i < ROUNDS; i++)
        t_s += true_round(random, nodes, NULL);
    gsl_rng_free(random);
    return t_s;
}

// Measured on one to four nodes of two cores.
static world_t *
world_new(size_t n_sizes)
{
    static char name[] = "world";
    world_t *world = plots_alloc(1, sizeof *world);
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 7);
    world->set = (results_set_t){.name = name,
                                 .folder = name,
                                 .runs = world->runs,
                                 .n_runs = n_sizes,
                                 .rounds = world->rounds};
    for (size_t run = 0; run < n_sizes; run++) {
        const size_t nodes = run + 1;
        world->runs[run] = (results_run_t){.is_done = true,
                                           .nodes = (double)nodes,
                                           .cores = 2.0 * (double)nodes,
                                           .samples = samples};
        for (int r = 1; r <= ROUNDS; r++) {
            results_round_t *rows = &world->rounds[world->set.n_rounds];
            world->runs[run].t_s +=
                nodes == 1 ? samples * sample_s / ROUNDS : true_round(random, nodes, rows);
            for (size_t i = 0; nodes > 1 && i < nodes; i++) {
                rows[i].run = run;
                rows[i].round = r;
            }
            world->set.n_rounds += nodes > 1 ? nodes : 0;
        }
    }
    gsl_rng_free(random);
    return world;
}

static calibration_t
calibrated(const world_t *world)
{
    calibration_t calibration;
    plots_error_t error;
    assert_int_equal(simulate_calibrate(&world->set, &calibration, &error), PLOTS_OK);
    return calibration;
}

static void
what_a_round_is_made_of_is_found_again(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t calibration = calibrated(world);
    assert_true(calibration.cores_a_node == 2);
    assert_true(calibration.rounds == ROUNDS);
    assert_true(fabs(calibration.take_s / take_s - 1) < 0.01);
    assert_true(fabs(calibration.average_s / average_s - 1) < 0.01);
    assert_true(fabs(calibration.fan_out_s / fan_out_s - 1) < 0.05);
    calibration_clear(&calibration);
    free(world);
}

static void
larger_clusters_are_foretold(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t calibration = calibrated(world);
    const size_t sizes[] = {2, 4, 8, 16, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const double is = simulate(&calibration, sizes[i], 0, 1).t_s, truth = true_t_s(sizes[i]);
        print_message("%zu nodes: %.3f s, truth %.3f s\n", sizes[i], is, truth);
        assert_true(fabs(is / truth - 1) < 0.02);
    }
    simulate_check_t *checks = NULL;
    assert_int_equal(simulate_checks(&world->set, &calibration, &checks), SIZES);
    for (size_t i = 0; i < SIZES; i++)
        assert_true(fabs(checks[i].error) < 0.05);
    free(checks);
    calibration_clear(&calibration);
    free(world);
}

static void
a_tree_relieves_the_coordinator(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t calibration = calibrated(world);
    const simulated_t flat = simulate(&calibration, 10000, 0, 1);
    const simulated_t tree = simulate(&calibration, 10000, 16, 1);
    assert_string_equal(simulate_bottleneck(&flat), "coordinator");
    assert_true(tree.t_s < flat.t_s / 10);
    assert_true(tree.memory_bytes < flat.memory_bytes / 100);
    assert_true(fabs(flat.compute + flat.straggling + flat.link + flat.coordinator - 1) < 1e-6);
    calibration_clear(&calibration);
    free(world);
}

static void
one_node_only_computes(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t calibration = calibrated(world);
    const simulated_t one = simulate(&calibration, 1, 0, 1);
    assert_string_equal(simulate_bottleneck(&one), "compute");
    assert_true(fabs(one.t_s / (samples * sample_s) - 1) < 0.02);
    assert_true(fabs(one.overhead_s) < 1e-9 && one.memory_bytes == 0);
    calibration_clear(&calibration);
    free(world);
}

static void
the_same_seed_gives_the_same_rounds(void **state)
{
    (void)state;
    world_t *world = world_new(SIZES);
    calibration_t calibration = calibrated(world);
    assert_true(simulate(&calibration, 9, 3, 5).t_s == simulate(&calibration, 9, 3, 5).t_s);
    assert_true(simulate(&calibration, 9, 3, 5).t_s != simulate(&calibration, 9, 3, 6).t_s);
    calibration_clear(&calibration);
    free(world);
}

static void
without_rounds_of_two_workers_it_says_so(void **state)
{
    (void)state;
    world_t *world = world_new(1);
    calibration_t calibration;
    plots_error_t error;
    assert_int_equal(simulate_calibrate(&world->set, &calibration, &error), PLOTS_EMPTY);
    assert_non_null(strstr(error.text, "two workers"));
    free(world);
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
        cmocka_unit_test(without_rounds_of_two_workers_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
