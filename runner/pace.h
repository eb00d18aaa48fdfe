// pace.h — how long cells will take, before any of them has run.
#ifndef RUNNER_PACE_H
#define RUNNER_PACE_H

#include "runner/fault.h"
#include "runner/plan.h"

typedef struct pace {
    double samples_per_s; // of one real core
    size_t n_samples;     // in the training set
    size_t n_parameters;  // of the network
} pace_t;

// Trains the plan's first cell for about a fifth of a second on one unlimited core of this host,
// on the data in that folder. -1 with the fault set. Nothing of it stays.
int pace_new(const plan_t *plan, const char *data_folder, pace_t *pace, fault_t *fault);

// Expected seconds of a cell: its samples over its cores, what rounds cost beside (a guess, which
// matters with thousands of them; the models over emulated links are in it), and what starting it
// costs.
double pace_cell_s(const pace_t *pace, const plan_t *plan, const plan_cell_t *cell);

#endif
