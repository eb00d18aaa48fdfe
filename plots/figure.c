#include "plots/figure.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/csv.h"
#include "plots/embedded.h"
#include "plots/figure_draw.h"
#include "plots/gnuplot.h"
#include "plots/memory.h"
#include "plots/results_read.h"

typedef struct {
    const char *name;
    figure_draw_t *draw;
    const char *intervals, *intervals_of_fits; // as in figure_t
} row_t;

#define BARS           "error bars"
#define BARS_AND_BANDS "error bars and bands"

static const row_t FIGURES[] = {
    {"fig03", figure_samples, NULL, NULL},
    {"fig07", figure_times, BARS, NULL},
    {"fig08", figure_shares, BARS, NULL},
    {"fig09", figure_extrapolated, BARS_AND_BANDS, "bands"},
    {"fig10", figure_regressions, BARS_AND_BANDS, "bands"},
    {"fig11", figure_speedups, BARS_AND_BANDS, NULL},
    {"fig12", figure_accuracies, NULL, NULL}, // its axis says it: its band is another
    {"more_efficiency", figure_efficiency, BARS, NULL},
    {"more_rounds", figure_rounds, NULL, NULL},
    {"more_cost", figure_cost, BARS, NULL},
    {"more_roof", figure_roof, BARS, NULL},
};
enum { N_FIGURES = sizeof FIGURES / sizeof *FIGURES };

unsigned
figure_formats_parse(const char *list)
{
    static const char *const names[] = {"svg", "png", "pdf"};
    unsigned formats = 0;
    while (*list != '\0') {
        const size_t length = strcspn(list, ",");
        unsigned format = 0;
        for (unsigned i = 0; i < 3; i++) {
            if (strlen(names[i]) == length && strncmp(list, names[i], length) == 0)
                format = 1u << i;
        }
        if (format == 0)
            return 0;
        formats |= format;
        list += length + (list[length] == ',' ? 1 : 0);
    }
    return formats;
}

// ---- what the figures' files share ----

void
figure_quote(draft_t *script, const char *text)
{
    draft_add(script, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            draft_add(script, "\\%c", *text);
        else if (strchr("_^{}@&~", *text) != NULL)
            draft_add(script, "\\\\%c", *text); // once for the quotes, once for enhanced text
        else
            draft_add_bytes(script, text, 1);
    }
    draft_add(script, "\"");
}

// A name as it stands between single quotes in a script, where enhanced text would take & and _ for
// markup.
static char *
escaped(const char *name)
{
    draft_t text = {0};
    draft_add(&text, "%s", "");
    for (; *name != '\0'; name++) {
        if (strchr("_^{}@&~\\", *name) != NULL)
            draft_add(&text, "\\");
        draft_add(&text, *name == '\'' ? "''" : "%c", *name);
    }
    return text.text;
}

// Of a text of parts between semicolons, the bytes of those that fit a line beneath a title, or of
// one part that does not.
static size_t
line_bytes(const char *text)
{
    enum { LINE_BYTES = 110 };
    size_t n = strlen(text);
    if (n <= LINE_BYTES)
        return n;
    const char *end = NULL;
    for (const char *at = strstr(text, "; "); at && (!end || at <= text + LINE_BYTES);
         at = strstr(at + 1, "; "))
        end = at;
    return end ? (size_t)(end - text) : n;
}

// Beneath the title: the setting, and what the figure's bars and bands are.
static void
add_setting(const figure_source_t *source, const figure_t *figure, draft_t *script)
{
    const char *what = source->has_intervals ? figure->intervals : figure->intervals_of_fits;
    char *text = plots_format("%s%s%s%s", source->setting, what ? "; " : "", what ? what : "",
                              what ? ": 95 % intervals of the mean" : "");
    for (char *rest = text; *rest;) {
        const size_t n = line_bytes(rest);
        const bool is_last = rest[n] == '\0';
        rest[n] = '\0';
        draft_add(script, ".\"\\n{/*0.8 \".");
        figure_quote(script, rest);
        draft_add(script, ".\"}\"");
        rest += is_last ? n : n + strlen("; ");
    }
    free(text);
}

void
figure_begin(const figure_source_t *source, figure_t *figure, const char *title, size_t n_panels)
{
    draft_t *script = &figure->script;
    draft_add(script, "# %s\n# Drawn from %s.csv; gnuplot %s.gp draws it again.\n", title,
              figure->name, figure->name);
    draft_add(script, "name = '%s'\nload 'common.gp'\ndata = name.'.csv'\n", figure->name);
    if (n_panels > 1)
        draft_add(script,
                  "set multiplot layout 1,%zu margins 0.1,0.985,0.19,0.77 "
                  "spacing 0.085,0 title ",
                  n_panels);
    else
        draft_add(script, "set title ");
    draft_add(script, "\"{/:Bold \".");
    figure_quote(script, title);
    draft_add(script, ".\"}\"");
    add_setting(source, figure, script);
    draft_add(script, "%s\n", n_panels > 1 ? " offset 0,-0.3" : "");
}

