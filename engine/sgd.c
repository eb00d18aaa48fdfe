/* engine/sgd.c - the update of a range of parameters, as torch.optim.SGD does it. */
#include "engine/sgd.h"

static void
update(const sgd_t *sgd, const float *restrict g, float *restrict v, float *restrict w, size_t n)
{
    float rate = sgd->rate, momentum = sgd->momentum, decay = sgd->decay;
    if (sgd->is_nesterov) {
        for (size_t i = 0; i < n; i++) {
            float gradient = g[i] + decay * w[i];
            v[i] = momentum * v[i] + gradient;
            w[i] -= rate * (gradient + momentum * v[i]);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + (g[i] + decay * w[i]);
        w[i] -= rate * v[i];
    }
}

void
sgd_update(const sgd_t *sgd, const float *gradient, size_t first, size_t end)
{
    parameter_range_t all = {first, end};
    const parameter_range_t *ranges = sgd->n_ranges ? sgd->ranges : &all;
    int n_ranges = sgd->n_ranges ? sgd->n_ranges : 1;
    for (int i = 0; i < n_ranges; i++) {
        size_t from = ranges[i].first > first ? ranges[i].first : first;
        size_t to = ranges[i].end < end ? ranges[i].end : end;
        if (from < to)
            update(sgd, gradient + (from - first), sgd->velocity + from, sgd->parameters + from,
                   to - from);
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
