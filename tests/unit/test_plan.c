#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/plan.h"

static diag_t *diag;

static int
set_up(void **state)
{
    (void)state;
    diag = diag_new();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    diag_free(diag);
    return 0;
}

static plan_t *
plan_of(const char *text, double host_cores)
{
    experiment_t experiment;
    plan_t *plan = NULL;
    if (spec_read_text(text, "a.cfg", NULL, &experiment, diag) == 0) {
        plan = plan_new(&experiment, host_cores, diag);
        experiment_free(&experiment);
    }
    if (!plan) {
        diag_print(diag, stderr);
        fail();
    }
    return plan;
}

static char *
ids(const plan_t *plan)
{
    char *text = calloc(1, plan->n_cells * (PLAN_ID_BYTES + 8) + 1), *at = text;
    for (size_t i = 0; i < plan->n_cells; i++)
        at += sprintf(at, "%s%s.%d", i ? " " : "", plan->cells[i].id, plan->cells[i].repeat);
    return text;
}

static void
assert_ids(const plan_t *plan, const char *expected)
{
    char *text = ids(plan);
    assert_string_equal(text, expected);
    free(text);
}

static void
dimensions_are_crossed_and_zipped_axes_move_together(void **state)
{
    (void)state;
    plan_t *plan = plan_of("matrix = { shuffle = false; batch = [ 4, 32 ];"
                           " zip = ( { nodes = [ 1, 2 ]; cores = [ 2, 4 ]; } ); };",
                           0);
    assert_ids(plan, "n1-c2-batch4.1 n1-c2-batch32.1 n2-c4-batch4.1 n2-c4-batch32.1");
    assert_int_equal(plan_n_further(plan), 1);
    assert_string_equal(plan_further_path(plan, 0), "train.batch");
    assert_string_equal(plan_further_value(plan, &plan->cells[1], 0), "32");
    plan_free(plan);
}

static void
cores_per_node_multiply_by_nodes(void **state)
{
    (void)state;
    plan_t *plan =
        plan_of("matrix = { shuffle = false; nodes = [ 1, 3 ]; cores_per_node = 1.5; };", 0);
    assert_ids(plan, "n1-c1.5.1 n3-c4.5.1");
    assert_int_equal(plan->cells[1].threads, 2);
    assert_true(plan->cells[1].cores_per_node == 1.5);
    plan_free(plan);
}

static void
rules_drop_cells(void **state)
{
    (void)state;
    plan_t *plan =
        plan_of("matrix = { shuffle = false; nodes = [ 1, 2, 3 ]; cores = [ 1, 2, 3 ];"
                " only = ( { nodes = [ 1, 2 ]; } ); exclude = ( { nodes = 1; cores = [ 2, 3 ];"
                " }, { cores = 3; } ); };",
                0);
    assert_ids(plan, "n1-c1.1 n2-c1.1 n2-c2.1");
    plan_free(plan);
}

static void
a_fraction_of_a_core_is_one_thread(void **state)
{
    (void)state;
    plan_t *plan = plan_of("matrix = { nodes = 3; cores = 1; };", 0);
    assert_int_equal(plan->cells[0].threads, 1);
    assert_true(fabs(plan->cells[0].cpu_limit - 1.0 / 3) < 1e-12);
    assert_true(plan->cells[0].cores_asked == 1);
    plan_free(plan);
}

static void
each_repeat_is_a_pass_over_all_cells(void **state)
{
    (void)state;
    plan_t *plan = plan_of("matrix = { nodes = [ 1, 2, 3, 4, 5, 6 ]; repeats = 4; };", 0);
    assert_int_equal(plan->n_cells, 24);
    assert_int_equal(plan->n_matrix_cells, 6);
    bool is_some_order_new = false;
    for (int r = 0; r < 4; r++) {
        unsigned seen = 0;
        for (int i = 0; i < 6; i++) {
            const plan_cell_t *cell = &plan->cells[6 * r + i];
            assert_int_equal(cell->repeat, r + 1);
            assert_int_equal(cell->seed, 1 + r);
            seen |= 1u << cell->nodes;
            is_some_order_new = is_some_order_new || cell->nodes != plan->cells[i].nodes;
        }
        assert_int_equal(seen, 0x7e);
    }
    assert_true(is_some_order_new);
    plan_free(plan);
}

