#include "runner/attempt.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/signals.h"

enum { TICK_MS = 200 };

// A cell whose granted cores differ from what was asked by more than this is flagged in its row.
static const double grant_tolerance = 0.05;

// In less time than this the quota's periods are too few to tell what was granted.
static const double grant_least_s = 1;

typedef struct attempt {
    const attempt_setting_t *setting;
    const plan_cell_t *cell;
    const cluster_t *cluster; // of the cell: an axis may have changed it
    char id[48];
    char started[32];
    char *folder; // runs/CELL-rN
    launch_t *launch;
    bool has_result, is_broken; // the result came; the run is over and lost
    attempt_outcome_t outcome;
    double heard_s; // when the last record came
    result_report_t result;
    unsigned char *model;
    size_t model_bytes;
    int model_parts; // came so far
    bool has_model;
    char note[REPORT_TEXT_MAX];
    fault_t *fault;
} attempt_t;

static void lose(attempt_t *attempt, attempt_outcome_t outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The attempt is over without a result. The first reason stands.
static void
lose(attempt_t *attempt, attempt_outcome_t outcome, const char *format, ...)
{
    if (attempt->is_broken)
        return;
    char text[FAULT_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fault_set(attempt->fault, "%s", text);
    attempt->is_broken = true;
    attempt->outcome = outcome;
}

static void
add_note(attempt_t *attempt, const char *text)
{
    size_t length = strlen(attempt->note);
    snprintf(attempt->note + length, sizeof attempt->note - length, "%s%s", length ? "; " : "",
             text);
}

static void
take_round(attempt_t *attempt, const round_report_t *round)
{
    record_error_t error;
    if (record_round(attempt->setting->record, attempt->cell->id, attempt->cell->repeat,
                     attempt->id, round, &error) != RECORD_OK)
        lose(attempt, ATTEMPT_IO, "%s", error.text);
    double loss = 0, samples = 0;
    for (int i = 0; i < round->n_workers; i++) {
        loss += round->workers[i].loss * (double)round->workers[i].samples;
        samples += (double)round->workers[i].samples;
    }
    progress_round(attempt->setting->progress, round->round, round->rounds,
                   samples > 0 ? loss / samples : NAN, samples / round->round_s);
}

// Collects the model's parts, which come in order, and writes the file when the last is here.
static void
take_model(attempt_t *attempt, const report_t *report)
{
    if (report->part != attempt->model_parts + 1) {
        lose(attempt, ATTEMPT_FAILED, "part %d of the model came after part %d", report->part,
             attempt->model_parts);
        return;
    }
    attempt->model = memory_resize(attempt->model, attempt->model_bytes + report->n_bytes);
    memcpy(attempt->model + attempt->model_bytes, report->bytes, report->n_bytes);
    attempt->model_bytes += report->n_bytes;
    attempt->model_parts++;
    if (report->part < report->parts)
        return;
    record_error_t error;
    char *name =
        memory_format("runs/%s-r%d/model.safetensors", attempt->cell->id, attempt->cell->repeat);
    if (record_file(attempt->setting->record, name, attempt->model, attempt->model_bytes, &error) !=
        RECORD_OK)
        lose(attempt, ATTEMPT_IO, "%s", error.text);
    else
        attempt->has_model = true;
    free(name);
}

static void
take_record(attempt_t *attempt, const launch_event_t *event)
{
    report_t report;
    attempt->heard_s = clock_s();
    if (report_parse(event->line, event->n_bytes, &report) != 0) {
        lose(attempt, ATTEMPT_FAILED, "a line of the record channel is not a record: '%.80s'",
             event->line);
        return;
    }
    switch (report.kind) {
    case REPORT_ROUND:
        take_round(attempt, &report.round);
        break;
    case REPORT_EVENT:
        add_note(attempt, report.text);
        progress_note(attempt->setting->progress, "%s r%d: %s", attempt->cell->id,
                      attempt->cell->repeat, report.text);
        break;
    case REPORT_RESULT:
        attempt->result = report.result;
        attempt->has_result = true;
        break;
    case REPORT_MODEL:
        take_model(attempt, &report);
        break;
    case REPORT_FAILED:
        lose(attempt, ATTEMPT_FAILED, "%s", report.text);
        break;
    case REPORT_LISTENING:
    case REPORT_JOINED:
    case REPORT_STARTED:
        break;
    }
    report_free(&report);
}

// A process has ended. After the result every end is a good one; before it, what happens is what
// the experiment says about losses. The coordinator finds a lost worker by itself and goes on, or
// ends.
static void
take_end(attempt_t *attempt, const launch_event_t *event)
{
    if (event->status == 0 && (attempt->has_result || event->rank != LAUNCH_COORDINATOR))
        return;
    fault_t why = {{0}};
    if (event->rank == LAUNCH_COORDINATOR) {
        lose(attempt, ATTEMPT_FAILED, "%s", event->text);
    } else if (attempt->has_result) {
        add_note(attempt, event->text);
    } else if (attempt->cluster->on_loss == ON_LOSS_FAIL) {
        lose(attempt, ATTEMPT_FAILED, "%s", event->text);
    } else if (attempt->cluster->on_loss == ON_LOSS_RESPAWN) {
        add_note(attempt, event->text);
        const launcher_t *launcher = attempt->setting->launcher;
        if (launcher->respawn(attempt->launch, event->rank, &why) != 0)
            lose(attempt, ATTEMPT_FAILED, "%s", why.text);
    } else {
        add_note(attempt, event->text);
    }
}

// The longest that a coordinator may be silent: it has limits of its own for everything, so this
// only finds one that hangs.
static double
silence_limit_s(const cluster_t *cluster)
{
    return fmax(cluster->join_s, cluster->round_s) + 2 * cluster->silence_s + cluster->stop_s;
}

static void
watch(attempt_t *attempt)
{
    double limit_s = silence_limit_s(attempt->cluster);
    launch_event_t event = {.kind = LAUNCH_QUIET};
    while (!attempt->is_broken && event.kind != LAUNCH_DONE) {
        if (signals_stop()) {
            lose(attempt, ATTEMPT_INTERRUPTED, "interrupted");
            break;
        }
        fault_t why = {{0}};
        if (attempt->setting->launcher->stream(attempt->launch, TICK_MS, &event, &why) != 0)
            lose(attempt, ATTEMPT_FAILED, "%s", why.text);
        else if (event.kind == LAUNCH_RECORD)
            take_record(attempt, &event);
        else if (event.kind == LAUNCH_ENDED)
            take_end(attempt, &event);
        else if (clock_s() - attempt->heard_s > limit_s)
            lose(attempt, ATTEMPT_FAILED, "the coordinator said nothing for %.0f s; see '%s'",
                 limit_s, attempt->folder);
        progress_tick(attempt->setting->progress);
    }
    if (!attempt->is_broken && !(attempt->has_result && attempt->has_model))
        lose(attempt, ATTEMPT_FAILED, "every process ended, but no %s came; see '%s'",
             attempt->has_result ? "model" : "result", attempt->folder);
}

// Says in the row what was granted otherwise than asked.
static void
judge_grant(attempt_t *attempt)
{
    double asked = attempt->cell->cores_asked, granted = attempt->result.cores_granted;
    if (!attempt->cluster->enforce || !isfinite(granted) || attempt->result.work_s < grant_least_s)
        return;
    if (fabs(granted / asked - 1) <= grant_tolerance)
        return;
    char text[96];
    snprintf(text, sizeof text, "granted %.3g cores of %.3g asked", granted, asked);
    add_note(attempt, text);
}

static int
write_row(attempt_t *attempt, bool is_done, record_error_t *error)
{
    const plan_t *plan = attempt->setting->plan;
    const char *values[SPEC_AXES_MAX];
    for (size_t i = 0; i < plan_n_further(plan); i++)
        values[i] = plan_further_value(plan, attempt->cell, i);
    run_row_t row = {
        .cell = attempt->cell->id,
        .nodes = (int)attempt->cell->nodes,
        .cores = attempt->cell->cores,
        .values = values,
        .repeat = attempt->cell->repeat,
        .attempt = attempt->id,
        .is_done = is_done,
        .launcher = attempt->setting->launcher->name,
        .core_speed = attempt->cell->core_speed,
        .is_enforced = attempt->cluster->enforce,
        .cores_asked = attempt->cell->cores_asked,
        .seed = attempt->cell->seed,
        .started = attempt->started,
        .note = is_done ? attempt->note : attempt->fault->text,
        .result = is_done ? attempt->result : result_unknown(),
    };
    return record_run(attempt->setting->record, &row, error);
}

static void
settle(attempt_t *attempt)
{
    record_error_t error;
    if (attempt->outcome == ATTEMPT_INTERRUPTED || attempt->outcome == ATTEMPT_IO)
        return;
    if (!attempt->is_broken)
        judge_grant(attempt);
    if (write_row(attempt, !attempt->is_broken, &error) != RECORD_OK) {
        fault_set(attempt->fault, "%s", error.text);
        attempt->outcome = ATTEMPT_IO;
    }
}

static void
launch_and_watch(attempt_t *attempt, const char *text)
{
    const attempt_setting_t *setting = attempt->setting;
    char *name = memory_format("%s-r%d", attempt->cell->id, attempt->cell->repeat);
    const char *data_arguments[] = {"--data", setting->data_folder, NULL};
    const char *const *arguments = setting->data_folder ? data_arguments : NULL;
    launch_cell_t launch_cell = {
        .run_id = setting->run_id,
        .name = name,
        .folder = attempt->folder,
        .text = text,
        .n_nodes = (int)attempt->cell->nodes,
        .cpu_limit = attempt->cluster->enforce ? attempt->cell->cpu_limit : 0,
        .n_threads = (int)attempt->cell->threads,
        .period_us = (int)(1000 * attempt->cluster->period_ms),
        .start_ms_max = (int)(1000 * attempt->cluster->join_s),
        .arguments = arguments,
        .worker_arguments = arguments,
        .program = setting->program,
    };
    fault_t why = {{0}};
    attempt->heard_s = clock_s();
    if (setting->launcher->start(attempt->cluster, &launch_cell, &attempt->launch, &why) != 0)
        lose(attempt, ATTEMPT_FAILED, "%s", why.text);
    else
        watch(attempt);
    if (setting->launcher->stop(&attempt->launch, (int)(1000 * attempt->cluster->stop_s), &why) !=
        0)
        lose(attempt, ATTEMPT_FAILED, "%s", why.text);
    free(name);
}

attempt_outcome_t
attempt_run(const attempt_setting_t *setting, const plan_cell_t *cell, fault_t *fault)
{
    experiment_t experiment = {0};
    plan_experiment(setting->plan, cell, &experiment);
    attempt_t attempt = {.setting = setting,
                         .cell = cell,
                         .cluster = &experiment.cluster,
                         .result = result_unknown(),
                         .outcome = ATTEMPT_DONE,
                         .fault = fault};
    record_attempt_id(attempt.id);
    record_time(attempt.started);

    record_error_t error;
    char *text = plan_cell_text(setting->plan, cell);
    char *cfg = memory_format("runs/%s-r%d/cell.cfg", cell->id, cell->repeat);
    attempt.folder = record_run_folder(setting->record, cell->id, cell->repeat, &error);
    if (!attempt.folder ||
        record_file(setting->record, cfg, text, strlen(text), &error) != RECORD_OK)
        lose(&attempt, ATTEMPT_IO, "%s", error.text);
    else
        launch_and_watch(&attempt, text);
    settle(&attempt);

    free(cfg);
    free(text);
    free(attempt.folder);
    free(attempt.model);
    experiment_free(&experiment);
    return attempt.outcome;
}
