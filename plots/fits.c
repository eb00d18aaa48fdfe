#include "plots/fits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/fit_rounds.h"
#include "plots/fit_speedup.h"
#include "plots/memory.h"

// Which models are tried on what. What may be extrapolated by is in laws.h.
static const char *const MODELS[] = {"amdahl", "saving",      "usl", "ernest",
                                     "linear", "exponential", NULL};
static const char *const OVERHEAD_MODELS[] = {"latency", "communication", "straggler", "linear",
                                              NULL};
static const char *const MODELS_GRID[] = {"work_grid",   "usl_grid",         "ernest_grid",
                                          "linear_grid", "exponential_grid", NULL};
static const char *const OVERHEAD_MODELS_GRID[] = {"latency",       "communication", "straggler",
                                                   "overhead_grid", "linear_grid",   NULL};
static const char *const TREND[] = {"linear", NULL};
// The further axes of all sets, each a column.
typedef struct {
    const char **settings;
    size_t n;
} columns_t;

typedef struct {
    const columns_t *columns;
    const line_t *line; // of one size, or of the first cells where there are both
    const char *quantity;
    const char *sets; // of a fit to several sets; NULL: the line's
    const char *over; // NULL: the line's axis
} subject_t;

static void
add_cell(draft_t *draft, const char *text)
{
    csv_add_text(draft, text);
    draft_add(draft, ",");
}

static void
add_start(draft_t *draft, const subject_t *subject, const char *model, const char *parameter)
{
    const results_set_t *set = subject->line->summary->set;
    const char *along = subject->line->axis == LINE_NODES ? "nodes" : "cores";
    add_cell(draft, subject->sets != NULL ? subject->sets : set->name);
    add_cell(draft, subject->quantity);
    add_cell(draft, subject->over != NULL ? subject->over : along);
    for (size_t i = 0; i < subject->columns->n; i++) {
        size_t axis = 0;
        while (axis < set->n_axes &&
               strcmp(set->axes[axis].setting, subject->columns->settings[i]) != 0)
            axis++;
        add_cell(draft, axis < set->n_axes ? line_cell(subject->line, 0)->values[axis] : "");
    }
    add_cell(draft, model);
    add_cell(draft, parameter);
}

static void
add_value(draft_t *draft, fit_value_t value)
{
    csv_add_number(draft, value.value);
    draft_add(draft, ",");
    csv_add_number(draft, value.low);
    draft_add(draft, ",");
    csv_add_number(draft, value.high);
    draft_add(draft, ",");
}

// The columns that are the same for each parameter of a fit.
static void
add_end(draft_t *draft, const fit_t *fit, bool is_chosen)
{
    char *equation = fit->is_good ? fit_equation(fit) : plots_copy("");
    csv_add_text(draft, equation);
    free(equation);
    draft_add(draft, ",");
    csv_add_number(draft, fit->r_squared);
    draft_add(draft, ",");
    if (isfinite(fit->held_out_error))
        csv_add_number(draft, fit->largest);
    draft_add(draft, ",");
    csv_add_number(draft, fit->held_out_error);
    draft_add(draft, ",%zu,%zu,%s,", fit->n_points, fit->n_sizes, is_chosen ? "yes" : "");
    char *note = plots_format("%s%s", fit->note,
                              is_chosen && fit_is_by_default(fit) ? "; chosen by default" : "");
    csv_add_text(draft, note);
    free(note);
    draft_add(draft, "\n");
}

static void
add_fit(draft_t *draft, const subject_t *subject, const fit_t *fit, bool is_chosen)
{
    if (!fit->is_good) {
        add_start(draft, subject, fit->model->name, "");
        add_value(draft, (fit_value_t){NAN, NAN, NAN});
        add_end(draft, fit, false);
        return;
    }
    for (size_t i = 0; i < fit->model->n_terms; i++) {
        add_start(draft, subject, fit->model->name, fit->model->parameters[i]);
        add_value(draft, fit_parameter(fit, i));
        add_end(draft, fit, is_chosen);
    }
}

