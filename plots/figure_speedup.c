// Speedup by added nodes and by added cores: figure 11, and efficiency against the ideal.
#include <math.h>
#include <stdlib.h>

#include "plots/figure_draw.h"
#include "plots/fit_speedup.h"
#include "plots/memory.h"

static const char *const AXES[2] = {"nodes", "cores"};

// One line of speedups in a figure.
typedef struct {
    const line_t *line;
    char *series; // in the CSV
    char *title;  // in the key, as a gnuplot string
    const char *color;
    size_t point; // gnuplot's point type
    bool is_dashed;
    bool has_band; // of its trend
} curve_t;

// Everything that is drawn. Where there is one line an axis, it is those of both sides; where an
// axis has further values, one for each of them.
enum { CURVES_MAX = 2 * FIGURE_FAMILY_MAX };
typedef struct {
    figure_lines_t lines[2]; // by nodes, by cores
    curve_t curves[CURVES_MAX];
    size_t n;
    bool is_family;
} curves_t;

static void
add_curve(curves_t *curves, const line_t *line, curve_t curve)
{
    curve.line = line;
    if (line->n > 0) {
        curves->curves[curves->n++] = curve;
    } else {
        free(curve.series);
        free(curve.title);
    }
}

static void
add_sides(const figure_source_t *source, curves_t *curves)
{
    static const char *const colors[2] = {"red", "blue"};
    for (size_t i = 0; i < 2; i++)
        add_curve(
            curves, &curves->lines[i].other,
            (curve_t){.series = plots_format("reference %s", AXES[i]),
                      .title = plots_format("'added %s, %s'", AXES[i], source->reference.name),
                      .color = "grey",
                      .point = 4 + 2 * i,
                      .is_dashed = true});
    for (size_t i = 0; i < 2; i++)
        add_curve(curves, &curves->lines[i].line,
                  (curve_t){.series = plots_format("measured %s", AXES[i]),
                            .title = plots_format("'added %s, %s'", AXES[i], source->measured.name),
                            .color = colors[i],
                            .point = 5 + 2 * i,
                            .has_band = true});
}

// Nodes with full points, cores with open ones, in the colour of the value.
static void
add_families(curves_t *curves)
{
    const size_t n_all = curves->lines[0].family.n + curves->lines[1].family.n;
    for (size_t i = 0; i < 2; i++) {
        const figure_family_t *family = &curves->lines[i].family;
        for (size_t j = 0; j < family->n; j++) {
            char *label = line_label(&family->lines[j]);
            char *words = plots_format("added %s%s%s", AXES[i], *label != '\0' ? ", " : "", label);
            draft_t title = {0};
            figure_quote(&title, words);
            add_curve(curves, &family->lines[j],
                      (curve_t){.series = plots_format("%s %zu", AXES[i], j),
                                .title = title.text,
                                .color = FIGURE_FAMILY_COLORS[j],
                                .point = (i == 0 ? 5 : 4) + 2 * j,
                                .is_dashed = i == 1,
                                .has_band = n_all <= FIGURE_FAMILY_MAX});
            free(words);
            free(label);
        }
    }
}

static bool
draw_curves(const figure_source_t *source,
            void draw(const figure_source_t *source, const curves_t *curves, figure_t *figure),
            figure_t *figure)
{
    curves_t curves = {
        .lines = {figure_lines(source, LINE_NODES), figure_lines(source, LINE_CORES)}};
    const bool is_drawn = curves.lines[0].line.n > 0 || curves.lines[1].line.n > 0;
    curves.is_family = curves.lines[0].family.n > 1 || curves.lines[1].family.n > 1;
    if (curves.is_family)
        add_families(&curves);
    else
        add_sides(source, &curves);
    if (is_drawn)
        draw(source, &curves, figure);
    else
        figure_skip(figure, "needs two or more numbers of nodes, or of cores");
    for (size_t i = 0; i < curves.n; i++) {
        free(curves.curves[i].series);
        free(curves.curves[i].title);
    }
    for (size_t i = 0; i < 2; i++)
        figure_lines_clear(&curves.lines[i]);
    return is_drawn;
}

