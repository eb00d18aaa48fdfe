/* blocks.h - the times of a line's cells as a randomised complete block design.
 *
 * Each repeat of an experiment is a pass over all its cells, in an order of its own
 * (matrix.shuffle). What a pass has in common, a machine that was slower that minute, is the pass's
 * and falls out of every comparison within it:
 *
 *     log T(cell, pass) = cell + pass + noise
 *
 * On the logarithm, since noise of a time is a share of it. The noise is one for all cells of the
 * line, with (cells − 1)(passes − 1) degrees of freedom, where three repeats of a cell by
 * themselves have two. Only ratios of two cells' times may be drawn from it: what the cells have in
 * common is in the passes. */
#ifndef PLOTS_BLOCKS_H
#define PLOTS_BLOCKS_H

#include <gsl/gsl_rng.h>

#include "plots/line.h"

typedef struct {
    double *log_times; // [n_cells], the mean of log T over the passes, T in seconds
    size_t n_cells;    // those of the line
    size_t n_passes;   // repeats that every cell of the line has finished; the others are left out
    double error;      // standard deviation of log T of one run within its cell and pass
    double degrees;    // of freedom behind `error`
} blocks_t;

// n_passes below 2 leaves `error` NAN, and none of the times can be drawn.
blocks_t blocks_of(const line_t *line);
void blocks_clear(blocks_t *blocks);
// The cells' times, in seconds: the geometric means over the passes. `times` is [n_cells].
void blocks_means(const blocks_t *blocks, double *times);
// Draws the cells' times, in seconds, as the runs leave them uncertain: one error for all of them,
// after its chi-squared distribution, then each cell's mean.
void blocks_draw(const blocks_t *blocks, gsl_rng *random, double *times);

#endif
