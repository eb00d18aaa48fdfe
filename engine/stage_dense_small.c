/* engine/stage_dense_small.c - a dense layer for batches of a few images, its update made on the
 * way (engine/kernel_dense.c).
 *
 * Letters as in stage_dense.c. Both passes are cut by neurons. A piece of the backward pass has a
 * dx of its own, and the next phase adds them up in the order of the pieces. */
#include "engine/kernels.h"
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

/* Two pieces have at least this many weights each, four twice as many, and so on: each has a dx of
 * its own, to be added up. */
enum { PIECE_WEIGHTS = 4 * 1024, PIECES_MAX = 16 };

typedef struct {
    const kernels_t *kernels;
    int pieces;
    int neurons; /* in a piece; the last may have fewer */
    float *dx;   /* (pieces, batch_max, C) */
} own_t;

static int
pieces(const stage_t *stage, const pass_t *pass)
{
    (void)pass;
    return ((const own_t *)stage->own)->pieces;
}

static void
dense_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    const own_t *own = stage->own;
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    const float *w = stage->parameters;
    own->kernels->dense_forward(x, w, w + (size_t)K * (size_t)C, count, C, K, 0, K, stage->has_relu,
                                y);
}

static void
dense_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const own_t *own = stage->own;
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    int first = piece * own->neurons, end = first + own->neurons < K ? first + own->neurons : K;
    const float *w = stage->parameters;
    own->kernels->dense_forward(stage->x, w, w + (size_t)K * (size_t)C, pass->n, C, K, first, end,
                                stage->has_relu, stage->y);
}

/* Gradients of the biases of neurons [first, end), after dy was masked. */
static void
bias_gradient(stage_t *stage, const pass_t *pass, int first, int end)
{
    size_t C = image_count(stage->in), K = image_count(stage->out);
    float *db = stage->gradients + K * C;
    for (int k = first; k < end; k++) {
        db[k] = 0;
        for (int n = 0; n < pass->n; n++)
            db[k] += stage->dy[(size_t)n * K + (size_t)k];
    }
    stage_update(stage, pass, K * C + (size_t)first, K * C + (size_t)end);
}

static void
mask_relu(stage_t *stage, const pass_t *pass, int first, int end)
{
    size_t K = image_count(stage->out);
    for (int n = 0; n < pass->n; n++)
        stage_mask_relu(stage->y + (size_t)n * K + first, stage->dy + (size_t)n * K + first,
                        (size_t)(end - first));
}

static void
dense_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const own_t *own = stage->own;
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    int first = piece * own->neurons, end = first + own->neurons < K ? first + own->neurons : K;
    size_t row = (size_t)C, count = (size_t)pass->n * row;
    const sgd_t *sgd = pass->sgd;
    /* A stage that is updated in part goes through the gradient block. */
    bool is_fused = sgd && sgd_covers(sgd, stage->offset, stage->offset + stage->count);
    kernel_sgd_t numbers = sgd ? sgd_numbers(sgd) : (kernel_sgd_t){0};
    float *dx = stage->dx;
    if (dx)
        dx = memset(own->pieces > 1 ? own->dx + (size_t)piece * count : dx, 0,
                    count * sizeof(float));
    if (stage->has_relu)
        mask_relu(stage, pass, first, end);
    own->kernels->dense_backward(stage->x, stage->dy, pass->n, C, K, first, end, stage->parameters,
                                 is_fused ? sgd->velocity + stage->offset : NULL, &numbers,
                                 is_fused ? NULL : stage->gradients, dx);
    if (!is_fused)
        stage_update(stage, pass, (size_t)first * row, (size_t)end * row);
    bias_gradient(stage, pass, first, end);
}

static void
dense_sum_dx(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    const own_t *own = stage->own;
    size_t C = image_count(stage->in), count = (size_t)pass->n * C;
    int first, end;
    pass_images(pass, piece, &first, &end);
    if (!stage->dx)
        return;
    float *restrict dx = stage->dx + (size_t)first * C;
    for (int p = 0; p < own->pieces; p++) {
        const float *restrict part = own->dx + (size_t)p * count + (size_t)first * C;
        for (size_t i = 0; i < (size_t)(end - first) * C; i++)
            dx[i] = p ? dx[i] + part[i] : part[i];
    }
}

static void
dense_free(stage_t *stage)
{
    own_t *own = stage->own;
    free(own->dx);
    free(own);
}

/* Without the second phase, which would be a parallel region with nothing to do. */
static const stage_ops_t DENSE_ONE_PIECE_OPS = {
    .infer = dense_infer,
    .forward = {{.run = dense_forward, .pieces = pieces}},
    .backward = {{.run = dense_backward, .pieces = pieces}},
    .free = dense_free,
};

static const stage_ops_t DENSE_SMALL_OPS = {
    .infer = dense_infer,
    .forward = {{.run = dense_forward, .pieces = pieces}},
    .backward = {{.run = dense_backward, .pieces = pieces}, {.run = dense_sum_dx}},
    .free = dense_free,
};

void
stage_dense_small(stage_t *stage)
{
    own_t *own = engine_alloc(sizeof *own);
    size_t C = image_count(stage->in), K = image_count(stage->out);
    int n = 1;
    while (n < PIECES_MAX && n < (int)K && C * K >= (size_t)(2 * n * n) * PIECE_WEIGHTS)
        n *= 2;
    own->kernels = kernels();
    own->neurons = ((int)K + n - 1) / n;
    own->pieces = ((int)K + own->neurons - 1) / own->neurons;
    if (own->pieces > 1)
        own->dx = engine_alloc((size_t)own->pieces * (size_t)stage->batch_max * C * sizeof(float));
    stage->ops = own->pieces == 1 ? &DENSE_ONE_PIECE_OPS : &DENSE_SMALL_OPS;
    stage->own = own;
}
