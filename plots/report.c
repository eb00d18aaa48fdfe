#include "plots/report.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/claims.h"
#include "plots/csv.h"
#include "plots/embedded.h"
#include "plots/forecast.h"
#include "plots/line.h"
#include "plots/memory.h"
#include "plots/report_parts.h"
#include "plots/table.h"

static void
add_head(draft_t *page, const char *title, const char *setting)
{
    draft_add(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"color-scheme\" content=\"light dark\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                    "style-src 'unsafe-inline'; img-src data:\">\n<title>");
    html_add(page, title);
    draft_add(page, "</title>\n<style>\n");
    draft_add_bytes(page, (const char *)EMBEDDED_REPORT_CSS, EMBEDDED_REPORT_CSS_BYTES);
    draft_add(page, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#tables\">Skip to the "
                    "tables</a>\n<header>\n<h1>");
    html_add(page, title);
    draft_add(page, "</h1>\n<p class=\"lead\">");
    html_add(page, setting);
    draft_add(page,
              "</p>\n</header>\n<nav aria-label=\"Contents\"><ul>"
              "<li><a href=\"#tables\">Tables</a></li><li><a "
              "href=\"#claims\">Claims</a></li><li><a href=\"#figures\">Figures</a></li>"
              "<li><a href=\"#forecast\">Forecast</a></li>"
              "<li><a href=\"#timelines\">Timelines</a></li>"
              "<li><a href=\"#limits\">Limits</a></li><li><a href=\"#asked\">What was asked</a>"
              "</li><li><a href=\"#provenance\">Provenance</a></li></ul></nav>\n<main>\n");
}

static void
add_tables(draft_t *page, const results_t *results)
{
    draft_add(page,
              "<section id=\"tables\">\n<h2>Tables</h2>\n"
              "<p>T is the training time, W the work time, W%% and O%% the shares of work and of "
              "coordination, S the speedup, Acc the accuracy on the test set. N:C are nodes and "
              "cores of the whole cluster.</p>\n");
    for (size_t i = 0; i < results->n_sets; i++) {
        summary_t *summary = summary_new(&results->sets[i]);
        grid_t *grid = table_grid(summary);
        grid_html(grid, page);
        grid_free(&grid);
        summary_free(&summary);
    }
    const table_verdict_t verdict = table_verdict(results);
    if (verdict.n_judged > 0)
        draft_add(page,
                  "<p><strong>%zu of %zu</strong> judged values lie within the tolerance of "
                  "what was expected with their whole interval, %zu beyond it.</p>\n",
                  verdict.n_judged - verdict.n_beyond - verdict.n_open, verdict.n_judged,
                  verdict.n_beyond);
    draft_add(page, "</section>\n");
}

static void
add_claims(draft_t *page, const results_t *results)
{
    claims_t *claims = claims_judge(results);
    draft_add(page, "<section id=\"claims\">\n<h2>Claims</h2>\n");
    if (claims->n > 0) {
        grid_t *grid = claims_grid(claims);
        grid_html(grid, page);
        grid_free(&grid);
    } else {
        draft_add(page, "<p>The experiment makes no claims.</p>\n");
    }
    draft_add(page, "</section>\n");
    claims_free(&claims);
}

static int
is_picture(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".svg") == 0;
}

// The title of a figure is the first comment of its script.
static char *
title_of(const char *folder, const char *stem)
{
    char *path = plots_format("%s/figures/%s.gp", folder, stem);
    draft_t script = {0};
    char *title = NULL;
    if (draft_read(&script, path, NULL) == PLOTS_OK && strncmp(script.text, "# ", 2) == 0)
        title = plots_format("%.*s", (int)strcspn(script.text + 2, "\n"), script.text + 2);
    draft_clear(&script);
    free(path);
    return title != NULL ? title : plots_copy(stem);
}

