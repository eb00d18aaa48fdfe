// A coordinator that is not heard of is missed in time, one that was not listened for is not, and
// one that lives has the time that its limits give it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runner/silence.h"

static const cluster_t cluster = {.join_s = 30, .round_s = 600, .silence_s = 4, .stop_s = 5};
static const double limit_s = 12, news_limit_s = 613, tick_s = 0.25;

// Looks as often as a run does.
static double
pass(silence_t *silence, double from_s, double seconds)
{
    double now_s = from_s;
    while (now_s < from_s + seconds)
        silence_pass(silence, now_s += tick_s);
    return now_s;
}

static void
one_that_beats_is_missed_after_three_silences(void **state)
{
    (void)state;
    double found_s = 0;
    silence_t silence = silence_begin(100);
    silence_hear(&silence, true);
    double now_s = pass(&silence, 100, limit_s);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NONE);
    assert_true(found_s == 0);
    pass(&silence, now_s, 1);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_DEAD);
    assert_true(found_s == limit_s);
}

static void
nobody_waits_for_beats_behind_the_model(void **state)
{
    (void)state;
    double found_s = 0;
    silence_t silence = silence_begin(0);
    silence_hear(&silence, true);
    pass(&silence, 0, 5 * limit_s);
    assert_int_equal(silence_judge(&silence, &cluster, true, &found_s), SILENCE_NONE);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_DEAD);
}

static void
beats_leave_a_long_round_its_time_and_no_more(void **state)
{
    (void)state;
    double found_s = 0, now_s = 0;
    silence_t silence = silence_begin(now_s);
    silence_hear(&silence, false);
    while (now_s + 2 < news_limit_s) {
        now_s = pass(&silence, now_s, 2);
        assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NONE);
        silence_hear(&silence, true);
    }
    pass(&silence, now_s, 3);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NO_NEWS);
    assert_true(found_s == news_limit_s);
    silence_hear(&silence, false);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NONE);
}

static void
one_that_never_beat_has_the_time_of_its_limits(void **state)
{
    (void)state;
    double found_s = 0;
    silence_t silence = silence_begin(0);
    silence_hear(&silence, false);
    double now_s = pass(&silence, 0, news_limit_s);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NONE);
    pass(&silence, now_s, 1);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_DEAD);
    assert_true(found_s == news_limit_s);
}

static void
one_that_never_began_has_the_time_to_join(void **state)
{
    (void)state;
    double found_s = 0;
    silence_t silence = silence_begin(0);
    double now_s = pass(&silence, 0, 43);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NONE);
    pass(&silence, now_s, 1);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_DEAD);
    assert_true(found_s == 43);
}

static void
a_listener_that_slept_missed_nobody(void **state)
{
    (void)state;
    double found_s = 0;
    silence_t silence = silence_begin(0);
    silence_hear(&silence, true);
    double now_s = pass(&silence, 0, 10);
    silence_pass(&silence, now_s + 3600);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_NONE);
    pass(&silence, now_s + 3600, 2);
    assert_int_equal(silence_judge(&silence, &cluster, false, &found_s), SILENCE_DEAD);
}

static void
missing_beats_are_suspicious_before_the_limit(void **state)
{
    (void)state;
    silence_t silence = silence_begin(0);
    double interval_s = silence_interval_s(&cluster);
    double now_s = pass(&silence, 0, 3);
    assert_false(silence_is_suspicious(&silence, &cluster)); // it may not beat at all
    silence_hear(&silence, true);
    now_s = pass(&silence, now_s, interval_s);
    assert_false(silence_is_suspicious(&silence, &cluster));
    pass(&silence, now_s, 1);
    assert_true(silence_is_suspicious(&silence, &cluster));
}

static void
short_limits_leave_a_busy_machine_its_time(void **state)
{
    (void)state;
    cluster_t hasty = cluster;
    hasty.silence_s = 0.1;
    assert_true(silence_limit_s(&hasty) == 5);
    assert_true(silence_limit_s(&cluster) == limit_s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_beats_is_missed_after_three_silences),
        cmocka_unit_test(nobody_waits_for_beats_behind_the_model),
        cmocka_unit_test(beats_leave_a_long_round_its_time_and_no_more),
        cmocka_unit_test(one_that_never_beat_has_the_time_of_its_limits),
        cmocka_unit_test(one_that_never_began_has_the_time_to_join),
        cmocka_unit_test(a_listener_that_slept_missed_nobody),
        cmocka_unit_test(missing_beats_are_suspicious_before_the_limit),
        cmocka_unit_test(short_limits_leave_a_busy_machine_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
