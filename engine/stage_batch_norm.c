/* engine/stage_batch_norm.c - batch normalisation, https://arxiv.org/abs/1502.03167, algorithm 1.
 *
 * For each channel, over the M values it has in the batch: z = (x - mean)/sqrt(variance + epsilon),
 * y = gamma z + beta. Backward (the paper's section 3, gathered): with dg = sum dy z, db = sum dy,
 *
 *     dx = gamma/sqrt(variance + epsilon) (dy - db/M - z dg/M)
 *
 * Everything is cut by channel, since a channel's sums run over the whole batch. Sums are in
 * double. */
#include "engine/stage.h"

#include <math.h>
#include <stdlib.h>

static const double EPSILON = 1e-5, MOMENTUM = 0.1; /* PyTorch's defaults */

enum { PIECES_MAX = 16 };

/* (C) each, of the batch that was last seen. */
typedef struct {
    float *mean;
    float *scale; /* 1/sqrt(variance + epsilon) */
} batch_norm_t;

static int
channels_each(const stage_t *stage)
{
    return (stage->in.channels + PIECES_MAX - 1) / PIECES_MAX;
}

static int
channel_pieces(const stage_t *stage, const pass_t *pass)
{
    (void)pass;
    return (stage->in.channels + channels_each(stage) - 1) / channels_each(stage);
}

static int
last_channel(const stage_t *stage, int piece)
{
    int end = (piece + 1) * channels_each(stage);
    return end < stage->in.channels ? end : stage->in.channels;
}

static size_t
plane_count(const stage_t *stage)
{
    return (size_t)stage->in.height * (size_t)stage->in.width;
}

/* Where channel c of image n starts. */
static size_t
plane(const stage_t *stage, int n, int c)
{
    return ((size_t)n * (size_t)stage->in.channels + (size_t)c) * plane_count(stage);
}

static void
measure(stage_t *stage, const pass_t *pass, int c)
{
    batch_norm_t *norm = stage->own;
    int C = stage->in.channels;
    float *running_mean = stage->parameters + 2 * (ptrdiff_t)C + c, *running_var = running_mean + C;
    double sum = 0, squares = 0;
    size_t HW = plane_count(stage);
    for (int n = 0; n < pass->n; n++) {
        const float *x = stage->x + plane(stage, n, c);
        for (size_t i = 0; i < HW; i++)
            sum += (double)x[i];
    }
    double M = (double)pass->n * (double)HW, mean = sum / M;
    for (int n = 0; n < pass->n; n++) {
        const float *x = stage->x + plane(stage, n, c);
        for (size_t i = 0; i < HW; i++)
            squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    }
    norm->mean[c] = (float)mean;
    norm->scale[c] = (float)(1 / sqrt(squares / M + EPSILON));
    /* The running variance is the unbiased one, as PyTorch keeps it. */
    double variance = M > 1 ? squares / (M - 1) : 0;
    *running_mean = (float)((1 - MOMENTUM) * (double)*running_mean + MOMENTUM * mean);
    *running_var = (float)((1 - MOMENTUM) * (double)*running_var + MOMENTUM * variance);
}

static void
norm_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const batch_norm_t *norm = stage->own;
    const float *gamma = stage->parameters, *beta = gamma + stage->in.channels;
    size_t HW = plane_count(stage);
    for (int c = piece * channels_each(stage); c < last_channel(stage, piece); c++) {
        measure(stage, pass, c);
        float mean = norm->mean[c], scale = norm->scale[c] * gamma[c], shift = beta[c];
        for (int n = 0; n < pass->n; n++) {
            size_t at = plane(stage, n, c);
            for (size_t i = at; i < at + HW; i++)
                stage->y[i] = (stage->x[i] - mean) * scale + shift;
        }
    }
}

static void
norm_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const batch_norm_t *norm = stage->own;
    const float *gamma = stage->parameters;
    int C = stage->in.channels;
    for (int c = piece * channels_each(stage); c < last_channel(stage, piece); c++) {
        double dg = 0, db = 0;
        size_t HW = plane_count(stage);
        float mean = norm->mean[c], scale = norm->scale[c];
        for (int n = 0; n < pass->n; n++) {
            size_t at = plane(stage, n, c);
            for (size_t i = at; i < at + HW; i++) {
                db += (double)stage->dy[i];
                dg += (double)stage->dy[i] * (double)((stage->x[i] - mean) * scale);
            }
        }
        stage->gradients[c] = (float)dg;
        stage->gradients[C + c] = (float)db;
        double M = (double)pass->n * (double)HW;
        float db_mean = (float)(db / M), dg_mean = (float)(dg / M), factor = gamma[c] * scale;
        for (int n = 0; stage->dx && n < pass->n; n++) {
            size_t at = plane(stage, n, c);
            for (size_t i = at; i < at + HW; i++) {
                float z = (stage->x[i] - mean) * scale;
                stage->dx[i] = factor * (stage->dy[i] - db_mean - z * dg_mean);
            }
        }
    }
}

static void
norm_weights(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)piece;
    (void)thread;
    stage_update(stage, pass, 0, stage->count);
}

static void
norm_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    int C = stage->in.channels;
    size_t HW = plane_count(stage);
    const float *gamma = stage->parameters, *beta = gamma + C, *mean = beta + C, *var = mean + C;
    for (int n = 0; n < count; n++)
        for (int c = 0; c < C; c++) {
            size_t at = plane(stage, n, c);
            float scale = gamma[c] * (float)(1 / sqrt((double)var[c] + EPSILON));
            for (size_t i = at; i < at + HW; i++)
                y[i] = (x[i] - mean[c]) * scale + beta[c];
        }
}

static void
norm_free(stage_t *stage)
{
    batch_norm_t *norm = stage->own;
    free(norm->mean);
    free(norm->scale);
    free(norm);
}

static const stage_ops_t NORM_OPS = {
    .infer = norm_infer,
    .forward = {{.run = norm_forward, .pieces = channel_pieces}},
    .backward = {{.run = norm_backward, .pieces = channel_pieces}},
    .weights = {.run = norm_weights, .pieces = stage_one_piece},
    .free = norm_free,
};

void
stage_batch_norm(stage_t *stage)
{
    batch_norm_t *norm = engine_alloc(sizeof *norm);
    norm->mean = engine_alloc((size_t)stage->in.channels * sizeof(float));
    norm->scale = engine_alloc((size_t)stage->in.channels * sizeof(float));
    stage->ops = &NORM_OPS;
    stage->own = norm;
}
