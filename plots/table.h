/* table.h - the paper's tables, as text for a terminal, Markdown, LaTeX, CSV and JSON.
 *
 * One row a cell: N:C, T, W, W%, O%, S, accuracy, each mean with its 95 % interval; beneath it the
 * reference's values where expect.csv has them, judged where a tolerance is given. */
#ifndef PLOTS_TABLE_H
#define PLOTS_TABLE_H

#include <stdio.h>

#include "plots/draft.h"
#include "plots/grid.h"
#include "plots/summary.h"

typedef enum {
    TABLE_TEXT, // at most 100 columns wide, UTF-8
    TABLE_MARKDOWN,
    TABLE_LATEX, // a tabular of booktabs rules
    TABLE_CSV,   // numbers in full, a column an end of an interval
    TABLE_JSON,
    N_TABLE_FORMATS,
} table_format_t;

// "txt", "md", "tex", "csv", "json": the names on the command line and of the files.
const char *table_format_name(table_format_t format);
// The format of that name, or N_TABLE_FORMATS.
table_format_t table_format_parse(const char *name);

// A grid as text, Markdown or LaTeX: the formats that are for people.
void grid_render(const grid_t *grid, table_format_t format, draft_t *draft);
// The table of one result set, before it has a format. The caller frees it.
grid_t *table_grid(const summary_t *summary);
// The same in a format.
void table_draft(const summary_t *summary, table_format_t format, draft_t *draft);
// The tables of all sets on a stream that the caller opened.
int table_print(FILE *stream, const results_t *results, table_format_t format,
                plots_error_t *error);
// FOLDER/tables/NAME.txt, .md, .tex, .csv and .json for every result set.
int tables_write(const results_t *results, const char *folder, plots_error_t *error);

// How many values were judged against a tolerance, how many of them lie beyond it, and of how many
// nothing can be told.
typedef struct {
    size_t n_judged;
    size_t n_beyond, n_open;
} table_verdict_t;
table_verdict_t table_verdict(const results_t *results);

#endif
