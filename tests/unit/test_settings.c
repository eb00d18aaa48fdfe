#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/setting_help.h"
#include "runner/settings.h"
#include "runner/spec.h"
#include "runner/text.h"

static void
every_row_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_settings; i++) {
        const setting_t *row = &settings[i];
        assert_true(strlen(row->path) < SPEC_VALUE_BYTES);
        assert_ptr_equal(setting_find(row->path), row);
        size_t n = strlen(row->help);
        assert_true(n > 0 && row->help[n - 1] == '.');
        bool is_number = row->type == SETTING_INTEGER || row->type == SETTING_REAL;
        if (is_number)
            assert_true(row->min <= row->number && row->number <= row->max);
        if (row->type == SETTING_CHOICE)
            assert_non_null(row->choices[(int)row->number]);
        if (row->is_axis)
            assert_true(is_number || row->type == SETTING_CHOICE || row->type == SETTING_BOOLEAN ||
                        row->type == SETTING_REAL_OR_AUTO);
    }
}

// A flat file names its axes by their last part alone.
static void
every_axis_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_settings; i++) {
        size_t n_found = 0;
        if (settings[i].is_axis) {
            assert_ptr_equal(
                setting_match(settings, n_settings, setting_name(&settings[i]), &n_found),
                &settings[i]);
            assert_int_equal(n_found, 1);
        }
    }
}

static void
what_is_not_there_yet_is_a_choice(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_settings; i++)
        for (int k = 0; settings[i].later[k]; k++) {
            int choice = 0;
            while (settings[i].choices[choice] &&
                   strcmp(settings[i].choices[choice], settings[i].later[k]) != 0)
                choice++;
            assert_non_null(settings[i].choices[choice]);
            assert_true(setting_is_later(&settings[i], choice));
        }
}

static void
a_name_in_two_groups_is_ambiguous(void **state)
{
    (void)state;
    const setting_t rows[] = {{.path = "train.speed"}, {.path = "cluster.speed"}, {.path = "top"}};
    size_t n_found = 0;
    assert_null(setting_match(rows, 3, "speed", &n_found));
    assert_int_equal(n_found, 2);
    assert_ptr_equal(setting_match(rows, 3, "cluster.speed", &n_found), &rows[1]);
    assert_ptr_equal(setting_match(rows, 3, "top", &n_found), &rows[2]);
    assert_null(setting_match(rows, 3, "peed", &n_found));
    assert_int_equal(n_found, 0);
}

static void
assert_suggested(const char *group, const char *typed, const char *expected)
{
    char *found = setting_suggest(group, typed);
    assert_non_null(found);
    assert_string_equal(found, expected);
    free(found);
}

static void
suggestions_know_groups_and_other_programs(void **state)
{
    (void)state;
    assert_suggested("train", "momentun", "momentum");
    assert_suggested("", "clutser", "cluster");
    assert_suggested("train", "lr", "learning_rate");
    assert_suggested("train", "batch_size", "batch");
    assert_suggested("train.image", "heigth", "height");
    assert_suggested("", "epochs", "train.epochs");
    assert_null(setting_suggest("train", "colour"));
}

static void
assert_allowed(const char *path, const char *expected)
{
    char *allowed = setting_allowed(setting_find(path));
    assert_string_equal(allowed, expected);
    free(allowed);
}

static void
what_is_allowed_is_told_in_words(void **state)
{
    (void)state;
    assert_allowed("train.epochs", "an integer from 1 to 10000");
    assert_allowed("train.batch", "an integer from 1 to 65536 images");
    assert_allowed("train.lr_scaling", "one of \"none\", \"linear\", \"sqrt\"");
    assert_allowed("cluster.launcher", "one of \"local\", \"ssh\", \"docker\", \"podman\", "
                                       "\"swarm\", \"slurm\"");
    assert_allowed("cluster.emulate.core_speed", "\"auto\" or a number from 0.001 to 1");
    assert_allowed("cluster.emulate.link_mbit", "a number from 0 to 100000 Mbit/s");
    assert_allowed("cluster.jobs", "an integer from 1 to 256 cells");
    assert_allowed("train.nesterov", "true or false");
    assert_allowed("matrix.nodes", "integers from 1 to 10000 workers");
}

static void
numbers_are_written_as_they_read_back(void **state)
{
    (void)state;
    static const double numbers[] = {0, 1, 0.1, 1.0 / 3, 1e-5, 6.02e23, -2.5, 1e15, 123456789.125};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        text_t text = {0};
        text_add_real(&text, numbers[i]);
        char *digits = text_take(&text);
        assert_true(strtod(digits, NULL) == numbers[i]);
        assert_non_null(strchr(digits, '.'));
        free(digits);
    }
}

static void
the_help_tells_of_every_setting(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *out = open_memstream(&text, &n_bytes);
    settings_print(out);
    assert_int_equal(setting_print(out, "nothing"), -1);
    fclose(out);
    for (size_t i = 0; i < n_settings; i++) {
        char row[100];
        const char *dot = strchr(settings[i].path, '.');
        snprintf(row, sizeof row, "\n  %s ", dot ? dot + 1 : settings[i].path);
        assert_non_null(strstr(text, row));
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(every_axis_has_a_name_of_its_own),
        cmocka_unit_test(what_is_not_there_yet_is_a_choice),
        cmocka_unit_test(a_name_in_two_groups_is_ambiguous),
        cmocka_unit_test(suggestions_know_groups_and_other_programs),
        cmocka_unit_test(what_is_allowed_is_told_in_words),
        cmocka_unit_test(numbers_are_written_as_they_read_back),
        cmocka_unit_test(the_help_tells_of_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
