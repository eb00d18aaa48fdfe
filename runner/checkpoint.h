// checkpoint.h — all that a cell needs to go on behind a round, as bytes.
//
// With cluster.checkpoint the coordinator (or the standalone role) tells the state after every
// round on the record channel; `dmlx run` keeps the last one beside the cell's logs, and hands it
// to the next attempt. The order of samples and the dropout masks are functions of seed and
// position, so the parameters, each worker's velocity, the coordinator's own where it has momentum,
// and the number of rounds done are all the state there is; the sums beside them make T, W and the
// rest those of all attempts together.
//
// The bytes are a line "dmlx-checkpoint 1 <xxh128 of what follows>", a line of JSON, and the
// numbers, little-endian: floats of the parameters, then of the velocities in rank order, and the
// coordinator's velocity in doubles.
#ifndef RUNNER_CHECKPOINT_H
#define RUNNER_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "runner/fault.h"

enum { CHECKPOINT_WORKERS_MAX = 10000 };

// What has been spent so far, over all attempts.
typedef struct checkpoint_sums {
    double compute_s, cpu_s, throttled_s, cores_limit;
} checkpoint_sums_t;

typedef struct checkpoint {
    char attempt[48];          // that was at work
    char experiment[65];       // SHA-256 of the cell's text: nothing else may go on from here
    int round, rounds;         // done, of so many
    int parts;                 // attempts that these rounds took, this one included
    double t_s;                // of those rounds
    double train_loss;         // of the last
    double time_to_accuracy_s; // of t_s, when the model had train.target_accuracy; NAN: not yet
    int64_t samples;           // trained on
    int64_t sent_bytes, received_bytes;
    int nodes;
    checkpoint_sums_t *sums; // (nodes)
    size_t n_parameters;
    float *parameters;       // (n_parameters)
    float *velocities;       // (nodes, n_parameters); NULL without momentum
    double *server_velocity; // (n_parameters) of server_optimizer.h; NULL without its momentum
} checkpoint_t;

// The bytes, with `parameters` (n_parameters) in place of its own, which are the network's business
// while it trains. The caller frees them.
void *checkpoint_encode(const checkpoint_t *checkpoint, const float *parameters, size_t *n_bytes);

// Reads them back; whatever the bytes are, a fault is told and nothing is left to free. -1 when
// they are cut short, changed or not finite. Free with checkpoint_free.
int checkpoint_decode(const void *bytes, size_t n_bytes, checkpoint_t *checkpoint, fault_t *fault);

// Accepts a zeroed one.
void checkpoint_free(checkpoint_t *checkpoint);

// SHA-256 of a cell's text, for `experiment`.
void checkpoint_experiment(const char *text, char sha256[65]);

#endif
