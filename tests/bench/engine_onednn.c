/* tests/bench/engine_onednn.c - the paper's net trained by oneDNN's primitives, as one of the
 * programs that engine.py has run in turn: what the strongest library of ready kernels makes of it
 * when nothing stands between.
 *
 * Layouts are the library's choice, with reorders only where two primitives differ; relu is fused
 * into what comes before it; the update works in the layout of the forward weights. Answers as
 * engine.c does, to "train N" alone. Batches are whole: the images left over at the end of an epoch
 * are skipped.
 *
 *     bench_onednn DATA lenet BATCH THREADS */
#include "engine/dataset.h"
#include "engine/rng.h"
#include "engine/step.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLASSES = 10, OPS_MAX = 64, PARAMETERS_MAX = 16, ARGS_MAX = 6 };
static const image_shape_t SHAPE = {3, 32, 32};
static const float RATE = 0.001f, MOMENTUM = 0.9f;

typedef struct {
    dnnl_memory_t memory;
    dnnl_memory_desc_t layout;
    float *data;
} tensor_t;

typedef struct {
    dnnl_primitive_t primitive;
    int n;
    dnnl_exec_arg_t args[ARGS_MAX];
} op_t;

typedef struct {
    int n;
    op_t ops[OPS_MAX];
} ops_t;

typedef struct {
    tensor_t weight, gradient;
    float *velocity;
} parameter_t;

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static ops_t forward_ops, backward_ops;
static parameter_t parameters[PARAMETERS_MAX];
static int n_parameters;

static void
check(dnnl_status_t status, int line)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "bench_onednn: line %d: oneDNN says %d\n", line, (int)status);
    exit(1);
}
#define CHECK(call) check(call, __LINE__)

/* Layouts. */

static dnnl_memory_desc_t
layout(int n_dims, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t result;
    CHECK(dnnl_memory_desc_init_by_tag(&result, n_dims, dims, dnnl_f32, tag));
    return result;
}

static dnnl_memory_desc_t
any_layout(const dnnl_memory_desc_t *of)
{
    return layout(of->ndims, of->dims, dnnl_format_tag_any);
}

static dnnl_memory_desc_t
plain_layout(const dnnl_memory_desc_t *of)
{
    static const dnnl_format_tag_t TAGS[] = {dnnl_format_tag_undef, dnnl_a, dnnl_ab, dnnl_abc,
                                             dnnl_abcd};
    return layout(of->ndims, of->dims, TAGS[of->ndims]);
}

static dnnl_memory_desc_t
asked(const_dnnl_primitive_desc_t what, dnnl_query_t query)
{
    return *dnnl_primitive_desc_query_md(what, query, 0);
}

static tensor_t
new_tensor(dnnl_memory_desc_t with)
{
    tensor_t tensor = {.layout = with};
    void *data;
    CHECK(dnnl_memory_create(&tensor.memory, &with, engine, DNNL_MEMORY_ALLOCATE));
    CHECK(dnnl_memory_get_data_handle(tensor.memory, &data));
    tensor.data = memset(data, 0, dnnl_memory_desc_get_size(&with));
    return tensor;
}

/* Operations. */

static void
add_op(ops_t *ops, dnnl_primitive_desc_t what, int n, const dnnl_exec_arg_t *args)
{
    op_t *op = &ops->ops[ops->n++];
    CHECK(dnnl_primitive_create(&op->primitive, what));
    op->n = n;
    memcpy(op->args, args, (size_t)n * sizeof *args);
}

static void
run(const ops_t *ops)
{
    for (int i = 0; i < ops->n; i++)
        CHECK(
            dnnl_primitive_execute(ops->ops[i].primitive, stream, ops->ops[i].n, ops->ops[i].args));
    CHECK(dnnl_stream_wait(stream));
}

static void
add_reorder(ops_t *ops, tensor_t from, tensor_t to)
{
    dnnl_primitive_desc_t what;
    CHECK(
        dnnl_reorder_primitive_desc_create(&what, &from.layout, engine, &to.layout, engine, NULL));
    add_op(ops, what, 2,
           (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from.memory}, {DNNL_ARG_TO, to.memory}});
}