// Fits each of the models; that of `best` is the one chosen, NULL where there is no choice.
static void
add_point_fits(draft_t *draft, const subject_t *subject, const fit_point_t *points, size_t n,
               const char *const *models, const fit_t *best)
{
    for (size_t i = 0; models[i] != NULL; i++) {
        fit_t fit = fit_model(model_named(models[i]), points, n);
        add_fit(draft, subject, &fit, best != NULL && best->is_good && fit.model == best->model);
        fit_clear(&fit);
    }
}

static fit_t
fit_line(const line_t *line, quantity_t quantity, const char *const *models)
{
    size_t n;
    fit_point_t *points = line_points(line, quantity, &n);
    fit_t fit = fit_best(models, points, n);
    free(points);
    return fit;
}

static void
add_fits(draft_t *draft, const columns_t *columns, const line_t *line, quantity_t quantity,
         const char *const *models, const char *const *names)
{
    const subject_t subject = {columns, line, .quantity = quantity_name(quantity)};
    const bool is_overhead = quantity == QUANTITY_OVERHEAD;
    size_t n;
    fit_point_t *points = line_points(line, quantity, &n);
    laws_t laws = is_overhead ? laws_of_overhead(line) : laws_of(names, points, n);
    add_point_fits(draft, &subject, points, n, models, &laws.fits[0]);
    if (is_overhead) {
        fit_t rounds = fit_rounds(line);
        add_fit(draft, &subject, &rounds, rounds.is_good && rounds.model == laws.fits[0].model);
        fit_clear(&rounds);
    }
    laws_clear(&laws);
    free(points);
}

// A trend to describe by, not to choose.
static void
add_speedup(draft_t *draft, const columns_t *columns, const line_t *line)
{
    const subject_t subject = {columns, line, .quantity = quantity_name(QUANTITY_SPEEDUP)};
    fit_t fit = fit_speedup(line);
    add_fit(draft, &subject, &fit, false);
    fit_clear(&fit);
}

// ---- what rounds.csv says of communication ----

// The bytes of one update, against the transfers a node adds to a round: the model to it, the
// update from it (Hockney).
static void
add_bandwidth(draft_t *draft, const subject_t *subject, const fit_point_t *points, size_t n,
              double bytes)
{
    fit_t fit = fit_model(model_named("communication"), points, n);
    if (fit.is_good && bytes > 0.0) {
        const fit_value_t transfer = fit_parameter(&fit, 1);
        const fit_value_t bandwidth = {2.0 * bytes / transfer.value, 2.0 * bytes / transfer.high,
                                       2.0 * bytes / transfer.low};
        add_start(draft, subject, "communication", "bandwidth_bytes_per_s");
        add_value(draft, bandwidth);
        add_end(draft, &fit, false);
    }
    fit_clear(&fit);
}

static void
add_round_fits(draft_t *draft, const columns_t *columns, const line_t *nodes)
{
    static const char *const communication[] = {"communication", NULL};
    static const char *const straggling[] = {"straggler", NULL};
    const subject_t subjects[] = {{columns, nodes, .quantity = "round_communication_s"},
                                  {columns, nodes, .quantity = "round_straggling_s"}};
    size_t n;
    double bytes;
    fit_point_t *points = line_round_points(nodes, LINE_COMMUNICATION, &n, &bytes);
    if (n > 0) {
        add_point_fits(draft, &subjects[0], points, n, communication, NULL);
        add_bandwidth(draft, &subjects[0], points, n, bytes);
    }
    free(points);
    points = line_round_points(nodes, LINE_STRAGGLING, &n, &bytes);
    if (n > 0)
        add_point_fits(draft, &subjects[1], points, n, straggling, NULL);
    free(points);
}

static fit_value_t
ask_crossing(const fit_t *work, const fit_t *overhead, void *context)
{
    (void)context;
    if (!work->is_good || !overhead->is_good)
        return (fit_value_t){NAN, NAN, NAN};
    return fit_crossing(work, overhead, 1.0, FITS_NODES_MAX);
}

