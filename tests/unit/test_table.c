// table: what stands on the terminal, and that no format says anything else.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plots/memory.h"
#include "plots/table.h"

static char attempt[] = "a";
static char done[] = "done";
static char cifar10[] = "cifar10";
static char yes[] = "yes";

static results_run_t
run_of(char *cell, double nodes, double cores, int repeat, double t_s, double work_s)
{
    return (results_run_t){.cell = cell,
                           .nodes = nodes,
                           .cores = cores,
                           .repeat = repeat,
                           .mean_of = 1,
                           .attempt = attempt,
                           .status = done,
                           .data = cifar10,
                           .enforced = yes,
                           .is_done = true,
                           .t_s = t_s,
                           .work_s = work_s,
                           .overhead_s = t_s - work_s,
                           .accuracy = 0.5 + 0.01 * repeat,
                           .cores_asked = NAN,
                           .cores_granted = NAN};
}

static char one[] = "n1-c2";
static char three[] = "n3-c6";
static char paper[] = "paper, Table 1";
static char name[] = "node_sweep";
static char title[] = "Results for varying node count";
static char nothing[] = "";
static char local[] = "local";

// Two cells of two repeats; the second has a reference whose speedup is judged.
static results_set_t
made_set(results_run_t runs[4], results_expect_t expects[3])
{
    runs[0] = run_of(one, 1, 2, 1, 99, 99);
    runs[1] = run_of(one, 1, 2, 2, 101, 101);
    runs[2] = run_of(three, 3, 6, 1, 39, 32);
    runs[3] = run_of(three, 3, 6, 2, 41, 36);
    expects[0] = (results_expect_t){three, 3, 6, QUANTITY_T, 387.0, NAN, paper};
    expects[1] = (results_expect_t){three, 3, 6, QUANTITY_WORK, 327.0, NAN, paper};
    expects[2] = (results_expect_t){three, 3, 6, QUANTITY_SPEEDUP, 2.42, 0.05, paper};
    return (results_set_t){.name = name,
                           .title = title,
                           .data = nothing,
                           .launcher = local,
                           .core_speed = 0.3,
                           .is_emulated = true,
                           .runs = runs,
                           .n_runs = 4,
                           .expects = expects,
                           .n_expects = 3};
}

static char *
drafted(table_format_t format)
{
    results_run_t runs[4];
    results_expect_t expects[3];
    const results_set_t set = made_set(runs, expects);
    summary_t *summary = summary_new(&set);
    draft_t draft = {0};
    table_draft(summary, format, &draft);
    summary_free(&summary);
    return draft.text;
}

static void
holds(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("no '%s' in\n%s", words, text);
}

static void
the_text_is_the_papers_table_with_intervals(void **state)
{
    (void)state;
    char *text = drafted(TABLE_TEXT);
    // 100 ± 12.7·1.414/√2, 40 ± the same; W% 34/40; S 2.5 with the ends of its interval. Beneath,
    // the paper's values: O% is 60/387.
    holds(text, "N:C      n    T s            W s            W%    O%     S                 Acc\n");
    holds(
        text,
        "1:2      2  100.0 ± 12.7   100.0 ± 12.7   1.00  0.00  1.00               0.515 ± 0.064\n");
    holds(text, "3:6      2  40.00 ± 12.71  34.00 ± 25.41  0.85  0.15  2.50 [2.05, 3.05]  0.515");
    holds(text, "  paper     387.0");
    holds(text, "0.84  0.16  2.42 ?");
    holds(text, "✗ beyond it (0 of 1), ? neither (1).");
    holds(text, "emulated: 1–3 nodes, 2–6 cores at 0.30 of a real core, local launcher");
    free(text);
}

static void
noisy_runs_are_named(void **state)
{
    (void)state;
    static char noisy[] = "granted 1.9 cores of 2 asked; noisy: steal 8 %, throttled; more";
    results_run_t runs[4];
    results_expect_t expects[3];
    const results_set_t set = made_set(runs, expects);
    runs[3].note = noisy;
    summary_t *summary = summary_new(&set);
    draft_t draft = {0};
    table_draft(summary, TABLE_TEXT, &draft);
    summary_free(&summary);
    holds(draft.text, "The machine was noisy during n3-c6 r2 (steal 8 %, throttled).");
    draft_clear(&draft);
}