/* The tensor in the layout wanted: itself, or another that OPS fills from it. */
static tensor_t
in_layout(ops_t *ops, tensor_t tensor, dnnl_memory_desc_t wanted)
{
    if (dnnl_memory_desc_equal(&tensor.layout, &wanted))
        return tensor;
    tensor_t result = new_tensor(wanted);
    add_reorder(ops, tensor, result);
    return result;
}

static dnnl_primitive_desc_t
describe(const void *what, dnnl_primitive_attr_t attributes, const_dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t result;
    CHECK(dnnl_primitive_desc_create(&result, what, attributes, engine, hint));
    return result;
}

static dnnl_primitive_attr_t
with_relu(void)
{
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after;
    CHECK(dnnl_primitive_attr_create(&attributes));
    CHECK(dnnl_post_ops_create(&after));
    CHECK(dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0));
    CHECK(dnnl_primitive_attr_set_post_ops(attributes, after));
    return attributes;
}

/* A parameter in this layout, drawn as PyTorch draws it. */
static parameter_t *
new_parameter(dnnl_memory_desc_t with, double fan_in)
{
    parameter_t *parameter = &parameters[n_parameters];
    tensor_t plain = new_tensor(plain_layout(&with));
    ops_t fill = {0};
    rng_t rng;
    rng_seed(&rng, 1, RNG_WEIGHTS, (uint64_t)n_parameters++);
    for (size_t i = 0; i < dnnl_memory_desc_get_size(&plain.layout) / sizeof(float); i++)
        plain.data[i] = (float)((2 * rng_uniform(&rng) - 1) / sqrt(fan_in));
    parameter->weight = new_tensor(with);
    add_reorder(&fill, plain, parameter->weight);
    run(&fill);
    parameter->velocity = calloc(1, dnnl_memory_desc_get_size(&with));
    return parameter;
}

/* One layer with weights: a convolution of 5 by 5, or dense; what its backward pass needs to know.
 */
typedef struct {
    bool is_conv;
    dnnl_primitive_desc_t what;
    tensor_t x, y;
    parameter_t *weight, *bias;
} layer_t;

static const dnnl_dims_t ONE = {1, 1}, TWO = {2, 2}, NONE = {0, 0};

static layer_t
add_layer(bool is_conv, tensor_t x, int outputs, bool has_relu)
{
    layer_t layer = {.is_conv = is_conv};
    const dnnl_dim_t *in = x.layout.dims;
    dnnl_dims_t w = {outputs, in[1], is_conv ? 5 : in[2], is_conv ? 5 : in[3]};
    dnnl_dims_t y = {in[0], outputs, in[2] - 4, in[3] - 4}, b = {outputs};
    int n_dims = x.layout.ndims;
    dnnl_memory_desc_t x_any = any_layout(&x.layout),
                       w_any = layout(n_dims, w, dnnl_format_tag_any);
    dnnl_memory_desc_t b_plain = layout(1, b, dnnl_a);
    dnnl_memory_desc_t y_any = layout(is_conv ? 4 : 2, y, dnnl_format_tag_any);
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t dense;
    if (is_conv)
        CHECK(dnnl_convolution_forward_desc_init(&conv, dnnl_forward_training,
                                                 dnnl_convolution_auto, &x_any, &w_any, &b_plain,
                                                 &y_any, ONE, NONE, NONE));
    else
        CHECK(dnnl_inner_product_forward_desc_init(&dense, dnnl_forward_training, &x_any, &w_any,
                                                   &b_plain, &y_any));
    layer.what = describe(is_conv ? (void *)&conv : &dense, has_relu ? with_relu() : NULL, NULL);
    double fan_in = 1;
    for (int d = 1; d < n_dims; d++)
        fan_in *= (double)w[d];
    layer.weight = new_parameter(asked(layer.what, dnnl_query_weights_md), fan_in);
    layer.bias = new_parameter(b_plain, fan_in);
    layer.x = in_layout(&forward_ops, x, asked(layer.what, dnnl_query_src_md));
    layer.y = new_tensor(asked(layer.what, dnnl_query_dst_md));
    add_op(&forward_ops, layer.what, 4,
           (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, layer.x.memory},
                               {DNNL_ARG_WEIGHTS, layer.weight->weight.memory},
                               {DNNL_ARG_BIAS, layer.bias->weight.memory},
                               {DNNL_ARG_DST, layer.y.memory}});
    return layer;
}

