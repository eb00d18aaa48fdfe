// Figure 10 and the roof: what more cores do to T, in two regressions, and to W.
#include <math.h>
#include <stdlib.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"
#include "plots/prediction.h"

// ---- figure 10 ----

typedef struct {
    fit_t linear, exponential;
    bool has_runs; // whether it is known how one run strays
} regressions_t;

// With the band of the mean, and the prediction interval of one further run.
static void
add_curve(const fit_t *fit, const prediction_t *prediction, const char *side, const line_t *line,
          draft_t *csv)
{
    enum { STEPS = 50 };
    char *series = plots_format("%s %s", side, fit->model->name);
    fit_t run = prediction_fit(fit, prediction->first);
    const double from = line_x(line, 0);
    const double to = line_x(line, line->n - 1);
    for (int i = 0; fit->is_good && i <= STEPS; i++) {
        const double x = from + (to - from) * i / STEPS;
        const fit_value_t mean = fit_predict(fit, x);
        const fit_value_t one = fit_predict(&run, x);
        figure_row(csv, series, (double[]){x, mean.value, mean.low, mean.high, one.low, one.high},
                   6);
    }
    fit_clear(&run);
    free(series);
}

static regressions_t
add_side(const line_t *line, const char *side, draft_t *csv)
{
    size_t n;
    fit_point_t *points = line_points(line, QUANTITY_T, &n);
    regressions_t r = {fit_model(model_named("linear"), points, n),
                       fit_model(model_named("exponential"), points, n), false};
    free(points);
    prediction_t prediction = prediction_of(line, QUANTITY_T, QUANTITY_T);
    r.has_runs = prediction.first != NULL;
    for (size_t i = 0; i < line->n; i++) {
        const estimate_t t = line_cell(line, i)->quantities[QUANTITY_T];
        figure_row(csv, side, (double[]){line_x(line, i), t.mean, t.low, t.high, NAN, NAN}, 6);
    }
    add_curve(&r.linear, &prediction, side, line, csv);
    add_curve(&r.exponential, &prediction, side, line, csv);
    prediction_clear(&prediction);
    return r;
}

static void
add_band(draft_t *script, const char *series, const char *color)
{
    figure_plot(script, series, "cores", "'t_low_s':'t_high_s'",
                "filledcurves linecolor rgb %s fillstyle transparent solid 0.13 notitle", color);
}

// The ends of the prediction interval; none where no cell has repeats.
static void
add_further_run(draft_t *script, const fit_t *fit, const char *side, const char *color)
{
    if (!fit->is_good)
        return;
    char *series = plots_format("%s %s", side, fit->model->name);
    figure_plot(script, series, "cores", "'t_run_low_s'",
                "lines linecolor rgb %s dashtype 3 title 'one further run, 95 %%'", color);
    figure_plot(script, series, "cores", "'t_run_high_s'",
                "lines linecolor rgb %s dashtype 3 notitle", color);
    free(series);
}

static void
add_regression(draft_t *script, const fit_t *fit, const char *side, const char *color,
               const char *dash)
{
    if (!fit->is_good)
        return;
    char *series = plots_format("%s %s", side, fit->model->name);
    char *equation = fit_equation(fit);
    add_band(script, series, color);
    figure_plot(script, series, "cores", "'t_s'",
                "lines linecolor rgb %s linewidth 2 dashtype %s title '%s, R² = %.3f'", color, dash,
                equation, fit->r_squared);
    free(equation);
    free(series);
}

// Room above the points for the key.
static double
top_of(const line_t *line)
{
    double top = 0.0;
    for (size_t i = 0; i < line->n; i++) {
        const estimate_t t = line_cell(line, i)->quantities[QUANTITY_T];
        top = fmax(top, isfinite(t.high) ? t.high : t.mean);
    }
    return 1.35 * top;
}

