#include "plots/forecast.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/laws.h"
#include "plots/line.h"
#include "plots/memory.h"
#include "plots/prediction.h"

// The numbers of nodes an inflection point is looked for at, and the terms of both models there,
// which are the same for all draws.
enum { LOOKS_MAX = 128 };
typedef struct {
    double nodes[LOOKS_MAX];
    double work_terms[LOOKS_MAX][MODEL_TERMS_MAX];
    double overhead_terms[LOOKS_MAX][MODEL_TERMS_MAX];
    size_t n;
} looks_t;

// What a forecast is asked for, at one place, or over all of `looks`.
typedef struct {
    const model_t *work, *overhead;
    model_place_t at;
    model_place_t other; // to compare with: one node, or one node or core more
    double cores_a_node;
    looks_t *looks; // NULL where it is of one place; made anew for each pair of models
} ask_t;

static double
work_of(const ask_t *ask, const double *w, const model_place_t *at)
{
    return model_value_at(ask->work, w, at);
}

static double
overhead_of(const ask_t *ask, const double *o, const model_place_t *at)
{
    return at->nodes > 1.0 ? fmax(0.0, model_value_at(ask->overhead, o, at)) : 0.0;
}

static double
time_of(const ask_t *ask, const double *w, const double *o, const model_place_t *at)
{
    return work_of(ask, w, at) + overhead_of(ask, o, at);
}

static double
ask_time(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    return time_of(ask, w, o, &ask->at);
}

static double
ask_work(const double *w, const double *o, const void *context)
{
    (void)o;
    const ask_t *ask = context;
    return work_of(ask, w, &ask->at);
}

static double
ask_overhead(const double *w, const double *o, const void *context)
{
    (void)w;
    const ask_t *ask = context;
    return overhead_of(ask, o, &ask->at);
}

static double
ask_share(const double *w, const double *o, const void *context)
{
    return ask_overhead(w, o, context) / ask_time(w, o, context);
}

static double
ask_speedup(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    return time_of(ask, w, o, &ask->other) / time_of(ask, w, o, &ask->at);
}

static double
ask_efficiency(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    return ask_speedup(w, o, context) / ask->at.nodes;
}

static double
ask_gain(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    return time_of(ask, w, o, &ask->at) - time_of(ask, w, o, &ask->other);
}

static model_place_t
place(double nodes, double cores_a_node)
{
    return (model_place_t){nodes, nodes, nodes * cores_a_node};
}

// The next number of nodes to look at: every one at first, then steps of a twentieth, which is
// finer than any interval.
static double
next_nodes(double nodes)
{
    return nodes + fmax(1.0, floor(nodes / 20.0));
}

static void
make_looks(const ask_t *ask)
{
    looks_t *looks = ask->looks;
    looks->n = 0;
    for (double n = 1.0; n <= FORECAST_NODES_MAX; n = next_nodes(n)) {
        assert(looks->n < LOOKS_MAX);
        const model_place_t at = place(n, ask->cores_a_node);
        looks->nodes[looks->n] = n;
        ask->work->basis(&at, looks->work_terms[looks->n]);
        ask->overhead->basis(&at, looks->overhead_terms[looks->n++]);
    }
}

static double
work_seen(const ask_t *ask, const double *w, size_t look)
{
    return model_value_of(ask->work, w, ask->looks->work_terms[look]);
}

// The first look is at one node, which has none.
static double
overhead_seen(const ask_t *ask, const double *o, size_t look)
{
    const double seen = model_value_of(ask->overhead, o, ask->looks->overhead_terms[look]);
    return look > 0 && seen > 0.0 ? seen : 0.0;
}

static double
time_seen(const ask_t *ask, const double *w, const double *o, size_t look)
{
    return work_seen(ask, w, look) + overhead_seen(ask, o, look);
}

// The first of the looked-at nodes where overhead is above work, INFINITY when there is none.
static double
ask_crossing(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    for (size_t i = 1; i < ask->looks->n; i++) {
        if (overhead_seen(ask, o, i) > work_seen(ask, w, i))
            return ask->looks->nodes[i];
    }
    return INFINITY;
}

static double
ask_half(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    const double alone = time_seen(ask, w, o, 0);
    for (size_t i = 1; i < ask->looks->n; i++) {
        if (alone < 0.5 * ask->looks->nodes[i] * time_seen(ask, w, o, i))
            return ask->looks->nodes[i];
    }
    return INFINITY;
}

