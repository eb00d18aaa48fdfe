// trainee.h — one node's share of an experiment: its data, network, order of samples and trainer.
//
// What the standalone role and a worker have in common. Both read the same experiment text, so the
// same rank of the same cell trains on the same samples wherever it runs.
#ifndef RUNNER_TRAINEE_H
#define RUNNER_TRAINEE_H

#include <stdbool.h>

#include "engine/dataset.h"
#include "engine/evaluate.h"
#include "engine/network.h"
#include "engine/sampler.h"
#include "engine/trainer.h"
#include "runner/fault.h"
#include "runner/host_facts.h"
#include "runner/limits.h"
#include "runner/report.h"
#include "runner/spec.h"

typedef struct trainee {
    dataset_t *data;
    network_t *network;
    sampler_t *sampler;
    trainer_t *trainer;
    int rounds;           // of the whole run, the same for every rank
    size_t round_samples; // of a worker in a round when local steps are given, else 0
    limits_group_t limit; // what this process runs under; cores 0: nothing limits it
    host_sample_t host;   // as of the last trainee_look

    // The velocity as it was before the round begun last, should that round be done again; NULL
    // when it never is (trainee_tells_velocity).
    float *undo;
    int begun;            // that round; -1: none
    bool resets_velocity; // every round begins without one

    // Asked between steps whether the round is still wanted; not 0: no. May be NULL.
    int (*is_unwanted)(const void *context);
    const void *context;
} trainee_t;

// Opens the data folder and builds everything for one of `nodes` workers, on `threads` threads. The
// network is initialised from the experiment's seed, the same for every rank. -1 with the fault
// set; nothing is left open.
int trainee_open(trainee_t *trainee, const experiment_t *experiment, const char *data_folder,
                 int nodes, int rank, int threads, fault_t *fault);
void trainee_close(trainee_t *trainee);

// Trains the node's part of a round (from 0) on the network's parameters as they stand and fills in
// what a worker knows of its row: all but send_s. `wait_s` is passed through. A round that was
// begun before is done again, from the velocity of that time. -1: the fault says why; -2: a signal
// asked to stop; -3: nobody wants the round any more.
int trainee_round(trainee_t *trainee, int round, double wait_s, worker_row_t *row, fault_t *fault);

// Goes on from a velocity that was told before: a respawned worker, or a resumed run.
void trainee_restore(trainee_t *trainee, const float *velocity);

// Whether rounds begin with the mean of the velocities, which then stands behind the parameters in
// the task as in the update.
bool trainee_averages_velocity(const experiment_t *experiment);

// Whether updates carry the velocity behind the parameters: when it is averaged, or a round may be
// done again by a worker that was not there; and there is momentum. It doubles them.
bool trainee_tells_velocity(const experiment_t *experiment);

// Reads temperature, clock and the like. Costs about a millisecond of CPU, so it is done while
// waiting.
void trainee_look(trainee_t *trainee);

// Opens the data set of an experiment, cut to its train.samples and train.test_samples.
int trainee_open_data(const experiment_t *experiment, const char *folder, dataset_t **data,
                      fault_t *fault);

// The part of `count` parameters that a node trains: all of them, or with train.parallelism =
// "model" its even share.
parameter_range_t trainee_share(const experiment_t *experiment, size_t count, int nodes, int rank);

// How many rounds a run has: train.rounds, or as many as train.local_steps makes of the longest
// stream.
int trainee_rounds(const experiment_t *experiment, int nodes, size_t n_samples);

#endif