static void
the_same_experiment_gives_the_same_plan(void **state)
{
    (void)state;
    static const char text[] =
        "matrix = { nodes = [ 1, 2, 3, 4, 5 ]; repeats = 3; shuffle_seed = 7; };";
    plan_t *a = plan_of(text, 0), *b = plan_of(text, 0);
    plan_t *c =
        plan_of("matrix = { nodes = [ 1, 2, 3, 4, 5 ]; repeats = 3; shuffle_seed = 8; };", 0);
    char *ids_a = ids(a), *ids_b = ids(b), *ids_c = ids(c);
    assert_string_equal(ids_a, ids_b);
    assert_string_not_equal(ids_a, ids_c);
    free(ids_a);
    free(ids_b);
    free(ids_c);
    plan_free(a);
    plan_free(b);
    plan_free(c);
}

#define AUTO "cluster = { emulate = { core_speed = \"auto\"; }; };"

static void
auto_speed_fits_the_largest_cell_on_the_host(void **state)
{
    (void)state;
    static const char text[] = AUTO "matrix = { nodes = 3; cores = [ 1, 6 ]; };";
    plan_t *plan = plan_of(text, 2);
    for (size_t i = 0; i < plan->n_cells; i++)
        assert_true(plan->cells[i].core_speed == 0.3);
    plan_free(plan);
    plan = plan_of(text, 7);
    assert_true(plan->cells[0].core_speed == 1);
    plan_free(plan);
    plan = plan_of(text, 1.0);
    assert_true(plan->cells[0].core_speed == 0.15);
    plan_free(plan);
}

static void
cells_that_are_dropped_do_not_slow_the_others(void **state)
{
    (void)state;
    plan_t *plan =
        plan_of(AUTO "matrix = { nodes = 1; cores = [ 2, 6 ]; exclude = ( { cores = 6; } ); };", 2);
    assert_true(plan->cells[0].core_speed == 0.9);
    plan_free(plan);
}

// What workers are told must be what they accept: the fuzzer found a plan whose cells they refused.
static void
an_auto_speed_that_leaves_too_little_is_refused(void **state)
{
    (void)state;
    experiment_t experiment;
    assert_int_equal(spec_read_text(AUTO "matrix = { nodes = [ 41, 2 ]; cores = ( 4, 0.5 ); };",
                                    "a.cfg", NULL, &experiment, diag),
                     0);
    assert_null(plan_new(&experiment, 2, diag));
    char *text = diag_text(diag);
    assert_string_equal(text,
                        "a.cfg:1: error: n41-c0.5 gives a node 0.0054878 of a real core, with "
                        "emulated ones of 0.45 on a host with 2; the least is 0.01\n");
    free(text);
    plan_t *plan = plan_new(&experiment, 4, diag); // 0.011
    assert_non_null(plan);
    plan_free(plan);
    experiment_free(&experiment);
}

static void
more_cores_than_the_host_has_are_refused(void **state)
{
    (void)state;
    experiment_t experiment;
    assert_int_equal(spec_read_text("matrix = { nodes = [ 1, 3 ]; cores_per_node = 2; };", "a.cfg",
                                    NULL, &experiment, diag),
                     0);
    assert_null(plan_new(&experiment, 2, diag));
    char *text = diag_text(diag);
    assert_string_equal(
        text, "a.cfg:1: error: n3-c6 asks for 6 real cores, and this host has 2; write "
              "cluster = { emulate = { core_speed = \"auto\"; }; }; or enforce = false\n");
    free(text);
    experiment.cluster.enforce = false;
    plan_t *plan = plan_new(&experiment, 2, diag);
    assert_non_null(plan);
    assert_int_equal(diag_n_warnings(diag), 1);
    plan_free(plan);
    experiment_free(&experiment);
}

