// Figures 7, 8 and 9: what more nodes do to training and work time, to their shares, and what they
// would do.
#include <math.h>
#include <stdlib.h>

#include "plots/csv.h"
#include "plots/figure_draw.h"
#include "plots/memory.h"

#define NEEDS "needs cells with two or more numbers of nodes"

static const char *
cores_word(const line_t *line)
{
    return line->fixed == 1.0 ? "core" : "cores";
}

// ---- figure 7 ----

static void
add_times(const line_t *line, const char *series, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++) {
        const summary_cell_t *cell = line_cell(line, i);
        const estimate_t t = cell->quantities[QUANTITY_T];
        const estimate_t w = cell->quantities[QUANTITY_WORK];
        const double numbers[] = {cell->nodes, cell->cores, (double)cell->n, t.mean, t.low,
                                  t.high,      w.mean,      w.low,           w.high};
        figure_row(csv, series, numbers, sizeof numbers / sizeof *numbers);
    }
}

static void
add_time_panel(draft_t *script, const line_t *line, const char *series, bool is_reference)
{
    const char *t = is_reference ? "black" : "blue";
    const char *w = is_reference ? "grey" : "green";
    const char *o = is_reference ? "pale" : "orange";
    const double last = line_x(line, line->n - 1);
    draft_add(script, "set xrange [%.4g:%.4g]\nset xtics %s\n", line_x(line, 0) - 0.3, last + 0.3,
              last > 12.0 ? "auto" : "1");
    figure_open(script);
    figure_plot(script, series, "nodes", "'work_s':'t_s'",
                "filledcurves linecolor rgb %s fillstyle solid 0.35 title 'overhead, T − W'", o);
    figure_plot(script, series, "nodes", "'t_s':'t_low_s':'t_high_s'",
                "yerrorbars linecolor rgb %s linewidth 1.5 pointtype 7 pointsize 0 notitle", t);
    figure_plot(script, series, "nodes", "'work_s':'work_low_s':'work_high_s'",
                "yerrorbars linecolor rgb %s linewidth 1.5 pointtype 7 pointsize 0 notitle", w);
    figure_plot(script, series, "nodes", "'t_s'",
                "linespoints linecolor rgb %s linewidth 2 pointtype 7 title 'training time T'", t);
    figure_plot(script, series, "nodes", "'work_s'",
                "linespoints linecolor rgb %s linewidth 2 dashtype 2 pointtype 5 title 'work "
                "time W'",
                w);
    figure_close(script);
}

bool
figure_times(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    line_t line = figure_line(&source->measured, LINE_NODES);
    line_t other = figure_line(&source->reference, LINE_NODES);
    if (line.n == 0)
        return figure_skip(figure, NEEDS);
    draft_add(&figure->csv,
              "series,nodes,cores,n,t_s,t_low_s,t_high_s,work_s,work_low_s,work_high_s\n");
    add_times(&line, "measured", &figure->csv);
    add_times(&other, "reference", &figure->csv);
    figure_begin(source, figure, "Training and work time by number of nodes", other.n > 0 ? 2 : 1);
    draft_t *script = &figure->script;
    draft_add(script,
              "set xlabel 'nodes, %.3g %s each'\nset ylabel 'seconds'\nset yrange [0:*]\n"
              "set key top right\n",
              line.fixed, cores_word(&line));
    if (other.n > 0)
        draft_add(script, "set title '%s'\n", source->measured.name);
    add_time_panel(script, &line, "measured", false);
    if (other.n > 0) {
        draft_add(script, "set title '%s'\nunset ylabel\n", source->reference.name);
        add_time_panel(script, &other, "reference", true);
    }
    line_clear(&line);
    line_clear(&other);
    return true;
}

// ---- figure 8 ----

static void
add_shares(const line_t *line, const line_t *places, const char *series, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++) {
        size_t place = 0;
        while (place < places->n && line_x(places, place) != line_x(line, i))
            place++;
        if (place == places->n)
            continue;
        const summary_cell_t *cell = line_cell(line, i);
        const estimate_t w = cell->quantities[QUANTITY_WORK_SHARE];
        const estimate_t o = cell->quantities[QUANTITY_OVERHEAD_SHARE];
        const double numbers[] = {(double)place, cell->nodes, cell->cores, w.mean,
                                  w.low,         w.high,      o.mean};
        figure_row(csv, series, numbers, sizeof numbers / sizeof *numbers);
    }
}

