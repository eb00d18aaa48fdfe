#include "runner/campaign.h"

#include <stdio.h>
#include <stdlib.h>

#include "runner/attempt.h"
#include "runner/memory.h"

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
    progress_start(&campaign->progress, stderr, all.n_runs, all.total_s);
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
                               .progress = &campaign->progress};
}

// Runs of the first cell that count nowhere. They are a results folder of their own within the
// results, where no reader looks for sets, so that what they cost can still be seen. A command that
// goes on with a matrix warms up again: the machine is cold again.
static bool
warm_up(campaign_t *campaign, const series_t *series, const plan_cell_t *cell)
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
        attempt_outcome_t outcome = attempt_run(&setting, &warm, &fault);
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
run_cell(campaign_t *campaign, const series_t *series, const plan_cell_t *cell)
{
    attempt_setting_t setting = setting_of(campaign, series);
    long retries = series->experiment.cluster.retries;
    for (long attempt = 0; attempt <= retries; attempt++) {
        fault_t fault = {{0}};
        switch (attempt_run(&setting, cell, &fault)) {
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

void
campaign_run(campaign_t *campaign)
{
    for (int i = 0; i < campaign->n_series; i++) {
        const series_t *series = &campaign->series[i];
        bool is_warm = series->experiment.matrix.warmup == 0;
        for (size_t k = 0; k < series->plan->n_cells; k++) {
            const plan_cell_t *cell = &series->plan->cells[k];
            char label[PLAN_ID_BYTES + 32];
            if (!series_wants(series, cell))
                continue;
            if (!is_warm && !warm_up(campaign, series, cell))
                return;
            is_warm = true;
            series_survey_t now = survey(campaign);
            progress_expect(&campaign->progress, now.n_runs, now.total_s);
            snprintf(label, sizeof label, "%s r%d", cell->id, cell->repeat);
            progress_cell(&campaign->progress, now.n_done + campaign->n_failed + 1, label,
                          pace_cell_s(&series->pace, series->plan, cell));
            bool goes_on = run_cell(campaign, series, cell);
            progress_cell_end(&campaign->progress);
            if (!goes_on)
                return;
        }
    }
}
