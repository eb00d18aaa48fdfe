// Figure 12, accuracy of every cell; figure 3, sample pictures; and any other experiment over its
// own axes.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/figure_draw.h"
#include "plots/memory.h"

// ---- figure 12 ----

// The reference's cell with the same nodes and cores: of the set of the same name first, then of
// any.
static const summary_cell_t *
reference_of(const figure_side_t *side, const summary_t *summary, const summary_cell_t *cell)
{
    const summary_cell_t *found = NULL;
    for (size_t i = 0; i < side->n; i++) {
        const bool is_same_set = strcmp(side->summaries[i]->set->name, summary->set->name) == 0;
        for (size_t j = 0; j < side->summaries[i]->n_cells; j++) {
            const summary_cell_t *other = &side->summaries[i]->cells[j];
            if (other->nodes == cell->nodes && other->cores == cell->cores &&
                (found == NULL || is_same_set))
                found = other;
        }
    }
    return found;
}

typedef struct {
    double *values;
    size_t n;
} values_t;

static void
add_value(values_t *values, double value)
{
    values->values = plots_resize(values->values, values->n + 1, sizeof *values->values);
    values->values[values->n++] = value;
}

static void
add_accuracy(const figure_source_t *source, size_t set, size_t cell, double position,
             values_t *measured, values_t *reference, draft_t *csv)
{
    const summary_t *summary = source->measured.summaries[set];
    const estimate_t accuracy = summary->cells[cell].quantities[QUANTITY_ACCURACY];
    char *label = summary_label(summary, cell);
    figure_row_text(csv, "measured",
                    (double[]){position, accuracy.mean, accuracy.low, accuracy.high}, 4, label);
    add_value(measured, accuracy.mean);
    const summary_cell_t *other = reference_of(&source->reference, summary, &summary->cells[cell]);
    if (other != NULL && isfinite(other->quantities[QUANTITY_ACCURACY].mean)) {
        const double value = other->quantities[QUANTITY_ACCURACY].mean;
        figure_row_text(csv, "reference", (double[]){position, value, NAN, NAN}, 4, label);
        add_value(reference, value);
    }
    free(label);
}

static char *
mean_title(const char *name, const values_t *values)
{
    const estimate_t all = statistics_estimate(values->values, values->n);
    return plots_format("%s: mean of all cells %.1f %%, sd %.1f", name, 100 * all.mean,
                        100 * all.sd);
}

static void
add_mean(draft_t *csv, const char *series, const values_t *values, double last)
{
    const estimate_t all = statistics_estimate(values->values, values->n);
    const double sd = isfinite(all.sd) ? all.sd : 0.0;
    for (int end = 0; end < 2; end++)
        figure_row_text(csv, series,
                        (double[]){end ? last : -0.6, all.mean, all.mean - sd, all.mean + sd}, 4,
                        "");
}

static void
add_mean_plot(draft_t *script, const char *series, const char *color, const char *dash,
              const char *name, const values_t *values)
{
    char *title = mean_title(name, values);
    figure_plot(script, series, "position", "(100*column('accuracy'))",
                "lines linecolor rgb %s linewidth 1.5 dashtype %s title '%s'", color, dash, title);
    free(title);
}

// Names the cells below the axis, and each result set above the first of its cells.
static void
add_cell_names(const figure_source_t *source, size_t key_lines, draft_t *script)
{
    char **labels = NULL;
    size_t n = 0;
    for (size_t i = 0; i < source->measured.n; i++) {
        const summary_t *summary = source->measured.summaries[i];
        const size_t first = n;
        for (size_t j = 0; j < summary->n_cells; j++) {
            if (!isfinite(summary->cells[j].quantities[QUANTITY_ACCURACY].mean))
                continue;
            labels = plots_resize(labels, n + 1, sizeof *labels);
            labels[n++] = summary_label(summary, j);
        }
        if (source->measured.n == 1 || n == first)
            continue;
        draft_add(script, "set label ");
        figure_quote(script, summary->set->name);
        draft_add(script, " at %g, graph 1.03 left textcolor rgb grey\n", (double)first - 0.4);
        if (first > 0)
            draft_add(script,
                      "set arrow from %g, graph 0 to %g, graph 1 nohead linecolor rgb pale\n",
                      (double)first - 0.5, (double)first - 0.5);
    }
    figure_cell_tics(script, (const char *const *)labels, n, key_lines);
    for (size_t i = 0; i < n; i++)
        free(labels[i]);
    free(labels);
}

