/* summary.h - the cells of a result set, each with its mean values and their intervals: what tables
 * and figures show.
 *
 * Shares and speedup are those of the means, as in the paper (W% = ΔW/ΔT), so W% + O% = 1 holds in
 * every row. The base of the speedup is, among the cells that differ only in nodes and cores, the
 * one with the fewest nodes and then the fewest cores. */
#ifndef PLOTS_SUMMARY_H
#define PLOTS_SUMMARY_H

#include "plots/draft.h"
#include "plots/results.h"
#include "plots/statistics.h"

typedef struct {
    const char *cell;
    double nodes;
    double cores;
    char *const *values; // [n_axes], borrowed from the set
    size_t n;            // finished repeats
    size_t n_failed;     // repeats whose last attempt failed
    bool is_narrow;      // its repeats ended because the interval of T was narrow enough
    size_t base;         // index of the cell its speedup is against
    estimate_t quantities[N_QUANTITIES];
    estimate_t loss, startup_s, evaluation_s, samples_per_s, cores_granted;
    double cores_asked;
    double target_accuracy; // NAN: none. Its time is that of all finished repeats, or not known:
    size_t n_reached;       // the mean of those that reached it would hide the others
    char *failed;           // those that failed, "2 7"; "" for none
    char *outliers; // repeats that Grubbs' test flags by T, "2 7"; "" for none. They are counted
                    // all the same.
} summary_cell_t;

typedef struct {
    const results_set_t *set; // borrowed: it must outlive the summary
    summary_cell_t *cells;    // in the order of the set's runs; cells without a finished repeat are
                              // kept, with n = 0
    size_t n_cells;
} summary_t;

summary_t *summary_new(const results_set_t *set);
void summary_free(summary_t **summary);

// The reference values that belong to a cell, NAN where there are none; tolerances likewise.
// Shares, overhead and speedup that are not given follow from t_s and work_s where these are.
typedef struct {
    double values[N_QUANTITIES];
    double tolerances[N_QUANTITIES];
    const char *source; // NULL when there is no reference for the cell
} reference_t;
reference_t summary_reference(const summary_t *summary, size_t cell);

// How a measured value stands to its reference: the whole 95 % interval lies within the tolerance,
// or wholly beyond it; or it spans the limit, or there is none (one repeat), and nothing can be
// told.
typedef enum { MATCH_NOT_ASKED, MATCH_WITHIN, MATCH_BEYOND, MATCH_OPEN } match_t;
// With a `tolerance` (a share of the reference's value) in place of one that is NAN. Not asked:
// nothing is expected or measured there, or it is what the others are divided by.
match_t summary_match(const summary_t *summary, size_t cell, const reference_t *reference,
                      quantity_t quantity, double tolerance);

// How likely the runs would miss that far if the true value were within the tolerance; two-sided,
// below 0.05 exactly where the match is MATCH_BEYOND. NAN where that cannot be told, or is not
// asked. For whoever asks several at once (statistics_holm).
double summary_p_beyond(const summary_t *summary, size_t cell, const reference_t *reference,
                        quantity_t quantity, double tolerance);

// The cell for people, as the paper names it: "3:6", with further axes "3:6 batch 32". The caller
// frees it.
char *summary_label(const summary_t *summary, size_t cell);

// Everything, a row a cell, with units in the names.
void summary_csv(const summary_t *const *summaries, size_t n, draft_t *draft);
// The same as an array of objects.
void summary_json(const summary_t *const *summaries, size_t n, draft_t *draft);
// summary.csv in a folder.
int summary_write(const summary_t *const *summaries, size_t n, const char *folder,
                  plots_error_t *error);

#endif
