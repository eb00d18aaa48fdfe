/* engine/loss.c - softmax cross-entropy. */
#include "engine/step.h"

#include <math.h>

double
softmax_loss(const float *logits, int classes, int label, float scale, float *dlogits)
{
    float exponentials[NETWORK_CLASSES_MAX];
    float highest = logits[0];
    for (int k = 1; k < classes; k++)
        highest = logits[k] > highest ? logits[k] : highest;
    float sum = 0;
    for (int k = 0; k < classes; k++) {
        exponentials[k] = expf(logits[k] - highest);
        sum += exponentials[k];
    }
    if (dlogits)
        for (int k = 0; k < classes; k++)
            dlogits[k] = scale * (exponentials[k] / sum - (k == label ? 1.0f : 0.0f));
    return (double)logf(sum) + (double)highest - (double)logits[label];
}
