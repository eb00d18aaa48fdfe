/* engine/evaluate.c - loss, accuracy and the confusion matrix of a network over a split. */
#include "engine/evaluate.h"

#include "engine/step.h"

#include <stdlib.h>

/* Images between two calls of the callback. */
enum { BLOCK = 2048 };

int
network_check_data(const network_t *net, const dataset_t *set, engine_error_t *error)
{
    const network_spec_t *spec = network_spec(net);
    image_shape_t a = spec->input, b = dataset_shape(set);
    if (a.channels != b.channels || a.height != b.height || a.width != b.width)
        return engine_fail(error, ENGINE_MISMATCH,
                           "the network takes images of %dx%dx%d, the data set has %dx%dx%d",
                           a.channels, a.height, a.width, b.channels, b.height, b.width);
    if (spec->classes != dataset_classes(set))
        return engine_fail(error, ENGINE_MISMATCH,
                           "the network tells %d classes apart, the data set has %d", spec->classes,
                           dataset_classes(set));
    return 0;
}

typedef struct {
    const uint8_t *images[BLOCK];
    float *logits; /* (BLOCK, classes) */
} block_t;

static int
highest(const float *logits, int classes)
{
    int best = 0;
    for (int k = 1; k < classes; k++)
        if (logits[k] > logits[best])
            best = k;
    return best;
}

/* Images [first, first + n): adds to the confusion matrix, returns the sum of the losses. */
static double
evaluate_block(network_t *net, const dataset_t *set, dataset_split_t split, size_t first, size_t n,
               block_t *block, uint32_t *confusion)
{
    int classes = network_spec(net)->classes;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        block->images[i] = dataset_image(set, split, first + i);
    network_infer(net, block->images, (int)n, block->logits);
    for (size_t i = 0; i < n; i++) {
        const float *logits = block->logits + i * (size_t)classes;
        int label = block->images[i][-1];
        sum += softmax_loss(logits, classes, label, 1, NULL);
        confusion[label * classes + highest(logits, classes)]++;
    }
    return sum;
}

int
evaluate(network_t *net, const dataset_t *set, dataset_split_t split, evaluate_callback_t *callback,
         void *arg, evaluation_t *result, engine_error_t *error)
{
    int status = network_check_data(net, set, error);
    if (status)
        return status;
    int classes = network_spec(net)->classes;
    size_t total = dataset_length(set, split);
    size_t cells = (size_t)classes * (size_t)classes, correct = 0;
    double loss = 0;
    block_t *block = engine_alloc(sizeof *block);
    block->logits = engine_alloc((size_t)BLOCK * (size_t)classes * sizeof(float));
    uint32_t *confusion = engine_alloc(cells * sizeof(uint32_t));
    for (size_t done = 0; done < total && !status;) {
        size_t n = total - done < BLOCK ? total - done : BLOCK;
        loss += evaluate_block(net, set, split, done, n, block, confusion);
        done += n;
        if (callback && callback(done, total, arg))
            status = engine_fail(error, ENGINE_INTERRUPTED, "evaluation was interrupted");
    }
    for (int k = 0; k < classes; k++)
        correct += confusion[k * classes + k];
    free(block->logits);
    free(block);
    if (status) {
        free(confusion);
        return status;
    }
    *result = (evaluation_t){.samples = total,
                             .loss = loss / (double)total,
                             .accuracy = (double)correct / (double)total,
                             .classes = classes,
                             .confusion = confusion};
    return 0;
}

void
evaluation_release(evaluation_t *evaluation)
{
    free(evaluation->confusion);
    evaluation->confusion = NULL;
}
