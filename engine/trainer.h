/* engine/trainer.h - stochastic gradient descent over a range of a node's stream.
 *
 * The update is torch.optim.SGD's, element by element: g = gradient + decay w; v = momentum v + g
 * (v starts at 0, so the first step has v = g); w = w - rate v, with Nesterov
 * w = w - rate (g + momentum v). The velocity v lives here, in one block of the parameters' layout,
 * from one range to the next.
 *
 *     trainer_t *trainer = NULL;
 *     trainer_new(&trainer, net, set, sampler, &settings, &error);
 *     for each round: sampler_range(…); write network_parameters; trainer_run(…);
 *                     read network_parameters */
#ifndef ENGINE_TRAINER_H
#define ENGINE_TRAINER_H

#include "engine/dataset.h"
#include "engine/network.h"
#include "engine/sampler.h"
#include "engine/schedule.h"
#include "engine/sgd.h"

typedef struct {
    int batch;            /* images a step; at most the network's batch_max */
    double learning_rate; /* as it is to be used: any scaling with the nodes is the caller's */
    double momentum;
    double weight_decay;
    bool is_nesterov; /* needs momentum > 0 */
    schedule_t schedule;
    uint64_t seed; /* of the dropout masks */
} trainer_settings_t;

typedef struct {
    size_t position; /* in the stream: the next sample to be trained on */
    size_t samples;  /* trained on in this range so far */
    double loss;     /* mean over them */
} trainer_progress_t;

/* Called after each step; anything but 0 stops the range after it. It runs every few ten
 * microseconds: look at a flag or a clock, no more. */
typedef int trainer_callback_t(const trainer_progress_t *progress, void *arg);

typedef struct trainer trainer_t;

/* Borrows net, set and sampler, which must outlive it. ENGINE_MISMATCH when the data set's shape or
 * classes are not the network's, ENGINE_SPEC for a setting that cannot be. */
int trainer_new(trainer_t **trainer, network_t *net, const dataset_t *set, sampler_t *sampler,
                const trainer_settings_t *settings, engine_error_t *error);
void trainer_free(trainer_t **trainer);

/* Only these ranges are updated from now on; the rest of the network stays as it is (a worker's
 * share in model parallelism). n = 0 updates everything again. */
void trainer_set_ranges(trainer_t *trainer, const parameter_range_t *ranges, int n);

/* Trains on positions first to before end. Returns 0; ENGINE_INTERRUPTED when the callback (may be
 * NULL) stopped it, the steps done so far standing; ENGINE_DIVERGED when the loss is no finite
 * number. RESULT is filled in each case. */
int trainer_run(trainer_t *trainer, size_t first, size_t end, trainer_callback_t *callback,
                void *arg, trainer_progress_t *result, engine_error_t *error);

/* The velocity block, network_parameter_count() floats; may be read and written between ranges
 * (checkpoints, momentum that is averaged). With the position and the seed it is all the state
 * there is. */
float *trainer_velocity(trainer_t *trainer);

#endif
