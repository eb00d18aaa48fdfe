/* engine/kernel_conv5.c - the forward pass of engine/conv5.h. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <stdbool.h>
#include <string.h>

/* Taps of F[.][b] by b, and where they start among the eight of a point. */
static const int TAPS[3] = {3, 3, 2};
static const int FIRST_TAP[3] = {0, 3, 6};

enum { POINTS = CONV5_POINTS };

/* Filters that are packed side by side, in so many lanes. */
enum { WIDTH_MAX = 16 };
typedef float filters_t[WIDTH_MAX];

INLINE int
lanes_of(int width)
{
    return (width + 3) / 4 * 4;
}

/* The 25 taps of filters whose weights start STRIDE apart, N of which are there; zeros for the
 * others. */
INLINE void
gather_taps(const float *weight, size_t stride, int n, int width, filters_t taps[25])
{
    static const float NONE[25];
    for (int k = 0; k < lanes_of(width); k += 4) {
        const float *filters[4];
        for (int i = 0; i < 4; i++)
            filters[i] = k + i < n ? weight + (size_t)(k + i) * stride : NONE;
        for (int t = 0; t < 24; t += 4) {
            quad_t quads[4];
            UNROLL
            for (int i = 0; i < 4; i++)
                quads[i] = load_quad(filters[i] + t);
            transpose(quads);
            UNROLL
            for (int i = 0; i < 4; i++)
                store_quad(&taps[t + i][k], quads[i]);
        }
        for (int i = 0; i < 4; i++)
            taps[24][k + i] = filters[i][24];
    }
}

/* A column of five taps, five apart, at the eight points, five apart as well: G of
 * engine/conv5.h. */
INLINE void
evaluate_taps(filters_t *taps, int width, filters_t *at)
{
    UNROLL
    for (int k = 0; k < lanes_of(width); k++) {
        float h0 = taps[0][k], h1 = taps[5][k], h2 = taps[10][k];
        float h3 = taps[15][k], h4 = taps[20][k];
        float even = h0 + h2 + h4, odd = h1 + h3;
        float even_two = h0 + 4 * h2 + 16 * h4, odd_two = 2 * h1 + 8 * h3;
        float even_half = 16 * h0 + 4 * h2 + h4, odd_half = 8 * h1 + 2 * h3;
        at[0][k] = h0;
        at[5][k] = (even + odd) * (-2.0f / 9);
        at[10][k] = (even - odd) * (-2.0f / 9);
        at[15][k] = (even_two + odd_two) * (1.0f / 90);
        at[20][k] = (even_two - odd_two) * (1.0f / 90);
        at[25][k] = (even_half + odd_half) * (2.0f / 45);
        at[30][k] = (even_half - odd_half) * (2.0f / 45);
        at[35][k] = h4;
    }
}

/* A row of five taps as the eight of H0, H0 + H1 and H1. */
INLINE void
split_taps(filters_t *taps, int width, filters_t split[8])
{
    UNROLL
    for (int k = 0; k < lanes_of(width); k++) {
        float h0 = taps[0][k], h1 = taps[1][k], h2 = taps[2][k], h3 = taps[3][k], h4 = taps[4][k];
        split[0][k] = h0;
        split[1][k] = h2;
        split[2][k] = h4;
        split[3][k] = h0 + h1;
        split[4][k] = h2 + h3;
        split[5][k] = h4;
        split[6][k] = h1;
        split[7][k] = h3;
    }
}

/* F of channel c of WIDTH filters whose weights (25) start STRIDE apart, N of which are there. */
INLINE void
pack_channel(const float *weight, size_t stride, int n, int width, int c, int C, size_t group,
             float *packed)
{
    filters_t taps[25], at[5 * POINTS], split[8];
    gather_taps(weight, stride, n, width, taps);
    for (int v = 0; v < 5; v++)
        evaluate_taps(taps + v, width, at + v);
    for (int p = 0; p < POINTS; p++) {
        split_taps(at + (ptrdiff_t)5 * p, width, split);
        UNROLL
        for (int q = 0; q < 8; q++) {
            int b = q / 3, v = q % 3;
            int tap = (8 * p + FIRST_TAP[b]) * C + c * TAPS[b] + v;
            memcpy(packed + (size_t)tap * group, split[q], (size_t)width * sizeof(float));
        }
    }
}

