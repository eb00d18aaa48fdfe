/* statistics.h - means with intervals, ratios, and the tests that compare them.
 *
 * Intervals are at 95 % and two-sided, from Student's t. Fewer than two values have no interval:
 * its ends are NAN and every table leaves them blank, never zero. */
#ifndef PLOTS_STATISTICS_H
#define PLOTS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t n;    // values it rests on
    double mean; // NAN where nothing is known
    double sd;   // of the values, n − 1 in the divisor; NAN below two values
    double low;  // the 95 % interval of the mean
    double high;
} estimate_t;

// NAN among the values are not counted.
estimate_t statistics_estimate(const double *values, size_t n);
// A value without any spread: published numbers, the base row's speedup.
estimate_t statistics_exact(double value, size_t n);
// Half the interval's width, NAN where there is none. For intervals that are symmetric about the
// mean.
double statistics_margin(estimate_t estimate);
// The quantile of Student's t at probability p.
double statistics_t_quantile(double p, double degrees);
// a/b of independent means: the delta method on the logarithms, degrees of freedom after Welch and
// Satterthwaite. The interval is not symmetric; sd is that of the ratio itself.
estimate_t statistics_ratio(estimate_t a, estimate_t b);

// The same on the scale it is made on: log(a/b), its standard error and degrees of freedom; the
// latter two are NAN where either side has no spread.
typedef struct {
    double value, error, degrees;
} log_ratio_t;
log_ratio_t statistics_log_ratio(estimate_t a, estimate_t b);
// The probability of a ratio at least that far above `bound` (a ratio too, 1 for none) if the true
// one were at it; one-sided. NAN where there is no spread to tell by.
double statistics_p_above(log_ratio_t ratio, double bound);
// The probability of an estimate at least that far outside of `low` to `high` if the true value
// were within; two-sided, so that it is below 0.05 exactly where the 95 % interval lies wholly
// outside. `error` is the estimate's standard error; NAN (no spread) gives NAN.
double statistics_p_outside(double value, double error, double degrees, double low, double high);
// Holm's correction for having asked n questions: replaces each p (NAN are left alone).
void statistics_holm(double *p, size_t n);

typedef struct {
    double difference; // mean(a) − mean(b)
    double low, high;  // its 95 % interval
    double error;      // its standard error
    double degrees;    // of freedom, after Satterthwaite
    double p;          // two-sided; NAN where either side has fewer than two values
} welch_t;

// Welch's test: two means, unequal variances.
welch_t statistics_welch(estimate_t a, estimate_t b);
// Index of the value that Grubbs' test (two-sided, 5 %) calls an outlier, or n. Needs three values.
size_t statistics_outlier(const double *values, size_t n);

#endif