static double
ask_least(const double *w, const double *o, const void *context)
{
    const ask_t *ask = context;
    double least = INFINITY;
    size_t best = 0;
    for (size_t i = 0; i < ask->looks->n; i++) {
        const double time = time_seen(ask, w, o, i);
        if (time < least) {
            least = time;
            best = i;
        }
    }
    // Still falling at the end of what is looked at.
    return best + 1 == ask->looks->n ? INFINITY : ask->looks->nodes[best];
}

// What a pair of laws is asked.
typedef struct {
    fit_function_t *function;
    ask_t ask;
} pair_t;

static fit_value_t
ask_pair(const fit_t *work, const fit_t *overhead, void *context)
{
    pair_t *pair = context;
    pair->ask.work = work->model;
    pair->ask.overhead = overhead->model;
    if (pair->ask.looks != NULL)
        make_looks(&pair->ask);
    return fit_interval(work, overhead, pair->function, &pair->ask);
}

static fit_value_t
answer(const laws_t *work, const laws_t *overhead, fit_function_t *function, ask_t ask)
{
    return laws_answer(work, overhead, ask_pair, &(pair_t){function, ask});
}

// The laws of work and of overhead; with draws of their means, and with those of one further run.
typedef struct {
    laws_t work, overhead, run_work, run_overhead;
} basis_t;

static forecast_row_t
row_of(const basis_t *basis, double nodes, double cores_a_node)
{
    const laws_t *work = &basis->work;
    const laws_t *overhead = &basis->overhead;
    const ask_t ask = {.at = place(nodes, cores_a_node),
                       .other = place(1.0, cores_a_node),
                       .cores_a_node = cores_a_node};
    return (forecast_row_t){
        .nodes = nodes,
        .cores = nodes * cores_a_node,
        .t_s = answer(work, overhead, ask_time, ask),
        .work_s = answer(work, overhead, ask_work, ask),
        .overhead_s = answer(work, overhead, ask_overhead, ask),
        .overhead_share = answer(work, overhead, ask_share, ask),
        .speedup = answer(work, overhead, ask_speedup, ask),
        .efficiency = answer(work, overhead, ask_efficiency, ask),
        .run_t_s = answer(&basis->run_work, &basis->run_overhead, ask_time, ask),
        .run_work_s = answer(&basis->run_work, &basis->run_overhead, ask_work, ask),
        .run_overhead_s = answer(&basis->run_work, &basis->run_overhead, ask_overhead, ask),
        .run_overhead_share = answer(&basis->run_work, &basis->run_overhead, ask_share, ask),
    };
}

static laws_t
grid_laws(const summary_t *const *summaries, size_t n, const line_t *line, quantity_t quantity,
          const char *const *names)
{
    size_t n_points;
    fit_point_t *points = laws_grid_points(summaries, n, line, quantity, &n_points);
    laws_t laws = laws_of(names, points, n_points);
    free(points);
    return laws;
}

static void
fill_inflections(forecast_t *forecast, const laws_t *work, const laws_t *overhead)
{
    const double c = forecast->cores_a_node;
    looks_t looks;
    const ask_t ask = {.cores_a_node = c, .looks = &looks};
    forecast->overhead_exceeds_work = answer(work, overhead, ask_crossing, ask);
    forecast->least_time = answer(work, overhead, ask_least, ask);
    forecast->half_efficiency = answer(work, overhead, ask_half, ask);
    const ask_t more = {.at = place(forecast->largest, c),
                        .other = place(forecast->largest + 1.0, c),
                        .cores_a_node = c};
    forecast->one_more_node_s = answer(work, overhead, ask_gain, more);
}

static void
fill_one_more_core(forecast_t *forecast, const laws_t *work, const laws_t *overhead)
{
    if (!work->fits[0].is_good || !overhead->fits[0].is_good)
        return;
    const double c = forecast->cores_a_node;
    const double n = forecast->largest;
    const ask_t ask = {.at = place(n, c), .other = place(n, c + 1.0), .cores_a_node = c};
    forecast->one_more_core_s = answer(work, overhead, ask_gain, ask);
}

