/* engine/stage_conv.c - convolution of any kernel, stride and padding, as a matrix product.
 *
 * Letters: C channels of H by W in, K filters of R by R, P by Q out, stride s, padding p.
 *
 *     y[k][i][j] = b[k] + sum over c, u, v of w[k][c][u][v] x[c][i s + u - p][j s + v - p]
 *
 * im2col writes the patch under every output position as a column, so that y = w col with w (K,
 * CRR) and col (CRR, PQ). Some rows of output at a time, so that the columns stay in the cache.
 * Backward, with the same columns: dw += dy col', and col2im adds w' dy back to where the patches
 * came from. */
#include "engine/gemm.h"
#include "engine/spec.h"
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

/* Floats in the columns of one tile, unless one row of output alone needs more. */
enum { COLUMNS_MAX = 32 * 1024 };

typedef struct {
    int C, H, W, K, R, P, Q, stride, padding;
    int CRR;
    int rows; /* of output in a tile, whose columns (CRR, rows Q) are in scratch */
} conv_t;

/* The first and one past the last output position j whose input j stride + v - padding lies in [0,
 * W). */
static void
valid_range(const conv_t *conv, int v, int size, int outputs, int *first, int *end)
{
    int shift = conv->padding - v;
    *first = shift > 0 ? (shift + conv->stride - 1) / conv->stride : 0;
    *end = size + shift > 0 ? (size + shift - 1) / conv->stride + 1 : 0;
    *end = *end < outputs ? *end : outputs;
    *first = *first < *end ? *first : *end;
}

/* Columns of output rows [top, bottom): col (CRR, (bottom - top) Q). */
static void
im2col(const conv_t *conv, const float *x, int top, int bottom, float *col)
{
    for (int row = 0; row < conv->CRR; row++) {
        int c = row / (conv->R * conv->R), u = row / conv->R % conv->R, v = row % conv->R;
        int first, end;
        valid_range(conv, v, conv->W, conv->Q, &first, &end);
        for (int i = top; i < bottom; i++, col += conv->Q) {
            int y = i * conv->stride + u - conv->padding;
            if (y < 0 || y >= conv->H) {
                memset(col, 0, (size_t)conv->Q * sizeof(float));
                continue;
            }
            const float *line = x + ((ptrdiff_t)c * conv->H + y) * conv->W + v - conv->padding;
            for (int j = 0; j < first; j++)
                col[j] = 0;
            if (conv->stride == 1)
                memcpy(col + first, line + first, (size_t)(end - first) * sizeof(float));
            else
                for (int j = first; j < end; j++)
                    col[j] = line[j * conv->stride];
            for (int j = end; j < conv->Q; j++)
                col[j] = 0;
        }
    }
}

/* Adds the columns back to dx. */
static void
col2im(const conv_t *conv, const float *col, int top, int bottom, float *dx)
{
    for (int row = 0; row < conv->CRR; row++) {
        int c = row / (conv->R * conv->R), u = row / conv->R % conv->R, v = row % conv->R;
        int first, end;
        valid_range(conv, v, conv->W, conv->Q, &first, &end);
        for (int i = top; i < bottom; i++, col += conv->Q) {
            int y = i * conv->stride + u - conv->padding;
            if (y < 0 || y >= conv->H)
                continue;
            float *line = dx + ((ptrdiff_t)c * conv->H + y) * conv->W + v - conv->padding;
            if (conv->stride == 1)
                for (int j = first; j < end; j++)
                    line[j] += col[j];
            else
                for (int j = first; j < end; j++)
                    line[j * conv->stride] += col[j];
        }
    }
}

static void
add_bias(const float *bias, bool has_relu, int K, ptrdiff_t pitch, int n, float *y)
{
    for (int k = 0; k < K; k++, y += pitch)
        for (int j = 0; j < n; j++) {
            float value = y[j] + bias[k];
            y[j] = has_relu && value < 0 ? 0 : value;
        }
}

