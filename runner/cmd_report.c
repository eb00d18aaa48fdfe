// cmd_report.c — dmlx report: everything about results on one page of HTML.
#include <stdio.h>
#include <stdlib.h>

#include "plots/plots.h"
#include "plots/report.h"
#include "runner/options.h"

static int
say(const char *text)
{
    fprintf(stderr, "dmlx report: %s\n", text);
    return STATUS_RUN_FAILED;
}

static int
report(const results_t *results, const char *output)
{
    plots_error_t error = {{0}};
    char *notes = NULL;
    const char *folder = output ? output : results->root;
    plots_options_t options = {.folder = folder, .formats = FIGURE_SVG};
    int drawn = plots_write(results, &options, &notes, &error);
    if (notes && notes[0])
        fputs(notes, stderr);
    free(notes);
    if (drawn != PLOTS_OK && drawn != PLOTS_NO_GNUPLOT)
        return say(error.text);
    if (drawn == PLOTS_NO_GNUPLOT)
        say(error.text); // the page says which pictures are missing
    if (report_write(results, folder, &error) != PLOTS_OK)
        return say(error.text);
    printf("%s/report.html\n", folder);
    return fflush(stdout) == 0 ? STATUS_DONE : say("standard output cannot be written");
}

static int
run(int argc, char **argv)
{
    const char *output = NULL;
    const option_t options[] = {
        {"output", 'o', "DIR", OPTION_TEXT, &output,
         "where report.html goes (else beside the results)"},
        {0},
    };
    int first = options_parse(&command_report, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first == argc)
        return options_usage_fault(&command_report, "which results? name their folder");
    plots_error_t error = {{0}};
    results_t *results = NULL;
    int status = STATUS_DONE;
    if (results_load((const char *const *)&argv[first], (size_t)(argc - first), &results, &error) !=
        PLOTS_OK)
        status = say(error.text);
    else
        status = report(results, output);
    results_free(&results);
    return status;
}

const command_t command_report = {
    .name = "report",
    .summary = "one HTML page with tables, figures, forecast and provenance",
    .usage = "[OPTION…] RESULTS…",
    .example = "dmlx report results/",
    .run = run,
};
