// cmd_run.c — dmlx run: every cell and repeat of every experiment, going on where it stopped.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/plots.h"
#include "runner/campaign.h"
#include "runner/host_facts.h"
#include "runner/keeper.h"
#include "runner/left_behind.h"
#include "runner/memory.h"
#include "runner/phase.h"
#include "runner/plan_print.h"
#include "runner/process.h"
#include "runner/signals.h"

typedef struct run {
    series_options_t options;
    bool is_dry;
    bool is_plain; // tables only, no figures
    int argc;
    char **argv;
    diag_t *diag;
    series_t *series; // the experiments of the command line
    int n_series;
    keeper_t *keeper;
    char *home; // the working folder, which the keeper leaves
} run_t;

// ---- before anything is started ----

// Reads all experiments, so that the faults of all are told before any starts.
static int
read_series(run_t *run, double host_cores)
{
    int status = STATUS_DONE;
    for (int i = 0; i < run->n_series; i++) {
        int one_status = series_read(&run->series[i], &run->options, host_cores, run->diag);
        status = one_status != STATUS_DONE ? one_status : status;
        for (int k = 0; k < i && one_status == STATUS_DONE; k++)
            if (run->series[k].folder &&
                strcmp(run->series[k].folder, run->series[i].folder) == 0) {
                diag_error(run->diag, (place_t){run->series[i].path, 0},
                           "its name '%s' is that of '%s' too; each experiment wants its own",
                           run->series[i].experiment.name, run->series[k].path);
                status = STATUS_BAD_SPEC;
            }
    }
    diag_print(run->diag, stderr);
    return status;
}

// The most that removing all that the experiments have on their clusters may take: of the slowest,
// since most often all of them are on one.
static int
clean_limit_ms(const run_t *run)
{
    int limit_ms = 0;
    for (int i = 0; i < run->n_series; i++)
        limit_ms = run->series[i].launcher->clean_ms_max > limit_ms
                       ? run->series[i].launcher->clean_ms_max
                       : limit_ms;
    return limit_ms;
}

// In the keeper, when this process has died: the experiments are known there as they were at the
// start.
static void
clean_after_death(const char *run_id, int timeout_ms, void *context)
{
    const run_t *run = context;
    long long until_ms = process_clock_ms() + timeout_ms;
    for (int i = 0; i < run->n_series; i++) {
        const series_t *series = &run->series[i];
        fault_t fault = {{0}};
        long long left_ms = until_ms - process_clock_ms();
        if (left_behind_remove(series->launcher, &series->experiment.cluster, run_id,
                               left_ms > 0 ? (int)left_ms : 0, &fault) == 0)
            continue;
        char *folder = *series->folder == '/' ? memory_text(series->folder)
                                              : memory_format("%s/%s", run->home, series->folder);
        left_behind_note(folder, run_id, fault.text);
        free(folder);
    }
}

// ---- afterwards ----

static void
print_resume_command(const run_t *run)
{
    fputs("dmlx run: what is done stands; to go on:\n  dmlx", stderr);
    for (int i = 0; i < run->argc; i++) {
        bool is_plain = run->argv[i][0] &&
                        strcspn(run->argv[i], " '\"|&;<>()$`\\*?#~\t\n") == strlen(run->argv[i]);
        if (is_plain) {
            fprintf(stderr, " %s", run->argv[i]);
            continue;
        }
        fputs(" '", stderr);
        for (const char *at = run->argv[i]; *at; at++)
            fprintf(stderr, *at == '\'' ? "'\\''" : "%c", *at);
        fputs("'", stderr);
    }
    fputs("\n", stderr);
}

static void
print_results(run_t *run)
{
    bool is_drawn = true;
    for (int i = 0; i < run->n_series; i++) {
        const char *folder = run->series[i].folder;
        results_t *results = NULL;
        plots_error_t error = {{0}};
        char *notes = NULL;
        if (results_load(&folder, 1, &results, &error) != PLOTS_OK) {
            fprintf(stderr, "dmlx run: %s\n", error.text);
            continue;
        }
        table_print(stdout, results, TABLE_TEXT, &error);
        plots_options_t options = {.formats = run->is_plain ? 0 : FIGURE_ALL};
        if (plots_write(results, &options, &notes, &error) != PLOTS_OK) {
            fprintf(stderr, "dmlx run: %s\n", error.text);
            is_drawn = false;
        }
        free(notes);
        results_free(&results);
    }
    fflush(stdout);
    for (int i = 0; i < run->n_series; i++)
        fprintf(stderr, "results in %s/%s\n", run->series[i].folder,
                is_drawn && !run->is_plain ? ", figures in its figures/" : "");
}

// Tells what would not go, for the user and for the next run.
static int
leave_behind(const series_t *series, const char *run_id, const fault_t *fault)
{
    left_behind_note(series->folder, run_id, fault->text);
    int status = series_say(STATUS_CLUSTER, fault->text);
    series_say_step("the next run with these results tries again to remove that");
    return status;
}

static int
clean_up(run_t *run)
{
    int status = STATUS_DONE;
    for (int i = 0; i < run->n_series && run->keeper; i++) {
        const series_t *series = &run->series[i];
        const cluster_t *cluster = &series->experiment.cluster;
        const char *run_id = keeper_run_id(run->keeper);
        fault_t fault = {{0}};
        // One that was not opened has started nothing: what is wrong with its cluster was told.
        if (!series->record)
            series->launcher->clean(cluster, run_id, KEEPER_LIMIT_MS, &fault);
        else if (left_behind_remove(series->launcher, cluster, run_id,
                                    left_behind_limit_ms(series->launcher), &fault) != 0)
            status = leave_behind(series, run_id, &fault);
    }
    keeper_end(&run->keeper);
    return status;
}

