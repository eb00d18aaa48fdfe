#include "plots/blocks.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"
#include "plots/statistics.h"

// What a cell's finished run of that repeat ended with: log T, or else the quantity as it is. NAN
// where the repeat has none, or is a mean of several.
static double
level_of(const line_t *line, quantity_t quantity, size_t index, int repeat)
{
    const results_set_t *set = line->summary->set;
    const char *cell = line_cell(line, index)->cell;
    for (size_t i = 0; i < set->n_runs; i++) {
        const results_run_t *run = &set->runs[i];
        if (!run->is_done || run->mean_of != 1 || run->repeat != repeat ||
            strcmp(run->cell, cell) != 0)
            continue;
        const double value = line_value(run, quantity);
        if (quantity != QUANTITY_T)
            return value;
        return value > 0.0 ? log(value) : NAN;
    }
    return NAN;
}

// One pass: every cell's level. False where a cell lacks it.
static bool
read_pass(const line_t *line, quantity_t quantity, int repeat, double *pass)
{
    for (size_t i = 0; i < line->n; i++) {
        pass[i] = level_of(line, quantity, i, repeat);
        if (isnan(pass[i]))
            return false;
    }
    return true;
}

// What is left of the passes when the cells' means and the passes' own are taken away, squared.
static double
residual_squares(const double *passes, size_t n_passes, const double *means, size_t n_cells)
{
    double squares = 0.0;
    for (size_t p = 0; p < n_passes; p++) {
        const double *pass = &passes[p * n_cells];
        double effect = 0.0;
        for (size_t i = 0; i < n_cells; i++)
            effect += (pass[i] - means[i]) / (double)n_cells;
        for (size_t i = 0; i < n_cells; i++) {
            const double residual = pass[i] - means[i] - effect;
            squares += residual * residual;
        }
    }
    return squares;
}

blocks_t
blocks_of(const line_t *line, quantity_t quantity)
{
    blocks_t blocks = {.n_cells = line->n, .error = NAN};
    blocks.levels = plots_alloc(line->n, sizeof *blocks.levels);
    if (line->n < 2)
        return blocks;
    const results_set_t *set = line->summary->set;
    double *passes = plots_alloc(set->n_runs * line->n, sizeof *passes);
    // The repeats of the first cell are all that can be whole passes.
    for (size_t i = 0; i < set->n_runs; i++) {
        const bool is_first = strcmp(set->runs[i].cell, line_cell(line, 0)->cell) == 0;
        if (is_first &&
            read_pass(line, quantity, set->runs[i].repeat, &passes[blocks.n_passes * line->n]))
            blocks.n_passes++;
    }
    for (size_t i = 0; i < line->n; i++) {
        for (size_t p = 0; p < blocks.n_passes; p++)
            blocks.levels[i] += passes[p * line->n + i] / (double)blocks.n_passes;
    }
    if (blocks.n_passes >= 2) {
        blocks.degrees = (double)(line->n - 1) * (double)(blocks.n_passes - 1);
        blocks.error = sqrt(residual_squares(passes, blocks.n_passes, blocks.levels, line->n) /
                            blocks.degrees);
    }
    free(passes);
    return blocks;
}

void
blocks_clear(blocks_t *blocks)
{
    free(blocks->levels);
    *blocks = (blocks_t){.error = NAN};
}

blocks_difference_t
blocks_difference(const blocks_t *blocks, size_t index, size_t base)
{
    const double difference = blocks->levels[index] - blocks->levels[base];
    const double error = blocks->error * sqrt(2.0 / (double)blocks->n_passes);
    const double margin = error * statistics_t_quantile(0.975, blocks->degrees);
    return (blocks_difference_t){difference, difference - margin, difference + margin, error};
}

void
blocks_means(const blocks_t *blocks, double *times)
{
    for (size_t i = 0; i < blocks->n_cells; i++)
        times[i] = exp(blocks->levels[i]);
}

void
blocks_draw(const blocks_t *blocks, gsl_rng *random, double *times)
{
    const double error =
        blocks->error * sqrt(blocks->degrees / gsl_ran_chisq(random, blocks->degrees));
    for (size_t i = 0; i < blocks->n_cells; i++) {
        const double noise = gsl_ran_gaussian(random, error / sqrt((double)blocks->n_passes));
        times[i] = exp(blocks->levels[i] + noise);
    }
}
