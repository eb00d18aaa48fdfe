// Figures 7 and 8: what more nodes do to training and work time, and to their shares.
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
    figure_bars(script, series, "nodes", "'t_s':'t_low_s':'t_high_s'", t);
    figure_bars(script, series, "nodes", "'work_s':'work_low_s':'work_high_s'", w);
    figure_plot(script, series, "nodes", "'t_s'",
                "linespoints linecolor rgb %s linewidth 2 pointtype 7 title 'training time T'", t);
    figure_plot(script, series, "nodes", "'work_s'",
                "linespoints linecolor rgb %s linewidth 2 dashtype 2 pointtype 5 title 'work "
                "time W'",
                w);
    figure_close(script);
}

// Where T is least, of what was measured.
static double
least_of(const line_t *line)
{
    size_t least = 0;
    for (size_t i = 1; i < line->n; i++) {
        if (line_cell(line, i)->quantities[QUANTITY_T].mean <
            line_cell(line, least)->quantities[QUANTITY_T].mean)
            least = i;
    }
    return line_x(line, least);
}

static void
add_family_times(draft_t *script, const line_t *line, const char *series, const char *color)
{
    char *label = line_label(line);
    char *key = plots_format("%s: T is least at %.4g %s", label, least_of(line),
                             least_of(line) == 1.0 ? "node" : "nodes");
    figure_bars(script, series, "nodes", "'t_s':'t_low_s':'t_high_s'", color);
    figure_plot(script, series, "nodes", "'work_s'",
                "lines linecolor rgb %s linewidth 1.5 dashtype 3 notitle", color);
    figure_plot(script, series, "nodes", "'t_s'",
                "linespoints linecolor rgb %s linewidth 2 pointtype 7 title ", color);
    figure_quote(script, key);
    free(key);
    free(label);
}

// T by nodes, a line for each value of the further axes.
static bool
draw_family_times(const figure_source_t *source, const figure_family_t *family, figure_t *figure)
{
    const line_t *first = &family->lines[0];
    draft_t *script = &figure->script;
    draft_add(&figure->csv,
              "series,nodes,cores,n,t_s,t_low_s,t_high_s,work_s,work_low_s,work_high_s\n");
    figure_begin_with(source, figure, "Training time by number of nodes", 1, family->note);
    double last = 0.0;
    for (size_t i = 0; i < family->n; i++)
        last = fmax(last, line_x(&family->lines[i], family->lines[i].n - 1));
    draft_add(script,
              "set xlabel 'nodes, %.3g %s each; dotted: work time W'\nset ylabel 'training time T, "
              "seconds'\nset yrange [0:*]\neval key_lines(%zu)\nset xrange "
              "[0.7:%.4g]\nset xtics %s\n",
              first->fixed, cores_word(first), family->n, last + 0.3, last > 12.0 ? "auto" : "1");
    figure_open(script);
    for (size_t i = 0; i < family->n; i++) {
        char *series = plots_format("%zu", i);
        add_times(&family->lines[i], series, &figure->csv);
        add_family_times(script, &family->lines[i], series, FIGURE_FAMILY_COLORS[i]);
        free(series);
    }
    figure_close(script);
    return true;
}

static bool
draw_times(const figure_source_t *source, const line_t *line, const line_t *other, figure_t *figure)
{
    draft_add(&figure->csv,
              "series,nodes,cores,n,t_s,t_low_s,t_high_s,work_s,work_low_s,work_high_s\n");
    add_times(line, "measured", &figure->csv);
    add_times(other, "reference", &figure->csv);
    figure_begin_alone(source, figure, "Training and work time by number of nodes",
                       other->n > 0 ? 2 : 1, line);
    draft_t *script = &figure->script;
    draft_add(script,
              "set xlabel 'nodes, %.3g %s each'\nset ylabel 'seconds'\nset yrange [0:*]\n"
              "set key top right\n",
              line->fixed, cores_word(line));
    if (other->n > 0)
        draft_add(script, "set title '%s'\n", source->measured.name);
    add_time_panel(script, line, "measured", false);
    if (other->n > 0) {
        draft_add(script, "set title '%s'\nunset ylabel\n", source->reference.name);
        add_time_panel(script, other, "reference", true);
    }
    return true;
}

