/* tests/unit/test_average.c - means that do not depend on timing. */
#include "engine/average.h"

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
a_mean_is_weighted_by_what_was_trained(void **state)
{
    (void)state;
    const float a[2] = {1, 10}, b[2] = {4, -2};
    float mean[2];
    average_t *average = average_new(2);
    average_add(average, a, 2);
    average_add(average, b, 1);
    average_finish(average, mean);
    assert_true(mean[0] == 2 && mean[1] == 6);
    average_clear(average);
    average_add(average, b, 5);
    average_finish(average, mean);
    assert_memory_equal(mean, b, sizeof b);
    average_free(&average);
    assert_null(average);
    average_free(&average);
}

static void
sums_are_in_double_and_in_the_order_of_the_calls(void **state)
{
    (void)state;
    enum { BLOCKS = 100, COUNT = 50 };
    float block[COUNT], mean[COUNT];
    double sums[COUNT] = {0}, weights = 0;
    average_t *average = average_new(COUNT);
    for (int k = 0; k < BLOCKS; k++) {
        for (int i = 0; i < COUNT; i++) {
            block[i] = sinf((float)(k * COUNT + i));
            sums[i] += (k + 0.1) * (double)block[i];
        }
        average_add(average, block, k + 0.1);
        weights += k + 0.1;
    }
    average_finish(average, mean);
    for (int i = 0; i < COUNT; i++)
        assert_true(mean[i] == (float)(sums[i] / weights));
    average_free(&average);
}

static void
the_mean_of_equal_blocks_is_that_block(void **state)
{
    (void)state;
    float block[1000], mean[1000];
    for (int i = 0; i < 1000; i++)
        block[i] = sinf((float)i) * 1e-3f;
    average_t *average = average_new(1000);
    for (int k = 0; k < 8; k++)
        average_add(average, block, 6250);
    average_finish(average, mean);
    assert_memory_equal(mean, block, sizeof block);
    average_free(&average);
}

static void
ranges_are_averaged_by_themselves(void **state)
{
    (void)state;
    const float a[4] = {1, 1, 1, 1}, b[4] = {3, 3, 3, 3};
    float mean[4] = {9, 9, 9, 9};
    average_t *average = average_new(4);
    average_add_range(average, a, 1, 0, 2);
    average_add_range(average, b, 3, 1, 3);
    average_finish(average, mean);
    assert_true(mean[0] == 1 && mean[1] == 2.5f && mean[2] == 3);
    assert_true(mean[3] == 9); /* nobody's */
    average_clear(average);
    average_add(average, a, 1);
    average_finish(average, mean);
    assert_memory_equal(mean, a, sizeof a);
    average_free(&average);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_is_weighted_by_what_was_trained),
        cmocka_unit_test(sums_are_in_double_and_in_the_order_of_the_calls),
        cmocka_unit_test(the_mean_of_equal_blocks_is_that_block),
        cmocka_unit_test(ranges_are_averaged_by_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
