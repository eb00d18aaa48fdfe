// repeats.h — how often a cell is run: so many times, or until its mean time is known well enough.
//
//     repeats = 3;
//     repeats = { min = 3; max = 20; ci = 0.05; };
//
// With a goal, a cell is run again until half the 95 % interval of its T (Student's t) is within
// `ci` of the mean. That is decided from what stands when a pass over the matrix comes to the cell,
// so passes stay interleaved, and a matrix that was interrupted goes on as if it had not been.
//
// Stopping at the first interval that is narrow enough takes some that are narrow by luck. A unit
// test measures what that costs: with min = 3 the intervals hold the true mean in 90 to 95 cases of
// a hundred, with min = 5 in 92 to 95.
#ifndef RUNNER_REPEATS_H
#define RUNNER_REPEATS_H

#include <stdbool.h>
#include <stddef.h>

enum { REPEATS_MAX = 10000 };

typedef struct repeats {
    long min, max; // equal where no goal is set
    double ci;     // the goal, a share of the mean; 0: none
} repeats_t;

// That many, no more and no fewer.
repeats_t repeats_fixed(long n);

// Whether a cell with these times of its finished repeats needs no further one.
bool repeats_are_enough(const repeats_t *repeats, const double *t_s, size_t n);

// Whether the goal has stopped such a cell, and not the most repeats there may be. `share`
// receives half the interval of T as a share of the mean then.
bool repeats_were_stopped(const repeats_t *repeats, const double *t_s, size_t n, double *share);

// How many it will come to, as far as these times can tell: at least n and min, at most max. Below
// two times their spread is not known, and min it is.
long repeats_expected(const repeats_t *repeats, const double *t_s, size_t n);

#endif