static void
free_series(run_t *run)
{
    for (int i = 0; i < run->n_series; i++)
        series_free(&run->series[i]);
    free(run->series);
    free(run->home);
    diag_free(run->diag);
}

static int
tell_failures(const campaign_t *campaign)
{
    if (campaign->n_denied > 0)
        fprintf(stderr,
                "dmlx run: %d run%s could not be started on this cluster; the same command "
                "tries again\n",
                campaign->n_denied, campaign->n_denied == 1 ? "" : "s");
    if (campaign->n_failed > 0)
        fprintf(stderr, "dmlx run: %d run%s failed; the same command tries again\n",
                campaign->n_failed, campaign->n_failed == 1 ? "" : "s");
    return campaign->n_denied > 0   ? STATUS_CLUSTER
           : campaign->n_failed > 0 ? STATUS_RUN_FAILED
                                    : STATUS_DONE;
}

// From a clear plan to the last row.
static int
execute(run_t *run)
{
    int status = STATUS_DONE;
    fault_t fault = {{0}};
    keeper_sweep();
    run->home = getcwd(NULL, 0);
    if (!run->home) {
        fault_set(&fault, "the working folder is not known: %s", strerror(errno));
        return series_say(STATUS_RUN_FAILED, fault.text);
    }
    run->keeper = keeper_start(clean_after_death, clean_limit_ms(run), run, &fault);
    if (!run->keeper)
        return series_say(STATUS_CLUSTER, fault.text);
    for (int i = 0; i < run->n_series && status == STATUS_DONE; i++) {
        series_t *series = &run->series[i];
        left_behind_retry(series->folder, series->launcher, &series->experiment.cluster,
                          series_say_step);
        status = series_find_data(series, run->options.data);
        if (status == STATUS_DONE)
            status = series_prepare(series, keeper_run_id(run->keeper));
        if (status == STATUS_DONE)
            status = series_open(series, run->argc, run->argv);
        if (status == STATUS_DONE &&
            pace_new(series->plan, series->data_folder, &series->pace, &fault) != 0)
            status = series_say(STATUS_RUN_FAILED, fault.text);
    }
    if (status != STATUS_DONE)
        return status;
    campaign_t campaign = {
        .series = run->series, .n_series = run->n_series, .run_id = keeper_run_id(run->keeper)};
    campaign_announce(&campaign);
    campaign_run(&campaign);
    progress_end(&campaign.progress);
    if (campaign.status == STATUS_DONE)
        print_results(run);
    else
        print_resume_command(run);
    return campaign.status == STATUS_DONE ? tell_failures(&campaign) : campaign.status;
}

static int
run_all(run_t *run, char **paths, int n_paths)
{
    host_facts_t host;
    host_facts_read("", &host);
    run->diag = diag_new();
    run->n_series = n_paths;
    run->series = memory_new((size_t)n_paths * sizeof *run->series);
    for (int i = 0; i < n_paths; i++)
        run->series[i].path = paths[i];
    int status = read_series(run, host.cores);
    for (int i = 0; i < n_paths && status == STATUS_DONE && run->is_dry; i++) {
        plan_print(stdout, run->series[i].plan, paths[i], NULL);
        status = series_draft(&run->series[i]);
    }
    if (status == STATUS_DONE && !run->is_dry)
        status = execute(run);
    int cleaned = clean_up(run);
    free_series(run);
    return status == STATUS_DONE ? cleaned : status;
}

static int
command_main(int argc, char **argv)
{
    phase_name("run");
    run_t run = {.options = {.output = SERIES_OUTPUT, .jobs = SERIES_NO_JOBS}, .argc = argc};
    series_options_t *chosen = &run.options;
    // getopt moves operands behind the options: keep the command as it was typed.
    char **typed = memory_new((size_t)argc * sizeof *typed);
    memcpy(typed, argv, (size_t)argc * sizeof *typed);
    run.argv = typed;
    const option_t options[] = {
        {"dry-run", 'n', NULL, OPTION_FLAG, &run.is_dry, "show the plan, start nothing"},
        {"only", 0, "CELLS", OPTION_TEXT, &chosen->only, "run these cells: 'nodes=3,cores=2|4'"},
        {"set", 's', "KEY=VALUE", OPTION_LIST, &chosen->sets, "change a setting: train.epochs=1"},
        {"launcher", 0, "NAME", OPTION_TEXT, &chosen->launcher, "in place of cluster.launcher"},
        {"jobs", 'j', "N", OPTION_INTEGER, &chosen->jobs,
         "cells side by side, each on hosts of its own: cluster.jobs"},
        {"output", 'o', "DIR", OPTION_TEXT, &chosen->output,
         "results go to DIR/NAME of the experiment (results)"},
        {"data", 0, "DIR", OPTION_TEXT, &chosen->data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"no-figures", 0, NULL, OPTION_FLAG, &run.is_plain, "tables only"},
        {0},
    };
    int first = options_parse(&command_run, options, argc, argv);
    int status = 0;
    if (first < 0) {
        status = options_exit_status(first);
    } else if (first == argc) {
        status = options_usage_fault(&command_run, "which experiment? name its .cfg file");
    } else {
        signals_start();
        status = run_all(&run, argv + first, argc - first);
    }
    free(typed);
    return status;
}

const command_t command_run = {
    .name = "run",
    .summary = "run every cell and repeat of an experiment, going on where it stopped",
    .usage = "[OPTION…] CFG…",
    .example = "dmlx run experiments/core_sweep.cfg",
    .run = command_main,
};
