/* fits.h - fits.csv: every model that was fitted to the results, with its parameters, their
 * intervals and how well it holds.
 *
 * Columns: set,quantity,over, the further axes by their settings as in summary.csv, then
 * model,parameter,value,low,high,equation,r_squared,held_out_size,held_out_error,n_points,n_sizes,chosen,note.
 * One row a parameter; a model that could not be fitted has one row with the reason in `note`; an
 * inflection point is a row of its own, whose model names the two that cross. Where further axes
 * are swept, each combination of their values has fits of its own. Where cells differ in nodes and
 * in cores a node, models of both at once are fitted to all of them, over "nodes and cores"; those
 * of several sets together, such as a sweep of nodes and one of cores, stand last, under the names
 * of all.
 */
#ifndef PLOTS_FITS_H
#define PLOTS_FITS_H

#include "plots/draft.h"
#include "plots/laws.h"
#include "plots/results.h"

// The largest cluster an inflection point is looked for in.
enum { FITS_NODES_MAX = 1000 };

int fits_write(const results_t *results, const char *folder, plots_error_t *error);
// The same as text.
void fits_draft(const results_t *results, draft_t *draft);

// How work and overhead go on along a line of nodes: each with the laws that foretell its held-out
// largest size best, and in the paper's way (exponential work, linear overhead). The points where
// overhead outgrows work go with them.
typedef struct {
    laws_t work, overhead;
    fit_value_t crossing; // nodes; INFINITY: not up to FITS_NODES_MAX; NAN: cannot be told
    fit_t paper_work, paper_overhead;
    fit_value_t paper_crossing;
} fits_extrapolation_t;
fits_extrapolation_t fits_extrapolate(const line_t *nodes);
void fits_extrapolation_clear(fits_extrapolation_t *extrapolation);

#endif
