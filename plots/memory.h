/* memory.h - the one place where plots/ asks for memory; it aborts when there is none, for nothing
 * sensible follows. */
#ifndef PLOTS_MEMORY_H
#define PLOTS_MEMORY_H

#include <stddef.h>

// Zeroed memory for n items. n = 0 gives a pointer that may be freed.
void *plots_alloc(size_t n, size_t item_bytes);
// The array with room for n items, the old ones kept; what is new is not set.
void *plots_resize(void *array, size_t n, size_t item_bytes);
// A copy of `text` ("" for NULL); the caller frees it.
char *plots_copy(const char *text);
// A formatted text; the caller frees it.
char *plots_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