/* PACKED is, deep, [p, b][c][v][k]; otherwise [group of filters][p, b][c][v][k in the group]. */
void
KERNEL(conv5_pack)(const conv5_t *conv, const float *weight, float *packed)
{
    size_t C = (size_t)conv->C, stride = 25 * C;
    int width = conv->is_deep ? WIDTH_MAX : conv->group;
    size_t group = conv->is_deep ? (size_t)conv->K : (size_t)width;
    for (int k = 0; k < conv->K; k += width) {
        int n = conv->K - k < width ? conv->K - k : width;
        float *target = conv->is_deep ? packed + k : packed + 64 * C * (size_t)k;
        for (int c = 0; c < conv->C; c++) {
            const float *source = weight + (size_t)k * stride + (size_t)(25 * c);
            if (width == WIDTH_MAX)
                pack_channel(source, stride, n, WIDTH_MAX, c, conv->C, group, target);
            else if (width == 6)
                pack_channel(source, stride, n, 6, c, conv->C, group, target);
            else
                pack_channel(source, stride, n, 4, c, conv->C, group, target);
        }
    }
}

/* The even and the odd floats of 2 LANES neighbours. */
INLINE vec_t
even_lanes(vec_t low, vec_t high)
{
#if VECTOR_LANES == 16
    return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                   30);
#elif VECTOR_LANES == 8
    return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
#else
    return __builtin_shufflevector(low, high, 0, 2, 4, 6);
#endif
}

INLINE vec_t
odd_lanes(vec_t low, vec_t high)
{
#if VECTOR_LANES == 16
    return __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29,
                                   31);
#elif VECTOR_LANES == 8
    return __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
#else
    return __builtin_shufflevector(low, high, 1, 3, 5, 7);
#endif
}