bool
figure_times(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    return figure_by_lines(source, LINE_NODES, NEEDS, draw_family_times, draw_times, figure);
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

// The interval of a bar's work share, which error bars would give a point in its middle; a share is
// not above one.
#define WORK_INTERVAL                                                                              \
    "'work_low':(0):((column('work_high') > 1 ? 1 : column('work_high')) - column('work_low')) "   \
    "with vectors heads size screen 0.005,90 fixed linecolor rgb black linewidth 1.5 notitle"

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
    draft_add(script, ", \\\n     data using %s:" WORK_INTERVAL, x);
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

// Names the places of the bars: "3 nodes", or the number alone.
static void
add_node_tics(const line_t *line, bool has_words, draft_t *script)
{
    char **labels = plots_alloc(line->n, sizeof *labels);
    for (size_t i = 0; i < line->n; i++) {
        const double nodes = line_x(line, i);
        labels[i] = plots_format("%.4g%s", nodes,
                                 !has_words     ? ""
                                 : nodes == 1.0 ? " node"
                                                : " nodes");
    }
    figure_tics(script, (const char *const *)labels, line->n);
    for (size_t i = 0; i < line->n; i++)
        free(labels[i]);
    free(labels);
}

static void
begin_shares(draft_t *csv)
{
    draft_add(csv, "series,position,nodes,cores,work_share,work_low,work_high,overhead_share\n");
}

// One value of the further axes: a bar for each number of nodes.
static void
add_share_panel(draft_t *script, const line_t *line, size_t index)
{
    // The key is one for all panels: each of the first two has a half of it.
    static const char *const keys[][2] = {{"notitle", "title 'work'"},
                                          {"title 'overhead, above it in %'", "notitle"},
                                          {"notitle", "notitle"}};
    const char *const *key = keys[index < 2 ? index : 2];
    char *series = plots_format("%zu", index);
    char *label = line_label(line);
    draft_add(script, "set title ");
    figure_quote(script, label);
    draft_add(script,
              " font ',13'\nset xrange [-0.6:%zu.6]\nset key at screen %g,0.015 %s bottom\n",
              line->n - 1, index == 0 ? 0.4 : 0.45, index == 0 ? "right" : "left");
    draft_add(script, index == 0 ? "set ylabel 'share of training time'\n" : "unset ylabel\n");
    add_node_tics(line, false, script);
    figure_open(script);
    figure_plot(script, series, "position",
                "(column('work_share') + column('overhead_share')):(0.7)",
                "boxes fillstyle solid 1 linecolor rgb orange %s", key[0]);
    figure_plot(script, series, "position", "'work_share':(0.7)",
                "boxes fillstyle solid 1 linecolor rgb green %s", key[1]);
    draft_add(script, ", \\\n     data using (pick('%s', column('position'))):" WORK_INTERVAL,
              series);
    figure_plot(script, series, "position",
                "(1.035):(sprintf('%.0f', 100*column('overhead_share')))",
                "labels textcolor rgb black font ',12' notitle");
    figure_close(script);
    free(label);
    free(series);
}

// A panel for each value of the further axes: work and overhead keep their colours.
static bool
draw_family_shares(const figure_source_t *source, const figure_family_t *family, figure_t *figure)
{
    const line_t *first = &family->lines[0];
    begin_shares(&figure->csv);
    figure_begin_with(source, figure, "Share of work and of communication by number of nodes",
                      family->n, family->note);
    draft_add(&figure->script,
              "set yrange [0:1.08]\nset ytics 0.2\nset format y '%%.1f'\nset border 2\n"
              "set xlabel 'nodes, %.3g %s each'\n",
              first->fixed, cores_word(first));
    for (size_t i = 0; i < family->n; i++) {
        char *series = plots_format("%zu", i);
        add_shares(&family->lines[i], &family->lines[i], series, &figure->csv);
        add_share_panel(&figure->script, &family->lines[i], i);
        free(series);
    }
    return true;
}

static bool
draw_shares(const figure_source_t *source, const line_t *line, const line_t *other,
            figure_t *figure)
{
    begin_shares(&figure->csv);
    add_shares(line, line, "measured", &figure->csv);
    add_shares(other, line, "reference", &figure->csv);
    figure_begin_alone(source, figure, "Share of work and of communication by number of nodes", 1,
                       line);
    draft_t *script = &figure->script;
    draft_add(script,
              "percent(name) = sprintf('%%.1f %%%%', 100*column(name))\nset yrange [0:1.08]\n"
              "set ytics 0.2\nset format y '%%.1f'\nset ylabel 'share of training time'\n"
              "set xrange [-0.6:%zu.6]\nset xlabel '%.3g %s a node; above each bar the share "
              "of overhead'\neval key_below(2)\nset border 2\n",
              line->n - 1, line->fixed, cores_word(line));
    add_node_tics(line, true, script);
    const double shift = other->n > 0 ? 0.2 : 0.0;
    const double width = other->n > 0 ? 0.38 : 0.6;
    figure_open(script);
    add_bars(script, "measured", source->measured.name, -shift, width, false);
    if (other->n > 0)
        add_bars(script, "reference", source->reference.name, shift, width, true);
    figure_close(script);
    return true;
}

bool
figure_shares(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    return figure_by_lines(source, LINE_NODES, NEEDS, draw_family_shares, draw_shares, figure);
}
