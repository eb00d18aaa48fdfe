#include "runner/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/data_find.h"
#include "runner/manifest.h"
#include "runner/memory.h"
#include "runner/repeats.h"
#include "runner/samples.h"
#include "runner/scheduler.h"
#include "runner/signals.h"
#include "runner/trainee.h"

int
series_say(int status, const char *text)
{
    fprintf(stderr, "dmlx run: %s\n", text);
    return status;
}

int
series_read(series_t *series, const series_options_t *options, double host_cores, diag_t *diag)
{
    option_list_t sets = options->sets;
    char launcher[96], jobs[32];
    if (options->launcher && sets.n_items < OPTIONS_LIST_MAX) {
        snprintf(launcher, sizeof launcher, "cluster.launcher=%s", options->launcher);
        sets.items[sets.n_items++] = launcher;
    }
    if (options->jobs != SERIES_NO_JOBS && sets.n_items < OPTIONS_LIST_MAX) {
        snprintf(jobs, sizeof jobs, "cluster.jobs=%d", options->jobs);
        sets.items[sets.n_items++] = jobs;
    }
    spec_options_t spec = {.sets = sets.items, .n_sets = (size_t)sets.n_items};
    if (spec_read_file(series->path, &spec, &series->experiment, diag) != 0)
        return STATUS_BAD_SPEC;
    experiment_resolve(&series->experiment, host_cores);
    series->plan = plan_new(&series->experiment, host_cores, diag);
    if (!series->plan || (options->only && plan_only(series->plan, options->only, diag) != 0))
        return STATUS_BAD_SPEC;
    series->text = experiment_text(&series->experiment);
    experiment_hash(&series->experiment, series->hash);
    series->folder = memory_format("%s/%s", options->output, series->experiment.name);
    series->launcher =
        launch_find(experiment_choice("cluster.launcher", series->experiment.cluster.launcher));
    return STATUS_DONE;
}

int
series_find_data(series_t *series, const char *folder)
{
    fault_t fault = {{0}};
    const char *name = experiment_choice("train.data", series->experiment.train.data);
    series->data_folder = data_find(name, folder, &fault);
    if (!series->data_folder ||
        trainee_open_data(&series->experiment, series->data_folder, &series->data, &fault) != 0)
        return series_say(STATUS_RUN_FAILED, fault.text);
    char stamp[DATASET_CHECKSUM_BYTES], checksum[DATASET_CHECKSUM_BYTES];
    dataset_stamp(series->data, stamp);
    dataset_checksum(series->data, checksum);
    dataset_take_checksum(series->data, stamp, checksum); // once is enough for ourselves too
    snprintf(series->data_known, sizeof series->data_known, "%s:%s", stamp, checksum);
    return STATUS_DONE;
}

void
series_say_step(const char *text)
{
    fprintf(stderr, "dmlx run: %s\n", text);
}

launch_need_t
series_need(const plan_t *plan)
{
    const experiment_t *experiment = &plan->experiment;
    launch_need_t need = {.n_nodes_least = (int)plan->cells[0].nodes,
                          .is_limited = experiment->cluster.enforce,
                          .is_respawning = experiment->cluster.on_loss == ON_LOSS_RESPAWN,
                          .n_hosts = scheduler_hosts_max(plan, (int)experiment->cluster.jobs),
                          .data_name = experiment_choice("train.data", experiment->train.data)};
    for (size_t i = 0; i < plan->n_cells; i++) {
        const plan_cell_t *cell = &plan->cells[i];
        need.n_nodes = cell->nodes > need.n_nodes ? (int)cell->nodes : need.n_nodes;
        need.n_nodes_least =
            cell->nodes < need.n_nodes_least ? (int)cell->nodes : need.n_nodes_least;
        need.cores_a_node = fmax(need.cores_a_node, cell->cpu_limit);
        need.link_mbit = fmax(need.link_mbit, cell->link_mbit);
    }
    return need;
}

