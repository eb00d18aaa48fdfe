#include "plots/grid.h"

#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

grid_t *
grid_new(const char *title, size_t n_columns)
{
    grid_t *grid = plots_alloc(1, sizeof *grid);
    grid->title = plots_copy(title);
    grid->n_columns = n_columns;
    grid->headers = plots_alloc(n_columns, sizeof *grid->headers);
    grid->is_text = plots_alloc(n_columns, sizeof *grid->is_text);
    return grid;
}

void
grid_free(grid_t **self)
{
    grid_t *grid = *self;
    if (grid == NULL)
        return;
    for (size_t i = 0; i < grid->n_columns; i++)
        free(grid->headers[i]);
    for (size_t i = 0; i < grid->n_rows * grid->n_columns; i++) {
        free(grid->cells[i].value);
        free(grid->cells[i].behind);
    }
    free(grid->headers);
    free(grid->is_text);
    free(grid->cells);
    free(grid->is_aside);
    free(grid->title);
    free(grid->subtitle);
    draft_clear(&grid->notes);
    free(grid->list_title);
    draft_clear(&grid->list);
    free(grid);
    *self = NULL;
}

void
grid_header(grid_t *grid, size_t column, const char *text, bool is_text)
{
    free(grid->headers[column]);
    grid->headers[column] = plots_copy(text);
    grid->is_text[column] = is_text;
}

void
grid_row(grid_t *grid, bool is_aside)
{
    const size_t n = grid->n_rows + 1;
    grid->cells = plots_resize(grid->cells, n * grid->n_columns, sizeof *grid->cells);
    grid->is_aside = plots_resize(grid->is_aside, n, sizeof *grid->is_aside);
    for (size_t i = 0; i < grid->n_columns; i++)
        grid->cells[grid->n_rows * grid->n_columns + i] = (grid_cell_t){NULL, NULL};
    grid->is_aside[grid->n_rows] = is_aside;
    grid->n_rows = n;
}

void
grid_set(grid_t *grid, size_t column, char *value, char *behind)
{
    grid_cell_t *cell = &grid->cells[(grid->n_rows - 1) * grid->n_columns + column];
    free(cell->value);
    free(cell->behind);
    *cell = (grid_cell_t){value, behind};
}

static const grid_cell_t *
cell_at(const grid_t *grid, size_t row, size_t column)
{
    return &grid->cells[row * grid->n_columns + column];
}

// Characters of a UTF-8 text: all bytes but those that continue one. Every character we write is
// one column wide.
static size_t
width_of(const char *text)
{
    size_t width = 0;
    for (; text != NULL && *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0u) != 0x80u;
    return width;
}

static void
add_spaces(draft_t *draft, size_t n)
{
    while (n-- > 0)
        draft_add(draft, " ");
}

typedef struct {
    size_t value;  // width of the widest value
    size_t behind; // and of the widest text behind one, with the space before it
    size_t whole;  // of the column: both, or its header
} widths_t;

static widths_t
widths_of(const grid_t *grid, size_t column)
{
    widths_t widths = {0};
    for (size_t row = 0; row < grid->n_rows; row++) {
        const grid_cell_t *cell = cell_at(grid, row, column);
        const size_t value = width_of(cell->value);
        const size_t behind = cell->behind != NULL ? width_of(cell->behind) + 1 : 0;
        widths.value = value > widths.value ? value : widths.value;
        widths.behind = behind > widths.behind ? behind : widths.behind;
    }
    const size_t header = width_of(grid->headers[column]);
    widths.whole = widths.value + widths.behind;
    if (header > widths.whole) {
        widths.value += header - widths.whole;
        widths.whole = header;
    }
    return widths;
}

// A header stands over its values: numbers end where the values end, the interval behind them is
// left bare.
static void
add_header_text(const grid_t *grid, size_t column, widths_t widths, draft_t *draft)
{
    const char *header = grid->headers[column];
    const size_t width = width_of(header);
    size_t before = 0;
    if (!grid->is_text[column] && width < widths.value)
        before = widths.value - width;
    add_spaces(draft, before);
    draft_add(draft, "%s", header);
    add_spaces(draft, widths.whole - before - width);
}

static void
add_cell_text(const grid_t *grid, const grid_cell_t *cell, size_t column, widths_t widths,
              draft_t *draft)
{
    const size_t value = width_of(cell->value);
    const size_t behind = cell->behind != NULL ? width_of(cell->behind) + 1 : 0;
    const size_t before = grid->is_text[column] ? 0 : widths.value - value;
    add_spaces(draft, before);
    draft_add(draft, "%s%s%s", cell->value != NULL ? cell->value : "",
              cell->behind != NULL ? " " : "", cell->behind != NULL ? cell->behind : "");
    add_spaces(draft, widths.whole - before - value - behind);
}

