// cmd_compare.c — dmlx compare: two result sets, cell by cell, with confidence.
#include <stdio.h>

#include "plots/compare.h"
#include "runner/options.h"

static const double default_tolerance = 0.05;

static int
say(const char *text)
{
    fprintf(stderr, "dmlx compare: %s\n", text);
    return STATUS_RUN_FAILED;
}

static int
compare(const results_t *a, const results_t *b, double tolerance, table_format_t format)
{
    plots_error_t error = {{0}};
    compare_t *comparison = NULL;
    if (compare_new(a, b, tolerance, &comparison, &error) != PLOTS_OK)
        return say(error.text);
    draft_t draft = {0};
    compare_draft(comparison, format, &draft);
    fwrite(draft.text, 1, draft.length, stdout);
    draft_clear(&draft);
    int status = comparison->n_worse + comparison->n_failed > 0 ? STATUS_RUN_FAILED : STATUS_DONE;
    // Nothing is proven, so that is no failure; but whoever reads the exit status alone must hear
    // of it.
    if (comparison->n_beyond > 0)
        fprintf(stderr,
                "dmlx compare: warning: worse by more than the tolerance, but untested for want of "
                "repeats: %zu of %zu values\n",
                comparison->n_beyond, 2 * comparison->n_rows);
    compare_free(&comparison);
    return fflush(stdout) == 0 ? status : say("standard output cannot be written");
}

static int
run(int argc, char **argv)
{
    const char *format = "txt";
    double tolerance = default_tolerance;
    const option_t options[] = {
        {"tolerance", 't', "SHARE", OPTION_REAL, &tolerance,
         "how much worse is still no regression: 0.1 is a tenth (0.05)"},
        {"format", 'f', "NAME", OPTION_TEXT, &format, "txt, md, tex, csv or json (txt)"},
        {0},
    };
    int first = options_parse(&command_compare, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first != 2)
        return options_usage_fault(&command_compare,
                                   "name two folders of results: what was, and what is");
    table_format_t how = table_format_parse(format);
    if (how == N_TABLE_FORMATS)
        return options_usage_fault(&command_compare,
                                   "--format takes txt, md, tex, csv or json, not '%s'", format);
    if (tolerance < 0)
        return options_usage_fault(&command_compare, "--tolerance is a share of 0 or more");
    plots_error_t error = {{0}};
    results_t *a = NULL, *b = NULL;
    const char *a_folder = argv[first], *b_folder = argv[first + 1];
    int status = STATUS_DONE;
    if (results_load(&a_folder, 1, &a, &error) != PLOTS_OK ||
        results_load(&b_folder, 1, &b, &error) != PLOTS_OK)
        status = say(error.text);
    else
        status = compare(a, b, tolerance, how);
    results_free(&a);
    results_free(&b);
    return status;
}

const command_t command_compare = {
    .name = "compare",
    .summary = "two results, cell by cell; fails when the second is worse",
    .usage = "[OPTION…] RESULTS RESULTS",
    .example = "dmlx compare results/before results/after --tolerance 0.1",
    .run = run,
};
