#include "plots/line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

// What stays the same along the line.
static double
fixed_of(const summary_cell_t *cell, line_axis_t axis)
{
    return axis == LINE_NODES ? cell->cores / cell->nodes : cell->nodes;
}

static double
moving_of(const summary_cell_t *cell, line_axis_t axis)
{
    return axis == LINE_NODES ? cell->nodes : cell->cores;
}

static bool
same_values(const summary_t *summary, const summary_cell_t *a, const summary_cell_t *b)
{
    return results_same_values(summary->set, a->values, b->values);
}

// The line through one cell: those that differ from it along the axis alone.
static line_t
line_through(const summary_t *summary, size_t index, line_axis_t axis)
{
    const summary_cell_t *start = &summary->cells[index];
    line_t line = {.summary = summary, .axis = axis, .fixed = fixed_of(start, axis)};
    line.cells = plots_alloc(summary->n_cells, sizeof *line.cells);
    for (size_t i = 0; i < summary->n_cells; i++) {
        const summary_cell_t *cell = &summary->cells[i];
        const bool is_on_line = fabs(fixed_of(cell, axis) - line.fixed) < 1e-9 * line.fixed &&
                                same_values(summary, cell, start);
        const bool is_new =
            line.n == 0 || moving_of(cell, axis) > line_x(&line, line.n - 1) * (1.0 + 1e-9);
        if (cell->n > 0 && is_on_line && is_new)
            line.cells[line.n++] = i;
    }
    return line;
}

line_t
line_find(const summary_t *const *summaries, size_t n, line_axis_t axis)
{
    line_t best = {.axis = axis};
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 0; i < summaries[s]->n_cells; i++) {
            if (!same_values(summaries[s], &summaries[s]->cells[i], &summaries[s]->cells[0]))
                continue;
            line_t line = line_through(summaries[s], i, axis);
            const bool is_better =
                line.n >= 2 && (line.n > best.n || (line.n == best.n && line.fixed > best.fixed));
            if (is_better) {
                line_clear(&best);
                best = line;
            } else {
                line_clear(&line);
            }
        }
    }
    return best;
}

void
line_clear(line_t *line)
{
    free(line->cells);
    *line = (line_t){.axis = line->axis};
}

size_t
line_family(const line_t *line, line_t **family)
{
    const summary_t *summary = line->summary;
    size_t n = 0;
    *family = NULL;
    for (size_t i = 0; line->n > 0 && i < summary->n_cells; i++) {
        const summary_cell_t *cell = &summary->cells[i];
        bool is_new = fabs(fixed_of(cell, line->axis) - line->fixed) < 1e-9 * line->fixed;
        for (size_t j = 0; is_new && j < n; j++)
            is_new = !same_values(summary, cell, line_cell(&(*family)[j], 0));
        line_t sister = {.axis = line->axis};
        if (is_new)
            sister = line_through(summary, i, line->axis);
        if (sister.n >= 2) {
            *family = plots_resize(*family, n + 1, sizeof **family);
            (*family)[n++] = sister;
        } else {
            line_clear(&sister);
        }
    }
    return n;
}

char *
line_label(const line_t *line)
{
    return line->n > 0 ? results_values_label(line->summary->set, line_cell(line, 0)->values)
                       : plots_copy("");
}

const summary_cell_t *
line_cell(const line_t *line, size_t index)
{
    return &line->summary->cells[line->cells[index]];
}

double
line_x(const line_t *line, size_t index)
{
    return moving_of(line_cell(line, index), line->axis);
}

estimate_t
line_speedup(const line_t *line, size_t index)
{
    const estimate_t base = line_cell(line, 0)->quantities[QUANTITY_T];
    if (index == 0)
        return statistics_exact(1.0, base.n);
    return statistics_ratio(base, line_cell(line, index)->quantities[QUANTITY_T]);
}

double
line_value(const results_run_t *run, quantity_t quantity)
{
    switch (quantity) {
    case QUANTITY_T:
        return run->t_s;
    case QUANTITY_WORK:
        return run->work_s;
    case QUANTITY_OVERHEAD:
        return run->overhead_s;
    case QUANTITY_WORK_SHARE:
        return run->work_s / run->t_s;
    case QUANTITY_OVERHEAD_SHARE:
        return run->overhead_s / run->t_s;
    case QUANTITY_ACCURACY:
        return run->accuracy;
    case QUANTITY_TIME_TO:
        return run->time_to_accuracy_s;
    default:
        return NAN;
    }
}

