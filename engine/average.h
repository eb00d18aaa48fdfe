/* engine/average.h - weighted means of parameter blocks, bit for bit reproducible.
 *
 * Sums are kept in double and each element is ((0 + w0 b0) + w1 b1) + … in the order of the calls,
 * then one division by the sum of the weights and one rounding to float. The caller adds in rank
 * order, whatever order the blocks came in; then the result does not depend on timing.
 *
 *     average_t *average = average_new(count);
 *     for each round: average_clear; for each rank: average_add; average_finish */
#ifndef ENGINE_AVERAGE_H
#define ENGINE_AVERAGE_H

#include <stddef.h>

typedef struct average average_t;

/* For blocks of COUNT floats. */
average_t *average_new(size_t count);
void average_free(average_t **average);

void average_clear(average_t *average);
/* Adds weight times BLOCK; weight >= 0, usually the samples trained on. */
void average_add(average_t *average, const float *block, double weight);
/* The same for the elements of [first, end) alone; every range keeps its own sum of weights (model
 * parallelism: each worker adds its share). */
void average_add_range(average_t *average, const float *block, double weight, size_t first,
                       size_t end);
/* The mean into BLOCK. Elements to which nothing was added keep what BLOCK holds. */
void average_finish(const average_t *average, float *block);

#endif
