/* engine/stage_dense.c - a dense layer, with the relu that follows it.
 *
 * Letters: N images, C inputs, K neurons; w (K, C), y = x w' + b; dx = dy w; dw = dy' x. Who
 * computes the three products, and how they are cut, depends on what has to be moved:
 *
 *   near   The weights are few and stay near the processor. y and dx are cut by image, like the
 *          stages around them: no thread waits for another.
 *   few    Many weights and a handful of images: each weight is moved once forward, and once
 *          backward with its update made on the way (engine/kernel_dense.c). Both are cut by
 *          neurons. A piece of the backward pass has a dx of its own, and the next phase adds them
 *          up in the order of the pieces.
 *   many   Many of both: matrix products, dx cut by inputs, so that nobody has to add up pieces.
 *          Behind relu half of dy is 0, and kernels that leave it out are faster than products.
 *
 * dw is cut by neurons always. Of many images y is made by the kernel, or by products where the
 * weights are neither few nor many: a product packs them anew for each piece or chunk of images,
 * which pays as long as they fit the second cache. */
#include "engine/gemm.h"
#include "engine/kernels.h"
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

enum {
    NEAR_WEIGHTS = 16 * 1024,
    SPARSE_WEIGHTS = 128 * 1024,
    PACKED_WEIGHTS = 128 * 1024,
    PIECES_MAX = 16
};

/* Pieces of the LENGTH neurons or inputs. With a handful of images two pieces have at least
 * PIECE_WEIGHTS weights each, four twice as many, and so on, for each has a dx of its own.
 * Otherwise there is one for every WORK_MIN multiply-adds, of whole vectors of UNIT floats: each
 * packs its operands anew, so that fewer are faster for one thread, and four of the paper's largest
 * at batch 32 serve one, two and four threads. */
enum { PIECE_WEIGHTS = 4 * 1024, WORK_MIN = 400000, UNIT = 16 };

static int
piece_length(const stage_t *stage, const pass_t *pass, int length)
{
    size_t weights = image_count(stage->in) * image_count(stage->out);
    bool is_few = pass->n <= DENSE_IMAGES_MAX;
    int n = 1, unit = is_few ? 1 : UNIT;
    if (is_few)
        while (n < PIECES_MAX && weights >= (size_t)(2 * n * n) * PIECE_WEIGHTS)
            n *= 2;
    else
        n += (int)((size_t)pass->n * weights / WORK_MIN);
    n = n < PIECES_MAX ? n : PIECES_MAX;
    return ((length + n - 1) / n + unit - 1) / unit * unit;
}

static int
n_pieces(const stage_t *stage, const pass_t *pass, int length)
{
    int each = piece_length(stage, pass, length);
    return (length + each - 1) / each;
}

static int
neuron_pieces(const stage_t *stage, const pass_t *pass)
{
    return n_pieces(stage, pass, (int)image_count(stage->out));
}

static int
input_pieces(const stage_t *stage, const pass_t *pass)
{
    return stage->dx ? n_pieces(stage, pass, (int)image_count(stage->in)) : 0;
}

/* Neurons or inputs [first, end) of LENGTH. */
static void
piece_range(const stage_t *stage, const pass_t *pass, int length, int piece, int *first, int *end)
{
    int each = piece_length(stage, pass, length);
    *first = piece * each;
    *end = *first + each < length ? *first + each : length;
}

static void
mask_relu(stage_t *stage, int first, int end)
{
    size_t K = image_count(stage->out), at = (size_t)first * K;
    if (stage->has_relu)
        stage_mask_relu(stage->y + at, stage->dy + at, (size_t)(end - first) * K);
}

/* y (count, K) of neurons [first, end) of x (count, C), by the kernel. */
static void
forward_by_kernel(const stage_t *stage, const float *x, float *y, int count, int first, int end)
{
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    const float *w = stage->parameters;
    kernels()->dense_forward(x, w, w + (size_t)K * (size_t)C, count, C, K, first, end,
                             stage->has_relu, y);
}

