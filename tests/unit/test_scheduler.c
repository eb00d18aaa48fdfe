// Which run is started next, and on which hosts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runner/scheduler.h"

enum { RUNS_MAX = 64, HOSTS_MAX = 64 };

static diag_t *diag;
static char is_unwanted[RUNS_MAX]; // by position in the plan
static const plan_t *asked_plan;
static int n_asked[RUNS_MAX];

static int
set_up(void **state)
{
    (void)state;
    diag = diag_new();
    memset(is_unwanted, 0, sizeof is_unwanted);
    memset(n_asked, 0, sizeof n_asked);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    diag_free(diag);
    return 0;
}

// The cells have these nodes, in this order in each pass; "1, 3, 1".
static plan_t *
plan_of(const char *nodes, const char *repeats, const char *cluster)
{
    char text[512], batches[256] = "";
    long sizes[RUNS_MAX];
    size_t n = 0;
    experiment_t experiment;
    plan_t *plan = NULL;
    for (char *end; *nodes; nodes = end + strspn(end, ", ")) {
        sizes[n++] = strtol(nodes, &end, 10);
        size_t n_text = strlen(batches);
        snprintf(batches + n_text, sizeof batches - n_text, "%s%zu", n > 1 ? ", " : "", n);
    }
    snprintf(
        text, sizeof text,
        "cluster = { launcher = \"ssh\"; hosts = [ \"a\", \"b\", \"c\", \"d\", \"e\", \"f\" ]; "
        "%s };\nmatrix = { batch = [ %s ]; repeats = %s; shuffle = false; };\n",
        cluster, batches, repeats);
    if (spec_read_text(text, "a.cfg", NULL, &experiment, diag) == 0) {
        plan = plan_new(&experiment, 0, diag);
        experiment_free(&experiment);
    }
    if (!plan) {
        diag_print(diag, stderr);
        fail();
    }
    for (size_t i = 0; i < plan->n_cells; i++)
        plan->cells[i].nodes = sizes[i % n];
    asked_plan = plan;
    return plan;
}

static bool
wants(const plan_cell_t *cell, void *context)
{
    (void)context;
    n_asked[cell - asked_plan->cells]++;
    return !is_unwanted[cell - asked_plan->cells];
}

static long
next(scheduler_t *scheduler)
{
    return scheduler_next(scheduler, wants, NULL);
}

static void
one_at_a_time_is_the_order_of_the_plan(void **state)
{
    (void)state;
    plan_t *plan = plan_of("3, 1, 2", "2", "");
    scheduler_t *scheduler = scheduler_new(plan, 1, 3);
    is_unwanted[1] = 1;
    for (long index = 0; index < 6; index++) {
        if (index == 1)
            continue;
        assert_int_equal(next(scheduler), index);
        assert_int_equal(next(scheduler), SCHEDULER_WAIT);
        for (int i = 0; i < plan->cells[index].nodes; i++)
            assert_int_equal(scheduler_hosts(scheduler, index)[i], i);
        scheduler_end(scheduler, index);
    }
    assert_int_equal(next(scheduler), SCHEDULER_DONE);
    scheduler_free(&scheduler);
    assert_null(scheduler);
    plan_free(plan);
}

static void
where_hosts_are_not_lent_none_are_counted(void **state)
{
    (void)state;
    plan_t *plan = plan_of("3, 1", "1", "");
    scheduler_t *scheduler = scheduler_new(plan, 1, 0);
    assert_int_equal(next(scheduler), 0);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT);
    scheduler_end(scheduler, 0);
    assert_int_equal(next(scheduler), 1);
    scheduler_free(&scheduler);
    plan_free(plan);
}

static void
the_first_free_hosts_are_lent_and_lent_again(void **state)
{
    (void)state;
    plan_t *plan = plan_of("2, 1, 3, 2", "1", "");
    scheduler_t *scheduler = scheduler_new(plan, 4, 6);
    for (long index = 0; index < 3; index++)
        assert_int_equal(next(scheduler), index);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT); // no host is free
    assert_memory_equal(scheduler_hosts(scheduler, 2), ((int[]){3, 4, 5}), 3 * sizeof(int));
    scheduler_end(scheduler, 1);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT); // one is
    scheduler_end(scheduler, 2);
    assert_int_equal(next(scheduler), 3);
    assert_memory_equal(scheduler_hosts(scheduler, 3), ((int[]){2, 3}), 2 * sizeof(int));
    scheduler_end(scheduler, 3);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT);
    scheduler_end(scheduler, 0);
    assert_int_equal(next(scheduler), SCHEDULER_DONE);
    scheduler_free(&scheduler);
    plan_free(plan);
}

