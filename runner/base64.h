// base64.h — RFC 4648, section 4, with padding and without line breaks.
#ifndef RUNNER_BASE64_H
#define RUNNER_BASE64_H

#include <stddef.h>

// The text for n bytes; the caller frees it.
char *base64_encode(const unsigned char *bytes, size_t n);

// The bytes of a text; the caller frees them. NULL when the text is not base64; `*n` is untouched
// then.
unsigned char *base64_decode(const char *text, size_t *n);

#endif
