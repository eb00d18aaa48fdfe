/* engine/average.c - weighted means of parameter blocks, bit for bit reproducible. */
#include "engine/average.h"

#include "engine/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct average {
    size_t count;
    double *sums;  /* (count) */
    double weight; /* of the whole blocks added */
    double
        *part_weights; /* (count): of the ranges added, element by element; NULL before the first */
};

average_t *
average_new(size_t count)
{
    average_t *average = engine_alloc(sizeof *average);
    average->count = count;
    average->sums = engine_alloc(count * sizeof(double));
    return average;
}

void
average_free(average_t **average)
{
    if (!*average)
        return;
    free((*average)->sums);
    free((*average)->part_weights);
    free(*average);
    *average = NULL;
}

void
average_clear(average_t *average)
{
    memset(average->sums, 0, average->count * sizeof(double));
    average->weight = 0;
    if (average->part_weights)
        memset(average->part_weights, 0, average->count * sizeof(double));
}

static void
add(double *restrict sums, const float *restrict block, double weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sums[i] += weight * block[i];
}

void
average_add(average_t *average, const float *block, double weight)
{
    assert(weight >= 0);
    add(average->sums, block, weight, average->count);
    average->weight += weight;
}

void
average_add_range(average_t *average, const float *block, double weight, size_t first, size_t end)
{
    assert(first <= end && end <= average->count);
    assert(weight >= 0);
    if (!average->part_weights)
        average->part_weights = engine_alloc(average->count * sizeof(double));
    add(average->sums + first, block + first, weight, end - first);
    for (size_t i = first; i < end; i++)
        average->part_weights[i] += weight;
}

void
average_finish(const average_t *average, float *block)
{
    for (size_t i = 0; i < average->count; i++) {
        double part = average->part_weights ? average->part_weights[i] : 0;
        double weight = average->weight + part;
        if (weight > 0)
            block[i] = (float)(average->sums[i] / weight);
    }
}
