/* engine/kernel_conv5_gradient.c - the backward passes of engine/conv5.h: lists of winners. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <string.h>

/* Vectors of a row of patches that are added at once. */
enum { VECTORS_MAX = 5 };

/* Four pixels of three channels, channel-last: each vector is turned once so that all its floats
 * are in the lanes they are wanted in, and then it is a matter of choosing. */
INLINE void
interleave_three(quad_t a, quad_t b, quad_t d, float *last)
{
    a = __builtin_shufflevector(a, a, 0, 3, 2, 1);
    b = __builtin_shufflevector(b, b, 1, 0, 3, 2);
    d = __builtin_shufflevector(d, d, 2, 1, 0, 3);
    quad_t ab = __builtin_shufflevector(a, b, 0, 5, 2, 3),
           bd = __builtin_shufflevector(b, d, 0, 5, 2, 3),
           da = __builtin_shufflevector(d, a, 0, 5, 2, 3);
    store_quad(last, __builtin_shufflevector(ab, d, 0, 1, 6, 3));
    store_quad(last + 4, __builtin_shufflevector(bd, a, 0, 1, 6, 3));
    store_quad(last + 8, __builtin_shufflevector(da, b, 0, 1, 6, 3));
}

/* Four pixels of one to four channels, planes that are PLANE floats apart, into pixels of DEPTH
 * floats, four of each. */
INLINE void
interleave(const float *x, size_t plane, int channels, float *last, size_t depth)
{
    quad_t quads[4] = {load_quad(x)};
    UNROLL
    for (int c = 1; c < 4; c++)
        quads[c] = c < channels ? load_quad(x + (size_t)c * plane) : (quad_t){0};
    transpose(quads);
    UNROLL
    for (size_t p = 0; p < 4; p++)
        store_quad(last + p * depth, quads[p]);
}

/* The same of PIXELS pixels, a multiple of four, of planes that are PLANE floats apart. */
INLINE void
interleave_all(const float *x, size_t plane, size_t pixels, int channels, float *last, size_t depth)
{
    for (size_t p = 0; p < pixels; p += 4, x += 4, last += 4 * depth)
        if (depth == 3)
            interleave_three(load_quad(x), load_quad(x + plane), load_quad(x + 2 * plane), last);
        else
            interleave(x, plane, channels, last, depth);
}

/* Writes channel-last what is planar in x: pixels of `depth` floats. Where depth is not a multiple
 * of 4, the floats past a pixel are overwritten by the next one. */
