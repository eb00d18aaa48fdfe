/* compare.h - two results, cell by cell: ratios with intervals, tests of significance, verdicts.
 *
 * A is what was, B what is. A cell is worse when B's time is above A's, or its accuracy below A's,
 * by more than the tolerance, and by more than chance explains: a one-sided test of the ratio's
 * logarithm (Welch) against the tolerance, at 5 % over all cells together (Holm), so that comparing
 * more cells raises no more false alarms. The ratios' intervals are each one's own, unadjusted.
 * Where either side has fewer than two repeats there is nothing to test: the ratio is shown, the
 * verdict is left open, and says so where the ratio is worse by more than the tolerance. But a
 * published mean, which has no spread, is taken as an exact number that the measured side is tested
 * against.
 *
 * A cell that is finished in A and of which B has failed runs alone is a regression as well; one
 * that B never ran has no partner, and is none. Repeats that failed beside finished ones are named
 * and counted, and change no verdict: the next `dmlx run` repeats them. */
#ifndef PLOTS_COMPARE_H
#define PLOTS_COMPARE_H

#include "plots/grid.h"
#include "plots/results.h"
#include "plots/statistics.h"
#include "plots/table.h"

typedef enum {
    COMPARE_SAME,   // no difference that chance does not explain
    COMPARE_WITHIN, // a difference, within the tolerance
    COMPARE_BETTER,
    COMPARE_WORSE,    // a regression
    COMPARE_UNTESTED, // too few repeats
    COMPARE_BEYOND,   // too few repeats, and worse by more than the tolerance
    COMPARE_FAILED,   // a regression: finished in A, and all runs of B failed
} compare_verdict_t;

const char *compare_verdict_name(compare_verdict_t verdict);

typedef struct {
    estimate_t a, b;
    estimate_t ratio; // b/a with its interval
    double p_holm;    // that it differs from 1 at all; two-sided, after Holm
    compare_verdict_t verdict;
} compare_value_t;

// Repeats of a cell that failed: they are in no mean.
typedef struct {
    size_t n;
    char *repeats; // "2 7", "" for none
} compare_failed_t;

typedef struct {
    char *label; // "3:6", with the set's name where there are several
    compare_failed_t a_failed, b_failed;
    compare_value_t t_s;
    compare_value_t accuracy;
    bool is_published; // on both sides: no number of repeats makes a test of it
} compare_row_t;

typedef struct {
    char *a_name, *b_name;
    double tolerance;
    compare_row_t *rows;
    size_t n_rows;
    size_t n_worse, n_better;  // over both quantities, as are the next two
    size_t n_untested;         // ratios that could not be tested, those beyond among them
    size_t n_beyond;           // the tolerance, but untested
    size_t n_failed;           // rows whose cell failed in B
    size_t n_only_a, n_only_b; // cells without a partner
    bool has_published;        // one side of a row is a published mean
} compare_t;

// Pairs cells by their id, within sets of one name (or whatever their names where each side has one
// set). PLOTS_EMPTY: no cell of A has a partner.
int compare_new(const results_t *a, const results_t *b, double tolerance, compare_t **comparison,
                plots_error_t *error);
void compare_free(compare_t **comparison);

grid_t *compare_grid(const compare_t *comparison);
void compare_draft(const compare_t *comparison, table_format_t format, draft_t *draft);

#endif
