/* engine/sampler.c - which samples a node trains on, in which order. */
#include "engine/sampler.h"

#include "engine/error.h"
#include "engine/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct sampler {
    sampler_spec_t spec;
    size_t first;          /* of the node's part in a permutation */
    size_t part;           /* samples in it */
    uint32_t *order;       /* (samples): scratch for a whole permutation */
    uint32_t *epoch_order; /* (part): what the node sees in the epoch below */
    int epoch;             /* that epoch_order is of; -1 before the first */
};

sampler_t *
sampler_new(const sampler_spec_t *spec)
{
    assert(spec->samples <= UINT32_MAX);
    assert(spec->nodes >= 1);
    assert(spec->rank >= 0 && spec->rank < spec->nodes);
    assert(spec->epochs >= 0);
    sampler_t *sampler = engine_alloc(sizeof *sampler);
    size_t nodes = (size_t)spec->nodes, rank = (size_t)spec->rank;
    sampler->spec = *spec;
    sampler->first = rank * spec->samples / nodes;
    sampler->part = (rank + 1) * spec->samples / nodes - sampler->first;
    sampler->order = engine_alloc(spec->samples * sizeof(uint32_t));
    sampler->epoch_order = engine_alloc(sampler->part * sizeof(uint32_t));
    sampler->epoch = -1;
    return sampler;
}

void
sampler_free(sampler_t **sampler)
{
    if (!*sampler)
        return;
    free((*sampler)->order);
    free((*sampler)->epoch_order);
    free(*sampler);
    *sampler = NULL;
}

size_t
sampler_length(const sampler_t *sampler)
{
    return sampler->part * (size_t)sampler->spec.epochs;
}

void
sampler_range(const sampler_t *sampler, int round, int rounds, size_t *first, size_t *end)
{
    assert(round >= 0 && round < rounds);
    size_t length = sampler_length(sampler), k = (size_t)round, R = (size_t)rounds;
    *first = k * length / R;
    *end = (k + 1) * length / R;
}

/* Fills epoch_order. Every node draws the whole permutation, so that the parts of one epoch are
 * disjoint without a word between the nodes. */
static void
draw_epoch(sampler_t *sampler, int epoch)
{
    const sampler_spec_t *spec = &sampler->spec;
    rng_t rng;
    uint64_t permutation = spec->partition == PARTITION_FIXED ? 0 : (uint64_t)epoch;
    for (size_t i = 0; i < spec->samples; i++)
        sampler->order[i] = (uint32_t)i;
    rng_seed(&rng, spec->seed, RNG_PERMUTATION, permutation);
    rng_shuffle(&rng, sampler->order, spec->samples);
    memcpy(sampler->epoch_order, sampler->order + sampler->first, sampler->part * sizeof(uint32_t));
    if (spec->partition == PARTITION_FIXED && epoch > 0) {
        uint64_t index = (uint64_t)epoch * (uint64_t)spec->nodes + (uint64_t)spec->rank;
        rng_seed(&rng, spec->seed, RNG_PARTITION, index);
        rng_shuffle(&rng, sampler->epoch_order, sampler->part);
    }
    sampler->epoch = epoch;
}

size_t
sampler_take(sampler_t *sampler, size_t position, size_t end, size_t max, uint32_t *indices)
{
    assert(end <= sampler_length(sampler));
    if (position >= end)
        return 0;
    int epoch = (int)(position / sampler->part);
    size_t within = position % sampler->part;
    size_t n = sampler->part - within;
    n = n < end - position ? n : end - position;
    n = n < max ? n : max;
    if (epoch != sampler->epoch)
        draw_epoch(sampler, epoch);
    memcpy(indices, sampler->epoch_order + within, n * sizeof(uint32_t));
    return n;
}

double
sampler_epoch(const sampler_t *sampler, size_t position)
{
    return sampler->part ? (double)position / (double)sampler->part : 0;
}