static int
add_figure(draft_t *page, const char *folder, const char *file, size_t index, plots_error_t *error)
{
    char *path = plots_format("%s/figures/%s", folder, file);
    draft_t svg = {0};
    const int result = draft_read(&svg, path, error);
    free(path);
    if (result != PLOTS_OK)
        return result;
    char *stem = plots_format("%.*s", (int)strcspn(file, "."), file);
    char *title = title_of(folder, stem);
    draft_add(page, "<figure aria-labelledby=\"caption-%zu\">\n", index);
    frame_add(page, "Figure", title);
    svg_add(page, svg.text, index, title);
    draft_add(page, "</div>\n<figcaption id=\"caption-%zu\">", index);
    html_add(page, title);
    draft_add(page, " (figures/%s.gp)</figcaption>\n", stem);
    draft_add(page, "</figure>\n");
    char *csv = plots_format("%s/figures/%s.csv", folder, stem);
    csv_table_add(page, csv, title);
    free(csv);
    free(title);
    free(stem);
    draft_clear(&svg);
    return PLOTS_OK;
}

static int
add_figures(draft_t *page, const char *folder, plots_error_t *error)
{
    char *figures = plots_format("%s/figures", folder);
    struct dirent **entries = NULL;
    const int n = scandir(figures, &entries, is_picture, alphasort);
    int result = PLOTS_OK;
    draft_add(page, "<section id=\"figures\">\n<h2>Figures</h2>\n");
    if (n <= 0)
        draft_add(page, "<p>There are no pictures: gnuplot was not installed when this page was "
                        "made. The tables have the numbers.</p>\n");
    for (int i = 0; i < n; i++) {
        if (result == PLOTS_OK)
            result = add_figure(page, folder, entries[i]->d_name, (size_t)i, error);
        free(entries[i]);
    }
    free(entries);
    free(figures);
    draft_add(page, "</section>\n");
    return result;
}

// To twice the nodes that were measured, and at least eight.
static void
add_forecast(draft_t *page, const results_t *results)
{
    double nodes[64];
    double largest = 4.0;
    for (size_t i = 0; i < results->n_sets; i++) {
        for (size_t j = 0; j < results->sets[i].n_runs; j++)
            largest = fmax(largest, results->sets[i].runs[j].nodes);
    }
    size_t n = 0;
    const double step = fmax(1.0, ceil(2.0 * largest / 16.0));
    for (double node = 1.0; node <= 2.0 * largest && n < 64; node += step)
        nodes[n++] = node;
    forecast_t **forecasts = NULL;
    size_t n_forecasts = 0;
    draft_t left_out = {0};
    plots_error_t error = {""};
    draft_add(page, "<section id=\"forecast\">\n<h2>Forecast</h2>\n");
    const int result =
        forecasts_new(results, nodes, n, 0, &forecasts, &n_forecasts, &left_out, &error);
    for (size_t i = 0; i < n_forecasts; i++) {
        grid_t *grid = forecast_grid(forecasts[i]);
        grid_html(grid, page);
        grid_free(&grid);
    }
    if (result != PLOTS_OK || left_out.length > 0) {
        draft_add(page, "<p>");
        html_add(page, result != PLOTS_OK ? error.text : left_out.text);
        draft_add(page, "</p>\n");
    }
    forecasts_free(&forecasts, n_forecasts);
    draft_clear(&left_out);
    draft_add(page, "</section>\n");
}

