// plan.h — what an experiment runs, in which order: pure, so that the same experiment gives the
// same plan.
//
//     plan_t *plan = plan_new(&experiment, host_cores, diag);       NULL: errors are in diag
//     for (size_t i = 0; i < plan->n_cells; i++) {
//         experiment_t cell;
//         plan_experiment(plan, &plan->cells[i], &cell);
//         …
//         experiment_free(&cell);
//     }
//     plan_free(plan);
//
// A cell is an experiment with a matrix of one: plan_cell_text gives a flat file whose own plan is
// that cell, once. Cells are crossed from the dimensions of the matrix, the last varying fastest,
// rules applied. Each repeat is one pass over all cells. By default each pass has an order of its
// own, drawn from matrix.shuffle_seed, so that a slow drift of the machine does not look like an
// effect of an axis.
#ifndef RUNNER_PLAN_H
#define RUNNER_PLAN_H

#include <stddef.h>

#include "runner/diag.h"
#include "runner/spec.h"

enum {
    PLAN_CELLS_MAX = 100000, // cells times repeats
    PLAN_ID_BYTES = 200      // with the repeat it still is a file name
};

// One run: a cell of the matrix in one of its repeats.
typedef struct plan_cell {
    char id[PLAN_ID_BYTES]; // "n3-c6", further axes appended: "n3-c6-batch32"; the same for all
                            // repeats
    long nodes;             // workers; 1 runs the standalone role
    double cores;           // of the whole cluster; may be fractional
    double cores_per_node;  // cores / nodes
    long threads;           // of a worker: cores_per_node rounded up
    double core_speed;  // share of a real core that an emulated one is; 1 when nothing is emulated
    double link_mbit;   // of the emulated link to each node; 0: none, as with one node
    double cpu_limit;   // of a node, in real cores: cores_per_node * core_speed
    double cores_asked; // real cores' worth over the cluster: cores * core_speed
    int repeat;         // from 1
    long seed;          // train.seed + repeat - 1
    size_t cell_index;  // position of the cell in the matrix as written
    size_t value_index[SPEC_AXES_MAX]; // of each axis of the experiment's matrix
} plan_cell_t;

typedef struct plan {
    experiment_t experiment; // a copy, core_speed resolved
    plan_cell_t *cells;      // in the order of running
    size_t n_cells;          // runs: cells of the matrix times the most repeats of each
    size_t n_matrix_cells;   // different cells
} plan_t;

// The plan on a host (or hosts) with that many real cores; 0 when not known: then nothing is held
// against it and core_speed = "auto" is an error. NULL with errors in `diag` when there is nothing
// to run or the CPU limits cannot be had. `experiment` is copied.
plan_t *plan_new(const experiment_t *experiment, double host_cores, diag_t *diag);
void plan_free(plan_t *plan);

// The runs that are certain. More follow where repeats have a goal (repeats.h), pass by pass, until
// it is reached; they come behind these in the plan.
size_t plan_least_runs(const plan_t *plan);

// Keeps the cells that match "nodes=3,cores=2|4": every condition holds, '|' parts the values.
// Names are those of the matrix's axes. The order of what stays does not change. -1 with an error
// in `diag` when the text is off or nothing is left; the plan is untouched then.
int plan_only(plan_t *plan, const char *text, diag_t *diag);

// The further axes: those that are neither nodes nor cores. Their paths are the columns of
// runs.csv.
size_t plan_n_further(const plan_t *plan);
const char *plan_further_path(const plan_t *plan, size_t i); // "train.batch"
const char *plan_further_value(const plan_t *plan, const plan_cell_t *cell, size_t i); // "32"

// The experiment of one cell and repeat: axis values applied, the seed of the repeat, a matrix of
// one. Free with experiment_free; `plan` must outlive it.
void plan_experiment(const plan_t *plan, const plan_cell_t *cell, experiment_t *experiment);

// It as a flat file: what runs/CELL-rN/ keeps and workers are sent. The caller frees it.
char *plan_cell_text(const plan_t *plan, const plan_cell_t *cell);

#endif
