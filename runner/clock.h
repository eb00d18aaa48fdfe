// clock.h — time, read in one way.
#ifndef RUNNER_CLOCK_H
#define RUNNER_CLOCK_H

#include <time.h>

// Seconds on a clock that never jumps; only differences mean something.
static inline double
clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// CPU seconds, user and system, of this process and all its threads.
static inline double
clock_cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
