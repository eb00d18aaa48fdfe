/* engine/worth.h - whether a pool's helpers are worth their processor time (inside the engine
 * only).
 *
 * Two threads do a step in little more than half the time of one, when each has a core. Under a
 * quota of one core or less they share that core and pay for meeting besides, and beside another
 * busy process one waits for the other; then the caller alone is faster. Which it is can't be known
 * beforehand, and results do not depend on it, so it is measured: over windows of WORTH_WINDOW_S,
 * the rate of runs with helpers, and, only if those got less processor time than they could have
 * used, the rate without. The better way is kept, and the other tried again after a while, later
 * each time it loses.
 *
 * The clocks' readings are the caller's, so that a test can make them up. */
#ifndef ENGINE_WORTH_H
#define ENGINE_WORTH_H

#include <stdbool.h>

/* A few periods of any usual quota (10 or 100 ms). */
#define WORTH_WINDOW_S 0.3

typedef enum { WORTH_TOGETHER, WORTH_ALONE } worth_way_t;

typedef struct {
    int threads;
    worth_way_t way; /* as things stand */
    bool is_trial;   /* of this way: the rate of the other is known */
    int stay;        /* windows left before the other way is tried */
    int patience;    /* how many there will be if the trial fails */
    double rates[2]; /* runs a second, of the last window of each way */
    /* The window: what is in from earlier spans, and where this one began. */
    double wall_s, cpu_s, wall_start, cpu_start;
    long runs;
} worth_t;

void worth_init(worth_t *worth, int threads);

/* A span of runs of the same kind begins, or ends; seconds by the wall's clock and of the
 * process's processor time. Between spans nothing is counted. */
void worth_begin(worth_t *worth, double wall, double cpu);
void worth_end(worth_t *worth, double wall, double cpu);

/* Whether the window, at this time, is long enough to be judged. */
bool worth_is_due(const worth_t *worth, double wall);
/* Judges it and begins the next. */
void worth_judge(worth_t *worth, double wall, double cpu);

#endif
