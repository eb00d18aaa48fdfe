/* prediction.h - what one further run would take: prediction intervals, beside the confidence bands
 * of the mean.
 *
 * A band says where the mean of many runs lies. One run strays from it as the measured repeats
 * strayed from the means of their cells: by a share of its time, as the laws take noise to be, one
 * share for all cells of a line. So each draw of a fit is multiplied by a share drawn with
 * Student's t, and the quantiles of what follows are the interval. Work and overhead are drawn
 * together, with the correlation that their residuals have.
 *
 * A pass over the cells (blocks.h) may be slow as a whole; then its residuals are hardly more than
 * one, the degrees of freedom are fewer than residuals (Satterthwaite), and all means are off
 * together by what their passes were. Runs that are means of several say nothing of one. */
#ifndef PLOTS_PREDICTION_H
#define PLOTS_PREDICTION_H

#include "plots/laws.h"

typedef struct {
    double *first, *second; // [FIT_DRAWS] factors of a run to its mean; NULL: not known
} prediction_t;

// How runs of the line stray in two quantities, or in one where both are the same. Not known where
// either has no cell of two runs above a mean of zero. The caller clears it.
prediction_t prediction_of(const line_t *line, quantity_t first, quantity_t second);
void prediction_clear(prediction_t *prediction);

// The same fit, whose draws are of one further run; without draws where the factors are NULL. The
// caller clears it.
fit_t prediction_fit(const fit_t *fit, const double *factors);
// The same of all laws.
laws_t prediction_laws(const laws_t *laws, const double *factors);

#endif