fit_point_t *
line_points(const line_t *line, quantity_t quantity, size_t *n_points)
{
    const results_set_t *set = line->summary->set;
    fit_point_t *points = plots_alloc(set->n_runs, sizeof *points);
    *n_points = 0;
    for (size_t i = 0; i < line->n; i++) {
        const char *cell = line_cell(line, i)->cell;
        for (size_t j = 0; j < set->n_runs; j++) {
            const results_run_t *run = &set->runs[j];
            if (run->is_done && strcmp(run->cell, cell) == 0)
                points[(*n_points)++] =
                    (fit_point_t){.x = line_x(line, i), .y = line_value(run, quantity)};
        }
    }
    return points;
}

// One round of one run, as its workers' rows go by.
typedef struct {
    double round_s, slowest_s, sum_s;
    size_t n_workers;
} round_sum_t;

enum { ROUNDS_MAX = 100000 };

// The rounds of a run, by their number.
static size_t
sum_rounds(const results_set_t *set, size_t run, round_sum_t **sums, double *bytes, size_t *n_bytes)
{
    size_t n = 0;
    *sums = NULL;
    for (size_t i = 0; i < set->n_rounds; i++) {
        const results_round_t *r = &set->rounds[i];
        if (r->run != run || r->round < 0 || r->round >= ROUNDS_MAX || !isfinite(r->compute_s))
            continue;
        const size_t index = (size_t)r->round;
        if (index >= n) {
            *sums = plots_resize(*sums, index + 1, sizeof **sums);
            memset(*sums + n, 0, (index + 1 - n) * sizeof **sums);
            n = index + 1;
        }
        round_sum_t *sum = &(*sums)[index];
        sum->round_s = fmax(sum->round_s, r->round_s);
        sum->slowest_s = fmax(sum->slowest_s, r->compute_s);
        sum->sum_s += r->compute_s;
        sum->n_workers++;
        if (isfinite(r->sent_bytes) && r->sent_bytes > 0.0) {
            *bytes += r->sent_bytes;
            (*n_bytes)++;
        }
    }
    return n;
}

// The mean over a run's rounds, NAN when it has none of several workers.
static double
round_mean(const results_set_t *set, size_t run, line_round_t what, double *bytes, size_t *n_bytes)
{
    round_sum_t *sums;
    const size_t n = sum_rounds(set, run, &sums, bytes, n_bytes);
    double total = 0.0;
    size_t n_rounds = 0;
    for (size_t i = 0; i < n; i++) {
        if (sums[i].n_workers < 2)
            continue;
        const double mean_s = sums[i].sum_s / (double)sums[i].n_workers;
        total += what == LINE_COMMUNICATION ? fmax(0.0, sums[i].round_s - sums[i].slowest_s)
                                            : sums[i].slowest_s - mean_s;
        n_rounds++;
    }
    free(sums);
    return n_rounds > 0 ? total / (double)n_rounds : NAN;
}

fit_point_t *
line_round_points(const line_t *line, line_round_t what, size_t *n_points, double *bytes)
{
    const results_set_t *set = line->summary->set;
    fit_point_t *points = plots_alloc(set->n_runs, sizeof *points);
    size_t n_bytes = 0;
    *n_points = 0;
    *bytes = 0.0;
    for (size_t i = 0; i < line->n; i++) {
        const char *cell = line_cell(line, i)->cell;
        for (size_t run = 0; run < set->n_runs; run++) {
            if (!set->runs[run].is_done || strcmp(set->runs[run].cell, cell) != 0)
                continue;
            const double mean = round_mean(set, run, what, bytes, &n_bytes);
            if (isfinite(mean))
                points[(*n_points)++] = (fit_point_t){.x = line_x(line, i), .y = mean};
        }
    }
    *bytes = n_bytes > 0 ? *bytes / (double)n_bytes : NAN;
    return points;
}
