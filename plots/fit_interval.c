// What follows from a fit: values and their intervals, over all of its draws.
#include "plots/fit.h"

#include <gsl/gsl_sort.h>
#include <math.h>

const double *
fit_draw(const fit_t *fit, size_t family, size_t draw)
{
    if (draw == FIT_DRAWS)
        return fit->coefficients;
    return fit->draws + (family * FIT_DRAWS + draw) * fit->model->n_terms;
}

// Widens a value's interval to that of one family of draws. A draw for which the answer is not
// defined, a share of nothing, says nothing.
static void
widen(fit_value_t *value, const fit_t *first, const double *f, const fit_t *second, const double *s,
      fit_function_t *function, const void *context)
{
    double values[FIT_DRAWS], ends[FIT_DRAWS / 40 + 1];
    size_t n = 0;
    for (size_t i = 0; i < FIT_DRAWS; i++) {
        values[n] = function(f + i * first->model->n_terms,
                             s != NULL ? s + i * second->model->n_terms : NULL, context);
        n += !isnan(values[n]);
    }
    if (n == 0)
        return;
    // A fortieth lies beyond each end of 95 %.
    const size_t beyond = n / 40;
    gsl_sort_smallest(ends, beyond + 1, values, 1, n);
    value->low = fmin(value->low, ends[beyond]);
    gsl_sort_largest(ends, beyond + 1, values, 1, n);
    value->high = fmax(value->high, ends[beyond]);
}

fit_value_t
fit_interval(const fit_t *first, const fit_t *second, fit_function_t *function, const void *context)
{
    const double *best = second != NULL ? second->coefficients : NULL;
    fit_value_t value = {function(first->coefficients, best, context), NAN, NAN};
    if (first->draws == NULL || (second != NULL && second->draws == NULL))
        return value;
    const size_t n_second = second != NULL ? second->n_families : 1;
    value.low = value.high = value.value;
    for (size_t f = 0; f < first->n_families; f++) {
        for (size_t s = 0; s < n_second; s++) {
            const double *firsts = fit_draw(first, f, 0);
            widen(&value, first, firsts, second, second != NULL ? fit_draw(second, s, 0) : NULL,
                  function, context);
        }
    }
    return value;
}

typedef struct {
    const model_t *model;
    size_t index;
    double x;
} question_t;

static double
ask_parameter(const double *coefficients, const double *unused, const void *context)
{
    (void)unused;
    const question_t *question = context;
    double parameters[MODEL_TERMS_MAX];
    question->model->derive(coefficients, parameters);
    return parameters[question->index];
}

static double
ask_prediction(const double *coefficients, const double *unused, const void *context)
{
    (void)unused;
    const question_t *question = context;
    return model_value(question->model, coefficients, question->x);
}

fit_value_t
fit_parameter(const fit_t *fit, size_t index)
{
    const question_t question = {.model = fit->model, .index = index};
    return fit_interval(fit, NULL, ask_parameter, &question);
}

fit_value_t
fit_predict(const fit_t *fit, double x)
{
    const question_t question = {.model = fit->model, .x = x};
    return fit_interval(fit, NULL, ask_prediction, &question);
}

char *
fit_equation(const fit_t *fit)
{
    draft_t draft = {0};
    fit->model->equation(fit->coefficients, &draft);
    return draft.text;
}

enum { CROSSING_STEPS = 100 };

// Where a coarse walk stops, and the terms of both models' bases there, which are the same for all
// draws.
typedef struct {
    const model_t *falling, *rising;
    double places[CROSSING_STEPS + 1];
    double falling_terms[CROSSING_STEPS + 1][MODEL_TERMS_MAX];
    double rising_terms[CROSSING_STEPS + 1][MODEL_TERMS_MAX];
} crossing_t;

static crossing_t
crossing_of(const model_t *falling, const model_t *rising, double low, double high)
{
    crossing_t crossing = {.falling = falling, .rising = rising};
    const double factor = pow(high / low, 1.0 / CROSSING_STEPS);
    double x = low;
    for (size_t i = 0; i <= CROSSING_STEPS; i++, x *= factor) {
        const model_place_t at = {x, x, x};
        crossing.places[i] = x;
        falling->basis(&at, crossing.falling_terms[i]);
        rising->basis(&at, crossing.rising_terms[i]);
    }
    return crossing;
}

// By halving, after a coarse walk has found where the sign changes: the difference may change its
// sign more than once.
static double
ask_crossing(const double *f, const double *r, const void *context)
{
    const crossing_t *c = context;
    size_t i = 0;
    while (model_value_of(c->rising, r, c->rising_terms[i]) <=
           model_value_of(c->falling, f, c->falling_terms[i])) {
        if (i++ == CROSSING_STEPS)
            return INFINITY;
    }
    double before = c->places[i > 0 ? i - 1 : 0];
    double after = c->places[i];
    while (after - before > 1e-3) {
        const double middle = (before + after) / 2.0;
        if (model_value(c->rising, r, middle) > model_value(c->falling, f, middle))
            after = middle;
        else
            before = middle;
    }
    return after;
}

fit_value_t
fit_crossing(const fit_t *falling, const fit_t *rising, double low, double high)
{
    const crossing_t crossing = crossing_of(falling->model, rising->model, low, high);
    return fit_interval(falling, rising, ask_crossing, &crossing);
}
