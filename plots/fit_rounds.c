// Overhead put together from what rounds.csv measured: what a round takes on the wire (latency and
// transfers, Hockney) and what its slowest worker makes the others wait, each fitted for itself.
#include "plots/fit_rounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"
#include "plots/statistics.h"

enum { N_TERMS = 3 };

typedef struct {
    fit_t communication, straggling;
    double rounds;
} parts_t;

// (latency, transfer) and (waiting, transfer) as terms of 1, x and log x.
static void
join(const double *communication, const double *straggling, double rounds, double *terms)
{
    terms[0] = rounds * (communication[0] - straggling[1]);
    terms[1] = rounds * (communication[1] + straggling[1]);
    terms[2] = rounds * straggling[0];
}

// The model of that name for the points of clusters smaller than `below`.
static fit_t
fit_below(const char *name, const fit_point_t *points, size_t n, double below)
{
    fit_point_t *smaller = plots_alloc(n + 1, sizeof *smaller);
    size_t n_smaller = 0;
    for (size_t i = 0; i < n; i++) {
        if (points[i].x < below)
            smaller[n_smaller++] = points[i];
    }
    fit_t fit = fit_model(model_named(name), smaller, n_smaller);
    free(smaller);
    return fit;
}

static parts_t
fit_parts(const line_t *line, double rounds, double below)
{
    size_t n;
    double bytes;
    parts_t parts = {.rounds = rounds};
    fit_point_t *points = line_round_points(line, LINE_COMMUNICATION, &n, &bytes);
    parts.communication = fit_below("communication", points, n, below);
    free(points);
    points = line_round_points(line, LINE_STRAGGLING, &n, &bytes);
    parts.straggling = fit_below("straggler", points, n, below);
    free(points);
    return parts;
}

static bool
is_good(const parts_t *parts)
{
    return parts->communication.is_good && parts->straggling.is_good;
}

static void
clear_parts(parts_t *parts)
{
    fit_clear(&parts->communication);
    fit_clear(&parts->straggling);
}

static bool
is_on_line(const line_t *line, const results_run_t *run)
{
    for (size_t i = 0; i < line->n; i++) {
        if (strcmp(line_cell(line, i)->cell, run->cell) == 0)
            return true;
    }
    return false;
}

// How many rounds a run of the line has; NAN where its cells differ.
static double
rounds_of(const line_t *line)
{
    const results_set_t *set = line->summary->set;
    double *most = plots_alloc(set->n_runs + 1, sizeof *most);
    double rounds = NAN;
    for (size_t i = 0; i < set->n_rounds; i++)
        most[set->rounds[i].run] = fmax(most[set->rounds[i].run], set->rounds[i].round);
    bool is_same = true;
    for (size_t i = 0; i < set->n_runs; i++) {
        if (!(most[i] > 0.0) || !is_on_line(line, &set->runs[i]))
            continue;
        is_same = is_same && (isnan(rounds) || most[i] == rounds);
        rounds = most[i];
    }
    free(most);
    return is_same ? rounds : NAN;
}

// What the smaller sizes say of the largest, against the overhead measured there.
static void
hold_out(const line_t *line, double rounds, fit_t *whole)
{
    size_t n;
    fit_point_t *points = line_points(line, QUANTITY_OVERHEAD, &n);
    parts_t parts = fit_parts(line, rounds, whole->largest);
    if (is_good(&parts)) {
        double terms[MODEL_TERMS_MAX] = {0};
        double *ratios = plots_alloc(n + 1, sizeof *ratios);
        size_t n_largest = 0;
        join(parts.communication.coefficients, parts.straggling.coefficients, parts.rounds, terms);
        const double foretold = model_value(whole->model, terms, whole->largest);
        for (size_t i = 0; i < n; i++) {
            if (points[i].x >= whole->largest)
                ratios[n_largest++] = points[i].y / foretold;
        }
        const estimate_t ratio = statistics_estimate(ratios, n_largest);
        whole->held_out_error = fabs(1.0 / ratio.mean - 1.0);
        whole->held_out_noise = ratio.n > 1 ? ratio.sd / ratio.mean / sqrt((double)ratio.n) : 0.0;
        free(ratios);
    }
    clear_parts(&parts);
    free(points);
}

// Of the overhead as it was measured, which neither part was fitted to: it may be below zero.
static double
r_squared_of(const line_t *line, const fit_t *whole)
{
    size_t n;
    fit_point_t *points = line_points(line, QUANTITY_OVERHEAD, &n);
    double *values = plots_alloc(n + 1, sizeof *values);
    size_t n_values = 0;
    double missed = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (points[i].x <= 1.0 || !isfinite(points[i].y))
            continue;
        const double miss =
            points[i].y - model_value(whole->model, whole->coefficients, points[i].x);
        missed += miss * miss;
        values[n_values++] = points[i].y;
    }
    const estimate_t all = statistics_estimate(values, n_values);
    free(values);
    free(points);
    return 1.0 - missed / (all.sd * all.sd * (double)(n_values - 1));
}

// Draws of both parts together, each of their families with each of the other's.
static void
draw(const parts_t *parts, fit_t *fit)
{
    const fit_t *c = &parts->communication;
    const fit_t *s = &parts->straggling;
    if (c->draws == NULL || s->draws == NULL)
        return;
    fit->draws = plots_alloc(c->n_families * s->n_families * FIT_DRAWS * N_TERMS, sizeof(double));
    double *at = fit->draws;
    for (size_t i = 0; i < c->n_families; i++) {
        for (size_t j = 0; j < s->n_families; j++, fit->n_families++) {
            for (size_t k = 0; k < FIT_DRAWS; k++, at += N_TERMS)
                join(fit_draw(c, i, k), fit_draw(s, j, k), parts->rounds, at);
        }
    }
}

fit_t
fit_rounds(const line_t *line)
{
    fit_t fit = {.model = model_named("rounds"),
                 .r_squared = NAN,
                 .sigma = NAN,
                 .held_out_error = NAN,
                 .held_out_noise = NAN};
    const double rounds = rounds_of(line);
    parts_t parts = fit_parts(line, rounds, INFINITY);
    fit.is_good = isfinite(rounds) && is_good(&parts);
    if (fit.is_good) {
        fit.n_points = parts.communication.n_points;
        fit.n_sizes = parts.communication.n_sizes;
        fit.largest = parts.communication.largest;
        fit.degrees = fmin(parts.communication.degrees, parts.straggling.degrees);
        join(parts.communication.coefficients, parts.straggling.coefficients, rounds,
             fit.coefficients);
        fit.r_squared = r_squared_of(line, &fit);
        draw(&parts, &fit);
        hold_out(line, rounds, &fit);
        if (isnan(fit.held_out_error))
            snprintf(fit.note, sizeof fit.note,
                     "too few sizes beside the largest: nothing held out");
    } else {
        // line.h: runs of one node have no rounds of several workers.
        snprintf(fit.note, sizeof fit.note, "%s",
                 parts.communication.n_sizes > 1 && isnan(rounds)
                     ? "needs as many rounds in each run"
                     : "needs rounds.csv of 2 sizes above 1");
        fit.n_points = parts.communication.n_points;
        fit.n_sizes = parts.communication.n_sizes;
    }
    clear_parts(&parts);
    return fit;
}

bool
fit_rounds_leads(const fit_t *rounds, const fit_t *best)
{
    return rounds->is_good && best->is_good && isfinite(rounds->held_out_error) &&
           rounds->held_out_error + 2.0 * rounds->held_out_noise < best->held_out_error;
}
