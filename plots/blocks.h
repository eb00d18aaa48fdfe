/* blocks.h - what a line's cells ended with, as a randomised complete block design.
 *
 * Each repeat of an experiment is a pass over all its cells, in an order of its own
 * (matrix.shuffle) and from one seed. What a pass has in common, a machine that was slower that
 * minute or a lucky seed, is the pass's and falls out of every comparison within it:
 *
 *     level(cell, pass) = cell + pass + noise
 *
 * A time's level is its logarithm, since noise of a time is a share of it; an accuracy's is itself.
 * The noise is one for all cells of the line, with (cells − 1)(passes − 1) degrees of freedom,
 * where three repeats of a cell by themselves have two. Only what compares two cells may be made of
 * it: what the cells have in common is in the passes. */
#ifndef PLOTS_BLOCKS_H
#define PLOTS_BLOCKS_H

#include <gsl/gsl_rng.h>

#include "plots/line.h"

typedef struct {
    double
        *levels; // [n_cells], the means over the passes: of log T, T in seconds, or of a quantity
    size_t n_cells;  // those of the line
    size_t n_passes; // repeats that every cell of the line has finished; the others are left out
    double error;    // standard deviation of the level of one run within its cell and pass
    double degrees;  // of freedom behind `error`
} blocks_t;

// n_passes below 2 leaves `error` NAN, and nothing can be told of the cells.
blocks_t blocks_of(const line_t *line, quantity_t quantity);
void blocks_clear(blocks_t *blocks);

// How far a cell lies above another, with its 95 % interval (Student's): in the quantity's unit, of
// T as a logarithm of the ratio.
typedef struct {
    double value, low, high;
    double error; // its standard error, with the degrees of freedom of the blocks
} blocks_difference_t;
blocks_difference_t blocks_difference(const blocks_t *blocks, size_t index, size_t base);

// Of T alone: the cells' times, in seconds, as geometric means over the passes. `times` is
// [n_cells].
void blocks_means(const blocks_t *blocks, double *times);
// Of T alone: draws the cells' times, in seconds, as the runs leave them uncertain: one error for
// all of them, after its chi-squared distribution, then each cell's mean.
void blocks_draw(const blocks_t *blocks, gsl_rng *random, double *times);

#endif
