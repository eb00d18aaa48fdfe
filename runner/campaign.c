#define _GNU_SOURCE // eventfd beside POSIX
#include "runner/campaign.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/attempt.h"
#include "runner/memory.h"
#include "runner/scheduler.h"

enum { TICK_MS = 200 };

_Static_assert((int)SPEC_JOBS_MAX <= (int)PROGRESS_CELLS_MAX, "each cell that runs is told of");

static series_survey_t
survey(const campaign_t *campaign)
{
    series_survey_t all = {0};
    for (int i = 0; i < campaign->n_series; i++)
        series_survey(&campaign->series[i], &all);
    return all;
}

// How many seconds a second of what is left takes, over all series.
static double
span_share(const campaign_t *campaign)
{
    double left_s = 0, span_s = 0;
    for (int i = 0; i < campaign->n_series; i++) {
        series_survey_t one = {0};
        series_survey(&campaign->series[i], &one);
        left_s += one.total_s - one.done_s;
        span_s += (one.total_s - one.done_s) * series_span_share(&campaign->series[i]);
    }
    return left_s > 0 ? span_s / left_s : 1;
}

void
campaign_announce(campaign_t *campaign)
{
    series_survey_t all = survey(campaign);
    const char *more = all.has_goal ? " or more, as intervals need" : "";
    char left[24];
    double pace = span_share(campaign);
    progress_start(&campaign->progress, stderr, all.n_runs, all.total_s, pace);
    progress_skip(&campaign->progress, all.done_s);
    campaign->n_begun = all.n_done;
    progress_duration((all.total_s - all.done_s) * pace, left);
    if (all.n_done == all.n_runs)
        fprintf(stderr, "all %d runs are done already\n", all.n_runs);
    else if (all.n_done > 0)
        fprintf(stderr, "%d of %d runs%s are done already; about %s for the rest\n", all.n_done,
                all.n_runs, more, left);
    else
        fprintf(stderr, "%d runs%s, about %s\n", all.n_runs, more, left);
}

static attempt_setting_t
setting_of(campaign_t *campaign, const series_t *series)
{
    return (attempt_setting_t){.launcher = series->launcher,
                               .plan = series->plan,
                               .run_id = campaign->run_id,
                               .data_folder = series->data_folder,
                               .data_known = series->data_known,
                               .record = series->record,
                               .progress = &campaign->progress,
                               .progress_cell = PROGRESS_NO_CELL,
                               .stops = &campaign->stops};
}

// A run that goes on, in a thread of its own: an attempt may block, for its own processes' grace, a
// stack's removal or a place in a queue, and no other one waits for it.
typedef struct lane {
    pthread_t thread;
    campaign_t *campaign;
    const series_t *series;
    long index; // in the plan
    const plan_cell_t *cell;
    const char **hosts;    // that it is lent; NULL: none are
    record_t *warm_record; // where its warm-up runs go; NULL: its hosts are warm
    int warm_repeat;       // before the first of them
    int told;              // as progress_cell gave it
    attempt_outcome_t outcome;
    int ended_fd; // of the crew: told when it has ended
    atomic_bool has_ended;
} lane_t;

// The lanes of a series.
typedef struct crew {
    campaign_t *campaign;
    const series_t *series;
    scheduler_t *scheduler;
    lane_t **lanes; // (cluster.jobs), the first n_lanes of them
    int n_lanes;
    int ended_fd; // eventfd: readable when one has ended
    // Of the warm-up runs, which count nowhere: they are a results folder of their own within the
    // results, where no reader looks for sets, so that what they cost can still be seen.
    record_t *warm_record; // NULL: there are none, or none yet
    int n_warm_ups;        // so far
    bool *is_warm;         // (hosts that may be lent, at least one) or somebody is about to
} crew_t;

// Warms the lane's hosts with its own cell. One that failed warmed them all the same; if the cell
// is at fault, its run tells.
static attempt_outcome_t
warm_up(const lane_t *lane, attempt_setting_t setting)
{
    attempt_outcome_t outcome = ATTEMPT_DONE;
    plan_cell_t warm = *lane->cell;
    long n = lane->series->experiment.matrix.warmup;
    setting.record = lane->warm_record;
    setting.progress_cell = PROGRESS_NO_CELL; // what is counted has not begun
    for (int i = 1; i <= n && (outcome == ATTEMPT_DONE || outcome == ATTEMPT_FAILED); i++) {
        fault_t fault = {{0}};
        warm.repeat = lane->warm_repeat + i;
        outcome = attempt_run(&setting, &warm, lane->hosts, &fault);
        progress_note(&lane->campaign->progress, "warm-up %d of %ld: %s%s%s", i, n, warm.id,
                      fault.text[0] ? ": " : "", fault.text);
    }
    return outcome == ATTEMPT_FAILED ? ATTEMPT_DONE : outcome;
}

