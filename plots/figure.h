/* figure.h - the paper's figures and those of any other experiment, drawn by gnuplot.
 *
 * 3 sample pictures; 7 training and work time by nodes; 8 their shares; 9 both extrapolated; 10
 * training time by cores with two regressions; 11 speedup by nodes and by cores; 12 accuracy of all
 * cells; by_SETTING for each further axis. */
#ifndef PLOTS_FIGURE_H
#define PLOTS_FIGURE_H

#include "plots/draft.h"
#include "plots/results.h"

enum {
    FIGURE_SVG = 1,
    FIGURE_PNG = 2,
    FIGURE_PDF = 4,
    FIGURE_ALL = 7,
};

// The formats of a comma-separated list, "svg,png"; 0 when a name in it is unknown.
unsigned figure_formats_parse(const char *list);

// Writes FOLDER/figures/: common.gp, and for each figure the results can bear its .csv, .gp and
// pictures. One line a figure that was left out, with the reason, is added to `notes`.
// PLOTS_NO_GNUPLOT: pictures are missing, all else stands. PLOTS_GNUPLOT: what gnuplot said is in
// the text. `against` may be NULL.
int figures_write(const results_t *results, const results_t *against, const char *folder,
                  unsigned formats, draft_t *notes, plots_error_t *error);

#endif
