// left_behind.h — what a run, or the keeper of a killed one, could not remove, written down for
// people and for the next run.
//
// The keeper has no terminal, and a terminal is closed. What would not go within its launcher's
// limit, since the manager of a swarm did not answer, say, is a line "RUN-ID SENTENCE" of the
// results folder's left-behind.txt. The next `dmlx run` with that folder tells the line and tries
// again.
#ifndef RUNNER_LEFT_BEHIND_H
#define RUNNER_LEFT_BEHIND_H

#include "runner/launch.h"

// The most that a launcher's clean() takes, in ms.
int left_behind_limit_ms(const launcher_t *launcher);

// Has the launcher remove all of that run, again and again until it is gone or the time is over.
// Returns 0 when it is gone; else the fault says what is not. Blocks for timeout_ms.
int left_behind_remove(const launcher_t *launcher, const cluster_t *cluster, const char *run_id,
                       int timeout_ms, fault_t *fault);

// Adds a line to the folder's file; the folder is made if it is not there. A sentence that cannot
// be written is lost.
void left_behind_note(const char *folder, const char *run_id, const char *sentence);

// Tells each line of the folder's file and removes what it is about. The file goes when all is
// gone. Blocks for the launcher's limit for each run that left something, but no longer than 20 s:
// somebody waits, and the file stays for the time after.
void left_behind_retry(const char *folder, const launcher_t *launcher, const cluster_t *cluster,
                       launch_say_t *say);

#endif
