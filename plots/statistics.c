#include "plots/statistics.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

static const double COVERAGE = 0.95;

estimate_t
statistics_exact(double value, size_t n)
{
    return (estimate_t){.n = n, .mean = value, .sd = NAN, .low = NAN, .high = NAN};
}

double
statistics_t_quantile(double p, double degrees)
{
    return gsl_cdf_tdist_Pinv(p, degrees);
}

// What one standard error is multiplied by to give half a 95 % interval.
static double
t_factor(double degrees)
{
    return statistics_t_quantile(1.0 - (1.0 - COVERAGE) / 2.0, degrees);
}

estimate_t
statistics_estimate(const double *values, size_t n)
{
    estimate_t estimate = statistics_exact(NAN, 0);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            sum += values[i];
            estimate.n++;
        }
    }
    if (estimate.n == 0)
        return estimate;
    estimate.mean = sum / (double)estimate.n;
    if (estimate.n < 2)
        return estimate;
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i]))
            squares += (values[i] - estimate.mean) * (values[i] - estimate.mean);
    }
    const double degrees = (double)estimate.n - 1.0;
    estimate.sd = sqrt(squares / degrees);
    const double margin = t_factor(degrees) * estimate.sd / sqrt((double)estimate.n);
    estimate.low = estimate.mean - margin;
    estimate.high = estimate.mean + margin;
    return estimate;
}

double
statistics_margin(estimate_t estimate)
{
    return (estimate.high - estimate.low) / 2.0;
}

// The squared standard error of a mean.
static double
variance_of_mean(estimate_t estimate)
{
    return estimate.sd * estimate.sd / (double)estimate.n;
}

// Welch and Satterthwaite: degrees of freedom of a sum of two variances of means. Where both are
// zero, the smaller of the two.
static double
degrees_of(double variance_a, size_t n_a, double variance_b, size_t n_b)
{
    const double sum = variance_a + variance_b;
    if (sum <= 0.0)
        return (double)(n_a < n_b ? n_a : n_b) - 1.0;
    return sum * sum /
           (variance_a * variance_a / ((double)n_a - 1.0) +
            variance_b * variance_b / ((double)n_b - 1.0));
}

log_ratio_t
statistics_log_ratio(estimate_t a, estimate_t b)
{
    log_ratio_t ratio = {log(a.mean / b.mean), NAN, NAN};
    if (a.n < 2 || b.n < 2 || isnan(a.sd) || isnan(b.sd) || a.mean <= 0.0 || b.mean <= 0.0)
        return ratio;
    // The variance of log(mean) is, to first order, that of the mean over its square.
    const double variance_a = variance_of_mean(a) / (a.mean * a.mean);
    const double variance_b = variance_of_mean(b) / (b.mean * b.mean);
    ratio.error = sqrt(variance_a + variance_b);
    ratio.degrees = degrees_of(variance_a, a.n, variance_b, b.n);
    return ratio;
}

estimate_t
statistics_ratio(estimate_t a, estimate_t b)
{
    estimate_t ratio = statistics_exact(a.mean / b.mean, a.n < b.n ? a.n : b.n);
    const log_ratio_t logarithm = statistics_log_ratio(a, b);
    if (isnan(logarithm.error))
        return ratio;
    const double margin = t_factor(logarithm.degrees) * logarithm.error;
    ratio.sd = ratio.mean * logarithm.error * sqrt((double)ratio.n);
    ratio.low = ratio.mean * exp(-margin);
    ratio.high = ratio.mean * exp(margin);
    return ratio;
}

// The probability of an estimate at least that far above the true value; one-sided.
static double
p_above(double distance, double error, double degrees)
{
    if (isnan(error))
        return NAN;
    if (error <= 0.0)
        return distance > 0.0 ? 0.0 : 1.0;
    return gsl_cdf_tdist_Q(distance / error, degrees);
}

double
statistics_p_above(log_ratio_t ratio, double bound)
{
    return p_above(ratio.value - log(bound), ratio.error, ratio.degrees);
}

double
statistics_p_outside(double value, double error, double degrees, double low, double high)
{
    const double above = p_above(value - high, error, degrees);
    const double below = p_above(low - value, error, degrees);
    return isnan(above) ? NAN : fmin(1.0, 2.0 * fmin(above, below));
}

// The smallest p is held against all questions, the next against those that are left, and none may
// fall below one before it.
void
statistics_holm(double *p, size_t n)
{
    size_t n_left = 0;
    for (size_t i = 0; i < n; i++)
        n_left += !isnan(p[i]);
    double floor_p = 0.0;
    while (n_left > 0) {
        double smallest = INFINITY;
        for (size_t i = 0; i < n; i++) {
            if (p[i] >= 0.0 && p[i] < smallest)
                smallest = p[i];
        }
        // Settled ones are kept below zero until all are: −1 − p.
        const double raised = fmin(1.0, smallest * (double)n_left);
        floor_p = fmax(floor_p, raised);
        for (size_t i = 0; i < n; i++) {
            if (p[i] == smallest) {
                p[i] = -1.0 - floor_p;
                n_left--;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0.0)
            p[i] = -1.0 - p[i];
    }
}

welch_t
statistics_welch(estimate_t a, estimate_t b)
{
    welch_t welch = {a.mean - b.mean, NAN, NAN, NAN, NAN, NAN};
    if (a.n < 2 || b.n < 2 || isnan(a.sd) || isnan(b.sd))
        return welch;
    const double variance_a = variance_of_mean(a);
    const double variance_b = variance_of_mean(b);
    const double error = sqrt(variance_a + variance_b);
    welch.error = error;
    welch.degrees = degrees_of(variance_a, a.n, variance_b, b.n);
    welch.low = welch.difference - t_factor(welch.degrees) * error;
    welch.high = welch.difference + t_factor(welch.degrees) * error;
    if (error > 0.0)
        welch.p = 2.0 * gsl_cdf_tdist_Q(fabs(welch.difference) / error, welch.degrees);
    else
        welch.p = welch.difference == 0.0 ? 1.0 : 0.0;
    return welch;
}

size_t
statistics_outlier(const double *values, size_t n)
{
    const estimate_t estimate = statistics_estimate(values, n);
    if (estimate.n < 3 || estimate.sd <= 0.0)
        return n;
    size_t furthest = n;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(values[i]) && (furthest == n || fabs(values[i] - estimate.mean) >
                                                         fabs(values[furthest] - estimate.mean)))
            furthest = i;
    }
    // Grubbs, 1969: the largest deviation in standard deviations, against its 5 % point among
    // normal values.
    const double count = (double)estimate.n;
    const double t = statistics_t_quantile(1.0 - 0.05 / (2.0 * count), count - 2.0);
    const double limit = (count - 1.0) / sqrt(count) * sqrt(t * t / (count - 2.0 + t * t));
    const double deviation = fabs(values[furthest] - estimate.mean) / estimate.sd;
    return deviation > limit ? furthest : n;
}
