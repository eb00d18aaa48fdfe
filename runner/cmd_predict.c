// cmd_predict.c — dmlx predict: what larger clusters would take, from results alone, with bands.
#include <stdio.h>
#include <stdlib.h>

#include "plots/forecast.h"
#include "runner/options.h"

static int
say(const char *text)
{
    fprintf(stderr, "dmlx predict: %s\n", text);
    return STATUS_RUN_FAILED;
}

static int
predict(const results_t *results, const double *nodes, size_t n_nodes, double cores_a_node,
        table_format_t format)
{
    plots_error_t error = {{0}};
    forecast_t **forecasts = NULL;
    size_t n_forecasts = 0;
    draft_t left_out = {0}, draft = {0};
    if (forecasts_new(results, nodes, n_nodes, cores_a_node, &forecasts, &n_forecasts, &left_out,
                      &error) != PLOTS_OK) {
        draft_clear(&left_out);
        return say(error.text);
    }
    if (left_out.length > 0)
        fprintf(stderr, "dmlx predict: left out: %s", left_out.text);
    forecasts_draft(forecasts, n_forecasts, format, &draft);
    fwrite(draft.text, 1, draft.length, stdout);
    forecasts_free(&forecasts, n_forecasts);
    draft_clear(&draft);
    draft_clear(&left_out);
    return fflush(stdout) == 0 ? STATUS_DONE : say("standard output cannot be written");
}

static int
run(int argc, char **argv)
{
    const char *list = "1:16", *format = "txt";
    double cores_a_node = 0;
    const option_t options[] = {
        {"nodes", 'n', "LIST", OPTION_TEXT, &list, "to how many nodes: 1:64, or 4,8,16 (1:16)"},
        {"cores-per-node", 'c', "X", OPTION_REAL, &cores_a_node,
         "cores of each node (as those that were measured)"},
        {"format", 'f', "NAME", OPTION_TEXT, &format, "txt, md, tex, csv or json (txt)"},
        {0},
    };
    int first = options_parse(&command_predict, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first == argc)
        return options_usage_fault(&command_predict, "which results? name their folder");
    table_format_t how = table_format_parse(format);
    if (how == N_TABLE_FORMATS)
        return options_usage_fault(&command_predict,
                                   "--format takes txt, md, tex, csv or json, not '%s'", format);
    double *nodes = NULL;
    size_t n_nodes = forecast_parse_nodes(list, &nodes);
    if (n_nodes == 0)
        return options_usage_fault(
            &command_predict, "--nodes takes numbers and ranges such as 1:64 or 4,8,16, not '%s'",
            list);
    plots_error_t error = {{0}};
    results_t *results = NULL;
    int status = STATUS_DONE;
    if (results_load((const char *const *)&argv[first], (size_t)(argc - first), &results, &error) !=
        PLOTS_OK)
        status = say(error.text);
    else
        status = predict(results, nodes, n_nodes, cores_a_node, how);
    results_free(&results);
    free(nodes);
    return status;
}

const command_t command_predict = {
    .name = "predict",
    .summary = "what more nodes and cores would bring, with bands and inflection points",
    .usage = "[OPTION…] RESULTS…",
    .example = "dmlx predict results/node_sweep --nodes 1:64",
    .run = run,
};
