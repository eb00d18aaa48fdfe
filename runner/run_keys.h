// run_keys.h — the key rings of one run: made where a run is started, one for each process.
//
// The coordinator's ring knows every worker's public key, a worker's the coordinator's. The names
// are those that workers are started by: worker-0, worker-1, …
#ifndef RUNNER_RUN_KEYS_H
#define RUNNER_RUN_KEYS_H

#include <stdbool.h>

#include "runner/fault.h"
#include "runner/spec.h"
#include "transport/keys.h"

typedef struct run_keys {
    keys_t *coordinator;
    int n_workers;
    keys_t **workers; // (n_workers)
} run_keys_t;

// Fresh pairs for a coordinator and so many workers. Free with run_keys_free.
void run_keys_make(run_keys_t *keys, int n_workers);
// Wipes the secrets. Accepts a zeroed one.
void run_keys_free(run_keys_t *keys);

// Whether the cells of such a cluster need keys: off loopback always, on it when the experiment
// asks for them.
bool run_keys_needed(const cluster_t *cluster);

// A ring from the text that keys_text made of it. NULL: the fault says why.
keys_t *run_keys_parse(const char *text, fault_t *fault);

#endif
