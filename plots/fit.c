#include "plots/fit.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"
#include "plots/statistics.h"

enum { TERMS = MODEL_TERMS_MAX };

// Points of one size together: their mean, and how they spread around it.
typedef struct {
    model_place_t at;
    double mean; // of y, or of log y
    double squares;
    size_t n;
    double weight; // of each of its points
} group_t;

// The gram matrix of some terms alone, inverted; zero in the rows and columns of the others.
typedef struct {
    bool is_regular; // false: these terms are not independent
    double matrix[TERMS * TERMS];
} inverse_t;

// Σ w (y − Σ cφ)² as a quadratic in c: gram = Σ w φφᵀ, target = Σ w φ y. Inverted once for each set
// of terms (a bit a term), since thousands of draws are solved with each.
typedef struct {
    size_t n_terms;
    double gram[TERMS * TERMS];
    double target[TERMS];
    inverse_t inverses[FIT_FAMILIES_MAX];
} normal_t;

static int
compare_points(const void *left, const void *right)
{
    const fit_point_t *a = left;
    const fit_point_t *b = right;
    if (a->x != b->x)
        return a->x < b->x ? -1 : 1;
    if (a->nodes != b->nodes)
        return a->nodes < b->nodes ? -1 : 1;
    if (a->cores != b->cores)
        return a->cores < b->cores ? -1 : 1;
    return (a->y > b->y) - (a->y < b->y);
}

static model_place_t
place_of(const fit_point_t *point)
{
    return (model_place_t){point->x, point->nodes, point->cores};
}

static bool
is_same_place(const model_place_t *a, const model_place_t *b)
{
    return a->x == b->x && a->nodes == b->nodes && a->cores == b->cores;
}

static size_t
group_points(const model_t *model, const fit_point_t *points, size_t n, group_t *groups)
{
    size_t n_groups = 0;
    for (size_t i = 0; i < n; i++) {
        const double y = model->is_logarithmic ? log(points[i].y) : points[i].y;
        const model_place_t at = place_of(&points[i]);
        if (n_groups == 0 || !is_same_place(&groups[n_groups - 1].at, &at))
            groups[n_groups++] = (group_t){.at = at};
        group_t *group = &groups[n_groups - 1];
        group->n++;
        const double step = y - group->mean;
        group->mean += step / (double)group->n;
        group->squares += step * (y - group->mean);
    }
    for (size_t i = 0; i < n_groups; i++) {
        const double scale = model->is_relative ? groups[i].mean : 1.0;
        groups[i].weight = 1.0 / (scale * scale);
    }
    return n_groups;
}

static inverse_t
inverse_of(const normal_t *normal, unsigned set)
{
    inverse_t inverse = {.is_regular = true};
    size_t members[TERMS];
    size_t n = 0;
    for (size_t i = 0; i < normal->n_terms; i++) {
        if (set >> i & 1u)
            members[n++] = i;
    }
    if (n == 0)
        return inverse;
    // Scaled to a unit diagonal, so that 1 and log x weigh alike.
    double matrix[TERMS * TERMS];
    double scale[TERMS];
    for (size_t i = 0; i < n; i++)
        scale[i] = 1.0 / sqrt(normal->gram[members[i] * TERMS + members[i]]);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            matrix[i * n + j] = scale[i] * scale[j] * normal->gram[members[i] * TERMS + members[j]];
    }
    gsl_matrix_view a = gsl_matrix_view_array(matrix, n, n);
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    inverse.is_regular =
        gsl_linalg_cholesky_decomp1(&a.matrix) == 0 && gsl_linalg_cholesky_invert(&a.matrix) == 0;
    gsl_set_error_handler(handler);
    for (size_t i = 0; inverse.is_regular && i < n; i++) {
        for (size_t j = 0; j < n; j++)
            inverse.matrix[members[i] * TERMS + members[j]] =
                scale[i] * scale[j] * matrix[i * n + j];
    }
    return inverse;
}

static unsigned
all_terms(const model_t *model)
{
    return (1u << model->n_terms) - 1u;
}

static normal_t
normal_of(const model_t *model, const group_t *groups, size_t n_groups)
{
    normal_t normal = {.n_terms = model->n_terms};
    for (size_t g = 0; g < n_groups; g++) {
        double terms[TERMS];
        model->basis(&groups[g].at, terms);
        const double weight = groups[g].weight * (double)groups[g].n;
        for (size_t i = 0; i < model->n_terms; i++) {
            for (size_t j = 0; j < model->n_terms; j++)
                normal.gram[i * TERMS + j] += weight * terms[i] * terms[j];
            normal.target[i] += weight * terms[i] * groups[g].mean;
        }
    }
    for (unsigned set = 0; set <= all_terms(model); set++)
        normal.inverses[set] = inverse_of(&normal, set);
    return normal;
}