static void
add_weight_gradient(const layer_t *layer, tensor_t dy)
{
    dnnl_memory_desc_t x = any_layout(&layer->x.layout),
                       w = any_layout(&layer->weight->weight.layout);
    dnnl_memory_desc_t y = any_layout(&dy.layout), b = layer->bias->weight.layout;
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t dense;
    if (layer->is_conv)
        CHECK(dnnl_convolution_backward_weights_desc_init(&conv, dnnl_convolution_auto, &x, &w, &b,
                                                          &y, ONE, NONE, NONE));
    else
        CHECK(dnnl_inner_product_backward_weights_desc_init(&dense, &x, &w, &b, &y));
    dnnl_primitive_desc_t what =
        describe(layer->is_conv ? (void *)&conv : &dense, NULL, layer->what);
    tensor_t x_here = in_layout(&backward_ops, layer->x, asked(what, dnnl_query_src_md));
    tensor_t y_here = in_layout(&backward_ops, dy, asked(what, dnnl_query_diff_dst_md));
    tensor_t gradient = new_tensor(asked(what, dnnl_query_diff_weights_md));
    layer->bias->gradient = new_tensor(b);
    add_op(&backward_ops, what, 4,
           (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, x_here.memory},
                               {DNNL_ARG_DIFF_DST, y_here.memory},
                               {DNNL_ARG_DIFF_WEIGHTS, gradient.memory},
                               {DNNL_ARG_DIFF_BIAS, layer->bias->gradient.memory}});
    layer->weight->gradient = in_layout(&backward_ops, gradient, layer->weight->weight.layout);
}

static tensor_t
add_input_gradient(const layer_t *layer, tensor_t dy)
{
    dnnl_memory_desc_t x = any_layout(&layer->x.layout),
                       w = any_layout(&layer->weight->weight.layout);
    dnnl_memory_desc_t y = any_layout(&dy.layout);
    dnnl_convolution_desc_t conv;
    dnnl_inner_product_desc_t dense;
    if (layer->is_conv)
        CHECK(dnnl_convolution_backward_data_desc_init(&conv, dnnl_convolution_auto, &x, &w, &y,
                                                       ONE, NONE, NONE));
    else
        CHECK(dnnl_inner_product_backward_data_desc_init(&dense, &x, &w, &y));
    dnnl_primitive_desc_t what =
        describe(layer->is_conv ? (void *)&conv : &dense, NULL, layer->what);
    tensor_t w_here =
        in_layout(&backward_ops, layer->weight->weight, asked(what, dnnl_query_weights_md));
    tensor_t y_here = in_layout(&backward_ops, dy, asked(what, dnnl_query_diff_dst_md));
    tensor_t dx = new_tensor(asked(what, dnnl_query_diff_src_md));
    add_op(&backward_ops, what, 3,
           (dnnl_exec_arg_t[]){{DNNL_ARG_DIFF_DST, y_here.memory},
                               {DNNL_ARG_WEIGHTS, w_here.memory},
                               {DNNL_ARG_DIFF_SRC, dx.memory}});
    return dx;
}

/* dy behind a fused relu, from what relu put out. */
static tensor_t
add_relu_gradient(tensor_t y, tensor_t dy)
{
    dnnl_eltwise_desc_t forward, backward;
    CHECK(dnnl_eltwise_forward_desc_init(&forward, dnnl_forward_training,
                                         dnnl_eltwise_relu_use_dst_for_bwd, &y.layout, 0, 0));
    dnnl_primitive_desc_t hint = describe(&forward, NULL, NULL);
    tensor_t here = in_layout(&backward_ops, dy, y.layout);
    CHECK(dnnl_eltwise_backward_desc_init(&backward, dnnl_eltwise_relu_use_dst_for_bwd,
                                          &here.layout, &y.layout, 0, 0));
    add_op(&backward_ops, describe(&backward, NULL, hint), 3,
           (dnnl_exec_arg_t[]){{DNNL_ARG_DST, y.memory},
                               {DNNL_ARG_DIFF_DST, here.memory},
                               {DNNL_ARG_DIFF_SRC, here.memory}});
    return here;
}

