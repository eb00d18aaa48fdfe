// inputs.h — what the processes of one attempt get on standard input: envelopes, with keys made for
// it alone.
#ifndef RUNNER_INPUTS_H
#define RUNNER_INPUTS_H

#include "runner/spec.h"

typedef struct inputs {
    char *coordinator;
    int n_workers;
    char **workers; // (n_workers)
} inputs_t;

// `attempt` is its id, `text` the cell's experiment, `checkpoint` the state to go on from in
// base64, or NULL. Free with inputs_free, which wipes the keys.
inputs_t inputs_make(const cluster_t *cluster, int n_nodes, const char *attempt, const char *text,
                     const char *checkpoint);
void inputs_free(inputs_t *inputs);

#endif
