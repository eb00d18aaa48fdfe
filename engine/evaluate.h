/* engine/evaluate.h - loss, accuracy and the confusion matrix of a network over a split. */
#ifndef ENGINE_EVALUATE_H
#define ENGINE_EVALUATE_H

#include "engine/dataset.h"
#include "engine/network.h"

typedef struct {
    size_t samples;
    double loss;     /* mean cross-entropy, natural logarithm */
    double accuracy; /* 0..1 */
    int classes;
    uint32_t *confusion; /* (classes, classes): row = true class, column = predicted;
                            evaluation_release frees it */
} evaluation_t;

/* Anything but 0 stops the evaluation. DONE of TOTAL samples are evaluated. */
typedef int evaluate_callback_t(size_t done, size_t total, void *arg);

/* Forward passes only. ENGINE_MISMATCH as trainer_new; ENGINE_INTERRUPTED when the callback (may be
 * NULL) said so. Ties go to the lower class. The same bits for any number of threads. */
int evaluate(network_t *net, const dataset_t *set, dataset_split_t split,
             evaluate_callback_t *callback, void *arg, evaluation_t *result, engine_error_t *error);
void evaluation_release(evaluation_t *evaluation);

#endif
