/* results.h - results folders as dmlx run leaves them.
 *
 * A results folder holds manifest.json, runs.csv, and perhaps rounds.csv, expect.csv,
 * claims.csv, stops.csv and samples.csv. What is loaded is what counts: a later row for the same
 * cell and repeat has replaced the earlier one, and a row of rounds.csv belongs to the run of its
 * cell, repeat and attempt or is left out, so that an orphan of an earlier attempt is never
 * counted.
 *
 *     const char *folders[] = {"results"};
 *     results_t *results = NULL;
 *     if (results_load(folders, 1, &results, &error) == PLOTS_OK) …
 *     results_free(&results); */
#ifndef PLOTS_RESULTS_H
#define PLOTS_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/error.h"

// What a cell is known by; the order of the paper's tables.
typedef enum {
    QUANTITY_T,              // T, seconds
    QUANTITY_WORK,           // W, seconds, mean over the workers
    QUANTITY_OVERHEAD,       // O = T − W, seconds
    QUANTITY_WORK_SHARE,     // W/T
    QUANTITY_OVERHEAD_SHARE, // O/T
    QUANTITY_SPEEDUP,        // T(base)/T
    QUANTITY_ACCURACY,       // 0..1
    QUANTITY_TIME_TO,        // of T, seconds, until the model had the target accuracy
    N_QUANTITIES,
} quantity_t;

// The name in CSV columns and in expect.csv: "t_s", "work_s", …
const char *quantity_name(quantity_t quantity);
// The quantity of that name, or N_QUANTITIES.
quantity_t quantity_parse(const char *name);

typedef struct {
    char *setting; // the column of runs.csv, e.g. "train.batch"
    char *name;    // for people, e.g. "batch"
    char *unit;    // "" where it has none
} results_axis_t;

typedef struct {
    char *cell; // e.g. "n3-c6"
    double nodes;
    double cores;   // of the whole cluster
    char **values;  // [n_axes] of the set: the further axes, as written
    int repeat;     // from 1
    size_t mean_of; // runs behind this row: 1, or what column mean_of says of a published mean
    char *attempt;
    char *status; // "done", "failed"
    char *data;   // "cifar10", "synthetic"
    char *note;
    char *launcher;
    char *enforced; // "yes", "no", ""
    bool is_done;
    double t_s, work_s, overhead_s; // NAN where not known, here and below
    double accuracy, loss, train_loss;
    double target_accuracy;    // 0..1; 0 or NAN: none was asked for
    double time_to_accuracy_s; // NAN also where it was not reached
    double samples, samples_per_s;
    double sent_bytes, received_bytes;
    double cores_asked, cores_granted; // real cores' worth over the cluster
    double throttled_s, startup_s, evaluation_s;
    double core_speed;
} results_run_t;

typedef struct {
    size_t run; // index into the set's runs
    int round;
    int rank;
    double compute_s, wait_s, send_s;
    double aggregate_s, round_s; // of the whole round, the same for every worker of it
    double samples, loss, sent_bytes, cpu_s, rss_bytes, temperature_c, clock_mhz;
} results_round_t;

typedef struct {
    char *cell; // as runs.csv has it; "" where only nodes and cores are given
    double nodes;
    double cores;
    quantity_t quantity;
    double value;
    double tolerance; // relative; NAN: shown, not judged
    char *source;     // e.g. "paper, Table 1"
} results_expect_t;

// A row of claims.csv (columns claim,kind,quantity,over,tolerance,source): a finding that the
// results are held against.
typedef struct {
    char *text;     // for people: "accuracy does not change with nodes"
    char *kind;     // "flat", "diminishing", "further" or "expected"; claims.h says what each means
    char *quantity; // as quantity_name has it; "" where the kind needs none
    char *over;     // "nodes" or "cores"
    double tolerance;
    char *source;
} results_claim_t;

typedef struct {
    const char *class_name; // lives as long as the samples
    int class_index;
    int index; // which picture of the class
    int row, column;
    int red, green, blue; // 0..255
} results_sample_t;

// samples.csv, a row a pixel.
typedef struct {
    results_sample_t *pixels;
    size_t n_pixels;
    struct csv *csv; // which the names belong to
} results_samples_t;

// A row of stops.csv: a cell whose repeats ended, after so many, because its interval of T was
// narrow enough.
typedef struct {
    char *cell;
    int repeats;
} results_stop_t;

typedef struct {
    char *folder;
    char *name;  // of the experiment, "node_sweep"
    char *title; // for people; the name where the manifest has none
    char *data;  // of all runs; "cifar10 and synthetic" where they are mixed
    char *launcher;
    char *manifest;    // manifest.json as it stands, for the report; "" where there is none
    bool is_published; // numbers of a publication: means without repeats
    bool is_emulated;
    double repeats_ci;    // a goal of repeats: half the interval of T, as a share; 0: none
    double repeats_max;   // with a goal: the most repeats of a cell
    double core_speed;    // of an emulated core, as a share of a real one; NAN where not known
    results_axis_t *axes; // the further axes, beyond nodes and cores
    size_t n_axes;
    results_run_t *runs; // done and failed, in order of nodes, cores, further axes, repeat
    size_t n_runs;
    results_round_t *rounds; // of done runs only
    size_t n_rounds;
    results_expect_t *expects;
    size_t n_expects;
    results_claim_t *claims;
    size_t n_claims;
    bool has_stops; // whether there is a stops.csv: runs of an older dmlx left none
    results_stop_t *stops;
    size_t n_stops;
} results_set_t;

typedef struct {
    char *root; // the folder asked for: the set's own, or the parent of several
    results_set_t *sets;
    size_t n_sets;
    char *notes; // one line each for what was found odd (a cut line, rows without a run); "" for
                 // nothing
} results_t;

// Loads every result set in `folders`: a folder with a runs.csv is one; any other is searched for
// them, four levels deep, in the order of their names; of what such a search finds, sets of
// synthetic data are left out (and noted) where there are sets of real data too. PLOTS_IO: a folder
// is missing or unreadable. PLOTS_INVALID: a file that cannot be understood. PLOTS_EMPTY: no result
// set, or none with a finished run. `*results` stays NULL then.
int results_load(const char *const *folders, size_t n_folders, results_t **results,
                 plots_error_t *error);
void results_free(results_t **results);

// Reads the set's pictures, which results_load leaves alone: they are longer than all else, and one
// figure shows them. PLOTS_EMPTY: there is no samples.csv. PLOTS_IO: it is not readable.
// PLOTS_INVALID: it is cut short, or not to be understood. Call results_samples_clear whatever came
// of it.
int results_samples_read(const results_set_t *set, results_samples_t *samples,
                         plots_error_t *error);
void results_samples_clear(results_samples_t *samples);

// A short sentence that names what was measured on: "emulated: 1–3 nodes, 2–6 cores of 0.30 real
// cores each, local launcher, cifar10", "published means of 3 runs, cifar10". Every figure carries
// it. The caller frees it.
char *results_setting(const results_set_t *const *sets, size_t n);

// Whether two runs or cells have the same values of the set's further axes.
bool results_same_values(const results_set_t *set, char *const *a, char *const *b);
// Those values for people, "link_mbit 10 Mbit/s", "" where there are no such axes. The caller frees
// it.
char *results_values_label(const results_set_t *set, char *const *values);

#endif