// Tries a cell as often as the experiment allows.
static attempt_outcome_t
try_cell(const lane_t *lane, const attempt_setting_t *setting)
{
    const plan_cell_t *cell = lane->cell;
    progress_t *progress = &lane->campaign->progress;
    long retries = lane->series->experiment.cluster.retries;
    attempt_outcome_t outcome = ATTEMPT_FAILED;
    for (long attempt = 0; attempt <= retries && outcome == ATTEMPT_FAILED; attempt++) {
        fault_t fault = {{0}};
        outcome = attempt_run(setting, cell, lane->hosts, &fault);
        if (outcome == ATTEMPT_FAILED)
            progress_note(progress, "dmlx run: %s r%d failed: %s", cell->id, cell->repeat,
                          fault.text);
        else if (outcome == ATTEMPT_IO)
            progress_note(progress, "dmlx run: %s", fault.text);
    }
    return outcome;
}

static void *
run_lane(void *context)
{
    lane_t *lane = context;
    attempt_setting_t setting = setting_of(lane->campaign, lane->series);
    setting.progress_cell = lane->told;
    lane->outcome = lane->warm_record ? warm_up(lane, setting) : ATTEMPT_DONE;
    if (lane->outcome == ATTEMPT_DONE)
        lane->outcome = try_cell(lane, &setting);
    atomic_store(&lane->has_ended, true);
    eventfd_write(lane->ended_fd, 1);
    return NULL;
}

// The names of the hosts that the run is lent; NULL where none are. The caller frees the list.
static const char **
hosts_of(const crew_t *crew, long index)
{
    const char *const *names = NULL;
    if (crew->series->launcher->pool)
        crew->series->launcher->pool(&crew->series->experiment.cluster, &names);
    const plan_cell_t *cell = &crew->series->plan->cells[index];
    long n = cluster_hosts(&crew->series->experiment.cluster, cell->nodes);
    const char **hosts = names ? memory_new((size_t)n * sizeof *hosts) : NULL;
    for (long i = 0; hosts && i < n; i++)
        hosts[i] = names[scheduler_hosts(crew->scheduler, index)[i]];
    return hosts;
}

static void
stop(campaign_t *campaign, int status)
{
    campaign->status = campaign->status == STATUS_DONE ? status : campaign->status;
    atomic_store(&campaign->stops, true);
}

// What a record refused ends the matrix.
static void
stop_for(campaign_t *campaign, const record_error_t *error)
{
    progress_note(&campaign->progress, "dmlx run: %s", error->text);
    stop(campaign, STATUS_RUN_FAILED);
}

static void
free_lane(crew_t *crew, lane_t *lane)
{
    progress_cell_end(&crew->campaign->progress, lane->told);
    scheduler_end(crew->scheduler, lane->index);
    free(lane->hosts);
    free(lane);
}

// Has the lane warm its hosts up where one of them is cold. A command that goes on with a matrix
// warms up again: the machines are cold again.
static void
see_to_warmth(crew_t *crew, lane_t *lane)
{
    const series_t *series = crew->series;
    if (series->experiment.matrix.warmup == 0)
        return;
    // Where hosts are not lent there is one place, which one cell at a time has.
    long n =
        series->n_hosts > 0 ? cluster_hosts(&series->experiment.cluster, lane->cell->nodes) : 1;
    bool is_cold = false;
    for (long i = 0; i < n; i++) {
        int host = series->n_hosts > 0 ? scheduler_hosts(crew->scheduler, lane->index)[i] : 0;
        is_cold = is_cold || !crew->is_warm[host];
        crew->is_warm[host] = true;
    }
    if (!is_cold)
        return;
    char *folder = memory_format("%s/warmup", series->folder);
    if (!crew->warm_record && series_open_in(series, folder, &crew->warm_record) != STATUS_DONE)
        stop(crew->campaign, STATUS_RUN_FAILED);
    free(folder);
    lane->warm_record = crew->warm_record;
    lane->warm_repeat = crew->n_warm_ups;
    crew->n_warm_ups += (int)series->experiment.matrix.warmup;
}

static void
start_lane(crew_t *crew, long index)
{
    campaign_t *campaign = crew->campaign;
    const series_t *series = crew->series;
    lane_t *lane = memory_new(sizeof *lane);
    char label[PLAN_ID_BYTES + 32];
    *lane = (lane_t){.campaign = campaign,
                     .series = series,
                     .index = index,
                     .cell = &series->plan->cells[index],
                     .hosts = hosts_of(crew, index),
                     .ended_fd = crew->ended_fd};
    see_to_warmth(crew, lane);
    series_survey_t now = survey(campaign);
    progress_expect(&campaign->progress, now.n_runs, now.total_s);
    snprintf(label, sizeof label, "%s r%d", lane->cell->id, lane->cell->repeat);
    lane->told = progress_cell(&campaign->progress, ++campaign->n_begun, label,
                               pace_cell_s(&series->pace, series->plan, lane->cell));
    int error = 0;
    if (!campaign->stops)
        error = pthread_create(&lane->thread, NULL, run_lane, lane);
    if (error != 0) {
        progress_note(&campaign->progress, "dmlx run: no thread for '%s': %s", label,
                      strerror(error));
        stop(campaign, STATUS_RUN_FAILED);
    }
    if (campaign->stops)
        free_lane(crew, lane);
    else
        crew->lanes[crew->n_lanes++] = lane;
}

