/* fit.h - a model fitted to points: parameters with intervals, R², error at the held-out largest
 * size, prediction with a band.
 *
 * Least squares; where a model's coefficients are times, none may be negative (NNLS, by trying
 * every set of them that may be nonzero: there are at most sixteen).
 *
 * Intervals come from FIT_DRAWS fits to data drawn anew: the residual variance after its scaled
 * inverse chi-square, the noise normal, so that for a model without bounds they are Student's. At a
 * bound such draws alone are too sure: half of them lie on it, and the model without that term has
 * an interval of its own. So every smaller model that the data do not reject (F test, 5 %) is drawn
 * too, and an interval spans theirs all. If repeats show that the model misses their means by more
 * than noise (F test, 5 %), the misses and not the repeats give the variance: a wrong model does
 * not become sure of itself by repetition. */
#ifndef PLOTS_FIT_H
#define PLOTS_FIT_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/model.h"

// FIT_FAMILIES_MAX: every set of at most four terms.
enum { FIT_DRAWS = 2000, FIT_FAMILIES_MAX = 16 };

typedef struct {
    double x;            // nodes or cores
    double y;            // one repeat's value, or a published mean
    double nodes, cores; // for models of both; elsewhere they may be left out
} fit_point_t;

typedef struct {
    double value;
    double low, high; // 95 %; NAN where no freedom is left to tell, INFINITY where there is no end
} fit_value_t;

typedef struct {
    const model_t *model;
    bool is_good;     // false: the note says why nothing was fitted
    bool is_rejected; // it misses the means of repeats by more than their noise (F test, 5 %)
    char note[128];   // "" or what to know of this fit
    size_t n_points;
    size_t n_sizes; // different x among them
    double coefficients[MODEL_TERMS_MAX];
    double r_squared; // of y; of log y for a logarithmic model, as spreadsheets have it
    double sigma;     // standard deviation of a residual, in the units the fit worked in
    double degrees;   // of freedom behind it; 0: no intervals
    double largest;   // the largest x
    // |prediction − mean| / mean at the largest size, fitted on the smaller ones; NAN: too few
    // sizes. And the relative standard error of that mean, below which two models cannot be told
    // apart.
    double held_out_error, held_out_noise;
    double *draws;     // [n_families][FIT_DRAWS][n_terms] coefficients; NULL without intervals
    size_t n_families; // the whole model, and smaller ones that the data allow
} fit_t;

// Fits one model; the fit owns memory until fit_clear. Points may come in any order.
fit_t fit_model(const model_t *model, const fit_point_t *points, size_t n);
// The same without draws, for who makes intervals of another kind.
fit_t fit_model_undrawn(const model_t *model, const fit_point_t *points, size_t n);
// The model among `names` (NULL at the end, simpler ones first) with the smallest error at the
// held-out largest size. One with more terms must be better by more than the noise of what was held
// out, twice over; where the sizes are too few for any to be held out, it is the first that can be
// fitted.
fit_t fit_best(const char *const *names, const fit_point_t *points, size_t n);
void fit_clear(fit_t *fit);
// Whether no size could be held out of it: as the best of several it is chosen by default, being
// the first that can be fitted.
bool fit_is_by_default(const fit_t *best);

// The parameter of that index, below the model's n_terms.
fit_value_t fit_parameter(const fit_t *fit, size_t index);
// The mean at x with its band.
fit_value_t fit_predict(const fit_t *fit, double x);
// The equation with its numbers. The caller frees it.
char *fit_equation(const fit_t *fit);
// The smallest x in [low, high] from which `rising` is above `falling`, on a grid of 1/100; value
// INFINITY when it never is.
fit_value_t fit_crossing(const fit_t *falling, const fit_t *rising, double low, double high);
// The coefficients of one draw; draw FIT_DRAWS is the fit itself.
const double *fit_draw(const fit_t *fit, size_t family, size_t draw);

// What the draws of a fit to these points begin with, a hash of them and of the name: the same
// results give the same intervals.
unsigned long fit_seed(const fit_point_t *points, size_t n, const char *name);

// A number that follows from one or two fits, given the coefficients of each.
typedef double fit_function_t(const double *first, const double *second, const void *context);
// Its value and its interval over all draws of both; `second` may be NULL. A function may give
// INFINITY.
fit_value_t fit_interval(const fit_t *first, const fit_t *second, fit_function_t *function,
                         const void *context);

#endif
