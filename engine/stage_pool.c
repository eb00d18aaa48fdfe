/* engine/stage_pool.c - maximum and average over windows of any size, stride and padding. */
#include "engine/spec.h"
#include "engine/stage.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Letters: C planes of H by W in, P by Q out, windows of R by R. */
typedef struct {
    int C, H, W, R, P, Q, stride, padding;
    int32_t
        *winners; /* (batch_max, C, P, Q): where in its plane each maximum was; max-pool alone */
} pool_t;

/* The part of a window along one side that lies in the plane. */
static void
window(const pool_t *pool, int index, int size, int *first, int *end)
{
    int at = index * pool->stride - pool->padding;
    *first = at > 0 ? at : 0;
    *end = at + pool->R < size ? at + pool->R : size;
}

/* The first of several equal maxima wins, as in PyTorch; so does a NaN. Returns its place in the
 * plane. */
static int32_t
window_maximum(const pool_t *pool, const float *x, int i, int j)
{
    int top, bottom, left, right;
    window(pool, i, pool->H, &top, &bottom);
    window(pool, j, pool->W, &left, &right);
    int32_t winner = top * pool->W + left;
    for (int u = top; u < bottom; u++)
        for (int v = left; v < right; v++) {
            float value = x[u * pool->W + v];
            if (value > x[winner] || value != value)
                winner = u * pool->W + v;
        }
    return winner;
}

static bool
is_of_pairs(const pool_t *pool)
{
    return pool->R == 2 && pool->stride == 2 && pool->padding == 0;
}

/* The usual window, 2 by 2 side by side: without branches, which would be guessed wrong half the
 * time. */
static void
max_image_of_pairs(const pool_t *pool, const float *restrict x, float *restrict y,
                   int32_t *restrict winners)
{
    int W = pool->W;
    for (int c = 0; c < pool->C; c++, x += (ptrdiff_t)pool->H * W)
        for (int i = 0; i < pool->P; i++) {
            const float *top = x + (ptrdiff_t)2 * i * W, *bottom = top + W;
            for (int j = 0; j < pool->Q; j++) {
                float a = top[2 * j], b = top[2 * j + 1], d = bottom[2 * j], e = bottom[2 * j + 1];
                bool right = b > a, right_below = e > d;
                float upper = right ? b : a, lower = right_below ? e : d;
                bool below = lower > upper;
                *y++ = below ? lower : upper;
                if (winners)
                    *winners++ = 2 * i * W + 2 * j + (below ? W + right_below : right);
            }
        }
}

static void
max_image(const pool_t *pool, const float *x, float *y, int32_t *winners)
{
    for (int c = 0; c < pool->C; c++, x += (ptrdiff_t)pool->H * pool->W)
        for (int i = 0; i < pool->P; i++)
            for (int j = 0; j < pool->Q; j++) {
                int32_t winner = window_maximum(pool, x, i, j);
                *y++ = x[winner];
                if (winners)
                    *winners++ = winner;
            }
}

static void
max_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    const pool_t *pool = stage->own;
    for (int n = 0; n < count; n++)
        (is_of_pairs(pool) ? max_image_of_pairs
                           : max_image)(pool, x + (size_t)n * image_count(stage->in),
                                        y + (size_t)n * image_count(stage->out), NULL);
}

static void
max_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const pool_t *pool = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    int first, end;
    pass_images(pass, piece, &first, &end);
    for (int n = first; n < end; n++)
        (is_of_pairs(pool) ? max_image_of_pairs : max_image)(pool, stage->x + (size_t)n * in,
                                                             stage->y + (size_t)n * out,
                                                             pool->winners + (size_t)n * out);
}

static void
max_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const pool_t *pool = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    int first, end, PQ = pool->P * pool->Q;
    pass_images(pass, piece, &first, &end);
    for (int n = first; n < end && stage->dx; n++) {
        float *dx = memset(stage->dx + (size_t)n * in, 0, in * sizeof(float));
        const float *dy = stage->dy + (size_t)n * out;
        const int32_t *winners = pool->winners + (size_t)n * out;
        for (int c = 0; c < pool->C; c++, dx += (ptrdiff_t)pool->H * pool->W)
            for (int j = 0; j < PQ; j++)
                dx[*winners++] += *dy++;
    }
}

/* Padding counts in the divisor, as in PyTorch's default. */
static void
avg_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    const pool_t *pool = stage->own;
    float scale = 1.0f / (float)(pool->R * pool->R);
    int top, bottom, left, right;
    for (int c = 0; c < count * pool->C; c++, x += (ptrdiff_t)pool->H * pool->W)
        for (int i = 0; i < pool->P; i++)
            for (int j = 0; j < pool->Q; j++) {
                window(pool, i, pool->H, &top, &bottom);
                window(pool, j, pool->W, &left, &right);
                float sum = 0;
                for (int u = top; u < bottom; u++)
                    for (int v = left; v < right; v++)
                        sum += x[u * pool->W + v];
                *y++ = sum * scale;
            }
}

static void
avg_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    int first, end;
    pass_images(pass, piece, &first, &end);
    avg_infer(stage, stage->x + (size_t)first * image_count(stage->in),
              stage->y + (size_t)first * image_count(stage->out), end - first, thread);
}

static void
avg_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const pool_t *pool = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    float scale = 1.0f / (float)(pool->R * pool->R);
    int first, end, top, bottom, left, right;
    pass_images(pass, piece, &first, &end);
    if (!stage->dx)
        return;
    float *dx = stage->dx + (size_t)first * in;
    const float *dy = stage->dy + (size_t)first * out;
    memset(dx, 0, (size_t)(end - first) * in * sizeof(float));
    for (int c = 0; c < (end - first) * pool->C; c++, dx += (ptrdiff_t)pool->H * pool->W)
        for (int i = 0; i < pool->P; i++)
            for (int j = 0; j < pool->Q; j++) {
                window(pool, i, pool->H, &top, &bottom);
                window(pool, j, pool->W, &left, &right);
                float share = *dy++ * scale;
                for (int u = top; u < bottom; u++)
                    for (int v = left; v < right; v++)
                        dx[u * pool->W + v] += share;
            }
}

static pool_t *
make_pool(stage_t *stage)
{
    const layer_spec_t *layer = &stage->spec->layers[stage->layer];
    pool_t *pool = engine_alloc(sizeof *pool);
    *pool = (pool_t){
        .C = stage->in.channels,
        .H = stage->in.height,
        .W = stage->in.width,
        .R = layer->kernel,
        .P = stage->out.height,
        .Q = stage->out.width,
        .stride = spec_stride(layer),
        .padding = layer->padding,
    };
    stage->own = pool;
    return pool;
}

static void
max_free(stage_t *stage)
{
    pool_t *pool = stage->own;
    free(pool->winners);
    free(pool);
}

static const stage_ops_t MAX_OPS = {
    .infer = max_infer,
    .forward = {{.run = max_forward}},
    .backward = {{.run = max_backward}},
    .free = max_free,
};

static const stage_ops_t AVG_OPS = {
    .infer = avg_infer,
    .forward = {{.run = avg_forward}},
    .backward = {{.run = avg_backward}},
};

void
stage_max_pool(stage_t *stage)
{
    pool_t *pool = make_pool(stage);
    size_t count = (size_t)stage->batch_max * image_count(stage->out);
    pool->winners = engine_alloc(count * sizeof(int32_t));
    stage->ops = &MAX_OPS;
}

void
stage_avg_pool(stage_t *stage)
{
    make_pool(stage);
    stage->ops = &AVG_OPS;
}
