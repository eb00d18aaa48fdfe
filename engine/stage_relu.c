/* engine/stage_relu.c - what works element by element: relu on its own, and dropout. */
#include "engine/rng.h"
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

void
stage_mask_relu(const float *restrict y, float *restrict dy, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float slope = dy[i];
        dy[i] = y[i] > 0 ? slope : 0;
    }
}

static void
relu_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    size_t n = (size_t)count * image_count(stage->out);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

static void
relu_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    int first, end;
    pass_images(pass, piece, &first, &end);
    size_t at = (size_t)first * image_count(stage->out);
    relu_infer(stage, stage->x + at, stage->y + at, end - first, thread);
}

/* Without a branch on y, which is as good as random. */
static void
hand_down(const float *restrict y, const float *restrict dy, float *restrict dx, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float slope = dy[i];
        dx[i] = y[i] > 0 ? slope : 0;
    }
}

static void
relu_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    size_t count = image_count(stage->out);
    pass_images(pass, piece, &first, &end);
    size_t at = (size_t)first * count;
    if (stage->dx)
        hand_down(stage->y + at, stage->dy + at, stage->dx + at, (size_t)(end - first) * count);
}

static const stage_ops_t RELU_OPS = {
    .infer = relu_infer,
    .forward = {{.run = relu_forward}},
    .backward = {{.run = relu_backward}},
};

void
stage_relu(stage_t *stage)
{
    stage->ops = &RELU_OPS;
}

/* The factor on element INDEX of the batch: 0, or 1/(1 - rate). A hash and not a sequence, so that
 * any thread may ask for any element, and the backward pass may ask again. */
static float
dropout_factor(const stage_t *stage, const pass_t *pass, size_t index)
{
    index += (size_t)pass->first * image_count(stage->out);
    float rate = stage->spec->layers[stage->layer].rate;
    uint64_t hash = rng_mix(rng_mix(pass->mask_seed + (uint64_t)stage->layer) + index);
    float uniform = (float)(hash >> 40) * 0x1p-24f;
    return uniform < rate ? 0 : 1 / (1 - rate);
}

static void
dropout_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    memcpy(y, x, (size_t)count * image_count(stage->out) * sizeof(float));
}

static void
dropout_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    size_t count = image_count(stage->out);
    pass_images(pass, piece, &first, &end);
    for (size_t i = (size_t)first * count; i < (size_t)end * count; i++)
        stage->y[i] = stage->x[i] * dropout_factor(stage, pass, i);
}

static void
dropout_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    size_t count = image_count(stage->out);
    pass_images(pass, piece, &first, &end);
    if (!stage->dx)
        return;
    for (size_t i = (size_t)first * count; i < (size_t)end * count; i++)
        stage->dx[i] = stage->dy[i] * dropout_factor(stage, pass, i);
}

static const stage_ops_t DROPOUT_OPS = {
    .infer = dropout_infer,
    .forward = {{.run = dropout_forward}},
    .backward = {{.run = dropout_backward}},
};

void
stage_dropout(stage_t *stage)
{
    stage->ops = &DROPOUT_OPS;
}
