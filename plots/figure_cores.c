// Figures 10 and 11: what more cores do, in two regressions, and against more nodes.
#include <math.h>
#include <stdlib.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"

// ---- figure 10 ----

typedef struct {
    fit_t linear, exponential;
} regressions_t;

static void
add_points(const line_t *line, const char *side, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++) {
        const estimate_t t = line_cell(line, i)->quantities[QUANTITY_T];
        const double numbers[] = {line_x(line, i), t.mean, t.low, t.high};
        figure_row(csv, side, numbers, sizeof numbers / sizeof *numbers);
    }
}

static void
add_curve(const fit_t *fit, const char *side, double from, double to, draft_t *csv)
{
    enum { STEPS = 50 };
    char *series = plots_format("%s %s", side, fit->model->name);
    for (int i = 0; fit->is_good && i <= STEPS; i++) {
        const double x = from + (to - from) * i / STEPS;
        const fit_value_t y = fit_predict(fit, x);
        const double numbers[] = {x, y.value, y.low, y.high};
        figure_row(csv, series, numbers, sizeof numbers / sizeof *numbers);
    }
    free(series);
}

static regressions_t
add_side(const line_t *line, const char *side, draft_t *csv)
{
    size_t n;
    fit_point_t *points = line_points(line, QUANTITY_T, &n);
    regressions_t r = {fit_model(model_named("linear"), points, n),
                       fit_model(model_named("exponential"), points, n)};
    free(points);
    const double from = line_x(line, 0);
    const double to = line_x(line, line->n - 1);
    add_points(line, side, csv);
    add_curve(&r.linear, side, from, to, csv);
    add_curve(&r.exponential, side, from, to, csv);
    return r;
}

static void
add_regression(draft_t *script, const fit_t *fit, const char *side, const char *color,
               const char *dash)
{
    if (!fit->is_good)
        return;
    char *series = plots_format("%s %s", side, fit->model->name);
    char *equation = fit_equation(fit);
    figure_plot(script, series, "cores", "'t_low_s':'t_high_s'",
                "filledcurves linecolor rgb %s fillstyle transparent solid 0.13 notitle", color);
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
    figure_plot(script, side, "cores", "'t_s':'t_low_s':'t_high_s'",
                "yerrorbars linecolor rgb %s linewidth 1.5 pointtype 7 pointsize 0 notitle",
                points);
    figure_plot(script, side, "cores", "'t_s'",
                "points linecolor rgb %s pointtype 7 pointsize 1.1 title '%s'", points, name);
    figure_close(script);
}

// A line for each value of the further axes: the exponential alone, the better of the two in the
// paper. Its band is in the CSV: four that overlap would hide what they belong to.
static void
draw_family(const figure_source_t *source, const figure_family_t *family, figure_t *figure)
{
    const double nodes = family->lines[0].fixed;
    char *title = plots_format("Training time by cores on %.4g %s: exponential regressions", nodes,
                               nodes == 1.0 ? "node" : "nodes");
    figure_begin_with(source, figure, title, family->note);
    free(title);
    draft_t *script = &figure->script;
    draft_add(&figure->csv, "series,cores,t_s,t_low_s,t_high_s\n");
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
        figure_plot(script, curve, "cores", "'t_s'", "lines linecolor rgb %s linewidth 2 notitle",
                    color);
        figure_plot(script, series, "cores", "'t_s':'t_low_s':'t_high_s'",
                    "yerrorbars linecolor rgb %s linewidth 1.5 pointtype 7 pointsize 0 notitle",
                    color);
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
}

