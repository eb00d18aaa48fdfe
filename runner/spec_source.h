// spec_source.h — an experiment file as one text: includes worked in, every line knowing where it
// is from.
//
// libconfig could include by itself, but then ends the program where the included file is a folder,
// gives no name for a file that cannot be read, looks for all of them in one folder, and would
// follow an @include in a text that came over the network. So the text it gets has none left. Since
// every byte is looked at here, two more of its silences are mended: integers beyond 32 bits are
// marked as 64 bits long (it would cut them), and texts and comments without an end are told with
// the line of their beginning.
#ifndef RUNNER_SPEC_SOURCE_H
#define RUNNER_SPEC_SOURCE_H

#include <stddef.h>

#include "runner/diag.h"

enum { SPEC_SOURCE_BYTES_MAX = 1 << 20, SPEC_INCLUDES_MAX = 10, SPEC_BRACKETS_MAX = 32 };

typedef struct spec_source {
    char *text;
    place_t *places; // of each line of `text`, from line 1 at index 0
    size_t n_lines;
} spec_source_t;

// -1 with an error in `diag`; `source` is untouched then. Free with spec_source_free.
int spec_source_read_file(const char *path, spec_source_t *source, diag_t *diag);

// Refuses includes.
int spec_source_read_text(const char *text, const char *name, spec_source_t *source, diag_t *diag);

void spec_source_free(spec_source_t *source);

// Where line `line` of the whole text is from; the last line's place for one past the end.
place_t spec_source_place(const spec_source_t *source, int line);

// Line `line` of the text without the white space around it, cut to 60 bytes; the caller frees it.
char *spec_source_line(const spec_source_t *source, int line);

#endif
