// estimate.h — how long cells will take, before any of them has run.
#ifndef RUNNER_ESTIMATE_H
#define RUNNER_ESTIMATE_H

#include "runner/fault.h"
#include "runner/plan.h"

// Trains the plan's first cell for about a fifth of a second on one unlimited core of this host, on
// the data in that folder. Returns samples a second, or NAN with the fault set. Nothing of it
// stays.
double estimate_rate(const plan_t *plan, const char *data_folder, fault_t *fault);

// Expected seconds of a cell at that rate: its samples over its cores, and what starting it costs.
double estimate_cell_s(const plan_t *plan, const plan_cell_t *cell, double samples_per_s);

#endif
