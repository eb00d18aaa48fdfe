// How long cells are expected to take: what makes them longer, and by how much.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runner/pace.h"

static const pace_t pace = {.samples_per_s = 10000, .n_samples = 50000, .n_parameters = 62006};

// Expected seconds of a cell of so many nodes with one core each, on a host of 16.
static double
expected_s(int nodes, const char *train, const char *cluster)
{
    char text[512];
    experiment_t experiment;
    diag_t *diag = diag_new();
    snprintf(text, sizeof text,
             "train = { epochs = 2; %s };\ncluster = { launcher = \"local\"; %s };\n"
             "matrix = { nodes = [ %d ]; cores_per_node = [ 1 ]; };\n",
             train, cluster, nodes);
    assert_int_equal(spec_read_text(text, "a.cfg", NULL, &experiment, diag), 0);
    plan_t *plan = plan_new(&experiment, 16, diag);
    assert_non_null(plan);
    double s = pace_cell_s(&pace, plan, &plan->cells[0]);
    plan_free(plan);
    experiment_free(&experiment);
    diag_free(diag);
    return s;
}

static void
samples_are_shared_by_the_cores(void **state)
{
    (void)state;
    double one = expected_s(1, "rounds = 1;", ""), four = expected_s(4, "rounds = 1;", "");
    assert_float_equal(one, 100000 / 10000.0, 0.5);
    assert_float_equal(four, 100000 / 10000.0 / 4, 0.5);
    assert_float_equal(expected_s(1, "rounds = 1;", "emulate = { core_speed = 0.5; };"), 2 * one,
                       0.5);
}

static void
rounds_cost_what_their_number_says(void **state)
{
    (void)state;
    double few = expected_s(4, "rounds = 1;", ""), some = expected_s(4, "rounds = 1001;", "");
    double many = expected_s(4, "rounds = 2001;", "");
    assert_true(some - few > 0.5);
    assert_float_equal(many - some, some - few, 1e-9);
    // 100,000 samples on four nodes in steps of 4, a round every 5: 1,250 rounds.
    double by_steps = expected_s(4, "batch = 4; local_steps = 5;", "");
    assert_float_equal(by_steps - few, 1.249 * (some - few), 1e-9);
}

static void
one_node_has_no_rounds(void **state)
{
    (void)state;
    assert_float_equal(expected_s(1, "rounds = 1;", ""), expected_s(1, "rounds = 2000;", ""), 0);
}

static void
more_bytes_slower_nodes_and_links_make_rounds_longer(void **state)
{
    (void)state;
    const char *kept = "rounds = 1000; momentum = 0.9; momentum_rounds = \"keep\";";
    const char *sent = "rounds = 1000; momentum = 0.9; momentum_rounds = \"average\";";
    const char *slow = "emulate = { core_speed = 0.25; };";
    const char *linked = "emulate = { link_mbit = 100; };";
    double training = expected_s(4, "rounds = 1;", ""), rounds = expected_s(4, kept, "") - training;
    assert_float_equal(expected_s(4, sent, "") - training, 2 * rounds, 0.02);
    assert_true(expected_s(4, kept, slow) - expected_s(4, "rounds = 1;", slow) > 1.2 * rounds);
    // 4 x 2 x 62,006 x 32 bits a round at 100 Mbit/s.
    assert_float_equal(expected_s(4, kept, linked) - expected_s(4, kept, ""), 158.7, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_shared_by_the_cores),
        cmocka_unit_test(rounds_cost_what_their_number_says),
        cmocka_unit_test(one_node_has_no_rounds),
        cmocka_unit_test(more_bytes_slower_nodes_and_links_make_rounds_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