static void
many_noisy_runs_are_a_list_that_a_page_folds(void **state)
{
    (void)state;
    static char noisy[] = "noisy: steal 8 %";
    results_run_t runs[4];
    results_expect_t expects[3];
    const results_set_t set = made_set(runs, expects);
    for (size_t i = 0; i < 4; i++)
        runs[i].note = noisy;
    summary_t *summary = summary_new(&set);
    grid_t *grid = table_grid(summary);
    summary_free(&summary);
    draft_t draft = {0};
    grid_text(grid, &draft);
    holds(draft.text, "The machine was noisy during 4 of 4 runs: n1-c2 r1 (steal 8 %), ");
    holds(draft.text, "n3-c6 r2 (steal 8 %).\n");
    draft_clear(&draft);
    grid_html(grid, &draft);
    holds(draft.text, "<summary>The machine was noisy during 4 of 4 runs</summary>\n"
                      "<p class=\"note\">n1-c2 r1 (steal 8 %), ");
    draft_clear(&draft);
    grid_free(&grid);
}

static void
the_time_to_an_accuracy_is_a_column_where_it_was_asked_for(void **state)
{
    (void)state;
    results_run_t runs[4];
    results_expect_t expects[3];
    const results_set_t set = made_set(runs, expects);
    for (size_t i = 0; i < 4; i++) {
        runs[i].target_accuracy = 0.5;
        runs[i].time_to_accuracy_s = i < 3 ? 20.0 + (double)i : NAN;
    }
    summary_t *summary = summary_new(&set);
    draft_t draft = {0};
    table_draft(summary, TABLE_TEXT, &draft);
    holds(draft.text, "to 50 % s");
    holds(draft.text, "20.50 ± 6.35");
    // The mean of the one repeat that reached it would not be that of the cell.
    holds(draft.text, "3:6: 1 of 2 repeats reached an accuracy of 50 %; no time to it.");
    assert_null(strstr(draft.text, "22.00"));
    draft_clear(&draft);
    table_draft(summary, TABLE_CSV, &draft);
    holds(draft.text, ",time_to_accuracy_s,");
    summary_free(&summary);
    draft_clear(&draft);
    char *without = drafted(TABLE_TEXT);
    assert_null(strstr(without, "to 50 % s"));
    free(without);
}

static void
the_text_fits_a_hundred_columns(void **state)
{
    (void)state;
    char *text = drafted(TABLE_TEXT);
    for (const char *line = text; *line != '\0';) {
        size_t width = 0;
        for (; *line != '\n'; line++)
            width += ((unsigned char)*line & 0xC0u) != 0x80u;
        line++;
        assert_true(width <= 100);
    }
    free(text);
}

static void
markdown_latex_and_html_say_the_same(void **state)
{
    (void)state;
    char *markdown = drafted(TABLE_MARKDOWN);
    holds(markdown, "| N:C | n | T s | W s | W% | O% | S | Acc |\n|:---|---:|---:|");
    holds(markdown,
          "| 3:6 | 2 | 40.00 ± 12.71 | 34.00 ± 25.41 | 0.85 | 0.15 | 2.50 [2.05, 3.05] | ");
    holds(markdown, "| *  paper* |");
    holds(markdown, "**node\\_sweep: ");
    free(markdown);
    char *latex = drafted(TABLE_LATEX);
    holds(latex, "N:C & n & T s & W s & W\\% & O\\% & S & Acc \\\\");
    holds(latex, "3:6 & 2 & 40.00 $\\pm$ 12.71");
    holds(latex, " & 2.50 [2.05, 3.05] & ");
    holds(latex, "node\\_sweep");
    free(latex);
}

// The set's table has these words: a value that is expected, and how it was judged.
static void
assert_mark(const results_set_t *set, const char *words)
{
    summary_t *summary = summary_new(set);
    draft_t draft = {0};
    table_draft(summary, TABLE_TEXT, &draft);
    holds(draft.text, words);
    draft_clear(&draft);
    summary_free(&summary);
}

static void
a_value_beyond_the_tolerance_is_counted(void **state)
{
    (void)state;
    results_run_t runs[4];
    results_expect_t expects[3];
    results_set_t set = made_set(runs, expects);
    results_t results = {.sets = &set, .n_sets = 1};
    // 2.50 is 3.3 % off 2.42. Two repeats that differ by a twentieth tell nothing of that; two that
    // hardly differ do.
    expects[2].tolerance = 0.03;
    assert_int_equal(table_verdict(&results).n_judged, 1);
    assert_int_equal(table_verdict(&results).n_beyond, 0);
    assert_int_equal(table_verdict(&results).n_open, 1);
    static const double times[] = {99.99, 100.01, 39.999, 40.001};
    for (int i = 0; i < 4; i++)
        runs[i].t_s = times[i];
    assert_mark(&set, "2.42 ✗");
    assert_int_equal(table_verdict(&results).n_beyond, 1);
    assert_int_equal(table_verdict(&results).n_open, 0);
    expects[2].tolerance = 0.05;
    assert_mark(&set, "2.42 ✓");
    assert_int_equal(table_verdict(&results).n_judged, 1);
    assert_int_equal(table_verdict(&results).n_beyond, 0);
    assert_int_equal(table_verdict(&results).n_open, 0);
    // One repeat has no interval to judge by.
    runs[2].is_done = false;
    assert_int_equal(table_verdict(&results).n_open, 1);
}

