// matrix.h — the matrix of an experiment: its reading, and which cells it has.
//
// Cells are numbered in the order of crossing: the dimensions in the order of their first axes, the
// last one varying fastest. plan.h turns them into runs.
#ifndef RUNNER_MATRIX_H
#define RUNNER_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/spec.h"
#include "runner/text.h"

enum { MATRIX_ID_BYTES = 1024 };

// One node with one core, once.
void matrix_default(matrix_t *matrix);

// That many nodes with so many cores in all, once, in the order as written.
void matrix_one(matrix_t *matrix, long nodes, double cores);

// Reads the group in place of what there is; every fault into `diag`.
void matrix_read(const tree_t *group, matrix_t *matrix, diag_t *diag);

void matrix_copy(const matrix_t *source, matrix_t *target);
void matrix_free(matrix_t *matrix);

// The lines within `matrix = { … }`.
void matrix_add_text(text_t *text, const matrix_t *matrix);

// Cells before rules; at most SIZE_MAX.
size_t matrix_n_cells(const matrix_t *matrix);

// Which value each axis has in a cell.
void matrix_cell(const matrix_t *matrix, size_t cell_index, size_t value_index[SPEC_AXES_MAX]);

// Workers and cores of the whole cluster in that cell.
long matrix_nodes(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX]);
double matrix_cores(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX]);

// Whether the rules let the cell stand.
bool matrix_keeps(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX]);

// "n3-c6", further axes appended: "n3-c6-batch32".
void matrix_cell_id(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX],
                    char id[MATRIX_ID_BYTES]);

bool rule_matches(const rule_t *rule, const matrix_t *matrix,
                  const size_t value_index[SPEC_AXES_MAX]);
void rule_free(rule_t *rule);

// Reads a scalar as a value that the axis or setting of that path may have. -1 with an error.
int axis_value_read(const char *path, const tree_t *scalar, axis_value_t *value, diag_t *diag);

// The same from a plain word, as --only has them.
int axis_value_parse(const char *path, const char *word, place_t place, axis_value_t *value,
                     diag_t *diag);

// Puts the value into the setting's field.
void axis_value_apply(const setting_t *setting, const axis_value_t *value,
                      experiment_t *experiment);

// The path that a condition's name means in this matrix, "batch" as "train.batch", or NULL with an
// error.
const char *matrix_condition_path(const matrix_t *matrix, const char *name, place_t place,
                                  diag_t *diag);

#endif
