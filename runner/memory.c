#include "runner/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Nothing sensible follows when memory is out: say so and leave a core.
static void *
checked(void *memory)
{
    if (!memory) {
        fputs("dmlx: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *
memory_new(size_t n_bytes)
{
    return checked(calloc(1, n_bytes ? n_bytes : 1));
}

void *
memory_resize(void *memory, size_t n_bytes)
{
    return checked(realloc(memory, n_bytes ? n_bytes : 1));
}

char *
memory_text(const char *text)
{
    const char *source = text ? text : "";
    size_t n_bytes = strlen(source) + 1;
    return memcpy(memory_new(n_bytes), source, n_bytes);
}

char *
memory_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int n_chars = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = memory_new(n_chars < 0 ? 1 : (size_t)n_chars + 1);
    if (n_chars > 0)
        vsnprintf(text, (size_t)n_chars + 1, format, again);
    va_end(again);
    return text;
}
