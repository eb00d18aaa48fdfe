// campaign.h — the runs of a command's experiments, from the first to the last row.
//
//     campaign_t campaign = {.series = series, .n_series = n, .run_id = keeper_run_id(keeper)};
//     campaign_announce(&campaign);
//     campaign_run(&campaign);          → campaign.status, campaign.n_failed
#ifndef RUNNER_CAMPAIGN_H
#define RUNNER_CAMPAIGN_H

#include <stdatomic.h>

#include "runner/progress.h"
#include "runner/series.h"

typedef struct campaign {
    series_t *series; // opened and prepared; in this order
    int n_series;
    const char *run_id; // keeper_run_id
    progress_t progress;
    int n_begun;       // runs, with those that were done before
    int n_failed;      // runs that have no row after all their attempts
    int n_denied;      // runs that the cluster could not start
    int status;        // what stopped it (command.h); STATUS_DONE while it goes on
    atomic_bool stops; // it is to end
} campaign_t;

// Says on standard error what is to be done, in one line.
void campaign_announce(campaign_t *campaign);

// Runs all that is wanted, or until a signal or the file system stops it. Nothing that it started
// runs on return.
void campaign_run(campaign_t *campaign);

#endif