void
figure_begin_with(const figure_source_t *source, figure_t *figure, const char *title,
                  size_t n_panels, const char *note)
{
    figure_source_t noted = *source;
    noted.setting = plots_format("%s%s%s", source->setting, *note != '\0' ? "; " : "", note);
    figure_begin(&noted, figure, title, n_panels);
    free(noted.setting);
}

void
figure_begin_alone(const figure_source_t *source, figure_t *figure, const char *title,
                   size_t n_panels, const line_t *line)
{
    char *label = line_label(line);
    char *note = *label != '\0' ? plots_format("%s alone", label) : plots_copy("");
    figure_begin_with(source, figure, title, n_panels, note);
    free(note);
    free(label);
}

void
figure_tics(draft_t *script, const char *const *labels, size_t n)
{
    draft_add(script, "set xtics (");
    for (size_t i = 0; i < n; i++) {
        draft_add(script, i > 0 ? ", " : "");
        figure_quote(script, labels[i]);
        draft_add(script, " %zu", i);
    }
    draft_add(script, ") scale 0\n");
}

void
figure_cell_tics(draft_t *script, const char *const *labels, size_t n, size_t key_lines)
{
    size_t n_letters = 0;
    size_t longest = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(labels[i]);
        n_letters += length;
        longest = length > longest ? length : longest;
    }
    figure_tics(script, labels, n);
    draft_add(script, "eval key_below(%zu)\n", key_lines);
    // A letter of a name aslant takes about three tenths of a line.
    if (n > 14 || n_letters > 80)
        draft_add(script, "set xtics rotate by -40\nset bmargin %.3g\n",
                  3.6 + 1.25 * (double)key_lines + 0.3 * (double)longest);
}

void
figure_open(draft_t *script)
{
    draft_add(script, "plot NaN notitle");
}

void
figure_plot(draft_t *script, const char *series, const char *x, const char *y, const char *style,
            ...)
{
    va_list arguments;
    va_start(arguments, style);
    char words[512];
    vsnprintf(words, sizeof words, style, arguments);
    va_end(arguments);
    draft_add(script, ", \\\n     data using (pick('%s', column('%s'))):%s with %s", series, x, y,
              words);
}

void
figure_close(draft_t *script)
{
    draft_add(script, "\n");
}

void
figure_bars(draft_t *script, const char *series, const char *x, const char *y, const char *color)
{
    figure_plot(script, series, x, y,
                "yerrorbars linecolor rgb %s linewidth 1.5 pointtype 7 pointsize 0 notitle", color);
    // What the report shows where one points at it: nothing that can be seen.
    const char *second = strchr(y, ':');
    const char *third = second != NULL ? strchr(second + 1, ':') : NULL;
    if (third == NULL || *y != '\'')
        return;
    char *words = plots_format(
        "%.*s:(readout(column('%s'), column(%.*s), column(%.*s), column(%s)))", (int)(second - y),
        y, x, (int)(second - y), y, (int)(third - second - 1), second + 1, third + 1);
    figure_plot(script, series, x, words,
                "labels hypertext point pointtype 7 pointsize 1.6 linecolor rgb unseen notitle");
    free(words);
}

void
figure_row_text(draft_t *csv, const char *series, const double *numbers, size_t n, const char *text)
{
    csv_add_text(csv, series);
    for (size_t i = 0; i < n; i++) {
        draft_add(csv, ",");
        csv_add_number(csv, numbers[i]);
    }
    if (text != NULL) {
        draft_add(csv, ",");
        csv_add_text(csv, text);
    }
    draft_add(csv, "\n");
}

void
figure_row(draft_t *csv, const char *series, const double *numbers, size_t n)
{
    figure_row_text(csv, series, numbers, n, NULL);
}

void
figure_point(draft_t *csv, const char *series, double x, estimate_t y)
{
    figure_row(csv, series, (double[]){x, y.mean, y.low, y.high}, 4);
}

void
figure_curve(draft_t *csv, const char *series, const fit_t *fit, double from, double to, int steps)
{
    for (int i = 0; fit->is_good && i <= steps; i++) {
        const double x = from + (to - from) * i / steps;
        const fit_value_t y = fit_predict(fit, x);
        figure_row(csv, series, (double[]){x, y.value, y.low, y.high}, 4);
    }
}

