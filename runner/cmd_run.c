// cmd_run.c — dmlx run: every cell and repeat of every experiment, going on where it stopped.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/plots.h"
#include "runner/attempt.h"
#include "runner/clock.h"
#include "runner/data_find.h"
#include "runner/pace.h"
#include "runner/phase.h"
#include "runner/plan_print.h"
#include "runner/host_facts.h"
#include "runner/keeper.h"
#include "runner/left_behind.h"
#include "runner/manifest.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/process.h"
#include "runner/repeats.h"
#include "runner/samples.h"
#include "runner/signals.h"
#include "runner/trainee.h"

typedef struct run_options {
    option_list_t sets;
    const char *only;
    const char *launcher;
    const char *output;
    const char *data;
    bool is_dry;
    bool is_plain; // tables only, no figures
} run_options_t;

// One experiment of the command line, from its file to its folder of results.
typedef struct job {
    const char *path;
    experiment_t experiment; // core_speed resolved
    plan_t *plan;
    char hash[SPEC_HASH_BYTES];
    char *text;
    char *folder;
    char *data_folder;
    dataset_t *data;
    char data_known[2 * DATASET_CHECKSUM_BYTES]; // its stamp and checksum
    pace_t pace;
    const launcher_t *launcher;
    record_t *record;
} job_t;

typedef struct run {
    run_options_t options;
    int argc;
    char **argv;
    diag_t *diag;
    double host_cores;
    job_t *jobs;
    int n_jobs;
    keeper_t *keeper;
    char *home; // the working folder, which the keeper leaves
    progress_t progress;
    double times[REPEATS_MAX]; // room for those of one cell
    int n_failed;
    int status; // what stopped the matrix; STATUS_DONE while it goes on
} run_t;

// ---- before anything is started ----

static int
read_job(run_t *run, job_t *job)
{
    option_list_t sets = run->options.sets;
    char launcher[96];
    if (run->options.launcher && sets.n_items < OPTIONS_LIST_MAX) {
        snprintf(launcher, sizeof launcher, "cluster.launcher=%s", run->options.launcher);
        sets.items[sets.n_items++] = launcher;
    }
    spec_options_t options = {.sets = sets.items, .n_sets = (size_t)sets.n_items};
    if (spec_read_file(job->path, &options, &job->experiment, run->diag) != 0)
        return STATUS_BAD_SPEC;
    experiment_resolve(&job->experiment, run->host_cores);
    job->plan = plan_new(&job->experiment, run->host_cores, run->diag);
    if (!job->plan ||
        (run->options.only && plan_only(job->plan, run->options.only, run->diag) != 0))
        return STATUS_BAD_SPEC;
    job->text = experiment_text(&job->experiment);
    experiment_hash(&job->experiment, job->hash);
    job->folder = memory_format("%s/%s", run->options.output, job->experiment.name);
    job->launcher =
        launch_find(experiment_choice("cluster.launcher", job->experiment.cluster.launcher));
    return STATUS_DONE;
}

// Reads all experiments, so that the faults of all are told before any starts.
static int
read_jobs(run_t *run)
{
    int status = STATUS_DONE;
    for (int i = 0; i < run->n_jobs; i++) {
        int job_status = read_job(run, &run->jobs[i]);
        status = job_status != STATUS_DONE ? job_status : status;
        for (int k = 0; k < i && job_status == STATUS_DONE; k++)
            if (run->jobs[k].folder && strcmp(run->jobs[k].folder, run->jobs[i].folder) == 0) {
                diag_error(run->diag, (place_t){run->jobs[i].path, 0},
                           "its name '%s' is that of '%s' too; each experiment wants its own",
                           run->jobs[i].experiment.name, run->jobs[k].path);
                status = STATUS_BAD_SPEC;
            }
    }
    diag_print(run->diag, stderr);
    return status;
}

static int
say(int status, const char *text)
{
    fprintf(stderr, "dmlx run: %s\n", text);
    return status;
}

static int
find_data(run_t *run, job_t *job)
{
    fault_t fault = {{0}};
    const char *name = experiment_choice("train.data", job->experiment.train.data);
    job->data_folder = data_find(name, run->options.data, &fault);
    if (!job->data_folder ||
        trainee_open_data(&job->experiment, job->data_folder, &job->data, &fault) != 0)
        return say(STATUS_RUN_FAILED, fault.text);
    char stamp[DATASET_CHECKSUM_BYTES], checksum[DATASET_CHECKSUM_BYTES];
    dataset_stamp(job->data, stamp);
    dataset_checksum(job->data, checksum);
    dataset_take_checksum(job->data, stamp, checksum); // once is enough for ourselves too
    snprintf(job->data_known, sizeof job->data_known, "%s:%s", stamp, checksum);
    return STATUS_DONE;
}

