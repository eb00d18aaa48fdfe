// csv: what spreadsheets, editors and crashes do to a table.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plots/csv.h"

static csv_t *
parsed(const char *text)
{
    csv_t *csv = NULL;
    plots_error_t error = {""};
    const int result = csv_parse(text, strlen(text), "runs.csv", &csv, &error);
    if (result != PLOTS_OK)
        fail_msg("%s", error.text);
    return csv;
}

static void
refused(const char *text, const char *words)
{
    csv_t *csv = NULL;
    plots_error_t error = {""};
    assert_int_equal(csv_parse(text, strlen(text), "runs.csv", &csv, &error), PLOTS_INVALID);
    assert_null(csv);
    assert_non_null(strstr(error.text, words));
}

static void
columns_are_found_by_name_in_any_order(void **state)
{
    (void)state;
    csv_t *csv = parsed("t_s,new,cell\n1.5,x,n1-c2\n2,y,n2-c4\n");
    assert_int_equal(csv_rows(csv), 2);
    assert_string_equal(csv_text(csv, 1, csv_column(csv, "cell")), "n2-c4");
    assert_true(csv_number(csv, 0, csv_column(csv, "t_s")) == 1.5);
    assert_int_equal(csv_column(csv, "loss"), CSV_NO_COLUMN);
    assert_string_equal(csv_text(csv, 0, CSV_NO_COLUMN), "");
    csv_free(&csv);
    assert_null(csv);
}

static void
empty_and_unknown_numbers_are_nan(void **state)
{
    (void)state;
    csv_t *csv = parsed("a,b,c\n,12 s,3e2\n");
    assert_true(isnan(csv_number(csv, 0, 0)));
    assert_true(isnan(csv_number(csv, 0, 1)));
    assert_true(csv_number(csv, 0, 2) == 300.0);
    assert_true(isnan(csv_number(csv, 0, CSV_NO_COLUMN)));
    csv_free(&csv);
}

static void
quoted_fields_hold_commas_quotes_and_line_ends(void **state)
{
    (void)state;
    csv_t *csv = parsed("a,note\n1,\"first, \"\"second\"\"\nthird\"\n2,\"\"\n");
    assert_int_equal(csv_rows(csv), 2);
    assert_string_equal(csv_text(csv, 0, 1), "first, \"second\"\nthird");
    assert_string_equal(csv_text(csv, 1, 1), "");
    csv_free(&csv);
}

static void
crlf_a_mark_and_blank_lines_change_nothing(void **state)
{
    (void)state;
    csv_t *csv = parsed("\xef\xbb\xbf"
                        "a,b\r\n1,2\r\n\r\n3,\r\n");
    assert_string_equal(csv_name(csv, 0), "a");
    assert_int_equal(csv_rows(csv), 2);
    assert_string_equal(csv_text(csv, 0, 1), "2");
    assert_string_equal(csv_text(csv, 1, 1), "");
    assert_false(csv_was_cut(csv));
    csv_free(&csv);
}

static void
a_last_line_cut_short_is_left_out_and_said(void **state)
{
    (void)state;
    const char *const cut[] = {"a,b\n1,2\n3", "a,b\n1,2\n3,", "a,b\n1,2\n3,4", "a,b\n1,2\n3,\"x\n",
                               "a,b\n1,2\n3,4\r"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        csv_t *csv = parsed(cut[i]);
        assert_int_equal(csv_rows(csv), 1);
        assert_true(csv_was_cut(csv));
        assert_string_equal(csv_text(csv, 0, 1), "2");
        csv_free(&csv);
    }
}

static void
a_header_without_rows_is_a_table(void **state)
{
    (void)state;
    csv_t *csv = parsed("a,b\n");
    assert_int_equal(csv_rows(csv), 0);
    assert_int_equal(csv_columns(csv), 2);
    csv_free(&csv);
}

static void
faults_name_the_file_and_the_line(void **state)
{
    (void)state;
    refused("a,b\n1,2\n3\n4,5\n", "'runs.csv', line 3: 1 fields where the header has 2");
    refused("a,b\n1,\"x\ny\"\n1,2,3\n", "line 4");
    refused("a,b\n1,2\"3\n", "line 2: a quote");
    refused("a,b\n1,\"2\"3\n", "line 2");
    refused("a,a\n", "two columns are named 'a'");
    refused("", "no header");
}

static void
a_missing_file_is_named(void **state)
{
    (void)state;
    csv_t *csv = NULL;
    plots_error_t error = {""};
    assert_int_equal(csv_read("no/such/runs.csv", &csv, &error), PLOTS_IO);
    assert_non_null(strstr(error.text, "'no/such/runs.csv'"));
}

static void
what_is_written_is_read_back(void **state)
{
    (void)state;
    const char *const texts[] = {"plain", "a,b", "say \"x\"", "two\nlines", ""};
    draft_t draft = {0};
    draft_add(&draft, "n,text\n");
    for (size_t i = 0; i < 5; i++) {
        csv_add_number(&draft, i == 4 ? (double)NAN : (double)i + 0.1);
        draft_add(&draft, ",");
        csv_add_text(&draft, texts[i]);
        draft_add(&draft, "\n");
    }
    csv_t *csv = parsed(draft.text);
    assert_int_equal(csv_rows(csv), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(csv_text(csv, i, 1), texts[i]);
    assert_true(csv_number(csv, 2, 0) == 2.1);
    assert_true(isnan(csv_number(csv, 4, 0)));
    csv_free(&csv);
    draft_clear(&draft);
}

static void
a_file_that_cannot_be_written_leaves_no_trace(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_csv_XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/in/a/table.csv", folder);
    draft_t draft = {0};
    draft_add(&draft, "a\n");
    plots_error_t error = {""};
    assert_int_equal(draft_write(&draft, path, &error), PLOTS_IO);
    assert_non_null(strstr(error.text, "No such file"));
    char inner[64];
    snprintf(inner, sizeof inner, "%s/in/a", folder);
    assert_int_equal(draft_folder(inner, &error), PLOTS_OK);
    assert_int_equal(draft_folder(inner, &error), PLOTS_OK);
    assert_int_equal(draft_write(&draft, path, &error), PLOTS_OK);
    draft_t back = {0};
    assert_int_equal(draft_read(&back, path, &error), PLOTS_OK);
    assert_string_equal(back.text, "a\n");
    draft_clear(&back);
    draft_clear(&draft);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(inner), 0); // nothing but the file was left in it
    snprintf(inner, sizeof inner, "%s/in", folder);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name_in_any_order),
        cmocka_unit_test(empty_and_unknown_numbers_are_nan),
        cmocka_unit_test(quoted_fields_hold_commas_quotes_and_line_ends),
        cmocka_unit_test(crlf_a_mark_and_blank_lines_change_nothing),
        cmocka_unit_test(a_last_line_cut_short_is_left_out_and_said),
        cmocka_unit_test(a_header_without_rows_is_a_table),
        cmocka_unit_test(faults_name_the_file_and_the_line),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_file_that_cannot_be_written_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