bool
figure_skip(figure_t *figure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(figure->reason, sizeof figure->reason, format, arguments);
    va_end(arguments);
    return false;
}

// ---- what is drawn, and what it is held against ----

static results_run_t *
expected_run(results_set_t *set, const results_expect_t *expect)
{
    for (size_t i = 0; i < set->n_runs; i++) {
        if (set->runs[i].nodes == expect->nodes && set->runs[i].cores == expect->cores)
            return &set->runs[i];
    }
    set->runs = plots_resize(set->runs, set->n_runs + 1, sizeof *set->runs);
    results_run_t *run = &set->runs[set->n_runs++];
    *run = (results_run_t){.cell = plots_format("n%.4g-c%.4g", expect->nodes, expect->cores),
                           .nodes = expect->nodes,
                           .cores = expect->cores,
                           .values = plots_alloc(0, sizeof(char *)),
                           .repeat = 1,
                           .mean_of = 1,
                           .attempt = plots_copy(""),
                           .status = plots_copy("done"),
                           .data = plots_copy(""),
                           .note = plots_copy(""),
                           .launcher = plots_copy(""),
                           .enforced = plots_copy(""),
                           .is_done = true,
                           .t_s = NAN,
                           .work_s = NAN,
                           .overhead_s = NAN,
                           .accuracy = NAN,
                           .loss = NAN,
                           .samples_per_s = NAN,
                           .startup_s = NAN,
                           .evaluation_s = NAN,
                           .cores_asked = NAN,
                           .cores_granted = NAN};
    return run;
}

// The values of expect.csv as if they had been measured, so that they are drawn by the same code.
// Sets with further axes have none: their reference would not say which cell it means.
static bool
expected_set(const results_set_t *set, results_set_t *expected)
{
    *expected = (results_set_t){.folder = plots_copy(""),
                                .name = plots_copy(set->name),
                                .title = plots_copy(set->title),
                                .data = plots_copy(""),
                                .launcher = plots_copy(""),
                                .manifest = plots_copy(""),
                                .is_published = true};
    for (size_t i = 0; set->n_axes == 0 && i < set->n_expects; i++) {
        const results_expect_t *expect = &set->expects[i];
        if (!(expect->nodes >= 1.0) || !(expect->cores > 0.0))
            continue;
        results_run_t *run = expected_run(expected, expect);
        if (expect->quantity == QUANTITY_T)
            run->t_s = expect->value;
        else if (expect->quantity == QUANTITY_WORK)
            run->work_s = expect->value;
        else if (expect->quantity == QUANTITY_ACCURACY)
            run->accuracy = expect->value;
        run->overhead_s = run->t_s - run->work_s;
    }
    return expected->n_runs > 0;
}

static void
add_summary(figure_side_t *side, const results_set_t *set)
{
    side->summaries = plots_resize(side->summaries, side->n + 1, sizeof(summary_t *));
    side->summaries[side->n++] = summary_new(set);
}

static void
clear_side(figure_side_t *side)
{
    for (size_t i = 0; i < side->n; i++)
        summary_free(&side->summaries[i]);
    free(side->summaries);
    free(side->name);
}

// A short name for the other side: "paper" for published numbers and expected ones of that source,
// else its folder's.
static char *
name_of(const results_t *against)
{
    if (against->sets[0].is_published)
        return plots_copy("paper");
    const char *slash = strrchr(against->root, '/');
    return plots_copy(slash != NULL ? slash + 1 : against->root);
}

static char *
name_of_expected(const results_t *results)
{
    for (size_t i = 0; i < results->n_sets; i++) {
        if (results->sets[i].n_expects > 0) {
            const char *source = results->sets[i].expects[0].source;
            const size_t n = strcspn(source, ",;:(");
            return n > 0 ? plots_format("%.*s", (int)n, source) : plots_copy("expected");
        }
    }
    return plots_copy("");
}

static bool
has_intervals(const figure_side_t *side)
{
    for (size_t i = 0; i < side->n; i++) {
        for (size_t j = 0; j < side->summaries[i]->n_cells; j++) {
            if (isfinite(side->summaries[i]->cells[j].quantities[QUANTITY_T].low))
                return true;
        }
    }
    return false;
}

