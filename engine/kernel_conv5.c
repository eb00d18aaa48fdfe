/* engine/kernel_conv5.c - the forward pass of engine/conv5.h. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <string.h>

/* Taps of F[a][.] by a, and where F[a][b] starts among the 64 taps of a filter and a channel. */
static const int TAPS[3] = {3, 3, 2};
static const int FIRST_TAP[3][3] = {{0, 9, 18}, {24, 33, 42}, {48, 54, 60}};

/* Five taps at TAPS, STEP vectors apart, as the eight of H0, H0 + H1 and H1: WIDTH filters side by
 * side. */
enum { WIDTH_MAX = 16 };
typedef float filters_t[WIDTH_MAX];

INLINE void
split_taps(filters_t *taps, int step, int width, filters_t split[8])
{
    UNROLL
    for (int k = 0; k < width; k++) {
        float h0 = taps[0][k], h1 = taps[step][k], h2 = taps[2 * step][k];
        float h3 = taps[3 * step][k], h4 = taps[4 * step][k];
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
    filters_t taps[25] = {{0}}, rows[5 * 8], both[8];
    for (int k = 0; k < n; k++)
        for (int t = 0; t < 25; t++)
            taps[t][k] = weight[(size_t)k * stride + (size_t)t];
    for (int u = 0; u < 5; u++)
        split_taps(taps + 5 * u, 1, width, rows + 8 * u);
    for (int q = 0; q < 8; q++) {
        int b = q / 3, v = q % 3;
        split_taps(rows + q, 8, width, both);
        for (int p = 0; p < 8; p++) {
            int a = p / 3, u = p % 3;
            int tap = FIRST_TAP[a][b] * C + (c * TAPS[a] + u) * TAPS[b] + v;
            memcpy(packed + (size_t)tap * group, both[p], (size_t)width * sizeof(float));
        }
    }
}

/* Channels [first, end). PACKED is, deep, [a, b][c][u][v][k]; otherwise [group of filters][a,
 * b][c][u][v][k in the group].
 */
void
KERNEL(conv5_pack)(const conv5_t *conv, const float *weight, int first, int end, float *packed)
{
    size_t C = (size_t)conv->C, stride = 25 * C;
    int width = conv->is_deep ? WIDTH_MAX : conv->group;
    size_t group = conv->is_deep ? (size_t)conv->K : (size_t)width;
    for (int k = 0; k < conv->K; k += width) {
        int n = conv->K - k < width ? conv->K - k : width;
        float *target = conv->is_deep ? packed + k : packed + 64 * C * (size_t)k;
        for (int c = first; c < end; c++) {
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

/* The even and the odd floats of 2 LANES. */
INLINE void
split_pairs(const float *x, vec_t *even, vec_t *odd)
{
    vec_t low = load(x), high = load(x + LANES);
#if defined(__AVX512F__)
    *even = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26,
                                    28, 30);
    *odd = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29,
                                   31);
#elif defined(__AVX2__)
    *even = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
    *odd = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
#else
    *even = __builtin_shufflevector(low, high, 0, 2, 4, 6);
    *odd = __builtin_shufflevector(low, high, 1, 3, 5, 7);
#endif
}

/* The even floats of a row x (W) and, pitch floats on, the odd ones. */
INLINE void
split_row(const conv5_t *conv, const float *x, float *line)
{
    for (int j = 0; j < conv->J + 2; j += LANES) {
        vec_t even, odd;
        split_pairs(x + 2 * j, &even, &odd);
        store(line + j, even);
        store(line + conv->pitch + j, odd);
    }
}

/* X0 - X1, X1 and S X0 - X1 of a split row, LANES of each. */
INLINE void
combine(const float *line, int pitch, vec_t combined[3])
{
    vec_t odd = load(line + pitch);
    combined[0] = load(line) - odd;
    combined[1] = odd;
    combined[2] = load(line + 1) - odd;
}

/* D of one channel: [a][b][rows][pitch]. LEFT floats of x may be read from this channel on; rows
 * that vectors would read past them are copied first. */
static void
make_planes(const conv5_t *conv, const float *x, size_t left, float *lines, float *planes)
{
    int pitch = conv->pitch, n = conv->I + 2;
    size_t line = 2 * (size_t)pitch, plane = (size_t)conv->rows * (size_t)pitch;
    size_t W = (size_t)conv->W, span = 2 * (size_t)((conv->J + 2 + LANES - 1) / LANES * LANES);
    float *copy = lines + (size_t)(conv->H + 1) * line;
    for (int r = 0; r < 2 * n && r < conv->H; r++, x += W, left -= W)
        split_row(conv, span <= left ? x : memcpy(copy, x, W * sizeof(float)),
                  lines + (size_t)r * line);
    for (int j = 0; j < conv->J + 2; j += LANES) {
        vec_t even[3], odd[3];
        combine(lines + j, pitch, even);
        for (int i = 0; i < n; i++) {
            const float *source = lines + (size_t)(2 * i + 1) * line + j;
            float *target = planes + (size_t)i * (size_t)pitch + j;
            vec_t next[3];
            combine(source, pitch, odd);
            combine(source + line, pitch, next);
            UNROLL
            for (int b = 0; b < 3; b++, target += plane) {
                store(target, even[b] - odd[b]);
                store(target + 3 * plane, odd[b]);
                store(target + 6 * plane, next[b] - odd[b]);
                even[b] = next[b];
            }
        }
    }
}

/* How the nine products become four outputs. A step is one product; its sums start from a buffer
 * (or zero), end in a buffer, and the middle ones are added to two other buffers on the way, so
 * that every product is made once and nothing is added twice. */
enum { ZERO = -1, CENTER, TOP, BOTTOM, Y00, Y01, Y10, Y11, BUFFERS };

typedef struct {
    int a, b;
    int start;  /* buffer the sums start from */
    int target; /* where they go; or, with `plus`, sums + TOP go there */
    int plus;   /* and sums + BOTTOM go here; 0 for none */
} product_t;

static const product_t PRODUCTS[9] = {
    {1, 1, ZERO, CENTER, 0}, {0, 1, CENTER, TOP, 0}, {2, 1, CENTER, BOTTOM, 0},
    {1, 0, ZERO, Y00, Y10},  {1, 2, ZERO, Y01, Y11}, {0, 0, Y00, Y00, 0},
    {0, 2, Y01, Y01, 0},     {2, 0, Y10, Y10, 0},    {2, 2, Y11, Y11, 0},
};

/* The largest of four, relu on top; *WINNER becomes its distance from the first in a plane of rows
 * of W. The first of equals wins. */
INLINE vec_t
pool(const vec_t y[4], vec_t bias, int W, ivec_t *winner)
{
    const int distance[4] = {0, 1, W, W + 1};
    vec_t best = y[0];
    ivec_t place = {0};
    UNROLL
    for (int q = 1; q < 4; q++) {
        ivec_t is_better = y[q] > best;
        best = select(is_better, y[q], best);
        place = (is_better & distance[q]) | (~is_better & place);
    }
    *winner = place;
    return maximum(best + bias, (vec_t){0});
}

/* Along a row: a tile is GROUP filters by TILE vectors, which are ROWS rows of COLUMNS vectors. */
enum {
    ROWS = LANES == 16 ? 2 : 1,
    COLUMNS = LANES == 16       ? 1
              : REGISTERS == 32 ? 4
                                : 2,
    TILE = ROWS * COLUMNS,
    GROUP_MAX = 6
};

/* sums += F * D for the nu x nv taps of one product. */
INLINE void
row_product(const conv5_t *conv, const float *f, const float *d, int nu, int nv, int group,
            vec_t sums[GROUP_MAX * TILE])
{
    size_t pitch = (size_t)conv->pitch, channel = 9 * (size_t)conv->rows * pitch;
    for (int c = 0; c < conv->C; c++, d += channel)
        ROLLED
    for (int u = 0; u < nu; u++)
        ROLLED
    for (int v = 0; v < nv; v++, f += group) {
        vec_t x[TILE];
        UNROLL
        for (int t = 0; t < TILE; t++)
            x[t] = load(d + (size_t)(u + t / COLUMNS) * pitch + v + t % COLUMNS * LANES);
        UNROLL
        for (int k = 0; k < group; k++) {
            vec_t weight = splat(f[k]);
            UNROLL
            for (int t = 0; t < TILE; t++)
                sums[k * TILE + t] = multiply_add(sums[k * TILE + t], weight, x[t]);
        }
    }
}

/* One tile of one group of filters: y and winners are (GROUP, TILE) vectors. D points at the tile
 * in D[0][0] of the first channel. */
INLINE void
row_tile(const conv5_t *conv, const float *packed, const float *d, int group, float *buffers)
{
    enum { SIZE = GROUP_MAX * TILE * LANES };
    size_t plane = (size_t)conv->rows * (size_t)conv->pitch;
    for (int p = 0; p < 9; p++) {
        const product_t *product = &PRODUCTS[p];
        int a = product->a, b = product->b;
        const float *f = packed + (size_t)FIRST_TAP[a][b] * (size_t)(conv->C * group);
        const float *x = d + (size_t)(3 * a + b) * plane;
        vec_t sums[GROUP_MAX * TILE];
        UNROLL
        for (int i = 0; i < group * TILE; i++)
            sums[i] = product->start == ZERO ? (vec_t){0}
                                             : load(buffers + product->start * SIZE + i * LANES);
        if (a < 2 && b < 2)
            row_product(conv, f, x, 3, 3, group, sums);
        else if (a < 2)
            row_product(conv, f, x, 3, 2, group, sums);
        else if (b < 2)
            row_product(conv, f, x, 2, 3, group, sums);
        else
            row_product(conv, f, x, 2, 2, group, sums);
        float *target = buffers + product->target * SIZE, *other = buffers + product->plus * SIZE;
        if (!product->plus) {
            UNROLL
            for (int i = 0; i < group * TILE; i++)
                store(target + i * LANES, sums[i]);
            continue;
        }
        UNROLL
        for (int i = 0; i < group * TILE; i++) {
            store(target + i * LANES, sums[i] + load(buffers + TOP * SIZE + i * LANES));
            store(other + i * LANES, sums[i] + load(buffers + BOTTOM * SIZE + i * LANES));
        }
    }
}

/* Copies the pooled tile to y (K, I, J), as far as it lies inside. */
static void
put_tile(const conv5_t *conv, const float *buffers, const float *bias, int group, int first, int i,
         int j, float *y, int32_t *winners)
{
    enum { SIZE = GROUP_MAX * TILE * LANES };
    size_t IJ = (size_t)conv->I * (size_t)conv->J;
    ivec_t twice;
    for (int l = 0; l < LANES; l++)
        twice[l] = 2 * l;
    for (int k = 0; k < group && first + k < conv->K; k++)
        for (int t = 0; t < TILE; t++) {
            int row = i + t / COLUMNS, column = j + t % COLUMNS * LANES;
            if (row >= conv->I || column >= conv->J)
                continue;
            vec_t four[4];
            ivec_t place;
            UNROLL
            for (int q = 0; q < 4; q++)
                four[q] = load(buffers + (Y00 + q) * SIZE + (k * TILE + t) * LANES);
            vec_t value = pool(four, splat(bias[first + k]), conv->W, &place);
            place += 2 * row * conv->W + 2 * column + twice;
            size_t at = (size_t)(first + k) * IJ + (size_t)row * (size_t)conv->J + (size_t)column;
            /* A vector may run over the end of its row, since the next rows are written after it.
             */
            size_t left = (size_t)(first + k + 1) * IJ - at;
            if (left >= LANES) {
                store(y + at, value);
                *(ivec_at_t *)(winners + at) = place;
            } else {
                memcpy(y + at, &value, left * sizeof(float));
                memcpy(winners + at, &place, left * sizeof(int32_t));
            }
        }
}

INLINE void
forward_rows(const conv5_t *conv, const float *packed, const float *bias, const float *planes,
             int group, float *y, int32_t *winners)
{
    float buffers[BUFFERS * GROUP_MAX * TILE * LANES] __attribute__((aligned(64)));
    for (int i = 0; i < conv->I; i += ROWS)
        for (int j = 0; j < conv->J; j += COLUMNS * LANES)
            for (int first = 0; first < conv->K; first += group) {
                row_tile(conv, packed + 64 * (size_t)conv->C * (size_t)first,
                         planes + (size_t)i * (size_t)conv->pitch + j, group, buffers);
                put_tile(conv, buffers, bias, group, first, i, j, y, winners);
            }
}

/* Deep: vectors over filters. A tile is PLACES places by FILTERS vectors. */
enum {
    PLACES = LANES == 16 ? 9 : 5,
    FILTERS = LANES == 4 && REGISTERS == 32 ? 4
              : LANES == 16                 ? 1
                                            : 2
};

INLINE void
deep_product(const conv5_t *conv, const float *f, const float *d, const int *places, int nu, int nv,
             vec_t sums[PLACES * FILTERS])
{
    size_t pitch = (size_t)conv->pitch, channel = 9 * (size_t)conv->rows * pitch,
           K = (size_t)conv->K;
    for (int c = 0; c < conv->C; c++, d += channel)
        ROLLED
    for (int u = 0; u < nu; u++)
        ROLLED
    for (int v = 0; v < nv; v++, f += K) {
        const float *x = d + (size_t)u * pitch + v;
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
    size_t plane = (size_t)conv->rows * (size_t)conv->pitch;
    for (int p = 0; p < 9; p++) {
        const product_t *product = &PRODUCTS[p];
        int a = product->a, b = product->b;
        const float *f = packed + (size_t)FIRST_TAP[a][b] * (size_t)conv->C * (size_t)conv->K;
        const float *x = d + (size_t)(3 * a + b) * plane;
        vec_t sums[COUNT];
        UNROLL
        for (int i = 0; i < COUNT; i++)
            sums[i] = product->start == ZERO ? (vec_t){0}
                                             : load(buffers + product->start * SIZE + i * LANES);
        if (a < 2 && b < 2)
            deep_product(conv, f, x, places, 3, 3, sums);
        else if (a < 2)
            deep_product(conv, f, x, places, 3, 2, sums);
        else if (b < 2)
            deep_product(conv, f, x, places, 2, 3, sums);
        else
            deep_product(conv, f, x, places, 2, 2, sums);
        float *target = buffers + product->target * SIZE, *other = buffers + product->plus * SIZE;
        if (!product->plus) {
            UNROLL
            for (int i = 0; i < COUNT; i++)
                store(target + i * LANES, sums[i]);
            continue;
        }
        UNROLL
        for (int i = 0; i < COUNT; i++) {
            store(target + i * LANES, sums[i] + load(buffers + TOP * SIZE + i * LANES));
            store(other + i * LANES, sums[i] + load(buffers + BOTTOM * SIZE + i * LANES));
        }
    }
}

/* Pools the tile of filters from FIRST on and places from PLACE on into y (K, I, J). */
static void
put_deep_tile(const conv5_t *conv, const float *buffers, const float *bias, int first, int place,
              float *y, int32_t *winners)
{
    enum { SIZE = PLACES * FILTERS * LANES };
    int IJ = conv->I * conv->J;
    for (int t = 0; t < PLACES && place + t < IJ; t++) {
        int corner = 2 * ((place + t) / conv->J) * conv->W + 2 * ((place + t) % conv->J);
        for (int k = 0; k < FILTERS; k++) {
            ivec_t distance;
            int32_t distances[LANES];
            float values[LANES];
            vec_t four[4];
            UNROLL
            for (int q = 0; q < 4; q++)
                four[q] = load(buffers + (Y00 + q) * SIZE + (t * FILTERS + k) * LANES);
            store(values, pool(four, load(bias + first + k * LANES), conv->W, &distance));
            memcpy(distances, &distance, sizeof distances);
            size_t at = (size_t)(first + k * LANES) * (size_t)IJ + (size_t)(place + t);
            for (int l = 0; l < LANES; l++, at += (size_t)IJ) {
                y[at] = values[l];
                winners[at] = corner + distances[l];
            }
        }
    }
}

static void
forward_deep(const conv5_t *conv, const float *packed, const float *bias, const float *planes,
             float *y, int32_t *winners)
{
    float buffers[BUFFERS * PLACES * FILTERS * LANES] __attribute__((aligned(64)));
    int IJ = conv->I * conv->J;
    for (int place = 0; place < IJ; place += PLACES) {
        int places[PLACES];
        for (int t = 0; t < PLACES; t++) {
            int p = place + t < IJ ? place + t : IJ - 1;
            places[t] = p / conv->J * conv->pitch + p % conv->J;
        }
        for (int first = 0; first < conv->K; first += FILTERS * LANES) {
            deep_tile(conv, packed + first, planes, places, buffers);
            put_deep_tile(conv, buffers, bias, first, place, y, winners);
        }
    }
}

/* SCRATCH is conv5_scratch_count floats; WINNERS (K, I, J) receives the
 * place of each maximum in a channel of x: r W + s for row r, column s. */
void
KERNEL(conv5_forward)(const conv5_t *conv, const float *packed, const float *bias, const float *x,
                      float *scratch, float *y, int32_t *winners)
{
    size_t channel = 9 * (size_t)conv->rows * (size_t)conv->pitch;
    float *lines = scratch + (size_t)conv->C * channel + CONV5_SPARE;
    size_t image = (size_t)conv->H * (size_t)conv->W;
    for (int c = 0; c < conv->C; c++)
        make_planes(conv, x + (size_t)c * image, (size_t)(conv->C - c) * image, lines,
                    scratch + (size_t)c * channel);
    if (conv->is_deep)
        forward_deep(conv, packed, bias, scratch, y, winners);
    else if (conv->group == 6)
        forward_rows(conv, packed, bias, scratch, 6, y, winners);
    else
        forward_rows(conv, packed, bias, scratch, 4, y, winners);
}
