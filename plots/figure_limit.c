// Figure 9: where communication outgrows work, extrapolated to more nodes.
#include <math.h>
#include <stdlib.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"
#include "plots/prediction.h"

#define COLUMNS                                                                                    \
    "series,nodes,work_share,work_low,work_high,overhead_share,overhead_low,overhead_high,"        \
    "overhead_run_low,overhead_run_high,label\n"

typedef struct {
    const model_t *work, *overhead;
    double nodes;
} share_t;

static bool
is_good(const fits_extrapolation_t *e)
{
    return e->work.fits[0].is_good && e->overhead.fits[0].is_good;
}

// Behind a law's name where nothing chose it; what that means stands beneath the title.
static const char *
how_chosen(const fit_t *best)
{
    return fit_is_by_default(best) ? ", by default" : "";
}

// The caller frees it.
static char *
setting_of(const figure_source_t *source, const fits_extrapolation_t *e, size_t n)
{
    bool has_default = false;
    for (size_t i = 0; i < n; i++)
        has_default = has_default || fit_is_by_default(&e[i].work.fits[0]) ||
                      fit_is_by_default(&e[i].overhead.fits[0]);
    return plots_format("%s%s", source->setting,
                        has_default ? "; by default: too few sizes to hold one out" : "");
}

// Why there is nothing to draw.
static const char *
reason_of(const fits_extrapolation_t *e)
{
    return e->work.fits[0].is_good ? e->overhead.fits[0].note : e->work.fits[0].note;
}

static double
ask_share(const double *work, const double *overhead, const void *context)
{
    const share_t *share = context;
    const double w = model_value(share->work, work, share->nodes);
    const double o = fmax(0.0, model_value(share->overhead, overhead, share->nodes));
    return o / (w + o);
}

// Overhead's share at `context` nodes, O/(W + O), with its band.
static fit_value_t
share_at(const fit_t *work, const fit_t *overhead, void *context)
{
    const share_t share = {work->model, overhead->model, *(const double *)context};
    return fit_interval(work, overhead, ask_share, &share);
}

// Evenly on a logarithmic axis, which is dense enough on a linear one too.
enum { STEPS = 60 };

static double
nodes_at(double from, double to, int step)
{
    return from * pow(to / from, (double)step / STEPS);
}

// `run` has the prediction interval of one further run, NAN where there is none.
static void
add_share_row(const char *series, double nodes, fit_value_t o, fit_value_t run, draft_t *csv)
{
    const double numbers[] = {nodes, 1 - o.value, 1 - o.high, 1 - o.low, o.value,
                              o.low, o.high,      run.low,    run.high};
    figure_row_text(csv, series, numbers, sizeof numbers / sizeof *numbers, "");
}

// Returns whether the prediction interval of one further run is known.
static bool
add_model(const line_t *line, const fits_extrapolation_t *e, double to, const char *series,
          draft_t *csv)
{
    prediction_t prediction = prediction_of(line, QUANTITY_WORK, QUANTITY_OVERHEAD);
    laws_t work = prediction_laws(&e->work, prediction.first);
    laws_t overhead = prediction_laws(&e->overhead, prediction.second);
    for (int i = 0; is_good(e) && i <= STEPS; i++) {
        double nodes = nodes_at(2.0, to, i);
        add_share_row(series, nodes, laws_answer(&e->work, &e->overhead, share_at, &nodes),
                      laws_answer(&work, &overhead, share_at, &nodes), csv);
    }
    const bool has_runs = work.fits[0].draws != NULL && overhead.fits[0].draws != NULL;
    laws_clear(&work);
    laws_clear(&overhead);
    prediction_clear(&prediction);
    return has_runs;
}

static void
add_regression(const fits_extrapolation_t *e, double to, draft_t *csv)
{
    const bool is_fitted = e->paper_work.is_good && e->paper_overhead.is_good;
    for (int i = 0; is_fitted && i <= STEPS; i++) {
        double nodes = nodes_at(1.0, to, i);
        add_share_row("regression", nodes, share_at(&e->paper_work, &e->paper_overhead, &nodes),
                      (fit_value_t){NAN, NAN, NAN}, csv);
    }
}

