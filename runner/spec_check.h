// spec_check.h — what settings must agree on with each other; each by itself is settings.c's.
//
// To add a check: a function here that looks at the experiment and says where (the tree knows the
// line of every setting), and a case in tests/cli/bad_cfg_….
#ifndef RUNNER_SPEC_CHECK_H
#define RUNNER_SPEC_CHECK_H

#include "runner/spec.h"

// What the name of an experiment, which is that of its folder of results, may hold.
extern const char spec_name_letters[];

// Tells every contradiction. `root` is the file as read, for the places. The matrix is looked at
// only when it is whole: without faults of its own.
void spec_check(const experiment_t *experiment, const tree_t *root, bool is_matrix_whole,
                diag_t *diag);

#endif
