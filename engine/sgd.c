/* engine/sgd.c - the update of a range of parameters, as torch.optim.SGD does it. */
#include "engine/sgd.h"

kernel_sgd_t
sgd_numbers(const sgd_t *sgd)
{
    return (kernel_sgd_t){sgd->rate, sgd->momentum, sgd->decay, sgd->is_nesterov};
}

void
sgd_update(const sgd_t *sgd, const float *gradient, size_t first, size_t end)
{
    kernel_sgd_t numbers = sgd_numbers(sgd);
    parameter_range_t all = {first, end};
    const parameter_range_t *ranges = sgd->n_ranges ? sgd->ranges : &all;
    int n_ranges = sgd->n_ranges ? sgd->n_ranges : 1;
    for (int i = 0; i < n_ranges; i++) {
        size_t from = ranges[i].first > first ? ranges[i].first : first;
        size_t to = ranges[i].end < end ? ranges[i].end : end;
        if (from < to)
            kernels()->sgd(&numbers, gradient + (from - first), sgd->velocity + from,
                           sgd->parameters + from, to - from);
    }
}

bool
sgd_covers(const sgd_t *sgd, size_t first, size_t end)
{
    for (int i = 0; i < sgd->n_ranges; i++)
        if (sgd->ranges[i].first <= first && sgd->ranges[i].end >= end)
            return true;
    return sgd->n_ranges == 0;
}

bool
sgd_touches(const sgd_t *sgd, size_t first, size_t end)
{
    for (int i = 0; i < sgd->n_ranges; i++)
        if (sgd->ranges[i].first < end && sgd->ranges[i].end > first)
            return true;
    return sgd->n_ranges == 0;
}
