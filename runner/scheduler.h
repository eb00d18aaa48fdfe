// scheduler.h — which run of a plan is started next, and on which hosts: pure.
//
// Runs are started in the order of the plan, at most so many at once, each on hosts that no other
// one has meanwhile: the first that are free. A run for which too few are free waits, and smaller
// ones behind it may pass: each waiting run is passed as often as runs may go on at once, then
// nobody starts until it has. So small cells fill the hosts that a large one leaves, and cannot
// keep it waiting for ever.
//
// A repeat beyond the least ones (repeats.h) is looked at when all earlier ones of its cell have
// ended, since these decide whether it is wanted; it holds up nothing meanwhile. With one run at a
// time all of this is the order of the plan.
//
//     scheduler_t *scheduler = scheduler_new(plan, n_jobs, n_hosts);
//     while ((index = scheduler_next(scheduler, wants, context)) != SCHEDULER_DONE)
//         if (index == SCHEDULER_WAIT)
//             … wait until one has ended, scheduler_end(scheduler, its index) …
//         else
//             … start plan->cells[index] on scheduler_hosts(scheduler, index) …
//     scheduler_free(&scheduler);
#ifndef RUNNER_SCHEDULER_H
#define RUNNER_SCHEDULER_H

#include "runner/plan.h"

enum { SCHEDULER_DONE = -1, SCHEDULER_WAIT = -2 };

typedef struct scheduler scheduler_t;

// Whether the run is still to be done.
typedef bool scheduler_wants_t(const plan_cell_t *cell, void *context);

// n_hosts 0: hosts are not lent (the launcher's cells share one machine). A run that takes more
// hosts than there are is never started. `plan` is borrowed.
scheduler_t *scheduler_new(const plan_t *plan, int n_jobs, int n_hosts);
void scheduler_free(scheduler_t **scheduler);

// The position in the plan of a run to be started now; it runs from here on. SCHEDULER_WAIT: one of
// those that run has to end first. SCHEDULER_DONE: none runs, and none is wanted.
long scheduler_next(scheduler_t *scheduler, scheduler_wants_t *wants, void *context);

// The hosts of a run that goes on, as positions from 0 in the list of hosts: those of its workers
// by rank, then the coordinator's where it has one of its own. Valid until scheduler_end.
const int *scheduler_hosts(const scheduler_t *scheduler, long index);

// The run has ended, however; its hosts are free.
void scheduler_end(scheduler_t *scheduler, long index);

// How many hosts so many runs of the plan take at most at the same time.
int scheduler_hosts_max(const plan_t *plan, int n_jobs);

// How long the first n_runs of the plan take when each takes run_s[i] (n_runs).
double scheduler_span_s(const plan_t *plan, size_t n_runs, const double *run_s, int n_jobs,
                        int n_hosts);

#endif
