// Where a round's time goes, stacked.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"

typedef struct {
    double compute, send, wait, aggregate;
    size_t n;
} round_time_t;

static double
known(double seconds)
{
    return isfinite(seconds) ? seconds : 0.0;
}

// The mean over a cell's workers, rounds and repeats.
static round_time_t
round_time_of(const results_set_t *set, const char *cell)
{
    round_time_t time = {0};
    for (size_t i = 0; i < set->n_rounds; i++) {
        const results_round_t *r = &set->rounds[i];
        if (strcmp(set->runs[r->run].cell, cell) != 0)
            continue;
        time.compute += known(r->compute_s);
        time.send += known(r->send_s);
        time.wait += known(r->wait_s);
        time.aggregate += known(r->aggregate_s);
        time.n++;
    }
    return time;
}

bool
figure_rounds(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    char **labels = NULL;
    size_t n = 0;
    draft_add(&figure->csv, "series,position,compute_s,send_s,wait_s,aggregate_s,label\n");
    for (size_t s = 0; s < source->measured.n; s++) {
        const summary_t *summary = source->measured.summaries[s];
        for (size_t i = 0; i < summary->n_cells; i++) {
            const round_time_t time = round_time_of(summary->set, summary->cells[i].cell);
            if (time.n == 0)
                continue;
            labels = plots_resize(labels, n + 1, sizeof *labels);
            labels[n] = summary_label(summary, i);
            const double count = (double)time.n;
            const double numbers[] = {(double)n, time.compute / count, time.send / count,
                                      time.wait / count, time.aggregate / count};
            figure_row_text(&figure->csv, "round", numbers, sizeof numbers / sizeof *numbers,
                            labels[n++]);
        }
    }
    if (n == 0)
        return figure_skip(figure, "no rounds.csv of finished runs");
    figure_begin(source, figure, "Where the time of a round goes, mean over workers and rounds", 1);
    draft_t *script = &figure->script;
    draft_add(script,
              "set ylabel 'seconds a round'\nset yrange [0:*]\nset xrange [-0.6:%zu.6]\nset xlabel "
              "'nodes : cores of the whole cluster'\nset border 2\n",
              n - 1);
    figure_cell_tics(script, (const char *const *)labels, n, 1);
    figure_open(script);
    // Drawn from the top of the stack down, each box over the one before.
    static const char *const stack[] = {
        "(column('compute_s')+column('send_s')+column('wait_s')+column('aggregate_s')):(0.7)",
        "(column('compute_s')+column('send_s')+column('wait_s')):(0.7)",
        "(column('compute_s')+column('send_s')):(0.7)", "'compute_s':(0.7)"};
    static const char *const parts[] = {"aggregate", "wait", "send", "compute"};
    static const char *const colors[] = {"blue", "pale", "orange", "green"};
    for (size_t i = 0; i < 4; i++)
        figure_plot(script, "round", "position", stack[i],
                    "boxes fillstyle solid 1 linecolor rgb %s title '%s'", colors[i], parts[i]);
    figure_close(script);
    for (size_t i = 0; i < n; i++)
        free(labels[i]);
    free(labels);
    return true;
}