/* All but the first of V's floats, and the first of NEXT. */
INLINE vec_t
shift_lanes(vec_t v, vec_t next)
{
#if VECTOR_LANES == 16
    return __builtin_shufflevector(v, next, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
#elif VECTOR_LANES == 8
    return __builtin_shufflevector(v, next, 1, 2, 3, 4, 5, 6, 7, 8);
#else
    return __builtin_shufflevector(v, next, 1, 2, 3, 4);
#endif
}

/* Rows of an image that a group is made of, and Karatsuba's parts. */
enum { GROUP_ROWS = 8, PARTS = 3 };

/* B' of engine/conv5.h, of LANES columns of eight rows. Each sum that is zero for eight equal rows
 * is made of differences, so that it is exactly zero: equal outputs come out equal, and the pool
 * finds the first of them. */
INLINE void
transform_rows(const float *const rows[GROUP_ROWS], int column, vec_t at[POINTS])
{
    vec_t d[GROUP_ROWS];
    UNROLL
    for (int r = 0; r < GROUP_ROWS; r++)
        d[r] = load(rows[r] + column);
    vec_t even = d[2] + d[6] - 4.25f * d[4], odd = d[1] + d[5] - 4.25f * d[3];
    vec_t d24 = d[2] - d[4], d64 = d[6] - d[4], d13 = d[1] - d[3], d53 = d[5] - d[3];
    vec_t even_two = d64 + 0.25f * d24, odd_two = 0.5f * d13 + 2 * d53;
    vec_t even_half = d64 + 4 * d24, odd_half = 2 * d13 + 0.5f * d53;
    at[0] = d[0] - d[6] - 5.25f * d24;
    at[1] = even + odd;
    at[2] = even - odd;
    at[3] = even_two + odd_two;
    at[4] = even_two - odd_two;
    at[5] = even_half + odd_half;
    at[6] = even_half - odd_half;
    at[7] = d[7] - d[1] - 5.25f * d53;
}

/* D of one group of one channel: [p][b], PLANE floats each. First down the columns, then along the
 * rows, from the right: the last float of S X0 is the next vector's first, which the last vector of
 * a row has no use for. */
INLINE void
make_planes(const float *const rows[GROUP_ROWS], int vectors, size_t plane, float *planes)
{
    vec_t next[POINTS] = {{0}};
    for (int i = vectors - 1; i >= 0; i--) {
        vec_t low[POINTS], high[POINTS];
        transform_rows(rows, 2 * i * LANES, low);
        transform_rows(rows, (2 * i + 1) * LANES, high);
        float *place = planes + i * LANES;
        UNROLL
        for (int p = 0; p < POINTS; p++, place = (float *)one_pointer(place + PARTS * plane)) {
            vec_t even = even_lanes(low[p], high[p]), odd = odd_lanes(low[p], high[p]);
            store(place, even - odd);
            store(place + plane, odd);
            store(place + 2 * plane, shift_lanes(even, next[p]) - odd);
            next[p] = even;
        }
    }
}

/* D of group G of the image x, to [c][p][b][ROWS + 1][pitch]. Below the image its last row is
 * repeated: nothing depends on it, but what is equal in all rows stays so. A row that vectors would
 * read past the end of x is copied to ROOM first. */
static void
make_group(const conv5_t *conv, const float *x, int g, int rows, float *room, float *planes)
{
    int vectors = (conv->J + 2 + LANES - 1) / LANES;
    size_t W = (size_t)conv->W, channel = (size_t)conv->H * W, left = (size_t)conv->C * channel;
    size_t plane = (size_t)((rows + 1) * conv->pitch), reach = 2 * (size_t)vectors * LANES;
    for (; left > 0; left -= channel, x += channel, planes += PARTS * POINTS * plane) {
        const float *sources[GROUP_ROWS];
        for (int r = 0; r < GROUP_ROWS; r++) {
            int row = GROUP_ROWS / 2 * g + r;
            size_t start = (size_t)(row < conv->H ? row : conv->H - 1) * W;
            bool is_inside = start + reach <= left;
            sources[r] = is_inside ? x + start
                                   : memcpy(room + (size_t)r * reach, x + start, W * sizeof(float));
        }
        make_planes(sources, vectors, plane, planes);
    }
}

/* Y (4 rows) of the products at the eight points, which are STEP floats apart: A' of
 * engine/conv5.h. */
INLINE void
interpolate(const float *at, size_t step, vec_t y[4])
{
    vec_t p1 = load(at + step), p2 = load(at + 2 * step), p3 = load(at + 3 * step);
    vec_t p4 = load(at + 4 * step), p5 = load(at + 5 * step), p6 = load(at + 6 * step);
    vec_t even = p1 + p2, odd = p1 - p2, even_two = p3 + p4, odd_two = p3 - p4;
    vec_t even_half = p5 + p6, odd_half = p5 - p6;
    y[0] = load(at) + even + even_two + even_half;
    y[1] = odd + 2 * odd_two + 0.5f * odd_half;
    y[2] = even + 4 * even_two + 0.25f * even_half;
    y[3] = load(at + 7 * step) + odd + 8 * odd_two + 0.125f * odd_half;
}

/* The largest of four, relu on top; *WINNER, if it is wanted, becomes its place, given the FIRST's,
 * in a plane of rows of W. The first of equals wins. */
INLINE vec_t
pool(const vec_t y[4], vec_t bias, int W, ivec_t first, bool has_winners, ivec_t *winner)
{
    vec_t upper = maximum(y[1], y[0]), lower = maximum(y[3], y[2]);
    if (has_winners) {
        ivec_t is_second = y[1] > y[0], is_fourth = y[3] > y[2]; /* -1 where true */
        *winner = select(lower > upper, first + W - is_fourth, first - is_second);
    }
    return maximum(maximum(lower, upper) + bias, (vec_t){0});
}

/* The two pooled rows of four rows of even and of odd columns, and the winners' places, given the
 * first's. */
INLINE void
pool_group(const float *even, const float *odd, size_t step, vec_t bias, int W, ivec_t first,
           bool has_winners, vec_t value[2], ivec_t winner[2])
{
    vec_t y[2][4];
    interpolate(even, step, y[0]);
    interpolate(odd, step, y[1]);
    UNROLL
    for (int a = 0; a < 2; a++) {
        const vec_t four[4] = {y[0][2 * a], y[1][2 * a], y[0][2 * a + 1], y[1][2 * a + 1]};
        value[a] = pool(four, bias, W, first + 2 * a * W, has_winners, &winner[a]);
    }
}

/* Along a row: a tile is GROUP filters by TILE vectors, which are ROWS groups of rows by COLUMNS
 * vectors. */
enum {
    ROWS = LANES == 16 ? 2 : 1,
    COLUMNS = LANES == 16       ? 1
              : REGISTERS == 32 ? 4
                                : 2,
    TILE = ROWS * COLUMNS,
    GROUP_MAX = 6
};
_Static_assert((int)ROWS <= (int)CONV5_TILE_GROUPS_MAX, "conv5_planes_count has room for a tile");

/* Where a tile's sums go, in vectors of the tile: of each point the even columns, then the odd
 * ones; and, before that, what both have in common. */
enum { EVEN, ODD, OUTPUTS };

/* sums += F * D for the NV taps of one product. */
INLINE void
row_product(const conv5_t *conv, const float *f, const float *d, int nv, int group,
            vec_t sums[GROUP_MAX * TILE])
{
    size_t pitch = (size_t)conv->pitch, channel = 3 * POINTS * (ROWS + 1) * pitch;
    ROLLED
    for (int c = 0; c < conv->C; c++, d += channel)
        ROLLED
    for (int v = 0; v < nv; v++, f += group) {
        vec_t x[TILE];
        UNROLL
        for (int t = 0; t < TILE; t++)
            x[t] = load(d + (size_t)(t / COLUMNS) * pitch + v + t % COLUMNS * LANES);
        UNROLL
        for (int k = 0; k < group; k++) {
            vec_t weight = splat(f[k]);
            UNROLL
            for (int t = 0; t < TILE; t++)
                sums[k * TILE + t] = multiply_add(sums[k * TILE + t], weight, x[t]);
        }
    }
}

/* One tile of one group of filters at all points. D points at the tile in D[0][0] of the first
 * channel. */
INLINE void
row_tile(const conv5_t *conv, const float *packed, const float *d, int group, float *buffers)
{
    enum { SIZE = GROUP_MAX * TILE * LANES };
    size_t plane = (ROWS + 1) * (size_t)conv->pitch, taps = (size_t)(conv->C * group);
    ROLLED
    for (int p = 0; p < POINTS;
         p++, packed += 8 * taps, d += 3 * plane, buffers += OUTPUTS * SIZE) {
        vec_t sums[GROUP_MAX * TILE];
        UNROLL
        for (int i = 0; i < group * TILE; i++)
            sums[i] = (vec_t){0};
        row_product(conv, packed + 3 * taps, d + plane, 3, group, sums);
        UNROLL
        for (int i = 0; i < group * TILE; i++)
            store(buffers + ODD * SIZE + i * LANES, sums[i]);
        row_product(conv, packed, d, 3, group, sums);
        UNROLL
        for (int i = 0; i < group * TILE; i++) {
            store(buffers + EVEN * SIZE + i * LANES, sums[i]);
            sums[i] = load(buffers + ODD * SIZE + i * LANES);
        }
        row_product(conv, packed + 6 * taps, d + 2 * plane, 2, group, sums);
        UNROLL
        for (int i = 0; i < group * TILE; i++)
            store(buffers + ODD * SIZE + i * LANES, sums[i]);
    }
}

/* Writes LANES values and, if they are wanted, winners; the first LEFT of them where there is no
 * room for more. */
INLINE void
put_vector(vec_t value, ivec_t winner, size_t left, bool has_winners, float *y, int32_t *winners)
{
    if (left >= LANES) {
        store(y, value);
        if (has_winners)
            *(ivec_at_t *)winners = winner;
        return;
    }
    memcpy(y, &value, left * sizeof(float));
    if (has_winners)
        memcpy(winners, &winner, left * sizeof(int32_t));
}

/* Pools the tile of filters from FIRST, groups from G and columns from j on into y (K, I, J), as
 * far as it lies inside. The last vector of a row may run over its end, into the next row; so what
 * is on the right is written first. */
INLINE void
put_tile(const conv5_t *conv, const float *buffers, const float *bias, int group, int first, int g,
         int j, bool has_winners, float *y, int32_t *winners)
{
    enum { SIZE = GROUP_MAX * TILE * LANES };
    int I = conv->I, J = conv->J, W = conv->W;
    int filters = conv->K - first < group ? conv->K - first : group;
    ivec_t twice;
    for (int l = 0; l < LANES; l++)
        twice[l] = 2 * l;
    for (int t = 0; t < TILE; t++) {
        int across = COLUMNS - 1 - t % COLUMNS;
        int row = 2 * (g + t / COLUMNS), column = j + across * LANES;
        if (row >= I || column >= J)
            continue;
        const float *even = buffers + (t / COLUMNS * COLUMNS + across) * LANES;
        ivec_t corner = 2 * row * W + 2 * column + twice;
        size_t at = (size_t)(first * I + row) * (size_t)J + (size_t)column;
        size_t left = (size_t)(I - row) * (size_t)J - (size_t)column;
        for (int k = 0; k < filters; k++, even += TILE * LANES, at += (size_t)(I * J)) {
            vec_t value[2];
            ivec_t place[2];
            pool_group(even, even + ODD * SIZE, OUTPUTS * SIZE, splat(bias[first + k]), W, corner,
                       has_winners, value, place);
            put_vector(value[0], place[0], left, has_winners, y + at,
                       has_winners ? winners + at : NULL);
            if (row + 1 < I)
                put_vector(value[1], place[1], left - (size_t)J, has_winners, y + at + J,
                           has_winners ? winners + at + J : NULL);
        }
    }
}

static void
forward_rows(const conv5_t *conv, const float *packed, const float *bias, const float *x,
             float *room, float *planes, float *y, int32_t *winners)
{
    float buffers[POINTS * OUTPUTS * GROUP_MAX * TILE * LANES] __attribute__((aligned(64)));
    int group = conv->group;
    for (int g = 0; g < conv->groups; g += ROWS) {
        for (int r = 0; r < ROWS && g + r < conv->groups; r++)
            make_group(conv, x, g + r, ROWS, room, planes + r * conv->pitch);
        for (int j = (conv->J - 1) / (COLUMNS * LANES) * COLUMNS * LANES; j >= 0;
             j -= COLUMNS * LANES)
            for (int first = 0; first < conv->K; first += group) {
                const float *filters = packed + 64 * (size_t)conv->C * (size_t)first;
                if (group == 6)
                    row_tile(conv, filters, planes + j, 6, buffers);
                else
                    row_tile(conv, filters, planes + j, 4, buffers);
                if (winners)
                    put_tile(conv, buffers, bias, group, first, g, j, true, y, winners);
                else
                    put_tile(conv, buffers, bias, group, first, g, j, false, y, NULL);
            }
    }
}

/* Deep: vectors over filters. A tile is PLACES places, each a group of rows and a column, by
 * FILTERS vectors. */
enum {
    PLACES = LANES == 16 ? 9 : 5,
    FILTERS = LANES == 4 && REGISTERS == 32 ? 4
              : LANES == 16                 ? 1
                                            : 2
};

INLINE void
deep_product(const conv5_t *conv, const float *f, const float *d, const int *places, int nv,
             vec_t sums[PLACES * FILTERS])
{
    size_t channel = (size_t)(3 * POINTS * (conv->groups + 1) * conv->pitch), K = (size_t)conv->K;
    ROLLED
    for (int c = 0; c < conv->C; c++, d += channel)
        ROLLED
    for (int v = 0; v < nv; v++, f += K) {
        const float *x = d + v;
        vec_t w[FILTERS];
        UNROLL
        for (int k = 0; k < FILTERS; k++)
            w[k] = load(f + k * LANES);
        UNROLL
        for (int t = 0; t < PLACES; t++) {
            vec_t value = splat(x[places[t]]);
            UNROLL
            for (int k = 0; k < FILTERS; k++)
                sums[t * FILTERS + k] = multiply_add(sums[t * FILTERS + k], value, w[k]);
        }
    }
}

INLINE void
deep_tile(const conv5_t *conv, const float *packed, const float *d, const int *places,
          float *buffers)
{
    enum { COUNT = PLACES * FILTERS, SIZE = COUNT * LANES };
    size_t plane = (size_t)((conv->groups + 1) * conv->pitch);
    size_t taps = (size_t)conv->C * (size_t)conv->K;
    ROLLED
    for (int p = 0; p < POINTS;
         p++, packed += 8 * taps, d += 3 * plane, buffers += OUTPUTS * SIZE) {
        vec_t sums[COUNT];
        UNROLL
        for (int i = 0; i < COUNT; i++)
            sums[i] = (vec_t){0};
        deep_product(conv, packed + 3 * taps, d + plane, places, 3, sums);
        UNROLL
        for (int i = 0; i < COUNT; i++)
            store(buffers + ODD * SIZE + i * LANES, sums[i]);
        deep_product(conv, packed, d, places, 3, sums);
        UNROLL
        for (int i = 0; i < COUNT; i++) {
            store(buffers + EVEN * SIZE + i * LANES, sums[i]);
            sums[i] = load(buffers + ODD * SIZE + i * LANES);
        }
        deep_product(conv, packed + 6 * taps, d + 2 * plane, places, 2, sums);
        UNROLL
        for (int i = 0; i < COUNT; i++)
            store(buffers + ODD * SIZE + i * LANES, sums[i]);
    }
}

/* Pools the tile of filters from FIRST on and places from PLACE on into y (K, I, J). */
INLINE void
put_deep_tile(const conv5_t *conv, const float *buffers, const float *bias, int first, int place,
              bool has_winners, float *y, int32_t *winners)
{
    enum { SIZE = PLACES * FILTERS * LANES };
    size_t IJ = (size_t)conv->I * (size_t)conv->J;
    for (int t = 0; t < PLACES && place + t < conv->groups * conv->J; t++) {
        int row = 2 * ((place + t) / conv->J), column = (place + t) % conv->J;
        for (int k = 0; k < FILTERS; k++) {
            const float *even = buffers + (t * FILTERS + k) * LANES;
            vec_t value[2];
            ivec_t distance[2] = {{0}};
            pool_group(even, even + ODD * SIZE, OUTPUTS * SIZE, load(bias + first + k * LANES),
                       conv->W, (ivec_t){0} + 2 * row * conv->W + 2 * column, has_winners, value,
                       distance);
            for (int a = 0; a < 2 && row + a < conv->I; a++) {
                float values[LANES];
                int32_t places[LANES];
                size_t at =
                    (size_t)(first + k * LANES) * IJ + (size_t)((row + a) * conv->J + column);
                store(values, value[a]);
                memcpy(places, &distance[a], sizeof places);
                for (int l = 0; l < LANES; l++, at += IJ) {
                    y[at] = values[l];
                    if (has_winners)
                        winners[at] = places[l];
                }
            }
        }
    }
}

static void
forward_deep(const conv5_t *conv, const float *packed, const float *bias, const float *x,
             float *room, float *planes, float *y, int32_t *winners)
{
    float buffers[POINTS * OUTPUTS * PLACES * FILTERS * LANES] __attribute__((aligned(64)));
    int n = conv->groups, IJ = n * conv->J;
    for (int g = 0; g < n; g++)
        make_group(conv, x, g, n, room, planes + g * conv->pitch);
    for (int place = 0; place < IJ; place += PLACES) {
        int places[PLACES];
        for (int t = 0; t < PLACES; t++) {
            int p = place + t < IJ ? place + t : IJ - 1;
            places[t] = p / conv->J * conv->pitch + p % conv->J;
        }
        for (int first = 0; first < conv->K; first += FILTERS * LANES) {
            deep_tile(conv, packed + first, planes, places, buffers);
            if (winners)
                put_deep_tile(conv, buffers, bias, first, place, true, y, winners);
            else
                put_deep_tile(conv, buffers, bias, first, place, false, y, NULL);
        }
    }
}

/* SCRATCH is conv5_scratch_count floats; WINNERS (K, I, J) receives the place of each maximum in a
 * channel of x: r W + s for row r, column s. NULL: nobody wants them, as at evaluation. */
void
KERNEL(conv5_forward)(const conv5_t *conv, const float *packed, const float *bias, const float *x,
                      float *scratch, float *y, int32_t *winners)
{
    float *room = scratch + conv5_planes_count(conv);
    if (conv->is_deep)
        forward_deep(conv, packed, bias, x, room, scratch, y, winners);
    else
        forward_rows(conv, packed, bias, x, room, scratch, y, winners);
}
