// server.h — the coordinator's rounds: joining, averaging, and what becomes of a lost worker.
//
// cmd_serve.c opens and closes a server; here it waits for its workers and takes the model from one
// round to the next. A loss is dealt with as cluster.on_loss says, wherever it comes.
#ifndef RUNNER_SERVER_H
#define RUNNER_SERVER_H

#include <stdbool.h>

#include "engine/average.h"
#include "engine/server_optimizer.h"
#include "runner/role.h"
#include "transport/coordinator.h"

typedef struct server {
    role_t *role;
    keys_t *keys;
    coordinator_t *coordinator;
    char run[48]; // id of this attempt
    dataset_t *data;
    char checksum[DATASET_CHECKSUM_BYTES]; // of our data: every worker's must be the same
    network_t *network;
    average_t *average;
    server_optimizer_t *optimizer;
    float *block;   // (n_block) what a round begins with: the parameters and, where it is averaged,
    size_t n_block; // the velocity behind them
    int nodes, rounds;
    worker_row_t *rows; // (nodes) of the round under way
    int n_rows;
    double first_s;       // when the first broadcast of this attempt began
    double paused_s;      // testing the model behind the round before: nobody's wait nor T
    checkpoint_t state;   // behind the last whole round; its sums run over all rounds
    checkpoint_t resumed; // where an earlier attempt stopped: round 0 when there was none
    float *velocities;    // (nodes, n) being told in the round under way; NULL: they are not
    bool *lacks_velocity; // (nodes) whose worker does not know its own
    int *n_losses;        // (nodes) since the last whole round
    bool is_redone;       // the round under way is to be done again
    result_report_t result;
} server_t;

// Waits until every worker is ready. STATUS_DONE, or the role's exit status: the workers have been
// told to end, and the failure has been reported.
int server_join(server_t *server);

// Does the round, from 1, reports it and the state behind it. Results as above.
int server_round(server_t *server, int round);

#endif
