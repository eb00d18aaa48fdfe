#include "plots/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

struct csv {
    char *text;     // every field, each ended by a zero
    size_t *fields; // [(n_rows + 1) * n_columns]: offsets into text; the header's come first
    size_t n_columns;
    size_t n_rows; // without the header
    bool was_cut;
};

// Walks the text once; what it has read so far.
typedef struct {
    const char *text;
    size_t length;
    size_t position;
    size_t line;    // for faults, from 1
    draft_t fields; // the bytes of all fields read
    size_t *offsets;
    size_t n_offsets, room;
} reader_t;

typedef enum { END_OF_FIELD, END_OF_ROW, END_OF_TEXT, STRAY_QUOTE } ending_t;

static void
start_field(reader_t *reader)
{
    if (reader->n_offsets == reader->room) {
        reader->room = reader->room > 0 ? 2 * reader->room : 256;
        reader->offsets = plots_resize(reader->offsets, reader->room, sizeof *reader->offsets);
    }
    reader->offsets[reader->n_offsets++] = reader->fields.length;
}

// The inside of a quoted field, up to its closing quote. False when the text ends within it.
static bool
read_quoted(reader_t *reader)
{
    reader->position++;
    while (reader->position < reader->length) {
        const char c = reader->text[reader->position++];
        if (c == '"') {
            if (reader->position >= reader->length || reader->text[reader->position] != '"')
                return true;
            reader->position++;
        }
        if (c == '\n')
            reader->line++;
        draft_add_bytes(&reader->fields, &c, 1);
    }
    return false;
}

static ending_t
read_field(reader_t *reader)
{
    start_field(reader);
    if (reader->position < reader->length && reader->text[reader->position] == '"') {
        if (!read_quoted(reader))
            return END_OF_TEXT;
    } else {
        const size_t n = strcspn(reader->text + reader->position, ",\"\r\n");
        draft_add_bytes(&reader->fields, reader->text + reader->position, n);
        reader->position += n;
    }
    draft_add_bytes(&reader->fields, "", 1);
    if (reader->position >= reader->length)
        return END_OF_TEXT;
    const char c = reader->text[reader->position++];
    if (c == ',')
        return END_OF_FIELD;
    if (c == '\r' && reader->position >= reader->length)
        return END_OF_TEXT;
    if (c == '\r' && reader->text[reader->position] == '\n')
        reader->position++;
    else if (c != '\n')
        return STRAY_QUOTE;
    reader->line++;
    return END_OF_ROW;
}

// One row; `*is_whole` is false when the text ended before the row did. An empty line is no row.
static int
read_row(reader_t *reader, const char *name, size_t *n_fields, bool *is_whole, plots_error_t *error)
{
    const size_t line = reader->line;
    const size_t first = reader->n_offsets;
    const size_t bytes = reader->fields.length;
    ending_t ending;
    do
        ending = read_field(reader);
    while (ending == END_OF_FIELD);
    if (ending == STRAY_QUOTE)
        return plots_fail(error, PLOTS_INVALID,
                          "'%s', line %zu: a quote or a carriage return inside a field that is not "
                          "quoted; write the field in quotes",
                          name, line);
    *n_fields = reader->n_offsets - first;
    *is_whole = ending == END_OF_ROW;
    const bool is_empty = *n_fields == 1 && reader->fields.length == bytes + 1;
    if (!*is_whole || is_empty) {
        reader->n_offsets = first;
        reader->fields.length = bytes;
        *n_fields = 0;
    }
    return PLOTS_OK;
}

static int
check_header(const csv_t *csv, const char *name, plots_error_t *error)
{
    for (size_t i = 0; i < csv->n_columns; i++) {
        if (csv_column(csv, csv_name(csv, i)) != (int)i)
            return plots_fail(error, PLOTS_INVALID, "'%s': two columns are named '%s'", name,
                              csv_name(csv, i));
    }
    return PLOTS_OK;
}

