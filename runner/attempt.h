// attempt.h — one try at one cell and repeat: started, watched, written down, cleared away.
//
// The launcher starts the processes and carries their records home; here they become rows of
// rounds.csv, the model file and, last, the one row of runs.csv that makes all of it count.
#ifndef RUNNER_ATTEMPT_H
#define RUNNER_ATTEMPT_H

#include <stdatomic.h>

#include "runner/fault.h"
#include "runner/launch.h"
#include "runner/plan.h"
#include "runner/progress.h"
#include "runner/record.h"

typedef enum {
    ATTEMPT_DONE,        // its row stands
    ATTEMPT_FAILED,      // a row with status "failed" stands; the fault says why
    ATTEMPT_INTERRUPTED, // a signal, or `stops`, asked for the end; no row was written
    ATTEMPT_IO // the results cannot be written; the fault says why, and going on makes no sense
} attempt_outcome_t;

// What all attempts of a matrix have in common. All borrowed.
typedef struct attempt_setting {
    const launcher_t *launcher;
    const plan_t *plan;
    const char *run_id;      // keeper_run_id
    const char *data_folder; // NULL: the roles look for the data themselves
    const char *data_known;  // STAMP:XXH128 of the data here; NULL: not known
    const char *program;     // NULL: this very program
    record_t *record;
    progress_t *progress;
    int progress_cell;        // as progress_cell gave it, or PROGRESS_NO_CELL
    const atomic_bool *stops; // set: it ends as by a signal; NULL: nobody sets it
} attempt_setting_t;

// Runs it to its end on the hosts that it is lent (launch_cell_t; NULL: none are). Everything it
// started has ended on return. Blocks as long as the cell runs; every wait in it has a limit from
// the experiment's cluster settings.
// Several threads may each run one, with the same record and progress.
attempt_outcome_t attempt_run(const attempt_setting_t *setting, const plan_cell_t *cell,
                              const char *const *hosts, fault_t *fault);

// Writes the row of a run that cannot be started, for that reason: ATTEMPT_FAILED, or ATTEMPT_IO.
attempt_outcome_t attempt_deny(const attempt_setting_t *setting, const plan_cell_t *cell,
                               const char *why, fault_t *fault);

#endif