/* The same by a matrix product. */
static void
forward_by_gemm(const stage_t *stage, const float *x, float *y, int count, int first, int end)
{
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    const float *w = stage->parameters, *bias = w + (ptrdiff_t)K * C;
    gemm(count, end - first, C, (gemm_matrix_t){x, C, 1},
         (gemm_matrix_t){w + (ptrdiff_t)first * C, 1, C}, false, y + first, K);
    for (int n = 0; n < count; n++)
        for (int k = first; k < end; k++) {
            float value = y[(ptrdiff_t)n * K + k] + bias[k];
            y[(ptrdiff_t)n * K + k] = stage->has_relu && value < 0 ? 0 : value;
        }
}

/* By whichever is faster for many images. */
static void
forward(const stage_t *stage, const float *x, float *y, int count, int first, int end)
{
    size_t weights = image_count(stage->in) * image_count(stage->out);
    if (weights > NEAR_WEIGHTS && weights <= PACKED_WEIGHTS)
        forward_by_gemm(stage, x, y, count, first, end);
    else
        forward_by_kernel(stage, x, y, count, first, end);
}

static void
infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    forward(stage, x, y, count, 0, (int)image_count(stage->out));
}

static void
near_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    pass_images(pass, piece, &first, &end);
    forward_by_kernel(stage, stage->x + (size_t)first * image_count(stage->in),
                      stage->y + (size_t)first * image_count(stage->out), end - first, 0,
                      (int)image_count(stage->out));
}

static void
near_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end, C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    pass_images(pass, piece, &first, &end);
    mask_relu(stage, first, end);
    if (stage->dx)
        kernels()->dense_input_gradient(stage->dy + (ptrdiff_t)first * K, K, stage->parameters,
                                        end - first, C, K, 0, C, stage->dx + (ptrdiff_t)first * C);
}

static void
few_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    piece_range(stage, pass, (int)image_count(stage->out), piece, &first, &end);
    forward_by_kernel(stage, stage->x, stage->y, pass->n, first, end);
}

static void
many_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end;
    piece_range(stage, pass, (int)image_count(stage->out), piece, &first, &end);
    forward(stage, stage->x, stage->y, pass->n, first, end);
}

static void
mask_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)piece;
    (void)thread;
    mask_relu(stage, 0, pass->n);
}

/* Whether the backward products leave out what is 0 behind relu, about half of dy: faster than a
 * matrix product of everything while the weights stay near the processor. */
static bool
is_sparse(const stage_t *stage)
{
    return stage->has_relu && image_count(stage->in) * image_count(stage->out) <= SPARSE_WEIGHTS;
}

static void
many_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end, C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    piece_range(stage, pass, C, piece, &first, &end);
    if (is_sparse(stage)) {
        kernels()->dense_input_gradient(stage->dy, K, stage->parameters, pass->n, C, K, first, end,
                                        stage->dx);
        return;
    }
    gemm(pass->n, end - first, K, (gemm_matrix_t){stage->dy, K, 1},
         (gemm_matrix_t){stage->parameters + first, C, 1}, false, stage->dx + first, C);
}

static void
bias_gradient(stage_t *stage, const pass_t *pass, int first, int end)
{
    size_t C = image_count(stage->in), K = image_count(stage->out);
    float *db = stage->gradients + K * C;
    for (int k = first; k < end; k++) {
        float sum = pass->first ? db[k] : 0;
        for (int n = 0; n < pass->n; n++)
            sum += stage->dy[(size_t)n * K + (size_t)k];
        db[k] = sum;
    }
    stage_update(stage, pass, K * C + (size_t)first, K * C + (size_t)end);
}

/* Of neurons [first, end) and a handful of images: their share of dx (N, C), unless it is NULL,
 * then gradients and update. */
static void
few_gradients(stage_t *stage, const pass_t *pass, int first, int end, float *dx)
{
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    const sgd_t *sgd = pass->sgd;
    /* A stage that is updated in part goes through the gradient block. */
    bool is_fused = sgd && sgd_covers(sgd, stage->offset, stage->offset + stage->count);
    kernel_sgd_t numbers = sgd ? sgd_numbers(sgd) : (kernel_sgd_t){0};
    if (dx)
        kernels()->dense_input_gradient(stage->dy + first, K,
                                        stage->parameters + (ptrdiff_t)first * C, pass->n, C,
                                        end - first, 0, C, dx);
    kernels()->dense_update(stage->x, stage->dy, pass->n, C, K, first, end, stage->parameters,
                            is_fused ? sgd->velocity + stage->offset : NULL, &numbers,
                            is_fused ? NULL : stage->gradients);
    if (!is_fused)
        stage_update(stage, pass, (size_t)first * (size_t)C, (size_t)end * (size_t)C);
    bias_gradient(stage, pass, first, end);
}

