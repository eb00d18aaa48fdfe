#include "runner/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

static const char head[] = "dmlx-parts 1\n";

void
envelope_begin(text_t *envelope)
{
    text_add(envelope, "%s", head);
}

void
envelope_add(text_t *envelope, const char *part, const char *content)
{
    if (!content)
        return;
    size_t n_bytes = strlen(content);
    text_add(envelope, "%s %zu\n", part, n_bytes);
    text_add_bytes(envelope, content, n_bytes);
    text_add(envelope, "\n");
}

bool
envelope_is(const char *text)
{
    return strncmp(text, head, sizeof head - 1) == 0;
}

char *
envelope_part(const char *text, const char *part)
{
    if (!envelope_is(text))
        return NULL;
    size_t n_name = strlen(part);
    const char *at = text + sizeof head - 1, *end = at + strlen(at);
    while (at < end) {
        const char *blank = strchr(at, ' ');
        char *behind = NULL;
        unsigned long n_bytes = blank ? strtoul(blank + 1, &behind, 10) : 0;
        if (!blank || *behind != '\n' || n_bytes >= (size_t)(end - behind))
            return NULL;
        const char *content = behind + 1;
        if ((size_t)(blank - at) == n_name && memcmp(at, part, n_name) == 0) {
            char *copy = memory_new(n_bytes + 1);
            memcpy(copy, content, n_bytes);
            return copy;
        }
        at = content + n_bytes;
        if (at < end)
            at++; // the line end behind the content
    }
    return NULL;
}

void
envelope_wipe(char *text)
{
    if (!text)
        return;
    // Through a volatile pointer: a compiler may leave out stores to memory that is freed next.
    for (volatile char *at = text; *at; at++)
        *at = 0;
    free(text);
}
