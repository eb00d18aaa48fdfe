/* tests/unit/test_worth.c - when a pool of threads goes on without its helpers, by made-up clocks.
 */
#include "engine/worth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A machine: how many runs a second each way makes, and how much processor time a second it gets.
 */
typedef struct {
    double rates[2], shares[2];
} machine_t;

static double wall, cpu;

/* One window on MACHINE, in SPANS spans with pauses between them; returns the way it went. */
static worth_way_t
window(worth_t *worth, const machine_t *machine, int spans)
{
    worth_way_t way = worth->way;
    for (int i = 0; i < spans; i++) {
        double length = 1.01 * WORTH_WINDOW_S / spans;
        worth_begin(worth, wall, cpu);
        wall += length;
        cpu += length * machine->shares[way];
        worth->runs += (long)(length * machine->rates[way]);
        assert_int_equal(worth_is_due(worth, wall), i == spans - 1);
        if (i == spans - 1)
            worth_judge(worth, wall, cpu);
        worth_end(worth, wall, cpu);
        wall += 7;
    }
    return way;
}

/* Windows of N that went alone. */
static int
alone_of(worth_t *worth, const machine_t *machine, int n)
{
    int alone = 0;
    for (int i = 0; i < n; i++)
        alone += window(worth, machine, 1 + i % 3) == WORTH_ALONE;
    return alone;
}

static const machine_t QUIET = {{[WORTH_TOGETHER] = 1800, [WORTH_ALONE] = 1000}, {1.9, 1}};
static const machine_t QUOTA = {{[WORTH_TOGETHER] = 500, [WORTH_ALONE] = 660}, {0.66, 0.66}};
static const machine_t CROWDED = {{[WORTH_TOGETHER] = 1200, [WORTH_ALONE] = 1000}, {1.3, 1}};

static void
with_a_core_each_helpers_always_help(void **state)
{
    (void)state;
    worth_t worth;
    worth_init(&worth, 2);
    assert_int_equal(alone_of(&worth, &QUIET, 200), 0);
}

static void
under_a_quota_the_caller_works_alone_but_for_rare_trials(void **state)
{
    (void)state;
    worth_t worth;
    worth_init(&worth, 2);
    assert_int_equal(window(&worth, &QUOTA, 1), WORTH_TOGETHER);
    assert_int_equal(window(&worth, &QUOTA, 4), WORTH_ALONE);
    int alone = alone_of(&worth, &QUOTA, 400);
    assert_in_range(alone, 380, 399);
}

static void
helpers_that_get_less_but_pay_are_kept(void **state)
{
    (void)state;
    worth_t worth;
    worth_init(&worth, 2);
    int alone = alone_of(&worth, &CROWDED, 400);
    assert_in_range(alone, 1, 20);
}

static void
a_machine_that_changes_is_noticed_both_ways(void **state)
{
    (void)state;
    worth_t worth;
    worth_init(&worth, 2);
    alone_of(&worth, &QUOTA, 100);
    alone_of(&worth, &QUIET, 40);
    assert_int_equal(alone_of(&worth, &QUIET, 100), 0);
    window(&worth, &QUOTA, 1);
    assert_in_range(alone_of(&worth, &QUOTA, 40), 30, 40);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_core_each_helpers_always_help),
        cmocka_unit_test(under_a_quota_the_caller_works_alone_but_for_rare_trials),
        cmocka_unit_test(helpers_that_get_less_but_pay_are_kept),
        cmocka_unit_test(a_machine_that_changes_is_noticed_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
