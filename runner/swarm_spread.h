// swarm_spread.h — an image on every node of a swarm that a run will use, before any cell begins.
//
// A swarm's node pulls an image when the first task that needs it is placed there. In a cell that
// would count as joining, and over a slow link take longer than any limit of that. So ahead of all
// cells one task a node is placed just as a worker's will be, and runs `dmlx --version` from the
// image: when it has ended well, the image is there, runs there, and the data's folder can be
// mounted. The tasks are one stack, which is gone on return, and carries the run's label, so that
// the keeper finds it. `dmlx doctor` asks the nodes in the same way.
#ifndef RUNNER_SWARM_SPREAD_H
#define RUNNER_SWARM_SPREAD_H

#include "runner/container.h"
#include "runner/text.h"

// All borrowed.
typedef struct swarm_spread {
    const container_engine_t *engine; // a manager's; its limit is that of the pull
    const char *run_id;               // keeper_run_id
    const char *image;
    const char *registry;    // where it is pulled from, for messages; "": each node's own
    const char *data_folder; // to be mounted from each node; "": none
    const char *const *nodes;
    int n_nodes;
    double cpu_limit;    // of each task, in cores, as a worker's; 0: none
    long memory_mb;      // likewise
    const char *command; // of dmlx there, as a YAML list has it; NULL: "--version"
    fault_t *faults;     // (n_nodes) zeroed, filled in: why a node does not get it; "" when it does
    char **answers; // (n_nodes) zeroed, filled in: what dmlx printed there, NULL where nothing is
                    // known; the caller frees each. NULL: nobody wants to know
} swarm_spread_t;

// The lines of a service in a stack file, below "deploy:", that limit it; none where both are 0.
void swarm_add_limits(text_t *text, double cpu_limit, long memory_mb);

// Waits until each node has it, or is lost. Blocks at most the engine's limit and some seconds for
// the stack to come and go. 0 when any has it; `fault` is then of the first node that is lost, ""
// when none is. -1: no node has it, a signal came, or the swarm does not answer.
int swarm_spread(const swarm_spread_t *self, fault_t *fault);

#endif