static void
add_accuracy_script(const figure_source_t *source, const values_t *measured,
                    const values_t *reference, draft_t *script)
{
    draft_add(script,
              "set ylabel 'accuracy on the test set, %%'\nset xrange [-0.6:%zu.6]\nset xlabel "
              "\"nodes : cores of the whole cluster\\n{/*0.8 bars: 95 %% intervals; band: mean of "
              "all cells ± one standard deviation}\"\nset offsets 0, 0, graph 0.1, graph 0.1\n"
              "set yrange [0<*:*<100]\n",
              measured->n - 1);
    add_cell_names(source, reference->n > 0 ? 3 : 2, script);
    figure_open(script);
    figure_plot(script, "mean", "position", "(100*column('low')):(100*column('high'))",
                "filledcurves linecolor rgb blue fillstyle transparent solid 0.12 notitle");
    add_mean_plot(script, "mean", "blue", "1", source->measured.name, measured);
    if (reference->n > 0) {
        add_mean_plot(script, "reference mean", "grey", "2", source->reference.name, reference);
        figure_plot(script, "reference", "position", "(100*column('accuracy'))",
                    "points linecolor rgb grey pointtype 6 pointsize 1.2 notitle");
    }
    figure_plot(script, "measured", "position",
                "(100*column('accuracy')):(100*column('low')):(100*column('high'))",
                "yerrorbars linecolor rgb blue linewidth 1.5 pointtype 7 pointsize 0 notitle");
    figure_plot(script, "measured", "position", "(100*column('accuracy'))",
                "points linecolor rgb blue pointtype 7 pointsize 1.2 notitle");
    figure_close(script);
}

bool
figure_accuracies(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    values_t measured = {0};
    values_t reference = {0};
    draft_add(&figure->csv, "series,position,accuracy,low,high,label\n");
    for (size_t i = 0; i < source->measured.n; i++) {
        const summary_t *summary = source->measured.summaries[i];
        for (size_t j = 0; j < summary->n_cells; j++) {
            if (isfinite(summary->cells[j].quantities[QUANTITY_ACCURACY].mean))
                add_accuracy(source, i, j, (double)measured.n, &measured, &reference, &figure->csv);
        }
    }
    const size_t n = measured.n;
    if (n > 0) {
        add_mean(&figure->csv, "mean", &measured, (double)n - 0.4);
        if (reference.n > 0)
            add_mean(&figure->csv, "reference mean", &reference, (double)n - 0.4);
        figure_begin(source, figure, "Accuracy of all test cases, mean ± standard deviation", 1);
        add_accuracy_script(source, &measured, &reference, &figure->script);
    } else {
        figure_skip(figure, "no cell has an accuracy");
    }
    free(measured.values);
    free(reference.values);
    return n > 0;
}

// ---- figure 3 ----

enum { PICTURES_A_CLASS_MAX = 5, GAP = 3 };

typedef struct {
    int n_classes, n_pictures; // across, down
    int width, height;         // of one picture
} mosaic_t;

static mosaic_t
mosaic_of(const results_samples_t *samples)
{
    mosaic_t mosaic = {0};
    for (size_t i = 0; i < samples->n_pixels; i++) {
        const results_sample_t *s = &samples->pixels[i];
        if (s->index < 0 || s->row < 0 || s->column < 0 || s->class_index < 0)
            return (mosaic_t){0};
        mosaic.n_classes =
            s->class_index >= mosaic.n_classes ? s->class_index + 1 : mosaic.n_classes;
        mosaic.n_pictures = s->index >= mosaic.n_pictures ? s->index + 1 : mosaic.n_pictures;
        mosaic.width = s->column >= mosaic.width ? s->column + 1 : mosaic.width;
        mosaic.height = s->row >= mosaic.height ? s->row + 1 : mosaic.height;
    }
    if (mosaic.n_pictures > PICTURES_A_CLASS_MAX)
        mosaic.n_pictures = PICTURES_A_CLASS_MAX;
    const bool is_too_large = mosaic.n_classes > 1000 || mosaic.width > 512 || mosaic.height > 512;
    return is_too_large ? (mosaic_t){0} : mosaic;
}

