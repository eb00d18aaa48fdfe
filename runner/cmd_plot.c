// cmd_plot.c — dmlx plot: tables and figures from results alone. It never trains.
#include <stdio.h>
#include <stdlib.h>

#include "plots/claims.h"
#include "plots/plots.h"
#include "runner/options.h"

static int
say(const char *text)
{
    fprintf(stderr, "dmlx plot: %s\n", text);
    return STATUS_RUN_FAILED;
}

static int
plot(const results_t *results, const plots_options_t *options)
{
    plots_error_t error = {{0}};
    char *notes = NULL;
    int code = plots_write(results, options, &notes, &error);
    if (notes && notes[0])
        fputs(notes, stderr);
    free(notes);
    if (code != PLOTS_OK && code != PLOTS_NO_GNUPLOT)
        return say(error.text);
    if (table_print(stdout, results, TABLE_TEXT, &error) != PLOTS_OK)
        return say(error.text);
    const char *folder = options->folder ? options->folder : results->root;
    fflush(stdout);
    fprintf(stderr, "tables in %s/tables/, figures in %s/figures/\n", folder, folder);
    return code == PLOTS_OK ? STATUS_DONE : say(error.text);
}

// A claim that does not hold is a finding, not a fault, so only --judge makes it the exit status.
// One that lacks data counts too: what was asked for has not been shown.
static int
judge(const results_t *results)
{
    claims_t *claims = claims_judge(results);
    int status = claims->n_failing + claims->n_open == 0 ? STATUS_DONE : STATUS_RUN_FAILED;
    if (status != STATUS_DONE)
        fprintf(stderr,
                "dmlx plot: %zu of %zu claims hold, so the exit status is %d: "
                "does not hold: %zu, not enough data: %zu\n",
                claims->n_holding, claims->n, status, claims->n_failing, claims->n_open);
    claims_free(&claims);
    return status;
}

static int
run(int argc, char **argv)
{
    bool is_judged = false;
    const char *formats = "svg,png,pdf", *output = NULL, *against = NULL;
    const option_t options[] = {
        {"output", 'o', "DIR", OPTION_TEXT, &output,
         "where tables/ and figures/ go (else beside the results)"},
        {"format", 'f', "LIST", OPTION_TEXT, &formats, "of svg,png,pdf (all)"},
        {"against", 'a', "RESULTS", OPTION_TEXT, &against, "draw these behind, in grey"},
        {"judge", 0, NULL, OPTION_FLAG, &is_judged,
         "exit 1 unless every claim holds (or none is made)"},
        {0},
    };
    int first = options_parse(&command_plot, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first == argc)
        return options_usage_fault(&command_plot, "which results? name their folder");
    plots_options_t how = {.folder = output, .formats = figure_formats_parse(formats)};
    if (how.formats == 0)
        return options_usage_fault(&command_plot, "--format takes svg, png and pdf, not '%s'",
                                   formats);
    plots_error_t error = {{0}};
    results_t *results = NULL, *other = NULL;
    int status = STATUS_DONE;
    if (results_load((const char *const *)&argv[first], (size_t)(argc - first), &results, &error) !=
            PLOTS_OK ||
        (against && results_load(&against, 1, &other, &error) != PLOTS_OK))
        status = say(error.text);
    how.against = other;
    if (status == STATUS_DONE)
        status = plot(results, &how);
    if (status == STATUS_DONE && is_judged)
        status = judge(results);
    results_free(&results);
    results_free(&other);
    return status;
}

const command_t command_plot = {
    .name = "plot",
    .summary = "tables and figures from results alone",
    .usage = "[OPTION…] RESULTS…",
    .example = "dmlx plot results/",
    .run = run,
};
