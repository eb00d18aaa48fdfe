// keeper.h — nothing of a run outlives it, kill -9 included.
//
// `dmlx run` forks a keeper before it starts anything. The keeper sits in a session of its own and
// reads a pipe whose only writer is `dmlx run`. A farewell on that pipe, and it ends; the pipe's
// end without one means that `dmlx run` died, and then the keeper ends every process of the run,
// removes its groups and temporary folders, calls the launcher's clean hook, and ends: within 5 s,
// but for what a service has to be asked for over the network, which has a limit of its own.
//
// What belongs to a run is told by its id alone, which everything a run makes carries: processes
// in their environment (DMLX_RUN=<id>), groups and folders in their names (dmlx-<id>-…), containers
// and services in a label. So there is no list that could be out of date, and the keeper, a sweep
// at the next start and a person with a shell all find the same things.
//
// The id says whose it is, <host>-<pid>-<start>: a hash of this boot and pid namespace, and the
// process that owns the run. An id of another host or namespace is never judged dead.
//
//     keeper_sweep(&fault);                       // leftovers of runs that died with their keeper
//     keeper_t *keeper = keeper_start(clean, context, &fault);
//     … keeper_run_id(keeper) … keeper_add_folder(keeper, path) …
//     keeper_end(&keeper);
#ifndef RUNNER_KEEPER_H
#define RUNNER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/fault.h"

enum {
    KEEPER_ID_BYTES = 64,
    KEEPER_LIMIT_MS = 4000 // for all that is on this host
};

#define KEEPER_VARIABLE "DMLX_RUN"

typedef struct keeper keeper_t;

// What else a run leaves: containers, services, remote processes. Called in the keeper with the
// context as it was when the keeper was started; must go by the run's id, print nothing, and
// return within timeout_ms.
typedef void (*keeper_clean_t)(const char *run_id, int timeout_ms, void *context);

// Forks the keeper. `clean` may be NULL; it has clean_ms_max, but no less than is left of
// KEEPER_LIMIT_MS. Call from the main thread before anything is started. NULL: the fault says why.
keeper_t *keeper_start(keeper_clean_t clean, int clean_ms_max, void *context, fault_t *fault);

// The id of this run; valid until keeper_end.
const char *keeper_run_id(const keeper_t *keeper);

// A temporary folder to remove if we die; its last part must begin with "dmlx-". -1: it does not,
// or the keeper is gone.
int keeper_add_folder(keeper_t *keeper, const char *path);

// Becomes readable when the keeper has died, which is no reason to stop: the lifelines still hold.
int keeper_fd(const keeper_t *keeper);

// Says farewell and waits for the keeper's end, a second at most. Removes nothing: whoever ends in
// good order cleans up itself. Accepts NULL, sets NULL.
void keeper_end(keeper_t **keeper);

// Removes what runs of this host have left whose owner is gone: processes, groups, folders in
// $TMPDIR. Returns how many things it removed. Blocks at most KEEPER_LIMIT_MS.
int keeper_sweep(void);

// Ends every process of that run on this host, removes its groups and its folders in $TMPDIR.
// Returns how many things it removed, or -1 when something would not go in time.
int keeper_clean_run(const char *run_id, int timeout_ms);

// The id a run owned by this process has.
void keeper_own_id(char id[KEEPER_ID_BYTES]);

// True when the id is one of this host's and namespace's, and its owner has ended.
bool keeper_is_dead(const char *run_id);

#endif