fits_extrapolation_t
fits_extrapolate(const line_t *nodes)
{
    static const char *const exponential[] = {"exponential", NULL};
    fits_extrapolation_t e = {
        .work = laws_of_work(nodes),
        .overhead = laws_of_overhead(nodes),
        .paper_work = fit_line(nodes, QUANTITY_WORK, exponential),
        .paper_overhead = fit_line(nodes, QUANTITY_OVERHEAD, TREND),
    };
    e.crossing = laws_answer(&e.work, &e.overhead, ask_crossing, NULL);
    e.paper_crossing = ask_crossing(&e.paper_work, &e.paper_overhead, NULL);
    return e;
}

void
fits_extrapolation_clear(fits_extrapolation_t *extrapolation)
{
    laws_clear(&extrapolation->work);
    laws_clear(&extrapolation->overhead);
    fit_clear(&extrapolation->paper_work);
    fit_clear(&extrapolation->paper_overhead);
}

static void
add_crossing(draft_t *draft, const subject_t *subject, const fit_t *work, const fit_t *overhead,
             fit_value_t crossing, const char *whose)
{
    if (isnan(crossing.value))
        return;
    char *models = plots_format("%s and %s", work->model->name, overhead->model->name);
    add_start(draft, subject, models, "overhead_exceeds_work_nodes");
    add_value(draft, crossing);
    draft_add(draft, ",,,,,,,");
    char *note = plots_format("%s%s", whose,
                              isinf(crossing.value) ? "; overhead stays below work up to 1000 nodes"
                              : isinf(crossing.high) ? "; the interval has no upper end"
                                                     : "");
    csv_add_text(draft, note);
    draft_add(draft, "\n");
    free(note);
    free(models);
}

static void
add_nodes(draft_t *draft, const columns_t *columns, const line_t *nodes)
{
    add_fits(draft, columns, nodes, QUANTITY_T, MODELS, LAWS_OF_WORK);
    add_fits(draft, columns, nodes, QUANTITY_WORK, MODELS, LAWS_OF_WORK);
    add_fits(draft, columns, nodes, QUANTITY_OVERHEAD, OVERHEAD_MODELS, LAWS_OF_OVERHEAD);
    add_speedup(draft, columns, nodes);
    add_round_fits(draft, columns, nodes);
    const subject_t inflection = {columns, nodes, .quantity = "inflection"};
    fits_extrapolation_t e = fits_extrapolate(nodes);
    add_crossing(draft, &inflection, &e.work.fits[0], &e.overhead.fits[0], e.crossing,
                 "scaling models");
    add_crossing(draft, &inflection, &e.paper_work, &e.paper_overhead, e.paper_crossing,
                 "the paper's regressions");
    fits_extrapolation_clear(&e);
}

static void
add_cores(draft_t *draft, const columns_t *columns, const line_t *cores)
{
    add_fits(draft, columns, cores, QUANTITY_T, MODELS, LAWS_OF_WORK);
    add_speedup(draft, columns, cores);
}

// ---- nodes and cores at once ----

// Whether points differ in nodes, and in the cores a node has, so that both can be told apart.
static bool
is_grid(const fit_point_t *points, size_t n)
{
    bool has_nodes = false;
    bool has_cores = false;
    for (size_t i = 1; i < n; i++) {
        has_nodes = has_nodes || points[i].nodes != points[0].nodes;
        has_cores = has_cores || fabs(points[i].cores / points[i].nodes -
                                      points[0].cores / points[0].nodes) > 1e-9;
    }
    return has_nodes && has_cores;
}

static void
add_grid(draft_t *draft, const columns_t *columns, const summary_t *const *summaries, size_t n,
         const line_t *line, const char *sets)
{
    static const struct {
        quantity_t quantity;
        const char *const *models, *const *laws;
    } parts[] = {{QUANTITY_T, MODELS_GRID, LAWS_OF_WORK_GRID},
                 {QUANTITY_WORK, MODELS_GRID, LAWS_OF_WORK_GRID},
                 {QUANTITY_OVERHEAD, OVERHEAD_MODELS_GRID, LAWS_OF_OVERHEAD_GRID}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const subject_t subject = {columns, line, quantity_name(parts[i].quantity), sets,
                                   "nodes and cores"};
        size_t n_points;
        fit_point_t *points = laws_grid_points(summaries, n, line, parts[i].quantity, &n_points);
        if (is_grid(points, n_points)) {
            fit_t best = fit_best(parts[i].laws, points, n_points);
            add_point_fits(draft, &subject, points, n_points, parts[i].models, &best);
            fit_clear(&best);
        }
        free(points);
    }
}