// gnuplot's rgbimage wants every pixel of a rectangle, so the gaps are white pixels.
static void
add_pixels(const results_samples_t *samples, mosaic_t m, draft_t *csv)
{
    const int across = m.n_classes * (m.width + GAP) - GAP;
    const int down = m.n_pictures * (m.height + GAP) - GAP;
    const results_sample_t **grid = plots_alloc((size_t)across * (size_t)down, sizeof(void *));
    for (size_t i = 0; i < samples->n_pixels; i++) {
        const results_sample_t *s = &samples->pixels[i];
        if (s->index >= m.n_pictures)
            continue;
        const int x = s->class_index * (m.width + GAP) + s->column;
        const int y = s->index * (m.height + GAP) + s->row;
        grid[(size_t)y * (size_t)across + (size_t)x] = s;
    }
    draft_add(csv, "x,y,red,green,blue\n");
    for (int y = 0; y < down; y++) {
        for (int x = 0; x < across; x++) {
            const results_sample_t *s = grid[(size_t)y * (size_t)across + (size_t)x];
            draft_add(csv, "%d,%d,%d,%d,%d\n", x, y, s ? s->red : 255, s ? s->green : 255,
                      s ? s->blue : 255);
        }
    }
    free(grid);
}

static void
add_class_labels(const results_samples_t *samples, mosaic_t m, draft_t *script)
{
    for (int class_index = 0; class_index < m.n_classes; class_index++) {
        size_t i = 0;
        while (i < samples->n_pixels && samples->pixels[i].class_index != class_index)
            i++;
        if (i == samples->n_pixels)
            continue;
        draft_add(script, "set label ");
        figure_quote(script, samples->pixels[i].class_name);
        draft_add(script, " at %g, -5 center textcolor rgb black font ',11'\n",
                  class_index * (m.width + GAP) + m.width / 2.0 - 0.5);
    }
}

static bool
draw_samples(const figure_source_t *source, const results_set_t *set,
             const results_samples_t *samples, figure_t *figure)
{
    const mosaic_t mosaic = mosaic_of(samples);
    if (mosaic.n_classes == 0)
        return figure_skip(figure, "samples.csv holds no pictures of a sensible size");
    add_pixels(samples, mosaic, &figure->csv);
    // Of the setting, only the data matters to a picture.
    figure_source_t pictures = *source;
    pictures.setting = set->data;
    char *title = plots_format("Sample pictures of the %d classes", mosaic.n_classes);
    figure_begin(&pictures, figure, title, 1);
    free(title);
    draft_t *script = &figure->script;
    add_class_labels(samples, mosaic, script);
    draft_add(script,
              "unset border\nunset tics\nunset key\nunset grid\nset size ratio -1\nset lmargin "
              "1\nset rmargin 1\nset bmargin 1\nset xrange [-1:%d]\nset yrange [%d:-9]\n"
              "plot data using 'x':'y':'red':'green':'blue' with rgbimage\n",
              mosaic.n_classes * (mosaic.width + GAP) - GAP,
              mosaic.n_pictures * (mosaic.height + GAP) - GAP);
    return true;
}

bool
figure_samples(const figure_source_t *source, const char *axis, figure_t *figure)
{
    (void)axis;
    const results_set_t *set = NULL;
    results_samples_t samples = {0};
    plots_error_t error = {.text = "no samples.csv"};
    int result = PLOTS_EMPTY;
    for (size_t i = 0; i < source->measured.n && result == PLOTS_EMPTY; i++) {
        set = source->measured.summaries[i]->set;
        result = results_samples_read(set, &samples, &error);
    }
    const bool is_drawn = result == PLOTS_OK ? draw_samples(source, set, &samples, figure)
                                             : figure_skip(figure, "%s", error.text);
    results_samples_clear(&samples);
    return is_drawn;
}

