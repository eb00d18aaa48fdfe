/* engine/error.h - what the engine's functions say when the world is not as they need it.
 *
 * A function that can fail returns 0 or one of the negative values below and leaves its outputs
 * untouched; the sentence in the caller's engine_error_t names the culprit and what to do about it.
 * The sentence is lower case and has no full stop, so that the caller can put a file and line
 * before it. */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

#include <stddef.h>

typedef enum {
    ENGINE_IO = -1, /* a file or folder cannot be opened, read or written */
    ENGINE_FORMAT =
        -2, /* a file is not what its name promises: cut short, garbage, a label out of range */
    ENGINE_MISMATCH =
        -3, /* two things that are fine by themselves do not fit: a model of another network */
    ENGINE_SPEC = -4, /* a network or a setting that cannot be: layers that do not fit together */
    ENGINE_INTERRUPTED = -5, /* the caller's own callback asked to stop */
    ENGINE_DIVERGED = -6     /* the loss is infinite or not a number */
} engine_status_t;

typedef struct {
    char text[512];
} engine_error_t;

/* Writes the sentence (cut to fit) and returns STATUS, so that a failing function ends in one line.
 * ERROR may be NULL. */
int engine_fail(engine_error_t *error, engine_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Memory that is there or the program is not: out of memory aborts, since nothing sensible follows.
 * Zeroed, aligned to 64 bytes; free() releases it. */
void *engine_alloc(size_t bytes);

#endif
