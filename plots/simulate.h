/* simulate.h - rounds of clusters nobody has, drawn from what rounds.csv measured.
 *
 * A round: the coordinator sends the model to one worker after the other; each computes, for a time
 * a sample that is drawn from the measured ones (so stragglers are drawn too), and its update takes
 * a drawn time on the link; the coordinator takes updates in the order they arrive, one at a time,
 * and averages. With a tree, aggregators of `fan` children each do the same, level by level.
 *
 * What is assumed is in `assumptions`, and how far the simulation is from what was measured in
 * `checks`: both are to be shown with every answer. */
#ifndef PLOTS_SIMULATE_H
#define PLOTS_SIMULATE_H

#include "plots/calibrate.h"
#include "plots/draft.h"
#include "plots/results.h"

enum { SIMULATE_NODES_MAX = 10000, SIMULATE_RUNS = 20, SIMULATE_DRAWS = 200 };

// What the rounds say, in seconds.
typedef struct {
    const results_set_t *set; // borrowed: it must outlive the calibration
    char *const *values;      // [n_axes], borrowed: of the set's further axes, what it is of
    double cores_a_node;
    // A worker computes sample_s * samples + start_s in a round, each run so many times as long, a
    // round in it so many times that, and a worker in that again. They are drawn apart, since what
    // slows a whole run or round slows its workers together and makes nobody wait.
    calibrate_line_t compute; // of a sample, by 1 / samples: sample_s, and start_s, which may be
                              // negative: a CPU limit gives what it saved while a worker waited
    double least_samples;     // of a round that was measured; smaller ones save no more a sample
    double *run_share, *round_share, *worker_share;
    size_t n_run_share, n_round_share, n_worker_share;
    // Sending and taking likewise: a run of two workers or more costs so many times what the lines
    // below say, and a round in it so many times that. Both are drawn from one such run; and from
    // one round, as are both and round_share (they are in its order, n_round_share of each), so
    // that what goes together in the records does so in what is drawn.
    double *send_run_share, *take_run_share, *send_round_share, *take_round_share;
    size_t n_message_runs;
    // An update's time both ways, were its round an ordinary one, and the workers that were sent to
    // until then, on the mean; what is left without the slope is the link's.
    double *send_s, *sent_before;
    size_t n_sent;
    calibrate_line_t send; // of the coordinator, for each worker, one after the other: the slope
    calibrate_line_t take; // of the coordinator: the slope for each update, the rest once a round
    double send_shift_s;   // of all updates, in a drawn calibration; else 0
    double model_bytes;    // of an update
    double samples;        // of a whole run, over all workers
    double rounds;
    size_t n_sizes; // numbers of nodes that were measured with more than one worker
} calibration_t;

// One for each combination of values of the set's further axes, in the order of its runs; one where
// it has no such axis. All are of as many cores a node: those of the longest line of nodes. A
// combination without rounds of two workers is left out, and why is added to `left_out`, a line
// each. PLOTS_EMPTY: none has such rounds. The caller frees all by calibrations_free.
int calibrations_new(const results_set_t *set, calibration_t **calibrations, size_t *n,
                     draft_t *left_out, plots_error_t *error);
void calibrations_free(calibration_t **calibrations, size_t n);

// Whether a run is one of those it rests on.
bool calibration_has(const calibration_t *calibration, const results_run_t *run);
// A sample's time in a round of so many, in seconds.
double calibration_sample_s(const calibration_t *calibration, double samples);

typedef struct {
    double nodes;
    double t_s, t_low_s, t_high_s; // mean, and 95 % of runs under calibrations drawn within their
                                   // error; what the model leaves out is not in it
    double work_s, overhead_s;
    // Shares of T: computing (mean over workers), waiting for the slowest, the link, the
    // coordinator.
    double compute, straggling, link, coordinator;
    double memory_bytes; // of the coordinator, at most
} simulated_t;

// The name of the largest share.
const char *simulate_bottleneck(const simulated_t *simulated);

// SIMULATE_RUNS runs on so many nodes; `fan` 0: flat, else the children of an aggregator. The same
// seed gives the same runs.
simulated_t simulate(const calibration_t *calibration, size_t nodes, size_t fan,
                     unsigned long seed);

// Each measured number of nodes: measured and simulated T, and the relative error.
typedef struct {
    double nodes, measured_s, simulated_s, error;
} simulate_check_t;
// The caller frees them.
size_t simulate_checks(const calibration_t *calibration, simulate_check_t **checks);

// The assumptions in sentences, a line each.
void simulate_assumptions(const calibration_t *calibration, size_t fan, draft_t *draft);

#endif
