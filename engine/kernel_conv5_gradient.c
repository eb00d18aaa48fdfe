/* engine/kernel_conv5_gradient.c - the backward passes of engine/conv5.h: lists of winners. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <string.h>

/* A winner that has a gradient. */
typedef struct {
    int32_t place; /* where it reads: in a channel of x, or in the padded filters */
    float slope;
} winner_t;

/* Channels whose filter gradients fit the registers, five rows each. */
enum { BLOCK = LANES == 4 ? REGISTERS / 16 : 3 };

/* Row r of some channels' patches, five a channel. The fifth may be the last of the image; it is
 * read three floats early, so that nothing is read past the end, and has its five floats in the
 * upper lanes. */
INLINE row_t
load_patch_row(const float *patch, size_t W, int u)
{
    const float *rows[5] = {patch, patch + W, patch + 2 * W, patch + 3 * W, patch + 4 * W - 3};
    return load_row(rows[u]);
}

/* Adds the list's patches to the gradients dw of some channels of one filter. The rows of dw are
 * five floats, a register has eight: rows are stored in ascending order, each over the last three
 * floats of the one before, and the last of the block alone is cut. */
INLINE void
add_patches(const float *x, size_t W, size_t plane, const winner_t *list, int n, int block,
            float *dw)
{
    row_t sums[5 * BLOCK];
    UNROLL
    for (int r = 0; r < 5 * block; r++)
        sums[r] = load_row(dw + 5 * r - (r % 5 < 4 ? 0 : 3));
    for (int e = 0; e < n; e++) {
        const float *patch = x + list[e].place;
        float slope = list[e].slope;
        UNROLL
        for (int c = 0; c < block; c++) {
            patch = one_pointer(patch);
            UNROLL
            for (int u = 0; u < 5; u++)
                sums[5 * c + u] = add_scaled(sums[5 * c + u], slope, load_patch_row(patch, W, u));
            patch += plane;
        }
    }
    UNROLL
    for (int r = 0; r < 5 * block; r++) {
        row_t row = r % 5 < 4 ? sums[r] : turn_down(sums[r]);
        if (r < 5 * block - 1)
            store_row(dw + 5 * r, row);
        else
            memcpy(dw + 5 * r, &row, 5 * sizeof(float));
    }
}

/* The winners of one filter that relu let through, without a branch, which would be guessed wrong
 * half the time; returns how many. */
INLINE int
list_winners(const float *y, const float *dy, const int32_t *winners, int n, winner_t *list)
{
    int used = 0;
    for (int p = 0; p < n; p++) {
        list[used] = (winner_t){winners[p], dy[p]};
        used += y[p] > 0;
    }
    return used;
}

/* The sum of the slopes relu let through. */
INLINE float
sum_slopes(const float *y, const float *dy, int n)
{
    vec_t sums = {0};
    float total = 0, lanes[LANES];
    int p = 0;
    for (; p + LANES <= n; p += LANES)
        sums += select(load(y + p) > 0, load(dy + p), (vec_t){0});
    store(lanes, sums);
    for (int l = 0; l < LANES; l++)
        total += lanes[l];
    for (; p < n; p++)
        total += y[p] > 0 ? dy[p] : 0;
    return total;
}

/* Adds to dw (K, C, 5, 5) and db (K) for one image x (C, H, W), y and dy (K, I, J). */
void
KERNEL(conv5_weight_gradient)(const conv5_t *conv, const float *x, const float *y, const float *dy,
                              const int32_t *winners, float *scratch, float *dw, float *db)
{
    winner_t *list = (winner_t *)scratch;
    size_t W = (size_t)conv->W, plane = (size_t)conv->H * W;
    int IJ = conv->I * conv->J, C = conv->C;
    for (int k = 0; k < conv->K; k++, y += IJ, dy += IJ, winners += IJ) {
        int n = list_winners(y, dy, winners, IJ, list);
        int c = 0;
        db[k] += sum_slopes(y, dy, IJ);
        for (; c + BLOCK <= C; c += BLOCK, dw += 25 * BLOCK)
            add_patches(x + (size_t)c * plane, W, plane, list, n, BLOCK, dw);
        for (; c < C; c++, dw += 25)
            add_patches(x + (size_t)c * plane, W, plane, list, n, 1, dw);
    }
}

/* Each filter (k, c) in a border of zeros: 8 rows of 8, row 0 and column 0 empty. */
void
KERNEL(conv5_pad)(const conv5_t *conv, const float *weight, float *padded)
{
    memset(padded, 0, (size_t)conv->K * (size_t)conv->C * CONV5_PADDED * sizeof(float));
    for (int filter = 0; filter < conv->K * conv->C; filter++, padded += CONV5_PADDED)
        for (int u = 0; u < 5; u++, weight += 5)
            memcpy(padded + (u + 1) * CONV5_PADDED_PITCH + 1, weight, 5 * sizeof(float));
}

/* Channels whose 6x6 windows fit the registers. */
enum { WINDOWS = LANES == 4 && REGISTERS == 16 ? 1 : 2 };

/* Adds the listed filters to the windows of some channels at DX. */
INLINE void
add_filters(const float *padded, const winner_t *list, int n, int windows, size_t W, size_t plane,
            float *dx)
{
    row_t sums[6 * WINDOWS] = {0};
    for (int e = 0; e < n; e++) {
        const float *filter = one_pointer(padded + list[e].place);
        UNROLL
        for (int r = 0; r < 6 * windows; r++)
            sums[r] =
                add_scaled(sums[r], list[e].slope,
                           load_row(filter + r / 6 * CONV5_PADDED + r % 6 * CONV5_PADDED_PITCH));
    }
    UNROLL
    for (int r = 0; r < 6 * windows; r++) {
        float *target = dx + (size_t)(r / 6) * plane + (size_t)(r % 6) * W;
        store_row(target, add_scaled(load_row(target), 1, sums[r]));
    }
}

/* dx (C, H, W) of one image from y, dy and winners (K, I, J). It is made in scratch, since windows
 * of eight columns run over the end of the last row, and copied. */
void
KERNEL(conv5_input_gradient)(const conv5_t *conv, const float *padded, const float *y,
                             const float *dy, const int32_t *winners, float *scratch, float *dx)
{
    winner_t *list = (winner_t *)scratch;
    float *sums = scratch + 2 * (size_t)(conv->I * conv->J + conv->K);
    int IJ = conv->I * conv->J, W = conv->W, C = conv->C;
    size_t plane = (size_t)conv->H * (size_t)W;
    memset(sums, 0, ((size_t)C * plane + CONV5_SPARE) * sizeof(float));
    for (int place = 0; place < IJ; place++) {
        int corner = 2 * (place / conv->J) * W + 2 * (place % conv->J), used = 0;
        for (int k = 0; k < conv->K; k++) {
            int at = k * IJ + place, distance = winners[at] - corner;
            int a = distance >= W, b = distance - a * W;
            list[used].place = k * C * CONV5_PADDED + (1 - a) * CONV5_PADDED_PITCH + 1 - b;
            list[used].slope = dy[at];
            used += y[at] > 0;
        }
        int c = 0;
        for (; c + WINDOWS <= C; c += WINDOWS)
            add_filters(padded + c * CONV5_PADDED, list, used, WINDOWS, (size_t)W, plane,
                        sums + (size_t)c * plane + corner);
        for (; c < C; c++)
            add_filters(padded + c * CONV5_PADDED, list, used, 1, (size_t)W, plane,
                        sums + (size_t)c * plane + corner);
    }
    memcpy(dx, sums, (size_t)C * plane * sizeof(float));
}