// ---- any other experiment ----

enum { GROUPS_MAX = 6 };

// Cells that differ in one further axis alone.
typedef struct {
    const summary_t *summary;
    size_t first; // its first cell, which stands for the group
    char *label;
} group_t;

static size_t
axis_of(const summary_t *summary, const char *setting)
{
    size_t axis = 0;
    while (axis < summary->set->n_axes && strcmp(summary->set->axes[axis].setting, setting) != 0)
        axis++;
    return axis;
}

static bool
is_in_group(const summary_t *summary, size_t axis, const summary_cell_t *a, const summary_cell_t *b)
{
    bool is_same = a->nodes == b->nodes && a->cores == b->cores;
    for (size_t i = 0; is_same && i < summary->set->n_axes; i++)
        is_same = i == axis || strcmp(a->values[i], b->values[i]) == 0;
    return is_same;
}

// What the group has in common, for the key: "3:6 strategy fedavg".
static char *
group_label(const summary_t *summary, size_t axis, const summary_cell_t *cell)
{
    draft_t label = {0};
    draft_add(&label, "%.4g:%.4g", cell->nodes, cell->cores);
    for (size_t i = 0; i < summary->set->n_axes; i++) {
        if (i != axis)
            draft_add(&label, " %s %s", summary->set->axes[i].name, cell->values[i]);
    }
    return label.text;
}

static size_t
find_groups(const figure_source_t *source, const char *setting, group_t *groups)
{
    size_t n = 0;
    for (size_t s = 0; s < source->measured.n; s++) {
        const summary_t *summary = source->measured.summaries[s];
        const size_t axis = axis_of(summary, setting);
        for (size_t i = 0; axis < summary->set->n_axes && i < summary->n_cells; i++) {
            bool is_known = false;
            for (size_t g = 0; g < n; g++)
                is_known = is_known || (groups[g].summary == summary &&
                                        is_in_group(summary, axis, &summary->cells[i],
                                                    &summary->cells[groups[g].first]));
            if (is_known || n == GROUPS_MAX || summary->cells[i].n == 0)
                continue;
            groups[n++] = (group_t){summary, i, group_label(summary, axis, &summary->cells[i])};
        }
    }
    return n;
}

// The different values of the axis, in the order of the cells.
static size_t
find_places(const group_t *groups, size_t n_groups, const char *setting, const char ***places)
{
    size_t n = 0;
    for (size_t g = 0; g < n_groups; g++) {
        const summary_t *summary = groups[g].summary;
        const size_t axis = axis_of(summary, setting);
        for (size_t i = 0; i < summary->n_cells; i++) {
            const char *value = summary->cells[i].values[axis];
            size_t place = 0;
            while (place < n && strcmp((*places)[place], value) != 0)
                place++;
            if (place < n)
                continue;
            *places = plots_resize(*places, n + 1, sizeof **places);
            (*places)[n++] = value;
        }
    }
    return n;
}

static void
add_group(const group_t *group, size_t number, double shift, const char *setting,
          const char *const *places, size_t n_places, draft_t *csv)
{
    const summary_t *summary = group->summary;
    const size_t axis = axis_of(summary, setting);
    const summary_cell_t *first = &summary->cells[group->first];
    char *series = plots_format("%zu", number);
    for (size_t place = 0; place < n_places; place++) {
        for (size_t i = 0; i < summary->n_cells; i++) {
            const summary_cell_t *cell = &summary->cells[i];
            if (cell->n == 0 || strcmp(cell->values[axis], places[place]) != 0 ||
                !is_in_group(summary, axis, cell, first))
                continue;
            const estimate_t t = cell->quantities[QUANTITY_T];
            const estimate_t a = cell->quantities[QUANTITY_ACCURACY];
            const estimate_t s = cell == first ? statistics_exact(1.0, cell->n)
                                               : statistics_ratio(first->quantities[QUANTITY_T], t);
            const double numbers[] = {(double)place + shift,
                                      t.mean,
                                      t.low,
                                      t.high,
                                      s.mean,
                                      s.low,
                                      s.high,
                                      a.mean,
                                      a.low,
                                      a.high};
            figure_row_text(csv, series, numbers, sizeof numbers / sizeof *numbers, places[place]);
        }
    }
    free(series);
}