/* The weight phase of all but few. */
static void
dense_weights(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end, C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    piece_range(stage, pass, K, piece, &first, &end);
    if (pass->batch <= DENSE_IMAGES_MAX) {
        few_gradients(stage, pass, first, end, NULL);
        return;
    }
    if (is_sparse(stage))
        kernels()->dense_weight_gradient(stage->x, stage->dy, pass->n, C, K, first, end,
                                         pass->first > 0, stage->gradients);
    else
        gemm(end - first, C, pass->n, (gemm_matrix_t){stage->dy + first, 1, K},
             (gemm_matrix_t){stage->x, C, 1}, pass->first > 0,
             stage->gradients + (ptrdiff_t)first * C, C);
    stage_update(stage, pass, (size_t)first * (size_t)C, (size_t)end * (size_t)C);
    bias_gradient(stage, pass, first, end);
}

/* Floats of the dx of a piece of few's backward pass. */
static size_t
few_dx_count(const stage_t *stage)
{
    return (size_t)stage->batch_max * image_count(stage->in);
}

static void
few_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end, K = (int)image_count(stage->out);
    float *dx = stage->own;
    piece_range(stage, pass, K, piece, &first, &end);
    for (int n = 0; n < pass->n && stage->has_relu; n++)
        stage_mask_relu(stage->y + n * K + first, stage->dy + n * K + first, (size_t)(end - first));
    dx = stage->dx ? dx + (size_t)piece * few_dx_count(stage) : NULL;
    few_gradients(stage, pass, first, end, dx);
}

/* A cut of its own, so that the region behind it begins with the layer below. */
static int
image_pieces(const stage_t *stage, const pass_t *pass)
{
    return stage->dx ? pass->pieces : 0;
}

static void
few_add_dx(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end, n = neuron_pieces(stage, pass);
    size_t C = image_count(stage->in);
    pass_images(pass, piece, &first, &end);
    float *restrict dx = stage->dx + (size_t)first * C;
    for (int p = 0; p < n; p++) {
        const float *restrict part =
            (float *)stage->own + (size_t)p * few_dx_count(stage) + (size_t)first * C;
        for (size_t i = 0; i < (size_t)(end - first) * C; i++)
            dx[i] = p ? dx[i] + part[i] : part[i];
    }
}

static const stage_ops_t NEAR_OPS = {
    .infer = infer,
    .forward = {{.run = near_forward}},
    .backward = {{.run = near_backward}},
    .weights = {.run = dense_weights, .pieces = neuron_pieces},
};

static const stage_ops_t FEW_OPS = {
    .infer = infer,
    .forward = {{.run = few_forward, .pieces = neuron_pieces}},
    .backward = {{.run = few_backward, .pieces = neuron_pieces},
                 {.run = few_add_dx, .pieces = image_pieces}},
};

static const stage_ops_t MANY_OPS = {
    .infer = infer,
    .forward = {{.run = many_forward, .pieces = neuron_pieces}},
    .backward = {{.run = mask_backward, .pieces = stage_one_piece},
                 {.run = many_backward, .pieces = input_pieces}},
    .weights = {.run = dense_weights, .pieces = neuron_pieces},
};

void
stage_dense(stage_t *stage)
{
    bool is_near = image_count(stage->in) * image_count(stage->out) <= NEAR_WEIGHTS;
    bool is_few = stage->batch_max <= DENSE_IMAGES_MAX;
    stage->ops = is_near ? &NEAR_OPS : is_few ? &FEW_OPS : &MANY_OPS;
    if (stage->ops == &FEW_OPS)
        stage->own = engine_alloc(PIECES_MAX * few_dx_count(stage) * sizeof(float));
}