static void
add_bars(draft_t *script, const char *series, const char *name, double shift, double width,
         bool is_reference)
{
    char *x = plots_format("(pick('%s', column('position') + %g))", series, shift);
    const char *w = is_reference ? "grey" : "green";
    const char *o = is_reference ? "pale" : "orange";
    draft_add(script,
              ", \\\n     data using %s:(column('work_share') + column('overhead_share')):(%g) "
              "with boxes fillstyle solid 1 linecolor rgb %s title 'overhead, %s'",
              x, width, o, name);
    draft_add(script,
              ", \\\n     data using %s:'work_share':(%g) with boxes fillstyle solid 1 linecolor "
              "rgb %s title 'work, %s'",
              x, width, w, name);
    draft_add(script,
              ", \\\n     data using %s:'work_low':(0):(column('work_high') - "
              "column('work_low')) with vectors heads size screen 0.005,90 fixed linecolor rgb "
              "black linewidth 1.5 notitle",
              x);
    draft_add(script,
              ", \\\n     data using %s:(column('work_share') / 2):(percent('work_share')) with "
              "labels textcolor rgb '#ffffff' notitle",
              x);
    draft_add(script,
              ", \\\n     data using %s:(1.035):(percent('overhead_share')) with labels textcolor "
              "rgb %s notitle",
              x, is_reference ? "grey" : "black");
    free(x);
}

static void
add_node_tics(const line_t *line, draft_t *script)
{
    char **labels = plots_alloc(line->n, sizeof *labels);
    for (size_t i = 0; i < line->n; i++)
        labels[i] =
            plots_format("%.4g %s", line_x(line, i), line_x(line, i) == 1.0 ? "node" : "nodes");
    figure_tics(script, (const char *const *)labels, line->n);
    for (size_t i = 0; i < line->n; i++)
        free(labels[i]);
    free(labels);
}

bool
figure_shares(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    line_t line = figure_line(&source->measured, LINE_NODES);
    line_t other = figure_line(&source->reference, LINE_NODES);
    if (line.n == 0)
        return figure_skip(figure, NEEDS);
    draft_add(&figure->csv,
              "series,position,nodes,cores,work_share,work_low,work_high,overhead_share\n");
    add_shares(&line, &line, "measured", &figure->csv);
    add_shares(&other, &line, "reference", &figure->csv);
    figure_begin(source, figure, "Share of work and of communication by number of nodes", 1);
    draft_t *script = &figure->script;
    draft_add(script,
              "percent(name) = sprintf('%%.1f %%%%', 100*column(name))\nset yrange [0:1.08]\n"
              "set ytics 0.2\nset format y '%%.1f'\nset ylabel 'share of training time'\n"
              "set xrange [-0.6:%zu.6]\nset xlabel '%.3g %s a node; above each bar the share "
              "of overhead'\neval key_below(2)\nset border 2\n",
              line.n - 1, line.fixed, cores_word(&line));
    add_node_tics(&line, script);
    const double shift = other.n > 0 ? 0.2 : 0.0;
    const double width = other.n > 0 ? 0.38 : 0.6;
    figure_open(script);
    add_bars(script, "measured", source->measured.name, -shift, width, false);
    if (other.n > 0)
        add_bars(script, "reference", source->reference.name, shift, width, true);
    figure_close(script);
    line_clear(&line);
    line_clear(&other);
    return true;
}

// ---- figure 9 ----

typedef struct {
    const model_t *work, *overhead;
    double nodes;
} share_t;

static double
ask_share(const double *work, const double *overhead, const void *context)
{
    const share_t *share = context;
    const double w = model_value(share->work, work, share->nodes);
    const double o = fmax(0.0, model_value(share->overhead, overhead, share->nodes));
    return o / (w + o);
}

// Overhead's share at n nodes, O/(W + O), with its band.
static fit_value_t
share_at(const fit_t *work, const fit_t *overhead, double nodes)
{
    const share_t share = {work->model, overhead->model, nodes};
    return fit_interval(work, overhead, ask_share, &share);
}

static void
add_curve(const fit_t *work, const fit_t *overhead, double from, double to, const char *series,
          draft_t *csv)
{
    enum { STEPS = 60 };
    for (int i = 0; work->is_good && overhead->is_good && i <= STEPS; i++) {
        // Evenly on a logarithmic axis, which is dense enough on a linear one too.
        const double nodes = from * pow(to / from, (double)i / STEPS);
        const fit_value_t o = share_at(work, overhead, nodes);
        const double numbers[] = {nodes,   1 - o.value, 1 - o.high, 1 - o.low,
                                  o.value, o.low,       o.high};
        figure_row_text(csv, series, numbers, sizeof numbers / sizeof *numbers, "");
    }
}