// The coefficients of the terms in `set`; the others become zero. False when they are not
// independent.
static bool
solve_set(const normal_t *normal, const double *target, unsigned set, double *solution)
{
    const inverse_t *inverse = &normal->inverses[set];
    for (size_t i = 0; i < normal->n_terms; i++) {
        solution[i] = 0.0;
        for (size_t j = 0; j < normal->n_terms; j++)
            solution[i] += inverse->matrix[i * TERMS + j] * target[j];
    }
    return inverse->is_regular;
}

static bool
is_nonnegative(const double *solution, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (solution[i] < 0.0)
            return false;
    }
    return true;
}

// What the sum of squares falls by, from that of nothing to that of a set's own best coefficients.
static double
gain_of(const normal_t *normal, const double *target, const double *solution)
{
    double gain = 0.0;
    for (size_t i = 0; i < normal->n_terms; i++)
        gain += target[i] * solution[i];
    return gain;
}

// The coefficients of least squares among the terms in `within`, under the model's bounds. The
// unbounded answer is tried first; it is mostly the one.
static bool
solve(const model_t *model, const normal_t *normal, const double *target, unsigned within,
      double *best)
{
    if (!solve_set(normal, target, within, best))
        return false;
    if (!model->is_nonnegative || is_nonnegative(best, model->n_terms))
        return true;
    double best_gain = -1.0;
    for (unsigned set = 0; set < within; set++) {
        double solution[TERMS];
        if ((set & ~within) != 0 || !solve_set(normal, target, set, solution) ||
            !is_nonnegative(solution, model->n_terms))
            continue;
        const double gain = gain_of(normal, target, solution);
        if (gain > best_gain) {
            best_gain = gain;
            memcpy(best, solution, sizeof solution);
        }
    }
    return true;
}

static double
fitted(const model_t *model, const double *coefficients, const model_place_t *at)
{
    const double y = model_value_at(model, coefficients, at);
    return model->is_logarithmic ? log(y) : y;
}

// How far the model misses the means of the groups, and the points their means: weighted sums of
// squares.
static void
sums_of_squares(const fit_t *fit, const group_t *groups, size_t n_groups, double *misses,
                double *spread)
{
    *misses = *spread = 0.0;
    for (size_t i = 0; i < n_groups; i++) {
        const double miss = groups[i].mean - fitted(fit->model, fit->coefficients, &groups[i].at);
        *misses += groups[i].weight * (double)groups[i].n * miss * miss;
        *spread += groups[i].weight * groups[i].squares;
    }
}

static void
estimate_noise(fit_t *fit, const group_t *groups, size_t n_groups)
{
    double misses;
    double spread;
    sums_of_squares(fit, groups, n_groups, &misses, &spread);
    const double n_terms = (double)fit->model->n_terms;
    const double free_misses = (double)n_groups - n_terms;
    const double free_spread = (double)(fit->n_points - n_groups);
    fit->degrees = free_misses + free_spread;
    if (fit->degrees <= 0.0) {
        fit->degrees = 0.0;
        snprintf(fit->note, sizeof fit->note,
                 "as many sizes as parameters and no repeats: no intervals");
        return;
    }
    fit->sigma = sqrt((misses + spread) / fit->degrees);
    if (free_misses <= 0.0 || free_spread <= 0.0)
        return;
    const double f = (misses / free_misses) / (spread / free_spread);
    if (gsl_cdf_fdist_Q(f, free_misses, free_spread) < 0.05) {
        fit->sigma = sqrt(misses / free_misses);
        fit->degrees = free_misses;
        fit->is_rejected = true;
        snprintf(fit->note, sizeof fit->note,
                 "misses the means by more than the repeats' noise (F test, 5 %%)");
    }
}

static void
estimate_r_squared(fit_t *fit, const fit_point_t *points, size_t n)
{
    const bool is_log = fit->model->is_logarithmic;
    double mean = 0.0;
    for (size_t i = 0; i < n; i++)
        mean += (is_log ? log(points[i].y) : points[i].y) / (double)n;
    double residual = 0.0;
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double y = is_log ? log(points[i].y) : points[i].y;
        const model_place_t at = place_of(&points[i]);
        const double miss = y - fitted(fit->model, fit->coefficients, &at);
        residual += miss * miss;
        total += (y - mean) * (y - mean);
    }
    fit->r_squared = total > 0.0 ? 1.0 - residual / total : NAN;
}

unsigned long
fit_seed(const fit_point_t *points, size_t n, const char *name)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    const unsigned char *bytes = (const unsigned char *)points;
    for (size_t i = 0; i < n * sizeof *points; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return (unsigned long)(hash ^ hash >> 32);
}

