/* engine/spec.c - network specifications: kinds of layers, their shapes, their names and tensors.
 */
#include "engine/spec.h"

#include <stdio.h>
#include <string.h>

/* One row a kind. PREFIX numbers its layers as PyTorch programs like to: conv1, fc1. */
static const struct {
    layer_kind_t kind;
    const char *name;
    const char *prefix;
    bool has_window; /* kernel, stride, padding */
    bool has_outputs;
} KINDS[] = {
    {LAYER_CONV, "conv", "conv", true, true},
    {LAYER_RELU, "relu", "relu", false, false},
    {LAYER_MAX_POOL, "max_pool", "pool", true, false},
    {LAYER_AVG_POOL, "avg_pool", "pool", true, false},
    {LAYER_DENSE, "dense", "fc", false, true},
    {LAYER_BATCH_NORM, "batch_norm", "bn", false, false},
    {LAYER_DROPOUT, "dropout", "drop", false, false},
};
enum { N_KINDS = sizeof KINDS / sizeof KINDS[0], SIDE_MAX = 1 << 15, OUTPUTS_MAX = 1 << 20 };

/* The largest activation of one image, in floats; with it a product of sizes cannot overflow. */
static const size_t ACTIVATION_MAX = (size_t)1 << 26;

static int
kind_row(layer_kind_t kind)
{
    for (int i = 0; i < N_KINDS; i++)
        if (KINDS[i].kind == kind)
            return i;
    return -1;
}

const char *
layer_kind_name(layer_kind_t kind)
{
    int row = kind_row(kind);
    return row < 0 ? NULL : KINDS[row].name;
}

layer_kind_t
layer_kind_from_name(const char *name)
{
    for (int i = 0; i < N_KINDS; i++)
        if (strcmp(KINDS[i].name, name) == 0)
            return KINDS[i].kind;
    return 0;
}

network_spec_t
network_spec_lenet(image_shape_t input, int classes)
{
    return (network_spec_t){
        .input = input,
        .classes = classes,
        .n_layers = 11,
        .layers = {{.kind = LAYER_CONV, .outputs = 6, .kernel = 5},
                   {.kind = LAYER_RELU},
                   {.kind = LAYER_MAX_POOL, .kernel = 2},
                   {.kind = LAYER_CONV, .outputs = 16, .kernel = 5},
                   {.kind = LAYER_RELU},
                   {.kind = LAYER_MAX_POOL, .kernel = 2},
                   {.kind = LAYER_DENSE, .outputs = 120},
                   {.kind = LAYER_RELU},
                   {.kind = LAYER_DENSE, .outputs = 84},
                   {.kind = LAYER_RELU},
                   {.kind = LAYER_DENSE, .outputs = classes}},
    };
}

int
spec_stride(const layer_spec_t *layer)
{
    if (layer->stride)
        return layer->stride;
    return layer->kind == LAYER_CONV ? 1 : layer->kernel;
}

void
spec_layer_name(const network_spec_t *spec, int index, char name[NETWORK_NAME_BYTES])
{
    const layer_spec_t *layer = &spec->layers[index];
    const char *prefix = KINDS[kind_row(layer->kind)].prefix;
    int number = 0;
    for (int i = 0; i <= index; i++)
        number += strcmp(KINDS[kind_row(spec->layers[i].kind)].prefix, prefix) == 0;
    if (layer->name[0])
        snprintf(name, NETWORK_NAME_BYTES, "%s", layer->name);
    else
        snprintf(name, NETWORK_NAME_BYTES, "%s%d", prefix, number);
}

static int
window_output(const network_spec_t *spec, int index, image_shape_t in, image_shape_t *out,
              engine_error_t *error)
{
    const layer_spec_t *layer = &spec->layers[index];
    const char *kind = layer_kind_name(layer->kind);
    int k = layer->kernel, p = layer->padding, s = spec_stride(layer);
    if (k < 1 || k > SIDE_MAX || s < 1 || s > SIDE_MAX || p < 0 || p > SIDE_MAX)
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (%s): kernel %d, stride %d and padding %d cannot be; kernel "
                           "and stride start at 1, padding at 0",
                           index + 1, kind, k, s, p);
    if (layer->kind != LAYER_CONV && 2 * p > k)
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (%s): padding %d is more than half the kernel of %d",
                           index + 1, kind, p, k);
    if (in.height + 2 * p < k || in.width + 2 * p < k)
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (%s): a kernel of %d does not fit its input of %dx%d (padding "
                           "%d); take a smaller kernel or fewer layers before it",
                           index + 1, kind, k, in.height, in.width, p);
    out->height = (in.height + 2 * p - k) / s + 1;
    out->width = (in.width + 2 * p - k) / s + 1;
    return 0;
}