typedef struct {
    dnnl_primitive_desc_t what;
    tensor_t x, y, workspace;
} pool_t;

static pool_t
add_pool(tensor_t x)
{
    pool_t pool = {.x = x};
    const dnnl_dim_t *in = x.layout.dims;
    dnnl_dims_t y = {in[0], in[1], in[2] / 2, in[3] / 2};
    dnnl_memory_desc_t y_any = layout(4, y, dnnl_format_tag_any);
    dnnl_pooling_desc_t max;
    CHECK(dnnl_pooling_forward_desc_init(&max, dnnl_forward_training, dnnl_pooling_max, &x.layout,
                                         &y_any, TWO, TWO, NONE, NONE));
    pool.what = describe(&max, NULL, NULL);
    pool.y = new_tensor(asked(pool.what, dnnl_query_dst_md));
    pool.workspace = new_tensor(asked(pool.what, dnnl_query_workspace_md));
    add_op(&forward_ops, pool.what, 3,
           (dnnl_exec_arg_t[]){{DNNL_ARG_SRC, x.memory},
                               {DNNL_ARG_DST, pool.y.memory},
                               {DNNL_ARG_WORKSPACE, pool.workspace.memory}});
    return pool;
}

static tensor_t
add_pool_gradient(const pool_t *pool, tensor_t dy)
{
    dnnl_pooling_desc_t max;
    CHECK(dnnl_pooling_backward_desc_init(&max, dnnl_pooling_max, &pool->x.layout, &pool->y.layout,
                                          TWO, TWO, NONE, NONE));
    dnnl_primitive_desc_t what = describe(&max, NULL, pool->what);
    tensor_t here = in_layout(&backward_ops, dy, asked(what, dnnl_query_diff_dst_md));
    tensor_t dx = new_tensor(asked(what, dnnl_query_diff_src_md));
    add_op(&backward_ops, what, 3,
           (dnnl_exec_arg_t[]){{DNNL_ARG_DIFF_DST, here.memory},
                               {DNNL_ARG_DIFF_SRC, dx.memory},
                               {DNNL_ARG_WORKSPACE, pool->workspace.memory}});
    return dx;
}

/* The whole net: where its input and its logits are, and where the logits' gradient goes. */
typedef struct {
    int batch;
    tensor_t x, logits, dlogits;
} net_t;

static net_t
build(int batch)
{
    dnnl_dims_t in = {batch, SHAPE.channels, SHAPE.height, SHAPE.width}, out = {batch, CLASSES};
    net_t net = {.batch = batch, .x = new_tensor(layout(4, in, dnnl_abcd))};
    layer_t conv1 = add_layer(true, net.x, 6, true);
    pool_t pool1 = add_pool(conv1.y);
    layer_t conv2 = add_layer(true, pool1.y, 16, true);
    pool_t pool2 = add_pool(conv2.y);
    layer_t fc1 = add_layer(false, pool2.y, 120, true);
    layer_t fc2 = add_layer(false, fc1.y, 84, true);
    layer_t fc3 = add_layer(false, fc2.y, CLASSES, false);
    dnnl_memory_desc_t plain = layout(2, out, dnnl_ab);
    net.logits = in_layout(&forward_ops, fc3.y, plain);
    net.dlogits = new_tensor(plain);
    tensor_t d = net.dlogits;
    add_weight_gradient(&fc3, d);
    d = add_relu_gradient(fc2.y, add_input_gradient(&fc3, d));
    add_weight_gradient(&fc2, d);
    d = add_relu_gradient(fc1.y, add_input_gradient(&fc2, d));
    add_weight_gradient(&fc1, d);
    d = add_relu_gradient(conv2.y, add_pool_gradient(&pool2, add_input_gradient(&fc1, d)));
    add_weight_gradient(&conv2, d);
    d = add_relu_gradient(conv1.y, add_pool_gradient(&pool1, add_input_gradient(&conv2, d)));
    add_weight_gradient(&conv1, d);
    return net;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
static void
update(float *restrict w, float *restrict v, const float *restrict g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = MOMENTUM * v[i] + g[i];
        w[i] -= RATE * v[i];
    }
}

