/* grid.h - a table as people read it, before it is text, Markdown or LaTeX.
 *
 * A cell has two parts, a value and what stands behind it (its interval, a mark), so that values
 * can be lined up whether or not anything stands behind them. */
#ifndef PLOTS_GRID_H
#define PLOTS_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/draft.h"

typedef struct {
    char *value;  // "478.8"; NULL: empty
    char *behind; // "± 12.3"; NULL: nothing
} grid_cell_t;

typedef struct {
    char *title;
    char *subtitle; // NULL: none
    size_t n_columns;
    char **headers;     // [n_columns]
    bool *is_text;      // [n_columns]: set to the left; numbers go to the right
    grid_cell_t *cells; // [n_rows * n_columns]
    bool *is_aside; // [n_rows]: a row that comments on the one above it (the reference's values)
    size_t n_rows;
    draft_t notes; // lines beneath the table
    // A list beneath the notes, of one line, which a page folds away behind its title; NULL: none.
    char *list_title;
    draft_t list;
} grid_t;

// An empty grid of that many columns.
grid_t *grid_new(const char *title, size_t n_columns);
void grid_free(grid_t **grid);
void grid_header(grid_t *grid, size_t column, const char *text, bool is_text);
// Appends an empty row; its cells are then set from the left to the right or by column.
void grid_row(grid_t *grid, bool is_aside);
// Sets a cell of the last row; the grid takes both texts, which were allocated, and either may be
// NULL.
void grid_set(grid_t *grid, size_t column, char *value, char *behind);

void grid_text(const grid_t *grid, draft_t *draft);
void grid_markdown(const grid_t *grid, draft_t *draft);
void grid_latex(const grid_t *grid, draft_t *draft);
// <table> with a caption, scopes for screen readers, and the notes beneath it.
void grid_html(const grid_t *grid, draft_t *draft);

#endif