int
spec_layer_output(const network_spec_t *spec, int index, image_shape_t in, image_shape_t *out,
                  engine_error_t *error)
{
    const layer_spec_t *layer = &spec->layers[index];
    int row = kind_row(layer->kind);
    if (row < 0)
        return engine_fail(error, ENGINE_SPEC, "layer %d is of no known kind (%d)", index + 1,
                           (int)layer->kind);
    image_shape_t shape = in;
    if (KINDS[row].has_outputs && (layer->outputs < 1 || layer->outputs > OUTPUTS_MAX))
        return engine_fail(error, ENGINE_SPEC, "layer %d (%s): %d outputs, which must be 1 to %d",
                           index + 1, KINDS[row].name, layer->outputs, (int)OUTPUTS_MAX);
    if (KINDS[row].has_window) {
        int status = window_output(spec, index, in, &shape, error);
        if (status)
            return status;
    }
    if (layer->kind == LAYER_CONV)
        shape.channels = layer->outputs;
    if (layer->kind == LAYER_DENSE)
        shape = (image_shape_t){layer->outputs, 1, 1};
    if (layer->kind == LAYER_DROPOUT && !(layer->rate >= 0 && layer->rate < 1))
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (dropout): a rate of %g, which must be at least 0 and below 1",
                           index + 1, (double)layer->rate);
    if (image_count(shape) > ACTIVATION_MAX)
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (%s): %dx%dx%d outputs an image are too many", index + 1,
                           KINDS[row].name, shape.channels, shape.height, shape.width);
    *out = shape;
    return 0;
}

static int
check_names(const network_spec_t *spec, engine_error_t *error)
{
    char name[NETWORK_NAME_BYTES], other[NETWORK_NAME_BYTES];
    for (int i = 0; i < spec->n_layers; i++)
        for (int j = 0; j < i; j++) {
            spec_layer_name(spec, i, name);
            spec_layer_name(spec, j, other);
            if (strcmp(name, other) == 0)
                return engine_fail(error, ENGINE_SPEC, "layers %d and %d are both named '%s'",
                                   j + 1, i + 1, name);
        }
    return 0;
}

int
network_spec_check(const network_spec_t *spec, engine_error_t *error)
{
    image_shape_t shape = spec->input;
    if (shape.channels < 1 || shape.height < 1 || shape.width < 1 || shape.channels > SIDE_MAX ||
        shape.height > SIDE_MAX || shape.width > SIDE_MAX || image_count(shape) > ACTIVATION_MAX)
        return engine_fail(error, ENGINE_SPEC, "an input of %dx%dx%d cannot be", shape.channels,
                           shape.height, shape.width);
    if (spec->classes < 2 || spec->classes > NETWORK_CLASSES_MAX)
        return engine_fail(error, ENGINE_SPEC, "%d classes, which must be 2 to %d", spec->classes,
                           NETWORK_CLASSES_MAX);
    if (spec->n_layers < 1 || spec->n_layers > NETWORK_LAYERS_MAX)
        return engine_fail(error, ENGINE_SPEC, "%d layers, which must be 1 to %d", spec->n_layers,
                           NETWORK_LAYERS_MAX);
    size_t parameters = 0;
    for (int i = 0; i < spec->n_layers; i++) {
        image_shape_t in = shape;
        tensor_view_t tensors[4];
        int status = spec_layer_output(spec, i, in, &shape, error);
        if (status)
            return status;
        for (int t = 0; t < spec_layer_tensors(spec, i, in, tensors); t++)
            parameters += tensors[t].count;
        if (parameters > (size_t)1 << 30)
            return engine_fail(error, ENGINE_SPEC,
                               "layer %d (%s): with it the network has more than 2^30 parameters",
                               i + 1, layer_kind_name(spec->layers[i].kind));
    }
    int last = spec->n_layers;
    if (spec->layers[last - 1].kind != LAYER_DENSE)
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (%s) is the last; the last must be a dense layer with one "
                           "output a class",
                           last, layer_kind_name(spec->layers[last - 1].kind));
    if (shape.channels != spec->classes)
        return engine_fail(error, ENGINE_SPEC,
                           "layer %d (dense) is the last and has %d outputs, but there are %d "
                           "classes; give it one output a class",
                           last, shape.channels, spec->classes);
    return check_names(spec, error);
}

static void
set_tensor(tensor_view_t *tensor, const char *layer, const char *what, int index, bool is_trained,
           int n_dims, const int dims[4])
{
    *tensor =
        (tensor_view_t){.n_dims = n_dims, .count = 1, .layer = index, .is_trained = is_trained};
    snprintf(tensor->name, sizeof tensor->name, "%s.%s", layer, what);
    for (int i = 0; i < n_dims; i++) {
        tensor->dims[i] = dims[i];
        tensor->count *= (size_t)dims[i];
    }
}

int
spec_layer_tensors(const network_spec_t *spec, int index, image_shape_t in,
                   tensor_view_t tensors[4])
{
    const layer_spec_t *layer = &spec->layers[index];
    char name[NETWORK_NAME_BYTES];
    spec_layer_name(spec, index, name);
    int K = layer->outputs, R = layer->kernel;
    switch (layer->kind) {
    case LAYER_CONV:
        set_tensor(&tensors[0], name, "weight", index, true, 4, (int[4]){K, in.channels, R, R});
        set_tensor(&tensors[1], name, "bias", index, true, 1, (int[4]){K});
        return 2;
    case LAYER_DENSE:
        set_tensor(&tensors[0], name, "weight", index, true, 2, (int[4]){K, (int)image_count(in)});
        set_tensor(&tensors[1], name, "bias", index, true, 1, (int[4]){K});
        return 2;
    case LAYER_BATCH_NORM:
        set_tensor(&tensors[0], name, "weight", index, true, 1, (int[4]){in.channels});
        set_tensor(&tensors[1], name, "bias", index, true, 1, (int[4]){in.channels});
        set_tensor(&tensors[2], name, "running_mean", index, false, 1, (int[4]){in.channels});
        set_tensor(&tensors[3], name, "running_var", index, false, 1, (int[4]){in.channels});
        return 4;
    default:
        return 0;
    }
}
