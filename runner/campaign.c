#include "runner/campaign.h"

#include <stdio.h>
#include <stdlib.h>

#include "runner/attempt.h"
#include "runner/memory.h"
#include "runner/scheduler.h"

static series_survey_t
survey(const campaign_t *campaign)
{
    series_survey_t all = {0};
    for (int i = 0; i < campaign->n_series; i++)
        series_survey(&campaign->series[i], &all);
    return all;
}

void
campaign_announce(campaign_t *campaign)
{
    series_survey_t all = survey(campaign);
    const char *more = all.has_goal ? " or more, as intervals need" : "";
    char left[24];
    progress_start(&campaign->progress, stderr, all.n_runs, all.total_s, 1);
    progress_skip(&campaign->progress, all.done_s);
    progress_duration(all.total_s - all.done_s, left);
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
                               .progress_cell = PROGRESS_NO_CELL};
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

// Tries a cell as often as the experiment allows. Returns whether the matrix goes on.
static bool
run_cell(campaign_t *campaign, const series_t *series, const plan_cell_t *cell,
         const char *const *hosts, int told)
{
    attempt_setting_t setting = setting_of(campaign, series);
    setting.progress_cell = told;
    long retries = series->experiment.cluster.retries;
    for (long attempt = 0; attempt <= retries; attempt++) {
        fault_t fault = {{0}};
        switch (attempt_run(&setting, cell, hosts, &fault)) {
        case ATTEMPT_DONE:
            return true;
        case ATTEMPT_FAILED:
            progress_note(&campaign->progress, "dmlx run: %s r%d failed: %s", cell->id,
                          cell->repeat, fault.text);
            break;
        case ATTEMPT_INTERRUPTED:
            campaign->status = STATUS_INTERRUPTED;
            return false;
        case ATTEMPT_IO:
            progress_note(&campaign->progress, "dmlx run: %s", fault.text);
            campaign->status = STATUS_RUN_FAILED;
            return false;
        }
    }
    campaign->n_failed++;
    return true;
}

static bool
wants(const plan_cell_t *cell, void *context)
{
    return series_wants(context, cell);
}

// The names of the hosts that the run is lent; NULL where none are. The caller frees the list.
static const char **
hosts_of(const series_t *series, const scheduler_t *scheduler, long index)
{
    const char *const *names = NULL;
    if (!series->launcher->pool)
        return NULL;
    series->launcher->pool(&series->experiment.cluster, &names);
    long n = cluster_hosts(&series->experiment.cluster, series->plan->cells[index].nodes);
    const char **hosts = names ? memory_new((size_t)n * sizeof *hosts) : NULL;
    for (long i = 0; hosts && i < n; i++)
        hosts[i] = names[scheduler_hosts(scheduler, index)[i]];
    return hosts;
}

// Returns whether the next series is run.
static bool
run_series(campaign_t *campaign, const series_t *series)
{
    const char *const *names = NULL;
    const launcher_t *launcher = series->launcher;
    int n_hosts = launcher->pool ? launcher->pool(&series->experiment.cluster, &names) : 0;
    scheduler_t *scheduler = scheduler_new(series->plan, 1, n_hosts);
    bool is_warm = series->experiment.matrix.warmup == 0, goes_on = true;
    for (long index;
         goes_on &&
         (index = scheduler_next(scheduler, wants, (void *)(size_t)series)) != SCHEDULER_DONE;) {
        const plan_cell_t *cell = &series->plan->cells[index];
        const char **hosts = hosts_of(series, scheduler, index);
        char label[PLAN_ID_BYTES + 32];
        if (!is_warm)
            goes_on = warm_up(campaign, series, cell, hosts);
        is_warm = true;
        if (goes_on) {
            series_survey_t now = survey(campaign);
            progress_expect(&campaign->progress, now.n_runs, now.total_s);
            snprintf(label, sizeof label, "%s r%d", cell->id, cell->repeat);
            int told = progress_cell(&campaign->progress, now.n_done + campaign->n_failed + 1,
                                     label, pace_cell_s(&series->pace, series->plan, cell));
            goes_on = run_cell(campaign, series, cell, hosts, told);
            progress_cell_end(&campaign->progress, told);
        }
        scheduler_end(scheduler, index);
        free(hosts);
    }
    scheduler_free(&scheduler);
    return goes_on;
}

void
campaign_run(campaign_t *campaign)
{
    for (int i = 0; i < campaign->n_series; i++)
        if (!run_series(campaign, &campaign->series[i]))
            return;
}
