/* engine/stage_dense.c - a dense layer as three matrix products.
 *
 * Letters: N images, C inputs, K neurons; w (K, C), y = x w' + b; dx = dy w; dw = dy' x. Forward
 * and dw are cut by neurons, dx by inputs: nobody waits for a sum over pieces. */
#include "engine/gemm.h"
#include "engine/stage.h"

#include <stdlib.h>

/* Pieces of the LENGTH neurons or inputs: one for every WORK_MIN multiply-adds, PIECES_MAX at most,
 * of whole vectors of UNIT floats. Each piece packs its operands anew, so that fewer are faster for
 * one thread: four of the paper's largest at batch 32 serve one, two and four threads. */
enum { WORK_MIN = 400000, PIECES_MAX = 16, UNIT = 16 };

static int
piece_length(const stage_t *stage, const pass_t *pass, int length)
{
    size_t work = (size_t)pass->n * image_count(stage->in) * image_count(stage->out);
    size_t pieces = work / WORK_MIN + 1;
    int n = pieces < PIECES_MAX ? (int)pieces : PIECES_MAX;
    return ((length + n - 1) / n + UNIT - 1) / UNIT * UNIT;
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
    return n_pieces(stage, pass, (int)image_count(stage->in));
}

/* y of neurons [first, end) for COUNT images. */
static void
forward(const stage_t *stage, const float *x, float *y, int count, int first, int end)
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

static void
dense_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    (void)thread;
    forward(stage, x, y, count, 0, (int)image_count(stage->out));
}

static void
dense_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int K = (int)image_count(stage->out), each = piece_length(stage, pass, K);
    int first = piece * each, end = first + each < K ? first + each : K;
    forward(stage, stage->x, stage->y, pass->n, first, end);
}

static void
dense_mask(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)piece;
    (void)thread;
    if (stage->has_relu)
        stage_mask_relu(stage->y, stage->dy, (size_t)pass->n * image_count(stage->out));
}

static void
dense_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    if (!stage->dx)
        return;
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    int each = piece_length(stage, pass, C);
    int first = piece * each, end = first + each < C ? first + each : C;
    gemm(pass->n, end - first, K, (gemm_matrix_t){stage->dy, K, 1},
         (gemm_matrix_t){stage->parameters + first, C, 1}, false, stage->dx + first, C);
}

static void
dense_weights(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int C = (int)image_count(stage->in), K = (int)image_count(stage->out);
    int each = piece_length(stage, pass, K);
    int first = piece * each, end = first + each < K ? first + each : K;
    size_t row = (size_t)C;
    gemm(end - first, C, pass->n, (gemm_matrix_t){stage->dy + first, 1, K},
         (gemm_matrix_t){stage->x, C, 1}, false, stage->gradients + (size_t)first * row, C);
    stage_update(stage, pass, (size_t)first * row, (size_t)end * row);
    float *db = stage->gradients + (size_t)K * row;
    for (int k = first; k < end; k++) {
        float sum = 0;
        for (int n = 0; n < pass->n; n++)
            sum += stage->dy[(ptrdiff_t)n * K + k];
        db[k] = sum;
    }
    stage_update(stage, pass, (size_t)K * row + (size_t)first, (size_t)K * row + (size_t)end);
}

static const stage_ops_t DENSE_OPS = {
    .infer = dense_infer,
    .forward = {{.run = dense_forward, .pieces = neuron_pieces}},
    .backward = {{.run = dense_mask, .pieces = stage_one_piece},
                 {.run = dense_backward, .pieces = input_pieces}},
    .weights = {.run = dense_weights, .pieces = neuron_pieces},
};

void
stage_dense(stage_t *stage)
{
    stage->ops = &DENSE_OPS;
}
