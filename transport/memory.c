#include "transport/memory.h"

#include <stdlib.h>
#include <string.h>

void *
transport_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

char *
transport_copy(const char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    char *copy = transport_alloc(bytes + 1);
    if (bytes)
        memcpy(copy, text, bytes);
    return copy;
}

void
transport_wipe(void *memory, size_t bytes)
{
    volatile unsigned char *byte = memory;
    while (byte && bytes--)
        *byte++ = 0;
}