static figure_source_t
source_of(const results_t *results, const results_t *against, results_set_t *expected)
{
    figure_source_t source = {0};
    const results_set_t **sets = plots_alloc(results->n_sets, sizeof *sets);
    for (size_t i = 0; i < results->n_sets; i++) {
        add_summary(&source.measured, &results->sets[i]);
        sets[i] = &results->sets[i];
        if (expected_set(&results->sets[i], &expected[i]) && against == NULL)
            add_summary(&source.reference, &expected[i]);
    }
    for (size_t i = 0; against != NULL && i < against->n_sets; i++)
        add_summary(&source.reference, &against->sets[i]);
    source.measured.name = plots_copy(results->sets[0].is_published ? "paper" : "measured");
    char *name = against != NULL ? name_of(against) : name_of_expected(results);
    source.reference.name = escaped(name);
    free(name);
    source.setting = results_setting(sets, results->n_sets);
    source.has_intervals = has_intervals(&source.measured) || has_intervals(&source.reference);
    free(sets);
    return source;
}

// ---- writing ----

static int
write_part(const draft_t *draft, const char *folder, const char *name, const char *ending,
           plots_error_t *error)
{
    char *path = plots_format("%s/%s%s", folder, name, ending);
    const int result = draft_write(draft, path, error);
    free(path);
    return result;
}

// Draws one figure. A picture that fails is remembered in `*pictures`, the first of them with its
// words, and the others are drawn all the same.
static int
draw(const figure_source_t *source, const row_t *row, const char *axis, const char *folder,
     unsigned formats, draft_t *notes, int *pictures, plots_error_t *error)
{
    const char *name = row->name;
    figure_t figure = {
        .name = name, .intervals = row->intervals, .intervals_of_fits = row->intervals_of_fits};
    int result = PLOTS_OK;
    if (row->draw(source, axis, &figure)) {
        result = write_part(&figure.csv, folder, name, ".csv", error);
        if (result == PLOTS_OK)
            result = write_part(&figure.script, folder, name, ".gp", error);
        char *script = plots_format("%s.gp", name);
        if (result == PLOTS_OK && *pictures != PLOTS_NO_GNUPLOT) {
            plots_error_t fault = {""};
            const int drawn = gnuplot_draw(folder, script, formats, &fault);
            if (drawn != PLOTS_OK && *pictures == PLOTS_OK)
                *pictures = plots_fail(error, drawn, "%s", fault.text);
        }
        free(script);
    } else {
        draft_add(notes, "%s: %s, left out\n", name, figure.reason);
    }
    draft_clear(&figure.csv);
    draft_clear(&figure.script);
    return result;
}

// "by_train_batch" for "train.batch".
static char *
name_for_axis(const char *setting)
{
    char *name = plots_format("by_%s", setting);
    for (char *c = name; *c != '\0'; c++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c) == NULL)
            *c = '_';
    }
    return name;
}

static int
draw_axes(const figure_source_t *source, const results_t *results, const char *folder,
          unsigned formats, draft_t *notes, int *pictures, plots_error_t *error)
{
    int result = PLOTS_OK;
    draft_t drawn = {0};
    for (size_t i = 0; i < results->n_sets; i++) {
        for (size_t j = 0; result == PLOTS_OK && j < results->sets[i].n_axes; j++) {
            char *name = name_for_axis(results->sets[i].axes[j].setting);
            const row_t row = {name, figure_by_axis, BARS, NULL};
            if (drawn.text == NULL || strstr(drawn.text, name) == NULL)
                result = draw(source, &row, results->sets[i].axes[j].setting, folder, formats,
                              notes, pictures, error);
            draft_add(&drawn, "%s ", name);
            free(name);
        }
    }
    draft_clear(&drawn);
    return result;
}

int
figures_write(const results_t *results, const results_t *against, const char *folder,
              unsigned formats, draft_t *notes, plots_error_t *error)
{
    char *figures = plots_format("%s/figures", folder);
    results_set_t *expected = plots_alloc(results->n_sets, sizeof *expected);
    figure_source_t source = source_of(results, against, expected);
    draft_t ignored = {0};
    draft_t *told = notes != NULL ? notes : &ignored;
    draft_t common = {0};
    draft_add_bytes(&common, (const char *)EMBEDDED_COMMON_GP, EMBEDDED_COMMON_GP_BYTES);
    int pictures = PLOTS_OK;
    int result = draft_folder(figures, error);
    if (result == PLOTS_OK)
        result = write_part(&common, figures, "common", ".gp", error);
    for (size_t i = 0; result == PLOTS_OK && i < N_FIGURES; i++)
        result = draw(&source, &FIGURES[i], NULL, figures, formats, told, &pictures, error);
    if (result == PLOTS_OK)
        result = draw_axes(&source, results, figures, formats, told, &pictures, error);
    clear_side(&source.measured);
    clear_side(&source.reference);
    for (size_t i = 0; i < results->n_sets; i++)
        results_set_clear(&expected[i]);
    free(source.setting);
    free(expected);
    free(figures);
    draft_clear(&common);
    draft_clear(&ignored);
    return result == PLOTS_OK ? pictures : result;
}