static void
add_share_points(const line_t *line, const char *series, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++) {
        const estimate_t *q = line_cell(line, i)->quantities;
        const estimate_t w = q[QUANTITY_WORK_SHARE];
        const estimate_t o = q[QUANTITY_OVERHEAD_SHARE];
        const double numbers[] = {line_x(line, i), w.mean, w.low, w.high, o.mean, o.low, o.high};
        figure_row_text(csv, series, numbers, sizeof numbers / sizeof *numbers, "");
    }
}

// The words at a crossing: "5.9 nodes (5.1 to 7.4)".
static char *
crossing_label(const char *what, fit_value_t crossing)
{
    draft_t label = {0};
    draft_add(&label, "%s %.1f nodes", what, crossing.value);
    if (isfinite(crossing.low) && isfinite(crossing.high))
        draft_add(&label, " (%.1f to %.1f)", crossing.low, crossing.high);
    else if (isfinite(crossing.low))
        draft_add(&label, " (%.1f or more)", crossing.low);
    return label.text;
}

// A mark is a row whose overhead_low and overhead_high are the ends of the crossing's interval, cut
// at the axis' end.
static void
add_mark(fit_value_t crossing, double to, const char *series, const char *what, draft_t *csv)
{
    if (!isfinite(crossing.value) || crossing.value > to)
        return;
    char *label = crossing_label(what, crossing);
    const double low = isnan(crossing.low) ? crossing.value : crossing.low;
    const double high = isnan(crossing.high) ? crossing.value : fmin(crossing.high, to);
    const double numbers[] = {crossing.value, 0.5, NAN, NAN, NAN, low, high};
    figure_row_text(csv, series, numbers, sizeof numbers / sizeof *numbers, label);
    free(label);
}

// How far the axis goes: past the crossings, at least twice as far as was measured, and not past
// what anyone will build.
static double
reach_of(const line_t *line, const fits_extrapolation_t *e, const fits_extrapolation_t *other)
{
    double reach = fmax(8.0, 2.0 * line_x(line, line->n - 1));
    const double crossings[] = {e->crossing.value, e->paper_crossing.value,
                                other->paper_crossing.value};
    for (size_t i = 0; i < sizeof crossings / sizeof *crossings; i++) {
        if (isfinite(crossings[i]) && 1.5 * crossings[i] > reach)
            reach = 1.5 * crossings[i];
    }
    return ceil(fmin(reach, 100.0));
}

static void
add_model_plot(draft_t *script, const fits_extrapolation_t *e, const char *name)
{
    figure_plot(script, "model", "nodes", "'work_low':'work_high'",
                "filledcurves linecolor rgb green fillstyle transparent solid 0.18 notitle");
    figure_plot(script, "model", "nodes", "'overhead_low':'overhead_high'",
                "filledcurves linecolor rgb red fillstyle transparent solid 0.18 notitle");
    figure_plot(script, "model", "nodes", "'work_share'",
                "lines linecolor rgb green linewidth 2 title 'work, %s'", e->work.model->name);
    figure_plot(script, "model", "nodes", "'overhead_share'",
                "lines linecolor rgb red linewidth 2 title 'overhead, %s'",
                e->overhead.model->name);
    figure_plot(script, "measured", "nodes", "'work_share':'work_low':'work_high'",
                "yerrorbars linecolor rgb green pointtype 7 pointsize 0 notitle");
    figure_plot(script, "measured", "nodes", "'overhead_share':'overhead_low':'overhead_high'",
                "yerrorbars linecolor rgb red pointtype 7 pointsize 0 notitle");
    figure_plot(script, "measured", "nodes", "'work_share'",
                "points linecolor rgb green pointtype 5 pointsize 1.1 title 'work, %s'", name);
    figure_plot(script, "measured", "nodes", "'overhead_share'",
                "points linecolor rgb red pointtype 7 pointsize 1.1 title 'overhead, %s'", name);
}

