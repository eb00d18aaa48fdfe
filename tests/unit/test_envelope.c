// Several texts as one, on a role's standard input.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runner/envelope.h"

static char *
envelope_of(const char *experiment, const char *keys)
{
    text_t text = {0};
    envelope_begin(&text);
    envelope_add(&text, ENVELOPE_EXPERIMENT, experiment);
    envelope_add(&text, ENVELOPE_KEYS, keys);
    return text_take(&text);
}

static void
parts_come_back_whatever_they_hold(void **state)
{
    (void)state;
    const char *experiment = "name = \"x\";\nkeys 3\nabc\n";
    char *text = envelope_of(experiment, "dmlx-keys 1\n");
    char *found = envelope_part(text, ENVELOPE_EXPERIMENT);
    assert_string_equal(found, experiment);
    free(found);
    found = envelope_part(text, ENVELOPE_KEYS);
    assert_string_equal(found, "dmlx-keys 1\n");
    free(found);
    assert_null(envelope_part(text, ENVELOPE_CHECKPOINT));
    envelope_wipe(text);
}

static void
a_part_of_nothing_is_no_part(void **state)
{
    (void)state;
    char *text = envelope_of("", NULL);
    char *found = envelope_part(text, ENVELOPE_EXPERIMENT);
    assert_string_equal(found, "");
    free(found);
    assert_null(envelope_part(text, ENVELOPE_KEYS));
    free(text);
}

static void
a_plain_experiment_is_no_envelope(void **state)
{
    (void)state;
    assert_false(envelope_is("name = \"x\";\n"));
    assert_null(envelope_part("name = \"x\";\n", ENVELOPE_EXPERIMENT));
}

// However it is cut, the last part is there whole or not at all.
static void
a_cut_envelope_has_no_half_parts(void **state)
{
    (void)state;
    char *text = envelope_of("name", "secret");
    size_t n = strlen(text);
    for (size_t cut = 0; cut < n; cut++) {
        char *shorter = malloc(cut + 1);
        memcpy(shorter, text, cut);
        shorter[cut] = 0;
        char *found = envelope_part(shorter, ENVELOPE_KEYS);
        assert_true(!found || strcmp(found, "secret") == 0);
        free(found);
        free(shorter);
    }
    free(text);
}

static void
a_length_out_of_bounds_is_refused(void **state)
{
    (void)state;
    assert_null(envelope_part("dmlx-parts 1\nkeys 99\nabc\n", ENVELOPE_KEYS));
    assert_null(envelope_part("dmlx-parts 1\nkeys -1\nabc\n", ENVELOPE_KEYS));
    assert_null(envelope_part("dmlx-parts 1\nkeys 18446744073709551615\nabc\n", ENVELOPE_KEYS));
    assert_null(envelope_part("dmlx-parts 1\nkeys\n3\nabc\n", ENVELOPE_KEYS));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_back_whatever_they_hold),
        cmocka_unit_test(a_part_of_nothing_is_no_part),
        cmocka_unit_test(a_plain_experiment_is_no_envelope),
        cmocka_unit_test(a_cut_envelope_has_no_half_parts),
        cmocka_unit_test(a_length_out_of_bounds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