// gram = L Lᵀ, so that target + σ L z has the distribution of `target` over repetitions of the
// experiment.
static bool
root_of(const normal_t *normal, double *root)
{
    const size_t n = normal->n_terms;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            root[i * n + j] = normal->gram[i * TERMS + j];
    }
    gsl_matrix_view l = gsl_matrix_view_array(root, n, n);
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    const bool is_regular = gsl_linalg_cholesky_decomp1(&l.matrix) == 0;
    gsl_set_error_handler(handler);
    return is_regular;
}

// Whether the data allow the terms outside `set` to be nothing: F test of the rise in the sum of
// squares.
static bool
is_allowed(const fit_t *fit, const normal_t *normal, unsigned set)
{
    double smaller[TERMS];
    const size_t n = fit->model->n_terms;
    double n_left_out = 0.0;
    for (size_t i = 0; i < n; i++)
        n_left_out += !(set >> i & 1u);
    if (set == 0 || !solve_set(normal, normal->target, set, smaller) || !is_nonnegative(smaller, n))
        return false;
    const double rise = gain_of(normal, normal->target, fit->coefficients) -
                        gain_of(normal, normal->target, smaller);
    const double f = rise / n_left_out / (fit->sigma * fit->sigma);
    return f <= 0.0 || gsl_cdf_fdist_Q(f, n_left_out, fit->degrees) > 0.05;
}

// One family of draws: `set` is the terms that may be nonzero.
static void
draw_family(const fit_t *fit, const normal_t *normal, const double *root, unsigned set,
            gsl_rng *random, double *draws)
{
    const size_t n = fit->model->n_terms;
    double center[TERMS];
    (void)solve_set(normal, normal->target, set, center);
    for (size_t draw = 0; draw < FIT_DRAWS; draw++) {
        const double sigma = fit->sigma * sqrt(fit->degrees / gsl_ran_chisq(random, fit->degrees));
        double z[TERMS];
        double target[TERMS] = {0};
        for (size_t i = 0; i < n; i++)
            z[i] = gsl_ran_ugaussian(random);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++)
                target[i] += normal->gram[i * TERMS + j] * center[j];
            for (size_t j = 0; j <= i; j++)
                target[i] += sigma * root[i * n + j] * z[j];
        }
        double solution[TERMS] = {0};
        (void)solve(fit->model, normal, target, set, solution);
        memcpy(draws + draw * n, solution, n * sizeof *solution);
    }
}

static void
draw_coefficients(fit_t *fit, const normal_t *normal, unsigned long seed)
{
    const size_t n = fit->model->n_terms;
    const unsigned all = all_terms(fit->model);
    double root[TERMS * TERMS];
    if (!root_of(normal, root))
        return;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    fit->draws = plots_alloc(FIT_FAMILIES_MAX * FIT_DRAWS * n, sizeof *fit->draws);
    for (unsigned set = all; set > 0; set--) {
        if (set != all && (!fit->model->is_nonnegative || !is_allowed(fit, normal, set)))
            continue;
        draw_family(fit, normal, root, set, random, fit->draws + fit->n_families * FIT_DRAWS * n);
        fit->n_families++;
    }
    gsl_rng_free(random);
}

// Points a model can use, sorted; how many.
static size_t
usable_points(const model_t *model, const fit_point_t *points, size_t n, fit_point_t *usable)
{
    size_t n_usable = 0;
    for (size_t i = 0; i < n; i++) {
        fit_point_t point = points[i];
        point.nodes = point.nodes > 0.0 ? point.nodes : point.x;
        point.cores = point.cores > 0.0 ? point.cores : point.x;
        const bool is_alone = model->needs_company && point.nodes <= 1.0;
        if (isfinite(point.y) && point.x > 0.0 && !is_alone)
            usable[n_usable++] = point;
    }
    if (n_usable > 0)
        qsort(usable, n_usable, sizeof *usable, compare_points);
    return n_usable;
}

static bool
is_positive(const fit_point_t *points, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(points[i].y > 0.0))
            return false;
    }
    return true;
}

// The coefficients alone, from sorted points. False, and a note, when there is nothing to fit.
static bool
fit_coefficients(fit_t *fit, const fit_point_t *points, size_t n, group_t *groups, normal_t *normal)
{
    const model_t *model = fit->model;
    fit->n_points = n;
    if ((model->is_logarithmic || model->is_relative) && !is_positive(points, n)) {
        snprintf(fit->note, sizeof fit->note, "needs values above zero");
        return false;
    }
    fit->n_sizes = group_points(model, points, n, groups);
    if (fit->n_sizes < model->n_terms) {
        snprintf(fit->note, sizeof fit->note, "%zu %s, needs at least %zu: not fitted",
                 fit->n_sizes, fit->n_sizes == 1 ? "size" : "sizes",
                 model->least_sizes > 0 ? model->least_sizes : model->n_terms);
        return false;
    }
    fit->largest = groups[fit->n_sizes - 1].at.x;
    *normal = normal_of(model, groups, fit->n_sizes);
    if (!solve(model, normal, normal->target, all_terms(model), fit->coefficients)) {
        snprintf(fit->note, sizeof fit->note, "its terms cannot be told apart at these sizes");
        return false;
    }
    return true;
}