static void
add_panel(draft_t *script, const line_t *line, const regressions_t *r, const char *side,
          const char *name, bool is_reference)
{
    const char *points = is_reference ? "black" : "blue";
    draft_add(script, "set xrange [%g:%g]\nset yrange [0:%.4g]\n", line_x(line, 0) - 0.4,
              line_x(line, line->n - 1) + 0.4, top_of(line));
    figure_open(script);
    add_regression(script, &r->linear, side, is_reference ? "grey" : "orange", "2");
    add_regression(script, &r->exponential, side, is_reference ? "black" : "green",
                   is_reference ? "4" : "1");
    if (r->has_runs)
        add_further_run(script, &r->exponential, side, is_reference ? "black" : "green");
    figure_bars(script, side, "cores", "'t_s':'t_low_s':'t_high_s'", points);
    figure_plot(script, side, "cores", "'t_s'",
                "points linecolor rgb %s pointtype 7 pointsize 1.1 title '%s'", points, name);
    figure_close(script);
}

// A line for each value of the further axes: the exponential alone, the better of the two in the
// paper, with its band. What one further run takes is in the CSV: with it, four would be sixteen
// lines.
static bool
draw_family(const figure_source_t *source, const figure_family_t *family, figure_t *figure)
{
    const double nodes = family->lines[0].fixed;
    char *title = plots_format("Training time by cores on %.4g %s: exponential regressions", nodes,
                               nodes == 1.0 ? "node" : "nodes");
    figure_begin_with(source, figure, title, 1, family->note);
    free(title);
    draft_t *script = &figure->script;
    draft_add(&figure->csv, "series,cores,t_s,t_low_s,t_high_s,t_run_low_s,t_run_high_s\n");
    double top = 0.0;
    double from = INFINITY;
    double to = 0.0;
    for (size_t i = 0; i < family->n; i++) {
        const line_t *line = &family->lines[i];
        top = fmax(top, top_of(line));
        from = fmin(from, line_x(line, 0));
        to = fmax(to, line_x(line, line->n - 1));
    }
    draft_add(script,
              "set xlabel 'cores of the whole cluster'\nset ylabel 'training time T, seconds'\n"
              "set xrange [%g:%g]\nset yrange [0:%.4g]\nset xtics %s\nset key top right font "
              "',12'\n",
              from - 0.4, to + 0.4, top, to > 12.0 ? "auto" : "1");
    figure_open(script);
    for (size_t i = 0; i < family->n; i++) {
        const line_t *line = &family->lines[i];
        const char *color = FIGURE_FAMILY_COLORS[i];
        char *series = plots_format("%zu", i);
        char *curve = plots_format("%zu exponential", i);
        regressions_t r = add_side(line, series, &figure->csv);
        char *equation = r.exponential.is_good ? fit_equation(&r.exponential) : plots_copy("");
        char *label = line_label(line);
        char *key = plots_format(r.exponential.is_good ? "%s: %s, R² = %.3f" : "%s", label,
                                 equation, r.exponential.r_squared);
        add_band(script, curve, color);
        figure_plot(script, curve, "cores", "'t_s'", "lines linecolor rgb %s linewidth 2 notitle",
                    color);
        figure_bars(script, series, "cores", "'t_s':'t_low_s':'t_high_s'", color);
        figure_plot(script, series, "cores", "'t_s'",
                    "points linecolor rgb %s pointtype %zu pointsize 1.1 title ", color, 5 + 2 * i);
        figure_quote(script, key);
        fit_clear(&r.linear);
        fit_clear(&r.exponential);
        free(key);
        free(label);
        free(equation);
        free(curve);
        free(series);
    }
    figure_close(script);
    return true;
}

static bool
draw_regressions(const figure_source_t *source, const line_t *line, const line_t *other,
                 figure_t *figure)
{
    draft_add(&figure->csv, "series,cores,t_s,t_low_s,t_high_s,t_run_low_s,t_run_high_s\n");
    regressions_t r = add_side(line, "measured", &figure->csv);
    char *title = plots_format("Training time by cores on %.4g %s: linear and exponential "
                               "regression",
                               line->fixed, line->fixed == 1.0 ? "node" : "nodes");
    figure_begin_alone(source, figure, title, other->n > 0 ? 2 : 1, line);
    free(title);
    draft_t *script = &figure->script;
    draft_add(script, "set xlabel 'cores of the whole cluster'\nset ylabel 'training time T, "
                      "seconds'\nset key top right Right noreverse samplen 2 font ',11'\n");
    if (line_x(line, line->n - 1) <= 12.0)
        draft_add(script, "set xtics 1\n");
    add_panel(script, line, &r, "measured", source->measured.name, false);
    if (other->n > 0) {
        regressions_t p = add_side(other, "reference", &figure->csv);
        draft_add(script, "unset ylabel\n");
        add_panel(script, other, &p, "reference", source->reference.name, true);
        fit_clear(&p.linear);
        fit_clear(&p.exponential);
    }
    fit_clear(&r.linear);
    fit_clear(&r.exponential);
    return true;
}

