#include "plots/fit_speedup.h"

#include <gsl/gsl_fit.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plots/blocks.h"
#include "plots/memory.h"

enum { N_TERMS = 2 }; // intercept and slope

// The speedups as they were measured, and room for what one draw adds to them.
typedef struct {
    size_t n;
    double *x, *speedups; // [n]
    double *steps;        // [n]
} trend_t;

// The line through the steps: least squares is linear, so the fit to a draw is that of the
// measured speedups plus this. Returns how far the steps lie from it, a sum of squares.
static double
fit_steps(const trend_t *trend, double *terms)
{
    double covariance[3], squares;
    gsl_fit_linear(trend->x, 1, trend->steps, 1, trend->n, &terms[0], &terms[1], &covariance[0],
                   &covariance[1], &covariance[2], &squares);
    return squares;
}

// Draws T of each cell, and the lines that follow. Returns the share of draws whose speedups lie
// as far from a line, by their noise alone, as `squares`.
static double
draw_times(const trend_t *trend, const blocks_t *blocks, gsl_rng *random, double squares,
           fit_t *fit)
{
    double *means = plots_alloc(trend->n, sizeof *means);
    double *times = plots_alloc(trend->n, sizeof *times);
    blocks_means(blocks, means);
    size_t n_as_far = 0;
    for (size_t draw = 0; draw < FIT_DRAWS; draw++) {
        blocks_draw(blocks, random, times);
        for (size_t i = 0; i < trend->n; i++) {
            const double factor = times[0] / means[0] * means[i] / times[i];
            trend->steps[i] = trend->speedups[i] * (factor - 1.0);
        }
        double step[N_TERMS];
        n_as_far += fit_steps(trend, step) >= squares;
        for (size_t k = 0; k < N_TERMS; k++)
            fit->draws[draw * N_TERMS + k] = fit->coefficients[k] + step[k];
    }
    free(times);
    free(means);
    return (double)n_as_far / FIT_DRAWS;
}

// Adds to each draw what the misses of the line, as noise of each speedup, leave uncertain.
static void
draw_misses(const trend_t *trend, gsl_rng *random, fit_t *fit)
{
    for (size_t draw = 0; draw < FIT_DRAWS; draw++) {
        const double sigma = fit->sigma * sqrt(fit->degrees / gsl_ran_chisq(random, fit->degrees));
        for (size_t i = 0; i < trend->n; i++)
            trend->steps[i] = gsl_ran_gaussian(random, sigma);
        double step[N_TERMS];
        (void)fit_steps(trend, step);
        for (size_t k = 0; k < N_TERMS; k++)
            fit->draws[draw * N_TERMS + k] += step[k];
    }
}

static void
draw_lines(const trend_t *trend, const blocks_t *blocks, unsigned long seed, fit_t *fit)
{
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    fit->draws = plots_alloc(FIT_DRAWS * N_TERMS, sizeof *fit->draws);
    fit->n_families = 1;
    const double n_free = (double)trend->n - N_TERMS;
    const double squares = n_free > 0.0 ? fit->sigma * fit->sigma * n_free : 0.0;
    const double p = draw_times(trend, blocks, random, squares, fit);
    fit->degrees = blocks->degrees;
    if (n_free > 0.0 && p < 0.05) {
        fit->is_rejected = true;
        fit->degrees = n_free;
        draw_misses(trend, random, fit);
    }
    snprintf(fit->note, sizeof fit->note,
             "intervals: T drawn for each cell, a line for each draw%s",
             fit->is_rejected ? "; misses the speedups by more than their noise (5 %)" : "");
    gsl_rng_free(random);
}

fit_t
fit_speedup(const line_t *line)
{
    fit_point_t *points = plots_alloc(line->n, sizeof *points);
    trend_t trend = {.n = line->n};
    double *columns = plots_alloc(3 * line->n, sizeof *columns);
    trend.x = columns;
    trend.speedups = columns + line->n;
    trend.steps = columns + 2 * line->n;
    for (size_t i = 0; i < line->n; i++) {
        trend.x[i] = line_x(line, i);
        trend.speedups[i] = line_speedup(line, i).mean;
        points[i] = (fit_point_t){.x = trend.x[i], .y = trend.speedups[i]};
    }
    // The line's own draws would take its misses for all the noise there is.
    fit_t fit = fit_model_undrawn(model_named("linear"), points, line->n);
    blocks_t blocks = blocks_of(line, QUANTITY_T);
    if (fit.is_good && blocks.degrees > 0.0) {
        draw_lines(&trend, &blocks, fit_seed(points, line->n, "speedup"), &fit);
    } else if (fit.is_good) {
        fit.degrees = 0.0;
        snprintf(fit.note, sizeof fit.note,
                 "no two repeats of every cell, and the base is in all speedups: no intervals");
    }
    blocks_clear(&blocks);
    free(columns);
    free(points);
    return fit;
}