static int
fill(forecast_t *forecast, const basis_t *basis, const double *nodes, size_t n,
     plots_error_t *error)
{
    const fit_t *w = &basis->work.fits[0];
    const fit_t *o = &basis->overhead.fits[0];
    if (!w->is_good || !o->is_good)
        return plots_fail(error, PLOTS_EMPTY,
                          "cannot forecast from '%s': %s: %s; measure more numbers of nodes%s",
                          forecast->set, w->is_good ? "overhead" : "work",
                          w->is_good ? o->note : w->note, w->is_good ? " above one" : "");
    forecast->work_model = plots_copy(w->model->name);
    forecast->overhead_model = plots_copy(o->model->name);
    forecast->work_error = w->held_out_error;
    forecast->overhead_error = o->held_out_error;
    forecast->rows = plots_alloc(n, sizeof *forecast->rows);
    for (size_t i = 0; i < n; i++) {
        forecast->rows[i] = row_of(basis, nodes[i], forecast->cores_a_node);
        forecast->rows[i].is_measured = nodes[i] <= forecast->largest;
    }
    forecast->n_rows = n;
    fill_inflections(forecast, &basis->work, &basis->overhead);
    const bool has_bands = w->draws != NULL && o->draws != NULL;
    const bool has_runs =
        basis->run_work.fits[0].draws != NULL && basis->run_overhead.fits[0].draws != NULL;
    forecast->note =
        plots_copy(!has_bands  ? "as many sizes as parameters: no bands; measure more"
                   : !has_runs ? "too few repeats to tell how one run strays; measure more"
                               : "");
    return PLOTS_OK;
}

// From the laws that are forecast by; with the spread of the line's runs, whichever they are.
static int
fill_by(forecast_t *forecast, const line_t *line, const laws_t *work, const laws_t *overhead,
        const double *nodes, size_t n, plots_error_t *error)
{
    prediction_t prediction = prediction_of(line, QUANTITY_WORK, QUANTITY_OVERHEAD);
    basis_t basis = {.work = *work,
                     .overhead = *overhead,
                     .run_work = prediction_laws(work, prediction.first),
                     .run_overhead = prediction_laws(overhead, prediction.second)};
    const int result = fill(forecast, &basis, nodes, n, error);
    laws_clear(&basis.run_work);
    laws_clear(&basis.run_overhead);
    prediction_clear(&prediction);
    return result;
}

// What the set was measured on, and which values of its further axes the line of nodes has.
static char *
setting_of(const results_set_t *set, const line_t *line)
{
    char *setting = results_setting(&set, 1);
    char *label = line_label(line);
    draft_t text = {0};
    draft_add(&text, *label != '\0' ? "%s; %s alone" : "%s", setting, label);
    free(label);
    free(setting);
    return text.text;
}

static int
forecast_line(const line_t *line, const summary_t *const *summaries, size_t n_summaries,
              const double *nodes, size_t n, double cores_a_node, forecast_t *forecast,
              plots_error_t *error)
{
    const bool is_on_line = cores_a_node <= 0.0 || fabs(cores_a_node - line->fixed) < 1e-9;
    const results_set_t *set = line->summary->set;
    forecast->set = plots_copy(set->name);
    forecast->setting = setting_of(set, line);
    forecast->n_axes = set->n_axes;
    forecast->axes = plots_alloc(set->n_axes, sizeof(char *));
    forecast->values = plots_alloc(set->n_axes, sizeof(char *));
    for (size_t i = 0; i < set->n_axes; i++) {
        forecast->axes[i] = plots_copy(set->axes[i].setting);
        forecast->values[i] = plots_copy(line_cell(line, 0)->values[i]);
    }
    forecast->cores_a_node = is_on_line ? line->fixed : cores_a_node;
    forecast->largest = line_x(line, line->n - 1);
    const fit_value_t unknown = {NAN, NAN, NAN};
    forecast->one_more_core_s = unknown;
    laws_t work = laws_of_work(line);
    laws_t overhead = laws_of_overhead(line);
    laws_t work_grid = grid_laws(summaries, n_summaries, line, QUANTITY_WORK, LAWS_OF_WORK_GRID);
    laws_t overhead_grid =
        grid_laws(summaries, n_summaries, line, QUANTITY_OVERHEAD, LAWS_OF_OVERHEAD_GRID);
    const int result = fill_by(forecast, line, is_on_line ? &work : &work_grid,
                               is_on_line ? &overhead : &overhead_grid, nodes, n, error);
    if (result == PLOTS_OK)
        fill_one_more_core(forecast, &work_grid, &overhead_grid);
    laws_clear(&work);
    laws_clear(&overhead);
    laws_clear(&work_grid);
    laws_clear(&overhead_grid);
    return result;
}

