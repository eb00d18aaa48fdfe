// text.h — a text that grows, and numbers as an experiment file has them.
//
//     text_t text = {0};
//     text_add(&text, "batch = %ld;\n", batch);
//     char *result = text_take(&text);      …free(result)
#ifndef RUNNER_TEXT_H
#define RUNNER_TEXT_H

#include <stddef.h>

typedef struct text {
    char *bytes; // NULL while nothing was added
    size_t n_bytes, n_room;
} text_t;

void text_add(text_t *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

void text_add_bytes(text_t *text, const char *bytes, size_t n_bytes);

// In quotes, with what libconfig wants escaped.
void text_add_quoted(text_t *text, const char *content);

// The shortest digits that read back as the same double, always with a point: "2.0", "0.001",
// "1.0e-05".
void text_add_real(text_t *text, double number);

// As text_add_real, but whole numbers without a point: for messages, ids and CSV.
void text_add_short(text_t *text, double number);

// The last line of a program's complaints that says something; advice where to read its help, which
// docker ends with, is none. Cuts what follows; a pointer into `text`.
char *text_last_line(char *text);

// The text so far, "" for none; the caller frees it. The text_t is empty afterwards.
char *text_take(text_t *text);

#endif