static void
add_share_points(const line_t *line, const char *series, draft_t *csv)
{
    for (size_t i = 0; i < line->n; i++) {
        const estimate_t *q = line_cell(line, i)->quantities;
        const estimate_t w = q[QUANTITY_WORK_SHARE];
        const estimate_t o = q[QUANTITY_OVERHEAD_SHARE];
        const double numbers[] = {line_x(line, i), w.mean, w.low, w.high, o.mean,
                                  o.low,           o.high, NAN,   NAN};
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
    const double numbers[] = {crossing.value, 0.5, NAN, NAN, NAN, low, high, NAN, NAN};
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

// The ends of the prediction interval, of overhead and, turned over, of work.
static void
add_further_run_plot(draft_t *script)
{
    static const char *const ends[] = {"overhead_run_low", "overhead_run_high"};
    for (size_t i = 0; i < 2; i++) {
        char *overhead = plots_format("'%s'", ends[i]);
        char *work = plots_format("(1-column('%s'))", ends[i]);
        figure_plot(script, "model", "nodes", overhead,
                    "lines linecolor rgb red dashtype 3 title '%s'",
                    i == 0 ? "one further run, 95 %" : "");
        figure_plot(script, "model", "nodes", work, "lines linecolor rgb green dashtype 3 notitle");
        free(overhead);
        free(work);
    }
}

static void
add_model_plot(draft_t *script, const fits_extrapolation_t *e, const char *name, bool has_runs)
{
    figure_plot(script, "model", "nodes", "'work_low':'work_high'",
                "filledcurves linecolor rgb green fillstyle transparent solid 0.18 notitle");
    figure_plot(script, "model", "nodes", "'overhead_low':'overhead_high'",
                "filledcurves linecolor rgb red fillstyle transparent solid 0.18 notitle");
    figure_plot(script, "model", "nodes", "'work_share'",
                "lines linecolor rgb green linewidth 2 title 'work, %s%s'",
                e->work.fits[0].model->name, how_chosen(&e->work.fits[0]));
    figure_plot(script, "model", "nodes", "'overhead_share'",
                "lines linecolor rgb red linewidth 2 title 'overhead, %s%s'",
                e->overhead.fits[0].model->name, how_chosen(&e->overhead.fits[0]));
    if (has_runs)
        add_further_run_plot(script);
    figure_bars(script, "measured", "nodes", "'work_share':'work_low':'work_high'", "green");
    figure_bars(script, "measured", "nodes", "'overhead_share':'overhead_low':'overhead_high'",
                "red");
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

// ---- a line for each value of further axes ----

// In the key: "link_mbit 10 Mbit/s (communication): work is outgrown at 2.5 nodes (2.2 to 2.7)".
static char *
family_key(const line_t *line, const fits_extrapolation_t *e)
{
    char *label = line_label(line);
    char *key =
        plots_format("%s: %s", label, e->overhead.fits[0].is_good ? "" : e->overhead.fits[0].note);
    if (e->overhead.fits[0].is_good && isfinite(e->crossing.value)) {
        char *crossing = crossing_label("outgrows work at", e->crossing);
        free(key);
        key = plots_format("%s (%s%s): %s", label, e->overhead.fits[0].model->name,
                           how_chosen(&e->overhead.fits[0]), crossing);
        free(crossing);
    } else if (e->overhead.fits[0].is_good) {
        free(key);
        key = plots_format("%s (%s%s): stays below work up to %d nodes", label,
                           e->overhead.fits[0].model->name, how_chosen(&e->overhead.fits[0]),
                           FITS_NODES_MAX);
    }
    free(label);
    return key;
}

static void
add_family_line(const line_t *line, size_t index, double reach, const fits_extrapolation_t *e,
                figure_t *figure)
{
    draft_t *script = &figure->script;
    const char *color = FIGURE_FAMILY_COLORS[index];
    char *measured = plots_format("measured %zu", index);
    char *model = plots_format("model %zu", index);
    char *mark = plots_format("mark %zu", index);
    char *key = family_key(line, e);
    add_share_points(line, measured, &figure->csv);
    add_model(line, e, reach, model, &figure->csv);
    add_mark(e->crossing, reach, mark, "", &figure->csv);
    figure_plot(script, model, "nodes", "'overhead_low':'overhead_high'",
                "filledcurves linecolor rgb %s fillstyle transparent solid 0.15 notitle", color);
    figure_plot(script, model, "nodes", "'overhead_share'",
                "lines linecolor rgb %s linewidth 2 notitle", color);
    figure_bars(script, measured, "nodes", "'overhead_share':'overhead_low':'overhead_high'",
                color);
    figure_plot(script, mark, "nodes", "'work_share':'overhead_low':'overhead_high'",
                "xerrorbars linecolor rgb %s linewidth 2.5 pointtype 13 pointsize 1.5 notitle",
                color);
    figure_plot(script, measured, "nodes", "'overhead_share'",
                "points linecolor rgb %s pointtype %zu pointsize 1.1 title ", color, 5 + 2 * index);
    figure_quote(script, key);
    free(key);
    free(mark);
    free(model);
    free(measured);
}

static bool
draw_family(const figure_source_t *source, const figure_family_t *family, figure_t *figure)
{
    fits_extrapolation_t e[FIGURE_FAMILY_MAX];
    const line_t *first = &family->lines[0];
    double reach = 8.0;
    bool is_drawn = false;
    for (size_t i = 0; i < family->n; i++) {
        const line_t *line = &family->lines[i];
        e[i] = fits_extrapolate(line);
        is_drawn = is_drawn || is_good(&e[i]);
        reach = fmax(reach, 2.0 * line_x(line, line->n - 1));
        if (isfinite(e[i].crossing.value))
            reach = fmax(reach, 1.5 * e[i].crossing.value);
    }
    reach = ceil(fmin(reach, 100.0));
    if (is_drawn) {
        draft_add(&figure->csv, COLUMNS);
        figure_source_t noted = *source;
        noted.setting = setting_of(source, e, family->n);
        figure_begin_with(&noted, figure, "Share of communication, extrapolated to more nodes", 1,
                          family->note);
        free(noted.setting);
        draft_add(&figure->script,
                  "set xlabel 'nodes, %.3g %s each'\nset ylabel 'overhead, share of training "
                  "time'\nset yrange [0:1]\nset format y '%%.1f'\nset xrange [0.8:%g]\n"
                  "eval key_lines(%zu)\n"
                  "set arrow from 0.8,0.5 to %g,0.5 nohead linecolor rgb grey dashtype 3\n"
                  "set label 'half' at graph 0.01, first 0.535 left textcolor rgb grey\n%s",
                  first->fixed, first->fixed == 1.0 ? "core" : "cores", reach, family->n, reach,
                  reach > 24.0 ? "set logscale x 2\n" : "set xtics 1\n");
        figure_open(&figure->script);
        for (size_t i = 0; i < family->n; i++)
            add_family_line(&family->lines[i], i, reach, &e[i], figure);
        figure_close(&figure->script);
    } else {
        figure_skip(figure, "%s", reason_of(&e[0]));
    }
    for (size_t i = 0; i < family->n; i++)
        fits_extrapolation_clear(&e[i]);
    return is_drawn;
}

static bool
draw(const figure_source_t *source, const line_t *line, const line_t *other, figure_t *figure)
{
    fits_extrapolation_t e = fits_extrapolate(line);
    fits_extrapolation_t o = {0};
    if (other->n > 0)
        o = fits_extrapolate(other);
    const fits_extrapolation_t *old = other->n > 0 ? &o : &e;
    const bool is_drawn = is_good(&e);
    if (!is_drawn)
        figure_skip(figure, "%s", reason_of(&e));
    const double reach = reach_of(line, &e, old);
    const bool is_logarithmic = reach > 24.0;
    draft_t *csv = &figure->csv;
    draft_t *script = &figure->script;
    if (is_drawn) {
        draft_add(csv, COLUMNS);
        add_share_points(line, "measured", csv);
        const bool has_runs = add_model(line, &e, reach, "model", csv);
        add_share_points(other, "reference", csv);
        add_regression(old, reach, csv);
        add_mark(e.crossing, reach, "mark", "communication outgrows work at", csv);
        // Two regressions through three points have hardly any freedom left: their interval would
        // span the figure.
        add_mark((fit_value_t){old->paper_crossing.value, NAN, NAN}, reach, "old mark",
                 other->n > 0 ? "regressions of the reference:" : "regressions:", csv);
        figure_source_t noted = *source;
        noted.setting = setting_of(source, &e, 1);
        figure_begin_alone(&noted, figure,
                           "Shares of work and communication, extrapolated to more nodes", 1, line);
        free(noted.setting);
        draft_add(
            script,
            "set xlabel 'nodes, %.3g %s each'\nset ylabel 'share of training time'\n"
            "set yrange [0:1.25]\nset ytics (0, 0.2, 0.4, 0.6, 0.8, 1.0)\nset format y '%%.1f'\n"
            "set xrange [0.8:%g]\neval key_below(3)\nset key font ',13'\n%s",
            line->fixed, line->fixed == 1.0 ? "core" : "cores", reach,
            is_logarithmic ? "set logscale x 2\n" : "set xtics 1\n");
        figure_open(script);
        add_regression_plot(script, other->n > 0 ? source->reference.name : NULL);
        add_model_plot(script, &e, source->measured.name, has_runs);
        add_mark_plot(script, "old mark", "grey", 1.09, old->paper_crossing.value, reach,
                      is_logarithmic);
        add_mark_plot(script, "mark", "black", 1.19, e.crossing.value, reach, is_logarithmic);
        figure_close(script);
    }
    fits_extrapolation_clear(&e);
    fits_extrapolation_clear(&o);
    return is_drawn;
}

bool
figure_extrapolated(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    return figure_by_lines(source, LINE_NODES, "needs cells with two or more numbers of nodes",
                           draw_family, draw, figure);
}