static void
only_keeps_the_order(void **state)
{
    (void)state;
    plan_t *plan = plan_of("matrix = { shuffle = false; nodes = [ 1, 2, 3 ]; cores = [ 1, 2, 4 ];"
                           " repeats = 2; };",
                           0);
    assert_int_equal(plan_only(plan, "nodes=3,cores=1|4", diag), 0);
    assert_ids(plan, "n3-c1.1 n3-c4.1 n3-c1.2 n3-c4.2");
    assert_int_equal(plan->n_matrix_cells, 2);
    plan_free(plan);
}

static void
an_only_that_is_off_leaves_the_plan(void **state)
{
    (void)state;
    plan_t *plan = plan_of("matrix = { nodes = [ 1, 2 ]; batch = [ 4, 8 ]; };", 0);
    static const char *const texts[] = {
        "nodes=7", "colour=1", "nodes", "nodes=", "batch=x", "=", ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(plan_only(plan, texts[i], diag), -1);
    assert_int_equal(plan->n_cells, 4);
    char *text = diag_text(diag);
    assert_non_null(strstr(text, "--only nodes=7: error: no cell of the matrix matches\n"));
    assert_non_null(
        strstr(text, "--only colour=1: error: 'colour' is no axis of this matrix; its axes are "
                     "matrix.nodes, matrix.cores_per_node, train.batch\n"));
    assert_non_null(
        strstr(text, "--only batch=x: error: 'train.batch' is 'x'; it takes an integer from 1 "
                     "to 65536 images\n"));
    free(text);
    plan_free(plan);
}

static void
a_cell_is_an_experiment_with_a_matrix_of_one(void **state)
{
    (void)state;
    plan_t *plan =
        plan_of(AUTO "train = { seed = 5; }; matrix = { nodes = 3; cores = [ 1, 6 ]; repeats = 2;"
                     " momentum = [ 0.5 ]; partition = [ \"fixed\" ]; };"
                     "expect = ( { nodes = 3; cores = 6; t_s = 1; } );",
                2);
    for (size_t i = 0; i < plan->n_cells; i++) {
        const plan_cell_t *cell = &plan->cells[i];
        char *text = plan_cell_text(plan, cell);
        plan_t *one = plan_of(text, 0);
        assert_int_equal(one->n_cells, 1);
        assert_int_equal(one->cells[0].nodes, cell->nodes);
        assert_true(one->cells[0].cores == cell->cores);
        assert_true(one->cells[0].core_speed == cell->core_speed);
        assert_int_equal(one->cells[0].seed, cell->seed);
        assert_int_equal(cell->seed, 4 + cell->repeat);
        assert_true(one->experiment.train.momentum == 0.5);
        assert_int_equal(one->experiment.train.partition, PARTITION_FIXED);
        free(text);
        plan_free(one);
    }
    plan_free(plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define PLANS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        PLANS(dimensions_are_crossed_and_zipped_axes_move_together),
        PLANS(cores_per_node_multiply_by_nodes),
        PLANS(rules_drop_cells),
        PLANS(a_fraction_of_a_core_is_one_thread),
        PLANS(each_repeat_is_a_pass_over_all_cells),
        PLANS(the_same_experiment_gives_the_same_plan),
        PLANS(auto_speed_fits_the_largest_cell_on_the_host),
        PLANS(an_auto_speed_that_leaves_too_little_is_refused),
        PLANS(cells_that_are_dropped_do_not_slow_the_others),
        PLANS(more_cores_than_the_host_has_are_refused),
        PLANS(only_keeps_the_order),
        PLANS(an_only_that_is_off_leaves_the_plan),
        PLANS(a_cell_is_an_experiment_with_a_matrix_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
