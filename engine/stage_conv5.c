/* engine/stage_conv5.c - convolution of 5 by 5, relu and max-pool of 2 by 2 as one stage
 * (engine/conv5.h).
 *
 * The kernels want the filters packed, and padded. Each thread makes copies of its own, when it
 * comes to its first image after the filters may have changed: to fetch what another thread has
 * written takes longer than to make it (two threads took 18 us of processor time to share what one
 * alone did in 7, in a step of the paper's net), and nobody has to wait. */
#include "engine/kernels.h"
#include "engine/stage.h"

#include <stdalign.h>
#include <stdlib.h>

/* Above this the packed filters no longer stay near the processor, and a matrix product is the
 * better way. */
enum { PACKED_MAX = 32 * 1024 };

/* The filters as the kernels want them, and which of the stage's `renewals` they were made after.
 */
typedef struct {
    alignas(64) float *packed; /* no line of the cache is two threads' */
    float *padded;
    uint64_t packed_after, padded_after;
} copies_t;

typedef struct {
    conv5_t conv;
    const kernels_t *kernels;
    uint64_t renewals;
    copies_t *copies; /* (threads) */
    int32_t *winners; /* (batch_max, K, I, J) */
    float *sums;      /* of the pieces' gradients: (K) of conv5_gradient_count */
} own_t;

static void
conv5_renew(stage_t *stage)
{
    own_t *own = stage->own;
    own->renewals++;
}

static const float *
packed(const stage_t *stage, int thread)
{
    const own_t *own = stage->own;
    copies_t *copies = &own->copies[thread];
    if (copies->packed_after != own->renewals)
        own->kernels->conv5_pack(&own->conv, stage->parameters, copies->packed);
    copies->packed_after = own->renewals;
    return copies->packed;
}

static const float *
padded(const stage_t *stage, int thread)
{
    const own_t *own = stage->own;
    copies_t *copies = &own->copies[thread];
    if (copies->padded_after != own->renewals)
        own->kernels->conv5_pad(&own->conv, stage->parameters, copies->padded);
    copies->padded_after = own->renewals;
    return copies->padded;
}

static const float *
bias(const stage_t *stage)
{
    return stage->parameters + 25 * (ptrdiff_t)stage->in.channels * stage->out.channels;
}

static void
conv5_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    const own_t *own = stage->own;
    for (int n = 0; n < count; n++)
        own->kernels->conv5_forward(&own->conv, packed(stage, thread), bias(stage),
                                    x + (size_t)n * image_count(stage->in), stage->scratch[thread],
                                    y + (size_t)n * image_count(stage->out), NULL);
}

static void
conv5_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    const own_t *own = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    int first, end;
    pass_images(pass, piece, &first, &end);
    for (int n = first; n < end; n++)
        own->kernels->conv5_forward(&own->conv, packed(stage, thread), bias(stage),
                                    stage->x + (size_t)n * in, stage->scratch[thread],
                                    stage->y + (size_t)n * out, own->winners + (size_t)n * out);
}

static void
conv5_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    const own_t *own = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    int first, end;
    pass_images(pass, piece, &first, &end);
    for (int n = first; n < end; n++)
        own->kernels->conv5_input_gradient(&own->conv, padded(stage, thread),
                                           stage->y + (size_t)n * out, stage->dy + (size_t)n * out,
                                           own->winners + (size_t)n * out, stage->scratch[thread],
                                           stage->dx + (size_t)n * in);
}

static void
conv5_gradient(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    const own_t *own = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    float *dw = stage_partial(stage, pass, piece);
    float *db = dw + conv5_gradient_count(&own->conv) * (size_t)own->conv.K;
    int first, end;
    pass_images(pass, piece, &first, &end);
    for (int n = first; n < end; n++)
        own->kernels->conv5_weight_gradient(&own->conv, stage->x + (size_t)n * in,
                                            stage->y + (size_t)n * out, stage->dy + (size_t)n * out,
                                            own->winners + (size_t)n * out, stage->scratch[thread],
                                            dw, db);
}

/* Filters a piece of the weight phase. */
enum { FILTERS_EACH = 8 };

