// Figures the paper lacks: efficiency against the ideal, where a round's time goes, and work
// against its roof.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"

static const char *const AXES[2] = {"nodes", "cores"};
static const char *const COLORS[2] = {"red", "blue"};

// ---- efficiency ----

// S over the factor by which the machine grew, along one line; its interval is that of the ratio.
static void
add_efficiencies(const line_t *line, const char *series, draft_t *csv)
{
    const summary_cell_t *base = line_cell(line, 0);
    for (size_t i = 0; i < line->n; i++) {
        const summary_cell_t *cell = line_cell(line, i);
        const double factor = cell->cores / base->cores;
        estimate_t s = statistics_exact(1.0, cell->n);
        if (i > 0)
            s = statistics_ratio(base->quantities[QUANTITY_T], cell->quantities[QUANTITY_T]);
        const double numbers[] = {factor, s.mean / factor, s.low / factor, s.high / factor};
        figure_row(csv, series, numbers, sizeof numbers / sizeof *numbers);
    }
}

static double
growth_of(const line_t *line)
{
    return line->n == 0 ? 1.0 : line_cell(line, line->n - 1)->cores / line_cell(line, 0)->cores;
}

bool
figure_efficiency(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    const figure_side_t *sides[2] = {&source->reference, &source->measured};
    static const char *const names[2] = {"reference", "measured"};
    line_t lines[2][2];
    double growth = 1.0;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < 2; i++) {
            lines[s][i] = figure_line(sides[s], i == 0 ? LINE_NODES : LINE_CORES);
            growth = fmax(growth, growth_of(&lines[s][i]));
        }
    }
    const bool is_drawn = lines[1][0].n > 0 || lines[1][1].n > 0;
    draft_t *script = &figure->script;
    if (is_drawn) {
        draft_add(&figure->csv, "series,factor,efficiency,low,high\n");
        figure_begin_alone(source, figure,
                           "Efficiency: speedup over how much larger the cluster is", 1,
                           &lines[1][lines[1][0].n > 0 ? 0 : 1]);
        draft_add(script,
                  "set xlabel 'times the cores of the smallest case'\nset ylabel 'efficiency'\n"
                  "set xrange [0.8:%g]\nset yrange [0:1.3]\nset ytics 0.2\neval key_below(3)\n"
                  "set arrow from 0.8,1 to %g,1 nohead linecolor rgb grey dashtype 3\n"
                  "set arrow from 0.8,0.5 to %g,0.5 nohead linecolor rgb pale dashtype 3\n"
                  "set label 'ideal' at graph 0.99, first 1.04 right textcolor rgb grey\n"
                  "set label 'half' at graph 0.99, first 0.54 right textcolor rgb grey\n",
                  growth + 0.3, growth + 0.3, growth + 0.3);
        figure_open(script);
    } else {
        figure_skip(figure, "needs two or more numbers of nodes, or of cores");
    }
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < 2; i++) {
            char *series = plots_format("%s %s", names[s], AXES[i]);
            const char *color = s == 0 ? "grey" : COLORS[i];
            if (lines[s][i].n > 0 && is_drawn) {
                add_efficiencies(&lines[s][i], series, &figure->csv);
                figure_plot(script, series, "factor", "'efficiency':'low':'high'",
                            "yerrorbars linecolor rgb %s pointtype 7 pointsize 0 notitle", color);
                figure_plot(script, series, "factor", "'efficiency'",
                            "linespoints linecolor rgb %s dashtype %d pointtype %zu title 'added "
                            "%s, %s'",
                            color, s == 0 ? 2 : 1, (s == 0 ? 4 : 5) + 2 * i, AXES[i],
                            sides[s]->name);
            }
            free(series);
            line_clear(&lines[s][i]);
        }
    }
    if (is_drawn)
        figure_close(script);
    return is_drawn;
}

// ---- where a round's time goes ----

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
              "'nodes : cores of the whole cluster'\neval key_below(1)\nset border 2\n",
              n - 1);
    figure_tics(script, (const char *const *)labels, n);
    if (n > 14)
        draft_add(script, "set xtics rotate by -40\nset bmargin 8\n");
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

// ---- work against its roof ----

bool
figure_roof(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    line_t line = figure_line(&source->measured, LINE_CORES);
    if (line.n == 0)
        return figure_skip(figure, "needs two or more numbers of cores on the same nodes");
    // The roof: the best rate of work a core that any of the cells reached, for all of them.
    double best = INFINITY;
    draft_add(&figure->csv, "series,cores,work_s,low,high\n");
    for (size_t i = 0; i < line.n; i++) {
        const estimate_t w = line_cell(&line, i)->quantities[QUANTITY_WORK];
        figure_row(&figure->csv, "measured", (double[]){line_x(&line, i), w.mean, w.low, w.high},
                   4);
        best = fmin(best, w.mean * line_x(&line, i));
    }
    const double from = line_x(&line, 0);
    const double to = line_x(&line, line.n - 1);
    const double ends[] = {from, to};
    for (size_t i = 0; i < 2; i++)
        figure_row(&figure->csv, "roof", (double[]){ends[i], best / ends[i], NAN, NAN}, 4);
    figure_begin_alone(source, figure, "Work time by cores, against the best rate a core", 1,
                       &line);
    draft_t *script = &figure->script;
    draft_add(script,
              "set xlabel 'cores of the whole cluster, %.4g nodes'\nset ylabel 'work time W, "
              "seconds'\nset logscale xy 2\nset xrange [%g:%g]\nset key top right\nset grid xtics "
              "ytics\n",
              line.fixed, from / 1.1, to * 1.1);
    figure_open(script);
    figure_plot(script, "roof", "cores", "'work_s'",
                "lines linecolor rgb grey linewidth 2 dashtype 3 title 'best rate a core'");
    figure_plot(script, "measured", "cores", "'work_s':'low':'high'",
                "yerrorbars linecolor rgb green pointtype 7 pointsize 0 notitle");
    figure_plot(script, "measured", "cores", "'work_s'",
                "linespoints linecolor rgb green linewidth 2 pointtype 5 title 'work time W, %s'",
                source->measured.name);
    figure_close(script);
    line_clear(&line);
    return true;
}