// The title; beneath it, how many of the further axes' values are drawn.
static void
begin(const figure_source_t *source, const curves_t *curves, const char *title, figure_t *figure)
{
    const figure_lines_t *nodes = &curves->lines[0], *cores = &curves->lines[1];
    if (curves->is_family)
        figure_begin_with(source, figure, title, 1,
                          nodes->family.n >= cores->family.n ? nodes->family.note
                                                             : cores->family.note);
    else
        figure_begin_alone(source, figure, title, 1,
                           nodes->line.n > 0 ? &nodes->line : &cores->line);
}

static double
cores_at(const line_t *line, size_t index)
{
    return line_cell(line, index)->cores;
}

static void
add_points_plot(draft_t *script, const curve_t *curve, const char *x, const char *y,
                const char *style)
{
    char *bars = plots_format("%s:'low':'high'", y);
    figure_bars(script, curve->series, x, bars, curve->color);
    figure_plot(script, curve->series, x, y,
                "%s linecolor rgb %s dashtype %d pointtype %zu pointsize 1.2 title %s", style,
                curve->color, curve->is_dashed ? 2 : 1, curve->point, curve->title);
    free(bars);
}

// ---- figure 11 ----

static void
add_trend(const curve_t *curve, double to, draft_t *csv)
{
    enum { STEPS = 30 };
    const line_t *line = curve->line;
    const double from = cores_at(line, 0);
    const double scale = line_x(line, 0) / from; // all of a line's nodes have the same cores
    char *trend = plots_format("%s trend", curve->series);
    fit_t fit = fit_speedup(line);
    for (int i = 0; fit.is_good && i <= STEPS; i++) {
        const double cores = from + (to - from) * i / STEPS;
        const fit_value_t s = fit_predict(&fit, scale * cores);
        figure_row(csv, trend, (double[]){cores, s.value, s.low, s.high}, 4);
    }
    fit_clear(&fit);
    free(trend);
}

static void
add_speedups(const curve_t *curve, double to, draft_t *csv)
{
    for (size_t i = 0; i < curve->line->n; i++)
        figure_point(csv, curve->series, cores_at(curve->line, i), line_speedup(curve->line, i));
    add_trend(curve, to, csv);
}

static void
add_speedup_plot(draft_t *script, const curve_t *curve)
{
    char *trend = plots_format("%s trend", curve->series);
    if (curve->has_band)
        figure_plot(script, trend, "cores", "'low':'high'",
                    "filledcurves linecolor rgb %s fillstyle transparent solid 0.13 notitle",
                    curve->color);
    figure_plot(script, trend, "cores", "'speedup'",
                "lines linecolor rgb %s linewidth 1.5 dashtype 2 notitle", curve->color);
    add_points_plot(script, curve, "cores", "'speedup'", "points");
    free(trend);
}

// The ideal of each axis: as many times faster as there are more cores. Returns what the best of
// them reaches, which is the top of the figure, whatever bands do beyond it.
static double
add_ideals(const curves_t *curves, double to, draft_t *csv)
{
    double best = 1.0;
    for (size_t i = 0; i < 2; i++) {
        const line_t *line = &curves->lines[i].line;
        if (line->n == 0)
            continue;
        const double base = cores_at(line, 0);
        char *series = plots_format("ideal %s", AXES[i]);
        figure_point(csv, series, base, statistics_exact(1.0, 1));
        figure_point(csv, series, to, statistics_exact(to / base, 1));
        free(series);
        best = fmax(best, to / base);
    }
    return best;
}

