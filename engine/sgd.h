/* engine/sgd.h - the update of a range of parameters, as torch.optim.SGD does it (the range type is
 * public, the rest stays inside the engine). */
#ifndef ENGINE_SGD_H
#define ENGINE_SGD_H

#include "engine/kernels.h"

#include <stdbool.h>
#include <stddef.h>

/* A range of the parameter block, in floats: [first, end). */
typedef struct {
    size_t first;
    size_t end;
} parameter_range_t;

typedef struct {
    float rate;
    float momentum;
    float decay;
    bool is_nesterov;
    float *parameters; /* the blocks */
    float *velocity;
    const parameter_range_t
        *ranges; /* only these are updated, in ascending order; n_ranges = 0: all */
    int n_ranges;
} sgd_t;

/* The numbers, as the kernels take them. */
kernel_sgd_t sgd_numbers(const sgd_t *sgd);
/* Updates [first, end) of the block from GRADIENT, which holds the gradient of `first` first. */
void sgd_update(const sgd_t *sgd, const float *gradient, size_t first, size_t end);
/* Whether all, or any, of [first, end) is to be updated. */
bool sgd_covers(const sgd_t *sgd, size_t first, size_t end);
bool sgd_touches(const sgd_t *sgd, size_t first, size_t end);

#endif
