/* results_read.h - one result set from its files; the inside of results.c. */
#ifndef PLOTS_RESULTS_READ_H
#define PLOTS_RESULTS_READ_H

#include "plots/draft.h"
#include "plots/results.h"

// Reads the set in `folder`, which must have a runs.csv. What was found odd is added to `notes`. On
// failure `set` is as results_set_clear leaves it.
int results_set_read(const char *folder, results_set_t *set, draft_t *notes, plots_error_t *error);
void results_set_clear(results_set_t *set);

#endif