static void
draw_speedups(const figure_source_t *source, const curves_t *curves, figure_t *figure)
{
    draft_t *script = &figure->script;
    double most = 0.0;
    for (size_t i = 0; i < curves->n; i++) {
        if (curves->is_family || curves->curves[i].has_band)
            most = fmax(most, cores_at(curves->curves[i].line, curves->curves[i].line->n - 1));
    }
    const double to = ceil(most * 4.0 / 3.0);
    draft_add(&figure->csv, "series,cores,speedup,low,high\n");
    for (size_t i = 0; i < curves->n; i++)
        add_speedups(&curves->curves[i], to, &figure->csv);
    const double best = add_ideals(curves, to, &figure->csv);
    begin(source, curves, "Speedup by added nodes and by added cores, with linear trends", figure);
    draft_add(script, "set xlabel 'cores of the whole cluster");
    if (curves->lines[0].line.n > 0)
        draft_add(script, " (a node counts as %.3g)", curves->lines[0].line.fixed);
    draft_add(script,
              "'\nset ylabel 'speedup against the smallest case'\nset xrange [0.5:%g]\n"
              "set yrange [0:%.3g]\n",
              to, 1.1 * best);
    figure_open(script);
    // One name for both, whichever of them there are.
    figure_plot(script, "ideal cores", "cores", "'speedup'",
                "lines linecolor rgb grey linewidth 1.5 dashtype 3 title 'ideal'");
    figure_plot(script, "ideal nodes", "cores", "'speedup'",
                "lines linecolor rgb grey linewidth 1.5 dashtype 3 notitle");
    for (size_t i = 0; i < curves->n; i++)
        add_speedup_plot(script, &curves->curves[i]);
    figure_close(script);
}

bool
figure_speedups(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    return draw_curves(source, draw_speedups, figure);
}

// ---- efficiency ----

// S over the factor by which the machine grew, along one line; its interval is that of the ratio.
// Returns the largest factor.
static double
add_efficiencies(const curve_t *curve, draft_t *csv)
{
    double factor = 1.0;
    for (size_t i = 0; i < curve->line->n; i++) {
        estimate_t s = line_speedup(curve->line, i);
        factor = cores_at(curve->line, i) / cores_at(curve->line, 0);
        s.mean /= factor;
        s.low /= factor;
        s.high /= factor;
        figure_point(csv, curve->series, factor, s);
    }
    return factor;
}

static void
draw_efficiency(const figure_source_t *source, const curves_t *curves, figure_t *figure)
{
    draft_t *script = &figure->script;
    double growth = 1.0;
    draft_add(&figure->csv, "series,factor,efficiency,low,high\n");
    for (size_t i = 0; i < curves->n; i++)
        growth = fmax(growth, add_efficiencies(&curves->curves[i], &figure->csv));
    begin(source, curves, "Efficiency: speedup over how much larger the cluster is", figure);
    draft_add(script,
              "set xlabel 'times the cores of the smallest case'\nset ylabel 'efficiency'\n"
              "set xrange [0.8:%g]\nset yrange [0:1.3]\nset ytics 0.2\n%seval key_below(%zu)\n"
              "set key vertical maxrows %zu font ',13'\n"
              "set arrow from 0.8,1 to %g,1 nohead linecolor rgb grey dashtype 3\n"
              "set arrow from 0.8,0.5 to %g,0.5 nohead linecolor rgb pale dashtype 3\n"
              "set label 'ideal' at graph 0.99, first 1.04 right textcolor rgb grey\n"
              "set label 'half' at graph 0.99, first 0.54 right textcolor rgb grey\n",
              growth + 0.3, growth <= 12.0 ? "set xtics 1\n" : "", (curves->n + 1) / 2,
              (curves->n + 1) / 2, growth + 0.3, growth + 0.3);
    figure_open(script);
    for (size_t i = 0; i < curves->n; i++)
        add_points_plot(script, &curves->curves[i], "factor", "'efficiency'", "linespoints");
    figure_close(script);
}

bool
figure_efficiency(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    return draw_curves(source, draw_efficiency, figure);
}
