// report: one page that stands alone, says what the results say, and lets nothing in them become
// markup.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plots/memory.h"
#include "plots/plots.h"
#include "plots/report.h"

static char folder[64];

static void
put(const char *name, const char *text)
{
    char *path = plots_format("%s/%s", folder, name);
    draft_t draft = {0};
    draft_add(&draft, "%s", text);
    plots_error_t error = {""};
    if (draft_write(&draft, path, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    draft_clear(&draft);
    free(path);
}

static int
make_results(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_report_XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    put("runs.csv", "cell,nodes,cores,repeat,attempt,status,data,t_s,work_s,accuracy,cores_asked,"
                    "cores_granted,enforced\n"
                    "n1-c2,1,2,1,a,done,cifar10,10,10,0.5,0.6,0.59,yes\n"
                    "n2-c4,2,4,1,b,done,cifar10,6,5,0.5,1.2,1.21,yes\n"
                    "n3-c6,3,6,1,c,done,cifar10,5,3.5,0.5,1.8,1.79,yes\n");
    put("rounds.csv", "cell,repeat,attempt,round,rank,compute_s,wait_s,send_s,aggregate_s,round_s\n"
                      "n2-c4,1,b,0,0,2.5,0.4,0.1,0.01,3.01\nn2-c4,1,b,0,1,2.8,0.1,0.1,0.01,3.01\n"
                      "n2-c4,1,b,1,0,2.6,0.2,0.1,0.01,2.91\nn2-c4,1,b,1,1,2.6,0.2,0.1,0.01,2.91\n");
    put("manifest.json", "{\"name\": \"s\", \"title\": \"1 < 2 & <script>alert(1)</script>\", "
                         "\"hosts\": [{\"name\": \"pi<1>\", \"cores\": 4}]}");
    put("experiment.cfg", "// a < b\nname = \"s\";\n");
    return 0;
}

static int
remove_results(void **state)
{
    (void)state;
    /* Helpers of a browser may write there a moment longer. */
    char *command =
        plots_format("for i in $(seq 50); do rm -rf %s 2>/dev/null && exit 0; sleep 0.2; "
                     "done; exit 1",
                     folder);
    const int result = system(command);
    free(command);
    return result;
}

static char *
report_of(unsigned formats)
{
    const char *path = folder;
    results_t *results = NULL;
    plots_error_t error = {""};
    assert_int_equal(results_load(&path, 1, &results, &error), PLOTS_OK);
    const plots_options_t options = {NULL, formats, NULL};
    if (plots_write(results, &options, NULL, &error) != PLOTS_OK ||
        report_write(results, folder, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    results_free(&results);
    char *file = plots_format("%s/report.html", folder);
    draft_t page = {0};
    assert_int_equal(draft_read(&page, file, &error), PLOTS_OK);
    free(file);
    return page.text;
}

static void
holds(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("no '%s'", words);
}

static void
the_page_says_what_the_results_say(void **state)
{
    (void)state;
    char *page = report_of(0);
    holds(page, "<th scope=\"row\">2:4</th>");
    holds(page, "<caption><span>s: 1 &lt; 2");
    holds(page, "<td>0.83</td>");                                        // W% of 2:4
    holds(page, "round 0, worker 1: compute 2.8 s");                     // read-out of the timeline
    holds(page, "aria-label=\"Timeline: s: 2 nodes, 4 cores (n2-c4)\""); // one of many
    holds(page, "compute 89.0 %");                                       // 10.5 of 11.8
    holds(page, "n3-c6, repeat 1</th><td>1.80</td><td>1.79");            // asked and granted
    holds(page, "// a &lt; b");
    holds(page, "<th scope=\"row\">hosts.1.name</th><td>pi&lt;1&gt;</td>");
    holds(page, "Forecast from s, 2 cores a node");
    holds(page, "There are no pictures");
    free(page);
}

static void
nothing_in_the_results_becomes_markup_and_nothing_is_fetched(void **state)
{
    (void)state;
    char *page = report_of(access("/usr/bin/gnuplot", X_OK) == 0 ? FIGURE_SVG : 0);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "src=\"http"));
    assert_null(strstr(page, "<link"));
    holds(page, "default-src 'none'");
    holds(page, "lang=\"en\"");
    holds(page, "prefers-color-scheme: dark");
    holds(page, "@media print");
    free(page);
}

// Skips the test, and says what for, where the machine lacks a program.
static void
needs(const char *program, const char *package)
{
    char *path = plots_format("/usr/bin/%s", program);
    const bool is_here = access(path, X_OK) == 0;
    free(path);
    if (is_here)
        return;
    print_message("needs %s (Debian's %s), which this machine lacks\n", program, package);
    skip();
}

static size_t
count(const char *text, const char *words)
{
    size_t n = 0;
    for (const char *found = text; (found = strstr(found, words)) != NULL; found++)
        n++;
    return n;
}

static void
figures_are_in_the_page_with_ids_of_their_own(void **state)
{
    (void)state;
    needs("gnuplot", "gnuplot-nox");
    char *page = report_of(FIGURE_SVG);
    assert_true(count(page, "<svg role=\"img\"") >= 4);
    assert_int_equal(count(page, "<?xml"), 0);
    assert_int_equal(count(page, "id=\"gnuplot_plot_1\""), 0);
    assert_int_equal(count(page, "id=\"f0_gnuplot_plot_1\""), 1);
    free(page);
}

// Points tell their numbers as titles: gnuplot's own way would need a script.
static void
points_of_figures_have_their_numbers_as_titles(void **state)
{
    (void)state;
    needs("gnuplot", "gnuplot-nox");
    char *page = report_of(FIGURE_SVG);
    // The time of two nodes, of one repeat: no interval.
    assert_true(count(page, "<g class=\"readout\"><title>2: 6</title>") >= 1);
    assert_int_equal(count(page, "onmouse"), 0);
    assert_int_equal(count(page, "gnuplot_svg"), 0);
    free(page);
}

static void
a_browser_reads_the_tables(void **state)
{
    (void)state;
    needs("chromium", "chromium");
    free(report_of(0));
    char *command = plots_format("timeout 90 chromium --headless --no-sandbox --disable-gpu "
                                 "--user-data-dir=%s/browser --dump-dom file://%s/report.html "
                                 "2>/dev/null >%s/dom.html",
                                 folder, folder, folder);
    assert_int_equal(system(command), 0);
    free(command);
    char *path = plots_format("%s/dom.html", folder);
    draft_t dom = {0};
    assert_int_equal(draft_read(&dom, path, NULL), PLOTS_OK);
    free(path);
    holds(dom.text, "<h1>1 &lt; 2 &amp; &lt;script&gt;");
    holds(dom.text, "<th scope=\"row\">2:4</th><td>1</td><td>6.000</td>");
    assert_true(count(dom.text, "<table") >= 4);
    draft_clear(&dom);
}

// Landmarks, headings in order, and a name for whatever can be reached: what is told to software
// that reads the page aloud.
static void
a_screen_reader_is_told_what_everything_is(void **state)
{
    (void)state;
    needs("chromium", "chromium");
    needs("python3", "python3");
    free(report_of(access("/usr/bin/gnuplot", X_OK) == 0 ? FIGURE_SVG : 0));
    char *command = plots_format(
        "timeout 90 python3 " TEST_DATA "/../support/accessibility.py %s/report.html", folder);
    assert_int_equal(system(command), 0);
    free(command);
}

// On paper nothing scrolls and nothing opens: what a table has to the right must be there too, on
// any page, and what is folded away on the screen.
static void
a_browser_prints_whole_tables(void **state)
{
    (void)state;
    needs("chromium", "chromium");
    needs("pdftotext", "poppler-utils");
    free(report_of(0));
    char *command =
        plots_format("cd %s && timeout 90 chromium --headless --no-sandbox --disable-gpu "
                     "--user-data-dir=%s/browser --no-pdf-header-footer --print-to-pdf=page.pdf "
                     "file://%s/report.html >/dev/null 2>&1 && pdftotext -layout page.pdf page.txt",
                     folder, folder, folder);
    assert_int_equal(system(command), 0);
    free(command);
    char *path = plots_format("%s/page.txt", folder);
    draft_t text = {0};
    assert_int_equal(draft_read(&text, path, NULL), PLOTS_OK);
    free(path);
    holds(text.text, "Forecast from s, 2 cores a node");
    holds(text.text, "S/n"); // the last column of the widest table
    holds(text.text, "hosts.1.name");
    holds(text.text, "3 runs of s");
    holds(text.text, "n3-c6, repeat 1"); // asked and granted, in a closed details
    assert_null(strstr(text.text, "Skip to"));
    draft_clear(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_page_says_what_the_results_say, make_results,
                                        remove_results),
        cmocka_unit_test_setup_teardown(
            nothing_in_the_results_becomes_markup_and_nothing_is_fetched, make_results,
            remove_results),
        cmocka_unit_test_setup_teardown(points_of_figures_have_their_numbers_as_titles,
                                        make_results, remove_results),
        cmocka_unit_test_setup_teardown(figures_are_in_the_page_with_ids_of_their_own, make_results,
                                        remove_results),
        cmocka_unit_test_setup_teardown(a_browser_reads_the_tables, make_results, remove_results),
        cmocka_unit_test_setup_teardown(a_screen_reader_is_told_what_everything_is, make_results,
                                        remove_results),
        cmocka_unit_test_setup_teardown(a_browser_prints_whole_tables, make_results,
                                        remove_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
