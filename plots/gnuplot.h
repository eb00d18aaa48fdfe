/* gnuplot.h - gnuplot as a process: a script in a folder becomes pictures beside it. */
#ifndef PLOTS_GNUPLOT_H
#define PLOTS_GNUPLOT_H

#include "plots/error.h"

enum { GNUPLOT_TIMEOUT_S = 60 };

// Runs `script` (a name in `folder`) once for each format of the mask (FIGURE_SVG …). Each picture
// is drawn aside, fsynced and renamed, so a script that fails leaves the earlier picture. Blocks at
// most GNUPLOT_TIMEOUT_S. PLOTS_NO_GNUPLOT: there is none in PATH. PLOTS_GNUPLOT: it refused the
// script or took too long; its own words are in the text.
int gnuplot_draw(const char *folder, const char *script, unsigned formats, plots_error_t *error);

#endif
