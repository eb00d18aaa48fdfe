// diag.h — the faults of an experiment file, collected, so that all of them are told at once.
//
//     diag_t *diag = diag_new();
//     if (spec_read_file(path, &options, &experiment, diag) != 0) {
//         diag_print(diag, stderr);
//         diag_free(diag);
//         return STATUS_BAD_SPEC;
//     }
//
// A fault is printed as compilers print theirs, so that editors jump to it:
// `experiments/nodes.cfg:14: error: unknown setting 'momentun'; did you mean 'momentum'?`
#ifndef RUNNER_DIAG_H
#define RUNNER_DIAG_H

#include <stddef.h>
#include <stdio.h>

enum {
    DIAG_FAULTS_MAX = 100,    // kept; the rest is only counted
    DIAG_MESSAGE_BYTES = 1024 // longer messages are cut
};

typedef struct diag diag_t;

// Where something was written. `file` is borrowed from the diag that diag_file put it in; NULL when
// the thing has no place (a default). `line` is from 1; 0 when the whole file is meant.
typedef struct place {
    const char *file;
    int line;
} place_t;

diag_t *diag_new(void);
void diag_free(diag_t *diag);

// Keeps a copy of a file's name (or of "--set train.epochs=2") for the places of the faults to
// come.
const char *diag_file(diag_t *diag, const char *name);

// Adds an error; the message has lower case, no full stop, the culprit in quotes, then what to do.
void diag_error(diag_t *diag, place_t place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Adds a warning: told in the same list, but nothing is refused for it.
void diag_warning(diag_t *diag, place_t place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t diag_n_errors(const diag_t *diag);
size_t diag_n_warnings(const diag_t *diag);

// Prints every fault, a line each, ordered by the order of their files and by line; then, when
// there were more than DIAG_FAULTS_MAX, how many more. A fault without a place is printed as `dmlx:
// error: …`.
void diag_print(const diag_t *diag, FILE *out);

// The same as text; the caller frees it.
char *diag_text(const diag_t *diag);

#endif
