// series.h — one experiment of a `dmlx run`, from its file to its folder of results.
//
//     series_read(&series, &options, host_cores, diag)     its faults are in diag
//     series_find_data, series_prepare, series_open        each says what is wrong
//     … run what series_wants …
//     series_free(&series)
#ifndef RUNNER_SERIES_H
#define RUNNER_SERIES_H

#include "engine/dataset.h"
#include "runner/launch.h"
#include "runner/options.h"
#include "runner/pace.h"
#include "runner/record.h"

enum { SERIES_NO_JOBS = -1 };

// Results go to SERIES_OUTPUT/NAME of the experiment unless another folder is named.
#define SERIES_OUTPUT "results"

// What the command line says about all its experiments.
typedef struct series_options {
    option_list_t sets;
    const char *only;
    const char *launcher;
    const char *output;
    const char *data;
    int jobs; // in place of cluster.jobs; SERIES_NO_JOBS: not given
} series_options_t;

typedef struct series {
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
    int n_hosts;                  // that its cells are lent, as the launcher told; 0: none are
    launch_shortfall_t shortfall; // which of its cells cannot be run, as the launcher told
    record_t *record;
} series_t;

// Runs of several series: how many there will be, as far as can be told, and what they take.
typedef struct series_survey {
    int n_runs, n_done;
    bool has_goal; // of repeats, so that n_runs may change
    double total_s, done_s;
} series_survey_t;

// Says it on standard error as `dmlx run`, and returns the status.
int series_say(int status, const char *text);
// Says on standard error what is being done.
void series_say_step(const char *text);

// The following return an exit status (command.h), STATUS_DONE when all is well. But for the first
// they say themselves what is wrong.

int series_read(series_t *series, const series_options_t *options, double host_cores, diag_t *diag);

int series_find_data(series_t *series, const char *folder);

// What a plan asks of its launcher: all but the run's id, the data's folder and checksum, and who
// is told.
launch_need_t series_need(const plan_t *plan);

// Has the launcher check that the cells can be run, and bring to the hosts what they need. May take
// minutes, and says so, and which cells cannot be run where others can. A launcher keeps what it
// found for one series alone: with several it is to be prepared again when the turn of one comes.
int series_prepare(series_t *series, const char *run_id);

// Opens the folder of results and writes what describes it.
int series_open(series_t *series, int argc, char *const *argv);

// Opens a folder for rows of this series; the caller closes it.
int series_open_in(const series_t *series, const char *folder, record_t **record);

// What the launcher would hand to another program for each cell, such as stack files, written to
// where a run would keep it.
int series_draft(const series_t *series);

// How many seconds a second of work takes, since cells may run side by side: 1 for one at a time.
double series_span_share(const series_t *series);

// Whether the cluster can run the cell.
bool series_can_run(const series_t *series, const plan_cell_t *cell);

// Adds the runs of the series that the cluster can do to what is known of those before it.
void series_survey(const series_t *series, series_survey_t *all);

// Whether this repeat of the cell is still to be run, as far as the rows that stand tell.
bool series_wants(const series_t *series, const plan_cell_t *cell);

// Writes down which cells their goal has stopped, whoever ran them; nothing without a goal. No run
// of the series may go on meanwhile.
int series_note_stops(const series_t *series, record_error_t *error);

// The same of one cell, which has just been run.
int series_note_stop(const series_t *series, const char *cell, record_error_t *error);

void series_free(series_t *series);

#endif
