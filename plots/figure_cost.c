// What accuracy costs: the time to a target where there is one, else accuracy against time.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"

// The accuracy that times were measured to; NAN where none was asked for.
static double
target_of(const figure_side_t *side)
{
    for (size_t s = 0; s < side->n; s++) {
        for (size_t i = 0; i < side->summaries[s]->n_cells; i++) {
            const double target = side->summaries[s]->cells[i].target_accuracy;
            if (isfinite(target))
                return target;
        }
    }
    return NAN;
}

// The time to the target as a bar a cell, before the pale one of the whole T.
static bool
draw_times_to(const figure_source_t *source, double target, figure_t *figure)
{
    char **labels = NULL;
    size_t n = 0;
    draft_add(&figure->csv, "series,position,time_to_accuracy_s,low,high,t_s,target_accuracy\n");
    for (size_t s = 0; s < source->measured.n; s++) {
        const summary_t *summary = source->measured.summaries[s];
        for (size_t i = 0; i < summary->n_cells; i++) {
            const summary_cell_t *cell = &summary->cells[i];
            const estimate_t to = cell->quantities[QUANTITY_TIME_TO];
            if (cell->n == 0 || cell->target_accuracy != target)
                continue;
            labels = plots_resize(labels, n + 1, sizeof *labels);
            labels[n] = summary_label(summary, i);
            const double numbers[] = {
                (double)n, to.mean, to.low, to.high, cell->quantities[QUANTITY_T].mean, target};
            figure_row(&figure->csv, isfinite(to.mean) ? "reached" : "missed", numbers,
                       sizeof numbers / sizeof *numbers);
            n++;
        }
    }
    char *title = plots_format("What accuracy costs: time to %.4g %%", 100.0 * target);
    figure_begin(source, figure, title, 1);
    free(title);
    draft_t *script = &figure->script;
    draft_add(script,
              "set ylabel 'seconds of training'\nset yrange [0:*]\nset xrange [-0.6:%zu.6]\nset "
              "xlabel 'nodes : cores of the whole cluster'\nset border 2\n",
              n - 1);
    figure_cell_tics(script, (const char *const *)labels, n, 1);
    figure_open(script);
    figure_plot(script, "missed", "position", "'t_s':(0.7)",
                "boxes fillstyle solid 1 linecolor rgb pale notitle");
    figure_plot(script, "missed", "position", "'t_s':('not reached')",
                "labels offset 0,0.7 textcolor rgb grey notitle");
    figure_plot(script, "reached", "position", "'t_s':(0.7)",
                "boxes fillstyle solid 1 linecolor rgb pale title 'the whole training, T'");
    figure_plot(script, "reached", "position", "'time_to_accuracy_s':(0.7)",
                "boxes fillstyle solid 1 linecolor rgb blue title 'until %.4g %% were reached'",
                100.0 * target);
    figure_bars(script, "reached", "position", "'time_to_accuracy_s':'low':'high'", "black");
    figure_close(script);
    for (size_t i = 0; i < n; i++)
        free(labels[i]);
    free(labels);
    return true;
}

// ---- without a target: accuracy against time ----

enum { POINTS_MAX = 200, CORNERS = 4, COMBINATIONS_MAX = 6 };

// A cell in the figure. x and y are shares of the figure's width and height, and so is its label,
// which stands at one of four corners of its point.
typedef struct {
    double x, y;
    char *label;
    size_t corner;
    size_t combination; // of further axes' values
} spot_t;

typedef struct {
    double left, right, bottom, top;
} box_t;

static box_t
box_of(const spot_t *spot, size_t corner)
{
    // What a letter of the labels takes of the figure, and the distance to the point.
    const double width = 0.0105 * (double)strlen(spot->label);
    const double height = 0.045;
    const double gap = 0.008;
    const double left = corner % 2 == 0 ? spot->x + gap : spot->x - gap - width;
    const double bottom = corner < 2 ? spot->y + gap : spot->y - gap - height;
    return (box_t){left, left + width, bottom, bottom + height};
}

static double
shared_area(const box_t *a, const box_t *b)
{
    const double width = fmin(a->right, b->right) - fmax(a->left, b->left);
    const double height = fmin(a->top, b->top) - fmax(a->bottom, b->bottom);
    return width > 0.0 && height > 0.0 ? width * height : 0.0;
}

