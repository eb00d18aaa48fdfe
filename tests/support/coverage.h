// tests/support/coverage.h - how often a band of 95 % may miss a known truth before a test says
// that it is none.
#ifndef TESTS_SUPPORT_COVERAGE_H
#define TESTS_SUPPORT_COVERAGE_H

#include <gsl/gsl_cdf.h>
#include <math.h>

// The fewest of n that a coverage of 95 % leaves, but for one time in twenty.
static inline int
least_covered(int n)
{
    unsigned int least = 0;
    while (gsl_cdf_binomial_P(least, 0.95, (unsigned int)n) < 0.05)
        least++;
    return (int)least;
}

// And the most.
static inline int
most_covered(int n)
{
    return 2 * (int)lround(0.95 * n) - least_covered(n) + 1;
}

// Fails the test that calls it, by cmocka, unless n_covered of n is in between.
static inline void
assert_covers(const char *what, int n_covered, int n)
{
    if (n_covered < least_covered(n) || n_covered > most_covered(n))
        fail_msg("%s: %d of %d, not %d to %d", what, n_covered, n, least_covered(n),
                 most_covered(n));
}

#endif
