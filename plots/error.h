/* error.h - how a fault in plots/ is told.
 *
 * Nothing under plots/ prints, logs or exits. What the world can get wrong comes back as one of
 * these values and a sentence in the caller's struct: lower case, no full stop, the culprit in
 * quotes, then what to do. */
#ifndef PLOTS_ERROR_H
#define PLOTS_ERROR_H

enum {
    PLOTS_OK = 0,
    PLOTS_IO = -1,      // a file could not be read or written
    PLOTS_INVALID = -2, // a file is there and is not what it should be
    PLOTS_EMPTY = -3,   // no finished run to speak about
    PLOTS_NO_GNUPLOT =
        -4,             // CSV and scripts are written, pictures are not: gnuplot is not installed
    PLOTS_GNUPLOT = -5, // gnuplot was there and refused a script, or took too long
};

typedef struct {
    char text[512]; // the sentence; empty while nothing went wrong
} plots_error_t;

// Writes the sentence and returns `code`, so that a fault is one line: return plots_fail(error,
// PLOTS_IO, "…"). `error` may be NULL.
int plots_fail(plots_error_t *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
