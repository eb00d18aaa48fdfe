#include "runner/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

typedef struct fault {
    int file_index; // position of the file among those named, n_files for none
    int line;
    size_t order; // in which it was told
    bool is_warning;
    char *message;
} fault_t;

struct diag {
    char **files;
    int n_files;
    fault_t faults[DIAG_FAULTS_MAX];
    size_t n_faults; // kept
    size_t n_errors, n_warnings;
};

diag_t *
diag_new(void)
{
    return memory_new(sizeof(diag_t));
}

void
diag_free(diag_t *diag)
{
    if (!diag)
        return;
    for (int i = 0; i < diag->n_files; i++)
        free(diag->files[i]);
    for (size_t i = 0; i < diag->n_faults; i++)
        free(diag->faults[i].message);
    free(diag->files);
    free(diag);
}

static int
file_index(const diag_t *diag, const char *name)
{
    for (int i = 0; name && i < diag->n_files; i++)
        if (strcmp(diag->files[i], name) == 0)
            return i;
    return diag->n_files;
}

const char *
diag_file(diag_t *diag, const char *name)
{
    int index = file_index(diag, name);
    if (index == diag->n_files) {
        diag->files = memory_resize(diag->files, (size_t)(index + 1) * sizeof *diag->files);
        diag->files[diag->n_files++] = memory_text(name);
    }
    return diag->files[index];
}

static char *
location(place_t place)
{
    if (!place.file)
        return memory_text("dmlx: ");
    if (place.line <= 0)
        return memory_format("%s: ", place.file);
    return memory_format("%s:%d: ", place.file, place.line);
}

static void add(diag_t *diag, place_t place, bool is_warning, const char *format, va_list arguments)
    __attribute__((format(printf, 4, 0)));

static void
add(diag_t *diag, place_t place, bool is_warning, const char *format, va_list arguments)
{
    *(is_warning ? &diag->n_warnings : &diag->n_errors) += 1;
    if (diag->n_faults == DIAG_FAULTS_MAX)
        return;
    char message[DIAG_MESSAGE_BYTES];
    vsnprintf(message, sizeof message, format, arguments);
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?'; // a file's text may hold anything; a message is one line
    char *where = location(place);
    fault_t *fault = &diag->faults[diag->n_faults];
    *fault = (fault_t){.file_index = file_index(diag, place.file),
                       .line = place.file ? place.line : 0,
                       .order = diag->n_faults++,
                       .is_warning = is_warning};
    fault->message = memory_format("%s%s: %s", where, is_warning ? "warning" : "error", message);
    free(where);
}

void
diag_error(diag_t *diag, place_t place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(diag, place, false, format, arguments);
    va_end(arguments);
}

void
diag_warning(diag_t *diag, place_t place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(diag, place, true, format, arguments);
    va_end(arguments);
}

size_t
diag_n_errors(const diag_t *diag)
{
    return diag->n_errors;
}

size_t
diag_n_warnings(const diag_t *diag)
{
    return diag->n_warnings;
}

static int
by_place(const void *a, const void *b)
{
    const fault_t *x = *(const fault_t *const *)a, *y = *(const fault_t *const *)b;
    if (x->file_index != y->file_index)
        return x->file_index < y->file_index ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

char *
diag_text(const diag_t *diag)
{
    const fault_t *sorted[DIAG_FAULTS_MAX];
    for (size_t i = 0; i < diag->n_faults; i++)
        sorted[i] = &diag->faults[i];
    qsort(sorted, diag->n_faults, sizeof *sorted, by_place);
    char *text = memory_text("");
    for (size_t i = 0; i < diag->n_faults; i++) {
        char *longer = memory_format("%s%s\n", text, sorted[i]->message);
        free(text);
        text = longer;
    }
    size_t n_more = diag->n_errors + diag->n_warnings - diag->n_faults;
    if (n_more > 0) {
        char *longer = memory_format("%sdmlx: and %zu more\n", text, n_more);
        free(text);
        text = longer;
    }
    return text;
}

void
diag_print(const diag_t *diag, FILE *out)
{
    char *text = diag_text(diag);
    fputs(text, out);
    free(text);
}
