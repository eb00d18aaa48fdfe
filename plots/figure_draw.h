/* figure_draw.h - what the figures' own files share: the data they draw from, and the words of a
 * gnuplot script.
 *
 * A figure is a function that fills a CSV and a script, or says why it cannot. To add one: write
 * it, and put it into the table in figure.c. */
#ifndef PLOTS_FIGURE_DRAW_H
#define PLOTS_FIGURE_DRAW_H

#include "plots/draft.h"
#include "plots/fits.h"
#include "plots/line.h"
#include "plots/summary.h"

// Result sets that are drawn as one colour: what was measured, or what it is held against.
typedef struct {
    summary_t **summaries;
    size_t n;
    char *name; // in keys: "measured", "paper"; escaped for single quotes in a script
} figure_side_t;

typedef struct {
    figure_side_t measured;
    figure_side_t reference; // n = 0: nothing to hold it against
    char *setting;           // what it was measured on: under every title
    bool has_intervals;      // some cell has repeats that tell one
} figure_source_t;

typedef struct {
    const char *name; // "fig07": of the script, its CSV and its pictures
    // What it shows 95 % intervals as, "error bars", and what is left of them where no cell has an
    // interval of its own; NULL: nothing. Its head says so.
    const char *intervals, *intervals_of_fits;
    draft_t csv;
    draft_t script;
    char reason[160]; // why it was not drawn
} figure_t;

// Reads `axis` when it draws a further axis; NULL for the paper's figures. True when there is
// something to draw.
typedef bool figure_draw_t(const figure_source_t *source, const char *axis, figure_t *figure);

figure_draw_t figure_samples;      // 3
figure_draw_t figure_times;        // 7
figure_draw_t figure_shares;       // 8
figure_draw_t figure_extrapolated; // 9
figure_draw_t figure_regressions;  // 10
figure_draw_t figure_speedups;     // 11
figure_draw_t figure_accuracies;   // 12
figure_draw_t figure_efficiency;
figure_draw_t figure_rounds;
figure_draw_t figure_cost;
figure_draw_t figure_roof;
figure_draw_t figure_by_axis;

// The head of a script: what it is, the style, the title with the setting beneath it, and what its
// error bars and bands are. With `n_panels` above one it is a multiplot of that many columns, and
// each panel sets its own title.
void figure_begin(const figure_source_t *source, figure_t *figure, const char *title,
                  size_t n_panels);
// The same with a note behind the setting, "" for none.
void figure_begin_with(const figure_source_t *source, figure_t *figure, const char *title,
                       size_t n_panels, const char *note);
// The same for a figure that shows one line of a family: it says which.
void figure_begin_alone(const figure_source_t *source, figure_t *figure, const char *title,
                        size_t n_panels, const line_t *line);
// A text as a gnuplot string in double quotes, with nothing in it taken for markup.
void figure_quote(draft_t *script, const char *text);
// Names the places 0, 1, 2 … of the horizontal axis.
void figure_tics(draft_t *script, const char *const *labels, size_t n);
// The same for cells of all kinds, above an axis label and a key of so many lines: many or long
// names are set aslant, with room for the longest.
void figure_cell_tics(draft_t *script, const char *const *labels, size_t n, size_t key_lines);
// One clause of a plot: the rows of `series`, their column `x` against `y` (gnuplot's
// "'t_s':'t_low_s'" or an expression), drawn as `style` says. A plot is opened before its first
// clause and closed after its last.
void figure_open(draft_t *script);
void figure_plot(draft_t *script, const char *series, const char *x, const char *y,
                 const char *style, ...) __attribute__((format(printf, 5, 6)));
void figure_close(draft_t *script);
// Such a clause: the intervals of a series whose points another clause draws, and the read-out of
// each point. `y` is "'t_s':'t_low_s':'t_high_s'".
void figure_bars(draft_t *script, const char *series, const char *x, const char *y,
                 const char *color);
// The longest line of a side; empty when it has none.
line_t figure_line(const figure_side_t *side, line_axis_t axis);
// A measured line and its sisters by the values of further axes, at most FIGURE_FAMILY_MAX, evenly
// from the first to the last. Where there is a reference, it stays alone (n = 0): two sides of
// several lines cannot be told apart.
enum { FIGURE_FAMILY_MAX = 4 };
extern const char *const FIGURE_FAMILY_COLORS[FIGURE_FAMILY_MAX];
typedef struct {
    line_t lines[FIGURE_FAMILY_MAX];
    size_t n;
    char *note; // "" or how many values are not drawn
} figure_family_t;
figure_family_t figure_family(const line_t *line, const line_t *reference);
void figure_family_clear(figure_family_t *family);
// What most figures begin with: the longest lines of both sides along an axis, and the measured
// one's family, which is drawn in its stead where it has more than one line.
typedef struct {
    line_t line, other; // n = 0: none
    figure_family_t family;
} figure_lines_t;
figure_lines_t figure_lines(const figure_source_t *source, line_axis_t axis);
void figure_lines_clear(figure_lines_t *lines);
// Draws the lines along an axis: a family of several, or the one with its reference. Each returns
// what the figure is to return. `needs` is said where there is no line.
typedef bool figure_draw_family_t(const figure_source_t *source, const figure_family_t *family,
                                  figure_t *figure);
typedef bool figure_draw_alone_t(const figure_source_t *source, const line_t *line,
                                 const line_t *other, figure_t *figure);
bool figure_by_lines(const figure_source_t *source, line_axis_t axis, const char *needs,
                     figure_draw_family_t *draw_family, figure_draw_alone_t *draw_alone,
                     figure_t *figure);
// One row of CSV: the series' name, then numbers.
void figure_row(draft_t *csv, const char *series, const double *numbers, size_t n);
// The same with a text at the end.
void figure_row_text(draft_t *csv, const char *series, const double *numbers, size_t n,
                     const char *text);
// Rows of a series with columns x, mean, low and high: one estimate, and a fitted curve in so many
// steps from one x to another (none where the fit is not good).
void figure_point(draft_t *csv, const char *series, double x, estimate_t y);
void figure_curve(draft_t *csv, const char *series, const fit_t *fit, double from, double to,
                  int steps);
// Says why a figure is not drawn; always false, so that it can be returned.
bool figure_skip(figure_t *figure, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