bool
figure_regressions(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    line_t line = figure_line(&source->measured, LINE_CORES);
    line_t other = figure_line(&source->reference, LINE_CORES);
    if (line.n == 0)
        return figure_skip(figure, "needs two or more numbers of cores on the same nodes");
    figure_family_t family = figure_family(&line, &other);
    if (family.n > 1) {
        draw_family(source, &family, figure);
        figure_family_clear(&family);
        line_clear(&line);
        return true;
    }
    figure_family_clear(&family);
    draft_add(&figure->csv, "series,cores,t_s,t_low_s,t_high_s\n");
    regressions_t r = add_side(&line, "measured", &figure->csv);
    char *title = plots_format("Training time by cores on %.4g %s: linear and exponential "
                               "regression",
                               line.fixed, line.fixed == 1.0 ? "node" : "nodes");
    figure_begin_alone(source, figure, title, other.n > 0 ? 2 : 1, &line);
    free(title);
    draft_t *script = &figure->script;
    draft_add(script, "set xlabel 'cores of the whole cluster'\nset ylabel 'training time T, "
                      "seconds'\nset key top right Right noreverse samplen 3 font ',12'\n");
    if (line_x(&line, line.n - 1) <= 12.0)
        draft_add(script, "set xtics 1\n");
    add_panel(script, &line, &r, "measured", source->measured.name, false);
    if (other.n > 0) {
        regressions_t p = add_side(&other, "reference", &figure->csv);
        draft_add(script, "unset ylabel\n");
        add_panel(script, &other, &p, "reference", source->reference.name, true);
        fit_clear(&p.linear);
        fit_clear(&p.exponential);
    }
    fit_clear(&r.linear);
    fit_clear(&r.exponential);
    line_clear(&line);
    line_clear(&other);
    return true;
}

// ---- figure 11 ----

// Both axes of one side; either may be empty.
typedef struct {
    line_t lines[2];
} pair_t;

static const char *const AXES[2] = {"nodes", "cores"};

static pair_t
pair_of(const figure_side_t *side)
{
    return (pair_t){{figure_line(side, LINE_NODES), figure_line(side, LINE_CORES)}};
}

static void
pair_clear(pair_t *pair)
{
    line_clear(&pair->lines[0]);
    line_clear(&pair->lines[1]);
}

// The speedup along a line is against its own first cell, whatever else the result set holds.
static estimate_t
speedup_at(const line_t *line, size_t index)
{
    const estimate_t base = line_cell(line, 0)->quantities[QUANTITY_T];
    if (index == 0)
        return statistics_exact(1.0, base.n);
    return statistics_ratio(base, line_cell(line, index)->quantities[QUANTITY_T]);
}

static void
add_speedups(const line_t *line, const char *series, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++) {
        const estimate_t s = speedup_at(line, i);
        figure_row(csv, series, (double[]){line_cell(line, i)->cores, s.mean, s.low, s.high}, 4);
    }
}

static void
add_trend(const line_t *line, const char *series, double to, draft_t *csv)
{
    enum { STEPS = 30 };
    fit_point_t *points = plots_alloc(line->n, sizeof *points);
    for (size_t i = 0; i < line->n; i++)
        points[i] = (fit_point_t){.x = line_cell(line, i)->cores, .y = speedup_at(line, i).mean};
    const double from = points[0].x;
    fit_t fit = fit_model(model_named("linear"), points, line->n);
    for (int i = 0; fit.is_good && i <= STEPS; i++) {
        const double x = from + (to - from) * i / STEPS;
        const fit_value_t y = fit_predict(&fit, x);
        figure_row(csv, series, (double[]){x, y.value, y.low, y.high}, 4);
    }
    fit_clear(&fit);
    free(points);
}

static void
add_pair(const pair_t *pair, const char *side, double to, draft_t *csv)
{
    for (size_t i = 0; i < 2; i++) {
        if (pair->lines[i].n == 0)
            continue;
        char *series = plots_format("%s %s", side, AXES[i]);
        char *trend = plots_format("%s %s trend", side, AXES[i]);
        add_speedups(&pair->lines[i], series, csv);
        add_trend(&pair->lines[i], trend, to, csv);
        free(series);
        free(trend);
    }
}

static void
add_ideals(const pair_t *pair, double to, draft_t *csv)
{
    for (size_t i = 0; i < 2; i++) {
        if (pair->lines[i].n == 0)
            continue;
        const double base = line_cell(&pair->lines[i], 0)->cores;
        char *series = plots_format("ideal %s", AXES[i]);
        figure_row(csv, series, (double[]){base, 1.0, NAN, NAN}, 4);
        figure_row(csv, series, (double[]){to, to / base, NAN, NAN}, 4);
        free(series);
    }
}

