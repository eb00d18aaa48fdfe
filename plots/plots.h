/* plots.h - the front door: from results to everything that can be seen.
 *
 *     results_load → plots_write → results_free
 *
 * writes, into the output folder, summary.csv, fits.csv, tables/ and figures/. Each figure is a
 * script beside its CSV, and `cd figures && gnuplot fig09.gp` alone draws it again. */
#ifndef PLOTS_PLOTS_H
#define PLOTS_PLOTS_H

#include "plots/claims.h"
#include "plots/figure.h"
#include "plots/fits.h"
#include "plots/results.h"
#include "plots/summary.h"
#include "plots/table.h"

typedef struct {
    const char *folder;       // where to write; NULL: the results' root
    unsigned formats;         // FIGURE_SVG | FIGURE_PNG | FIGURE_PDF
    const results_t *against; // drawn behind in grey; NULL: the reference values of expect.csv,
                              // where there are any
} plots_options_t;

// All of it. With several result sets in `results` the files are written once, for all of them
// together, and each set's own folder gets its summary.csv and fits.csv too if it lies under the
// output folder. `notes`, when not NULL, receives a text of one line for each thing that was left
// out or found odd ("figure 3: no samples.csv, skipped"); the caller frees it. PLOTS_NO_GNUPLOT:
// everything but the pictures was written.
int plots_write(const results_t *results, const plots_options_t *options, char **notes,
                plots_error_t *error);

#endif