// The paper's way to extrapolate, in grey: of the reference where there is one, else of what was
// measured.
static void
add_regression_plot(draft_t *script, const char *reference)
{
    figure_plot(script, "regression", "nodes", "'work_share'",
                "lines linecolor rgb grey dashtype 2 title 'regressions%s%s'",
                reference != NULL ? ", " : "", reference != NULL ? reference : "");
    figure_plot(script, "regression", "nodes", "'overhead_share'",
                "lines linecolor rgb grey dashtype 2 notitle");
    if (reference == NULL)
        return;
    figure_plot(script, "reference", "nodes", "'work_share'",
                "points linecolor rgb grey pointtype 4 pointsize 1.1 title '%s'", reference);
    figure_plot(script, "reference", "nodes", "'overhead_share'",
                "points linecolor rgb grey pointtype 6 pointsize 1.1 notitle");
}

// A crossing: a triangle on the line of one half, its interval, and above the plot, at `height`,
// what it says.
static void
add_mark_plot(draft_t *script, const char *series, const char *color, double height, double at,
              double reach, bool is_logarithmic)
{
    const double place = is_logarithmic ? log(at) / log(reach) : at / reach;
    const char *side = place < 0.3 ? "left" : place > 0.7 ? "right" : "center";
    figure_plot(script, series, "nodes", "'work_share':'overhead_low':'overhead_high'",
                "xerrorbars linecolor rgb %s linewidth 2 pointtype 9 pointsize 1.4 notitle", color);
    char *foot = plots_format("(%g)", height - 0.04);
    figure_plot(script, series, "nodes", foot, "impulses linecolor rgb %s dashtype 3 notitle",
                color);
    char *y = plots_format("(%g):'label'", height);
    figure_plot(script, series, "nodes", y, "labels %s textcolor rgb %s noenhanced notitle", side,
                color);
    free(foot);
    free(y);
}

bool
figure_extrapolated(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    line_t line = figure_line(&source->measured, LINE_NODES);
    line_t other = figure_line(&source->reference, LINE_NODES);
    if (line.n == 0)
        return figure_skip(figure, NEEDS);
    fits_extrapolation_t e = fits_extrapolate(&line);
    fits_extrapolation_t o = {0};
    if (other.n > 0)
        o = fits_extrapolate(&other);
    const fits_extrapolation_t *old = other.n > 0 ? &o : &e;
    const bool is_drawn = e.work.is_good && e.overhead.is_good;
    if (!is_drawn)
        figure_skip(figure, "%s", e.work.is_good ? e.overhead.note : e.work.note);
    const double reach = reach_of(&line, &e, old);
    const bool is_logarithmic = reach > 24.0;
    draft_t *csv = &figure->csv;
    draft_t *script = &figure->script;
    if (is_drawn) {
        draft_add(csv, "series,nodes,work_share,work_low,work_high,overhead_share,overhead_low,"
                       "overhead_high,label\n");
        add_share_points(&line, "measured", csv);
        add_curve(&e.work, &e.overhead, 2.0, reach, "model", csv);
        add_share_points(&other, "reference", csv);
        add_curve(&old->paper_work, &old->paper_overhead, 1.0, reach, "regression", csv);
        add_mark(e.crossing, reach, "mark", "communication outgrows work at", csv);
        // Two regressions through three points have hardly any freedom left: their interval would
        // span the figure.
        add_mark((fit_value_t){old->paper_crossing.value, NAN, NAN}, reach, "old mark",
                 other.n > 0 ? "regressions of the reference:" : "regressions:", csv);
        figure_begin(source, figure, "Shares of work and communication, extrapolated to more nodes",
                     1);
        draft_add(
            script,
            "set xlabel 'nodes, %.3g %s each'\nset ylabel 'share of training time'\n"
            "set yrange [0:1.25]\nset ytics (0, 0.2, 0.4, 0.6, 0.8, 1.0)\nset format y '%%.1f'\n"
            "set xrange [0.8:%g]\neval key_below(3)\nset key font ',13'\n%s",
            line.fixed, cores_word(&line), reach,
            is_logarithmic ? "set logscale x 2\n" : "set xtics 1\n");
        figure_open(script);
        add_regression_plot(script, other.n > 0 ? source->reference.name : NULL);
        add_model_plot(script, &e, source->measured.name);
        add_mark_plot(script, "old mark", "grey", 1.09, old->paper_crossing.value, reach,
                      is_logarithmic);
        add_mark_plot(script, "mark", "black", 1.19, e.crossing.value, reach, is_logarithmic);
        figure_close(script);
    }
    fits_extrapolation_clear(&e);
    fits_extrapolation_clear(&o);
    line_clear(&line);
    line_clear(&other);
    return is_drawn;
}
