/* engine/sampler.h - which samples a node trains on, in which order.
 *
 * Each epoch has a permutation of the whole training set, drawn from the seed, and the permutation
 * is cut into one part a node. A node's stream is its parts of epochs 0, 1, … laid end to end; a
 * position in it is a number from 0 to sampler_length. Rounds cut the stream evenly; a batch never
 * crosses the end of an epoch or of the range asked for. Every node computes the same permutations
 * from the seed alone; nothing is exchanged. */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    PARTITION_RESHUFFLED, /* a fresh permutation every epoch: a node sees other samples each time */
    PARTITION_FIXED /* a node keeps its part of the first permutation and shuffles within it */
} partition_t;

typedef struct {
    size_t samples; /* in the training set */
    int nodes;
    int rank; /* 0 <= rank < nodes */
    int epochs;
    partition_t partition;
    uint64_t seed;
} sampler_spec_t;

typedef struct sampler sampler_t;

sampler_t *sampler_new(const sampler_spec_t *spec);
void sampler_free(sampler_t **sampler);

/* Positions in the node's whole stream. */
size_t sampler_length(const sampler_t *sampler);
/* Round k of R, counted from 0, is the positions from first to before end; an empty range if L < R.
 */
void sampler_range(const sampler_t *sampler, int round, int rounds, size_t *first, size_t *end);
/* The next batch at POSITION: writes at most MAX sample numbers, not past END nor past the end of
 * POSITION's epoch, and returns how many (0 only when position >= end). Moving to another epoch
 * costs one permutation. */
size_t sampler_take(sampler_t *sampler, size_t position, size_t end, size_t max, uint32_t *indices);
/* Where POSITION is, in epochs: 1.5 is half-way through the second. */
double sampler_epoch(const sampler_t *sampler, size_t position);

#endif
