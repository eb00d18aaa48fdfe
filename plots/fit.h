/* fit.h - a model fitted to points: parameters with intervals, R², error at the held-out largest
 * size, prediction with a band.
 *
 * Least squares; where a model's coefficients are times, none may be negative (NNLS, by trying
 * every set of them that may be nonzero: there are at most sixteen). Intervals come from FIT_DRAWS
 * fits to data drawn anew: the residual variance after its scaled inverse chi-square, the noise
 * normal, so that for a model without bounds they are Student's. If repeats show that the model
 * misses their means by more than noise (F test, 5 %), the misses and not the repeats give the
 * variance: a wrong model does not become sure of itself by repetition. */
#ifndef PLOTS_FIT_H
#define PLOTS_FIT_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/model.h"

enum { FIT_DRAWS = 4000 };

typedef struct {
    double x; // nodes or cores
    double y; // one repeat's value, or a published mean
} fit_point_t;

typedef struct {
    double value;
    double low, high; // 95 %; NAN where no freedom is left to tell, INFINITY where there is no end
} fit_value_t;

typedef struct {
    const model_t *model;
    bool is_good;   // false: the note says why nothing was fitted
    char note[128]; // "" or what to know of this fit
    size_t n_points;
    size_t n_sizes; // different x among them
    double coefficients[MODEL_TERMS_MAX];
    double r_squared;      // of y; of log y for a logarithmic model, as spreadsheets have it
    double sigma;          // standard deviation of a residual, in the units the fit worked in
    double degrees;        // of freedom behind it; 0: no intervals
    double largest;        // the largest x
    double held_out_error; // |prediction − mean| / mean at `largest`, fitted on the smaller sizes;
                           // NAN: too few
    double *draws; // [FIT_DRAWS * n_terms] coefficients; NULL without intervals
} fit_t;

// Fits one model; the fit owns memory until fit_clear. Points may come in any order.
fit_t fit_model(const model_t *model, const fit_point_t *points, size_t n);
// The model among `names` (NULL at the end) with the smallest error at the held-out largest size;
// where the sizes are too few for any to be held out, the first that can be fitted. Its note says
// which way it was chosen.
fit_t fit_best(const char *const *names, const fit_point_t *points, size_t n);
void fit_clear(fit_t *fit);

// The parameter of that index, below the model's n_terms.
fit_value_t fit_parameter(const fit_t *fit, size_t index);
// The mean at x with its band.
fit_value_t fit_predict(const fit_t *fit, double x);
// The equation with its numbers. The caller frees it.
char *fit_equation(const fit_t *fit);
// The smallest x in [low, high] from which `rising` is above `falling`, on a grid of 1/100; value
// INFINITY when it never is.
fit_value_t fit_crossing(const fit_t *falling, const fit_t *rising, double low, double high);
// Value and interval of any function of drawn coefficients: `draws` holds its FIT_DRAWS values and
// is sorted in place.
fit_value_t fit_interval(double value, double *draws);

#endif
