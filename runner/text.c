#include "runner/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

static void
make_room(text_t *text, size_t n_more)
{
    if (text->n_bytes + n_more + 1 <= text->n_room)
        return;
    text->n_room = 2 * (text->n_bytes + n_more) + 64;
    text->bytes = memory_resize(text->bytes, text->n_room);
}

void
text_add_bytes(text_t *text, const char *bytes, size_t n_bytes)
{
    make_room(text, n_bytes);
    memcpy(text->bytes + text->n_bytes, bytes, n_bytes);
    text->n_bytes += n_bytes;
    text->bytes[text->n_bytes] = '\0';
}

void
text_add(text_t *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    // The first try goes where there is room already, which is nearly always enough.
    make_room(text, 1);
    size_t n_free = text->n_room - text->n_bytes;
    int n_bytes = vsnprintf(text->bytes + text->n_bytes, n_free, format, arguments);
    va_end(arguments);
    if (n_bytes > 0 && (size_t)n_bytes >= n_free) {
        make_room(text, (size_t)n_bytes);
        vsnprintf(text->bytes + text->n_bytes, (size_t)n_bytes + 1, format, again);
    }
    va_end(again);
    if (n_bytes > 0)
        text->n_bytes += (size_t)n_bytes;
}

void
text_add_quoted(text_t *text, const char *content)
{
    text_add_bytes(text, "\"", 1);
    for (const char *c = content; *c; c++) {
        if (*c == '"' || *c == '\\')
            text_add(text, "\\%c", *c);
        else if ((unsigned char)*c < ' ' || *c == 127)
            text_add(text, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            text_add_bytes(text, c, 1);
    }
    text_add_bytes(text, "\"", 1);
}

enum { DIGITS_BYTES = 40 };

// The fewest digits that read back as the same number.
static void
shortest(char digits[DIGITS_BYTES], double number)
{
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, DIGITS_BYTES, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            return;
    }
}

void
text_add_short(text_t *text, double number)
{
    if (fabs(number) < 1e15 && number == floor(number)) {
        text_add(text, "%.0f", number == 0 ? 0 : number);
        return;
    }
    char digits[DIGITS_BYTES] = "";
    shortest(digits, number);
    text_add_bytes(text, digits, strlen(digits));
}

void
text_add_real(text_t *text, double number)
{
    if (fabs(number) < 1e15 && number == floor(number)) {
        text_add(text, "%.1f", number == 0 ? 0 : number);
        return;
    }
    char digits[DIGITS_BYTES] = "";
    shortest(digits, number);
    size_t n_mantissa = strcspn(digits, "e");
    text_add_bytes(text, digits, n_mantissa);
    if (!memchr(digits, '.', n_mantissa))
        text_add_bytes(text, ".0", 2);
    text_add_bytes(text, digits + n_mantissa, strlen(digits) - n_mantissa);
}

char *
text_last_line(char *text)
{
    for (;;) {
        size_t n = strlen(text);
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
            text[--n] = 0;
        char *newline = strrchr(text, '\n');
        if (!newline || !strstr(newline, " --help'"))
            return newline ? newline + 1 : text;
        *newline = 0;
    }
}

char *
text_take(text_t *text)
{
    char *bytes = text->bytes ? text->bytes : memory_text("");
    *text = (text_t){0};
    return bytes;
}
