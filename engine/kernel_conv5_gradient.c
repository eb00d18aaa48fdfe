/* engine/kernel_conv5_gradient.c - the backward passes of engine/conv5.h: lists of winners. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <string.h>

/* Vectors of a row of patches that are added at once. */
enum { VECTORS_MAX = 5 };

/* A winner that has a gradient. */
typedef struct {
    int32_t place; /* where it reads: in a channel of x, or in the padded filters */
    float slope;
} winner_t;

/* Writes channel-last what is planar in x: pixels of `depth` floats. Four pixels of four channels
 * at a time; where depth is not a multiple of 4, the floats past a pixel are overwritten by the
 * next one. */
static void
make_channel_last(const conv5_t *conv, const float *x, float *last)
{
    size_t pixels = (size_t)conv->H * (size_t)conv->W, depth = (size_t)conv->depth;
    size_t whole = pixels / 4 * 4;
    for (size_t p = 0; p < whole; p += 4)
        for (int c = 0; c < conv->C; c += 4) {
            const float *source = x + (size_t)c * pixels + p;
            float *target = last + p * depth + (size_t)c;
            quad_t a = load_quad(source), b = {0}, d = {0}, e = {0};
            if (c + 1 < conv->C)
                b = load_quad(source + pixels);
            if (c + 2 < conv->C)
                d = load_quad(source + 2 * pixels);
            if (c + 3 < conv->C)
                e = load_quad(source + 3 * pixels);
            quad_t ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                   de = __builtin_shufflevector(d, e, 0, 4, 1, 5);
            store_quad(target, __builtin_shufflevector(ab, de, 0, 1, 4, 5));
            store_quad(target + depth, __builtin_shufflevector(ab, de, 2, 3, 6, 7));
            ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            de = __builtin_shufflevector(d, e, 2, 6, 3, 7);
            store_quad(target + 2 * depth, __builtin_shufflevector(ab, de, 0, 1, 4, 5));
            store_quad(target + 3 * depth, __builtin_shufflevector(ab, de, 2, 3, 6, 7));
        }
    for (size_t p = whole; p < pixels; p++)
        for (int c = 0; c < conv->C; c++)
            last[p * depth + (size_t)c] = x[(size_t)c * pixels + p];
}

/* The winners of one filter that relu let through, as places in the channel-last image and slopes;
 * returns how many, and adds the slopes to *SUM. Without a branch, which would be guessed wrong
 * half the time. The lists have room for a quad more. */
INLINE int
list_winners(const float *y, const float *dy, const int32_t *winners, int n, int depth,
             int32_t *places, float *slopes, float *sum)
{
    int used = 0, p = 0;
    quad_t total = {0};
    for (; p + 4 <= n; p += 4) {
        quad_t slope = load_quad(dy + p);
        iquad_t is_alive = load_quad(y + p) > 0;
        iquad_t place = *(const iquad_at_t *)(winners + p) * depth;
        total += (quad_t)(is_alive & (iquad_t)slope);
        used += put_chosen(is_alive, place, slope, places + used, slopes + used);
    }
    *sum += total[0] + total[1] + total[2] + total[3];
    for (; p < n; p++) {
        places[used] = winners[p] * depth;
        slopes[used] = dy[p];
        used += y[p] > 0;
        *sum += y[p] > 0 ? dy[p] : 0;
    }
    return used;
}

/* Adds the list's patches, ROWS rows of VECTORS vectors of them, to the gradient dw of a filter,
 * whose rows are PITCH floats apart. */
INLINE void
add_patches(const float *x, size_t row, const int32_t *places, const float *slopes, int n, int rows,
            int vectors, size_t pitch, float *dw)
{
    vec_t sums[5 * VECTORS_MAX];
    UNROLL
    for (int i = 0; i < rows * vectors; i++)
        sums[i] = load(dw + (size_t)(i / vectors) * pitch + i % vectors * LANES);
    for (int e = 0; e < n; e++) {
        const float *patch = one_pointer(x + places[e]);
        vec_t slope = splat(slopes[e]);
        UNROLL
        for (int i = 0; i < rows * vectors; i++)
            sums[i] += slope * load(patch + (size_t)(i / vectors) * row + i % vectors * LANES);
    }
    UNROLL
    for (int i = 0; i < rows * vectors; i++)
        store(dw + (size_t)(i / vectors) * pitch + i % vectors * LANES, sums[i]);
}

/* The same for all five rows, as many at once as the registers hold. */
INLINE void
add_five_rows(const float *x, size_t row, const int32_t *places, const float *slopes, int n,
              int vectors, size_t pitch, float *dw)
{
    if (5 * vectors < REGISTERS)
        add_patches(x, row, places, slopes, n, 5, vectors, pitch, dw);
    else {
        add_patches(x, row, places, slopes, n, 3, vectors, pitch, dw);
        add_patches(x + 3 * row, row, places, slopes, n, 2, vectors, pitch, dw + 3 * pitch);
    }
}

/* Adds to dw (K, 5, conv5_gradient_pitch) and db (K) for one image x (C, H, W), y and dy (K, I, J).
 */
void
KERNEL(conv5_weight_gradient)(const conv5_t *conv, const float *x, const float *y, const float *dy,
                              const int32_t *winners, float *scratch, float *dw, float *db)
{
    int IJ = conv->I * conv->J, depth = conv->depth;
    int list = (IJ + 31) / 16 * 16; /* whole lines of the cache */
    float *slopes = scratch + list, *last = slopes + list;
    int32_t *places = (int32_t *)scratch;
    size_t row = (size_t)conv->W * (size_t)depth, pitch = conv5_gradient_pitch(conv);
    make_channel_last(conv, x, last);
    for (int k = 0; k < conv->K; k++, y += IJ, dy += IJ, winners += IJ, dw += 5 * pitch) {
        int n = list_winners(y, dy, winners, IJ, depth, places, slopes, &db[k]);
        int left = (5 * depth + LANES - 1) / LANES;
        const float *patches = last;
        for (float *part = dw; left > 0; left -= VECTORS_MAX) {
            if (left >= 5)
                add_five_rows(patches, row, places, slopes, n, 5, pitch, part);
            else if (left == 4)
                add_five_rows(patches, row, places, slopes, n, 4, pitch, part);
            else if (left == 3)
                add_five_rows(patches, row, places, slopes, n, 3, pitch, part);
            else if (left == 2)
                add_five_rows(patches, row, places, slopes, n, 2, pitch, part);
            else
                add_five_rows(patches, row, places, slopes, n, 1, pitch, part);
            part += VECTORS_MAX * LANES;
            patches += VECTORS_MAX * LANES;
        }
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
