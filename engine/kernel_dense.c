/* engine/kernel_dense.c - dense layers by hand: for a handful of images, or few weights, a matrix
 * product has too little to do, and behind relu it does twice what is needed.
 *
 * At batch 4 a weight is used four times forward and eight times backward; what takes time is
 * moving it. So forward goes through the weights once for all images, and backward once for dx and
 * once more for the gradient of a row with the update at once. There images whose slope is 0 are
 * not left out: to guess wrong, for every row, how many there are costs more than it saves. */
#include "engine/kernel_table.h"
#include "engine/vector.h"

#include <stdbool.h>
#include <string.h>

INLINE quad_t
fold(vec_t v)
{
#if VECTOR_LANES == 16
    quad_t a = __builtin_shufflevector(v, v, 0, 1, 2, 3),
           b = __builtin_shufflevector(v, v, 4, 5, 6, 7);
    quad_t c = __builtin_shufflevector(v, v, 8, 9, 10, 11),
           d = __builtin_shufflevector(v, v, 12, 13, 14, 15);
    return (a + b) + (c + d);
#elif VECTOR_LANES == 8
    return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
    return v;
#endif
}

/* The four sums over lanes at once, by transposing. */
INLINE quad_t
sum_four(vec_t v0, vec_t v1, vec_t v2, vec_t v3)
{
    quad_t a = fold(v0), b = fold(v1), c = fold(v2), d = fold(v3);
    quad_t ab =
        __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad_t cd =
        __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

/* The lanes of load(x + C - LANES) that whole vectors from x on have not covered; others 0. C >=
 * LANES. */
INLINE vec_t
load_tail(const float *x, int C, ivec_t is_tail)
{
    return (vec_t)((ivec_t)load(x + C - LANES) & is_tail);
}

INLINE ivec_t
tail_of(int C)
{
    ivec_t lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = i;
    return lane >= LANES - C % LANES;
}

/* Sums in registers at once; a tile is some images by as many neurons as that allows. */
enum { SUMS = REGISTERS == 32 ? 16 : 8 };

/* The products of some neurons' w (neurons, C) and some images' x (images, C): totals (neurons,
 * images). */
INLINE void
forward_tile(const float *x, const float *w, int C, int images, int neurons, float *totals)
{
    vec_t sums[SUMS] = {{0}};
    int c = 0;
    for (; c + LANES <= C; c += LANES) {
        UNROLL
        for (int n = 0; n < images; n++) {
            vec_t values = load(x + (size_t)n * (size_t)C + c);
            UNROLL
            for (int k = 0; k < neurons; k++)
                sums[k * images + n] += values * load(w + (size_t)k * (size_t)C + c);
        }
    }
    if (c < C && C >= LANES) {
        ivec_t is_tail = tail_of(C);
        UNROLL
        for (int n = 0; n < images; n++) {
            vec_t values = load_tail(x + (size_t)n * (size_t)C, C, is_tail);
            UNROLL
            for (int k = 0; k < neurons; k++)
                sums[k * images + n] += values * load(w + (size_t)k * (size_t)C + C - LANES);
        }
        c = C;
    }
    UNROLL
    for (int s = 0; s < neurons * images; s += 4) {
        quad_t four = sum_four(sums[s], sums[s + 1], sums[s + 2], sums[s + 3]);
        memcpy(totals + s, &four, sizeof four);
    }
    for (; c < C; c++)
        for (int s = 0; s < neurons * images; s++)
            totals[s] +=
                w[(size_t)(s / images) * (size_t)C + c] * x[(size_t)(s % images) * (size_t)C + c];
}

INLINE void
put_outputs(const float *totals, const float *b, int images, int neurons, int K, int has_relu,
            float *y)
{
    UNROLL
    for (int n = 0; n < images; n++) {
        UNROLL
        for (int k = 0; k < neurons; k++) {
            float value = totals[k * images + n] + b[k];
            y[(size_t)n * (size_t)K + k] = has_relu && value < 0 ? 0 : value;
        }
    }
}

/* Neurons [first, end) of some images, a tile after the other. The last tile may overlap the one
 * before, and makes the same numbers again; neurons that fill not one go plainly. */
INLINE void
forward_images(const float *x, const float *w, const float *b, int images, int C, int K, int first,
               int end, int has_relu, float *y)
{
    int width = SUMS / images, k = first;
    float totals[SUMS];
    for (; k + width <= end; k += width) {
        forward_tile(x, w + (size_t)k * (size_t)C, C, images, width, totals);
        put_outputs(totals, b + k, images, width, K, has_relu, y + k);
    }
    if (k == end)
        return;
    if (end - first >= width) {
        k = end - width;
        forward_tile(x, w + (size_t)k * (size_t)C, C, images, width, totals);
        put_outputs(totals, b + k, images, width, K, has_relu, y + k);
        return;
    }
    for (; k < end; k++)
        for (int n = 0; n < images; n++) {
            float total = 0;
            for (int c = 0; c < C; c++)
                total += w[(size_t)k * (size_t)C + c] * x[(size_t)n * (size_t)C + c];
            put_outputs(&total, b + k, 1, 1, K, has_relu, y + (size_t)n * (size_t)K + k);
        }
}

void
KERNEL(dense_forward)(const float *x, const float *w, const float *b, int N, int C, int K,
                      int first, int end, int has_relu, float *y)
{
    int n = 0;
    for (; n + 4 <= N; n += 4)
        forward_images(x + (size_t)n * (size_t)C, w, b, 4, C, K, first, end, has_relu,
                       y + (size_t)n * (size_t)K);
    for (; n + 2 <= N; n += 2)
        forward_images(x + (size_t)n * (size_t)C, w, b, 2, C, K, first, end, has_relu,
                       y + (size_t)n * (size_t)K);
    if (n < N)
        forward_images(x + (size_t)n * (size_t)C, w, b, 1, C, K, first, end, has_relu,
                       y + (size_t)n * (size_t)K);
}

/* Behind relu about half of dy is 0. Both gradients are sums of rows, each times its slope: dx (N,
 * C) of rows of w, dw (K, C) of rows of x. Rows whose slope is 0 are left out: a set of rows is a
 * word, one bit a row. A block of rows as wide as the registers hold the sums of is near the
 * processor while all sums that need it are made. */
enum { SET = 64, SUM_VECTORS = 10, SUMS_AT_ONCE = 32 };

/* Which of N neighbours are not 0. */
INLINE uint64_t
active_of(const float *slopes, int n)
{
    uint64_t active = 0;
    int i = 0;
#if defined(__AVX2__)
    for (; i + 4 <= n; i += 4)
        active |= (uint64_t)__builtin_ia32_movmskps((quad_t)(load_quad(slopes + i) != 0)) << i;
#endif
    for (; i < n; i++)
        active |= (uint64_t)(slopes[i] != 0) << i;
    return active;
}

/* SUM (VECTORS vectors), or 0 unless it ADDS, plus the active rows, C floats apart, times their
 * slopes, STEP floats apart. */
INLINE void
sum_rows(uint64_t active, const float *slopes, size_t step, const float *rows, size_t C,
         int vectors, bool adds, float *sum)
{
    vec_t sums[SUM_VECTORS];
    UNROLL
    for (int i = 0; i < vectors; i++)
        sums[i] = adds ? load(sum + i * LANES) : (vec_t){0};
    for (; active; active &= active - 1) {
        size_t r = (size_t)__builtin_ctzll(active);
        const float *row = one_pointer(rows + r * C);
        vec_t slope = splat(slopes[r * step]);
        UNROLL
        for (int i = 0; i < vectors; i++)
            sums[i] += slope * load(row + i * LANES);
    }
    UNROLL
    for (int i = 0; i < vectors; i++)
        store(sum + i * LANES, sums[i]);
}

/* N sums of C floats, each of its own active rows: sum n is at sums + n C, its slopes begin at
 * slopes + n STRIDE. */
typedef struct {
    int n;
    size_t C, stride, step;
    const float *slopes, *rows;
    float *sums;
    uint64_t active[SUMS_AT_ONCE];
} sums_t;

INLINE void
sum_columns(const sums_t *job, int c, int vectors, bool adds)
{
    for (int n = 0; n < job->n; n++)
        sum_rows(job->active[n], job->slopes + (size_t)n * job->stride, job->step, job->rows + c,
                 job->C, vectors, adds, job->sums + (size_t)n * job->C + c);
}

/* Columns [first, end), as many at once as there are registers for; halves, thirds, ... of that
 * where it leaves less over. */
static void
sum_all(const sums_t *job, int first, int end, bool adds)
{
    int left = (end - first) / LANES, c = first;
    while (left > 0) {
        int parts = (left + SUM_VECTORS - 1) / SUM_VECTORS, vectors = (left + parts - 1) / parts;
        switch (vectors) {
        case 1:
            sum_columns(job, c, 1, adds);
            break;
        case 2:
            sum_columns(job, c, 2, adds);
            break;
        case 3:
            sum_columns(job, c, 3, adds);
            break;
        case 4:
            sum_columns(job, c, 4, adds);
            break;
        case 5:
            sum_columns(job, c, 5, adds);
            break;
        case 6:
            sum_columns(job, c, 6, adds);
            break;
        case 7:
            sum_columns(job, c, 7, adds);
            break;
        case 8:
            sum_columns(job, c, 8, adds);
            break;
        case 9:
            sum_columns(job, c, 9, adds);
            break;
        default:
            sum_columns(job, c, SUM_VECTORS, adds);
        }
        c += vectors * LANES;
        left -= vectors;
    }
    for (; c < end; c++)
        for (int n = 0; n < job->n; n++) {
            float *sum = job->sums + (size_t)n * job->C + c, total = adds ? *sum : 0;
            for (uint64_t active = job->active[n]; active; active &= active - 1) {
                size_t r = (size_t)__builtin_ctzll(active);
                total += job->slopes[(size_t)n * job->stride + r * job->step] *
                         job->rows[r * job->C + (size_t)c];
            }
            *sum = total;
        }
}

void
KERNEL(dense_input_gradient)(const float *dy, int row, const float *w, int N, int C, int K,
                             int first, int end, float *dx)
{
    for (int k = 0; k < K; k += SET)
        for (int n = 0; n < N; n += SUMS_AT_ONCE) {
            const float *slopes = dy + (size_t)n * (size_t)row + k;
            sums_t job = {.n = N - n < SUMS_AT_ONCE ? N - n : SUMS_AT_ONCE,
                          .C = (size_t)C,
                          .stride = (size_t)row,
                          .step = 1,
                          .slopes = slopes,
                          .rows = w + (size_t)k * (size_t)C,
                          .sums = dx + (size_t)n * (size_t)C};
            for (int i = 0; i < job.n; i++)
                job.active[i] =
                    active_of(slopes + (size_t)i * (size_t)row, K - k < SET ? K - k : SET);
            sum_all(&job, first, end, k > 0);
        }
}

void
KERNEL(dense_weight_gradient)(const float *x, const float *dy, int N, int C, int K, int first,
                              int end, int adds, float *dw)
{
    for (int n = 0; n < N; n += SET)
        for (int k = first; k < end; k += SUMS_AT_ONCE) {
            const float *slopes = dy + (size_t)n * (size_t)K + k;
            sums_t job = {.n = end - k < SUMS_AT_ONCE ? end - k : SUMS_AT_ONCE,
                          .C = (size_t)C,
                          .stride = 1,
                          .step = (size_t)K,
                          .slopes = slopes,
                          .rows = x + (size_t)n * (size_t)C,
                          .sums = dw + (size_t)k * (size_t)C};
            for (int i = 0; i < N - n && i < SET; i++)
                for (uint64_t neurons = active_of(slopes + (size_t)i * (size_t)K, job.n); neurons;
                     neurons &= neurons - 1)
                    job.active[__builtin_ctzll(neurons)] |= UINT64_C(1) << i;
            sum_all(&job, 0, C, adds || n > 0);
        }
}

/* The numbers of an update, out of the reach of stores that might alias them, and without a branch
 * on Nesterov: w = w - by_gradient g - by_velocity v. */
typedef struct {
    float momentum, decay, by_gradient, by_velocity;
} update_t;

INLINE update_t
update_of(const kernel_sgd_t *sgd)
{
    float rate = sgd->rate, momentum = sgd->momentum;
    return (update_t){momentum, sgd->decay, sgd->is_nesterov ? rate : 0,
                      sgd->is_nesterov ? rate * momentum : rate};
}

INLINE void
update_vector(update_t by, vec_t g, float *v, float *w)
{
    vec_t weights = load(w);
    g += by.decay * weights;
    vec_t velocity = by.momentum * load(v) + g;
    store(v, velocity);
    store(w, weights - by.by_gradient * g - by.by_velocity * velocity);
}

INLINE void
update_one(update_t by, float g, float *v, float *w)
{
    g += by.decay * *w;
    *v = by.momentum * *v + g;
    *w = *w - by.by_gradient * g - by.by_velocity * *v;
}

void
KERNEL(sgd)(const kernel_sgd_t *sgd, const float *g, float *v, float *w, size_t n)
{
    update_t by = update_of(sgd);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        update_vector(by, load(g + i), v + i, w + i);
    for (; i < n; i++)
        update_one(by, g[i], v + i, w + i);
}

/* What is done with one row of weights w (C): its update with velocity v, or its gradient into dw
 * (v NULL). */
typedef struct {
    int C;
    bool is_update;
    update_t by;
    float *w, *v, *dw;
} row_work_t;

/* The gradient of one row from the slopes of N images, STEP floats apart, and their x. */
INLINE void
gradient_row(const float *x, const float *dy, size_t step, row_work_t row, int n, bool is_update)
{
    float *w = row.w, *v = row.v, *dw = row.dw;
    vec_t slopes[DENSE_IMAGES_MAX];
    UNROLL
    for (int i = 0; i < n; i++)
        slopes[i] = splat(dy[(size_t)i * step]);
    int c = 0;
    for (; c + LANES <= row.C; c += LANES) {
        vec_t g = {0};
        UNROLL
        for (int i = 0; i < n; i++)
            g += slopes[i] * load(x + (size_t)i * (size_t)row.C + c);
        if (is_update)
            update_vector(row.by, g, v + c, w + c);
        else
            store(dw + c, g);
    }
    for (; c < row.C; c++) {
        float g = 0;
        for (int i = 0; i < n; i++)
            g += dy[(size_t)i * step] * x[(size_t)i * (size_t)row.C + (size_t)c];
        if (is_update)
            update_one(row.by, g, v + c, w + c);
        else
            dw[c] = g;
    }
}

/* Rows [first, end), N images. */
INLINE void
gradient_rows(const float *x, const float *dy, size_t K, row_work_t row, int n, int first, int end)
{
    for (int k = first; k < end; k++) {
        if (row.is_update)
            gradient_row(x, dy + k, K, row, n, true);
        else
            gradient_row(x, dy + k, K, row, n, false);
        row.w += row.C;
        row.v = row.v ? row.v + row.C : NULL;
        row.dw = row.dw ? row.dw + row.C : NULL;
    }
}

/* Each count of images has a loop of its own, with the slopes in registers. */
void
KERNEL(dense_update)(const float *x, const float *dy, int N, int C, int K, int first, int end,
                     float *w, float *v, const kernel_sgd_t *sgd, float *dw)
{
    size_t start = (size_t)first * (size_t)C, step = (size_t)K;
    row_work_t row = {.C = C, .is_update = dw == NULL, .by = update_of(sgd)};
    row.w = w + start;
    row.v = v ? v + start : NULL;
    row.dw = dw ? dw + start : NULL;
    switch (N) {
    case 1:
        gradient_rows(x, dy, step, row, 1, first, end);
        break;
    case 2:
        gradient_rows(x, dy, step, row, 2, first, end);
        break;
    case 3:
        gradient_rows(x, dy, step, row, 3, first, end);
        break;
    case 4:
        gradient_rows(x, dy, step, row, 4, first, end);
        break;
    case 5:
        gradient_rows(x, dy, step, row, 5, first, end);
        break;
    case 6:
        gradient_rows(x, dy, step, row, 6, first, end);
        break;
    case 7:
        gradient_rows(x, dy, step, row, 7, first, end);
        break;
    default:
        gradient_rows(x, dy, step, row, DENSE_IMAGES_MAX, first, end);
    }
}
