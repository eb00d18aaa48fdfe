#include "runner/scheduler.h"

#include <assert.h>
#include <stdlib.h>

#include "runner/memory.h"

typedef enum { WAITING, RUNNING, SETTLED } state_t;

typedef struct entry {
    unsigned char state; // state_t
    int n_passed;        // runs behind it that were started while too few hosts were free for it
} entry_t;

// A run that goes on, and what it is lent.
typedef struct lease {
    long index;
    int *hosts;
    int n_hosts;
} lease_t;

struct scheduler {
    const plan_t *plan;
    entry_t *entries; // (plan->n_cells)
    size_t first;     // all before it are settled
    bool *is_lent;    // (n_hosts)
    int n_hosts, n_free;
    lease_t *leases; // (n_jobs), the first n_running of them
    int n_jobs, n_running;
};

static int
hosts_of(const plan_t *plan, const plan_cell_t *cell)
{
    return (int)cluster_hosts(&plan->experiment.cluster, cell->nodes);
}

scheduler_t *
scheduler_new(const plan_t *plan, int n_jobs, int n_hosts)
{
    scheduler_t *self = memory_new(sizeof *self);
    self->plan = plan;
    self->entries = memory_new(plan->n_cells * sizeof *self->entries);
    self->is_lent = memory_new((size_t)n_hosts + 1);
    self->n_hosts = self->n_free = n_hosts;
    self->leases = memory_new((size_t)n_jobs * sizeof *self->leases);
    self->n_jobs = n_jobs;
    assert(n_jobs > 0);
    for (size_t i = 0; i < plan->n_cells && n_hosts > 0; i++)
        if (hosts_of(plan, &plan->cells[i]) > n_hosts)
            self->entries[i].state = SETTLED;
    return self;
}

void
scheduler_free(scheduler_t **scheduler)
{
    scheduler_t *self = *scheduler;
    if (!self)
        return;
    for (int i = 0; i < self->n_running; i++)
        free(self->leases[i].hosts);
    free(self->leases);
    free(self->is_lent);
    free(self->entries);
    free(self);
    *scheduler = NULL;
}

// Whether earlier repeats of its cell, some of which have not ended, decide about this one.
static bool
is_undecided(const scheduler_t *self, size_t index)
{
    const plan_cell_t *cell = &self->plan->cells[index];
    if (cell->repeat <= self->plan->experiment.matrix.repeats.min)
        return false;
    for (size_t i = self->first; i < index; i++)
        if (self->plan->cells[i].cell_index == cell->cell_index &&
            self->entries[i].state != SETTLED)
            return true;
    return false;
}

static long
start(scheduler_t *self, size_t index, int n_hosts)
{
    lease_t lease = {.index = (long)index,
                     .hosts = memory_new(((size_t)n_hosts + 1) * sizeof(int))};
    for (int host = 0; lease.n_hosts < n_hosts; host++)
        if (!self->is_lent[host]) {
            self->is_lent[host] = true;
            lease.hosts[lease.n_hosts++] = host;
        }
    self->n_free -= n_hosts;
    self->leases[self->n_running++] = lease;
    self->entries[index].state = RUNNING;
    for (size_t i = self->first; i < index; i++)
        self->entries[i].n_passed += self->entries[i].state == WAITING && !is_undecided(self, i);
    return (long)index;
}

long
scheduler_next(scheduler_t *self, scheduler_wants_t *wants, void *context)
{
    const plan_t *plan = self->plan;
    while (self->first < plan->n_cells && self->entries[self->first].state == SETTLED)
        self->first++;
    for (size_t i = self->first; i < plan->n_cells && self->n_running < self->n_jobs; i++) {
        entry_t *entry = &self->entries[i];
        int n_hosts = self->n_hosts > 0 ? hosts_of(plan, &plan->cells[i]) : 0;
        bool fits = n_hosts <= self->n_free, is_last = entry->n_passed >= self->n_jobs;
        if (entry->state != WAITING || (!fits && !is_last) || is_undecided(self, i))
            continue;
        if (!wants(&plan->cells[i], context))
            entry->state = SETTLED;
        else if (fits)
            return start(self, i, n_hosts);
        else
            break;
    }
    return self->n_running > 0 ? SCHEDULER_WAIT : SCHEDULER_DONE;
}

static lease_t *
lease_of(const scheduler_t *self, long index)
{
    for (int i = 0; i < self->n_running; i++)
        if (self->leases[i].index == index)
            return &self->leases[i];
    return NULL;
}

const int *
scheduler_hosts(const scheduler_t *self, long index)
{
    const lease_t *lease = lease_of(self, index);
    assert(lease);
    return lease->hosts;
}

void
scheduler_end(scheduler_t *self, long index)
{
    lease_t *lease = lease_of(self, index);
    assert(lease);
    for (int i = 0; i < lease->n_hosts; i++)
        self->is_lent[lease->hosts[i]] = false;
    self->n_free += lease->n_hosts;
    self->entries[index].state = SETTLED;
    free(lease->hosts);
    *lease = self->leases[--self->n_running];
}

static int
larger_first(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

int
scheduler_hosts_max(const plan_t *plan, int n_jobs)
{
    int *sizes = memory_new(plan->n_cells * sizeof *sizes), sum = 0;
    for (size_t i = 0; i < plan->n_cells; i++)
        sizes[i] = hosts_of(plan, &plan->cells[i]);
    qsort(sizes, plan->n_cells, sizeof *sizes, larger_first);
    for (size_t i = 0; i < plan->n_cells && i < (size_t)n_jobs; i++)
        sum += sizes[i];
    free(sizes);
    return sum;
}

typedef struct span {
    const plan_t *plan;
    size_t n_runs;
} span_t;

static bool
is_in_span(const plan_cell_t *cell, void *context)
{
    const span_t *span = context;
    return (size_t)(cell - span->plan->cells) < span->n_runs;
}

double
scheduler_span_s(const plan_t *plan, size_t n_runs, const double *run_s, int n_jobs, int n_hosts)
{
    span_t span = {plan, n_runs};
    scheduler_t *self = scheduler_new(plan, n_jobs, n_hosts);
    double *end_s = memory_new((n_runs + 1) * sizeof *end_s), now_s = 0;
    for (;;) {
        long index = scheduler_next(self, is_in_span, &span);
        if (index == SCHEDULER_DONE)
            break;
        if (index != SCHEDULER_WAIT) {
            end_s[index] = now_s + run_s[index];
            continue;
        }
        long first = self->leases[0].index;
        for (int i = 1; i < self->n_running; i++)
            first = end_s[self->leases[i].index] < end_s[first] ? self->leases[i].index : first;
        now_s = end_s[first];
        scheduler_end(self, first);
    }
    free(end_s);
    scheduler_free(&self);
    return now_s;
}
