#include "plots/blocks.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

// log T of a cell's finished run, NAN where the repeat has none, or is a mean of several.
static double
log_time(const line_t *line, size_t index, int repeat)
{
    const results_set_t *set = line->summary->set;
    const char *cell = line_cell(line, index)->cell;
    for (size_t i = 0; i < set->n_runs; i++) {
        const results_run_t *run = &set->runs[i];
        if (run->is_done && run->mean_of == 1 && run->repeat == repeat && run->t_s > 0.0 &&
            strcmp(run->cell, cell) == 0)
            return log(run->t_s);
    }
    return NAN;
}

// One pass: log T of every cell. False where a cell lacks it.
static bool
read_pass(const line_t *line, int repeat, double *pass)
{
    for (size_t i = 0; i < line->n; i++) {
        pass[i] = log_time(line, i, repeat);
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
blocks_of(const line_t *line)
{
    blocks_t blocks = {.n_cells = line->n, .error = NAN};
    blocks.log_times = plots_alloc(line->n, sizeof *blocks.log_times);
    if (line->n < 2)
        return blocks;
    const results_set_t *set = line->summary->set;
    double *passes = plots_alloc(set->n_runs * line->n, sizeof *passes);
    // The repeats of the first cell are all that can be whole passes.
    for (size_t i = 0; i < set->n_runs; i++) {
        const bool is_first = strcmp(set->runs[i].cell, line_cell(line, 0)->cell) == 0;
        if (is_first && read_pass(line, set->runs[i].repeat, &passes[blocks.n_passes * line->n]))
            blocks.n_passes++;
    }
    for (size_t i = 0; i < line->n; i++) {
        for (size_t p = 0; p < blocks.n_passes; p++)
            blocks.log_times[i] += passes[p * line->n + i] / (double)blocks.n_passes;
    }
    if (blocks.n_passes >= 2) {
        blocks.degrees = (double)(line->n - 1) * (double)(blocks.n_passes - 1);
        blocks.error = sqrt(residual_squares(passes, blocks.n_passes, blocks.log_times, line->n) /
                            blocks.degrees);
    }
    free(passes);
    return blocks;
}

void
blocks_clear(blocks_t *blocks)
{
    free(blocks->log_times);
    *blocks = (blocks_t){.error = NAN};
}

void
blocks_means(const blocks_t *blocks, double *times)
{
    for (size_t i = 0; i < blocks->n_cells; i++)
        times[i] = exp(blocks->log_times[i]);
}

void
blocks_draw(const blocks_t *blocks, gsl_rng *random, double *times)
{
    const double error =
        blocks->error * sqrt(blocks->degrees / gsl_ran_chisq(random, blocks->degrees));
    for (size_t i = 0; i < blocks->n_cells; i++) {
        const double noise = gsl_ran_gaussian(random, error / sqrt((double)blocks->n_passes));
        times[i] = exp(blocks->log_times[i] + noise);
    }
}
