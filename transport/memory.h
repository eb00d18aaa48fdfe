/* memory.h — memory for transport/, or the end: out of memory aborts here and nowhere else. Not a
 * door. */
#ifndef TRANSPORT_MEMORY_H
#define TRANSPORT_MEMORY_H

#include <stddef.h>

/* bytes of zeroed memory (at least one). Free with free(). */
void *transport_alloc(size_t bytes);

/* A copy of text, "" for NULL. */
char *transport_copy(const char *text);

/* Overwrites what must not linger, in a way the compiler may not leave out. Accepts NULL. */
void transport_wipe(void *memory, size_t bytes);

#endif