#define NEEDS "needs two or more numbers of cores on the same nodes"

bool
figure_regressions(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    return figure_by_lines(source, LINE_CORES, NEEDS, draw_family, draw_regressions, figure);
}

// ---- work against its roof ----

// One line of work times, and what it leaves for the roof: the best rate of work a core that any of
// its cells reached, as the work time of one core.
static double
add_work(const line_t *line, const char *series, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++)
        figure_point(csv, series, line_x(line, i), line_cell(line, i)->quantities[QUANTITY_WORK]);
    double best = INFINITY;
    for (size_t i = 0; i < line->n; i++)
        best = fmin(best, line_cell(line, i)->quantities[QUANTITY_WORK].mean * line_x(line, i));
    return best;
}

static void
add_work_plot(draft_t *script, const char *series, const char *color, size_t point,
              const char *title)
{
    figure_bars(script, series, "cores", "'work_s':'low':'high'", color);
    figure_plot(script, series, "cores", "'work_s'",
                "linespoints linecolor rgb %s linewidth 2 pointtype %zu title ", color, point);
    figure_quote(script, title);
}

// One roof for all lines: what differs between them is what an axis costs.
static void
draw_roof(const figure_source_t *source, const figure_family_t *family, figure_t *figure)
{
    const line_t *lines = family->lines;
    draft_t *script = &figure->script;
    double best = INFINITY;
    double from = INFINITY;
    double to = 0.0;
    draft_add(&figure->csv, "series,cores,work_s,low,high\n");
    for (size_t i = 0; i < family->n; i++) {
        char *series = plots_format("%zu", i);
        best = fmin(best, add_work(&lines[i], series, &figure->csv));
        from = fmin(from, line_x(&lines[i], 0));
        to = fmax(to, line_x(&lines[i], lines[i].n - 1));
        free(series);
    }
    figure_point(&figure->csv, "roof", from, statistics_exact(best / from, 1));
    figure_point(&figure->csv, "roof", to, statistics_exact(best / to, 1));
    figure_begin_with(source, figure, "Work time by cores, against the best rate a core", 1,
                      family->note);
    draft_add(
        script,
        "set xlabel 'cores of the whole cluster, %.4g %s'\nset ylabel 'work time W, "
        "seconds'\nset logscale xy 2\nset xrange [%g:%g]\nset key bottom left\nset grid xtics "
        "ytics\n",
        lines[0].fixed, lines[0].fixed == 1.0 ? "node" : "nodes", from / 1.1, to * 1.1);
    draft_add(script, "set xtics (");
    for (size_t i = 0; i < lines[0].n; i++)
        draft_add(script, "%s%.4g", i > 0 ? ", " : "", line_x(&lines[0], i));
    draft_add(script, ")\n");
    figure_open(script);
    figure_plot(script, "roof", "cores", "'work_s'",
                "lines linecolor rgb grey linewidth 2 dashtype 3 title 'best rate a core'");
    for (size_t i = 0; i < family->n; i++) {
        char *series = plots_format("%zu", i);
        char *title = family->n > 1 ? line_label(&lines[i])
                                    : plots_format("work time W, %s", source->measured.name);
        add_work_plot(script, series, family->n > 1 ? FIGURE_FAMILY_COLORS[i] : "green", 5 + 2 * i,
                      title);
        free(title);
        free(series);
    }
    figure_close(script);
}

bool
figure_roof(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    line_t line = figure_line(&source->measured, LINE_CORES);
    figure_family_t family = figure_family(&line, &(line_t){.n = 0});
    const bool is_drawn = family.n > 0;
    if (is_drawn)
        draw_roof(source, &family, figure);
    else
        figure_skip(figure, NEEDS);
    figure_family_clear(&family);
    line_clear(&line);
    return is_drawn;
}
