/* engine/network.c - a network's life, its blocks and the questions one may ask it. */
#include "engine/network_private.h"

#include "engine/isa.h"
#include "engine/rng.h"
#include "engine/spec.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void
lay_out_tensors(network_t *net)
{
    const network_spec_t *spec = &net->spec;
    image_shape_t shape = spec->input;
    for (int i = 0; i < spec->n_layers; i++) {
        tensor_view_t *tensors = &net->tensors[net->n_tensors];
        int n = spec_layer_tensors(spec, i, shape, tensors);
        for (int t = 0; t < n; t++) {
            tensors[t].offset = net->count;
            net->count += tensors[t].count;
        }
        net->n_tensors += n;
        spec_layer_output(spec, i, shape, &shape, NULL);
    }
}

/* Images that go through at once: batch-norm's statistics are the whole batch's. */
static int
pass_images_max(const network_spec_t *spec, int batch_max)
{
    for (int i = 0; i < spec->n_layers; i++)
        if (spec->layers[i].kind == LAYER_BATCH_NORM)
            return batch_max;
    return batch_max < PASS_IMAGES_MAX ? batch_max : PASS_IMAGES_MAX;
}

int
network_new(network_t **result, const network_spec_t *spec, int batch_max, int n_threads,
            engine_error_t *error)
{
    int status = network_spec_check(spec, error);
    if (!status)
        status = isa_check(error);
    if (!status && (batch_max < 0 || batch_max > 65536))
        status = engine_fail(error, ENGINE_SPEC, "a batch of %d images; it must be 0 to 65536",
                             batch_max);
    if (!status && (n_threads < 1 || n_threads > 1024))
        status = engine_fail(error, ENGINE_SPEC, "%d threads; it must be 1 to 1024", n_threads);
    if (status)
        return status;
    network_t *net = engine_alloc(sizeof *net);
    net->spec = *spec;
    net->batch_max = batch_max;
    net->pass_max = pass_images_max(spec, batch_max);
    net->threads = threads_new(n_threads);
    lay_out_tensors(net);
    net->parameters = engine_alloc(net->count * sizeof(float));
    net->gradients = batch_max > 0 ? engine_alloc(net->count * sizeof(float)) : NULL;
    net->losses = engine_alloc((size_t)net->pass_max * sizeof(double));
    network_compile(net);
    *result = net;
    return 0;
}

static void
free_stage(stage_t *stage)
{
    if (stage->ops->free)
        stage->ops->free(stage);
    else
        free(stage->own);
    free(stage->partials);
    free(stage->y);
    free(stage->dy);
}

void
network_free(network_t **result)
{
    network_t *net = *result;
    if (!net)
        return;
    for (int i = 0; i < net->n_stages; i++)
        free_stage(&net->stages[i]);
    for (int t = 0; t < threads_count(net->threads); t++)
        free(net->scratch[t]);
    free(net->scratch);
    for (int i = 0; net->infer && i < 2 * threads_count(net->threads); i++)
        free(net->infer[i]);
    free(net->infer);
    threads_free(&net->threads);
    free(net->losses);
    free(net->parameters);
    free(net->gradients);
    free(net);
    *result = NULL;
}

void
network_initialize(network_t *net, uint64_t seed)
{
    double bound = 0;
    for (int t = 0; t < net->n_tensors; t++) {
        const tensor_view_t *tensor = &net->tensors[t];
        float *values = net->parameters + tensor->offset;
        bool is_weight = strstr(tensor->name, ".weight") != NULL;
        if (net->spec.layers[tensor->layer].kind == LAYER_BATCH_NORM) {
            bool is_one = is_weight || strstr(tensor->name, ".running_var") != NULL;
            for (size_t i = 0; i < tensor->count; i++)
                values[i] = is_one ? 1 : 0;
            continue;
        }
        /* kaiming_uniform with a = sqrt(5) is a bound of 1/sqrt(fan_in), and the bias, which
         * follows its weight, has the same. */
        if (is_weight)
            bound = 1 / sqrt((double)tensor->count / tensor->dims[0]);
        rng_t rng;
        rng_seed(&rng, seed, RNG_WEIGHTS, (uint64_t)t);
        for (size_t i = 0; i < tensor->count; i++)
            values[i] = (float)(bound * (2 * rng_uniform(&rng) - 1));
    }
}

float *
network_parameters(network_t *net)
{
    return net->parameters;
}

float *
network_gradients(network_t *net)
{
    return net->gradients;
}

size_t
network_parameter_count(const network_t *net)
{
    return net->count;
}

const network_spec_t *
network_spec(const network_t *net)
{
    return &net->spec;
}

int
network_batch_max(const network_t *net)
{
    return net->batch_max;
}

int
network_threads(const network_t *net)
{
    return threads_count(net->threads);
}

int
network_tensor_count(const network_t *net)
{
    return net->n_tensors;
}

const tensor_view_t *
network_tensors(const network_t *net)
{
    return net->tensors;
}

const tensor_view_t *
network_tensor(const network_t *net, const char *name)
{
    for (int t = 0; t < net->n_tensors; t++)
        if (strcmp(net->tensors[t].name, name) == 0)
            return &net->tensors[t];
    return NULL;
}

void
network_profile_start(network_t *net)
{
    net->is_profiled = true;
    for (int i = 0; i < net->n_stages; i++)
        net->stages[i].forward_s = net->stages[i].backward_s = 0;
}

int
network_profile(const network_t *net, network_profile_t *rows, int max)
{
    for (int i = 0; i < net->n_stages && i < max; i++) {
        const stage_t *stage = &net->stages[i];
        memcpy(rows[i].name, stage->name, sizeof rows[i].name);
        rows[i].forward_s = stage->forward_s;
        rows[i].backward_s = stage->backward_s;
    }
    return net->n_stages;
}
