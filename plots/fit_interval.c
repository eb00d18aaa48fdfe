// What follows from a fit: values and their intervals, over all of its draws.
#include "plots/fit.h"

#include <math.h>
#include <stdlib.h>

static int
compare_numbers(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

const double *
fit_draw(const fit_t *fit, size_t family, size_t draw)
{
    if (draw == FIT_DRAWS)
        return fit->coefficients;
    return fit->draws + (family * FIT_DRAWS + draw) * fit->model->n_terms;
}

fit_value_t
fit_interval(const fit_t *first, const fit_t *second, fit_function_t *function, const void *context)
{
    const double *best = second != NULL ? second->coefficients : NULL;
    fit_value_t value = {function(first->coefficients, best, context), NAN, NAN};
    if (first->draws == NULL || (second != NULL && second->draws == NULL))
        return value;
    double values[FIT_DRAWS];
    const size_t n_second = second != NULL ? second->n_families : 1;
    value.low = value.high = value.value;
    for (size_t f = 0; f < first->n_families; f++) {
        for (size_t s = 0; s < n_second; s++) {
            for (size_t i = 0; i < FIT_DRAWS; i++)
                values[i] = function(fit_draw(first, f, i),
                                     second != NULL ? fit_draw(second, s, i) : NULL, context);
            qsort(values, FIT_DRAWS, sizeof *values, compare_numbers);
            value.low = fmin(value.low, values[FIT_DRAWS / 40]);
            value.high = fmax(value.high, values[FIT_DRAWS - 1 - FIT_DRAWS / 40]);
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

typedef struct {
    const model_t *falling, *rising;
    double low, high;
} crossing_t;

// By halving, after a coarse walk has found where the sign changes: the difference may change its
// sign more than once.
static double
ask_crossing(const double *f, const double *r, const void *context)
{
    enum { STEPS = 100 };
    const crossing_t *c = context;
    const double factor = pow(c->high / c->low, 1.0 / STEPS);
    double before = c->low;
    double after = c->low;
    for (int i = 0; i <= STEPS; i++, after *= factor) {
        if (model_value(c->rising, r, after) > model_value(c->falling, f, after))
            break;
        before = after;
        if (i == STEPS)
            return INFINITY;
    }
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
    const crossing_t crossing = {falling->model, rising->model, low, high};
    return fit_interval(falling, rising, ask_crossing, &crossing);
}