static void
add_pair_plot(draft_t *script, const pair_t *pair, const char *side, const char *name,
              const char *const colors[2], const int points[2], bool has_bands)
{
    for (size_t i = 0; i < 2; i++) {
        if (pair->lines[i].n == 0)
            continue;
        char *series = plots_format("%s %s", side, AXES[i]);
        char *trend = plots_format("%s %s trend", side, AXES[i]);
        if (has_bands)
            figure_plot(script, trend, "cores", "'low':'high'",
                        "filledcurves linecolor rgb %s fillstyle transparent solid 0.13 notitle",
                        colors[i]);
        figure_plot(script, trend, "cores", "'speedup'",
                    "lines linecolor rgb %s linewidth 1.5 dashtype 2 notitle", colors[i]);
        figure_plot(script, series, "cores", "'speedup':'low':'high'",
                    "yerrorbars linecolor rgb %s linewidth 1.5 pointtype 7 pointsize 0 notitle",
                    colors[i]);
        figure_plot(script, series, "cores", "'speedup'",
                    "points linecolor rgb %s pointtype %d pointsize 1.2 title 'added %s, %s'",
                    colors[i], points[i], AXES[i], name);
        free(series);
        free(trend);
    }
}

static double
most_cores(const pair_t *pair)
{
    double most = 0.0;
    for (size_t i = 0; i < 2; i++) {
        if (pair->lines[i].n > 0)
            most = fmax(most, line_cell(&pair->lines[i], pair->lines[i].n - 1)->cores);
    }
    return most;
}

// What the ideal lines reach at that many cores: the top of the figure, whatever bands do beyond
// it.
static double
best_speedup(const pair_t *pair, double cores)
{
    double best = 1.0;
    for (size_t i = 0; i < 2; i++) {
        if (pair->lines[i].n > 0)
            best = fmax(best, cores / line_cell(&pair->lines[i], 0)->cores);
    }
    return best;
}

bool
figure_speedups(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    pair_t measured = pair_of(&source->measured);
    pair_t reference = pair_of(&source->reference);
    const double most = most_cores(&measured);
    if (most == 0.0)
        return figure_skip(figure, "needs two or more numbers of nodes, or of cores");
    const double to = ceil(most * 4.0 / 3.0);
    draft_add(&figure->csv, "series,cores,speedup,low,high\n");
    add_pair(&measured, "measured", to, &figure->csv);
    add_pair(&reference, "reference", to, &figure->csv);
    add_ideals(&measured, to, &figure->csv);
    figure_begin_alone(source, figure,
                       "Speedup by added nodes and by added cores, with linear trends", 1,
                       &measured.lines[measured.lines[0].n > 0 ? 0 : 1]);
    draft_t *script = &figure->script;
    draft_add(script, "set xlabel 'cores of the whole cluster");
    if (measured.lines[0].n > 0)
        draft_add(script, " (a node counts as %.3g)", measured.lines[0].fixed);
    draft_add(script,
              "'\nset ylabel 'speedup against the smallest case'\nset xrange [0.5:%g]\n"
              "set yrange [0:%.3g]\n",
              to, 1.1 * best_speedup(&measured, to));
    figure_open(script);
    figure_plot(script, "ideal cores", "cores", "'speedup'",
                "lines linecolor rgb grey linewidth 1.5 dashtype 3 title 'ideal'");
    figure_plot(script, "ideal nodes", "cores", "'speedup'",
                "lines linecolor rgb grey linewidth 1.5 dashtype 3 notitle");
    add_pair_plot(script, &reference, "reference", source->reference.name,
                  (const char *const[]){"grey", "grey"}, (const int[]){4, 6}, false);
    add_pair_plot(script, &measured, "measured", source->measured.name,
                  (const char *const[]){"red", "blue"}, (const int[]){5, 7}, true);
    figure_close(script);
    pair_clear(&measured);
    pair_clear(&reference);
    return true;
}
