/* report.h - one HTML page with everything: what was asked, tables, figures, forecast, timelines,
 * limits, provenance.
 *
 * The file needs no network and no other file: style and pictures are in it. It reads on a phone,
 * on paper and in the dark, and by keyboard and screen reader: tables have captions and scopes,
 * figures their numbers beside them. */
#ifndef PLOTS_REPORT_H
#define PLOTS_REPORT_H

#include "plots/results.h"

// Writes FOLDER/report.html with the SVG figures that stand in FOLDER/figures/ (plots_write made
// them). Pictures that are missing are named in the page; that is no fault.
int report_write(const results_t *results, const char *folder, plots_error_t *error);

#endif
