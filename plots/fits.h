/* fits.h - fits.csv: every model that was fitted to the results, with its parameters, their
 * intervals and how well it holds.
 *
 * Columns:
 * set,quantity,over,model,equation,parameter,value,low,high,r_squared,held_out_size,held_out_error,n_points,note.
 * One row a parameter; where a model could not be fitted, one row with the reason in `note`. */
#ifndef PLOTS_FITS_H
#define PLOTS_FITS_H

#include "plots/results.h"

int fits_write(const results_t *results, const char *folder, plots_error_t *error);

#endif
