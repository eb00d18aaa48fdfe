// record.h — a results folder as `dmlx run` fills it. DESIGN.md calls the columns.
//
// Invariants: a row appears whole or not at all (one append of one line, synced; a line that a
// crash or a full disk cut short is taken off again); one dmlx at a time writes a folder (a lock
// that the kernel lets go of when its holder dies); results of another experiment file are never
// mixed nor overwritten. Attempts in several threads may write to one record.
//
//     record_open → for each cell and repeat: record_is_done? else record_rounds…, record_run →
//     record_close
#ifndef RUNNER_RECORD_H
#define RUNNER_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/report.h"

typedef enum {
    RECORD_OK = 0,
    RECORD_IO = -1,     // the file system refused; what stood is whole
    RECORD_BUSY = -2,   // another dmlx writes this folder
    RECORD_OTHER = -3,  // results of another experiment lie there
    RECORD_DAMAGED = -4 // a file of the folder cannot be understood
} record_status_t;

typedef struct record_error {
    char text[2048]; // lower case, no full stop, what to do behind a semicolon
} record_error_t;

typedef struct record record_t;

// What a folder is opened for.
typedef struct record_identity {
    const char *hash; // of the experiment: only results with the same one are gone on with
    const char *text; // the experiment in full, kept as experiment.cfg
    const char *const
        *axes; // setting paths of the further axes, columns of runs.csv, NULL at the end
    // Says how two experiments' texts differ, a line each; the caller of it frees. NULL: not said.
    char *(*differences)(const char *text_there, const char *text_here);
} record_identity_t;

// One row of runs.csv. Numbers that are not known are NAN or -1 and stay empty.
typedef struct run_row {
    const char *cell;
    int nodes;
    double cores;              // of the whole cluster
    const char *const *values; // of the further axes, in the order of the identity
    int repeat;                // from 1
    const char *attempt;
    bool is_done;
    const char *launcher;
    const char *hosts;       // of the workers, by rank, blanks between; neighbours on one host once
    const char *coordinator; // its host; "" with one node
    double link_mbit;        // of the emulated links; 0: none
    double core_speed;
    bool is_enforced;
    double cores_asked; // real cores' worth over the cluster
    long long seed;
    const char *started;    // ISO 8601, UTC
    const char *note;       // why it failed, or what was odd; line ends become spaces
    result_report_t result; // with all fields unknown when the run failed
} run_row_t;

// Opens or makes the folder. RECORD_OTHER: error lists what differs; RECORD_BUSY names the holder's
// process id.
int record_open(record_t **record, const char *folder, const record_identity_t *identity,
                record_error_t *error);
void record_close(record_t **record);

const char *record_folder(const record_t *record);

// Whether a finished row stands for this cell and repeat.
bool record_is_done(const record_t *record, const char *cell, int repeat);
int record_n_done(const record_t *record);

// T of each finished repeat of a cell, at most `n_room` of them; returns how many.
size_t record_times(const record_t *record, const char *cell, double *t_s, size_t n_room);

// The cell of a finished run, by its index below record_n_done; cells come as often as they have
// such. For who has the record alone.
const char *record_done_cell(const record_t *record, int index);

// stops.csv: the cells whose repeats ended because their interval of T was narrow enough, a row
// each (columns cell,repeats,ci,half_width; the latter two as shares of the mean). The first makes
// the table where it is not there; the second appends a row, unless it stands already. One thread
// at a time.
int record_stops(record_t *record, record_error_t *error);
int record_stop(record_t *record, const char *cell, int repeats, double ci, double half_width,
                record_error_t *error);

// The folder of one cell and repeat, runs/CELL-rN/, made if it is not there; the caller frees it.
// NULL with `error` set.
char *record_run_folder(record_t *record, const char *cell, int repeat, record_error_t *error);

// Appends one round's rows to rounds.csv. They count once the run's own row stands.
int record_round(record_t *record, const char *cell, int repeat, const char *attempt,
                 const round_report_t *round, record_error_t *error);

// Appends the rows that an earlier attempt at the same cell and repeat has for rounds 1 to `round`
// once more, as those of `attempt`, which goes on behind them. RECORD_DAMAGED: they are not there.
int record_adopt_rounds(record_t *record, const char *cell, int repeat, const char *earlier,
                        int round, const char *attempt, record_error_t *error);

// Appends the run's row, after everything else of the run is on disk.
int record_run(record_t *record, const run_row_t *row, record_error_t *error);

// Writes a whole file of the folder aside and renames it into place.
int record_file(const record_t *record, const char *name, const void *bytes, size_t n_bytes,
                record_error_t *error);

// Removes a file of the folder; fine if it is not there.
int record_remove(const record_t *record, const char *name, record_error_t *error);

// Reads a whole file of the folder; NULL when it is not there or cannot be read. The caller frees
// it.
char *record_read(const record_t *record, const char *name, size_t *n_bytes);

// A result with every number unknown.
result_report_t result_unknown(void);

// A new id for an attempt: time, process and a counter, such as 20260131T120102-4711-3.
void record_attempt_id(char text[48]);

// Now in UTC as ISO 8601 with seconds.
void record_time(char text[32]);

#endif
