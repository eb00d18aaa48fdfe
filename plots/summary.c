#include "plots/summary.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

// The finished repeats of one cell, as columns.
typedef struct {
    double *t_s, *work_s, *overhead_s, *work_share, *overhead_share, *accuracy;
    double *loss, *startup_s, *evaluation_s, *samples_per_s, *cores_granted, *time_to;
    int *repeats;
    size_t n;
    double target; // accuracy; NAN: none
    size_t n_reached;
    size_t mean_of; // runs behind all of them
    double *block;
} columns_t;

enum { N_COLUMNS = 12 };

static columns_t
columns_new(const results_run_t *runs, size_t n_runs)
{
    columns_t c = {.block = plots_alloc(N_COLUMNS * n_runs, sizeof(double)),
                   .repeats = plots_alloc(n_runs, sizeof(int)),
                   .target = NAN};
    double **const starts[N_COLUMNS] = {
        &c.t_s,  &c.work_s,    &c.overhead_s,   &c.work_share,    &c.overhead_share, &c.accuracy,
        &c.loss, &c.startup_s, &c.evaluation_s, &c.samples_per_s, &c.cores_granted,  &c.time_to};
    for (size_t i = 0; i < N_COLUMNS; i++)
        *starts[i] = c.block + i * n_runs;
    for (const results_run_t *run = runs; run < runs + n_runs; run++) {
        if (!run->is_done)
            continue;
        c.t_s[c.n] = run->t_s;
        c.work_s[c.n] = run->work_s;
        c.overhead_s[c.n] = run->overhead_s;
        c.work_share[c.n] = run->work_s / run->t_s;
        c.overhead_share[c.n] = run->overhead_s / run->t_s;
        c.accuracy[c.n] = run->accuracy;
        c.loss[c.n] = run->loss;
        c.startup_s[c.n] = run->startup_s;
        c.evaluation_s[c.n] = run->evaluation_s;
        c.samples_per_s[c.n] = run->samples_per_s;
        c.cores_granted[c.n] = run->cores_granted;
        if (run->target_accuracy > 0.0) {
            c.target = run->target_accuracy;
            c.n_reached += isfinite(run->time_to_accuracy_s);
        }
        c.time_to[c.n] = run->time_to_accuracy_s;
        c.repeats[c.n++] = run->repeat;
        c.mean_of += run->mean_of;
    }
    return c;
}

static void
columns_clear(columns_t *columns)
{
    free(columns->block);
    free(columns->repeats);
}

// The interval of per-repeat shares, moved onto the ratio of the means.
static estimate_t
share_of(estimate_t shares, double numerator, double denominator)
{
    const double share = numerator / denominator;
    const double shift = share - shares.mean;
    shares.mean = share;
    shares.low += shift;
    shares.high += shift;
    return shares;
}

static char *
outliers_of(const columns_t *columns)
{
    const size_t outlier = statistics_outlier(columns->t_s, columns->n);
    if (outlier == columns->n)
        return plots_copy("");
    return plots_format("%d", columns->repeats[outlier]);
}

static char *
failed_of(const results_run_t *runs, size_t n_runs)
{
    draft_t list = {0};
    draft_add(&list, "%s", "");
    for (const results_run_t *run = runs; run < runs + n_runs; run++) {
        if (!run->is_done)
            draft_add(&list, "%s%d", list.length > 0 ? " " : "", run->repeat);
    }
    return list.text;
}

static void
fill_cell(summary_cell_t *cell, const columns_t *c)
{
    estimate_t *q = cell->quantities;
    q[QUANTITY_T] = statistics_estimate(c->t_s, c->n);
    q[QUANTITY_WORK] = statistics_estimate(c->work_s, c->n);
    q[QUANTITY_OVERHEAD] = statistics_estimate(c->overhead_s, c->n);
    q[QUANTITY_WORK_SHARE] = share_of(statistics_estimate(c->work_share, c->n),
                                      q[QUANTITY_WORK].mean, q[QUANTITY_T].mean);
    q[QUANTITY_OVERHEAD_SHARE] = share_of(statistics_estimate(c->overhead_share, c->n),
                                          q[QUANTITY_OVERHEAD].mean, q[QUANTITY_T].mean);
    q[QUANTITY_ACCURACY] = statistics_estimate(c->accuracy, c->n);
    q[QUANTITY_TIME_TO] = statistics_exact(NAN, 0);
    if (c->n_reached == c->n && isfinite(c->target))
        q[QUANTITY_TIME_TO] = statistics_estimate(c->time_to, c->n);
    cell->target_accuracy = c->target;
    cell->n_reached = c->n_reached;
    cell->loss = statistics_estimate(c->loss, c->n);
    cell->startup_s = statistics_estimate(c->startup_s, c->n);
    cell->evaluation_s = statistics_estimate(c->evaluation_s, c->n);
    cell->samples_per_s = statistics_estimate(c->samples_per_s, c->n);
    cell->cores_granted = statistics_estimate(c->cores_granted, c->n);
    cell->n = c->mean_of;
    cell->outliers = outliers_of(c);
}

