/* engine/stage_conv.c - convolution of any kernel, stride and padding, as a matrix product.
 *
 * Letters: C channels of H by W in, K filters of R by R, P by Q out, stride s, padding p.
 *
 *     y[k][i][j] = b[k] + sum over c, u, v of w[k][c][u][v] x[c][i s + u - p][j s + v - p]
 *
 * im2col writes the patch under every output position as a column, so that y = w col with w (K,
 * CRR) and col (CRR, PQ). Backward, with the same columns: dw += dy col', and col2im adds w' dy
 * back to where the patches came from.
 *
 * The columns are made and used a tile at a time, so that they stay in the cache. Forward a tile is
 * some rows of output from all channels, so that no sum is left unfinished; backward all rows of
 * some channels, for dw and dx are sums over outputs and filters. */
#include "engine/gemm.h"
#include "engine/spec.h"
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

/* Floats in the columns of one tile, unless one row of output (backward: of one channel's) alone
 * needs more. */
enum { COLUMNS_MAX = 32 * 1024 };

/* Channels and rows of output whose columns (channels RR, rows Q) are in scratch. */
typedef struct {
    int channels, rows;
} tile_t;

typedef struct {
    int C, H, W, K, R, P, Q, stride, padding;
    int CRR;
    tile_t forward, backward;
} conv_t;

/* Where a tile lies: channels [first, end) and rows of output [top, bottom). */
typedef struct {
    int first, end, top, bottom;
} range_t;

static int
least(int a, int b)
{
    return a < b ? a : b;
}

/* Of the tiles that cover everything, the one that begins at channel FIRST, row TOP. */
static range_t
range_from(const conv_t *conv, tile_t tile, int first, int top)
{
    return (range_t){first, least(first + tile.channels, conv->C), top,
                     least(top + tile.rows, conv->P)};
}

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

/* The columns of a tile: col ((end - first) RR, (bottom - top) Q). */
static void
im2col(const conv_t *conv, const float *x, range_t at, float *col)
{
    int RR = conv->R * conv->R;
    for (int row = at.first * RR; row < at.end * RR; row++) {
        int c = row / RR, u = row / conv->R % conv->R, v = row % conv->R;
        int first, end;
        valid_range(conv, v, conv->W, conv->Q, &first, &end);
        for (int i = at.top; i < at.bottom; i++, col += conv->Q) {
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
col2im(const conv_t *conv, const float *col, range_t at, float *dx)
{
    int RR = conv->R * conv->R;
    for (int row = at.first * RR; row < at.end * RR; row++) {
        int c = row / RR, u = row / conv->R % conv->R, v = row % conv->R;
        int first, end;
        valid_range(conv, v, conv->W, conv->Q, &first, &end);
        for (int i = at.top; i < at.bottom; i++, col += conv->Q) {
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
        for (int top = 0; top < conv->P; top += conv->forward.rows) {
            range_t at = range_from(conv, conv->forward, 0, top);
            int size = (at.bottom - top) * conv->Q;
            float *tile = y + (ptrdiff_t)top * conv->Q;
            im2col(conv, x, at, col);
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

/* A tile of one image: adds to dw (K, CRR) and dx (unless NULL). */
static void
conv_backward_tile(const conv_t *conv, const float *weight, const float *x, const float *dy,
                   range_t at, float *dw, float *dx, float *col)
{
    int PQ = conv->P * conv->Q, CRR = conv->CRR, RR = conv->R * conv->R;
    int rows = (at.end - at.first) * RR, size = (at.bottom - at.top) * conv->Q;
    ptrdiff_t column = (ptrdiff_t)at.first * RR;
    gemm_matrix_t slopes = {dy + (ptrdiff_t)at.top * conv->Q, PQ, 1};
    if (dw) {
        im2col(conv, x, at, col);
        gemm(conv->K, rows, size, slopes, (gemm_matrix_t){col, 1, size}, true, dw + column, CRR);
    }
    if (dx) {
        gemm(rows, size, conv->K, (gemm_matrix_t){weight + column, 1, CRR}, slopes, false, col,
             size);
        col2im(conv, col, at, dx);
    }
}

/* One image: adds to dw (K, CRR), db (K) (unless NULL), overwrites dx (unless NULL). */
static void
conv_backward_image(const conv_t *conv, const float *weight, const float *x, const float *dy,
                    float *dw, float *db, float *dx, float *col)
{
    int PQ = conv->P * conv->Q;
    for (int k = 0; db && k < conv->K; k++) {
        float sum = 0;
        for (int j = 0; j < PQ; j++)
            sum += dy[(ptrdiff_t)k * PQ + j];
        db[k] += sum;
    }
    if (dx)
        memset(dx, 0, (size_t)conv->C * (size_t)conv->H * (size_t)conv->W * sizeof(float));
    for (int first = 0; first < conv->C; first += conv->backward.channels)
        for (int top = 0; top < conv->P; top += conv->backward.rows)
            conv_backward_tile(conv, weight, x, dy, range_from(conv, conv->backward, first, top),
                               dw, dx, col);
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

static size_t
columns_count(const conv_t *conv, tile_t tile)
{
    return (size_t)(tile.channels * conv->R * conv->R) * (size_t)tile.rows * (size_t)conv->Q;
}

/* Rows of output in a tile of so many channels. */
static int
rows_of(const conv_t *conv, int channels)
{
    int rows = (int)(COLUMNS_MAX / columns_count(conv, (tile_t){channels, 1}));
    return rows < 1 ? 1 : least(rows, conv->P);
}

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
    conv->forward = (tile_t){conv->C, rows_of(conv, conv->C)};
    conv->backward = (tile_t){1, rows_of(conv, 1)};
    int channels = (int)(COLUMNS_MAX / columns_count(conv, conv->backward));
    conv->backward.channels = channels < 1 ? 1 : least(channels, conv->C);
    size_t forward = columns_count(conv, conv->forward);
    size_t backward = columns_count(conv, conv->backward);
    stage->scratch_count = forward > backward ? forward : backward;
    stage->ops = &CONV_OPS;
    stage->own = conv;
    stage_partials(stage, stage->count);
}
