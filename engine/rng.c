/* engine/rng.c - random numbers that are the same on every machine. */
#include "engine/rng.h"

#include <math.h>

uint64_t
rng_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

void
rng_seed(rng_t *rng, uint64_t seed, rng_use_t use, uint64_t index)
{
    uint64_t stream = rng_mix((index << 4 | (uint64_t)use) + UINT64_C(0x9e3779b97f4a7c15));
    uint64_t counter = seed ^ stream;
    for (int i = 0; i < 4; i++) {
        counter += UINT64_C(0x9e3779b97f4a7c15);
        rng->state[i] = rng_mix(counter);
    }
}

static uint64_t
rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t
rng_next(rng_t *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t
rng_below(rng_t *rng, uint32_t limit)
{
    /* The high half of a 32x32 product is uniform once the few low halves that would be counted
     * twice are drawn again (Lemire, https://arxiv.org/abs/1805.10941). */
    uint64_t product = (rng_next(rng) >> 32) * limit;
    uint32_t threshold = (0u - limit) % limit;
    while ((uint32_t)product < threshold)
        product = (rng_next(rng) >> 32) * limit;
    return (uint32_t)(product >> 32);
}

double
rng_uniform(rng_t *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double
rng_normal(rng_t *rng)
{
    double radius = sqrt(-2 * log(1 - rng_uniform(rng)));
    return radius * cos(6.283185307179586 * rng_uniform(rng));
}

void
rng_shuffle(rng_t *rng, uint32_t *values, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(rng, (uint32_t)i);
        uint32_t value = values[i - 1];
        values[i - 1] = values[j];
        values[j] = value;
    }
}