static void
forecast_free(forecast_t **forecast)
{
    if (*forecast == NULL)
        return;
    free((*forecast)->set);
    free((*forecast)->setting);
    for (size_t i = 0; i < (*forecast)->n_axes; i++) {
        free((*forecast)->axes[i]);
        free((*forecast)->values[i]);
    }
    free((*forecast)->axes);
    free((*forecast)->values);
    free((*forecast)->work_model);
    free((*forecast)->overhead_model);
    free((*forecast)->rows);
    free((*forecast)->note);
    free(*forecast);
    *forecast = NULL;
}

// The summaries of all sets, and the line a forecast rests on with its sisters.
typedef struct {
    summary_t **summaries;
    size_t n_summaries;
    line_t *lines; // that of the first values comes first
    size_t n;
} ground_t;

static ground_t
ground_of(const results_t *results)
{
    ground_t ground = {.n_summaries = results->n_sets};
    ground.summaries = plots_alloc(results->n_sets, sizeof(summary_t *));
    for (size_t i = 0; i < results->n_sets; i++)
        ground.summaries[i] = summary_new(&results->sets[i]);
    line_t line =
        line_find((const summary_t *const *)ground.summaries, results->n_sets, LINE_NODES);
    ground.n = line_family(&line, &ground.lines);
    line_clear(&line);
    return ground;
}

static void
ground_clear(ground_t *ground)
{
    for (size_t i = 0; i < ground->n; i++)
        line_clear(&ground->lines[i]);
    free(ground->lines);
    for (size_t i = 0; i < ground->n_summaries; i++)
        summary_free(&ground->summaries[i]);
    free(ground->summaries);
}

static int
forecast_one(const ground_t *ground, size_t index, const double *nodes, size_t n,
             double cores_a_node, forecast_t **forecast, plots_error_t *error)
{
    forecast_t *made = plots_alloc(1, sizeof *made);
    const int result =
        forecast_line(&ground->lines[index], (const summary_t *const *)ground->summaries,
                      ground->n_summaries, nodes, n, cores_a_node, made, error);
    if (result == PLOTS_OK)
        *forecast = made;
    else
        forecast_free(&made);
    return result;
}

int
forecasts_new(const results_t *results, const double *nodes, size_t n, double cores_a_node,
              forecast_t ***forecasts, size_t *n_forecasts, draft_t *left_out, plots_error_t *error)
{
    ground_t ground = ground_of(results);
    forecast_t **made = plots_alloc(ground.n, sizeof(forecast_t *));
    size_t n_made = 0;
    int result = plots_fail(error, PLOTS_EMPTY,
                            "nothing to forecast from in '%s': it needs finished cells with "
                            "different numbers of nodes and as many cores a node",
                            results->root);
    for (size_t i = 0; i < ground.n; i++) {
        plots_error_t fault = {""};
        const int one = forecast_one(&ground, i, nodes, n, cores_a_node, &made[n_made], &fault);
        if (one == PLOTS_OK) {
            n_made++;
            continue;
        }
        char *label = line_label(&ground.lines[i]);
        draft_add(left_out, "%s: %s\n", label, fault.text);
        free(label);
        result = plots_fail(error, one, "%s", fault.text);
    }
    ground_clear(&ground);
    if (n_made == 0) {
        free(made);
        return result;
    }
    *forecasts = made;
    *n_forecasts = n_made;
    return PLOTS_OK;
}

void
forecasts_free(forecast_t ***forecasts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        forecast_free(&(*forecasts)[i]);
    free(*forecasts);
    *forecasts = NULL;
}

size_t
forecast_parse_nodes(const char *text, double **nodes)
{
    size_t n = 0;
    double *parsed = plots_alloc(FORECAST_NODES_MAX, sizeof *parsed);
    bool is_good = *text != '\0';
    while (is_good && *text != '\0') {
        char *end;
        const long from = strtol(text, &end, 10);
        long to = from;
        is_good = end != text;
        if (is_good && *end == ':') {
            text = end + 1;
            to = strtol(text, &end, 10);
            is_good = end != text;
        }
        is_good = is_good && from >= 1 && to >= from && (*end == ',' || *end == '\0') &&
                  (size_t)(to - from) < FORECAST_NODES_MAX - n;
        for (long node = from; is_good && node <= to; node++)
            parsed[n++] = (double)node;
        text = end + (*end == ',' ? 1 : 0);
    }
    if (!is_good || n == 0) {
        free(parsed);
        return 0;
    }
    *nodes = parsed;
    return n;
}