static int
filter_pieces(const stage_t *stage, const pass_t *pass)
{
    return pass_is_last(pass) ? (stage->out.channels + FILTERS_EACH - 1) / FILTERS_EACH : 0;
}

/* Adds up the partial gradients of some filters, brings them from channel-last rows into the
 * order of the block, and updates. */
static void
conv5_weights(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const own_t *own = stage->own;
    const conv5_t *conv = &own->conv;
    size_t C = (size_t)conv->C, K = (size_t)conv->K, depth = (size_t)conv->depth;
    size_t count = conv5_gradient_count(conv), pitch = conv5_gradient_pitch(conv);
    size_t first = (size_t)piece * FILTERS_EACH, end = first + FILTERS_EACH;
    end = end < K ? end : K;
    float *sums = own->sums + first * count, *dw = stage->gradients + 25 * C * first;
    stage_add_partials(stage, pass, first * count, end * count, sums);
    for (size_t k = first; k < end; k++, sums += count)
        for (size_t c = 0; c < C; c++)
            for (size_t u = 0; u < 5; u++, dw += 5)
                for (size_t v = 0; v < 5; v++)
                    dw[v] = sums[u * pitch + v * depth + c];
    stage_add_partials(stage, pass, K * count + first, K * count + end,
                       stage->gradients + 25 * C * K + first);
    stage_update(stage, pass, 25 * C * first, 25 * C * end);
    stage_update(stage, pass, 25 * C * K + first, 25 * C * K + end);
}

static void
conv5_free(stage_t *stage)
{
    own_t *own = stage->own;
    for (int t = 0; t < stage->threads; t++) {
        free(own->copies[t].packed);
        free(own->copies[t].padded);
    }
    free(own->copies);
    free(own->sums);
    free(own->winners);
    free(own);
}

static const stage_ops_t CONV5_OPS = {
    .renew = conv5_renew,
    .infer = conv5_infer,
    .forward = {{.run = conv5_forward}},
    .backward = {{.run = conv5_backward}},
    .gradient = {.run = conv5_gradient},
    .weights = {.run = conv5_weights, .pieces = filter_pieces},
    .free = conv5_free,
};

bool
stage_conv5_takes(const network_spec_t *spec, int first, image_shape_t in)
{
    const layer_spec_t *layer = &spec->layers[first];
    if (first + 2 >= spec->n_layers || layer[0].kind != LAYER_CONV || layer[1].kind != LAYER_RELU ||
        layer[2].kind != LAYER_MAX_POOL)
        return false;
    bool is_conv5 = layer[0].kernel == 5 && layer[0].stride <= 1 && layer[0].padding == 0;
    bool is_pool2 = layer[2].kernel == 2 && (layer[2].stride == 0 || layer[2].stride == 2) &&
                    layer[2].padding == 0;
    if (!is_conv5 || !is_pool2 || in.height < 6 || in.width < 6)
        return false;
    conv5_t conv = conv5_shape(in, layer[0].outputs);
    return conv5_packed_count(&conv) <= PACKED_MAX && image_count(in) <= 1 << 20;
}

void
stage_conv5(stage_t *stage)
{
    own_t *own = engine_alloc(sizeof *own);
    own->conv = conv5_shape(stage->in, stage->out.channels);
    own->kernels = kernels();
    size_t out = image_count(stage->out);
    own->copies = engine_alloc((size_t)stage->threads * sizeof(copies_t));
    for (int t = 0; t < stage->threads; t++) {
        own->copies[t].packed = engine_alloc(conv5_packed_count(&own->conv) * sizeof(float));
        own->copies[t].padded = engine_alloc(conv5_padded_count(&own->conv) * sizeof(float));
    }
    own->winners = engine_alloc((size_t)stage->batch_max * out * sizeof(int32_t));
    own->sums =
        engine_alloc(conv5_gradient_count(&own->conv) * (size_t)own->conv.K * sizeof(float));
    stage->scratch_count = conv5_scratch_count(&own->conv);
    stage->ops = &CONV5_OPS;
    stage->own = own;
    stage_partials(stage, (conv5_gradient_count(&own->conv) + 1) * (size_t)own->conv.K);
}
