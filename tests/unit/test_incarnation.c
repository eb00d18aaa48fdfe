/* tests/unit/test_incarnation.c - the number of one start of a worker. */
#include "transport/incarnation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static uint64_t
now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
a_later_start_has_a_larger_number(void **state)
{
    (void)state;
    uint64_t began = now_us(), last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t number = incarnation_new();
        assert_true(number > last);
        last = number;
    }
    assert_true(last >> INCARNATION_RANDOM_BITS >= began);
    /* In one microsecond several calls may have begun, and each pushes the next one on by 1. */
    assert_true(last >> INCARNATION_RANDOM_BITS <= now_us() + 1);
}

/* What two workers of one millisecond have to tell them apart must not be the same in each process
 * that does the same. Of 64 numbers of 12 bits 64 are different in the mean, but for half of one;
 * fewer than 32 would be less likely than anything that ever happened. */
static void
the_low_bits_are_chance(void **state)
{
    (void)state;
    enum { MASK = (1 << INCARNATION_RANDOM_BITS) - 1 };
    bool seen[MASK + 1] = {false};
    int n_different = 0;
    for (int i = 0; i < 64; i++) {
        uint64_t began = now_us();
        while (now_us() < began + 2) /* past what the last call pushed on */
            ;
        uint64_t low = incarnation_new() & MASK;
        n_different += !seen[low];
        seen[low] = true;
    }
    assert_in_range(n_different, 32, 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_start_has_a_larger_number),
        cmocka_unit_test(the_low_bits_are_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
