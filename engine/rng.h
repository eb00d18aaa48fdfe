/* engine/rng.h - random numbers that are the same on every machine.
 *
 * xoshiro256** (https://prng.di.unimi.it/), seeded through splitmix64. A seed and a stream number
 * give independent sequences, so that initial weights, permutations and masks do not depend on who
 * drew first. */
#ifndef ENGINE_RNG_H
#define ENGINE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t state[4];
} rng_t;

/* What the engine draws for; the stream number of rng_seed is one of these plus 16 times an index.
 */
typedef enum { RNG_WEIGHTS, RNG_PERMUTATION, RNG_PARTITION, RNG_DROPOUT, RNG_SYNTHETIC } rng_use_t;

void rng_seed(rng_t *rng, uint64_t seed, rng_use_t use, uint64_t index);
uint64_t rng_next(rng_t *rng);
/* Uniform in [0, limit), without bias; limit >= 1. */
uint32_t rng_below(rng_t *rng, uint32_t limit);
/* Uniform in [0, 1), 53 bits. */
double rng_uniform(rng_t *rng);
/* Standard normal (Box-Muller; one of the pair is thrown away, which keeps the state in one place).
 */
double rng_normal(rng_t *rng);
void rng_shuffle(rng_t *rng, uint32_t *values, size_t n);

/* splitmix64's mixing step: a hash of 64 bits, for masks that must not depend on the order they are
 * drawn in. */
uint64_t rng_mix(uint64_t value);

#endif
