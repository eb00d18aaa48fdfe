/* engine/worth.c - whether a pool's helpers are worth their processor time. */
#include "engine/worth.h"

/* Threads that got this share of the processor time they could have used were not in want of it. */
static const double SHARE_PLENTY = 0.8;

enum { PATIENCE_MAX = 32 };

void
worth_init(worth_t *worth, int threads)
{
    *worth = (worth_t){.threads = threads, .patience = 1};
}

void
worth_begin(worth_t *worth, double wall, double cpu)
{
    worth->wall_start = wall;
    worth->cpu_start = cpu;
}

void
worth_end(worth_t *worth, double wall, double cpu)
{
    worth->wall_s += wall - worth->wall_start;
    worth->cpu_s += cpu - worth->cpu_start;
}

bool
worth_is_due(const worth_t *worth, double wall)
{
    return worth->wall_s + (wall - worth->wall_start) >= WORTH_WINDOW_S;
}

static void
try_the_other(worth_t *worth)
{
    worth->way = worth->way == WORTH_ALONE ? WORTH_TOGETHER : WORTH_ALONE;
    worth->is_trial = true;
}

static void
end_trial(worth_t *worth)
{
    worth->is_trial = false;
    if (worth->rates[worth->way] > worth->rates[1 - worth->way]) {
        worth->patience = 1;
    } else {
        worth->way = 1 - worth->way;
        worth->patience = worth->patience < PATIENCE_MAX ? 2 * worth->patience : PATIENCE_MAX;
    }
    worth->stay = worth->patience;
}

void
worth_judge(worth_t *worth, double wall, double cpu)
{
    worth_end(worth, wall, cpu);
    worth->rates[worth->way] = (double)worth->runs / worth->wall_s;
    bool has_plenty = worth->way == WORTH_TOGETHER &&
                      worth->cpu_s >= SHARE_PLENTY * worth->threads * worth->wall_s;
    if (worth->is_trial)
        end_trial(worth);
    else if (has_plenty)
        worth->stay = 0, worth->patience = 1;
    else if (worth->stay > 0)
        worth->stay--;
    else
        try_the_other(worth);
    worth->wall_s = worth->cpu_s = 0;
    worth->runs = 0;
    worth_begin(worth, wall, cpu);
}