// Each label in turn at the corner where it covers least of the labels before it and of all points.
static void
place_labels(spot_t *spots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double least = INFINITY;
        for (size_t corner = 0; corner < CORNERS; corner++) {
            const box_t box = box_of(&spots[i], corner);
            double covered = box.right > 1.0 || box.left < 0.0 ? 1.0 : 0.0;
            for (size_t j = 0; j < n; j++) {
                const box_t point = {spots[j].x - 0.006, spots[j].x + 0.006, spots[j].y - 0.01,
                                     spots[j].y + 0.01};
                covered += j == i ? 0.0 : shared_area(&box, &point);
                const box_t other = box_of(&spots[j], spots[j].corner);
                covered += j < i ? shared_area(&box, &other) : 0.0;
            }
            if (covered < least - 1e-9) {
                least = covered;
                spots[i].corner = corner;
            }
        }
    }
}

// The further axes' values of a cell: "link_mbit 10 Mbit/s", "" without.
static char *
combination_of(const summary_t *summary, size_t cell)
{
    const line_t line = {.summary = summary, .cells = &cell, .n = 1};
    return line_label(&line);
}

// The cell's combination among those met before, added when it is new. SIZE_MAX: there are too
// many.
static size_t
find_combination(char **combinations, size_t *n, const summary_t *summary, size_t cell)
{
    char *label = combination_of(summary, cell);
    size_t i = 0;
    while (i < *n && strcmp(combinations[i], label) != 0)
        i++;
    if (i == *n && i < COMBINATIONS_MAX)
        combinations[(*n)++] = label;
    else
        free(label);
    return i < COMBINATIONS_MAX ? i : SIZE_MAX;
}

static bool
is_drawn(const summary_cell_t *cell)
{
    return isfinite(cell->quantities[QUANTITY_T].mean) &&
           isfinite(cell->quantities[QUANTITY_ACCURACY].mean);
}

// The ends of what is drawn, bars and all.
static box_t
bounds_of(const figure_side_t *side)
{
    box_t bounds = {INFINITY, 0.0, INFINITY, 0.0};
    for (size_t s = 0; s < side->n; s++) {
        for (size_t i = 0; i < side->summaries[s]->n_cells; i++) {
            const summary_cell_t *cell = &side->summaries[s]->cells[i];
            const estimate_t t = cell->quantities[QUANTITY_T];
            const estimate_t a = cell->quantities[QUANTITY_ACCURACY];
            if (!is_drawn(cell))
                continue;
            bounds.left = fmin(bounds.left, isfinite(t.low) ? t.low : t.mean);
            bounds.right = fmax(bounds.right, isfinite(t.high) ? t.high : t.mean);
            bounds.bottom = fmin(bounds.bottom, isfinite(a.low) ? a.low : a.mean);
            bounds.top = fmax(bounds.top, isfinite(a.high) ? a.high : a.mean);
        }
    }
    // Room for labels, and to look at a cell that is alone.
    const double width = fmax(bounds.right - bounds.left, 0.01 * bounds.right);
    const double height = fmax(bounds.top - bounds.bottom, 0.01);
    return (box_t){fmax(0.0, bounds.left - 0.08 * width), bounds.right + 0.12 * width,
                   fmax(0.0, bounds.bottom - 0.1 * height), fmin(1.0, bounds.top + 0.1 * height)};
}

// Every drawn cell as a spot, and its row of the CSV but for where its label stands.
static size_t
find_spots(const figure_side_t *side, const box_t *bounds, spot_t *spots, char **combinations,
           size_t *n_combinations)
{
    size_t n = 0;
    for (size_t s = 0; s < side->n; s++) {
        const summary_t *summary = side->summaries[s];
        for (size_t i = 0; n < POINTS_MAX && i < summary->n_cells; i++) {
            const summary_cell_t *cell = &summary->cells[i];
            if (!is_drawn(cell))
                continue;
            const double t_s = cell->quantities[QUANTITY_T].mean;
            const double accuracy = cell->quantities[QUANTITY_ACCURACY].mean;
            const size_t combination = find_combination(combinations, n_combinations, summary, i);
            spots[n++] = (spot_t){.x = (t_s - bounds->left) / (bounds->right - bounds->left),
                                  .y = (accuracy - bounds->bottom) / (bounds->top - bounds->bottom),
                                  .label = combination < COMBINATIONS_MAX
                                               ? plots_format("%.4g:%.4g", cell->nodes, cell->cores)
                                               : summary_label(summary, i),
                                  .combination = combination < COMBINATIONS_MAX ? combination : 0};
        }
    }
    return n;
}