// Waits a little, and takes what has ended out of the crew.
static void
await_lanes(crew_t *crew)
{
    campaign_t *campaign = crew->campaign;
    record_error_t error;
    struct pollfd ended = {.fd = crew->ended_fd, .events = POLLIN};
    eventfd_t n_ended;
    if (poll(&ended, 1, TICK_MS) > 0)
        eventfd_read(crew->ended_fd, &n_ended);
    progress_tick(&campaign->progress);
    for (int i = crew->n_lanes - 1; i >= 0; i--) {
        lane_t *lane = crew->lanes[i];
        if (!atomic_load(&lane->has_ended))
            continue;
        pthread_join(lane->thread, NULL);
        campaign->n_failed += lane->outcome == ATTEMPT_FAILED;
        if (lane->outcome == ATTEMPT_DONE && series_note_stop(crew->series, lane->cell->id, &error))
            stop_for(campaign, &error);
        if (lane->outcome == ATTEMPT_INTERRUPTED)
            stop(campaign, STATUS_INTERRUPTED);
        else if (lane->outcome == ATTEMPT_IO)
            stop(campaign, STATUS_RUN_FAILED);
        crew->lanes[i] = crew->lanes[--crew->n_lanes];
        free_lane(crew, lane);
    }
}

static bool
wants(const plan_cell_t *cell, void *context)
{
    const crew_t *crew = context;
    return series_can_run(crew->series, cell) && series_wants(crew->series, cell);
}

// Writes down the runs that the cluster cannot do: the rest of the matrix goes on.
static void
deny_runs(campaign_t *campaign, const series_t *series)
{
    attempt_setting_t setting = setting_of(campaign, series);
    for (size_t i = 0; i < series->plan->n_cells && !campaign->stops; i++) {
        const plan_cell_t *cell = &series->plan->cells[i];
        fault_t fault = {{0}};
        if (series_can_run(series, cell) || !series_wants(series, cell))
            continue;
        if (attempt_deny(&setting, cell, series->shortfall.why.text, &fault) == ATTEMPT_IO) {
            progress_note(&campaign->progress, "dmlx run: %s", fault.text);
            stop(campaign, STATUS_RUN_FAILED);
        }
        campaign->n_denied++;
    }
}

static void
run_series(campaign_t *campaign, const series_t *series)
{
    int n_jobs = (int)series->experiment.cluster.jobs;
    crew_t crew = {.campaign = campaign,
                   .series = series,
                   .scheduler = scheduler_new(series->plan, n_jobs, series->n_hosts),
                   .lanes = memory_new((size_t)n_jobs * sizeof *crew.lanes),
                   .ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                   .is_warm = memory_new((size_t)series->n_hosts + 1)};
    if (crew.ended_fd < 0) {
        progress_note(&campaign->progress, "dmlx run: no descriptor to wait with: %s",
                      strerror(errno));
        stop(campaign, STATUS_RUN_FAILED);
    }
    record_error_t error;
    if (series_note_stops(series, &error) != RECORD_OK)
        stop_for(campaign, &error);
    for (;;) {
        long index = SCHEDULER_WAIT;
        if (!campaign->stops)
            index = scheduler_next(crew.scheduler, wants, &crew);
        else if (crew.n_lanes == 0)
            index = SCHEDULER_DONE;
        if (index == SCHEDULER_DONE)
            break;
        if (index == SCHEDULER_WAIT)
            await_lanes(&crew);
        else
            start_lane(&crew, index);
    }
    if (crew.ended_fd >= 0)
        close(crew.ended_fd);
    record_close(&crew.warm_record);
    free(crew.is_warm);
    free(crew.lanes);
    scheduler_free(&crew.scheduler);
}

void
campaign_run(campaign_t *campaign)
{
    for (int i = 0; i < campaign->n_series && !campaign->stops; i++) {
        series_t *series = &campaign->series[i];
        int status = STATUS_DONE;
        if (campaign->n_series > 1) // the launcher was last prepared for another one
            status = series_prepare(series, campaign->run_id);
        if (status != STATUS_DONE) {
            stop(campaign, status);
            return;
        }
        deny_runs(campaign, series);
        run_series(campaign, series);
    }
}