int
series_prepare(series_t *series, const char *run_id)
{
    const cluster_t *cluster = &series->experiment.cluster;
    launch_need_t need = series_need(series->plan);
    char checksum[DATASET_CHECKSUM_BYTES];
    dataset_checksum(series->data, checksum);
    need.say = series_say_step;
    need.run_id = run_id;
    need.data_folder = dataset_folder(series->data);
    need.data_xxh128 = checksum;
    series->shortfall = (launch_shortfall_t){0};
    need.shortfall = &series->shortfall;
    fault_t fault = {{0}};
    int status = series->launcher->prepare(cluster, &need, &fault);
    if (status == 0 && series->launcher->supply)
        status = series->launcher->supply(cluster, &need, &fault);
    const char *const *names;
    if (status == 0 && series->launcher->pool)
        series->n_hosts = series->launcher->pool(cluster, &names);
    if (signals_stop())
        return series_say(STATUS_INTERRUPTED, "interrupted before the first cell");
    if (status != 0 && *series->shortfall.why.text)
        series_say_step(series->shortfall.why.text); // it would be next
    if (status != 0)
        return series_say(STATUS_CLUSTER, fault.text);
    if (*series->shortfall.why.text)
        fprintf(stderr, "dmlx run: %s; cells of more than %d node%s are left out\n",
                series->shortfall.why.text, series->shortfall.n_nodes_max,
                series->shortfall.n_nodes_max == 1 ? "" : "s");
    return STATUS_DONE;
}

bool
series_can_run(const series_t *series, const plan_cell_t *cell)
{
    return !*series->shortfall.why.text || cell->nodes <= series->shortfall.n_nodes_max;
}

static char *
differences_of_texts(const char *there, const char *here)
{
    diag_t *diag = diag_new();
    experiment_t old = {0}, new = {0};
    char *text = NULL;
    if (spec_read_text(there, "there", NULL, &old, diag) == 0 &&
        spec_read_text(here, "here", NULL, &new, diag) == 0)
        text = experiment_differences(&old, &new);
    experiment_free(&old);
    experiment_free(&new);
    diag_free(diag);
    return text;
}

int
series_open_in(const series_t *series, const char *folder, record_t **record)
{
    const char *axes[SPEC_AXES_MAX + 1] = {NULL};
    for (size_t i = 0; i < plan_n_further(series->plan); i++)
        axes[i] = plan_further_path(series->plan, i);
    record_identity_t identity = {.hash = series->hash,
                                  .text = series->text,
                                  .axes = axes,
                                  .differences = differences_of_texts};
    record_error_t error;
    if (record_open(record, folder, &identity, &error) != RECORD_OK)
        return series_say(STATUS_RUN_FAILED, error.text);
    return STATUS_DONE;
}

int
series_open(series_t *series, int argc, char *const *argv)
{
    manifest_facts_t facts = {
        .plan = series->plan,
        .hash = series->hash,
        .launcher = series->launcher->name,
        .data = series->data,
        .data_name = experiment_choice("train.data", series->experiment.train.data),
        .argc = argc,
        .argv = argv,
    };
    record_error_t error;
    size_t n_bytes = 0;
    if (series_open_in(series, series->folder, &series->record) != STATUS_DONE)
        return STATUS_RUN_FAILED;
    char *samples = samples_csv(series->data, SAMPLES_PER_CLASS, &n_bytes);
    int status = manifest_write(series->record, &facts, &error);
    if (status == RECORD_OK)
        status = manifest_write_expect(series->record, &series->experiment, &error);
    if (status == RECORD_OK)
        status = manifest_write_claims(series->record, &series->experiment, &error);
    if (status == RECORD_OK)
        status = record_file(series->record, "samples.csv", samples, n_bytes, &error);
    free(samples);
    return status == RECORD_OK ? STATUS_DONE : series_say(STATUS_RUN_FAILED, error.text);
}