static void
conv_infer(stage_t *stage, const float *x, float *y, int count, int thread)
{
    const conv_t *conv = stage->own;
    const float *weight = stage->parameters, *bias = weight + (ptrdiff_t)conv->K * conv->CRR;
    float *col = stage->scratch[thread];
    int PQ = conv->P * conv->Q;
    for (int n = 0; n < count; n++) {
        for (int top = 0; top < conv->P; top += conv->rows) {
            int bottom = top + conv->rows < conv->P ? top + conv->rows : conv->P;
            int size = (bottom - top) * conv->Q;
            float *tile = y + (ptrdiff_t)top * conv->Q;
            im2col(conv, x, top, bottom, col);
            gemm(conv->K, size, conv->CRR, (gemm_matrix_t){weight, conv->CRR, 1},
                 (gemm_matrix_t){col, size, 1}, false, tile, PQ);
            add_bias(bias, stage->has_relu, conv->K, PQ, size, tile);
        }
        x += image_count(stage->in);
        y += image_count(stage->out);
    }
}

static void
conv_forward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    int first, end;
    pass_images(pass, piece, &first, &end);
    conv_infer(stage, stage->x + (size_t)first * image_count(stage->in),
               stage->y + (size_t)first * image_count(stage->out), end - first, thread);
}

/* One image: adds to dw (K, CRR), db (K) (unless NULL), overwrites dx (unless NULL). */
static void
conv_backward_image(const conv_t *conv, const float *weight, const float *x, const float *dy,
                    float *dw, float *db, float *dx, float *col)
{
    int PQ = conv->P * conv->Q, CRR = conv->CRR;
    for (int k = 0; db && k < conv->K; k++) {
        float sum = 0;
        for (int j = 0; j < PQ; j++)
            sum += dy[(ptrdiff_t)k * PQ + j];
        db[k] += sum;
    }
    if (dx)
        memset(dx, 0, (size_t)conv->C * (size_t)conv->H * (size_t)conv->W * sizeof(float));
    for (int top = 0; top < conv->P; top += conv->rows) {
        int bottom = top + conv->rows < conv->P ? top + conv->rows : conv->P;
        int size = (bottom - top) * conv->Q;
        const float *tile = dy + (ptrdiff_t)top * conv->Q;
        if (dw) {
            im2col(conv, x, top, bottom, col);
            gemm(conv->K, CRR, size, (gemm_matrix_t){tile, PQ, 1}, (gemm_matrix_t){col, 1, size},
                 true, dw, CRR);
        }
        if (dx) {
            gemm(CRR, size, conv->K, (gemm_matrix_t){weight, 1, CRR}, (gemm_matrix_t){tile, PQ, 1},
                 false, col, size);
            col2im(conv, col, top, bottom, dx);
        }
    }
}

static void
conv_backward(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    const conv_t *conv = stage->own;
    size_t in = image_count(stage->in), out = image_count(stage->out);
    float *dw = stage->is_trained ? stage_partial(stage, pass, piece) : NULL;
    float *db = dw ? dw + (ptrdiff_t)conv->K * conv->CRR : NULL;
    int first, end;
    pass_images(pass, piece, &first, &end);
    for (int i = first; i < end; i++) {
        float *dy = stage->dy + (size_t)i * out;
        if (stage->has_relu)
            stage_mask_relu(stage->y + (size_t)i * out, dy, out);
        conv_backward_image(conv, stage->parameters, stage->x + (size_t)i * in, dy, dw, db,
                            stage->dx ? stage->dx + (size_t)i * in : NULL, stage->scratch[thread]);
    }
}

static const stage_ops_t CONV_OPS = {
    .infer = conv_infer,
    .forward = {{.run = conv_forward}},
    .backward = {{.run = conv_backward}},
    .weights = {.run = stage_sum_partials, .pieces = stage_sum_pieces},
};

void
stage_conv(stage_t *stage)
{
    const layer_spec_t *layer = &stage->spec->layers[stage->layer];
    conv_t *conv = engine_alloc(sizeof *conv);
    *conv = (conv_t){
        .C = stage->in.channels,
        .H = stage->in.height,
        .W = stage->in.width,
        .K = layer->outputs,
        .R = layer->kernel,
        .P = stage->out.height,
        .Q = stage->out.width,
        .stride = spec_stride(layer),
        .padding = layer->padding,
    };
    conv->CRR = conv->C * conv->R * conv->R;
    conv->rows = COLUMNS_MAX / conv->CRR / conv->Q;
    conv->rows = conv->rows < 1 ? 1 : conv->rows < conv->P ? conv->rows : conv->P;
    stage->scratch_count = (size_t)conv->CRR * (size_t)conv->rows * (size_t)conv->Q;
    stage->ops = &CONV_OPS;
    stage->own = conv;
    stage_partials(stage, stage->count);
}