// The most that removing all that the jobs have on their clusters may take: of the slowest, since
// most often all of them are on one.
static int
clean_limit_ms(const run_t *run)
{
    int limit_ms = 0;
    for (int i = 0; i < run->n_jobs; i++)
        limit_ms = run->jobs[i].launcher->clean_ms_max > limit_ms
                       ? run->jobs[i].launcher->clean_ms_max
                       : limit_ms;
    return limit_ms;
}

// In the keeper, when this process has died: the jobs are known there as they were at the start.
static void
clean_after_death(const char *run_id, int timeout_ms, void *context)
{
    const run_t *run = context;
    long long until_ms = process_clock_ms() + timeout_ms;
    for (int i = 0; i < run->n_jobs; i++) {
        const job_t *job = &run->jobs[i];
        fault_t fault = {{0}};
        long long left_ms = until_ms - process_clock_ms();
        if (left_behind_remove(job->launcher, &job->experiment.cluster, run_id,
                               left_ms > 0 ? (int)left_ms : 0, &fault) == 0)
            continue;
        char *folder = *job->folder == '/' ? memory_text(job->folder)
                                           : memory_format("%s/%s", run->home, job->folder);
        left_behind_note(folder, run_id, fault.text);
        free(folder);
    }
}

static void
say_step(const char *text)
{
    fprintf(stderr, "dmlx run: %s\n", text);
}

