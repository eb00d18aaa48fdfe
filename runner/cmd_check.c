// cmd_check.c — dmlx check: every fault of an experiment file, or else its plan and the time it
// takes.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner/data_find.h"
#include "runner/host_facts.h"
#include "runner/links.h"
#include "runner/options.h"
#include "runner/pace.h"
#include "runner/plan_print.h"

typedef struct check_options {
    option_list_t sets;
    const char *only;
    const char *data;
    double host_cores;
    bool is_quiet;
} check_options_t;

// How fast this host trains, where the data is at hand. Making the synthetic set only to tell a
// time would be a surprise. -1 when it is not known; `why` says so.
static int
measure(const plan_t *plan, const check_options_t *options, pace_t *pace, fault_t *why)
{
    const experiment_t *experiment = &plan->experiment;
    if (experiment->train.data == DATA_SYNTHETIC) {
        fault_set(why, "the synthetic data is made by the first run");
        return -1;
    }
    char *folder =
        data_find(experiment_choice("train.data", experiment->train.data), options->data, why);
    if (!folder)
        return -1;
    int status = pace_new(plan, folder, pace, why);
    free(folder);
    return status;
}

// A file is no worse for a host that cannot do what it asks; but its reader wants to know.
static void
check_links(const plan_t *plan, const char *path, diag_t *diag)
{
    double fastest = 0;
    fault_t why = {{0}};
    for (size_t i = 0; i < plan->n_cells; i++)
        fastest = fmax(fastest, plan->cells[i].link_mbit);
    if (fastest > 0 && !links_available(fastest, &why))
        diag_warning(diag, (place_t){path, 0}, "it cannot run here: %s", why.text);
}

static int
check(const char *path, const check_options_t *options, diag_t *diag)
{
    spec_options_t spec = {.sets = options->sets.items, .n_sets = (size_t)options->sets.n_items};
    experiment_t experiment = {0};
    plan_t *plan = NULL;
    int status = STATUS_BAD_SPEC;
    if (spec_read_file(path, &spec, &experiment, diag) == 0)
        plan = plan_new(&experiment, options->host_cores, diag);
    if (plan && (!options->only || plan_only(plan, options->only, diag) == 0))
        status = STATUS_DONE;
    if (status == STATUS_DONE && !options->is_quiet)
        check_links(plan, path, diag);
    if (status == STATUS_DONE && !options->is_quiet) {
        pace_t pace;
        fault_t why = {{0}};
        bool is_measured = measure(plan, options, &pace, &why) == 0;
        plan_print(stdout, plan, path, is_measured ? &pace : NULL);
        if (!is_measured)
            printf("\n  no time can be estimated: %s\n", why.text);
    }
    plan_free(plan);
    experiment_free(&experiment);
    return status;
}

static int
run(int argc, char **argv)
{
    check_options_t chosen = {0};
    const option_t options[] = {
        {"set", 's', "NAME=VALUE", OPTION_LIST, &chosen.sets, "another value for a setting"},
        {"only", 0, "CELLS", OPTION_TEXT, &chosen.only, "these cells: 'nodes=3,cores=2|4'"},
        {"data", 0, "DIR", OPTION_TEXT, &chosen.data, "where the data set is, for the estimate"},
        {"host-cores", 0, "N", OPTION_REAL, &chosen.host_cores,
         "plan for a host with so many cores in place of this one"},
        {"quiet", 'q', NULL, OPTION_FLAG, &chosen.is_quiet, "only tell faults"},
        {0},
    };
    int first = options_parse(&command_check, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first == argc)
        return options_usage_fault(&command_check, "which experiment file?");
    if (chosen.host_cores <= 0) {
        host_facts_t facts;
        host_facts_read("", &facts);
        chosen.host_cores = facts.cores;
    }
    int status = STATUS_DONE;
    for (int i = first; i < argc; i++) {
        diag_t *diag = diag_new();
        if (i > first && !chosen.is_quiet)
            putchar('\n');
        int file_status = check(argv[i], &chosen, diag);
        status = file_status != STATUS_DONE ? file_status : status;
        fflush(stdout);
        diag_print(diag, stderr);
        diag_free(diag);
    }
    return status;
}

const command_t command_check = {
    .name = "check",
    .summary = "validate experiment files and print what they would run, with the time it takes",
    .usage = "[OPTION…] CFG…",
    .example = "dmlx check experiments/node_sweep.cfg",
    .run = run,
};
