/* fit.h - scaling models: one table of them, each fitted, judged and used for prediction in the
 * same way.
 *
 * A model says how a time depends on a size x (nodes or cores). fit_model gives parameters with 95
 * % intervals, R² and a prediction with its band at any x. To add a model, add a row to the table
 * in fit.c: its name, its parameters, its basis functions. */
#ifndef PLOTS_FIT_H
#define PLOTS_FIT_H

#include <stdbool.h>
#include <stddef.h>

enum { FIT_PARAMETERS_MAX = 4, FIT_NOTE_BYTES = 160, FIT_EQUATION_BYTES = 160 };

typedef struct {
    double x; // nodes or cores
    double y; // one repeat's value, or a published mean
} fit_point_t;

typedef struct {
    double value;
    double low, high; // 95 %; NAN where there is no freedom left to tell
} fit_parameter_t;

typedef struct fit fit_t;

// The models' names in the order of the table, NULL at its end: "linear", "exponential", "amdahl",
// …
const char *fit_model_name(size_t index);

// Fits one model. Always gives a fit: where the points do not suffice, fit_note says why and
// fit_is_good is false.
fit_t *fit_model(const char *model, const fit_point_t *points, size_t n);
void fit_free(fit_t **fit);

bool fit_is_good(const fit_t *fit);
const char *fit_note(const fit_t *fit);
// With the fitted numbers in it, for a figure's key: "y = 2121 − 290·x".
const char *fit_equation(const fit_t *fit);
size_t fit_n_parameters(const fit_t *fit);
const char *fit_parameter_name(const fit_t *fit, size_t index);
fit_parameter_t fit_parameter(const fit_t *fit, size_t index);
double fit_r_squared(const fit_t *fit);
double fit_predict(const fit_t *fit, double x);

#endif
