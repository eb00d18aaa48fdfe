#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/diag.h"

static void
assert_text(const diag_t *diag, const char *expected)
{
    char *text = diag_text(diag);
    assert_string_equal(text, expected);
    free(text);
}

static void
a_fault_is_told_as_compilers_do(void **state)
{
    (void)state;
    diag_t *diag = diag_new();
    place_t place = {diag_file(diag, "a.cfg"), 14};
    diag_error(diag, place, "unknown setting '%s'", "momentun");
    assert_text(diag, "a.cfg:14: error: unknown setting 'momentun'\n");
    assert_int_equal(diag_n_errors(diag), 1);
    diag_free(diag);
}

static void
faults_are_ordered_by_file_and_line(void **state)
{
    (void)state;
    diag_t *diag = diag_new();
    const char *a = diag_file(diag, "z.cfg");
    const char *b = diag_file(diag, "a.cfg");
    diag_error(diag, (place_t){b, 1}, "third");
    diag_error(diag, (place_t){NULL, 0}, "fourth");
    diag_warning(diag, (place_t){a, 9}, "second");
    diag_error(diag, (place_t){a, 0}, "first");
    assert_text(diag, "z.cfg: error: first\nz.cfg:9: warning: second\na.cfg:1: error: third\n"
                      "dmlx: error: fourth\n");
    diag_free(diag);
}

static void
a_name_is_kept_once(void **state)
{
    (void)state;
    diag_t *diag = diag_new();
    char name[] = "a.cfg";
    const char *first = diag_file(diag, name);
    name[0] = 'b';
    assert_string_equal(first, "a.cfg");
    assert_ptr_equal(diag_file(diag, "a.cfg"), first);
    diag_free(diag);
}

static void
warnings_are_no_errors(void **state)
{
    (void)state;
    diag_t *diag = diag_new();
    diag_warning(diag, (place_t){NULL, 0}, "odd");
    assert_int_equal(diag_n_errors(diag), 0);
    assert_int_equal(diag_n_warnings(diag), 1);
    diag_free(diag);
}

static void
beyond_the_limit_faults_are_counted(void **state)
{
    (void)state;
    diag_t *diag = diag_new();
    for (int i = 0; i < DIAG_FAULTS_MAX + 7; i++)
        diag_error(diag, (place_t){NULL, 0}, "one");
    char *text = diag_text(diag);
    assert_non_null(strstr(text, "dmlx: and 7 more\n"));
    free(text);
    diag_free(diag);
}

static void
a_message_is_one_line(void **state)
{
    (void)state;
    diag_t *diag = diag_new();
    diag_error(diag, (place_t){NULL, 0}, "unknown '%s'", "a\nb\033[2J");
    assert_text(diag, "dmlx: error: unknown 'a?b?[2J'\n");
    diag_free(diag);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_is_told_as_compilers_do),
        cmocka_unit_test(faults_are_ordered_by_file_and_line),
        cmocka_unit_test(a_name_is_kept_once),
        cmocka_unit_test(warnings_are_no_errors),
        cmocka_unit_test(beyond_the_limit_faults_are_counted),
        cmocka_unit_test(a_message_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