static int
prepare_launcher(const run_t *run, const job_t *job)
{
    const cluster_t *cluster = &job->experiment.cluster;
    launch_need_t need = {.say = say_step,
                          .is_limited = cluster->enforce,
                          .is_respawning = cluster->on_loss == ON_LOSS_RESPAWN,
                          .run_id = keeper_run_id(run->keeper),
                          .data_name = experiment_choice("train.data", job->experiment.train.data)};
    char checksum[DATASET_CHECKSUM_BYTES];
    dataset_checksum(job->data, checksum);
    need.data_folder = dataset_folder(job->data);
    need.data_xxh128 = checksum;
    for (size_t i = 0; i < job->plan->n_cells; i++) {
        const plan_cell_t *cell = &job->plan->cells[i];
        need.n_nodes = cell->nodes > need.n_nodes ? (int)cell->nodes : need.n_nodes;
        need.cores_a_node = fmax(need.cores_a_node, cell->cpu_limit);
        need.link_mbit = fmax(need.link_mbit, cell->link_mbit);
    }
    fault_t fault = {{0}};
    int status = job->launcher->prepare(cluster, &need, &fault);
    if (status == 0 && job->launcher->supply)
        status = job->launcher->supply(cluster, &need, &fault);
    if (signals_stop())
        return say(STATUS_INTERRUPTED, "interrupted before the first cell");
    return status == 0 ? STATUS_DONE : say(STATUS_CLUSTER, fault.text);
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

static int
open_record_in(const job_t *job, const char *folder, record_t **record)
{
    const char *axes[SPEC_AXES_MAX + 1] = {NULL};
    for (size_t i = 0; i < plan_n_further(job->plan); i++)
        axes[i] = plan_further_path(job->plan, i);
    record_identity_t identity = {
        .hash = job->hash, .text = job->text, .axes = axes, .differences = differences_of_texts};
    record_error_t error;
    if (record_open(record, folder, &identity, &error) != RECORD_OK)
        return say(STATUS_RUN_FAILED, error.text);
    return STATUS_DONE;
}

static int
open_record(run_t *run, job_t *job)
{
    manifest_facts_t facts = {
        .plan = job->plan,
        .hash = job->hash,
        .launcher = job->launcher->name,
        .data = job->data,
        .data_name = experiment_choice("train.data", job->experiment.train.data),
        .argc = run->argc,
        .argv = run->argv,
    };
    record_error_t error;
    size_t n_bytes = 0;
    if (open_record_in(job, job->folder, &job->record) != STATUS_DONE)
        return STATUS_RUN_FAILED;
    char *samples = samples_csv(job->data, SAMPLES_PER_CLASS, &n_bytes);
    int status = manifest_write(job->record, &facts, &error);
    if (status == RECORD_OK)
        status = manifest_write_expect(job->record, &job->experiment, &error);
    if (status == RECORD_OK)
        status = manifest_write_claims(job->record, &job->experiment, &error);
    if (status == RECORD_OK)
        status = record_file(job->record, "samples.csv", samples, n_bytes, &error);
    free(samples);
    return status == RECORD_OK ? STATUS_DONE : say(STATUS_RUN_FAILED, error.text);
}

// ---- the matrix ----

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

static attempt_setting_t
setting_of(run_t *run, const job_t *job)
{
    return (attempt_setting_t){.launcher = job->launcher,
                               .plan = job->plan,
                               .run_id = keeper_run_id(run->keeper),
                               .data_folder = job->data_folder,
                               .data_known = job->data_known,
                               .record = job->record,
                               .progress = &run->progress};
}

// Runs of the first cell that count nowhere. They are a results folder of their own within the
// results, where no reader looks for sets, so that what they cost can still be seen. A command that
// goes on with a matrix warms up again: the machine is cold again.
static bool
warm_up(run_t *run, job_t *job, const plan_cell_t *cell)
{
    plan_cell_t warm = *cell;
    record_t *record = NULL;
    char *folder = memory_format("%s/warmup", job->folder);
    bool goes_on = open_record_in(job, folder, &record) == STATUS_DONE;
    run->status = goes_on ? run->status : STATUS_RUN_FAILED;
    attempt_setting_t setting = setting_of(run, job);
    setting.record = record;
    for (warm.repeat = 1; goes_on && warm.repeat <= job->experiment.matrix.warmup; warm.repeat++) {
        fault_t fault = {{0}};
        attempt_outcome_t outcome = attempt_run(&setting, &warm, &fault);
        if (outcome == ATTEMPT_INTERRUPTED)
            run->status = STATUS_INTERRUPTED;
        else if (outcome == ATTEMPT_IO)
            run->status = STATUS_RUN_FAILED;
        // One that failed warmed the machine all the same; if the cell is at fault, its run tells.
        goes_on = outcome == ATTEMPT_DONE || outcome == ATTEMPT_FAILED;
        progress_note(&run->progress, "warm-up %d of %ld: %s%s%s", warm.repeat,
                      job->experiment.matrix.warmup, warm.id, fault.text[0] ? ": " : "",
                      fault.text);
    }
    record_close(&record);
    free(folder);
    return goes_on;
}

// Tries a cell as often as the experiment allows. Returns whether the matrix goes on.
static bool
run_cell(run_t *run, job_t *job, const plan_cell_t *cell)
{
    attempt_setting_t setting = setting_of(run, job);
    long retries = job->experiment.cluster.retries;
    for (long attempt = 0; attempt <= retries; attempt++) {
        fault_t fault = {{0}};
        switch (attempt_run(&setting, cell, &fault)) {
        case ATTEMPT_DONE:
            return true;
        case ATTEMPT_FAILED:
            progress_note(&run->progress, "dmlx run: %s r%d failed: %s", cell->id, cell->repeat,
                          fault.text);
            break;
        case ATTEMPT_INTERRUPTED:
            run->status = STATUS_INTERRUPTED;
            return false;
        case ATTEMPT_IO:
            progress_note(&run->progress, "dmlx run: %s", fault.text);
            run->status = STATUS_RUN_FAILED;
            return false;
        }
    }
    run->n_failed++;
    return true;
}

// Runs of all experiments: how many there will be, as far as can be told, and what they take.
typedef struct survey {
    int n_runs, n_done;
    bool has_goal; // of repeats, so that n_runs may change
    double total_s, done_s;
} survey_t;

static survey_t
survey(run_t *run)
{
    survey_t all = {0};
    for (int i = 0; i < run->n_jobs; i++) {
        const job_t *job = &run->jobs[i];
        const repeats_t *repeats = &job->experiment.matrix.repeats;
        all.has_goal = all.has_goal || repeats->ci > 0;
        for (size_t k = 0; k < job->plan->n_cells; k++) {
            const plan_cell_t *cell = &job->plan->cells[k];
            if (cell->repeat > 1)
                continue; // each cell is looked at once
            double run_s = pace_cell_s(&job->pace, job->plan, cell);
            size_t n = record_times(job->record, cell->id, run->times, REPEATS_MAX);
            long n_expected = repeats_expected(repeats, run->times, n);
            all.n_runs += (int)n_expected;
            all.n_done += (int)n;
            all.total_s += run_s * (double)n_expected;
            all.done_s += run_s * (double)n;
        }
    }
    return all;
}

// Whether this repeat of the cell is still to be run.
static bool
is_wanted(run_t *run, const job_t *job, const plan_cell_t *cell)
{
    const repeats_t *repeats = &job->experiment.matrix.repeats;
    size_t n = record_times(job->record, cell->id, run->times, REPEATS_MAX);
    if (record_is_done(job->record, cell->id, cell->repeat) ||
        repeats_are_enough(repeats, run->times, n))
        return false;
    // A cell that failed is not tried over and over for its interval: the next command does.
    return cell->repeat <= repeats->min || (long)n >= cell->repeat - 1;
}

static void
run_matrix(run_t *run)
{
    for (int i = 0; i < run->n_jobs; i++) {
        job_t *job = &run->jobs[i];
        bool is_warm = job->experiment.matrix.warmup == 0;
        for (size_t k = 0; k < job->plan->n_cells; k++) {
            const plan_cell_t *cell = &job->plan->cells[k];
            char label[PLAN_ID_BYTES + 32];
            if (!is_wanted(run, job, cell))
                continue;
            if (!is_warm && !warm_up(run, job, cell))
                return;
            is_warm = true;
            survey_t now = survey(run);
            progress_expect(&run->progress, now.n_runs, now.total_s);
            snprintf(label, sizeof label, "%s r%d", cell->id, cell->repeat);
            progress_cell(&run->progress, now.n_done + run->n_failed + 1, label,
                          pace_cell_s(&job->pace, job->plan, cell));
            bool goes_on = run_cell(run, job, cell);
            progress_cell_end(&run->progress);
            if (!goes_on)
                return;
        }
    }
}

// What is to be done, in one line, before it is begun.
static void
announce(run_t *run)
{
    survey_t all = survey(run);
    const char *more = all.has_goal ? " or more, as intervals need" : "";
    char left[24];
    progress_start(&run->progress, stderr, all.n_runs, all.total_s);
    progress_skip(&run->progress, all.done_s);
    progress_duration(all.total_s - all.done_s, left);
    if (all.n_done == all.n_runs)
        fprintf(stderr, "all %d runs are done already\n", all.n_runs);
    else if (all.n_done > 0)
        fprintf(stderr, "%d of %d runs%s are done already; about %s for the rest\n", all.n_done,
                all.n_runs, more, left);
    else
        fprintf(stderr, "%d runs%s, about %s\n", all.n_runs, more, left);
}

// ---- afterwards ----

static void
print_results(run_t *run)
{
    bool is_drawn = true;
    for (int i = 0; i < run->n_jobs; i++) {
        const char *folder = run->jobs[i].folder;
        results_t *results = NULL;
        plots_error_t error = {{0}};
        char *notes = NULL;
        if (results_load(&folder, 1, &results, &error) != PLOTS_OK) {
            fprintf(stderr, "dmlx run: %s\n", error.text);
            continue;
        }
        table_print(stdout, results, TABLE_TEXT, &error);
        plots_options_t options = {.formats = run->options.is_plain ? 0 : FIGURE_ALL};
        if (plots_write(results, &options, &notes, &error) != PLOTS_OK) {
            fprintf(stderr, "dmlx run: %s\n", error.text);
            is_drawn = false;
        }
        free(notes);
        results_free(&results);
    }
    fflush(stdout);
    for (int i = 0; i < run->n_jobs; i++)
        fprintf(stderr, "results in %s/%s\n", run->jobs[i].folder,
                is_drawn && !run->options.is_plain ? ", figures in its figures/" : "");
}

static int
clean_up(run_t *run)
{
    int status = STATUS_DONE;
    for (int i = 0; i < run->n_jobs && run->keeper; i++) {
        const job_t *job = &run->jobs[i];
        fault_t fault = {{0}};
        // One that was not opened has started nothing: what is wrong with its cluster was told.
        int limit_ms = job->record ? left_behind_limit_ms(job->launcher) : KEEPER_LIMIT_MS;
        if (job->launcher->clean(&job->experiment.cluster, keeper_run_id(run->keeper), limit_ms,
                                 &fault) != 0 &&
            job->record)
            status = say(STATUS_CLUSTER, fault.text);
    }
    keeper_end(&run->keeper);
    return status;
}

static void
free_jobs(run_t *run)
{
    for (int i = 0; i < run->n_jobs; i++) {
        job_t *job = &run->jobs[i];
        record_close(&job->record);
        dataset_close(&job->data);
        plan_free(job->plan);
        experiment_free(&job->experiment);
        free(job->text);
        free(job->folder);
        free(job->data_folder);
    }
    free(run->jobs);
    free(run->home);
    diag_free(run->diag);
}

// From a clear plan to the last row.
static int
execute(run_t *run)
{
    int status = STATUS_DONE;
    fault_t fault = {{0}};
    keeper_sweep();
    run->home = getcwd(NULL, 0);
    run->keeper = keeper_start(clean_after_death, clean_limit_ms(run), run, &fault);
    if (!run->keeper)
        return say(STATUS_CLUSTER, fault.text);
    for (int i = 0; i < run->n_jobs && status == STATUS_DONE; i++) {
        job_t *job = &run->jobs[i];
        left_behind_retry(job->folder, job->launcher, &job->experiment.cluster, say_step);
        status = find_data(run, job);
        if (status == STATUS_DONE)
            status = prepare_launcher(run, job);
        if (status == STATUS_DONE)
            status = open_record(run, job);
        if (status == STATUS_DONE && pace_new(job->plan, job->data_folder, &job->pace, &fault) != 0)
            status = say(STATUS_RUN_FAILED, fault.text);
    }
    if (status != STATUS_DONE)
        return status;
    announce(run);
    run_matrix(run);
    progress_end(&run->progress);
    if (run->status == STATUS_DONE)
        print_results(run);
    else if (run->status == STATUS_INTERRUPTED || run->status == STATUS_RUN_FAILED)
        print_resume_command(run);
    if (run->status == STATUS_DONE && run->n_failed > 0) {
        fprintf(stderr, "dmlx run: %d run%s failed; the same command tries again\n", run->n_failed,
                run->n_failed == 1 ? "" : "s");
        run->status = STATUS_RUN_FAILED;
    }
    return run->status;
}

// What the launcher would hand to another program for each cell, such as stack files, written to
// where a run would keep it.
static int
draft_cells(const job_t *job)
{
    const launcher_t *launcher = job->launcher;
    fault_t fault = {{0}};
    for (size_t k = 0; launcher->draft && k < job->plan->n_cells; k++) {
        const plan_cell_t *cell = &job->plan->cells[k];
        experiment_t experiment = {0};
        plan_experiment(job->plan, cell, &experiment);
        char *name = memory_format("%s-r%d", cell->id, cell->repeat);
        char *folder = memory_format("%s/runs/%s", job->folder, name);
        launch_cell_t draft = {.run_id = "RUN",
                               .name = name,
                               .folder = folder,
                               .n_nodes = (int)cell->nodes,
                               .cpu_limit = experiment.cluster.enforce ? cell->cpu_limit : 0,
                               .n_threads = (int)cell->threads};
        int status = data_make_folder(folder, &fault);
        if (status == 0)
            status = launcher->draft(&experiment.cluster, &draft, &fault);
        free(folder);
        free(name);
        experiment_free(&experiment);
        if (status != 0)
            return say(STATUS_RUN_FAILED, fault.text);
    }
    return STATUS_DONE;
}

static int
run_jobs(run_t *run, char **paths, int n_paths)
{
    host_facts_t host;
    host_facts_read("", &host);
    run->host_cores = host.cores;
    run->diag = diag_new();
    run->n_jobs = n_paths;
    run->jobs = memory_new((size_t)n_paths * sizeof *run->jobs);
    for (int i = 0; i < n_paths; i++)
        run->jobs[i].path = paths[i];
    int status = read_jobs(run);
    for (int i = 0; i < n_paths && status == STATUS_DONE && run->options.is_dry; i++) {
        plan_print(stdout, run->jobs[i].plan, paths[i], NULL);
        status = draft_cells(&run->jobs[i]);
    }
    if (status == STATUS_DONE && !run->options.is_dry)
        status = execute(run);
    int cleaned = clean_up(run);
    free_jobs(run);
    return status == STATUS_DONE ? cleaned : status;
}

static int
command_main(int argc, char **argv)
{
    phase_name("run");
    run_t run = {.options = {.output = "results"}, .argc = argc};
    run_options_t *chosen = &run.options;
    // getopt moves operands behind the options: keep the command as it was typed.
    char **typed = memory_new((size_t)argc * sizeof *typed);
    memcpy(typed, argv, (size_t)argc * sizeof *typed);
    run.argv = typed;
    const option_t options[] = {
        {"dry-run", 'n', NULL, OPTION_FLAG, &chosen->is_dry, "show the plan, start nothing"},
        {"only", 0, "CELLS", OPTION_TEXT, &chosen->only, "run these cells: 'nodes=3,cores=2|4'"},
        {"set", 's', "KEY=VALUE", OPTION_LIST, &chosen->sets, "change a setting: train.epochs=1"},
        {"launcher", 0, "NAME", OPTION_TEXT, &chosen->launcher, "in place of cluster.launcher"},
        {"output", 'o', "DIR", OPTION_TEXT, &chosen->output,
         "results go to DIR/NAME of the experiment (results)"},
        {"data", 0, "DIR", OPTION_TEXT, &chosen->data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"no-figures", 0, NULL, OPTION_FLAG, &chosen->is_plain, "tables only"},
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
        status = run_jobs(&run, argv + first, argc - first);
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