static void
trim_line(draft_t *draft)
{
    while (draft->length > 0 && draft->text[draft->length - 1] == ' ')
        draft->text[--draft->length] = '\0';
    draft_add(draft, "\n");
}

// The notes, with the list as their last line. The caller frees them.
static char *
all_notes(const grid_t *grid)
{
    return plots_format(
        "%s%s%s%s%s", grid->notes.length > 0 ? grid->notes.text : "",
        grid->list_title != NULL ? grid->list_title : "", grid->list_title != NULL ? ": " : "",
        grid->list_title != NULL ? grid->list.text : "", grid->list_title != NULL ? "\n" : "");
}

void
grid_text(const grid_t *grid, draft_t *draft)
{
    widths_t *widths = plots_alloc(grid->n_columns, sizeof *widths);
    size_t whole = 0;
    for (size_t i = 0; i < grid->n_columns; i++) {
        widths[i] = widths_of(grid, i);
        whole += widths[i].whole + (i > 0 ? 2 : 0);
    }
    draft_add(draft, "%s\n", grid->title);
    if (grid->subtitle != NULL)
        draft_add(draft, "%s\n", grid->subtitle);
    for (size_t i = 0; i < grid->n_columns; i++) {
        draft_add(draft, i > 0 ? "  " : "\n");
        add_header_text(grid, i, widths[i], draft);
    }
    trim_line(draft);
    for (size_t i = 0; i < whole; i++)
        draft_add(draft, "─");
    draft_add(draft, "\n");
    for (size_t row = 0; row < grid->n_rows; row++) {
        for (size_t i = 0; i < grid->n_columns; i++) {
            draft_add(draft, i > 0 ? "  " : "");
            add_cell_text(grid, cell_at(grid, row, i), i, widths[i], draft);
        }
        trim_line(draft);
    }
    char *notes = all_notes(grid);
    draft_add(draft, "%s%s", *notes != '\0' ? "\n" : "", notes);
    free(notes);
    free(widths);
}

// One format's way to write a text: what must be escaped, and by what.
typedef struct {
    const char *character;
    const char *written;
} escape_t;

static void
add_escaped(draft_t *draft, const char *text, const escape_t *escapes)
{
    while (text != NULL && *text != '\0') {
        const escape_t *escape = escapes;
        while (escape->character != NULL &&
               strncmp(text, escape->character, strlen(escape->character)) != 0)
            escape++;
        const size_t n = escape->character != NULL ? strlen(escape->character) : 1;
        if (escape->character != NULL)
            draft_add(draft, "%s", escape->written);
        else
            draft_add_bytes(draft, text, 1);
        text += n;
    }
}

static const escape_t MARKDOWN[] = {{"|", "\\|"}, {"*", "\\*"}, {"_", "\\_"}, {NULL, NULL}};
static const escape_t LATEX[] = {{"\\", "\\textbackslash{}"},
                                 {"%", "\\%"},
                                 {"_", "\\_"},
                                 {"&", "\\&"},
                                 {"#", "\\#"},
                                 {"$", "\\$"},
                                 {"{", "\\{"},
                                 {"}", "\\}"},
                                 {"±", "$\\pm$"},
                                 {"×", "$\\times$"},
                                 {"–", "--"},
                                 {"−", "$-$"},
                                 {"✓", "$\\surd$"},
                                 {"✗", "$\\times$"},
                                 {NULL, NULL}};
