#include "plots/calibrate.h"

#include <gsl/gsl_fit.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_statistics.h>
#include <math.h>

// What is taken of the least squares line.
static void
take_line(calibrate_line_t *line, double intercept, const double *x, const double *y, size_t n)
{
    double c00, rest;
    const double slope = line->free_slope;
    if (line->may_fall) {
        if (n < 3 || !(fabs(slope) > 2.0 * line->slope_error) || intercept <= 0.0)
            return;
    } else if (slope < 2.0 * line->slope_error) {
        return;
    }
    line->slope = slope;
    line->intercept = intercept;
    if (intercept < 0.0) {
        line->intercept = 0.0;
        gsl_fit_mul(x, 1, y, 1, n, &line->slope, &c00, &rest);
    }
}

calibrate_line_t
calibrate_line(const double *x, const double *y, size_t n, bool may_fall)
{
    calibrate_line_t line = {.may_fall = may_fall};
    if (n == 0)
        return line;
    line.mean_x = gsl_stats_mean(x, 1, n);
    line.mean_y = line.intercept = gsl_stats_mean(y, 1, n);
    const double count = (double)n;
    if (n > 1 && gsl_stats_variance(x, 1, n) > 0.0) {
        double intercept, c00, c01, c11, rest;
        gsl_fit_linear(x, 1, y, 1, n, &intercept, &line.free_slope, &c00, &c01, &c11, &rest);
        line.freedom = count - 2.0;
        line.slope_error = n > 2 ? sqrt(c11) : 0.0;
        line.level_error = n > 2 ? sqrt(rest / line.freedom / count) : 0.0;
        take_line(&line, intercept, x, y, n);
    } else if (n > 1) {
        line.freedom = count - 1.0;
        line.level_error = gsl_stats_sd(y, 1, n) / sqrt(count);
    }
    return line;
}

calibrate_line_t
calibrate_draw(const calibrate_line_t *line, gsl_rng *random)
{
    calibrate_line_t drawn = *line;
    if (line->freedom < 1.0)
        return drawn;
    const double scale = sqrt(line->freedom / gsl_ran_chisq(random, line->freedom));
    const double level =
        fmax(0.0, line->mean_y + line->level_error * scale * gsl_ran_ugaussian(random));
    drawn.slope = line->free_slope + line->slope_error * scale * gsl_ran_ugaussian(random);
    if (!line->may_fall)
        drawn.slope = fmax(0.0, drawn.slope);
    drawn.intercept = level - drawn.slope * line->mean_x;
    if (drawn.intercept < 0.0) {
        drawn.intercept = 0.0;
        drawn.slope = level / line->mean_x;
    }
    return drawn;
}
