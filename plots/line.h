/* line.h - the cells of a result set along one axis: nodes with the same cores a node, or cores on
 * the same nodes. What figures and fits are made of. */
#ifndef PLOTS_LINE_H
#define PLOTS_LINE_H

#include "plots/fit.h"
#include "plots/summary.h"

typedef enum { LINE_NODES, LINE_CORES } line_axis_t;

typedef struct {
    const summary_t *summary; // borrowed; NULL for an empty line
    line_axis_t axis;
    size_t *cells; // indices into the summary, rising along the axis; finished cells only
    size_t n;
    double fixed; // cores a node along LINE_NODES, nodes along LINE_CORES
} line_t;

// The longest line among the summaries, with the first values of the further axes; at equal length
// the one with more cores a node, or more nodes. It has at least two cells, or is empty (n = 0).
line_t line_find(const summary_t *const *summaries, size_t n, line_axis_t axis);
void line_clear(line_t *line);
// The line and its sisters: of the same result set along the same axis with the same `fixed`, one
// for each combination of the further axes' values that has two cells, in the order of the cells.
// The caller clears each and frees the array.
size_t line_family(const line_t *line, line_t **family);
// The values of the further axes, "link_mbit 10 Mbit/s", "" where there are none. The caller frees
// it.
char *line_label(const line_t *line);

// Where a cell lies along the line: its nodes, or its cores.
double line_x(const line_t *line, size_t index);
const summary_cell_t *line_cell(const line_t *line, size_t index);
// T of the line's first cell over that of another: whatever else the result set holds, a line's
// speedup is against its own beginning.
estimate_t line_speedup(const line_t *line, size_t index);
// One quantity of a run, NAN where a run has none (speedup).
double line_value(const results_run_t *run, quantity_t quantity);
// Every finished repeat as a point. The caller frees them.
fit_point_t *line_points(const line_t *line, quantity_t quantity, size_t *n_points);

// What rounds.csv says of a round, beyond its computing: what the round took after its slowest
// worker was done (LINE_COMMUNICATION), and how much longer the slowest computed than the mean
// worker (LINE_STRAGGLING).
typedef enum { LINE_COMMUNICATION, LINE_STRAGGLING } line_round_t;
// Each finished run of more than one node as a point, the mean of its rounds in seconds. `bytes`
// receives the mean size of an update, NAN where it is not known. The caller frees the points.
fit_point_t *line_round_points(const line_t *line, line_round_t what, size_t *n_points,
                               double *bytes);

#endif
