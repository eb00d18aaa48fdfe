#include "runner/dynamic_library.h"

#include <dlfcn.h>
#include <string.h>

int
dynamic_library_open(const char *file, const library_symbol_t *symbols, size_t n)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return -1;
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (!symbol)
            return -1; // left open: closing it would forget what dlerror() has to say
        // A symbol's pointer and a function's are of one size wherever POSIX holds.
        memcpy(symbols[i].pointer, &symbol, sizeof symbol);
    }
    return 0;
}
