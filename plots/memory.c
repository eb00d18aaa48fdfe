#include "plots/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/error.h"

void *
plots_alloc(size_t n, size_t item_bytes)
{
    void *memory = calloc(n > 0 ? n : 1, item_bytes > 0 ? item_bytes : 1);
    if (memory == NULL)
        abort();
    return memory;
}

void *
plots_resize(void *array, size_t n, size_t item_bytes)
{
    if (item_bytes > 0 && n > SIZE_MAX / item_bytes)
        abort();
    void *memory = realloc(array, n * item_bytes > 0 ? n * item_bytes : 1);
    if (memory == NULL)
        abort();
    return memory;
}

char *
plots_copy(const char *text)
{
    return plots_format("%s", text != NULL ? text : "");
}

char *
plots_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        abort();
    char *text = plots_alloc((size_t)length + 1, 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

int
plots_fail(plots_error_t *error, int code, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}