typedef struct {
    const char *title;
    const char *column;
    double scale;
    const char *range;
} panel_t;

static void
add_axis_panel(const panel_t *panel, const group_t *groups, size_t n_groups, bool has_key,
               draft_t *script)
{
    static const char *const colors[GROUPS_MAX] = {"blue", "orange", "green",
                                                   "red",  "purple", "sky"};
    draft_add(script, "set title ");
    figure_quote(script, panel->title);
    draft_add(script, "\nset yrange [%s]\nset offsets 0, 0, graph %s, graph %s\nset key %s\n",
              panel->range, has_key ? "0.3" : "0.05",
              strcmp(panel->range, "0:*") == 0 ? "0" : "0.05", has_key ? "top right" : "off");
    char *y = plots_format("(%g*column('%s'))", panel->scale, panel->column);
    char *bars = plots_format("%s:(%g*column('%s_low')):(%g*column('%s_high'))", y, panel->scale,
                              panel->column, panel->scale, panel->column);
    figure_open(script);
    for (size_t g = 0; g < n_groups; g++) {
        char *series = plots_format("%zu", g);
        figure_plot(script, series, "position", bars,
                    "yerrorbars linecolor rgb %s pointtype 7 pointsize 0 notitle", colors[g]);
        figure_plot(script, series, "position", y,
                    "linespoints linecolor rgb %s linewidth 1.5 dashtype %zu pointtype %zu title ",
                    colors[g], g + 1, 5 + 2 * (g % 4));
        figure_quote(script, groups[g].label);
        free(series);
    }
    figure_close(script);
    free(bars);
    free(y);
}

bool
figure_by_axis(const figure_source_t *source, const char *axis, figure_t *figure)
{
    group_t groups[GROUPS_MAX];
    const char **places = NULL;
    const size_t n_groups = find_groups(source, axis, groups);
    const size_t n_places = find_places(groups, n_groups, axis, &places);
    const bool is_drawn = n_groups > 0 && n_places > 1;
    if (is_drawn) {
        const summary_t *summary = groups[0].summary;
        const results_axis_t *described = &summary->set->axes[axis_of(summary, axis)];
        draft_add(&figure->csv, "series,position,t_s,t_s_low,t_s_high,speedup,speedup_low,"
                                "speedup_high,accuracy,accuracy_low,accuracy_high,label\n");
        // Side by side a little, so that no bar hides another.
        for (size_t g = 0; g < n_groups; g++)
            add_group(&groups[g], g, 0.07 * ((double)g - ((double)n_groups - 1.0) / 2.0), axis,
                      places, n_places, &figure->csv);
        char *title = plots_format("Training time, speedup and accuracy by %s", described->name);
        figure_begin(source, figure, title, 3);
        free(title);
        char *label = plots_format("%s%s%s", described->name, *described->unit != '\0' ? ", " : "",
                                   described->unit);
        draft_add(&figure->script, "set xlabel ");
        figure_quote(&figure->script, label);
        free(label);
        draft_add(&figure->script, "\nset xrange [-0.4:%zu.4]\n", n_places - 1);
        figure_tics(&figure->script, places, n_places);
        char *against = plots_format("speedup against %s %s", described->name, places[0]);
        const panel_t panels[] = {{"training time, s", "t_s", 1, "0:*"},
                                  {against, "speedup", 1, "0:*"},
                                  {"accuracy, %", "accuracy", 100, "0<*:*<100"}};
        for (size_t i = 0; i < 3; i++)
            add_axis_panel(&panels[i], groups, n_groups, i == 0, &figure->script);
        free(against);
    } else {
        figure_skip(figure, "needs two or more values of %s", axis);
    }
    for (size_t g = 0; g < n_groups; g++)
        free(groups[g].label);
    free(places);
    return is_drawn;
}
