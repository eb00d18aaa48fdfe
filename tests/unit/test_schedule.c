/* tests/unit/test_schedule.c - the learning rate over the course of a training. */
#include "engine/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
check(schedule_t schedule, double epoch, double expected)
{
    double factor = schedule_factor(&schedule, epoch, 10);
    if (fabs(factor - expected) > 1e-12)
        fail_msg("epoch %g: %.15g, expected %.15g", epoch, factor, expected);
}

static void
constant_is_one(void **state)
{
    (void)state;
    check((schedule_t){0}, 0, 1);
    check((schedule_t){0}, 9.9, 1);
}

static void
steps_fall_after_every_so_many_epochs(void **state)
{
    (void)state;
    schedule_t step = {.kind = SCHEDULE_STEP, .step_epochs = 3, .factor = 0.1};
    check(step, 0, 1);
    check(step, 2.999, 1);
    check(step, 3, 0.1);
    check(step, 9.5, 0.001);
}

static void
a_cosine_ends_at_its_floor(void **state)
{
    (void)state;
    schedule_t cosine = {.kind = SCHEDULE_COSINE, .floor = 0.2};
    check(cosine, 0, 1);
    check(cosine, 5, 0.6);
    check(cosine, 10, 0.2);
}

static void
warming_up_is_linear_and_multiplies(void **state)
{
    (void)state;
    check((schedule_t){.warmup_epochs = 2}, 0.5, 0.25);
    check((schedule_t){.warmup_epochs = 2}, 2, 1);
    schedule_t both = {.kind = SCHEDULE_COSINE, .warmup_epochs = 6};
    check(both, 5, 0.5 * 5 / 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_is_one),
        cmocka_unit_test(steps_fall_after_every_so_many_epochs),
        cmocka_unit_test(a_cosine_ends_at_its_floor),
        cmocka_unit_test(warming_up_is_linear_and_multiplies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