// One set, for each combination of the further axes' values.
static void
add_own_grid(draft_t *draft, const columns_t *columns, const summary_t *summary)
{
    line_t line = line_find(&summary, 1, LINE_NODES);
    line_t *family;
    const size_t n = line_family(&line, &family);
    for (size_t i = 0; i < n; i++) {
        add_grid(draft, columns, &summary, 1, &family[i], NULL);
        line_clear(&family[i]);
    }
    free(family);
    line_clear(&line);
}

// Several sets together, such as a sweep of nodes and one of cores.
static void
add_common_grid(draft_t *draft, const columns_t *columns, const summary_t *const *summaries,
                size_t n)
{
    line_t line = line_find(summaries, n, LINE_NODES);
    draft_t sets = {0};
    size_t n_sets = 0;
    for (size_t i = 0; line.n > 0 && i < n; i++) {
        size_t n_points;
        free(laws_grid_points(&summaries[i], 1, &line, QUANTITY_T, &n_points));
        if (n_points > 0)
            draft_add(&sets, "%s%s", n_sets++ > 0 ? " and " : "", summaries[i]->set->name);
    }
    if (n_sets > 1)
        add_grid(draft, columns, summaries, n, &line, sets.text);
    draft_clear(&sets);
    line_clear(&line);
}

// ---- all of it ----

// The longest line along an axis, for each combination of the further axes' values.
static void
add_family(draft_t *draft, const columns_t *columns, const summary_t *summary, line_axis_t axis)
{
    line_t line = line_find(&summary, 1, axis);
    line_t *family;
    const size_t n = line_family(&line, &family);
    for (size_t i = 0; i < n; i++) {
        if (axis == LINE_NODES)
            add_nodes(draft, columns, &family[i]);
        else
            add_cores(draft, columns, &family[i]);
        line_clear(&family[i]);
    }
    free(family);
    line_clear(&line);
}

// The further axes of all sets, each once, in the order they are met.
static columns_t
columns_of(const results_t *results)
{
    columns_t columns = {0};
    for (size_t i = 0; i < results->n_sets; i++) {
        for (size_t j = 0; j < results->sets[i].n_axes; j++) {
            const char *setting = results->sets[i].axes[j].setting;
            size_t k = 0;
            while (k < columns.n && strcmp(columns.settings[k], setting) != 0)
                k++;
            if (k < columns.n)
                continue;
            columns.settings =
                plots_resize(columns.settings, columns.n + 1, sizeof *columns.settings);
            columns.settings[columns.n++] = setting;
        }
    }
    return columns;
}

void
fits_draft(const results_t *results, draft_t *draft)
{
    columns_t columns = columns_of(results);
    draft_add(draft, "set,quantity,over,");
    for (size_t i = 0; i < columns.n; i++)
        add_cell(draft, columns.settings[i]);
    draft_add(draft, "model,parameter,value,low,high,equation,r_squared,held_out_size,"
                     "held_out_error,n_points,n_sizes,chosen,note\n");
    summary_t **summaries = plots_alloc(results->n_sets, sizeof *summaries);
    for (size_t i = 0; i < results->n_sets; i++) {
        summaries[i] = summary_new(&results->sets[i]);
        add_family(draft, &columns, summaries[i], LINE_NODES);
        add_family(draft, &columns, summaries[i], LINE_CORES);
        add_own_grid(draft, &columns, summaries[i]);
    }
    add_common_grid(draft, &columns, (const summary_t *const *)summaries, results->n_sets);
    for (size_t i = 0; i < results->n_sets; i++)
        summary_free(&summaries[i]);
    free(summaries);
    free(columns.settings);
}

int
fits_write(const results_t *results, const char *folder, plots_error_t *error)
{
    draft_t draft = {0};
    fits_draft(results, &draft);
    char *path = plots_format("%s/fits.csv", folder);
    const int result = draft_write(&draft, path, error);
    free(path);
    draft_clear(&draft);
    return result;
}