// Whether a goal of repeats stopped the cell, as the run has written down; a row counts while as
// many repeats stand.
static bool
is_stopped(const results_set_t *set, const summary_cell_t *cell)
{
    for (size_t i = 0; i < set->n_stops; i++) {
        if (strcmp(set->stops[i].cell, cell->cell) == 0 &&
            set->stops[i].repeats == (int)cell->quantities[QUANTITY_T].n)
            return true;
    }
    return false;
}

// The same where a run of an older dmlx has not: from the interval, which may be narrow before the
// least repeats are done. The times in runs.csv are rounded, so that it may be a hair wider than
// when it was decided.
static bool
is_narrow(const results_set_t *set, const summary_cell_t *cell)
{
    const estimate_t time = cell->quantities[QUANTITY_T];
    if (set->has_stops)
        return is_stopped(set, cell);
    return set->repeats_ci > 0.0 && (double)time.n < set->repeats_max &&
           statistics_margin(time) <= set->repeats_ci * time.mean * (1.0 + 1e-6);
}

static bool
same_further_axes(const summary_t *summary, size_t a, size_t b)
{
    for (size_t i = 0; i < summary->set->n_axes; i++) {
        if (strcmp(summary->cells[a].values[i], summary->cells[b].values[i]) != 0)
            return false;
    }
    return true;
}

// Cells are in order of nodes and cores, so the first finished one of equal further axes is the
// base.
static void
fill_speedup(summary_t *summary, size_t index)
{
    size_t base = 0;
    while (base < index &&
           (summary->cells[base].n == 0 || !same_further_axes(summary, base, index)))
        base++;
    summary_cell_t *cell = &summary->cells[index];
    cell->base = base;
    estimate_t *speedup = &cell->quantities[QUANTITY_SPEEDUP];
    if (cell->n == 0)
        *speedup = statistics_exact(NAN, 0);
    else if (base == index)
        *speedup = statistics_exact(1.0, cell->n);
    else
        *speedup = statistics_ratio(summary->cells[base].quantities[QUANTITY_T],
                                    cell->quantities[QUANTITY_T]);
}

summary_t *
summary_new(const results_set_t *set)
{
    summary_t *summary = plots_alloc(1, sizeof *summary);
    summary->set = set;
    summary->cells = plots_alloc(set->n_runs, sizeof *summary->cells);
    for (size_t first = 0, end; first < set->n_runs; first = end) {
        end = first + 1;
        while (end < set->n_runs && strcmp(set->runs[end].cell, set->runs[first].cell) == 0)
            end++;
        summary_cell_t *cell = &summary->cells[summary->n_cells++];
        cell->cell = set->runs[first].cell;
        cell->nodes = set->runs[first].nodes;
        cell->cores = set->runs[first].cores;
        cell->values = set->runs[first].values;
        cell->cores_asked = set->runs[first].cores_asked;
        columns_t columns = columns_new(&set->runs[first], end - first);
        fill_cell(cell, &columns);
        cell->is_narrow = is_narrow(set, cell);
        cell->n_failed = end - first - columns.n;
        cell->failed = failed_of(&set->runs[first], end - first);
        columns_clear(&columns);
    }
    for (size_t i = 0; i < summary->n_cells; i++)
        fill_speedup(summary, i);
    return summary;
}

void
summary_free(summary_t **summary)
{
    if (*summary == NULL)
        return;
    for (size_t i = 0; i < (*summary)->n_cells; i++) {
        free((*summary)->cells[i].failed);
        free((*summary)->cells[i].outliers);
    }
    free((*summary)->cells);
    free(*summary);
    *summary = NULL;
}

static bool
belongs(const results_expect_t *expect, const summary_cell_t *cell)
{
    if (*expect->cell != '\0')
        return strcmp(expect->cell, cell->cell) == 0;
    return expect->nodes == cell->nodes && expect->cores == cell->cores;
}

