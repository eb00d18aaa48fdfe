/* tests/unit/test_server_optimizer.c - the coordinator's step, against numbers worked by hand. */
#include "engine/server_optimizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
plain_averaging_takes_the_mean_bit_for_bit(void **state)
{
    (void)state;
    server_optimizer_t *optimizer = server_optimizer_new(3, 0, 1);
    /* before - (before - mean) would lose the small one beside the large. */
    float block[3] = {1e8F, -0.0F, 3};
    const float mean[3] = {1e-8F, 0.1F, -7};
    server_optimizer_step(optimizer, block, mean);
    assert_memory_equal(block, mean, sizeof mean);
    server_optimizer_free(&optimizer);
    assert_null(optimizer);
    server_optimizer_free(&optimizer);
}

/* All numbers are sums of powers of two, hence exact. Momentum 1/2, rate 1: from 8 the mean 6 gives
 * d = 2, u = 2, after 6; the mean 5 then d = 1, u = 1 + 1 = 2, after 4; the mean 4 then d = 0,
 * u = 1, after 3: it rolls on. */
static void
momentum_rolls_on_in_the_direction_of_earlier_rounds(void **state)
{
    (void)state;
    static const float means[3] = {6, 5, 4}, after[3] = {6, 4, 3};
    server_optimizer_t *optimizer = server_optimizer_new(1, 0.5, 1);
    float block = 8;
    for (int round = 0; round < 3; round++) {
        server_optimizer_step(optimizer, &block, &means[round]);
        assert_true(block == after[round]);
    }
    server_optimizer_free(&optimizer);
}

/* Rate 2 without momentum goes twice as far: from 8 the mean 6 gives 4; from 4 the mean 5 gives 6.
 */
static void
the_rate_scales_the_step(void **state)
{
    (void)state;
    const float first[2] = {6, 1}, second[2] = {5, 1};
    server_optimizer_t *optimizer = server_optimizer_new(2, 0, 2);
    float block[2] = {8, 1};
    server_optimizer_step(optimizer, block, first);
    assert_true(block[0] == 4 && block[1] == 1);
    server_optimizer_step(optimizer, block, second);
    assert_true(block[0] == 6 && block[1] == 1);
    server_optimizer_free(&optimizer);
}

/* Momentum 3/4, rate 1/2: from 16 the mean 8 gives u = 8, after 12; the mean 10 then u = 6 + 2 = 8,
 * after 8. */
static void
momentum_and_rate_work_together(void **state)
{
    (void)state;
    static const float means[2] = {8, 10}, after[2] = {12, 8};
    server_optimizer_t *optimizer = server_optimizer_new(1, 0.75, 0.5);
    float block = 16;
    for (int round = 0; round < 2; round++) {
        server_optimizer_step(optimizer, &block, &means[round]);
        assert_true(block == after[round]);
    }
    server_optimizer_free(&optimizer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_averaging_takes_the_mean_bit_for_bit),
        cmocka_unit_test(momentum_rolls_on_in_the_direction_of_earlier_rounds),
        cmocka_unit_test(the_rate_scales_the_step),
        cmocka_unit_test(momentum_and_rate_work_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
