#include "runner/repeats.h"

#include <math.h>

#include "plots/statistics.h"

repeats_t
repeats_fixed(long n)
{
    return (repeats_t){.min = n, .max = n};
}

// Half the interval that n values of this mean and spread have, as a share of the mean.
static double
half_width(estimate_t estimate, long n)
{
    double t = statistics_t_quantile(0.975, (double)n - 1);
    return t * estimate.sd / sqrt((double)n) / estimate.mean;
}

bool
repeats_are_enough(const repeats_t *repeats, const double *t_s, size_t n)
{
    if ((long)n >= repeats->max)
        return true;
    if ((long)n < repeats->min || repeats->ci <= 0 || n < 2)
        return false;
    return half_width(statistics_estimate(t_s, n), (long)n) <= repeats->ci;
}

bool
repeats_were_stopped(const repeats_t *repeats, const double *t_s, size_t n, double *share)
{
    if (repeats->ci <= 0 || (long)n >= repeats->max || !repeats_are_enough(repeats, t_s, n))
        return false;
    *share = half_width(statistics_estimate(t_s, n), (long)n);
    return true;
}

long
repeats_expected(const repeats_t *repeats, const double *t_s, size_t n)
{
    long expected = (long)n > repeats->min ? (long)n : repeats->min;
    if (n < 2 || repeats->ci <= 0)
        return expected < repeats->max ? expected : repeats->max;
    estimate_t estimate = statistics_estimate(t_s, n);
    while (expected < repeats->max && half_width(estimate, expected) > repeats->ci)
        expected++;
    return expected;
}