static void
take_if_missing(double *value, double other)
{
    if (isnan(*value))
        *value = other;
}

static reference_t
given_reference(const summary_t *summary, size_t cell)
{
    reference_t reference = {.source = NULL};
    for (size_t i = 0; i < N_QUANTITIES; i++)
        reference.values[i] = reference.tolerances[i] = NAN;
    for (size_t i = 0; i < summary->set->n_expects; i++) {
        const results_expect_t *expect = &summary->set->expects[i];
        if (!belongs(expect, &summary->cells[cell]))
            continue;
        reference.values[expect->quantity] = expect->value;
        reference.tolerances[expect->quantity] = expect->tolerance;
        reference.source = expect->source;
    }
    return reference;
}

reference_t
summary_reference(const summary_t *summary, size_t cell)
{
    reference_t reference = given_reference(summary, cell);
    if (reference.source == NULL)
        return reference;
    double *v = reference.values;
    const size_t base = summary->cells[cell].base;
    take_if_missing(&v[QUANTITY_OVERHEAD], v[QUANTITY_T] - v[QUANTITY_WORK]);
    take_if_missing(&v[QUANTITY_WORK_SHARE], v[QUANTITY_WORK] / v[QUANTITY_T]);
    take_if_missing(&v[QUANTITY_OVERHEAD_SHARE], v[QUANTITY_OVERHEAD] / v[QUANTITY_T]);
    take_if_missing(&v[QUANTITY_SPEEDUP],
                    given_reference(summary, base).values[QUANTITY_T] / v[QUANTITY_T]);
    return reference;
}

// Half the range about the reference's value that meets it. A hair more, so that a value on the
// limit is not beyond it by rounding. NAN: nothing is expected.
static double
width_of(const reference_t *reference, quantity_t quantity, double tolerance)
{
    const double own = reference->tolerances[quantity];
    return (isnan(own) ? tolerance : own) * fabs(reference->values[quantity]) * (1.0 + 1e-9);
}

match_t
summary_match(const summary_t *summary, size_t cell, const reference_t *reference,
              quantity_t quantity, double tolerance)
{
    const estimate_t estimate = summary->cells[cell].quantities[quantity];
    const double value = reference->values[quantity];
    const double width = width_of(reference, quantity, tolerance);
    const bool is_base = quantity == QUANTITY_SPEEDUP && summary->cells[cell].base == cell;
    if (isnan(width) || isnan(estimate.mean) || is_base)
        return MATCH_NOT_ASKED;
    if (isnan(estimate.low))
        return MATCH_OPEN;
    if (estimate.low >= value - width && estimate.high <= value + width)
        return MATCH_WITHIN;
    return estimate.low > value + width || estimate.high < value - width ? MATCH_BEYOND
                                                                         : MATCH_OPEN;
}

double
summary_p_beyond(const summary_t *summary, size_t cell, const reference_t *reference,
                 quantity_t quantity, double tolerance)
{
    const match_t match = summary_match(summary, cell, reference, quantity, tolerance);
    const summary_cell_t *cells = summary->cells;
    const estimate_t estimate = cells[cell].quantities[quantity];
    const double width = width_of(reference, quantity, tolerance);
    const double low = reference->values[quantity] - width;
    const double high = reference->values[quantity] + width;
    if (match == MATCH_NOT_ASKED || isnan(estimate.low))
        return NAN;
    if (quantity != QUANTITY_SPEEDUP)
        return statistics_p_outside(estimate.mean, estimate.sd / sqrt((double)estimate.n),
                                    (double)estimate.n - 1.0, low, high);
    // On the scale its interval is made on, where no ratio is below zero.
    const log_ratio_t ratio = statistics_log_ratio(cells[cells[cell].base].quantities[QUANTITY_T],
                                                   cells[cell].quantities[QUANTITY_T]);
    return statistics_p_outside(ratio.value, ratio.error, ratio.degrees, log(fmax(low, DBL_MIN)),
                                log(high));
}

char *
summary_label(const summary_t *summary, size_t index)
{
    const summary_cell_t *cell = &summary->cells[index];
    draft_t label = {0};
    draft_add(&label, "%.4g:%.4g", cell->nodes, cell->cores);
    for (size_t i = 0; i < summary->set->n_axes; i++)
        draft_add(&label, " %s %s", summary->set->axes[i].name, cell->values[i]);
    return label.text;
}