static void
a_coordinator_of_its_own_takes_a_host_but_not_of_one_node(void **state)
{
    (void)state;
    plan_t *plan = plan_of("2, 1", "1", "coordinator = \"own\";");
    scheduler_t *scheduler = scheduler_new(plan, 2, 4);
    assert_int_equal(scheduler_hosts_max(plan, 1), 3);
    assert_int_equal(scheduler_hosts_max(plan, 2), 4);
    assert_int_equal(scheduler_hosts_max(plan, 9), 4);
    assert_int_equal(next(scheduler), 0);
    assert_int_equal(next(scheduler), 1);
    assert_memory_equal(scheduler_hosts(scheduler, 0), ((int[]){0, 1, 2}), 3 * sizeof(int));
    assert_memory_equal(scheduler_hosts(scheduler, 1), ((int[]){3}), sizeof(int));
    scheduler_free(&scheduler);
    plan_free(plan);
}

// Small cells one after the other would keep one host busy for ever.
static void
a_large_cell_is_passed_so_often_and_no_more(void **state)
{
    (void)state;
    plan_t *plan = plan_of("1, 3, 1, 1, 1, 1", "1", "");
    assert_int_equal(plan->n_cells, 6);
    scheduler_t *scheduler = scheduler_new(plan, 2, 3);
    assert_int_equal(next(scheduler), 0);
    assert_int_equal(next(scheduler), 2); // passes the large one
    scheduler_end(scheduler, 0);
    assert_int_equal(next(scheduler), 3); // and so does this
    scheduler_end(scheduler, 2);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT); // two hosts are free, and a run may go on
    scheduler_end(scheduler, 3);
    assert_int_equal(next(scheduler), 1);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT);
    scheduler_end(scheduler, 1);
    assert_int_equal(next(scheduler), 4);
    assert_int_equal(next(scheduler), 5);
    scheduler_free(&scheduler);
    plan_free(plan);
}

static void
a_large_cell_that_is_not_wanted_holds_nobody_up(void **state)
{
    (void)state;
    plan_t *plan = plan_of("1, 3, 1, 1, 1", "1", "");
    scheduler_t *scheduler = scheduler_new(plan, 2, 3);
    is_unwanted[1] = 1;
    assert_int_equal(next(scheduler), 0);
    for (long index = 2; index < 5; index++) {
        assert_int_equal(next(scheduler), index);
        scheduler_end(scheduler, index);
    }
    scheduler_end(scheduler, 0);
    assert_int_equal(next(scheduler), SCHEDULER_DONE);
    scheduler_free(&scheduler);
    plan_free(plan);
}

// Two cells, at least two repeats of each and at most four: positions 0 2 4 6 and 1 3 5 7.
static void
a_repeat_for_the_interval_waits_for_the_earlier_ones(void **state)
{
    (void)state;
    plan_t *plan = plan_of("1, 2", "{ min = 2; max = 4; ci = 0.05; }", "");
    scheduler_t *scheduler = scheduler_new(plan, 4, 6);
    for (long index = 0; index < 4; index++)
        assert_int_equal(next(scheduler), index);
    scheduler_end(scheduler, 2);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT); // the first repeat still runs
    assert_int_equal(n_asked[4], 0);
    scheduler_end(scheduler, 0);
    assert_int_equal(next(scheduler), 4);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT);
    assert_int_equal(n_asked[6], 0);
    is_unwanted[6] = is_unwanted[5] = is_unwanted[7] = 1; // the intervals are narrow by then
    scheduler_end(scheduler, 4);
    assert_int_equal(next(scheduler), SCHEDULER_WAIT);
    assert_int_equal(n_asked[6], 1);
    scheduler_end(scheduler, 1);
    scheduler_end(scheduler, 3);
    assert_int_equal(next(scheduler), SCHEDULER_DONE);
    assert_int_equal(n_asked[5], 1);
    assert_int_equal(n_asked[7], 1);
    scheduler_free(&scheduler);
    plan_free(plan);
}

