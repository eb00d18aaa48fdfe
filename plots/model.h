/* model.h - the table of scaling models: how a time may depend on a size x, nodes or cores.
 *
 * The amount of data is no variable: all points of one fit were trained on as many samples (a
 * further axis over them has fits of its own), so where a law has the data's size, as in Ernest's
 * size/n, it is a part of the coefficient and 1/n stands for it.
 *
 * Every model is a sum of basis functions, y = Σ c_i φ_i(x), or the exponential of one, so one fit
 * serves all of them. To add one: write its basis, its parameters and its equation in model.c and
 * add the row; fits.csv, figures and forecasts follow. */
#ifndef PLOTS_MODEL_H
#define PLOTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/draft.h"

enum { MODEL_TERMS_MAX = 4 };

// Where a cell lies. Models of one size see x alone; those of both see nodes and cores.
typedef struct {
    double x; // the size along a line: nodes or cores
    double nodes;
    double cores; // of the whole cluster
} model_place_t;

typedef struct {
    const char *name;    // in fits.csv and on the command line
    const char *formula; // for people, in letters
    const char *source;  // where it comes from
    size_t n_terms;      // basis functions; also the fewest different sizes it can be fitted to
    size_t least_sizes;  // where more are needed; else 0
    const char *parameters[MODEL_TERMS_MAX]; // names of what `derive` gives, units last
    bool is_logarithmic; // fitted to log y, as spreadsheets fit an exponential; the first term is 1
    bool is_nonnegative; // coefficients are times, which cannot be negative
    bool is_relative;    // residuals count as shares of y: the noise of a time grows with it
    bool needs_company;  // not defined for a single node, whose points are left out
    // The n_terms basis functions there.
    void (*basis)(const model_place_t *at, double *terms);
    // Parameters that mean something from the coefficients of the basis.
    void (*derive)(const double *coefficients, double *parameters);
    // The equation with its numbers, "y = 2121 − 290 x".
    void (*equation)(const double *coefficients, draft_t *draft);
} model_t;

// The models in order; NULL past the last.
const model_t *model_at(size_t index);
// The model of that name, or NULL.
const model_t *model_named(const char *name);
// The model's value where its basis has these terms: for who asks at one place for many
// coefficients.
double model_value_of(const model_t *model, const double *coefficients, const double *terms);
// The model's value there, and where x is all it sees.
double model_value_at(const model_t *model, const double *coefficients, const model_place_t *at);
double model_value(const model_t *model, const double *coefficients, double x);

#endif
