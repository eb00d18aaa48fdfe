/* engine/trainer.c - stochastic gradient descent over a range of a node's stream. */
#include "engine/trainer.h"

#include "engine/rng.h"
#include "engine/step.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct trainer {
    network_t *net;
    const dataset_t *set;
    sampler_t *sampler;
    trainer_settings_t settings;
    double epochs; /* of the whole stream */
    float *velocity;
    int n_ranges;
    parameter_range_t *ranges;
    uint32_t *indices;      /* (batch) */
    const uint8_t **images; /* (batch) */
    uint8_t *labels;        /* (batch) */
};

static int
check_settings(const network_t *net, const trainer_settings_t *settings, engine_error_t *error)
{
    int batch_max = network_batch_max(net);
    if (settings->batch < 1 || settings->batch > batch_max)
        return engine_fail(error, ENGINE_SPEC, "a batch of %d images; it must be 1 to %d here",
                           settings->batch, batch_max);
    if (!(settings->learning_rate >= 0) || isinf(settings->learning_rate))
        return engine_fail(error, ENGINE_SPEC, "a learning rate of %g; it must be at least 0",
                           settings->learning_rate);
    if (!(settings->momentum >= 0) || isinf(settings->momentum))
        return engine_fail(error, ENGINE_SPEC, "a momentum of %g; it must be at least 0",
                           settings->momentum);
    if (!(settings->weight_decay >= 0) || isinf(settings->weight_decay))
        return engine_fail(error, ENGINE_SPEC, "a weight decay of %g; it must be at least 0",
                           settings->weight_decay);
    if (settings->is_nesterov && settings->momentum == 0)
        return engine_fail(error, ENGINE_SPEC,
                           "nesterov needs a momentum above 0; set one or leave nesterov off");
    return 0;
}

int
trainer_new(trainer_t **result, network_t *net, const dataset_t *set, sampler_t *sampler,
            const trainer_settings_t *settings, engine_error_t *error)
{
    int status = network_check_data(net, set, error);
    if (!status)
        status = check_settings(net, settings, error);
    if (status)
        return status;
    trainer_t *trainer = engine_alloc(sizeof *trainer);
    size_t batch = (size_t)settings->batch;
    trainer->net = net;
    trainer->set = set;
    trainer->sampler = sampler;
    trainer->settings = *settings;
    trainer->epochs = sampler_epoch(sampler, sampler_length(sampler));
    trainer->velocity = engine_alloc(network_parameter_count(net) * sizeof(float));
    trainer->indices = engine_alloc(batch * sizeof(uint32_t));
    trainer->images = engine_alloc(batch * sizeof(uint8_t *));
    trainer->labels = engine_alloc(batch);
    *result = trainer;
    return 0;
}

void
trainer_free(trainer_t **result)
{
    trainer_t *trainer = *result;
    if (!trainer)
        return;
    free(trainer->velocity);
    free(trainer->ranges);
    free(trainer->indices);
    free(trainer->images);
    free(trainer->labels);
    free(trainer);
    *result = NULL;
}

void
trainer_set_ranges(trainer_t *trainer, const parameter_range_t *ranges, int n)
{
    free(trainer->ranges);
    trainer->ranges = NULL;
    trainer->n_ranges = n;
    if (n == 0)
        return;
    trainer->ranges = engine_alloc((size_t)n * sizeof(parameter_range_t));
    memcpy(trainer->ranges, ranges, (size_t)n * sizeof(parameter_range_t));
    for (int i = 0; i < n; i++) {
        assert(ranges[i].first <= ranges[i].end);
        assert(ranges[i].end <= network_parameter_count(trainer->net));
    }
}

/* The sum of the losses of the N images at POSITION, which it trains on. */
static double
train_batch(trainer_t *trainer, size_t position, size_t n)
{
    const trainer_settings_t *settings = &trainer->settings;
    double epoch = sampler_epoch(trainer->sampler, position);
    double factor = schedule_factor(&settings->schedule, epoch, trainer->epochs);
    sgd_t sgd = {
        .rate = (float)(settings->learning_rate * factor),
        .momentum = (float)settings->momentum,
        .decay = (float)settings->weight_decay,
        .is_nesterov = settings->is_nesterov,
        .parameters = network_parameters(trainer->net),
        .velocity = trainer->velocity,
        .ranges = trainer->ranges,
        .n_ranges = trainer->n_ranges,
    };
    for (size_t i = 0; i < n; i++) {
        trainer->images[i] = dataset_image(trainer->set, DATASET_TRAIN, trainer->indices[i]);
        trainer->labels[i] = trainer->images[i][-1];
    }
    uint64_t mask_seed = rng_mix(settings->seed + rng_mix(position + 1));
    return (double)n * (double)network_train(trainer->net, trainer->images, trainer->labels, (int)n,
                                             &sgd, mask_seed);
}

int
trainer_run(trainer_t *trainer, size_t first, size_t end, trainer_callback_t *callback, void *arg,
            trainer_progress_t *result, engine_error_t *error)
{
    trainer_progress_t progress = {.position = first};
    double sum = 0;
    int status = 0;
    network_span(trainer->net, true);
    while (progress.position < end && !status) {
        size_t n = sampler_take(trainer->sampler, progress.position, end,
                                (size_t)trainer->settings.batch, trainer->indices);
        sum += train_batch(trainer, progress.position, n);
        progress.position += n;
        progress.samples += n;
        progress.loss = sum / (double)progress.samples;
        if (!isfinite(sum))
            status = engine_fail(error, ENGINE_DIVERGED,
                                 "the loss is no finite number after %zu samples of this range; "
                                 "lower the learning rate",
                                 progress.samples);
        else if (callback && callback(&progress, arg))
            status = engine_fail(error, ENGINE_INTERRUPTED, "training was interrupted");
    }
    network_span(trainer->net, false);
    *result = progress;
    return status;
}

float *
trainer_velocity(trainer_t *trainer)
{
    return trainer->velocity;
}
