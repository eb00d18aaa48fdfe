// cmd_simulate.c — dmlx simulate: rounds of clusters nobody has, drawn from measured rounds.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plots/csv.h"
#include "plots/simulate.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/spec.h"

typedef struct simulate_options {
    const char *nodes, *output;
    long first, last; // of nodes
    int fan, seed;
    bool is_csv;
} simulate_options_t;

static int
say(int status, const char *text)
{
    fprintf(stderr, "dmlx simulate: %s\n", text);
    return status;
}

// A factor of 2^(1/2) a step, so that 1:10000 is 28 rows.
static const double step = 1.4142135623730951;

// The further axes of all sets, each once: columns of the CSV.
typedef struct {
    const char **settings; // [n], borrowed from the sets
    size_t n;
} axes_t;

static axes_t
axes_of(const results_t *results)
{
    axes_t axes = {0};
    for (size_t i = 0; i < results->n_sets; i++) {
        const results_set_t *set = &results->sets[i];
        for (size_t a = 0; a < set->n_axes; a++) {
            bool is_new = true;
            for (size_t j = 0; j < axes.n; j++)
                is_new = is_new && strcmp(axes.settings[j], set->axes[a].setting) != 0;
            if (is_new) {
                axes.settings = memory_resize(axes.settings, (axes.n + 1) * sizeof *axes.settings);
                axes.settings[axes.n++] = set->axes[a].setting;
            }
        }
    }
    return axes;
}

// Empty where the set has no such axis.
static const char *
value_of(const calibration_t *calibration, const char *setting)
{
    for (size_t i = 0; i < calibration->set->n_axes; i++) {
        if (strcmp(calibration->set->axes[i].setting, setting) == 0)
            return calibration->values[i];
    }
    return "";
}

static void
print_csv_header(const axes_t *axes)
{
    draft_t row = {0};
    draft_add(&row, "set");
    for (size_t i = 0; i < axes->n; i++) {
        draft_add(&row, ",");
        csv_add_text(&row, axes->settings[i]);
    }
    printf("%s,nodes,t_s,t_s_low,t_s_high,work_s,overhead_s,memory_bytes,bottleneck\n", row.text);
    draft_clear(&row);
}

static void
print_csv_row(const calibration_t *calibration, const axes_t *axes, const simulated_t *is)
{
    draft_t row = {0};
    csv_add_text(&row, calibration->set->name);
    for (size_t i = 0; i < axes->n; i++) {
        draft_add(&row, ",");
        csv_add_text(&row, value_of(calibration, axes->settings[i]));
    }
    printf("%s,%g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%s\n", row.text, is->nodes, is->t_s, is->t_low_s,
           is->t_high_s, is->work_s, is->overhead_s, is->memory_bytes, simulate_bottleneck(is));
    draft_clear(&row);
}

static void
print_row(const simulated_t *is)
{
    char t[64];
    snprintf(t, sizeof t, "%.4g (%.4g–%.4g)", is->t_s, is->t_low_s, is->t_high_s);
    printf("%7g %24s %10.4g %10.4g %6.2f %12.1f  %s\n", is->nodes, t, is->work_s, is->overhead_s,
           is->overhead_s / is->t_s, is->memory_bytes / 1e6, simulate_bottleneck(is));
}

static void
print_rows(const calibration_t *calibration, const axes_t *axes, const simulate_options_t *options)
{
    if (!options->is_csv)
        printf("%7s %22s %10s %10s %6s %12s  %s\n", "nodes", "T s (95 % of runs)", "W s", "O s",
               "O%", "memory MB", "bottleneck");
    const long first = options->first, last = options->last;
    double exact = (double)first;
    for (long nodes = first; nodes <= last;) {
        simulated_t is = simulate(calibration, (size_t)nodes, (size_t)options->fan,
                                  (unsigned long)options->seed);
        if (options->is_csv)
            print_csv_row(calibration, axes, &is);
        else
            print_row(&is);
        if (nodes == last)
            break;
        long next = nodes;
        while (next == nodes) {
            exact = last - first < 16 ? exact + 1 : exact * step;
            next = lround(exact);
        }
        nodes = next < last ? next : last;
    }
}

static void
print_checks(const calibration_t *calibration)
{
    simulate_check_t *checks = NULL;
    size_t n = simulate_checks(calibration, &checks);
    fputs("\nHeld against what was measured, flat:\n", stdout);
    for (size_t i = 0; i < n; i++)
        printf("  %4g nodes: %.4g s measured, %.4g s simulated, %+.1f %%\n", checks[i].nodes,
               checks[i].measured_s, checks[i].simulated_s, 100 * checks[i].error);
    free(checks);
}

static void
print_text(const calibration_t *calibration, const simulate_options_t *options)
{
    char *label = results_values_label(calibration->set, calibration->values);
    printf("%s%s%s, simulated%s\n\n", calibration->set->name, *label != '\0' ? ", " : "", label,
           options->fan > 1 ? " with a tree of aggregators" : "");
    free(label);
    print_rows(calibration, NULL, options);
    print_checks(calibration);
    draft_t draft = {0};
    simulate_assumptions(calibration, (size_t)options->fan, &draft);
    printf("\nAssumed:\n%s", draft.text);
    draft_clear(&draft);
}

