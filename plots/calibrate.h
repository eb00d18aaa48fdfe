/* calibrate.h - a straight line through measured runs, with what is known of its error: what the
 * simulator takes a cost to be, and what the cost might as well be. */
#ifndef PLOTS_CALIBRATE_H
#define PLOTS_CALIBRATE_H

#include <gsl/gsl_rng.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    double intercept, slope; // as taken; a time, so the intercept is not below zero
    bool may_fall;           // whether the slope may be below zero
    // Of least squares, whatever was taken of it: the mean point, which the line goes through, and
    // the slope, with their standard errors.
    double mean_x, mean_y, free_slope;
    double level_error, slope_error;
    double freedom; // degrees of it that the errors rest on; 0: too few runs, no error is known
} calibrate_line_t;

// Each of n > 0 points counts once. Where x has but one value, or the slope is not beyond its error
// twice over, all of it is the intercept: a slope of noise would be multiplied by thousands.
calibrate_line_t calibrate_line(const double *x, const double *y, size_t n, bool may_fall);

// Another line that the same points might have come from, with Student's t about least squares, and
// neither end below zero: so a slope that was not taken, being within its error, is drawn all the
// same. Where no error is known it is the line itself.
calibrate_line_t calibrate_draw(const calibrate_line_t *line, gsl_rng *random);

#endif
