// noise: when a run is said to have been disturbed.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/noise.h"

static char text[NOISE_TEXT_BYTES];

// Ten seconds on two cores, of which the run used `own_s` and everybody together `busy_s`.
static bool
is_noisy(double own_s, double busy_s, double steal_s, int64_t n_throttled)
{
    host_sample_t before = {.steal_s = 5, .busy_s = 100, .throttle_count = 3, .is_throttled = -1};
    host_sample_t after = {.steal_s = 5 + steal_s,
                           .busy_s = 100 + busy_s,
                           .throttle_count = 3 + n_throttled,
                           .is_throttled = -1};
    return noise_judge(&before, &after, 10, own_s, 2, text);
}

static void
a_run_alone_is_quiet(void **state)
{
    (void)state;
    assert_false(is_noisy(18, 18.5, 0, 0));
    assert_string_equal(text, "");
}

static void
others_count_by_what_they_took_of_the_host(void **state)
{
    (void)state;
    assert_false(is_noisy(10, 11.9, 0, 0));
    assert_true(is_noisy(10, 12.1, 0, 0));
    assert_string_equal(text, "noisy: others 10 % of the host");
}

static void
all_that_disturbs_is_told(void **state)
{
    (void)state;
    assert_true(is_noisy(10, 15, 1.6, 1));
    assert_string_equal(text, "noisy: steal 8 %, others 25 % of the host, throttled");
}

static void
what_the_host_does_not_tell_is_not_held_against_the_run(void **state)
{
    (void)state;
    const host_sample_t none = {
        .steal_s = NAN, .busy_s = NAN, .throttle_count = -1, .is_throttled = -1};
    assert_false(noise_judge(&none, &none, 10, 1, 2, text));
    assert_false(noise_judge(&none, &none, 0, 0, 0, text));
}

static void
a_watch_over_nothing_ends(void **state)
{
    (void)state;
    noise_t noise;
    noise_begin(&noise);
    noise_end(&noise, text);
    assert_true(noise.own_s > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_alone_is_quiet),
        cmocka_unit_test(others_count_by_what_they_took_of_the_host),
        cmocka_unit_test(all_that_disturbs_is_told),
        cmocka_unit_test(what_the_host_does_not_tell_is_not_held_against_the_run),
        cmocka_unit_test(a_watch_over_nothing_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
