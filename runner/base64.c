#include "runner/base64.h"

#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_encode(const unsigned char *bytes, size_t n)
{
    char *text = memory_new((n + 2) / 3 * 4 + 1);
    char *at = text;
    for (size_t i = 0; i < n; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16;
        if (i + 1 < n)
            group |= (unsigned)bytes[i + 1] << 8;
        if (i + 2 < n)
            group |= bytes[i + 2];
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = i + 1 < n ? alphabet[group >> 6 & 63] : '=';
        *at++ = i + 2 < n ? alphabet[group & 63] : '=';
    }
    *at = '\0';
    return text;
}

// The six bits a character stands for, or -1.
static int
value_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

unsigned char *
base64_decode(const char *text, size_t *n)
{
    size_t length = strlen(text);
    if (length % 4 != 0)
        return NULL;
    size_t n_pad = length && text[length - 1] == '=' ? 1 + (text[length - 2] == '=') : 0;
    unsigned char *bytes = memory_new(length / 4 * 3 + 1);
    for (size_t i = 0; i < length; i += 4) {
        unsigned group = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = i + k >= length - n_pad ? 0 : value_of(text[i + k]);
            if (value < 0) {
                free(bytes);
                return NULL;
            }
            group = group << 6 | (unsigned)value;
        }
        for (size_t k = 0; k < 3; k++)
            bytes[i / 4 * 3 + k] = (unsigned char)(group >> (16 - 8 * k));
    }
    *n = length / 4 * 3 - n_pad;
    return bytes;
}
