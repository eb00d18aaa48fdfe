#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/suggest.h"

static const char *const names[] = {"momentum",      "epochs",     "rounds", "batch",
                                    "learning_rate", "lr_scaling", "seed",   NULL};

static void
a_slip_of_the_pen_finds_the_name(void **state)
{
    (void)state;
    assert_string_equal(suggest_nearest("momentun", names), "momentum");
    assert_string_equal(suggest_nearest("epoch", names), "epochs");
    assert_string_equal(suggest_nearest("bacth", names), "batch");
    assert_string_equal(suggest_nearest("sede", names), "seed");
}

static void
letter_case_and_dashes_cost_nothing(void **state)
{
    (void)state;
    assert_string_equal(suggest_nearest("Learning-Rate", names), "learning_rate");
}

static void
something_else_finds_nothing(void **state)
{
    (void)state;
    assert_null(suggest_nearest("colour", names));
    assert_null(suggest_nearest("", names));
    assert_null(suggest_nearest("x", names));
}

static void
a_very_long_name_finds_nothing(void **state)
{
    (void)state;
    char long_name[5000];
    for (size_t i = 0; i < sizeof long_name - 1; i++)
        long_name[i] = 'e';
    long_name[sizeof long_name - 1] = '\0';
    assert_null(suggest_nearest(long_name, names));
}

static void
of_equally_near_names_the_first_wins(void **state)
{
    (void)state;
    const char *const near[] = {"abcx", "abcy", NULL};
    assert_string_equal(suggest_nearest("abcz", near), "abcx");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_pen_finds_the_name),
        cmocka_unit_test(letter_case_and_dashes_cost_nothing),
        cmocka_unit_test(something_else_finds_nothing),
        cmocka_unit_test(a_very_long_name_finds_nothing),
        cmocka_unit_test(of_equally_near_names_the_first_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
