#include "plots/prediction.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

// The standard deviation of a run, as a share of its cell's mean.
typedef struct {
    double sd;
    double degrees; // of freedom; 0: not known
} spread_t;

static bool
is_of_cell(const results_run_t *run, const char *cell)
{
    return run->is_done && run->mean_of == 1 && strcmp(run->cell, cell) == 0;
}

// What the runs of one cell are off its mean by, as shares of it. Returns the degrees of freedom.
static double
cell_residuals(const line_t *line, size_t index, quantity_t quantity, double *residuals)
{
    const results_set_t *set = line->summary->set;
    const char *cell = line_cell(line, index)->cell;
    double sum = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < set->n_runs; i++) {
        if (is_of_cell(&set->runs[i], cell)) {
            sum += line_value(&set->runs[i], quantity);
            n++;
        }
    }
    if (n < 2 || !(sum > 0.0))
        return 0.0;
    const double mean = sum / (double)n;
    for (size_t i = 0; i < set->n_runs; i++) {
        if (is_of_cell(&set->runs[i], cell))
            residuals[i] = line_value(&set->runs[i], quantity) / mean - 1.0;
    }
    return (double)n - 1.0;
}

// The part of the squares that whole passes make: the sum of a pass's residuals, squared, over
// their number. `n_passes` receives how many there are.
static double
pass_squares(const results_set_t *set, const double *residuals, double *n_passes)
{
    double squares = 0.0;
    *n_passes = 0.0;
    for (size_t i = 0; i < set->n_runs; i++) {
        double sum = 0.0;
        double n = 0.0;
        bool is_first = isfinite(residuals[i]);
        for (size_t j = 0; is_first && j < set->n_runs; j++) {
            if (isnan(residuals[j]) || set->runs[j].repeat != set->runs[i].repeat)
                continue;
            is_first = j >= i;
            sum += residuals[j];
            n += 1.0;
        }
        if (!is_first)
            continue;
        squares += sum * sum / n;
        *n_passes += 1.0;
    }
    return squares;
}

static spread_t
spread_of(const results_set_t *set, const double *residuals, double degrees)
{
    double squares = 0.0;
    double n_passes;
    for (size_t i = 0; i < set->n_runs; i++)
        squares += isfinite(residuals[i]) ? residuals[i] * residuals[i] : 0.0;
    spread_t spread = {sqrt(squares / degrees), degrees};
    const double of_passes = pass_squares(set, residuals, &n_passes);
    const double pass_degrees = n_passes - 1.0;
    const double rest_degrees = degrees - pass_degrees;
    const double rest = squares - of_passes;
    // A pass that is no more than its runs' noise takes no freedom.
    const double beyond = of_passes / pass_degrees - rest / rest_degrees;
    if (!(rest_degrees > 0.0) || !(beyond > 0.0))
        return spread;
    // All means have the same passes beneath them, which no band of a mean knows of.
    const double cells = degrees / pass_degrees;
    spread.sd = sqrt(squares / degrees + beyond / cells / n_passes);
    spread.degrees =
        squares * squares / (of_passes * of_passes / pass_degrees + rest * rest / rest_degrees);
    return spread;
}

static double
correlation_of(size_t n, const double *first, const double *second)
{
    double both = 0.0, one = 0.0, other = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(first[i]) || isnan(second[i]))
            continue;
        both += first[i] * second[i];
        one += first[i] * first[i];
        other += second[i] * second[i];
    }
    return one > 0.0 && other > 0.0 ? both / sqrt(one * other) : 0.0;
}

// No run takes less than nothing, however far Student's t is drawn.
static double
factor_of(spread_t spread, double chi_squared, double z)
{
    return fmax(0.0, 1.0 + spread.sd * sqrt(spread.degrees / chi_squared) * z);
}

// The two spreads have what they rest on in common, as far as it reaches.
static void
draw_factors(spread_t first, spread_t second, double correlation, unsigned long seed,
             prediction_t *prediction)
{
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    prediction->first = plots_alloc(FIT_DRAWS, sizeof(double));
    prediction->second = plots_alloc(FIT_DRAWS, sizeof(double));
    const double common = fmin(first.degrees, second.degrees);
    const double more = fmax(first.degrees, second.degrees) - common;
    const double rest = sqrt(fmax(0.0, 1.0 - correlation * correlation));
    for (size_t i = 0; i < FIT_DRAWS; i++) {
        const double few = gsl_ran_chisq(random, common);
        const double all = few + (more > 0.0 ? gsl_ran_chisq(random, more) : 0.0);
        const double z = gsl_ran_ugaussian(random);
        const double other = correlation * z + rest * gsl_ran_ugaussian(random);
        prediction->first[i] = factor_of(first, first.degrees > common ? all : few, z);
        prediction->second[i] = factor_of(second, second.degrees > common ? all : few, other);
    }
    gsl_rng_free(random);
}

static unsigned long
seed_of(const line_t *line, quantity_t quantity)
{
    size_t n;
    fit_point_t *points = line_points(line, quantity, &n);
    const unsigned long seed = fit_seed(points, n, "one further run");
    free(points);
    return seed;
}

prediction_t
prediction_of(const line_t *line, quantity_t first, quantity_t second)
{
    const results_set_t *set = line->summary->set;
    const quantity_t quantities[] = {first, second};
    double *residuals[2];
    double degrees[2] = {0.0, 0.0};
    prediction_t prediction = {NULL, NULL};
    for (size_t q = 0; q < 2; q++) {
        residuals[q] = plots_alloc(set->n_runs, sizeof(double));
        for (size_t i = 0; i < set->n_runs; i++)
            residuals[q][i] = NAN;
        for (size_t i = 0; i < line->n; i++)
            degrees[q] += cell_residuals(line, i, quantities[q], residuals[q]);
    }
    if (degrees[0] > 0.0 && degrees[1] > 0.0)
        draw_factors(spread_of(set, residuals[0], degrees[0]),
                     spread_of(set, residuals[1], degrees[1]),
                     correlation_of(set->n_runs, residuals[0], residuals[1]), seed_of(line, first),
                     &prediction);
    free(residuals[0]);
    free(residuals[1]);
    return prediction;
}

void
prediction_clear(prediction_t *prediction)
{
    free(prediction->first);
    free(prediction->second);
    *prediction = (prediction_t){NULL, NULL};
}

fit_t
prediction_fit(const fit_t *fit, const double *factors)
{
    fit_t run = *fit;
    run.draws = NULL;
    if (fit->draws == NULL || factors == NULL)
        return run;
    const size_t n_terms = fit->model->n_terms;
    run.draws = plots_alloc(fit->n_families * FIT_DRAWS * n_terms, sizeof *run.draws);
    for (size_t i = 0; i < fit->n_families * FIT_DRAWS; i++) {
        const double factor = factors[i % FIT_DRAWS];
        double *draw = run.draws + i * n_terms;
        memcpy(draw, fit->draws + i * n_terms, n_terms * sizeof *draw);
        if (fit->model->is_logarithmic)
            draw[0] += log(factor);
        for (size_t k = 0; !fit->model->is_logarithmic && k < n_terms; k++)
            draw[k] *= factor;
    }
    return run;
}

laws_t
prediction_laws(const laws_t *laws, const double *factors)
{
    laws_t runs = {.n = laws->n};
    for (size_t i = 0; i < laws->n; i++)
        runs.fits[i] = prediction_fit(&laws->fits[i], factors);
    return runs;
}