static void
add_timelines(draft_t *page, const results_t *results)
{
    draft_add(page,
              "<section id=\"timelines\">\n<h2>Timelines</h2>\n"
              "<p>The first finished repeat of each cell, a lane a worker, from round to round. A "
              "straggler is the lane that keeps the others waiting. Point at a round for its "
              "numbers.</p>\n<p class=\"key\" aria-hidden=\"true\">");
    static const char *const parts[] = {"compute", "send", "wait", "aggregate"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        draft_add(page, "<span><i class=\"%s\"></i>%s</span>", parts[i], parts[i]);
    draft_add(page, "</p>\n");
    size_t n = 0;
    for (size_t i = 0; i < results->n_sets; i++)
        n += timelines_add(page, &results->sets[i]);
    if (n == 0)
        draft_add(page,
                  "<p>There is no rounds.csv with finished runs of more than one worker.</p>\n");
    draft_add(page, "</section>\n");
}

static void
set_number(grid_t *grid, size_t column, double number)
{
    if (isfinite(number))
        grid_set(grid, column, plots_format("%.2f", number), NULL);
}

static void
add_limits(draft_t *page, const results_t *results)
{
    static const char *const headers[] = {"cell",        "cores asked", "cores granted",
                                          "throttled s", "start-up s",  "evaluation s",
                                          "enforced"};
    draft_add(page, "<section id=\"limits\">\n<h2>Limits asked and granted</h2>\n<p>In real cores' "
                    "worth over the cluster; granted is what was measured.</p>\n");
    for (size_t i = 0; i < results->n_sets; i++) {
        const results_set_t *set = &results->sets[i];
        grid_t *grid = grid_new(set->name, 7);
        for (size_t j = 0; j < 7; j++)
            grid_header(grid, j, headers[j], j == 0 || j == 6);
        for (size_t j = 0; j < set->n_runs; j++) {
            const results_run_t *run = &set->runs[j];
            grid_row(grid, false);
            grid_set(grid, 0,
                     plots_format("%s, repeat %d%s", run->cell, run->repeat,
                                  run->is_done ? "" : " (failed)"),
                     NULL);
            const double numbers[] = {run->cores_asked, run->cores_granted, run->throttled_s,
                                      run->startup_s, run->evaluation_s};
            for (size_t k = 0; k < 5; k++)
                set_number(grid, 1 + k, numbers[k]);
            grid_set(grid, 6, plots_copy(run->enforced), NULL);
        }
        draft_add(page, "<details><summary>%zu runs of ", set->n_runs);
        html_add(page, set->name);
        draft_add(page, "</summary>\n");
        grid_html(grid, page);
        draft_add(page, "</details>\n");
        grid_free(&grid);
    }
    draft_add(page, "</section>\n");
}

static void
add_asked(draft_t *page, const results_t *results)
{
    draft_add(page, "<section id=\"asked\">\n<h2>What was asked</h2>\n");
    for (size_t i = 0; i < results->n_sets; i++) {
        const results_set_t *set = &results->sets[i];
        char *path = plots_format("%s/experiment.cfg", set->folder);
        draft_t cfg = {0};
        if (access(path, R_OK) == 0 && draft_read(&cfg, path, NULL) == PLOTS_OK) {
            draft_add(page, "<h3>");
            html_add(page, set->name);
            draft_add(page, "</h3>\n<pre tabindex=\"0\" role=\"group\" "
                            "aria-label=\"experiment.cfg of ");
            html_add(page, set->name);
            draft_add(page, "\">");
            html_add(page, cfg.text);
            draft_add(page, "</pre>\n");
        } else {
            draft_add(page, "<p>");
            html_add(page, set->name);
            draft_add(page, ": no experiment.cfg lies with these results.</p>\n");
        }
        draft_clear(&cfg);
        free(path);
    }
    draft_add(page, "</section>\n");
}

static void
add_provenance(draft_t *page, const results_t *results)
{
    draft_add(page, "<section id=\"provenance\">\n<h2>Provenance</h2>\n");
    for (size_t i = 0; i < results->n_sets; i++) {
        draft_add(page, "<h3>");
        html_add(page, results->sets[i].name);
        draft_add(page, "</h3>\n");
        json_table_add(page, results->sets[i].name, results->sets[i].manifest);
    }
    draft_add(page, "</section>\n");
}

// "node_sweep and core_sweep", or the one title.
static char *
page_title(const results_t *results)
{
    if (results->n_sets == 1)
        return plots_copy(results->sets[0].title);
    draft_t title = {0};
    for (size_t i = 0; i < results->n_sets; i++)
        draft_add(&title, "%s%s",
                  i == 0                    ? ""
                  : i + 1 < results->n_sets ? ", "
                                            : " and ",
                  results->sets[i].name);
    return title.text;
}

int
report_write(const results_t *results, const char *folder, plots_error_t *error)
{
    const results_set_t **sets = plots_alloc(results->n_sets, sizeof *sets);
    for (size_t i = 0; i < results->n_sets; i++)
        sets[i] = &results->sets[i];
    char *setting = results_setting(sets, results->n_sets);
    char *title = page_title(results);
    draft_t page = {0};
    add_head(&page, title, setting);
    add_tables(&page, results);
    add_claims(&page, results);
    int result = add_figures(&page, folder, error);
    add_forecast(&page, results);
    add_timelines(&page, results);
    add_limits(&page, results);
    add_asked(&page, results);
    add_provenance(&page, results);
    draft_add(&page, "</main>\n</body>\n</html>\n");
    char *path = plots_format("%s/report.html", folder);
    if (result == PLOTS_OK)
        result = draft_write(&page, path, error);
    free(path);
    free(title);
    free(setting);
    free(sets);
    draft_clear(&page);
    return result;
}
