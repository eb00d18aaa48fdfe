#include "runner/attempt.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base64.h"
#include "runner/checkpoint.h"
#include "runner/clock.h"
#include "runner/inputs.h"
#include "runner/memory.h"
#include "runner/noise.h"
#include "runner/phase.h"
#include "runner/signals.h"
#include "runner/silence.h"
#include "runner/text.h"

enum {
    TICK_MS = 200,
    RESPAWNS_MAX =
        3 // of one worker without a whole round in between, as the coordinator counts too
};

static const char checkpoint_name[] = "checkpoint";

// A cell whose granted cores differ from what was asked by more than this is flagged in its row.
static const double grant_tolerance = 0.05;

// In less time than this the quota's periods are too few to tell what was granted.
static const double grant_least_s = 1;

// Bytes that come in parts, in order.
typedef struct blob {
    unsigned char *bytes;
    size_t n_bytes;
    int n_parts; // came so far
} blob_t;

typedef struct attempt {
    const attempt_setting_t *setting;
    const plan_cell_t *cell;
    const char *const *lent;  // the hosts it is lent, as the launcher takes them; NULL: none are
    const cluster_t *cluster; // of the cell: an axis may have changed it
    char id[48];
    char started[32];
    char *folder; // runs/CELL-rN
    launch_t *launch;
    bool has_result, is_broken; // the result came; the run is over and lost
    attempt_outcome_t outcome;
    silence_t silence; // of the coordinator
    // When the launcher was asked to start, and how long after that the first round began, as it
    // was heard here: with programs, containers and connections, which no role of its own sees.
    double launched_s, startup_s;
    result_report_t result;
    blob_t model, checkpoint;
    bool has_model;
    char phase[48];   // as the records tell it: "while joining", "in round 3"
    bool *is_renewed; // (nodes) started again, and the coordinator does not know yet
    int *n_respawns;  // (nodes) since the last whole round
    int rounds_done;
    char **hosts;    // (nodes) where the workers run, as they told; NULL: not yet
    char host[256];  // where the coordinator or the standalone role runs, as it told
    bool is_trained; // the last round is done: nobody needs to be started again
    double over_s;   // when the coordinator ended well, all being told; 0: it has not
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

static bool
is_rank(const attempt_t *attempt, int rank)
{
    return rank >= 0 && rank < attempt->cell->nodes;
}

// The host of a process as messages name it, and results do; any rank that is no worker's is the
// coordinator's.
static const char *
host_of(const attempt_t *attempt, int rank)
{
    const launcher_t *launcher = attempt->setting->launcher;
    if (is_rank(attempt, rank))
        return launcher->host(attempt->launch, rank);
    if (launcher->places_coordinator && *attempt->host)
        return attempt->host;
    return launcher->host(attempt->launch, LAUNCH_COORDINATOR);
}

// A sentence about a process of this run, with what only we know: its host and its log, unless it
// names them. Any rank that is no worker's is the coordinator's.
static void
tell_where(const attempt_t *attempt, int rank, const char *text, char sentence[REPORT_TEXT_MAX])
{
    bool is_worker = is_rank(attempt, rank);
    const char *host = host_of(attempt, rank);
    bool is_named = strstr(text, host);
    int n = snprintf(sentence, REPORT_TEXT_MAX, "%s%s%s%s", text,
                     is_named ? "" : "; it was started on '", is_named ? "" : host,
                     is_named ? "" : "'");
    if (n < 0 || n >= REPORT_TEXT_MAX || strstr(text, attempt->folder))
        return;
    size_t room = (size_t)(REPORT_TEXT_MAX - n);
    if (is_worker)
        snprintf(sentence + n, room, "; see '%s/worker-%d.log'", attempt->folder, rank);
    else
        snprintf(sentence + n, room, "; see '%s/%s.log'", attempt->folder,
                 attempt->cell->nodes > 1 ? "coordinator" : "standalone");
}

// What a coordinator says of a worker names the phase; of itself it does not.
static void
lose_to(attempt_t *attempt, int rank, const char *text)
{
    char whole[2 * REPORT_TEXT_MAX], sentence[REPORT_TEXT_MAX];
    if (is_rank(attempt, rank))
        snprintf(whole, sizeof whole, "%s", text);
    else
        snprintf(whole, sizeof whole, "%s: %s", attempt->phase, text);
    tell_where(attempt, rank, whole, sentence);
    lose(attempt, ATTEMPT_FAILED, "%s", sentence);
}

static void lose_to_coordinator(attempt_t *attempt, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The coordinator, or the standalone role, did what it must not.
static void
lose_to_coordinator(attempt_t *attempt, const char *format, ...)
{
    char text[REPORT_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lose_to(attempt, REPORT_NO_RANK, text);
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
    phase_enter("writing", round->round);
    attempt->rounds_done = round->round;
    for (int rank = 0; rank < attempt->cell->nodes; rank++)
        attempt->n_respawns[rank] = 0;
    if (round->round < round->rounds)
        snprintf(attempt->phase, sizeof attempt->phase, "in round %d", round->round + 1);
    else
        snprintf(attempt->phase, sizeof attempt->phase, "after the last round");
    attempt->is_trained = round->round >= round->rounds;
    if (record_round(attempt->setting->record, attempt->cell->id, attempt->cell->repeat,
                     attempt->id, round, &error) != RECORD_OK)
        lose(attempt, ATTEMPT_IO, "%s", error.text);
    double loss = 0, samples = 0;
    for (int i = 0; i < round->n_workers; i++) {
        loss += round->workers[i].loss * (double)round->workers[i].samples;
        samples += (double)round->workers[i].samples;
    }
    progress_round(attempt->setting->progress, attempt->setting->progress_cell, round->round,
                   round->rounds, samples > 0 ? loss / samples : NAN, samples / round->round_s);
}

// The name of a file of this run, below the folder of results; the caller frees it.
static char *
file_name(const attempt_t *attempt, const char *name)
{
    return memory_format("runs/%s-r%d/%s", attempt->cell->id, attempt->cell->repeat, name);
}

// Collects a blob's parts. True when the last is here.
static bool
take_part(attempt_t *attempt, blob_t *blob, const report_t *report)
{
    if (report->part == 1)
        blob->n_bytes = 0, blob->n_parts = 0;
    if (report->part != blob->n_parts + 1) {
        lose_to_coordinator(attempt, "part %d came after part %d", report->part, blob->n_parts);
        return false;
    }
    blob->bytes = memory_resize(blob->bytes, blob->n_bytes + report->n_bytes);
    memcpy(blob->bytes + blob->n_bytes, report->bytes, report->n_bytes);
    blob->n_bytes += report->n_bytes;
    blob->n_parts++;
    return report->part == report->parts;
}

// Writes the blob as a file of the run. The file is replaced as a whole.
static bool
keep_blob(attempt_t *attempt, const blob_t *blob, const char *name)
{
    record_error_t error;
    char *path = file_name(attempt, name);
    int status = record_file(attempt->setting->record, path, blob->bytes, blob->n_bytes, &error);
    if (status != RECORD_OK)
        lose(attempt, ATTEMPT_IO, "%s", error.text);
    free(path);
    return status == RECORD_OK;
}

// Starts a worker again, though not for ever.
static void
respawn(attempt_t *attempt, int rank, const char *text)
{
    fault_t why = {{0}};
    progress_note(attempt->setting->progress, "%s r%d: %s; it is started again", attempt->cell->id,
                  attempt->cell->repeat, text);
    add_note(attempt, text);
    if (++attempt->n_respawns[rank] > RESPAWNS_MAX)
        lose(attempt, ATTEMPT_FAILED, "%s; it ended %d times without a whole round in between",
             text, attempt->n_respawns[rank]);
    else if (attempt->setting->launcher->respawn(attempt->launch, rank, &why) != 0)
        lose(attempt, ATTEMPT_FAILED, "%s; it cannot be started again: %s", text, why.text);
}

// The coordinator misses a worker. When its process has ended we saw that first, and another is on
// its way already; else it hangs or cannot be reached, and is replaced now.
static void
take_loss(attempt_t *attempt, const report_t *report)
{
    if (!is_rank(attempt, report->rank)) {
        lose_to_coordinator(attempt, "there is no worker %d to be lost", report->rank);
        return;
    }
    char sentence[REPORT_TEXT_MAX];
    tell_where(attempt, report->rank, report->text, sentence);
    if (!attempt->is_renewed[report->rank])
        respawn(attempt, report->rank, sentence);
    attempt->is_renewed[report->rank] = false;
}

// Where a worker runs, as it tells. A host that was lent keeps the name it was asked for by.
static void
take_host(attempt_t *attempt, int rank, const char *host)
{
    if (attempt->lent)
        host = attempt->lent[rank];
    free(attempt->hosts[rank]);
    attempt->hosts[rank] = memory_text(host);
}

static void
take_started(attempt_t *attempt, const report_t *report)
{
    attempt->startup_s = clock_s() - attempt->launched_s;
    snprintf(attempt->phase, sizeof attempt->phase, "in round %d", attempt->rounds_done + 1);
    bool is_own = attempt->lent &&
                  cluster_hosts(attempt->cluster, attempt->cell->nodes) > attempt->cell->nodes;
    snprintf(attempt->host, sizeof attempt->host, "%.255s",
             is_own ? attempt->lent[attempt->cell->nodes] : report->host);
    if (attempt->cell->nodes == 1)
        take_host(attempt, 0, report->host);
}

static void
take_event(attempt_t *attempt, const report_t *report)
{
    char sentence[REPORT_TEXT_MAX];
    if (is_rank(attempt, report->rank))
        tell_where(attempt, report->rank, report->text, sentence);
    else
        snprintf(sentence, sizeof sentence, "%s", report->text);
    add_note(attempt, sentence);
    progress_note(attempt->setting->progress, "%s r%d: %s", attempt->cell->id,
                  attempt->cell->repeat, sentence);
}

static void
take_record(attempt_t *attempt, const launch_event_t *event)
{
    report_t report;
    int status = report_parse(event->line, event->n_bytes, &report);
    silence_hear(&attempt->silence, status == 0 && report.kind == REPORT_BEAT);
    if (status != 0) {
        lose_to_coordinator(attempt, "a line of the record channel is not a record: '%.80s'",
                            event->line);
        return;
    }
    switch (report.kind) {
    case REPORT_ROUND:
        take_round(attempt, &report.round);
        break;
    case REPORT_EVENT:
        take_event(attempt, &report);
        break;
    case REPORT_RESULT:
        attempt->result = report.result;
        attempt->has_result = true;
        break;
    case REPORT_MODEL:
        if (take_part(attempt, &attempt->model, &report))
            attempt->has_model = keep_blob(attempt, &attempt->model, "model.safetensors");
        break;
    case REPORT_CHECKPOINT:
        if (take_part(attempt, &attempt->checkpoint, &report))
            keep_blob(attempt, &attempt->checkpoint, checkpoint_name);
        break;
    case REPORT_FAILED:
        lose_to(attempt, report.rank, report.text);
        break;
    case REPORT_LOST:
        take_loss(attempt, &report);
        break;
    case REPORT_JOINED:
        if (is_rank(attempt, report.joined.rank)) {
            attempt->is_renewed[report.joined.rank] = false;
            take_host(attempt, report.joined.rank, report.joined.host);
        }
        break;
    case REPORT_STARTED:
        take_started(attempt, &report);
        break;
    case REPORT_LISTENING:
    case REPORT_BEAT:
        break;
    }
    report_free(&report);
}

// A worker that lost its coordinator ends before we miss that. If we do not hear of it either, the
// sentence about the worker's end says so, and where the coordinator is.
static void
add_silence(const attempt_t *attempt, char *text, size_t n_bytes)
{
    if (attempt->has_result || !silence_is_suspicious(&attempt->silence, attempt->cluster))
        return;
    snprintf(text, n_bytes,
             "; nor was the coordinator, on '%s', heard of for %.1f s; see '%s/coordinator.log'",
             host_of(attempt, LAUNCH_COORDINATOR), attempt->silence.quiet_s, attempt->folder);
}

// A process has ended. After the result every end is a good one; before it, what happens is what
// the experiment says about losses. The coordinator finds a lost worker by itself and goes on, or
// ends.
static void
take_end(attempt_t *attempt, const launch_event_t *event)
{
    if (event->status == 0 && event->rank == LAUNCH_COORDINATOR && attempt->has_result)
        attempt->over_s = clock_s();
    if (event->status == 0 && (attempt->has_result || event->rank != LAUNCH_COORDINATOR))
        return;
    char text[REPORT_TEXT_MAX];
    int n = snprintf(text, sizeof text, "%s: %s", attempt->phase, event->text);
    if (event->rank != LAUNCH_COORDINATOR && n > 0 && n < REPORT_TEXT_MAX)
        add_silence(attempt, text + n, sizeof text - (size_t)n);
    if (attempt->has_result && event->rank != LAUNCH_COORDINATOR) {
        add_note(attempt, event->text);
    } else if (event->rank == LAUNCH_COORDINATOR || attempt->cluster->on_loss == ON_LOSS_FAIL) {
        lose(attempt, ATTEMPT_FAILED, "%s", text);
    } else if (attempt->cluster->on_loss == ON_LOSS_RESPAWN && !attempt->is_trained) {
        attempt->is_renewed[event->rank] = true;
        respawn(attempt, event->rank, text);
    } else {
        add_note(attempt, text);
    }
}

// When there is nothing to read: whether the coordinator has been silent for too long.
static void
judge_silence(attempt_t *attempt)
{
    double limit_s = 0;
    bool is_told = attempt->has_result && attempt->has_model;
    const char *who = attempt->cell->nodes > 1 ? "coordinator" : "standalone role";
    switch (silence_judge(&attempt->silence, attempt->cluster, is_told, &limit_s)) {
    case SILENCE_DEAD:
        lose_to_coordinator(attempt, "the %s said nothing for %.3g s", who, limit_s);
        break;
    case SILENCE_NO_NEWS:
        lose_to_coordinator(attempt, "the %s lives, but had nothing to tell for %.3g s", who,
                            limit_s);
        break;
    case SILENCE_NONE:
        break;
    }
}

// Whether all has been told and the workers had their time to end: those that hang are ended by
// stop.
static bool
is_over(const attempt_t *attempt)
{
    return attempt->over_s > 0 && clock_s() - attempt->over_s > attempt->cluster->stop_s;
}

static void
watch(attempt_t *attempt)
{
    launch_event_t event = {.kind = LAUNCH_QUIET};
    while (!attempt->is_broken && event.kind != LAUNCH_DONE && !is_over(attempt)) {
        const atomic_bool *stops = attempt->setting->stops;
        if (signals_stop() || (stops && atomic_load(stops))) {
            lose(attempt, ATTEMPT_INTERRUPTED, "interrupted");
            break;
        }
        fault_t why = {{0}};
        silence_pass(&attempt->silence, clock_s());
        if (attempt->setting->launcher->stream(attempt->launch, TICK_MS, &event, &why) != 0)
            lose_to(attempt, REPORT_NO_RANK, why.text);
        else if (event.kind == LAUNCH_RECORD)
            take_record(attempt, &event);
        else if (event.kind == LAUNCH_ENDED)
            take_end(attempt, &event);
        else
            judge_silence(attempt);
        progress_tick(attempt->setting->progress);
    }
    if (!attempt->is_broken && !(attempt->has_result && attempt->has_model))
        lose_to_coordinator(attempt, "every process ended, but no %s came",
                            attempt->has_result ? "model" : "result");
}

// Says in the row what was granted, or is the limit as the workers read it, otherwise than asked.
static void
judge_grant(attempt_t *attempt)
{
    double asked = attempt->cell->cores_asked, granted = attempt->result.cores_granted;
    double limit = attempt->result.cores_limit;
    if (attempt->cluster->enforce && isfinite(limit) && fabs(limit / asked - 1) > grant_tolerance) {
        char text[96];
        snprintf(text, sizeof text, "limited to %.3g cores of %.3g asked", limit, asked);
        add_note(attempt, text);
    }
    if (!attempt->cluster->enforce || !isfinite(granted) || attempt->result.work_s < grant_least_s)
        return;
    if (fabs(granted / asked - 1) <= grant_tolerance)
        return;
    char text[96];
    snprintf(text, sizeof text, "granted %.3g cores of %.3g asked", granted, asked);
    add_note(attempt, text);
}

// "w1 w2": by rank, neighbours on one host once; "" where nobody told. The caller frees it.
static char *
hosts_text(const attempt_t *attempt)
{
    text_t text = {0};
    const char *before = "";
    for (int rank = 0; rank < attempt->cell->nodes; rank++) {
        const char *host = attempt->hosts[rank];
        if (!host || strcmp(host, before) == 0)
            continue;
        text_add(&text, "%s%s", *before ? " " : "", host);
        before = host;
    }
    return text_take(&text);
}

static int
write_row(attempt_t *attempt, bool is_done, record_error_t *error)
{
    const plan_t *plan = attempt->setting->plan;
    char *hosts = hosts_text(attempt);
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
        .hosts = hosts,
        .coordinator = attempt->cell->nodes > 1 ? attempt->host : "",
        .core_speed = attempt->cell->core_speed,
        .link_mbit = attempt->cell->link_mbit,
        .is_enforced = attempt->cluster->enforce,
        .cores_asked = attempt->cell->cores_asked,
        .seed = attempt->cell->seed,
        .started = attempt->started,
        .note = is_done ? attempt->note : attempt->fault->text,
        .result = is_done ? attempt->result : result_unknown(),
    };
    if (is_done)
        row.result.startup_s = attempt->startup_s;
    int status = record_run(attempt->setting->record, &row, error);
    free(hosts);
    return status;
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
    } else if (!attempt->is_broken && attempt->cluster->checkpoint) {
        // The row counts; a checkpoint that would not go is never looked at again.
        char *path = file_name(attempt, checkpoint_name);
        record_remove(attempt->setting->record, path, &error);
        free(path);
    }
}

// What an earlier attempt left, as base64, with its rounds taken over into the rows of this one.
// NULL when there is nothing to go on from.
static char *
find_checkpoint(attempt_t *attempt, const char *text)
{
    size_t n_bytes = 0;
    fault_t why = {{0}};
    checkpoint_t state = {0};
    record_error_t error;
    char experiment[65], *found = NULL;
    char *path = file_name(attempt, checkpoint_name);
    char *bytes =
        attempt->cluster->checkpoint ? record_read(attempt->setting->record, path, &n_bytes) : NULL;
    checkpoint_experiment(text, experiment);
    if (bytes && checkpoint_decode(bytes, n_bytes, &state, &why) != 0) {
        snprintf(error.text, sizeof error.text, "'%s' cannot be gone on from: %s", path, why.text);
        add_note(attempt, error.text);
    } else if (bytes && strcmp(experiment, state.experiment) == 0) {
        int status =
            record_adopt_rounds(attempt->setting->record, attempt->cell->id, attempt->cell->repeat,
                                state.attempt, state.round, attempt->id, &error);
        if (status == RECORD_OK) {
            found = base64_encode((const unsigned char *)bytes, n_bytes);
            attempt->rounds_done = state.round;
        } else if (status == RECORD_DAMAGED) {
            add_note(attempt, error.text);
        } else {
            lose(attempt, ATTEMPT_IO, "%s", error.text);
        }
    }
    checkpoint_free(&state);
    free(bytes);
    free(path);
    return found;
}

static void
launch_and_watch(attempt_t *attempt, const inputs_t *inputs)
{
    const attempt_setting_t *setting = attempt->setting;
    char *name = memory_format("%s-r%d", attempt->cell->id, attempt->cell->repeat);
    const char *data_arguments[] = {"--data", setting->data_folder, NULL};
    const char *const *arguments = setting->data_folder ? data_arguments : NULL;
    launch_cell_t launch_cell = {
        .run_id = setting->run_id,
        .name = name,
        .folder = attempt->folder,
        .text = inputs->coordinator,
        .worker_texts = (const char *const *)inputs->workers,
        .n_nodes = (int)attempt->cell->nodes,
        .hosts = attempt->lent,
        .cpu_limit = attempt->cluster->enforce ? attempt->cell->cpu_limit : 0,
        .n_threads = (int)attempt->cell->threads,
        .period_us = (int)(1000 * attempt->cluster->period_ms),
        .start_ms_max = (int)(1000 * attempt->cluster->join_s),
        .arguments = arguments,
        .worker_arguments = arguments,
        .data_known = setting->data_known,
        .program = setting->program,
    };
    fault_t why = {{0}};
    attempt->launched_s = clock_s();
    attempt->silence = silence_begin(attempt->launched_s);
    if (setting->launcher->start(attempt->cluster, &launch_cell, &attempt->launch, &why) == 0)
        watch(attempt);
    else if (signals_stop()) // which ends what waits long
        lose(attempt, ATTEMPT_INTERRUPTED, "interrupted");
    else
        lose(attempt, ATTEMPT_FAILED, "while starting: %s", why.text);
    if (setting->launcher->stop(&attempt->launch, (int)(1000 * attempt->cluster->stop_s), &why) !=
        0)
        lose(attempt, ATTEMPT_FAILED, "%s", why.text);
    free(name);
}

// From the text of the cell to the end of its processes.
static void
run_cell(attempt_t *attempt, const char *text)
{
    char *checkpoint = find_checkpoint(attempt, text);
    inputs_t inputs =
        inputs_make(attempt->cluster, (int)attempt->cell->nodes, attempt->id, text, checkpoint);
    free(checkpoint);
    if (!attempt->is_broken)
        launch_and_watch(attempt, &inputs);
    inputs_free(&inputs);
}

// Runs the cell and notes whether others used this host meanwhile. Elsewhere nothing is seen.
static void
run_watched(attempt_t *attempt, const char *text)
{
    noise_t noise;
    char words[NOISE_TEXT_BYTES];
    noise_begin(&noise);
    run_cell(attempt, text);
    if (attempt->cluster->launcher == LAUNCHER_LOCAL && noise_end(&noise, words))
        add_note(attempt, words);
}

static attempt_t
attempt_begin(const attempt_setting_t *setting, const plan_cell_t *cell,
              const experiment_t *experiment, const char *const *hosts, fault_t *fault)
{
    attempt_t attempt = {.setting = setting,
                         .cell = cell,
                         .lent = hosts,
                         .cluster = &experiment->cluster,
                         .result = result_unknown(),
                         .startup_s = NAN,
                         .outcome = ATTEMPT_DONE,
                         .fault = fault};
    attempt.hosts = memory_new((size_t)cell->nodes * sizeof *attempt.hosts);
    for (int rank = 0; hosts && rank < cell->nodes; rank++)
        take_host(&attempt, rank, NULL);
    attempt.is_renewed = memory_new((size_t)cell->nodes * sizeof *attempt.is_renewed);
    attempt.n_respawns = memory_new((size_t)cell->nodes * sizeof *attempt.n_respawns);
    snprintf(attempt.phase, sizeof attempt.phase, "while joining");
    record_attempt_id(attempt.id);
    record_time(attempt.started);
    return attempt;
}

static void
attempt_end(attempt_t *attempt)
{
    free(attempt->folder);
    free(attempt->model.bytes);
    free(attempt->checkpoint.bytes);
    for (int rank = 0; rank < attempt->cell->nodes; rank++)
        free(attempt->hosts[rank]);
    free(attempt->hosts);
    free(attempt->is_renewed);
    free(attempt->n_respawns);
}

attempt_outcome_t
attempt_deny(const attempt_setting_t *setting, const plan_cell_t *cell, const char *why,
             fault_t *fault)
{
    experiment_t experiment = {0};
    plan_experiment(setting->plan, cell, &experiment);
    attempt_t attempt = attempt_begin(setting, cell, &experiment, NULL, fault);
    lose(&attempt, ATTEMPT_FAILED, "%s", why);
    settle(&attempt);
    attempt_end(&attempt);
    experiment_free(&experiment);
    return attempt.outcome;
}

attempt_outcome_t
attempt_run(const attempt_setting_t *setting, const plan_cell_t *cell, const char *const *hosts,
            fault_t *fault)
{
    experiment_t experiment = {0};
    plan_experiment(setting->plan, cell, &experiment);
    attempt_t attempt = attempt_begin(setting, cell, &experiment, hosts, fault);
    record_error_t error;
    char *text = plan_cell_text(setting->plan, cell);
    char *cfg = memory_format("runs/%s-r%d/cell.cfg", cell->id, cell->repeat);
    attempt.folder = record_run_folder(setting->record, cell->id, cell->repeat, &error);
    if (!attempt.folder ||
        record_file(setting->record, cfg, text, strlen(text), &error) != RECORD_OK)
        lose(&attempt, ATTEMPT_IO, "%s", error.text);
    else
        run_watched(&attempt, text);
    settle(&attempt);

    free(cfg);
    free(text);
    attempt_end(&attempt);
    experiment_free(&experiment);
    return attempt.outcome;
}
