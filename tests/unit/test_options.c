// Options as a table: what is read, and what is said when it cannot be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "runner/options.h"

static int
nothing(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static const command_t command = {"try", "a command", "[OPTION…]", NULL, nothing};
static bool is_dry;
static const char *output;
static int count;
static double share;
static option_list_t sets;

static const option_t table[] = {
    {"dry-run", 'n', NULL, OPTION_FLAG, &is_dry, "only look"},
    {"output", 'o', "DIR", OPTION_TEXT, &output, "where to"},
    {"count", 0, "N", OPTION_INTEGER, &count, "how many"},
    {"share", 0, "X", OPTION_REAL, &share, "how much"},
    {"set", 's', "KEY=VALUE", OPTION_LIST, &sets, "change"},
    {0},
};

static int
parse(int argc, const char **argv)
{
    is_dry = false;
    output = NULL;
    count = 7;
    share = 0.5;
    sets.n_items = 0;
    return options_parse(&command, table, argc, (char **)argv);
}

static void
operands_may_stand_between_options(void **state)
{
    (void)state;
    const char *argv[] = {"try",       "a.cfg",   "-n",   "--set", "x=1", "b.cfg", "-sy=2",
                          "--count=3", "--share", "0.25", "-o",    "out", NULL};
    int first = parse(12, argv);
    assert_int_equal(first, 10);
    assert_string_equal(argv[10], "a.cfg");
    assert_string_equal(argv[11], "b.cfg");
    assert_true(is_dry);
    assert_string_equal(output, "out");
    assert_int_equal(count, 3);
    assert_true(share == 0.25);
    assert_int_equal(sets.n_items, 2);
    assert_string_equal(sets.items[1], "y=2");
}

static void
what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    const char *argv[] = {"try", NULL};
    assert_int_equal(parse(1, argv), 1);
    assert_int_equal(count, 7);
    assert_null(output);
}

static void
faults_of_the_command_line_are_told(void **state)
{
    (void)state;
    static const char *const faults[] = {
        "--cont=1", "-x", "--count", "--count=many", "--count=-1", "--share=nan", "--dry-run=yes"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *argv[] = {"try", faults[i], NULL};
        assert_int_equal(parse(2, argv), OPTIONS_FAULT);
        assert_int_equal(options_exit_status(OPTIONS_FAULT), STATUS_USAGE);
    }
}

static void
everything_behind_two_dashes_is_an_operand(void **state)
{
    (void)state;
    const char *argv[] = {"try", "--", "-n", NULL};
    assert_int_equal(parse(3, argv), 2);
    assert_false(is_dry);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_may_stand_between_options),
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(faults_of_the_command_line_are_told),
        cmocka_unit_test(everything_behind_two_dashes_is_an_operand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
