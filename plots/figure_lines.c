// Which lines of cells a figure draws: of one axis, and of each value of a further one.
#include <stdlib.h>

#include "plots/figure_draw.h"
#include "plots/memory.h"

line_t
figure_line(const figure_side_t *side, line_axis_t axis)
{
    return line_find((const summary_t *const *)side->summaries, side->n, axis);
}

const char *const FIGURE_FAMILY_COLORS[FIGURE_FAMILY_MAX] = {"red", "orange", "green", "blue"};

figure_family_t
figure_family(const line_t *line, const line_t *reference)
{
    figure_family_t family = {.note = plots_copy("")};
    line_t *all = NULL;
    const size_t n_all = reference->n == 0 ? line_family(line, &all) : 0;
    const size_t n = n_all < FIGURE_FAMILY_MAX ? n_all : FIGURE_FAMILY_MAX;
    for (size_t i = 0; i < n_all; i++) {
        // The place in the figure where this one comes, if any: they are spread over all.
        const bool is_drawn = family.n < n && i == family.n * (n_all - 1) / (n > 1 ? n - 1 : 1);
        if (is_drawn)
            family.lines[family.n++] = all[i];
        else
            line_clear(&all[i]);
    }
    free(all);
    if (n < n_all) {
        free(family.note);
        family.note = plots_format("%zu of %zu values", n, n_all);
    }
    return family;
}

void
figure_family_clear(figure_family_t *family)
{
    for (size_t i = 0; i < family->n; i++)
        line_clear(&family->lines[i]);
    free(family->note);
    *family = (figure_family_t){0};
}

figure_lines_t
figure_lines(const figure_source_t *source, line_axis_t axis)
{
    figure_lines_t lines = {
        figure_line(&source->measured, axis), figure_line(&source->reference, axis), {.n = 0}};
    lines.family = figure_family(&lines.line, &lines.other);
    return lines;
}

void
figure_lines_clear(figure_lines_t *lines)
{
    figure_family_clear(&lines->family);
    line_clear(&lines->line);
    line_clear(&lines->other);
}

bool
figure_by_lines(const figure_source_t *source, line_axis_t axis, const char *needs,
                figure_draw_family_t *draw_family, figure_draw_alone_t *draw_alone,
                figure_t *figure)
{
    figure_lines_t lines = figure_lines(source, axis);
    bool is_drawn = false;
    if (lines.line.n == 0)
        figure_skip(figure, "%s", needs);
    else if (lines.family.n > 1)
        is_drawn = draw_family(source, &lines.family, figure);
    else
        is_drawn = draw_alone(source, &lines.line, &lines.other, figure);
    figure_lines_clear(&lines);
    return is_drawn;
}
