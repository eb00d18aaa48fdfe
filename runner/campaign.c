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

// Runs of the first cell that count nowhere. They are a results folder of their own within the
// results, where no reader looks for sets, so that what they cost can still be seen. A command that
// goes on with a matrix warms up again: the machine is cold again.
static bool
warm_up(campaign_t *campaign, const series_t *series, const plan_cell_t *cell,
        const char *const *hosts)
{
    plan_cell_t warm = *cell;
    record_t *record = NULL;
    char *folder = memory_format("%s/warmup", series->folder);
    bool goes_on = series_open_in(series, folder, &record) == STATUS_DONE;
    campaign->status = goes_on ? campaign->status : STATUS_RUN_FAILED;
    attempt_setting_t setting = setting_of(campaign, series);
    setting.record = record;
    for (warm.repeat = 1; goes_on && warm.repeat <= series->experiment.matrix.warmup;
         warm.repeat++) {
        fault_t fault = {{0}};
        attempt_outcome_t outcome = attempt_run(&setting, &warm, hosts, &fault);
        if (outcome == ATTEMPT_INTERRUPTED)
            campaign->status = STATUS_INTERRUPTED;
        else if (outcome == ATTEMPT_IO)
            campaign->status = STATUS_RUN_FAILED;
        // One that failed warmed the machine all the same; if the cell is at fault, its run tells.
        goes_on = outcome == ATTEMPT_DONE || outcome == ATTEMPT_FAILED;
        progress_note(&campaign->progress, "warm-up %d of %ld: %s%s%s", warm.repeat,
                      series->experiment.matrix.warmup, warm.id, fault.text[0] ? ": " : "",
                      fault.text);
    }
    record_close(&record);
    free(folder);
    return goes_on;
}

// A run that goes on, in a thread of its own: an attempt may block, for its own processes' grace, a
// stack's removal or a place in a queue, and no other one waits for it.
typedef struct lane {
    pthread_t thread;
    campaign_t *campaign;
    const series_t *series;
    long index; // in the plan
    const plan_cell_t *cell;
    const char **hosts; // that it is lent; NULL: none are
    int told;           // as progress_cell gave it
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
    bool is_warm; // the warm-up runs are done
} crew_t;

// Tries a cell as often as the experiment allows.
static void *
run_lane(void *context)
{
    lane_t *lane = context;
    const plan_cell_t *cell = lane->cell;
    progress_t *progress = &lane->campaign->progress;
    attempt_setting_t setting = setting_of(lane->campaign, lane->series);
    setting.progress_cell = lane->told;
    long retries = lane->series->experiment.cluster.retries;
    lane->outcome = ATTEMPT_FAILED;
    for (long attempt = 0; attempt <= retries && lane->outcome == ATTEMPT_FAILED; attempt++) {
        fault_t fault = {{0}};
        lane->outcome = attempt_run(&setting, cell, lane->hosts, &fault);
        if (lane->outcome == ATTEMPT_FAILED)
            progress_note(progress, "dmlx run: %s r%d failed: %s", cell->id, cell->repeat,
                          fault.text);
        else if (lane->outcome == ATTEMPT_IO)
            progress_note(progress, "dmlx run: %s", fault.text);
    }
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

static void
free_lane(crew_t *crew, lane_t *lane)
{
    progress_cell_end(&crew->campaign->progress, lane->told);
    scheduler_end(crew->scheduler, lane->index);
    free(lane->hosts);
    free(lane);
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
    if (!crew->is_warm && !warm_up(campaign, series, lane->cell, lane->hosts))
        atomic_store(&campaign->stops, true); // its reason stands
    crew->is_warm = true;
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
    return series_wants(crew->series, cell);
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
                   .is_warm = series->experiment.matrix.warmup == 0};
    if (crew.ended_fd < 0) {
        progress_note(&campaign->progress, "dmlx run: no descriptor to wait with: %s",
                      strerror(errno));
        stop(campaign, STATUS_RUN_FAILED);
    }
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
        if (status == STATUS_DONE)
            run_series(campaign, series);
        else
            stop(campaign, status);
    }
}
