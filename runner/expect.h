// expect.h — reference values in an experiment file.
//
//     expect = ( { nodes = 1; cores = 2; t_s = 936.3; accuracy = 0.56; source = "Table 1"; } );
#ifndef RUNNER_EXPECT_H
#define RUNNER_EXPECT_H

#include "runner/spec.h"
#include "runner/text.h"

// Reads the list in place of what there is; every fault into `diag`.
void expect_read(const tree_t *list, experiment_t *experiment, diag_t *diag);

// As it is written in a file; nothing when there are no rows.
void expect_add_text(text_t *text, const expect_t *rows, size_t n_rows);

expect_t *expect_copy(const expect_t *rows, size_t n_rows);
void expect_free(expect_t *rows, size_t n_rows);

#endif
