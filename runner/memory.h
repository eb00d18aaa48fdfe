// memory.h — the runner's one way to allocate: zeroed memory, or the end of the program.
#ifndef RUNNER_MEMORY_H
#define RUNNER_MEMORY_H

#include <stddef.h>

// n_bytes of zeroed memory (at least one); aborts when there is none. Free with free().
void *memory_new(size_t n_bytes);

// Grows or shrinks like realloc; aborts when there is no memory.
void *memory_resize(void *memory, size_t n_bytes);

// A copy of the text, "" for NULL.
char *memory_text(const char *text);

// What printf would print, allocated.
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
