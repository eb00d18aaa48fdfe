// cmd_table.c — dmlx table: the tables of results, in the format a paper or a notebook wants.
#include <stdio.h>

#include "plots/table.h"
#include "runner/options.h"

static int
say(const char *text)
{
    fprintf(stderr, "dmlx table: %s\n", text);
    return STATUS_RUN_FAILED;
}

static int
run(int argc, char **argv)
{
    const char *format = "txt";
    const option_t options[] = {
        {"format", 'f', "NAME", OPTION_TEXT, &format, "txt, md, tex, csv or json (txt)"},
        {0},
    };
    int first = options_parse(&command_table, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first == argc)
        return options_usage_fault(&command_table, "which results? name their folder");
    table_format_t how = table_format_parse(format);
    if (how == N_TABLE_FORMATS)
        return options_usage_fault(&command_table,
                                   "--format takes txt, md, tex, csv or json, not '%s'", format);
    plots_error_t error = {{0}};
    results_t *results = NULL;
    if (results_load((const char *const *)&argv[first], (size_t)(argc - first), &results, &error) !=
        PLOTS_OK)
        return say(error.text);
    int status =
        table_print(stdout, results, how, &error) == PLOTS_OK ? STATUS_DONE : say(error.text);
    results_free(&results);
    return status;
}

const command_t command_table = {
    .name = "table",
    .summary = "the tables of results as text, Markdown, LaTeX, CSV or JSON",
    .usage = "[OPTION…] RESULTS…",
    .example = "dmlx table --format md results/node_sweep",
    .run = run,
};