/* One step; the sum of the losses. IMAGES are whole sets of floats, chosen by INDICES. */
static double
step(net_t *net, const float *images, const dataset_t *set, const uint32_t *indices)
{
    size_t count = image_count(SHAPE);
    double sum = 0;
    for (int n = 0; n < net->batch; n++)
        memcpy(net->x.data + (size_t)n * count, images + indices[n] * count, count * sizeof(float));
    run(&forward_ops);
    for (int n = 0; n < net->batch; n++)
        sum += softmax_loss(net->logits.data + n * CLASSES, CLASSES,
                            dataset_label(set, DATASET_TRAIN, indices[n]), 1.0f / (float)net->batch,
                            net->dlogits.data + n * CLASSES);
    run(&backward_ops);
    for (int p = 0; p < n_parameters; p++)
        update(parameters[p].weight.data, parameters[p].velocity, parameters[p].gradient.data,
               dnnl_memory_desc_get_size(&parameters[p].weight.layout) / sizeof(float));
    return sum;
}

static double
now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static float *
read_images(const dataset_t *set)
{
    size_t count = image_count(SHAPE), n = dataset_length(set, DATASET_TRAIN);
    float *images = engine_alloc(n * count * sizeof(float));
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < count; p++)
            images[i * count + p] =
                ((float)dataset_image(set, DATASET_TRAIN, i)[p] / 255 - 0.5f) / 0.5f;
    return images;
}

int
main(int argc, char **argv)
{
    if (argc != 5 || strcmp(argv[2], "lenet") != 0) {
        fprintf(stderr, "usage: bench_onednn DATA lenet BATCH THREADS\n");
        return 2;
    }
    /* The library's threads are OpenMP's, which looks at the environment before main. */
    const char *threads = getenv("OMP_NUM_THREADS");
    if (!threads || strcmp(threads, argv[4]) != 0) {
        setenv("OMP_NUM_THREADS", argv[4], 1);
        execv("/proc/self/exe", argv);
    }
    engine_error_t error;
    dataset_t *set = NULL;
    if (dataset_open(&set, argv[1], SHAPE, CLASSES, &error)) {
        fprintf(stderr, "bench_onednn: %s\n", error.text);
        return 1;
    }
    CHECK(dnnl_engine_create(&engine, dnnl_cpu, 0));
    CHECK(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    net_t net = build(atoi(argv[3]));
    float *images = read_images(set);
    uint32_t length = (uint32_t)dataset_length(set, DATASET_TRAIN), at = length;
    uint32_t *order = engine_alloc(length * sizeof(uint32_t));
    rng_t rng;
    rng_seed(&rng, 1, RNG_PERMUTATION, 0);
    for (uint32_t i = 0; i < length; i++)
        order[i] = i;
    const dnnl_version_t *version = dnnl_version();
    printf("ready oneDNN %d.%d.%d\n", version->major, version->minor, version->patch);
    fflush(stdout);
    char line[64];
    size_t samples;
    while (fgets(line, sizeof line, stdin) && sscanf(line, "train %zu", &samples) == 1) {
        double start = now(CLOCK_MONOTONIC), start_cpu = now(CLOCK_PROCESS_CPUTIME_ID), sum = 0;
        size_t done = 0;
        for (; done < samples; done += (size_t)net.batch, at += (uint32_t)net.batch) {
            if (at + (uint32_t)net.batch > length) {
                rng_shuffle(&rng, order, length);
                at = 0;
            }
            sum += step(&net, images, set, order + at);
        }
        printf("%.6f %.6f %.6f\n", now(CLOCK_MONOTONIC) - start,
               now(CLOCK_PROCESS_CPUTIME_ID) - start_cpu, sum / (double)done);
        fflush(stdout);
    }
    dataset_close(&set);
    return 0;
}