// Ends come in any order: every run is started once, on hosts that nobody else has, and the hosts
// are as many as it takes.
static void
no_host_is_lent_twice(void **state)
{
    (void)state;
    plan_t *plan = plan_of("1, 4, 2, 3, 5", "8", "coordinator = \"own\";");
    uint32_t random = 1;
    for (int round = 0; round < 50; round++) {
        scheduler_t *scheduler = scheduler_new(plan, 4, 7);
        int holder[7], n_started[RUNS_MAX] = {0}, n_running = 0;
        long running[4];
        memset(holder, -1, sizeof holder);
        for (long index; (index = next(scheduler)) != SCHEDULER_DONE;) {
            if (index == SCHEDULER_WAIT) {
                random = random * 1103515245u + 12345u;
                int which = (int)(random / 65536u % (unsigned)n_running);
                for (int i = 0; i < 7; i++)
                    holder[i] = holder[i] == running[which] ? -1 : holder[i];
                scheduler_end(scheduler, running[which]);
                running[which] = running[--n_running];
                continue;
            }
            long n = cluster_hosts(&plan->experiment.cluster, plan->cells[index].nodes);
            for (long i = 0; i < n; i++) {
                int host = scheduler_hosts(scheduler, index)[i];
                assert_in_range(host, 0, 6);
                assert_int_equal(holder[host], -1);
                holder[host] = (int)index;
            }
            assert_in_range(n_running, 0, 3);
            running[n_running++] = index;
            n_started[index]++;
        }
        assert_int_equal(n_running, 0);
        for (size_t i = 0; i < plan->n_cells; i++)
            assert_int_equal(n_started[i], 1);
        scheduler_free(&scheduler);
    }
    plan_free(plan);
}

static void
a_run_that_takes_more_hosts_than_there_are_holds_nobody_up(void **state)
{
    (void)state;
    plan_t *plan = plan_of("3, 1, 2", "2", "");
    const long order[] = {1, 2, 4, 5};
    for (int n_jobs = 1; n_jobs <= 2; n_jobs++) {
        scheduler_t *scheduler = scheduler_new(plan, n_jobs, 2);
        for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
            assert_int_equal(next(scheduler), order[i]);
            scheduler_end(scheduler, order[i]);
        }
        assert_int_equal(next(scheduler), SCHEDULER_DONE);
        scheduler_free(&scheduler);
    }
    plan_free(plan);
}

static void
the_time_of_all_follows_from_what_fits_beside_what(void **state)
{
    (void)state;
    plan_t *plan = plan_of("1, 3, 2, 1", "1", "");
    const double run_s[] = {10, 6, 8, 2};
    assert_true(scheduler_span_s(plan, 4, run_s, 1, 3) == 26);
    assert_true(scheduler_span_s(plan, 4, run_s, 4, 0) == 10);
    // 1 and 2 nodes at once (the three wait), 1 node in the place of the two until 10, then three.
    assert_true(scheduler_span_s(plan, 4, run_s, 2, 3) == 16);
    assert_true(scheduler_span_s(plan, 2, run_s, 2, 3) == 16);
    // The last passes the two, which start when the three are done.
    assert_true(scheduler_span_s(plan, 4, run_s, 4, 5) == 14);
    plan_free(plan);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_at_a_time_is_the_order_of_the_plan),
        TEST(where_hosts_are_not_lent_none_are_counted),
        TEST(the_first_free_hosts_are_lent_and_lent_again),
        TEST(a_coordinator_of_its_own_takes_a_host_but_not_of_one_node),
        TEST(a_large_cell_is_passed_so_often_and_no_more),
        TEST(a_large_cell_that_is_not_wanted_holds_nobody_up),
        TEST(a_repeat_for_the_interval_waits_for_the_earlier_ones),
        TEST(no_host_is_lent_twice),
        TEST(a_run_that_takes_more_hosts_than_there_are_holds_nobody_up),
        TEST(the_time_of_all_follows_from_what_fits_beside_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
