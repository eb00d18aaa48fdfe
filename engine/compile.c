/* engine/compile.c - from a list of layers to a list of stages.
 *
 * Each rule looks at the layers from a position on and takes as many of them as it can do at once.
 */
#include "engine/kernels.h"
#include "engine/network_private.h"
#include "engine/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Puts the input in place, as floats. */
static void
input_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    size_t count = image_count(stage->out);
    pass_images(pass, piece, &first, &end);
    for (int i = first; i < end; i++) {
        float *y = stage->y + (size_t)i * count;
        if (pass->images)
            kernels()->normalize(pass->images[i], y, count);
        else
            memcpy(y, pass->x + (size_t)i * count, count * sizeof(float));
    }
}

static const stage_ops_t INPUT_OPS = {.forward = {{.run = input_forward}}};

static make_t *
maker(layer_kind_t kind)
{
    switch (kind) {
    case LAYER_CONV:
        return stage_conv;
    case LAYER_DENSE:
        return stage_dense;
    case LAYER_RELU:
        return stage_relu;
    case LAYER_MAX_POOL:
        return stage_max_pool;
    case LAYER_AVG_POOL:
        return stage_avg_pool;
    case LAYER_BATCH_NORM:
        return stage_batch_norm;
    case LAYER_DROPOUT:
        return stage_dropout;
    }
    return NULL;
}

/* Adds the stage of layers [first, first + taken), whose output has shape OUT. */
static stage_t *
add_stage(network_t *net, int first, int taken, image_shape_t out)
{
    stage_t *stage = &net->stages[net->n_stages++];
    const stage_t *before = stage - 1;
    size_t batch_max = (size_t)net->pass_max;
    *stage = (stage_t){
        .spec = &net->spec,
        .layer = first,
        .in = before->out,
        .out = out,
        .threads = threads_count(net->threads),
        .batch_max = net->pass_max,
        .x = before->y,
        .y = engine_alloc(batch_max * image_count(out) * sizeof(float)),
        .dy = engine_alloc(batch_max * image_count(out) * sizeof(float)),
    };
    for (int i = first; i < first + taken; i++) {
        char name[NETWORK_NAME_BYTES];
        layer_kind_t kind = net->spec.layers[i].kind;
        size_t length = strlen(stage->name);
        spec_layer_name(&net->spec, i, name);
        bool is_numbered = kind == LAYER_CONV || kind == LAYER_DENSE || kind == LAYER_BATCH_NORM;
        snprintf(stage->name + length, sizeof stage->name - length, "%s%s", i > first ? "+" : "",
                 is_numbered ? name : layer_kind_name(kind));
    }
    for (int t = net->n_tensors - 1; t >= 0; t--)
        if (net->tensors[t].layer == first) {
            stage->offset = net->tensors[t].offset;
            stage->count += net->tensors[t].is_trained ? net->tensors[t].count : 0;
        }
    stage->parameters = net->parameters + stage->offset;
    stage->gradients = net->gradients ? net->gradients + stage->offset : NULL;
    return stage;
}

/* The stage of the layers from FIRST on; returns how many layers it took. */
static int
add_layers(network_t *net, int first)
{
    const network_spec_t *spec = &net->spec;
    const layer_spec_t *layer = &spec->layers[first];
    image_shape_t in = net->stages[net->n_stages - 1].out, out;
    spec_layer_output(spec, first, in, &out, NULL);
    if (stage_conv5_takes(spec, first, in)) {
        spec_layer_output(spec, first + 2, out, &out, NULL);
        stage_conv5(add_stage(net, first, 3, out));
        return 3;
    }
    bool takes_relu = layer->kind == LAYER_CONV || layer->kind == LAYER_DENSE;
    bool has_relu = takes_relu && first + 1 < spec->n_layers && layer[1].kind == LAYER_RELU;
    stage_t *stage = add_stage(net, first, has_relu ? 2 : 1, out);
    stage->has_relu = has_relu;
    maker(layer->kind)(stage);
    return has_relu ? 2 : 1;
}

void
network_compile(network_t *net)
{
    size_t input_count = image_count(net->spec.input);
    net->stages[net->n_stages++] = (stage_t){
        .ops = &INPUT_OPS,
        .name = "input",
        .out = net->spec.input,
        .y = engine_alloc((size_t)net->pass_max * input_count * sizeof(float)),
    };
    for (int i = 0; i < net->spec.n_layers;)
        i += add_layers(net, i);
    net->infer_count = input_count;
    size_t scratch_count = 0, threads = (size_t)threads_count(net->threads);
    for (int s = 1; s < net->n_stages; s++) {
        const stage_t *stage = &net->stages[s];
        size_t count = image_count(stage->out);
        net->infer_count = count > net->infer_count ? count : net->infer_count;
        scratch_count = stage->scratch_count > scratch_count ? stage->scratch_count : scratch_count;
    }
    net->scratch = engine_alloc(threads * sizeof(float *));
    for (size_t t = 0; t < threads; t++)
        net->scratch[t] = engine_alloc(scratch_count * sizeof(float));
    for (int s = 1; s < net->n_stages; s++)
        net->stages[s].scratch = net->scratch;
}