static void
make_channel_last(const conv5_t *conv, const float *x, float *last)
{
    size_t pixels = (size_t)conv->H * (size_t)conv->W, depth = (size_t)conv->depth;
    size_t whole = pixels / 4 * 4;
    for (int c = 0; c < conv->C; c += 4) {
        const float *source = x + (size_t)c * pixels;
        if (depth == 3)
            interleave_all(source, pixels, whole, 3, last, 3);
        else if (conv->C - c >= 4)
            interleave_all(source, pixels, whole, 4, last + c, depth);
        else if (conv->C - c == 3)
            interleave_all(source, pixels, whole, 3, last + c, depth);
        else if (conv->C - c == 2)
            interleave_all(source, pixels, whole, 2, last + c, depth);
        else
            interleave_all(source, pixels, whole, 1, last + c, depth);
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
        *sum += (float)(y[p] > 0) * dy[p];
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

/* For each place of the pooled image, a list of the filters whose winner there relu let through:
 * where in the padded filters what is added begins, and slopes. The winner of filter k in row 2i +
 * a, column 2j + b begins at (6k + 1 - a) pitch + (1 - b) C. */
typedef struct {
    int32_t *first;  /* (IJ) of a window: the place of its corner in a channel of x, times C */
    int32_t *lower;  /* (IJ) the place below the corner; winners from there on have a = 1 */
    int32_t *n;      /* (IJ) listed */
    int capacity;    /* of a list: of all filters, and a quad more */
    int32_t *places; /* (IJ, capacity) */
    float *slopes;   /* (IJ, capacity) */
} filter_lists_t;

static filter_lists_t
empty_lists(const conv5_t *conv, float *scratch)
{
    ptrdiff_t IJ = (ptrdiff_t)conv->I * conv->J, capacity = (conv->K + 3) / 4 * 4 + 4;
    filter_lists_t lists = {.capacity = (int)capacity, .first = (int32_t *)scratch};
    lists.lower = lists.first + IJ;
    lists.n = lists.lower + IJ;
    lists.places = lists.n + IJ;
    lists.slopes = scratch + (3 + capacity) * IJ;
    for (int i = 0, p = 0; i < conv->I; i++)
        for (int j = 0; j < conv->J; j++, p++) {
            int corner = 2 * i * conv->W + 2 * j;
            lists.first[p] = corner * conv->C;
            lists.lower[p] = corner + conv->W;
            lists.n[p] = 0;
        }
    return lists;
}

/* Lists COUNT filters, at most four, from filter k on, whose first are y, dy and winners (COUNT,
 * IJ). Four places at a time, so that what stands in rows is wanted in columns. What is dead is
 * marked by the sign. */
INLINE void
list_four_filters(const conv5_t *conv, const float *y, const float *dy, const int32_t *winners,
                  int k, int count, filter_lists_t lists)
{
    int IJ = conv->I * conv->J, C = conv->C, pitch = (int)window_pitch(conv), p = 0;
    int begin = (6 * k + 1) * pitch + C, back = conv->W * C - pitch;
    for (; p + 4 <= IJ; p += 4) {
        iquad_t first = *(const iquad_at_t *)(lists.first + p);
        iquad_t lower = *(const iquad_at_t *)(lists.lower + p);
        quad_t places[4], slopes[4];
        UNROLL
        for (int f = 0; f < 4; f++) {
            size_t at = (size_t)(f < count ? f : 0) * (size_t)IJ + (size_t)p;
            iquad_t winner = *(const iquad_at_t *)(winners + at);
            iquad_t place = begin + 6 * f * pitch + first - winner * C + ((winner >= lower) & back);
            iquad_t is_dead = ~(load_quad(y + at) > 0);
            places[f] = (quad_t)(f < count ? place | (is_dead & INT32_MIN) : (iquad_t){0} - 1);
            slopes[f] = load_quad(dy + at);
        }
        transpose(places);
        transpose(slopes);
        UNROLL
        for (int i = 0; i < 4; i++) {
            iquad_t place = (iquad_t)places[i];
            int n = lists.n[p + i], at = (p + i) * lists.capacity + n;
            lists.n[p + i] =
                n + put_chosen(place >= 0, place, slopes[i], lists.places + at, lists.slopes + at);
        }
    }
    for (; p < IJ; p++)
        for (int f = 0; f < count; f++) {
            int winner = winners[f * IJ + p], at = p * lists.capacity + lists.n[p];
            lists.places[at] = begin + 6 * f * pitch + lists.first[p] - winner * C +
                               (winner >= lists.lower[p] ? back : 0);
            lists.slopes[at] = dy[f * IJ + p];
            lists.n[p] += y[f * IJ + p] > 0;
        }
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
            quad_t quads[4];
            UNROLL
            for (size_t i = 0; i < 4; i++)
                quads[i] = load_quad(source + i * C);
            transpose(quads);
            store_quad(target, quads[0]);
            UNROLL
            for (size_t i = 1; i < 4; i++)
                if (c + i < C)
                    store_quad(target + i * pixels, quads[i]);
        }
    for (size_t p = whole; p < pixels; p++)
        for (size_t c = 0; c < C; c++)
            x[c * pixels + p] = last[p * C + c];
}

/* Adds a list of filters to the window of dx, channel-last with rows of ROW floats. */
INLINE void
add_window(const float *padded, size_t pitch, const int32_t *places, const float *slopes, int n,
           size_t row, float *window)
{
    for (int left = (int)pitch / LANES; left > 0; left -= VECTORS_MAX) {
        if (left >= 5)
            add_filters(padded, pitch, places, slopes, n, 5, row, window);
        else if (left == 4)
            add_filters(padded, pitch, places, slopes, n, 4, row, window);
        else if (left == 3)
            add_filters(padded, pitch, places, slopes, n, 3, row, window);
        else if (left == 2)
            add_filters(padded, pitch, places, slopes, n, 2, row, window);
        else
            add_filters(padded, pitch, places, slopes, n, 1, row, window);
        padded += VECTORS_MAX * LANES;
        window += VECTORS_MAX * LANES;
    }
}

/* dx (C, H, W) of one image from y, dy and winners (K, I, J). It is made channel-last in scratch.
 */
void
KERNEL(conv5_input_gradient)(const conv5_t *conv, const float *padded, const float *y,
                             const float *dy, const int32_t *winners, float *scratch, float *dx)
{
    size_t IJ = (size_t)(conv->I * conv->J), C = (size_t)conv->C, row = (size_t)conv->W * C;
    filter_lists_t lists = empty_lists(conv, scratch);
    for (int k = 0; k < conv->K; k += 4, y += 4 * IJ, dy += 4 * IJ, winners += 4 * IJ)
        if (k + 4 <= conv->K)
            list_four_filters(conv, y, dy, winners, k, 4, lists);
        else
            list_four_filters(conv, y, dy, winners, k, conv->K - k, lists);
    float *last = scratch + (IJ * (3 + 2 * (size_t)lists.capacity) + 15) / 16 * 16;
    memset(last, 0, (row * (size_t)conv->H + CONV5_SPARE) * sizeof(float));
    for (size_t p = 0; p < IJ; p++)
        add_window(padded, window_pitch(conv), lists.places + p * (size_t)lists.capacity,
                   lists.slopes + p * (size_t)lists.capacity, lists.n[p], row,
                   last + lists.first[p]);
    make_planar(conv, last, dx);
}