static const escape_t HTML[] = {
    {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {NULL, NULL}};

static void
add_cell(draft_t *draft, const grid_cell_t *cell, const escape_t *escapes)
{
    add_escaped(draft, cell->value, escapes);
    if (cell->behind != NULL)
        draft_add(draft, " ");
    add_escaped(draft, cell->behind, escapes);
}

// Notes, each line behind `before` and ahead of `after`.
static void
add_notes(const char *notes, draft_t *draft, const escape_t *escapes, const char *before,
          const char *after)
{
    const char *line = notes;
    while (line != NULL && *line != '\0') {
        const size_t n = strcspn(line, "\n");
        char *copy = plots_format("%.*s", (int)n, line);
        draft_add(draft, "%s", before);
        add_escaped(draft, copy, escapes);
        draft_add(draft, "%s", after);
        free(copy);
        line += n + (line[n] == '\n' ? 1 : 0);
    }
}

void
grid_markdown(const grid_t *grid, draft_t *draft)
{
    draft_add(draft, "**");
    add_escaped(draft, grid->title, MARKDOWN);
    draft_add(draft, "**");
    if (grid->subtitle != NULL) {
        draft_add(draft, "  \n");
        add_escaped(draft, grid->subtitle, MARKDOWN);
    }
    draft_add(draft, "\n\n|");
    for (size_t i = 0; i < grid->n_columns; i++) {
        draft_add(draft, " ");
        add_escaped(draft, grid->headers[i], MARKDOWN);
        draft_add(draft, " |");
    }
    draft_add(draft, "\n|");
    for (size_t i = 0; i < grid->n_columns; i++)
        draft_add(draft, grid->is_text[i] ? ":---|" : "---:|");
    draft_add(draft, "\n");
    for (size_t row = 0; row < grid->n_rows; row++) {
        draft_add(draft, "|");
        for (size_t i = 0; i < grid->n_columns; i++) {
            const grid_cell_t *cell = cell_at(grid, row, i);
            const char *mark = grid->is_aside[row] && cell->value != NULL ? "*" : "";
            draft_add(draft, " %s", mark);
            add_cell(draft, cell, MARKDOWN);
            draft_add(draft, "%s |", mark);
        }
        draft_add(draft, "\n");
    }
    char *notes = all_notes(grid);
    draft_add(draft, "%s", *notes != '\0' ? "\n" : "");
    add_notes(notes, draft, MARKDOWN, "", "  \n");
    free(notes);
}

void
grid_latex(const grid_t *grid, draft_t *draft)
{
    draft_add(draft, "%% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n\\caption{");
    add_escaped(draft, grid->title, LATEX);
    if (grid->subtitle != NULL) {
        draft_add(draft, " (");
        add_escaped(draft, grid->subtitle, LATEX);
        draft_add(draft, ")");
    }
    draft_add(draft, "}\n\\begin{tabular}{");
    for (size_t i = 0; i < grid->n_columns; i++)
        draft_add(draft, grid->is_text[i] ? "l" : "r");
    draft_add(draft, "}\n\\toprule\n");
    for (size_t i = 0; i < grid->n_columns; i++) {
        draft_add(draft, i > 0 ? " & " : "");
        add_escaped(draft, grid->headers[i], LATEX);
    }
    draft_add(draft, " \\\\\n\\midrule\n");
    for (size_t row = 0; row < grid->n_rows; row++) {
        for (size_t i = 0; i < grid->n_columns; i++) {
            draft_add(draft, i > 0 ? " & " : "");
            draft_add(draft, grid->is_aside[row] ? "\\itshape " : "");
            add_cell(draft, cell_at(grid, row, i), LATEX);
        }
        draft_add(draft, " \\\\\n");
    }
    draft_add(draft, "\\bottomrule\n\\end{tabular}\n");
    char *notes = all_notes(grid);
    add_notes(notes, draft, LATEX, "\\par\\footnotesize ", "\n");
    free(notes);
    draft_add(draft, "\\end{table}\n");
}

void
grid_html(const grid_t *grid, draft_t *draft)
{
    draft_add(draft, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    add_escaped(draft, grid->title, HTML);
    draft_add(draft, "\">\n<table>\n<caption><span>");
    add_escaped(draft, grid->title, HTML);
    draft_add(draft, "</span>");
    if (grid->subtitle != NULL) {
        draft_add(draft, " <small>");
        add_escaped(draft, grid->subtitle, HTML);
        draft_add(draft, "</small>");
    }
    draft_add(draft, "</caption>\n<thead><tr>");
    for (size_t i = 0; i < grid->n_columns; i++) {
        draft_add(draft, "<th scope=\"col\"%s>", grid->is_text[i] ? " class=\"text\"" : "");
        add_escaped(draft, grid->headers[i], HTML);
        draft_add(draft, "</th>");
    }
    draft_add(draft, "</tr></thead>\n<tbody>\n");
    for (size_t row = 0; row < grid->n_rows; row++) {
        draft_add(draft, "<tr%s>", grid->is_aside[row] ? " class=\"aside\"" : "");
        for (size_t i = 0; i < grid->n_columns; i++) {
            draft_add(draft, i == 0 ? "<th scope=\"row\">" : "<td%s>",
                      grid->is_text[i] ? " class=\"text\"" : "");
            add_cell(draft, cell_at(grid, row, i), HTML);
            draft_add(draft, i == 0 ? "</th>" : "</td>");
        }
        draft_add(draft, "</tr>\n");
    }
    draft_add(draft, "</tbody>\n</table>\n</div>\n");
    add_notes(grid->notes.text, draft, HTML, "<p class=\"note\">", "</p>\n");
    if (grid->list_title == NULL)
        return;
    draft_add(draft, "<details class=\"note\"><summary>");
    add_escaped(draft, grid->list_title, HTML);
    draft_add(draft, "</summary>\n");
    add_notes(grid->list.text, draft, HTML, "<p class=\"note\">", "</p>\n");
    draft_add(draft, "</details>\n");
}