static void
add_spots(const figure_side_t *side, const spot_t *spots, draft_t *csv)
{
    draft_add(csv, "series,t_s,t_low_s,t_high_s,accuracy,low,high,corner,label\n");
    size_t n = 0;
    for (size_t s = 0; s < side->n; s++) {
        for (size_t i = 0; n < POINTS_MAX && i < side->summaries[s]->n_cells; i++) {
            const summary_cell_t *cell = &side->summaries[s]->cells[i];
            if (!is_drawn(cell))
                continue;
            const estimate_t t = cell->quantities[QUANTITY_T];
            const estimate_t a = cell->quantities[QUANTITY_ACCURACY];
            const double numbers[] = {t.mean,
                                      t.low,
                                      t.high,
                                      100 * a.mean,
                                      100 * a.low,
                                      100 * a.high,
                                      (double)spots[n].corner};
            char *series = plots_format("%zu", spots[n].combination);
            figure_row_text(csv, series, numbers, sizeof numbers / sizeof *numbers, spots[n].label);
            free(series);
            n++;
        }
    }
}

static void
add_spots_script(const box_t *bounds, char *const *combinations, size_t n, draft_t *script)
{
    static const char *const colors[COMBINATIONS_MAX] = {"blue", "orange", "green",
                                                         "red",  "purple", "sky"};
    static const char *const offsets[CORNERS] = {"left offset 0.8,0.6", "right offset -0.8,0.6",
                                                 "left offset 0.8,-0.6", "right offset -0.8,-0.6"};
    draft_add(script,
              "set xlabel 'training time T, seconds'\nset ylabel 'accuracy on the test set, %%'\n"
              "set xrange [%g:%g]\nset yrange [%g:%g]\nset key top right\n"
              "at(which, y) = column('corner') == which ? y : NaN\n",
              bounds->left, bounds->right, 100.0 * bounds->bottom, 100.0 * bounds->top);
    if (n > 1)
        draft_add(script, "eval key_below(%zu)\n", (n + 1) / 2);
    figure_open(script);
    for (size_t i = 0; i < n; i++) {
        char *series = plots_format("%zu", i);
        figure_plot(script, series, "t_s", "'accuracy':'t_low_s':'t_high_s':'low':'high'",
                    "xyerrorbars linecolor rgb %s linewidth 0.7 pointtype 7 pointsize 0 notitle",
                    colors[i]);
        figure_plot(script, series, "t_s", "'accuracy'",
                    "points linecolor rgb %s pointtype %zu title ", colors[i],
                    5 + 2 * ((i + 1) % 4));
        figure_quote(script, n > 1 ? combinations[i] : "");
        for (size_t corner = 0; corner < CORNERS; corner++) {
            char *y = plots_format("(at(%zu, column('accuracy'))):'label'", corner);
            figure_plot(script, series, "t_s", y,
                        "labels %s textcolor rgb black font ',12' noenhanced notitle",
                        offsets[corner]);
            free(y);
        }
        free(series);
    }
    figure_close(script);
}

bool
figure_cost(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    const double target = target_of(&source->measured);
    if (isfinite(target))
        return draw_times_to(source, target, figure);
    spot_t *spots = plots_alloc(POINTS_MAX, sizeof *spots);
    char *combinations[COMBINATIONS_MAX];
    size_t n_combinations = 0;
    const box_t bounds = bounds_of(&source->measured);
    const size_t n = find_spots(&source->measured, &bounds, spots, combinations, &n_combinations);
    if (n >= 2) {
        place_labels(spots, n);
        add_spots(&source->measured, spots, &figure->csv);
        figure_begin(source, figure, "What accuracy costs: accuracy against training time", 1);
        add_spots_script(&bounds, combinations, n_combinations, &figure->script);
    } else {
        figure_skip(figure, "needs two or more cells with an accuracy");
    }
    for (size_t i = 0; i < n; i++)
        free(spots[i].label);
    for (size_t i = 0; i < n_combinations; i++)
        free(combinations[i]);
    free(spots);
    return n >= 2;
}
