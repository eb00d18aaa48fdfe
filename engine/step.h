/* engine/step.h - one step of training and one forward pass, for trainer and evaluate (inside the
 * engine only). */
#ifndef ENGINE_STEP_H
#define ENGINE_STEP_H

#include "engine/dataset.h"
#include "engine/network.h"
#include "engine/sgd.h"

/* Forward, backward and update on n images of C*H*W bytes, normalised to (x/255 - 0.5)/0.5. Returns
 * the mean loss before the update. The gradient block holds nothing of use afterwards: fused stages
 * never write it. */
float network_train(network_t *net, const uint8_t *const *images, const uint8_t *labels, int n,
                    const sgd_t *sgd, uint64_t mask_seed);

/* Steps of training begin, or have ended for a while: what the pool of threads wants to know. */
void network_span(network_t *net, bool begins);

/* Whether the data set's shape and classes are the network's: 0 or ENGINE_MISMATCH. */
int network_check_data(const network_t *net, const dataset_t *set, engine_error_t *error);

/* Logits (n, classes) as network_forward, from bytes. */
void network_infer(network_t *net, const uint8_t *const *images, int n, float *logits);

/* log(sum(exp(logits))) - logits[label], shifted by the maximum; when DLOGITS is not NULL it
 * receives (softmax - one-hot) times SCALE. */
double softmax_loss(const float *logits, int classes, int label, float scale, float *dlogits);

#endif
