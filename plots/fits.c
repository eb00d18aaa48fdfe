#include "plots/fits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/memory.h"

// Which models are tried on what.
static const char *const MODELS[] = {"amdahl", "saving",      "usl", "ernest",
                                     "linear", "exponential", NULL};
static const char *const OVERHEAD_MODELS[] = {"latency", "communication", "straggler", "linear",
                                              NULL};
static const char *const TREND[] = {"linear", NULL};
// What may be chosen to extrapolate by: laws that cannot turn negative. The first stands where none
// can be told to be better.
static const char *const WORK_LAWS[] = {"amdahl", "saving", "usl", "ernest", NULL};
static const char *const OVERHEAD_LAWS[] = {"latency", "communication", "straggler", NULL};

typedef struct {
    const char *set;
    const char *quantity;
    const char *over; // "nodes" or "cores"
} subject_t;

static void
add_start(draft_t *draft, const subject_t *subject, const char *model, const char *parameter)
{
    const char *const texts[] = {subject->set, subject->quantity, subject->over, model, parameter};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        csv_add_text(draft, texts[i]);
        draft_add(draft, ",");
    }
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
    csv_add_text(draft, fit->note);
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

static void
add_point_fits(draft_t *draft, const subject_t *subject, const fit_point_t *points, size_t n,
               const char *const *models, const char *const *laws)
{
    fit_t best = fit_best(laws, points, n);
    for (size_t i = 0; models[i] != NULL; i++) {
        fit_t fit = fit_model(model_named(models[i]), points, n);
        const bool is_chosen = fit.is_good && fit.model == best.model && models[1] != NULL;
        add_fit(draft, subject, &fit, is_chosen);
        fit_clear(&fit);
    }
    fit_clear(&best);
}

static void
add_fits(draft_t *draft, const line_t *line, quantity_t quantity, const char *const *models,
         const char *const *laws)
{
    const subject_t subject = {line->summary->set->name, quantity_name(quantity),
                               line->axis == LINE_NODES ? "nodes" : "cores"};
    size_t n;
    fit_point_t *points = line_points(line, quantity, &n);
    add_point_fits(draft, &subject, points, n, models, laws);
    free(points);
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
add_round_fits(draft_t *draft, const line_t *nodes)
{
    static const char *const communication[] = {"communication", NULL};
    static const char *const straggling[] = {"straggler", NULL};
    const char *set = nodes->summary->set->name;
    const subject_t subjects[] = {{set, "round_communication_s", "nodes"},
                                  {set, "round_straggling_s", "nodes"}};
    size_t n;
    double bytes;
    fit_point_t *points = line_round_points(nodes, LINE_COMMUNICATION, &n, &bytes);
    if (n > 0) {
        add_point_fits(draft, &subjects[0], points, n, communication, communication);
        add_bandwidth(draft, &subjects[0], points, n, bytes);
    }
    free(points);
    points = line_round_points(nodes, LINE_STRAGGLING, &n, &bytes);
    if (n > 0)
        add_point_fits(draft, &subjects[1], points, n, straggling, straggling);
    free(points);
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

static fit_value_t
crossing_of(const fit_t *work, const fit_t *overhead)
{
    if (!work->is_good || !overhead->is_good)
        return (fit_value_t){NAN, NAN, NAN};
    return fit_crossing(work, overhead, 1.0, FITS_NODES_MAX);
}

fits_extrapolation_t
fits_extrapolate(const line_t *nodes)
{
    static const char *const exponential[] = {"exponential", NULL};
    fits_extrapolation_t e = {
        .work = fit_line(nodes, QUANTITY_WORK, WORK_LAWS),
        .overhead = fit_line(nodes, QUANTITY_OVERHEAD, OVERHEAD_LAWS),
        .paper_work = fit_line(nodes, QUANTITY_WORK, exponential),
        .paper_overhead = fit_line(nodes, QUANTITY_OVERHEAD, TREND),
    };
    e.crossing = crossing_of(&e.work, &e.overhead);
    e.paper_crossing = crossing_of(&e.paper_work, &e.paper_overhead);
    return e;
}

void
fits_extrapolation_clear(fits_extrapolation_t *extrapolation)
{
    fit_clear(&extrapolation->work);
    fit_clear(&extrapolation->overhead);
    fit_clear(&extrapolation->paper_work);
    fit_clear(&extrapolation->paper_overhead);
}

static void
add_crossing(draft_t *draft, const char *set, const fit_t *work, const fit_t *overhead,
             fit_value_t crossing, const char *whose)
{
    if (isnan(crossing.value))
        return;
    const subject_t subject = {set, "inflection", "nodes"};
    char *models = plots_format("%s and %s", work->model->name, overhead->model->name);
    add_start(draft, &subject, models, "overhead_exceeds_work_nodes");
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
add_set(draft_t *draft, const summary_t *summary)
{
    line_t nodes = line_find(&summary, 1, LINE_NODES);
    if (nodes.n > 0) {
        add_fits(draft, &nodes, QUANTITY_T, MODELS, WORK_LAWS);
        add_fits(draft, &nodes, QUANTITY_WORK, MODELS, WORK_LAWS);
        add_fits(draft, &nodes, QUANTITY_OVERHEAD, OVERHEAD_MODELS, OVERHEAD_LAWS);
        add_fits(draft, &nodes, QUANTITY_SPEEDUP, TREND, TREND);
        add_round_fits(draft, &nodes);
        fits_extrapolation_t e = fits_extrapolate(&nodes);
        const char *name = summary->set->name;
        add_crossing(draft, name, &e.work, &e.overhead, e.crossing, "scaling models");
        add_crossing(draft, name, &e.paper_work, &e.paper_overhead, e.paper_crossing,
                     "the paper's regressions");
        fits_extrapolation_clear(&e);
    }
    line_t cores = line_find(&summary, 1, LINE_CORES);
    if (cores.n > 0) {
        add_fits(draft, &cores, QUANTITY_T, MODELS, WORK_LAWS);
        add_fits(draft, &cores, QUANTITY_SPEEDUP, TREND, TREND);
    }
    line_clear(&nodes);
    line_clear(&cores);
}

void
fits_draft(const results_t *results, draft_t *draft)
{
    draft_add(draft, "set,quantity,over,model,parameter,value,low,high,equation,r_squared,"
                     "held_out_size,held_out_error,n_points,n_sizes,chosen,note\n");
    for (size_t i = 0; i < results->n_sets; i++) {
        summary_t *summary = summary_new(&results->sets[i]);
        add_set(draft, summary);
        summary_free(&summary);
    }
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
