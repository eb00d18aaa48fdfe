/* fit_speedup.h - the linear trend of the speedups along a line, with a band that knows what they
 * have in common.
 *
 * All speedups of a line are divided from one T, that of its first cell, whose own speedup is 1
 * without an error. Their distances from a straight line therefore say little of how far all of
 * them are off together. So T is drawn for each cell (blocks.h), speedups are made of each draw,
 * and a line is fitted to them: the draws' quantiles are the intervals. If the line misses the
 * speedups by more than such draws would (5 %), the misses are drawn on top: a line that is not
 * straight does not become so by repetition. */
#ifndef PLOTS_FIT_SPEEDUP_H
#define PLOTS_FIT_SPEEDUP_H

#include "plots/fit.h"
#include "plots/line.h"

// Speedup (line_speedup) over line_x, by least squares. Without two repeats that every cell of the
// line has finished there are no draws, and the note says so. The caller clears it.
fit_t fit_speedup(const line_t *line);

#endif