static int
simulate_set(const results_set_t *set, const axes_t *axes, const simulate_options_t *options)
{
    plots_error_t error = {{0}};
    draft_t left_out = {0};
    calibration_t *calibrations = NULL;
    size_t n = 0;
    const int result = calibrations_new(set, &calibrations, &n, &left_out, &error);
    if (result == PLOTS_OK && left_out.length > 0)
        fprintf(stderr, "dmlx simulate: left out: %s", left_out.text);
    draft_clear(&left_out);
    if (result != PLOTS_OK)
        return say(STATUS_RUN_FAILED, error.text);
    for (size_t i = 0; i < n; i++) {
        if (options->is_csv) {
            print_rows(&calibrations[i], axes, options);
            continue;
        }
        fputs(i > 0 ? "\n" : "", stdout);
        print_text(&calibrations[i], options);
    }
    calibrations_free(&calibrations, n);
    return fflush(stdout) == 0 ? STATUS_DONE : say(STATUS_RUN_FAILED, "standard output is full");
}

static int
simulate_all(const results_t *results, const simulate_options_t *options)
{
    axes_t axes = axes_of(results);
    int status = STATUS_DONE;
    if (options->is_csv)
        print_csv_header(&axes);
    for (size_t i = 0; i < results->n_sets && status == STATUS_DONE; i++)
        status = simulate_set(&results->sets[i], &axes, options);
    free(axes.settings);
    return status;
}

// The results of an experiment file, or a folder of results itself. NULL with faults told; the
// caller frees it.
static char *
results_of(const char *path, const char *output)
{
    struct stat is;
    if (stat(path, &is) == 0 && S_ISDIR(is.st_mode))
        return memory_text(path);
    diag_t *diag = diag_new();
    experiment_t experiment = {0};
    char *folder = NULL;
    if (spec_read_file(path, NULL, &experiment, diag) == 0)
        folder = memory_format("%s/%s", output, experiment.name);
    diag_print(diag, stderr);
    diag_free(diag);
    experiment_free(&experiment);
    return folder;
}

static bool
parse_range(const char *text, long *first, long *last)
{
    char *end;
    *first = *last = strtol(text, &end, 10);
    if (*end == ':')
        *last = strtol(end + 1, &end, 10);
    return *text && !*end && *first >= 1 && *first <= *last && *last <= SIMULATE_NODES_MAX;
}

static int
run(int argc, char **argv)
{
    simulate_options_t chosen = {.nodes = "1:64", .output = "results", .seed = 1};
    const char *format = "txt";
    const option_t options[] = {
        {"nodes", 'n', "FROM:TO", OPTION_TEXT, &chosen.nodes, "how many, up to 10000 (1:64)"},
        {"fan", 'f', "N", OPTION_INTEGER, &chosen.fan,
         "a tree: aggregators of N children each (0: flat)"},
        {"seed", 's', "N", OPTION_INTEGER, &chosen.seed, "of the draws (1)"},
        {"output", 'o', "DIR", OPTION_TEXT, &chosen.output,
         "where the experiment's results are (results)"},
        {"format", 0, "NAME", OPTION_TEXT, &format, "txt, or csv: the rows alone (txt)"},
        {0},
    };
    int first_operand = options_parse(&command_simulate, options, argc, argv);
    if (first_operand < 0)
        return options_exit_status(first_operand);
    if (argc - first_operand != 1)
        return options_usage_fault(&command_simulate,
                                   "name one experiment that has results, or their folder");
    if (!parse_range(chosen.nodes, &chosen.first, &chosen.last))
        return options_usage_fault(&command_simulate, "--nodes takes 1:64 or 8, up to %d, not '%s'",
                                   SIMULATE_NODES_MAX, chosen.nodes);
    if (chosen.fan < 0 || chosen.fan == 1 || chosen.fan > SIMULATE_NODES_MAX)
        return options_usage_fault(&command_simulate, "--fan takes 0, or 2 to %d",
                                   SIMULATE_NODES_MAX);
    chosen.is_csv = strcmp(format, "csv") == 0;
    if (!chosen.is_csv && strcmp(format, "txt") != 0)
        return options_usage_fault(&command_simulate, "--format takes txt or csv, not '%s'",
                                   format);
    char *folder = results_of(argv[first_operand], chosen.output);
    if (!folder)
        return STATUS_BAD_SPEC;
    plots_error_t error = {{0}};
    results_t *results = NULL;
    const char *folders[] = {folder};
    int status;
    if (results_load(folders, 1, &results, &error) == PLOTS_OK)
        status = simulate_all(results, &chosen);
    else
        status = say(STATUS_RUN_FAILED, error.text);
    results_free(&results);
    free(folder);
    return status;
}

const command_t command_simulate = {
    .name = "simulate",
    .summary = "rounds of up to 10,000 nodes, drawn from measured ones: T and what limits it",
    .usage = "[OPTION…] CFG|RESULTS",
    .example = "dmlx simulate experiments/node_sweep.cfg --nodes 1:10000",
    .run = run,
};
