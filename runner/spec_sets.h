// spec_sets.h — `--set train.epochs=1`: settings from the command line.
//
// A value is written as in a file (1, 0.5, true, "fixed", [ 1, 2 ]); a plain word needs no quotes.
// The name is a path, or its last part where that is clear. Each set lies over the file's tree, so
// it is read, checked and told about as if it stood there; its place in messages is the option
// itself.
#ifndef RUNNER_SPEC_SETS_H
#define RUNNER_SPEC_SETS_H

#include "runner/spec.h"

// Works all of them into the tree; faults into `diag`.
void spec_sets_apply(const spec_options_t *options, tree_t *root, diag_t *diag);

// Refuses to set what the matrix varies, since the matrix would win without a word.
void spec_sets_check(const spec_options_t *options, const matrix_t *matrix, diag_t *diag);

#endif
