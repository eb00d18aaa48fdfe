/* compare.h - two results, cell by cell: ratios with intervals, tests of significance, verdicts.
 *
 * A is what was, B what is. A cell is worse when B's time is above A's, or its accuracy below A's,
 * by more than the tolerance, and by more than chance explains: a one-sided test of the ratio's
 * logarithm (Welch) against the tolerance, at 5 % over all cells together (Holm), so that comparing
 * more cells raises no more false alarms. Where either side has fewer than two repeats there is
 * nothing to test: the ratio is shown, the verdict is left open. But a published mean, which has no
 * spread, is taken as an exact number that the measured side is tested against. */
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
} compare_verdict_t;

const char *compare_verdict_name(compare_verdict_t verdict);

typedef struct {
    estimate_t a, b;
    estimate_t ratio; // b/a with its interval
    double p;         // that it differs from 1 at all; two-sided, after Holm
    compare_verdict_t verdict;
} compare_value_t;

typedef struct {
    char *label; // "3:6", with the set's name where there are several
    compare_value_t t_s;
    compare_value_t accuracy;
} compare_row_t;

typedef struct {
    char *a_name, *b_name;
    double tolerance;
    compare_row_t *rows;
    size_t n_rows;
    size_t n_worse, n_better;  // over both quantities
    size_t n_only_a, n_only_b; // cells without a partner
    bool has_published;        // one side of a row is a published mean
} compare_t;

// Pairs cells by their id, within sets of one name (or whatever their names where each side has one
// set). PLOTS_EMPTY: no cell is finished in both.
int compare_new(const results_t *a, const results_t *b, double tolerance, compare_t **comparison,
                plots_error_t *error);
void compare_free(compare_t **comparison);

grid_t *compare_grid(const compare_t *comparison);
void compare_draft(const compare_t *comparison, table_format_t format, draft_t *draft);

#endif
