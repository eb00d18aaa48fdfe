// dynamic_library.h — libraries that are opened when a command needs them.
//
// Linked, they would be loaded at every start of the program, once for each process of a cell, with
// all the libraries that they bring along.
#ifndef RUNNER_DYNAMIC_LIBRARY_H
#define RUNNER_DYNAMIC_LIBRARY_H

#include <stddef.h>

// Where a function's address goes: `pointer` is that of a pointer to a function of its type.
typedef struct {
    const char *name;
    void *pointer;
} library_symbol_t;

// Opens `file` and finds `n` functions in it; it stays open until the program ends. 0, or -1 when
// it is not on this host or has not all of them: dlerror() says which.
int dynamic_library_open(const char *file, const library_symbol_t *symbols, size_t n);

#endif
