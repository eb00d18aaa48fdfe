/* engine/kernel_conv5_gradient.c - the backward passes of engine/conv5.h: lists of winners. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <string.h>

/* Vectors of a row of patches that are added at once. */
enum { VECTORS_MAX = 5 };

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
 * whose rows are PITCH floats apart. Each row of a patch has its pointer, or the compiler keeps
 * more distances than there are registers. */
INLINE void
add_patches(const float *x, size_t row, const int32_t *places, const float *slopes, int n, int rows,
            int vectors, size_t pitch, float *dw)
{
    vec_t sums[6 * VECTORS_MAX];
    UNROLL
    for (int i = 0; i < rows * vectors; i++)
        sums[i] = (vec_t){0};
    for (int e = 0; e < n; e++) {
        const float *patch = one_pointer(x + places[e]);
        vec_t slope = splat(slopes[e]);
        UNROLL
        for (int r = 0; r < rows; r++, patch = one_pointer(patch + row)) {
            UNROLL
            for (int i = 0; i < vectors; i++)
                sums[r * vectors + i] += slope * load(patch + i * LANES);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++, dw += pitch) {
        UNROLL
        for (int i = 0; i < vectors; i++)
            store(dw + i * LANES, load(dw + i * LANES) + sums[r * vectors + i]);
    }
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

/* Floats of a row of a 6x6 window: whole vectors. */
INLINE size_t
window_pitch(const conv5_t *conv)
{
    return (size_t)((6 * conv->C + LANES - 1) / LANES * LANES);
}

/* Each filter in a border of zeros: [k][u][v][c], six rows of six pixels, of which row 0 and pixel
 * 0 are zero. What follows a row and a filter is the next one's zeros. */
void
KERNEL(conv5_pad)(const conv5_t *conv, const float *weight, float *padded)
{
    size_t pitch = window_pitch(conv), C = (size_t)conv->C;
    for (int k = 0; k < conv->K; k++, padded += 6 * pitch)
        for (size_t c = 0; c < C; c++)
            for (size_t u = 1; u < 6; u++, weight += 5)
                for (size_t v = 0; v < 5; v++)
                    padded[u * pitch + (v + 1) * C + c] = weight[v];
}

/* Adds the listed filters to VECTORS vectors of each row of the window at DX, as many rows at once
 * as the registers hold. */
INLINE void
add_filters(const float *padded, size_t pitch, const int32_t *places, const float *slopes, int n,
            int vectors, size_t row, float *dx)
{
    if (6 * vectors < REGISTERS)
        add_patches(padded, pitch, places, slopes, n, 6, vectors, row, dx);
    else {
        add_patches(padded, pitch, places, slopes, n, 3, vectors, row, dx);
        add_patches(padded + 3 * pitch, pitch, places, slopes, n, 3, vectors, row, dx + 3 * row);
    }
}

/* The winners at one place of the pooled image that relu let through, as places in the padded
 * filters and slopes; returns how many. */
INLINE int
list_filters(const conv5_t *conv, const float *y, const float *dy, const int32_t *winners,
             int corner, int32_t *places, float *slopes)
{
    int IJ = conv->I * conv->J, pitch = (int)window_pitch(conv), used = 0;
    for (int k = 0; k < conv->K; k++, y += IJ, dy += IJ, winners += IJ) {
        int distance = *winners - corner;
        int a = distance >= conv->W, b = distance - a * conv->W;
        places[used] = (6 * k + 1 - a) * pitch + (1 - b) * conv->C;
        slopes[used] = *dy;
        used += *y > 0;
    }
    return used;
}

/* Writes planar what is channel-last in LAST, C floats a pixel; a few more may be read. */
static void
make_planar(const conv5_t *conv, const float *last, float *x)
{
    size_t pixels = (size_t)conv->H * (size_t)conv->W, C = (size_t)conv->C;
    size_t whole = pixels / 4 * 4;
    for (size_t c = 0; c < C; c += 4)
        for (size_t p = 0; p < whole; p += 4) {
            const float *source = last + p * C + c;
            float *target = x + c * pixels + p;
            quad_t a = load_quad(source), b = load_quad(source + C);
            quad_t d = load_quad(source + 2 * C), e = load_quad(source + 3 * C);
            quad_t ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                   de = __builtin_shufflevector(d, e, 0, 4, 1, 5);
            store_quad(target, __builtin_shufflevector(ab, de, 0, 1, 4, 5));
            if (c + 1 < C)
                store_quad(target + pixels, __builtin_shufflevector(ab, de, 2, 3, 6, 7));
            ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            de = __builtin_shufflevector(d, e, 2, 6, 3, 7);
            if (c + 2 < C)
                store_quad(target + 2 * pixels, __builtin_shufflevector(ab, de, 0, 1, 4, 5));
            if (c + 3 < C)
                store_quad(target + 3 * pixels, __builtin_shufflevector(ab, de, 2, 3, 6, 7));
        }
    for (size_t p = whole; p < pixels; p++)
        for (size_t c = 0; c < C; c++)
            x[c * pixels + p] = last[p * C + c];
}

/* dx (C, H, W) of one image from y, dy and winners (K, I, J). It is made channel-last in scratch.
 */
void
KERNEL(conv5_input_gradient)(const conv5_t *conv, const float *padded, const float *y,
                             const float *dy, const int32_t *winners, float *scratch, float *dx)
{
    int list = (conv->K + 15) / 16 * 16;
    int32_t *places = (int32_t *)scratch;
    float *slopes = scratch + list, *last = slopes + list;
    size_t C = (size_t)conv->C, row = (size_t)conv->W * C, pitch = window_pitch(conv);
    memset(last, 0, (row * (size_t)conv->H + CONV5_SPARE) * sizeof(float));
    for (int place = 0; place < conv->I * conv->J; place++) {
        int corner = 2 * (place / conv->J) * conv->W + 2 * (place % conv->J);
        int n = list_filters(conv, y + place, dy + place, winners + place, corner, places, slopes);
        const float *filters = padded;
        float *window = last + (size_t)corner * C;
        for (int left = (int)pitch / LANES; left > 0; left -= VECTORS_MAX) {
            if (left >= 5)
                add_filters(filters, pitch, places, slopes, n, 5, row, window);
            else if (left == 4)
                add_filters(filters, pitch, places, slopes, n, 4, row, window);
            else if (left == 3)
                add_filters(filters, pitch, places, slopes, n, 3, row, window);
            else if (left == 2)
                add_filters(filters, pitch, places, slopes, n, 2, row, window);
            else
                add_filters(filters, pitch, places, slopes, n, 1, row, window);
            filters += VECTORS_MAX * LANES;
            window += VECTORS_MAX * LANES;
        }
    }
    make_planar(conv, last, dx);
}