// Fits the smaller sizes and looks at the largest.
static void
hold_out(fit_t *whole, const fit_point_t *points, size_t n)
{
    size_t n_smaller = 0;
    while (n_smaller < n && points[n_smaller].x < whole->largest)
        n_smaller++;
    fit_t fit = {.model = whole->model};
    normal_t normal;
    group_t *groups = plots_alloc(n, sizeof *groups);
    double *ratios = plots_alloc(n, sizeof *ratios);
    if (fit_coefficients(&fit, points, n_smaller, groups, &normal)) {
        for (size_t i = n_smaller; i < n; i++) {
            const model_place_t at = place_of(&points[i]);
            ratios[i - n_smaller] = points[i].y / model_value_at(fit.model, fit.coefficients, &at);
        }
        const estimate_t ratio = statistics_estimate(ratios, n - n_smaller);
        whole->held_out_error = fabs(1.0 / ratio.mean - 1.0);
        whole->held_out_noise = ratio.n > 1 ? ratio.sd / ratio.mean / sqrt((double)ratio.n) : 0.0;
    }
    free(ratios);
    free(groups);
}

// Behind what is noted already.
static void
note_nothing_held_out(fit_t *fit)
{
    const size_t length = strlen(fit->note);
    const char *why = "too few sizes beside the largest: ";
    if (length > 0)
        why = "; ";
    else if (fit->n_sizes == fit->model->n_terms)
        why = "as many sizes as parameters: ";
    snprintf(fit->note + length, sizeof fit->note - length, "%snothing held out", why);
}

bool
fit_is_by_default(const fit_t *best)
{
    return best->is_good && isnan(best->held_out_error);
}

// All but the draws, from sorted points; those are made from `normal`, which is not filled where
// the fit is not good.
static fit_t
fit_usable(const model_t *model, const fit_point_t *points, size_t n, normal_t *normal)
{
    fit_t fit = {.model = model,
                 .r_squared = NAN,
                 .sigma = NAN,
                 .held_out_error = NAN,
                 .held_out_noise = NAN};
    group_t *groups = plots_alloc(n, sizeof *groups);
    const bool is_fitted = fit_coefficients(&fit, points, n, groups, normal);
    if (is_fitted && fit.n_sizes < model->least_sizes) {
        snprintf(fit.note, sizeof fit.note, "%zu sizes, needs at least %zu: not fitted",
                 fit.n_sizes, model->least_sizes);
    } else if (is_fitted) {
        fit.is_good = true;
        estimate_r_squared(&fit, points, n);
        estimate_noise(&fit, groups, fit.n_sizes);
        hold_out(&fit, points, n);
        if (isnan(fit.held_out_error))
            note_nothing_held_out(&fit);
    }
    free(groups);
    return fit;
}

fit_t
fit_model_undrawn(const model_t *model, const fit_point_t *points, size_t n)
{
    fit_point_t *usable = plots_alloc(n, sizeof *usable);
    normal_t normal;
    const fit_t fit = fit_usable(model, usable, usable_points(model, points, n, usable), &normal);
    free(usable);
    return fit;
}

fit_t
fit_model(const model_t *model, const fit_point_t *points, size_t n)
{
    fit_point_t *usable = plots_alloc(n, sizeof *usable);
    const size_t n_usable = usable_points(model, points, n, usable);
    normal_t normal;
    fit_t fit = fit_usable(model, usable, n_usable, &normal);
    if (fit.is_good && fit.degrees > 0.0)
        draw_coefficients(&fit, &normal, fit_seed(usable, n_usable, model->name));
    free(usable);
    return fit;
}

fit_t
fit_best(const char *const *names, const fit_point_t *points, size_t n)
{
    fit_t best = {.model = model_named(names[0])};
    bool has_any = false;
    for (size_t i = 0; names[i] != NULL; i++) {
        fit_t fit = fit_model(model_named(names[i]), points, n);
        const bool is_larger = fit.model->n_terms > best.model->n_terms;
        const double margin = is_larger ? 2.0 * fit.held_out_noise : 0.0;
        const bool is_better =
            fit.is_good && (!best.is_good || fit.held_out_error + margin < best.held_out_error ||
                            (isnan(best.held_out_error) && isfinite(fit.held_out_error)));
        if (is_better || !has_any) {
            fit_clear(&best);
            best = fit;
        } else {
            fit_clear(&fit);
        }
        has_any = true;
    }
    return best;
}

void
fit_clear(fit_t *fit)
{
    free(fit->draws);
    *fit = (fit_t){0};
}