static void
what_went_wrong_stands_beneath(void **state)
{
    (void)state;
    results_run_t runs[4];
    results_expect_t expects[3];
    results_set_t set = made_set(runs, expects);
    static char failed[] = "failed";
    static char no[] = "no";
    runs[1].is_done = false;
    runs[1].status = failed;
    runs[2].enforced = no;
    for (int i = 2; i < 4; i++) {
        runs[i].cores_asked = 1.8;
        runs[i].cores_granted = 1.5;
    }
    summary_t *summary = summary_new(&set);
    draft_t draft = {0};
    table_draft(summary, TABLE_TEXT, &draft);
    holds(draft.text, "1:2: 1 repeat failed and not counted.");
    holds(draft.text, "CPU limits were not enforced");
    holds(draft.text, "3:6: asked for 1.80 real cores, got 1.50.");
    draft_clear(&draft);
    summary_free(&summary);
}

static void
format_names_are_read_back(void **state)
{
    (void)state;
    for (table_format_t format = 0; format < N_TABLE_FORMATS; format++)
        assert_int_equal(table_format_parse(table_format_name(format)), format);
    assert_int_equal(table_format_parse("html5"), N_TABLE_FORMATS);
}

// Half the intervals of T are 12.7 s, of 100 s and of 40 s; each cell has two repeats.
static void
an_interval_that_stopped_its_cell_is_told(void **state)
{
    (void)state;
    results_run_t runs[4];
    results_expect_t expects[3];
    results_set_t set = made_set(runs, expects);
    const struct {
        double ci, max;
        const char *told, *not_told;
    } cases[] = {
        {0.15, 20, "narrow interval of T (15 %), which covers 90 to 95 %, not 95 %: 1:2.\n",
         "3:6."},
        {0.40, 20, "%: 1:2, 3:6.\n", "nan"},
        {0.40, 2, "Student", "narrow"},
        {0.01, 20, "Student", "narrow"},
        {0.0, 0, "Student", "narrow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set.repeats_ci = cases[i].ci;
        set.repeats_max = cases[i].max;
        summary_t *summary = summary_new(&set);
        grid_t *grid = table_grid(summary);
        if (strstr(grid->notes.text, cases[i].told) == NULL ||
            strstr(grid->notes.text, cases[i].not_told) != NULL)
            fail_msg("case %zu: '%s'", i, grid->notes.text);
        grid_free(&grid);
        summary_free(&summary);
    }
}

// The run has written down that 3:6 was stopped after two repeats; 1:2, as narrow, was not, since
// it was interrupted before the least of them. Once one more stands, the row counts no more.
static void
what_the_run_wrote_of_a_stop_is_what_is_told(void **state)
{
    (void)state;
    static char cell[] = "n3-c6";
    results_run_t runs[4];
    results_expect_t expects[3];
    results_set_t set = made_set(runs, expects);
    results_stop_t stop = {.cell = cell, .repeats = 2};
    set.repeats_ci = 0.40;
    set.repeats_max = 20;
    set.has_stops = true;
    for (set.n_stops = 0; set.n_stops <= 1; set.n_stops++) {
        for (stop.repeats = 2; stop.repeats <= 3; stop.repeats++) {
            set.stops = &stop;
            summary_t *summary = summary_new(&set);
            grid_t *grid = table_grid(summary);
            const bool is_told = strstr(grid->notes.text, "not 95 %: 3:6.\n") != NULL;
            assert_true(is_told == (set.n_stops == 1 && stop.repeats == 2));
            assert_true(is_told == (strstr(grid->notes.text, "narrow") != NULL));
            grid_free(&grid);
            summary_free(&summary);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_the_papers_table_with_intervals),
        cmocka_unit_test(noisy_runs_are_named),
        cmocka_unit_test(many_noisy_runs_are_a_list_that_a_page_folds),
        cmocka_unit_test(the_time_to_an_accuracy_is_a_column_where_it_was_asked_for),
        cmocka_unit_test(the_text_fits_a_hundred_columns),
        cmocka_unit_test(markdown_latex_and_html_say_the_same),
        cmocka_unit_test(a_value_beyond_the_tolerance_is_counted),
        cmocka_unit_test(what_went_wrong_stands_beneath),
        cmocka_unit_test(an_interval_that_stopped_its_cell_is_told),
        cmocka_unit_test(what_the_run_wrote_of_a_stop_is_what_is_told),
        cmocka_unit_test(format_names_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
