/* csv.h - RFC 4180 tables in and out: one header row, columns found by name.
 *
 * A row counts once its line end is there: a last line without one was cut short by a crash, is
 * left out, and csv_was_cut says so. Line ends may be LF or CRLF; quoted fields may hold commas,
 * quotes and line ends. */
#ifndef PLOTS_CSV_H
#define PLOTS_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "plots/draft.h"
#include "plots/error.h"

enum { CSV_NO_COLUMN = -1 };

typedef struct csv csv_t;

// PLOTS_IO: not readable. PLOTS_INVALID: a row whose number of fields is not the header's, a stray
// quote, a column named twice; the text has the file and the line.
int csv_read(const char *path, csv_t **csv, plots_error_t *error);
// The same from memory; `name` stands for the file in faults.
int csv_parse(const char *text, size_t length, const char *name, csv_t **csv, plots_error_t *error);
void csv_free(csv_t **csv);

size_t csv_rows(const csv_t *csv);
size_t csv_columns(const csv_t *csv);
const char *csv_name(const csv_t *csv, size_t column);
// The column of that name, or CSV_NO_COLUMN.
int csv_column(const csv_t *csv, const char *name);
// A field, "" where the column is CSV_NO_COLUMN. It lives as long as the table.
const char *csv_text(const csv_t *csv, size_t row, int column);
// A field as a number; NAN where it is empty, not known or not a number.
double csv_number(const csv_t *csv, size_t row, int column);
bool csv_was_cut(const csv_t *csv);

// Adds one field, quoted where it must be. Commas and line ends are the caller's.
void csv_add_text(draft_t *draft, const char *text);
// Adds a number in the fewest digits that keep nine of them; nothing for NAN, since empty means not
// known.
void csv_add_number(draft_t *draft, double number);

#endif