int
series_draft(const series_t *series)
{
    const launcher_t *launcher = series->launcher;
    static const char *const data[] = {"--data", "DATA", NULL}; // wherever it will lie
    fault_t fault = {{0}};
    for (size_t k = 0; launcher->draft && k < series->plan->n_cells; k++) {
        const plan_cell_t *cell = &series->plan->cells[k];
        experiment_t experiment = {0};
        plan_experiment(series->plan, cell, &experiment);
        char *name = memory_format("%s-r%d", cell->id, cell->repeat);
        char *folder = memory_format("%s/runs/%s", series->folder, name);
        launch_cell_t draft = {.run_id = "RUN",
                               .name = name,
                               .folder = folder,
                               .n_nodes = (int)cell->nodes,
                               .cpu_limit = experiment.cluster.enforce ? cell->cpu_limit : 0,
                               .n_threads = (int)cell->threads,
                               .arguments = data,
                               .worker_arguments = data};
        int status = data_make_folder(folder, &fault);
        if (status == 0)
            status = launcher->draft(&experiment.cluster, &draft, &fault);
        free(folder);
        free(name);
        experiment_free(&experiment);
        if (status != 0)
            return series_say(STATUS_RUN_FAILED, fault.text);
    }
    return STATUS_DONE;
}

double
series_span_share(const series_t *series)
{
    const plan_t *plan = series->plan;
    int n_jobs = (int)series->experiment.cluster.jobs;
    if (n_jobs == 1)
        return 1;
    size_t n = plan_least_runs(plan);
    double *run_s = memory_new(n * sizeof *run_s), sum_s = 0;
    for (size_t i = 0; i < n; i++)
        sum_s += run_s[i] = pace_cell_s(&series->pace, plan, &plan->cells[i]);
    double span_s = scheduler_span_s(plan, n, run_s, n_jobs, series->n_hosts);
    free(run_s);
    return span_s / sum_s;
}

void
series_survey(const series_t *series, series_survey_t *all)
{
    const repeats_t *repeats = &series->experiment.matrix.repeats;
    double *times = memory_new(REPEATS_MAX * sizeof *times);
    all->has_goal = all->has_goal || repeats->ci > 0;
    for (size_t k = 0; k < series->plan->n_cells; k++) {
        const plan_cell_t *cell = &series->plan->cells[k];
        if (cell->repeat > 1 || !series_can_run(series, cell))
            continue; // each cell is looked at once
        double run_s = pace_cell_s(&series->pace, series->plan, cell);
        size_t n = record_times(series->record, cell->id, times, REPEATS_MAX);
        long n_expected = repeats_expected(repeats, times, n);
        all->n_runs += (int)n_expected;
        all->n_done += (int)n;
        all->total_s += run_s * (double)n_expected;
        all->done_s += run_s * (double)n;
    }
    free(times);
}

bool
series_wants(const series_t *series, const plan_cell_t *cell)
{
    const repeats_t *repeats = &series->experiment.matrix.repeats;
    if (record_is_done(series->record, cell->id, cell->repeat))
        return false;
    double *times = memory_new(REPEATS_MAX * sizeof *times);
    size_t n = record_times(series->record, cell->id, times, REPEATS_MAX);
    bool is_enough = repeats_are_enough(repeats, times, n);
    free(times);
    // A cell that failed is not tried over and over for its interval: the next command does.
    return !is_enough && (cell->repeat <= repeats->min || (long)n >= cell->repeat - 1);
}

int
series_note_stop(const series_t *series, const char *cell, record_error_t *error)
{
    const repeats_t *repeats = &series->experiment.matrix.repeats;
    double *times = memory_new(REPEATS_MAX * sizeof *times), share;
    size_t n = record_times(series->record, cell, times, REPEATS_MAX);
    int status = RECORD_OK;
    if (repeats_were_stopped(repeats, times, n, &share))
        status = record_stop(series->record, cell, (int)n, repeats->ci, share, error);
    free(times);
    return status;
}

int
series_note_stops(const series_t *series, record_error_t *error)
{
    if (series->experiment.matrix.repeats.ci <= 0)
        return RECORD_OK;
    int status = record_stops(series->record, error);
    for (int i = 0; status == RECORD_OK && i < record_n_done(series->record); i++)
        status = series_note_stop(series, record_done_cell(series->record, i), error);
    return status;
}

void
series_free(series_t *series)
{
    record_close(&series->record);
    dataset_close(&series->data);
    plan_free(series->plan);
    experiment_free(&series->experiment);
    free(series->text);
    free(series->folder);
    free(series->data_folder);
}
