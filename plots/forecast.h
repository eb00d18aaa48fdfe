/* forecast.h - from measured cells to clusters nobody has: T, W, O and S with bands, and where
 * adding stops to pay.
 *
 * Work and overhead are foretold apart, each by the model that foretells its held-out largest size
 * best, and T = W + O. A band spans every model that does about as well there, since hold-out
 * cannot tell them apart. At the cores a node of the longest line of nodes, models of nodes alone
 * are used; elsewhere models of nodes and cores at once, fitted to all cells.
 *
 * Beside each band of the mean stands the prediction interval of one further run, which strays from
 * it as the repeats of that line did. */
#ifndef PLOTS_FORECAST_H
#define PLOTS_FORECAST_H

#include "plots/fit.h"
#include "plots/grid.h"
#include "plots/results.h"
#include "plots/table.h"

// The largest cluster that is looked at.
enum { FORECAST_NODES_MAX = 1000 };

typedef struct {
    double nodes;
    double cores; // of the whole cluster
    fit_value_t t_s, work_s, overhead_s;
    fit_value_t overhead_share;
    fit_value_t speedup;    // against one node of as many cores
    fit_value_t efficiency; // speedup a node
    // The same with the prediction interval of one further run (prediction.h).
    fit_value_t run_t_s, run_work_s, run_overhead_s, run_overhead_share;
    bool is_measured; // within the nodes that were measured
} forecast_row_t;

typedef struct {
    char *set;     // whose line of nodes it rests on
    char *setting; // what that was measured on
    // Of the set's further axes: their settings ("cluster.emulate.link_mbit"), and the values it is
    // of.
    char **axes, **values;
    size_t n_axes;
    double cores_a_node;
    double largest; // nodes that were measured
    char *work_model, *overhead_model;
    double work_error, overhead_error; // at the held-out largest size; NAN: too few sizes
    forecast_row_t *rows;
    size_t n_rows;
    fit_value_t overhead_exceeds_work; // nodes; INFINITY: not up to FORECAST_NODES_MAX
    fit_value_t least_time;            // nodes with the least T
    fit_value_t half_efficiency;       // the first nodes below an efficiency of a half
    // From the largest measured cluster: what T falls by, in seconds, with one more node, and with
    // one more core in each node (NAN where cells do not tell).
    fit_value_t one_more_node_s, one_more_core_s;
    char *note; // "" or what stands in the way of more
} forecast_t;

// Forecasts to each number of nodes, one forecast for each value of the further axes of the set
// with the longest line of nodes, in the order of its cells; one where it has no such axis.
// `cores_a_node` 0 takes that of the line. A value that cannot be forecast is left out, and why is
// added to `left_out`, a line each. PLOTS_EMPTY: there is nothing to extrapolate from at all; the
// text says what to measure. The caller frees all by forecasts_free.
int forecasts_new(const results_t *results, const double *nodes, size_t n, double cores_a_node,
                  forecast_t ***forecasts, size_t *n_forecasts, draft_t *left_out,
                  plots_error_t *error);
void forecasts_free(forecast_t ***forecasts, size_t n);

// "1:64", "1,2,4:8" as numbers; the caller frees them. 0 when it cannot be understood or has more
// than FORECAST_NODES_MAX.
size_t forecast_parse_nodes(const char *text, double **nodes);

// The rows as a table with the inflection points beneath, the caller frees it.
grid_t *forecast_grid(const forecast_t *forecast);
// All of them, in any format. CSV and JSON have full numbers and the ends of all bands (95 %):
// `_low` and `_high` are those of the mean, `_run_low` and `_run_high` of one further run. CSV has
// a column for each further axis, and JSON is an array where there are several.
void forecasts_draft(forecast_t *const *forecasts, size_t n, table_format_t format, draft_t *draft);

#endif
