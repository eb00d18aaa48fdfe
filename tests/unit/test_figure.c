// figure: every figure of the paper from its own numbers, with and without gnuplot.
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plots/csv.h"
#include "plots/gnuplot.h"
#include "plots/memory.h"
#include "plots/plots.h"

static char folder[64];
static char *path_before;

static int
make_folder(void **state)
{
    (void)state;
    path_before = plots_copy(getenv("PATH"));
    strcpy(folder, "/tmp/test_figure_XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static void
remove_all(const char *path)
{
    DIR *entries = opendir(path);
    const struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *inner = plots_format("%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            remove_all(inner);
        free(inner);
    }
    if (entries != NULL)
        closedir(entries);
    rmdir(path);
}

static int
remove_folder(void **state)
{
    (void)state;
    setenv("PATH", path_before, 1);
    free(path_before);
    remove_all(folder);
    return access(folder, F_OK) == 0 ? -1 : 0;
}

static bool
is_there(const char *name)
{
    char *path = plots_format("%s/%s", folder, name);
    struct stat status;
    const bool is_file = stat(path, &status) == 0 && status.st_size > 0;
    free(path);
    return is_file;
}

static size_t
count_entries(const char *name)
{
    char *path = plots_format("%s/%s", folder, name);
    DIR *entries = opendir(path);
    free(path);
    assert_non_null(entries);
    size_t n = 0;
    const struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return n;
}

static bool
has_gnuplot(void)
{
    return access("/usr/bin/gnuplot", X_OK) == 0;
}

static int
plot_paper(unsigned formats, char **notes, plots_error_t *error)
{
    const char *paper = PAPER;
    results_t *results = NULL;
    assert_int_equal(results_load(&paper, 1, &results, error), PLOTS_OK);
    const plots_options_t options = {folder, formats, NULL};
    const int result = plots_write(results, &options, notes, error);
    results_free(&results);
    return result;
}

static void
the_papers_figures_are_drawn_from_its_numbers(void **state)
{
    (void)state;
    if (!has_gnuplot()) {
        print_message("no gnuplot: pictures are not tested\n");
        skip();
    }
    char *notes = NULL;
    plots_error_t error = {""};
    if (plot_paper(FIGURE_ALL, &notes, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    static const char *const figures[] = {"fig07",           "fig08",     "fig09",
                                          "fig10",           "fig11",     "fig12",
                                          "more_efficiency", "more_cost", "more_roof"};
    enum { N_FIGURES = sizeof figures / sizeof *figures };
    static const char *const endings[] = {"csv", "gp", "svg", "png", "pdf"};
    for (size_t i = 0; i < N_FIGURES; i++) {
        for (size_t j = 0; j < 5; j++) {
            char *name = plots_format("figures/%s.%s", figures[i], endings[j]);
            if (!is_there(name))
                fail_msg("no %s", name);
            free(name);
        }
    }
    assert_int_equal(count_entries("figures"),
                     N_FIGURES * 5 + 1); // and common.gp, and nothing left aside
    assert_string_equal(notes, "fig03: no samples.csv, left out\n"
                               "more_rounds: no rounds.csv of finished runs, left out\n");
    free(notes);
    assert_true(is_there("summary.csv") && is_there("fits.csv"));
    assert_true(is_there("tables/node_sweep.txt") && is_there("tables/core_sweep.md"));
}

static void
a_figure_is_drawn_again_by_its_script_alone(void **state)
{
    (void)state;
    if (!has_gnuplot())
        skip();
    plots_error_t error = {""};
    assert_int_equal(plot_paper(0, NULL, &error), PLOTS_OK);
    assert_false(is_there("figures/fig09.svg"));
    char *command = plots_format("cd %s/figures && gnuplot fig09.gp 2>&1", folder);
    assert_int_equal(system(command), 0);
    free(command);
    assert_true(is_there("figures/fig09.svg"));
}

static void
the_csv_of_figure_9_marks_where_overhead_outgrows_work(void **state)
{
    (void)state;
    plots_error_t error = {""};
    assert_int_equal(plot_paper(0, NULL, &error), PLOTS_OK);
    char *path = plots_format("%s/figures/fig09.csv", folder);
    csv_t *csv = NULL;
    assert_int_equal(csv_read(path, &csv, &error), PLOTS_OK);
    free(path);
    bool is_marked = false;
    for (size_t row = 0; row < csv_rows(csv); row++) {
        if (strcmp(csv_text(csv, row, csv_column(csv, "series")), "old mark") == 0) {
            const double nodes = csv_number(csv, row, csv_column(csv, "nodes"));
            assert_true(nodes > 4.0 && nodes < 5.0);
            is_marked = true;
        }
    }
    assert_true(is_marked);
    csv_free(&csv);
}

// Nodes 1..4 with a core each, and 3 nodes with 6 cores, at five batches: work is 100 s by the
// cores, overhead a transfer a node that halves from batch to batch.
static void
write_sweep(void)
{
    draft_t runs = {0};
    draft_add(&runs,
              "cell,nodes,cores,train.batch,repeat,attempt,status,data,t_s,work_s,accuracy\n");
    for (int v = 0; v < 5; v++) {
        for (int cell = 1; cell <= 5; cell++) {
            const int nodes = cell < 5 ? cell : 3;
            const int cores = cell < 5 ? cell : 6;
            for (int repeat = 1; repeat <= 2; repeat++) {
                const double work_s = 100.0 / cores * (1.0 + 0.001 * repeat);
                const double overhead_s = nodes > 1 ? 4.0 / (1 << v) * nodes : 0.0;
                draft_add(&runs, "n%d-c%d-batch%d,%d,%d,%d,%d,%d,done,cifar10,%.9g,%.9g,0.%d\n",
                          nodes, cores, 8 << v, nodes, cores, 8 << v, repeat, repeat,
                          work_s + overhead_s, work_s, 50 + cell);
            }
        }
    }
    plots_error_t error = {""};
    char *path = plots_format("%s/runs.csv", folder);
    assert_int_equal(draft_write(&runs, path, &error), PLOTS_OK);
    free(path);
    draft_clear(&runs);
}

// plot_samples TEXT: draws the sweep's figures with this for samples.csv. The caller frees the
// notes.
static char *
plot_samples(const char *text)
{
    write_sweep();
    plots_error_t error = {""};
    draft_t samples = {0};
    draft_add(&samples, "%s", text);
    char *path = plots_format("%s/samples.csv", folder);
    assert_int_equal(draft_write(&samples, path, &error), PLOTS_OK);
    free(path);
    draft_clear(&samples);
    const char *root = folder;
    results_t *results = NULL;
    char *notes = NULL;
    assert_int_equal(results_load(&root, 1, &results, &error), PLOTS_OK);
    const plots_options_t options = {folder, 0, NULL};
    if (plots_write(results, &options, &notes, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    results_free(&results);
    return notes;
}

static void
samples_become_a_mosaic_of_a_column_a_class(void **state)
{
    (void)state;
    char *notes =
        plot_samples("class,name,index,row,column,red,green,blue\n"
                     "0,cat,0,0,0,10,11,12\n0,cat,0,0,1,20,21,22\n"
                     "1,\"dog, large\",0,0,0,30,31,32\n1,\"dog, large\",0,0,1,40,41,42\n");
    assert_null(strstr(notes, "fig03"));
    free(notes);
    plots_error_t error = {""};
    char *path = plots_format("%s/figures/fig03.csv", folder);
    csv_t *csv = NULL;
    assert_int_equal(csv_read(path, &csv, &error), PLOTS_OK);
    free(path);
    // Two pictures of two pixels, and three white ones between.
    static const double red[] = {10, 20, 255, 255, 255, 30, 40};
    assert_int_equal(csv_rows(csv), 7);
    for (size_t x = 0; x < 7; x++) {
        assert_true(csv_number(csv, x, csv_column(csv, "x")) == (double)x);
        assert_true(csv_number(csv, x, csv_column(csv, "red")) == red[x]);
    }
    assert_true(csv_number(csv, 6, csv_column(csv, "blue")) == 42);
    csv_free(&csv);
    draft_t script = {0};
    path = plots_format("%s/figures/fig03.gp", folder);
    assert_int_equal(draft_read(&script, path, &error), PLOTS_OK);
    free(path);
    assert_non_null(strstr(script.text, "dog, large"));
    draft_clear(&script);
}

static void
damaged_samples_cost_their_figure_alone(void **state)
{
    (void)state;
    char *notes = plot_samples("class,name\n0\n");
    assert_non_null(strstr(notes, "samples.csv', line 2: 1 fields where the header has 2"));
    free(notes);
    notes = plot_samples("class,name\n0,cat\n1,do");
    assert_non_null(strstr(notes, "samples.csv': its last line was cut short"));
    free(notes);
    assert_false(is_there("figures/fig03.gp"));
    assert_true(is_there("figures/fig09.gp"));
}

// draw_runs N_NODES: the figures of 1..N_NODES nodes with a core each, three times. Gives the
// script of one of them, which the caller clears.
static draft_t
draw_runs(int n_nodes, const char *name)
{
    draft_t runs = {0};
    draft_add(&runs, "cell,nodes,cores,repeat,attempt,status,data,t_s,work_s,accuracy\n");
    for (int nodes = 1; nodes <= n_nodes; nodes++) {
        for (int repeat = 1; repeat <= 3; repeat++) {
            const double work_s = 100.0 / nodes * (1.0 + 0.01 * ((repeat + nodes) % 3));
            const double overhead_s = nodes > 1 ? (4.0 + nodes) * (1.0 + 0.01 * repeat) : 0.0;
            draft_add(&runs, "n%d-c%d,%d,%d,%d,%d,done,cifar10,%.9g,%.9g,0.5%d\n", nodes, nodes,
                      nodes, nodes, repeat, repeat, work_s + overhead_s, work_s, repeat);
        }
    }
    plots_error_t error = {""};
    char *path = plots_format("%s/runs.csv", folder);
    assert_int_equal(draft_write(&runs, path, &error), PLOTS_OK);
    free(path);
    draft_clear(&runs);
    const char *root = folder;
    results_t *results = NULL;
    assert_int_equal(results_load(&root, 1, &results, &error), PLOTS_OK);
    const plots_options_t options = {folder, 0, NULL};
    if (plots_write(results, &options, NULL, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    results_free(&results);
    draft_t script = {0};
    path = plots_format("%s/figures/%s.gp", folder, name);
    assert_int_equal(draft_read(&script, path, &error), PLOTS_OK);
    free(path);
    return script;
}

// Beneath the title, in bytes; a line of 120 is cut off at both edges of the page.
static size_t
longest_line(const char *script)
{
    static const char begin[] = "{/*0.8 \".\"", end[] = "\".\"}";
    size_t longest = 0;
    for (const char *at = script; (at = strstr(at, begin)) != NULL;) {
        at += strlen(begin);
        const size_t n = (size_t)(strstr(at, end) - at);
        longest = n > longest ? n : longest;
    }
    return longest;
}

static void
a_law_that_nothing_chose_is_marked_in_figure_9(void **state)
{
    (void)state;
    draft_t script = draw_runs(3, "fig09");
    assert_non_null(strstr(script.text, "title 'overhead, communication, by default'"));
    assert_non_null(strstr(script.text, "by default: too few sizes to hold one out"));
    assert_in_range(longest_line(script.text), 50, 110);
    draft_clear(&script);
    script = draw_runs(4, "fig09");
    assert_non_null(strstr(script.text, "title 'overhead, "));
    assert_null(strstr(script.text, "by default"));
    draft_clear(&script);
}

static size_t
count_words(const char *text, const char *words)
{
    size_t n = 0;
    while ((text = strstr(text, words)) != NULL) {
        text += strlen(words);
        n++;
    }
    return n;
}

// Once in each picture that has any; the paper's means have no bars, and its speedups no band.
static void
a_figure_says_what_its_bars_and_bands_are(void **state)
{
    (void)state;
    static const char both[] = "error bars and bands: 95 % intervals of the mean";
    static const char bars[] = "error bars: 95 % intervals of the mean";
    static const struct {
        const char *name, *words;
    } figures[] = {{"fig07", bars}, {"fig08", bars},           {"fig09", both},
                   {"fig11", both}, {"more_efficiency", bars}, {"more_cost", bars}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        draft_t script = draw_runs(4, figures[i].name);
        if (count_words(script.text, figures[i].words) != 1 ||
            count_words(script.text, "95 % interval") != 1)
            fail_msg("%s: %s", figures[i].name, script.text);
        draft_clear(&script);
    }
    plots_error_t error = {""};
    assert_int_equal(plot_paper(0, NULL, &error), PLOTS_OK);
    static const char *const names[] = {"fig07", "fig09", "fig10", "fig11"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        draft_t script = {0};
        char *path = plots_format("%s/figures/%s.gp", folder, names[i]);
        assert_int_equal(draft_read(&script, path, &error), PLOTS_OK);
        free(path);
        const bool has_band = strcmp(names[i], "fig09") == 0 || strcmp(names[i], "fig10") == 0;
        assert_int_equal(count_words(script.text, "95 % interval"), has_band ? 1 : 0);
        assert_null(strstr(script.text, both));
        assert_null(strstr(script.text, "one further run")); // of means nothing is known of one
        draft_clear(&script);
    }
}

// Dotted about the band of the mean, and wider; of two repeats, as of more.
static void
figure_9_has_the_interval_of_one_further_run(void **state)
{
    (void)state;
    draft_t script = draw_runs(4, "fig09");
    assert_int_equal(count_words(script.text, "title 'one further run, 95 %'"), 1);
    draft_clear(&script);
    char *path = plots_format("%s/figures/fig09.csv", folder);
    csv_t *csv = NULL;
    plots_error_t error = {""};
    assert_int_equal(csv_read(path, &csv, &error), PLOTS_OK);
    free(path);
    size_t n_wider = 0;
    size_t n = 0;
    for (size_t row = 0; row < csv_rows(csv); row++) {
        const char *const names[] = {"overhead_run_low", "overhead_low", "overhead_high",
                                     "overhead_run_high"};
        double ends[4];
        for (size_t i = 0; i < 4; i++)
            ends[i] = csv_number(csv, row, csv_column(csv, names[i]));
        const bool is_model = strcmp(csv_text(csv, row, csv_column(csv, "series")), "model") == 0;
        assert_true(isfinite(ends[0]) == is_model && isfinite(ends[3]) == is_model);
        n += is_model;
        n_wider += is_model && ends[3] - ends[0] > ends[2] - ends[1];
    }
    csv_free(&csv);
    assert_true(n > 0 && n_wider == n);
}

// With nodes alone as with cores beside them.
static void
figure_11_names_the_ideal_once(void **state)
{
    (void)state;
    draft_t script = draw_runs(4, "fig11");
    assert_int_equal(count_words(script.text, "title 'ideal'"), 1);
    draft_clear(&script);
}

// The nodes at which a series of fig09.csv has its only row, NAN without one.
static double
mark_of(const csv_t *csv, const char *series)
{
    for (size_t row = 0; row < csv_rows(csv); row++) {
        if (strcmp(csv_text(csv, row, csv_column(csv, "series")), series) == 0)
            return csv_number(csv, row, csv_column(csv, "nodes"));
    }
    return NAN;
}

static void
each_value_of_a_further_axis_has_its_line(void **state)
{
    (void)state;
    write_sweep();
    const char *root = folder;
    results_t *results = NULL;
    plots_error_t error = {""};
    assert_int_equal(results_load(&root, 1, &results, &error), PLOTS_OK);
    const plots_options_t options = {folder, has_gnuplot() ? FIGURE_SVG : 0, NULL};
    if (plots_write(results, &options, NULL, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    results_free(&results);

    // Four of the five, the ends among them: overhead grows to work at √(100/4), √(100/2) …
    char *path = plots_format("%s/figures/fig09.csv", folder);
    csv_t *csv = NULL;
    assert_int_equal(csv_read(path, &csv, &error), PLOTS_OK);
    free(path);
    assert_true(fabs(mark_of(csv, "mark 0") - 5.0) < 0.1);
    assert_true(fabs(mark_of(csv, "mark 3") - 20.0) < 0.4);
    assert_true(isnan(mark_of(csv, "mark 4")));
    csv_free(&csv);

    // 4:4 takes 26 s with one batch and 27 s with another: two labels side by side would cover
    // each other.
    path = plots_format("%s/figures/more_cost.csv", folder);
    assert_int_equal(csv_read(path, &csv, &error), PLOTS_OK);
    free(path);
    unsigned corners = 0;
    for (size_t row = 0; row < csv_rows(csv); row++) {
        if (strcmp(csv_text(csv, row, csv_column(csv, "label")), "4:4") == 0 &&
            csv_number(csv, row, csv_column(csv, "t_s")) < 28.0)
            corners |= 1u << (unsigned)csv_number(csv, row, csv_column(csv, "corner"));
    }
    assert_true(corners != 0 && (corners & (corners - 1)) != 0);
    csv_free(&csv);

    // Every figure has a line or a panel for each value, and says that there are more than four.
    static const char *const words[][2] = {
        {"fig09", "batch 128"},
        {"fig09", "4 of 5 values"},
        {"fig07", "T is least"},
        {"fig08", "batch 8"},
        {"fig08", "batch 128"},
        {"fig08", "4 of 5 values"},
        {"fig10", "batch 128: y = "},
        {"fig10",
         "(pick('3 exponential', column('cores'))):'t_low_s':'t_high_s' with filledcurves"},
        {"fig11", "added nodes, batch 8"},
        {"fig11", "added cores, batch 128"},
        {"fig11", "4 of 5 values"},
        {"more_efficiency", "added nodes, batch 8"},
        {"more_efficiency", "added cores, batch 128"},
        {"more_roof", "batch 8"},
        {"more_roof", "batch 128"},
        {"more_cost", "batch 32"},
        // Accuracies stay between nothing and all, whatever an interval of two repeats says.
        {"fig12", "set yrange [0<*:*<100]"},
        {"by_train_batch", "set yrange [0<*:*<100]"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        draft_t script = {0};
        path = plots_format("%s/figures/%s.gp", folder, words[i][0]);
        assert_int_equal(draft_read(&script, path, &error), PLOTS_OK);
        if (strstr(script.text, words[i][1]) == NULL)
            fail_msg("%s does not say '%s'", path, words[i][1]);
        draft_clear(&script);
        free(path);
    }
}

static void
without_gnuplot_csv_and_scripts_stand(void **state)
{
    (void)state;
    setenv("PATH", folder, 1);
    plots_error_t error = {""};
    assert_int_equal(plot_paper(FIGURE_SVG, NULL, &error), PLOTS_NO_GNUPLOT);
    assert_non_null(strstr(error.text, "install gnuplot-nox"));
    assert_true(is_there("figures/fig07.csv") && is_there("figures/fig12.gp"));
    assert_true(is_there("tables/node_sweep.txt"));
    assert_false(is_there("figures/fig07.svg"));
}

static void
what_gnuplot_says_comes_back_and_the_old_picture_stands(void **state)
{
    (void)state;
    if (!has_gnuplot())
        skip();
    draft_t draft = {0};
    draft_add(&draft, "old");
    plots_error_t error = {""};
    char *picture = plots_format("%s/bad.svg", folder);
    char *script = plots_format("%s/bad.gp", folder);
    assert_int_equal(draft_write(&draft, picture, &error), PLOTS_OK);
    draft_clear(&draft);
    draft_add(&draft, "set output target\nplot 'no_such.csv'\n");
    assert_int_equal(draft_write(&draft, script, &error), PLOTS_OK);
    assert_int_equal(gnuplot_draw(folder, "bad.gp", FIGURE_SVG, &error), PLOTS_GNUPLOT);
    assert_non_null(strstr(error.text, "'bad.gp'"));
    assert_non_null(strstr(error.text, "no_such.csv"));
    assert_int_equal(draft_read(&draft, picture, &error), PLOTS_OK);
    assert_string_equal(draft.text, "old");
    assert_int_equal(count_entries("."), 2);
    draft_clear(&draft);
    free(picture);
    free(script);
}

static void
a_folder_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    const char *paper = PAPER;
    results_t *results = NULL;
    plots_error_t error = {""};
    assert_int_equal(results_load(&paper, 1, &results, &error), PLOTS_OK);
    const plots_options_t options = {"/dev/null/plots", FIGURE_SVG, NULL};
    assert_int_equal(plots_write(results, &options, NULL, &error), PLOTS_IO);
    assert_non_null(strstr(error.text, "/dev/null/plots"));
    results_free(&results);
}

static void
formats_are_read_from_a_list(void **state)
{
    (void)state;
    assert_int_equal(figure_formats_parse("svg,pdf"), FIGURE_SVG | FIGURE_PDF);
    assert_int_equal(figure_formats_parse("png"), FIGURE_PNG);
    assert_int_equal(figure_formats_parse("svg,gif"), 0);
    assert_int_equal(figure_formats_parse(""), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_papers_figures_are_drawn_from_its_numbers, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_figure_is_drawn_again_by_its_script_alone, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_csv_of_figure_9_marks_where_overhead_outgrows_work,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_law_that_nothing_chose_is_marked_in_figure_9, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_figure_says_what_its_bars_and_bands_are, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(figure_9_has_the_interval_of_one_further_run, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(figure_11_names_the_ideal_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(each_value_of_a_further_axis_has_its_line, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(samples_become_a_mosaic_of_a_column_a_class, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(damaged_samples_cost_their_figure_alone, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(without_gnuplot_csv_and_scripts_stand, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_gnuplot_says_comes_back_and_the_old_picture_stands,
                                        make_folder, remove_folder),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_named),
        cmocka_unit_test(formats_are_read_from_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
