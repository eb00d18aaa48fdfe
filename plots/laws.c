#include "plots/laws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/fit_rounds.h"
#include "plots/memory.h"

const char *const LAWS_OF_WORK[] = {"amdahl", "saving", "usl", "ernest", NULL};
const char *const LAWS_OF_OVERHEAD[] = {"latency", "communication", "straggler", NULL};
const char *const LAWS_OF_WORK_GRID[] = {"work_grid", "usl_grid", "ernest_grid", NULL};
const char *const LAWS_OF_OVERHEAD_GRID[] = {"latency", "communication", "straggler",
                                             "overhead_grid", NULL};

// As good as the best: within half as much again of its error, within two hundredths, or, with no
// more terms, not told from it by the noise of what was held out. One that the repeats reject is no
// rival of one that they do not, however little the largest size alone can tell.
static bool
is_rival(const fit_t *fit, const fit_t *best)
{
    if (!fit->is_good || fit->model == best->model || !isfinite(fit->held_out_error) ||
        (fit->is_rejected && !best->is_rejected))
        return false;
    const bool is_larger = fit->model->n_terms > best->model->n_terms;
    const double noise = is_larger ? 0.0 : 2.0 * fit->held_out_noise;
    return fit->held_out_error <=
           fmax(fmax(1.5 * best->held_out_error, 0.02), best->held_out_error + noise);
}

// What is not known of both is no difference. Samples are cut into equal parts, so that up to a
// batch a node is left out.
static bool
is_same(double a, double b)
{
    return isnan(a) || isnan(b) || fabs(a - b) <= 0.02 * fabs(a);
}

static double
samples_of(const results_set_t *set)
{
    for (size_t i = 0; i < set->n_runs; i++) {
        if (set->runs[i].is_done)
            return set->runs[i].samples;
    }
    return NAN;
}

// A run that its nodes and cores alone set apart from the runs of the line's set.
static bool
is_comparable(const results_set_t *set, const results_run_t *run, const line_t *line)
{
    const results_set_t *own = line->summary->set;
    char *const *values = set == own ? line_cell(line, 0)->values : set->runs[0].values;
    bool is_meant = run->is_done && strcmp(set->launcher, own->launcher) == 0 &&
                    strcmp(set->data, own->data) == 0 &&
                    is_same(set->core_speed, own->core_speed) &&
                    is_same(run->samples, samples_of(own));
    for (size_t a = 0; is_meant && a < set->n_axes; a++)
        is_meant = strcmp(run->values[a], values[a]) == 0;
    return is_meant;
}

fit_point_t *
laws_grid_points(const summary_t *const *summaries, size_t n_summaries, const line_t *line,
                 quantity_t quantity, size_t *n_points)
{
    fit_point_t *points = NULL;
    *n_points = 0;
    for (size_t s = 0; s < n_summaries; s++) {
        const results_set_t *set = summaries[s]->set;
        for (const results_run_t *run = set->runs; run < set->runs + set->n_runs; run++) {
            if (!is_comparable(set, run, line))
                continue;
            points = plots_resize(points, *n_points + 1, sizeof *points);
            points[(*n_points)++] = (fit_point_t){.x = run->cores,
                                                  .y = line_value(run, quantity),
                                                  .nodes = run->nodes,
                                                  .cores = run->cores};
        }
    }
    return points;
}

laws_t
laws_of(const char *const *names, const fit_point_t *points, size_t n)
{
    laws_t laws = {.n = 1};
    laws.fits[0] = fit_best(names, points, n);
    for (size_t i = 0; names[i] != NULL && laws.n < LAWS_MAX; i++) {
        fit_t fit = fit_model(model_named(names[i]), points, n);
        if (is_rival(&fit, &laws.fits[0]))
            laws.fits[laws.n++] = fit;
        else
            fit_clear(&fit);
    }
    return laws;
}

static laws_t
laws_of_line(const line_t *nodes, quantity_t quantity, const char *const *names)
{
    size_t n;
    fit_point_t *points = line_points(nodes, quantity, &n);
    laws_t laws = laws_of(names, points, n);
    free(points);
    return laws;
}

laws_t
laws_of_work(const line_t *nodes)
{
    return laws_of_line(nodes, QUANTITY_WORK, LAWS_OF_WORK);
}

// What rounds.csv says of the overhead is a law as the others are: it has more terms, so it must be
// better by more than noise to come first.
laws_t
laws_of_overhead(const line_t *nodes)
{
    laws_t laws = laws_of_line(nodes, QUANTITY_OVERHEAD, LAWS_OF_OVERHEAD);
    fit_t fit = fit_rounds(nodes);
    if (fit_rounds_leads(&fit, &laws.fits[0])) {
        laws.fits[laws.n++] = laws.fits[0];
        laws.fits[0] = fit;
    } else if (laws.fits[0].is_good && is_rival(&fit, &laws.fits[0])) {
        laws.fits[laws.n++] = fit;
    } else {
        fit_clear(&fit);
    }
    return laws;
}

void
laws_clear(laws_t *laws)
{
    for (size_t i = 0; i < laws->n; i++)
        fit_clear(&laws->fits[i]);
    laws->n = 0;
}

fit_value_t
laws_answer(const laws_t *work, const laws_t *overhead, laws_function_t *function, void *context)
{
    fit_value_t value = {NAN, NAN, NAN};
    for (size_t i = 0; i < work->n; i++) {
        for (size_t j = 0; j < overhead->n; j++) {
            const fit_value_t other = function(&work->fits[i], &overhead->fits[j], context);
            if (i == 0 && j == 0)
                value = other;
            value.low = fmin(value.low, fmin(other.value, other.low));
            value.high = fmax(value.high, fmax(other.value, other.high));
        }
    }
    // Without freedom to tell, the spread of the models is no band.
    if (work->fits[0].draws == NULL || overhead->fits[0].draws == NULL)
        value.low = value.high = NAN;
    return value;
}
