/* engine/error.c - the engine's sentences and its memory. */
#include "engine/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
engine_fail(engine_error_t *error, engine_status_t status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}

void *
engine_alloc(size_t bytes)
{
    /* aligned_alloc wants a multiple of the alignment; one more line lets vector loads run past the
     * end of the last row. */
    size_t rounded = (bytes + 127) / 64 * 64;
    void *memory = bytes < SIZE_MAX - 128 ? aligned_alloc(64, rounded) : NULL;
    if (!memory)
        abort();
    return memset(memory, 0, rounded);
}