static int
read_rows(reader_t *reader, const char *name, csv_t *csv, plots_error_t *error)
{
    while (reader->position < reader->length) {
        const size_t line = reader->line;
        const size_t start = reader->position;
        size_t n_fields = 0;
        bool is_whole = false;
        const int result = read_row(reader, name, &n_fields, &is_whole, error);
        if (result != PLOTS_OK)
            return result;
        if (!is_whole)
            csv->was_cut = reader->length > start;
        if (n_fields == 0)
            continue;
        if (csv->n_columns == 0)
            csv->n_columns = n_fields;
        else
            csv->n_rows++;
        if (n_fields != csv->n_columns)
            return plots_fail(error, PLOTS_INVALID,
                              "'%s', line %zu: %zu fields where the header has %zu; remove the "
                              "line or restore what is missing",
                              name, line, n_fields, csv->n_columns);
    }
    if (csv->n_columns == 0)
        return plots_fail(error, PLOTS_INVALID, "'%s' has no header row", name);
    return PLOTS_OK;
}

int
csv_parse(const char *text, size_t length, const char *name, csv_t **csv, plots_error_t *error)
{
    const char mark[] = "\xef\xbb\xbf"; // spreadsheets put it before the header
    const bool has_mark = length >= 3 && memcmp(text, mark, 3) == 0;
    reader_t reader = {.text = text, .length = length, .position = has_mark ? 3 : 0, .line = 1};
    csv_t *made = plots_alloc(1, sizeof *made);
    if (strlen(text) != length) {
        csv_free(&made);
        return plots_fail(error, PLOTS_INVALID, "'%s' holds a zero byte: it is not a CSV file",
                          name);
    }
    int result = read_rows(&reader, name, made, error);
    made->text = reader.fields.text;
    made->fields = reader.offsets;
    if (result == PLOTS_OK)
        result = check_header(made, name, error);
    if (result == PLOTS_OK)
        *csv = made;
    else
        csv_free(&made);
    return result;
}

int
csv_read(const char *path, csv_t **csv, plots_error_t *error)
{
    draft_t draft = {0};
    int result = draft_read(&draft, path, error);
    if (result == PLOTS_OK)
        result = csv_parse(draft.text, draft.length, path, csv, error);
    draft_clear(&draft);
    return result;
}

void
csv_free(csv_t **csv)
{
    if (*csv == NULL)
        return;
    free((*csv)->text);
    free((*csv)->fields);
    free(*csv);
    *csv = NULL;
}

size_t
csv_rows(const csv_t *csv)
{
    return csv->n_rows;
}

size_t
csv_columns(const csv_t *csv)
{
    return csv->n_columns;
}

const char *
csv_name(const csv_t *csv, size_t column)
{
    return csv->text + csv->fields[column];
}

int
csv_column(const csv_t *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv_name(csv, i), name) == 0)
            return (int)i;
    }
    return CSV_NO_COLUMN;
}

const char *
csv_text(const csv_t *csv, size_t row, int column)
{
    if (column < 0)
        return "";
    return csv->text + csv->fields[(row + 1) * csv->n_columns + (size_t)column];
}

double
csv_number(const csv_t *csv, size_t row, int column)
{
    const char *text = csv_text(csv, row, column);
    char *end;
    const double number = strtod(text, &end);
    return end == text || *end != '\0' ? NAN : number;
}

bool
csv_was_cut(const csv_t *csv)
{
    return csv->was_cut;
}

void
csv_add_text(draft_t *draft, const char *text)
{
    const bool is_plain = text[strcspn(text, ",\"\r\n")] == '\0';
    if (is_plain) {
        draft_add(draft, "%s", text);
        return;
    }
    draft_add(draft, "\"");
    for (; *text != '\0'; text++)
        draft_add(draft, *text == '"' ? "\"\"" : "%c", *text);
    draft_add(draft, "\"");
}

void
csv_add_number(draft_t *draft, double number)
{
    if (isfinite(number))
        draft_add(draft, "%.9g", number);
}
