/* engine/kernel_dense.c - dense layers by hand: for a handful of images, or few weights, a matrix
 * product has too little to do.
 *
 * At batch 4 a weight is used four times forward and eight times backward; what takes time is
 * moving it. So forward goes through the weights once for all images, and backward once more, in
 * which one pass over a row of weights makes its gradient, its share of dx, and the update. Images
 * whose slope is 0 behind relu, about half of them, are left out. */
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

/* Rows of w whose sum, each times its slope, is added to dx at once. */
enum { ROWS = 4 };

/* dx (C) += the rows times their slopes. */
INLINE void
add_rows(const float *const rows[ROWS], const float slopes[ROWS], int C, float *dx)
{
    vec_t s0 = splat(slopes[0]), s1 = splat(slopes[1]), s2 = splat(slopes[2]),
          s3 = splat(slopes[3]);
    int c = 0;
    for (; c + LANES <= C; c += LANES)
        store(dx + c, load(dx + c) + s0 * load(rows[0] + c) + s1 * load(rows[1] + c) +
                          s2 * load(rows[2] + c) + s3 * load(rows[3] + c));
    for (; c < C; c++)
        dx[c] += slopes[0] * rows[0][c] + slopes[1] * rows[1][c] + slopes[2] * rows[2][c] +
                 slopes[3] * rows[3][c];
}

void
KERNEL(dense_input_gradient)(const float *dy, const float *w, int N, int C, int K, float *dx)
{
    for (int n = 0; n < N; n++, dy += K, dx += C) {
        const float *rows[ROWS];
        float slopes[ROWS];
        int active = 0;
        memset(dx, 0, (size_t)C * sizeof(float));
        for (int k = 0; k < K; k++) {
            /* Without a branch, which would be guessed wrong half the time. */
            rows[active] = w + (size_t)k * (size_t)C;
            slopes[active] = dy[k];
            active += dy[k] != 0;
            if (active == ROWS) {
                add_rows(rows, slopes, C, dx);
                active = 0;
            }
        }
        if (active == 0)
            continue;
        for (int i = active; i < ROWS; i++) {
            rows[i] = rows[0];
            slopes[i] = 0;
        }
        add_rows(rows, slopes, C, dx);
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

/* The images of one neuron that have a slope. */
typedef struct {
    int n;
    float slopes[DENSE_IMAGES_MAX];
    const float *x[DENSE_IMAGES_MAX];
    float *dx[DENSE_IMAGES_MAX];
} active_t;

/* What is done with one row of weights w (C): its update with velocity v, or its gradient into dw
 * (v NULL). */
typedef struct {
    int C;
    bool has_dx;
    bool is_update;
    update_t by;
    float *w, *v, *dw;
} row_work_t;

/* The gradient of one row from its N active images, and the row's share of their dx. */
INLINE void
backward_row(const active_t *active, row_work_t row, int n, bool has_dx, bool is_update)
{
    float *w = row.w, *v = row.v, *dw = row.dw, *dx[DENSE_IMAGES_MAX];
    const float *x[DENSE_IMAGES_MAX];
    vec_t slopes[DENSE_IMAGES_MAX];
    UNROLL
    for (int i = 0; i < n; i++) {
        slopes[i] = splat(active->slopes[i]);
        x[i] = active->x[i];
        dx[i] = active->dx[i];
    }
    int c = 0;
    for (; c + LANES <= row.C; c += LANES) {
        vec_t weights = load(w + c), g = {0};
        UNROLL
        for (int i = 0; i < n; i++) {
            g += slopes[i] * load(x[i] + c);
            if (has_dx)
                store(dx[i] + c, load(dx[i] + c) + slopes[i] * weights);
        }
        if (is_update)
            update_vector(row.by, g, v + c, w + c);
        else
            store(dw + c, g);
    }
    for (; c < row.C; c++) {
        float g = 0;
        for (int i = 0; i < n; i++) {
            g += active->slopes[i] * x[i][c];
            if (has_dx)
                dx[i][c] += active->slopes[i] * w[c];
        }
        if (is_update)
            update_one(row.by, g, v + c, w + c);
        else
            dw[c] = g;
    }
}

INLINE void
backward_counted(const active_t *active, row_work_t row, int n)
{
    if (row.is_update && row.has_dx)
        backward_row(active, row, n, true, true);
    else if (row.is_update)
        backward_row(active, row, n, false, true);
    else if (row.has_dx)
        backward_row(active, row, n, true, false);
    else
        backward_row(active, row, n, false, false);
}

/* Each count of images has a loop of its own, with the slopes in registers. */
static void
backward_any(const active_t *active, row_work_t row)
{
    switch (active->n) {
    case 0:
        backward_counted(active, row, 0);
        break;
    case 1:
        backward_counted(active, row, 1);
        break;
    case 2:
        backward_counted(active, row, 2);
        break;
    case 3:
        backward_counted(active, row, 3);
        break;
    case 4:
        backward_counted(active, row, 4);
        break;
    case 5:
        backward_counted(active, row, 5);
        break;
    case 6:
        backward_counted(active, row, 6);
        break;
    case 7:
        backward_counted(active, row, 7);
        break;
    default:
        backward_counted(active, row, DENSE_IMAGES_MAX);
    }
}

void
KERNEL(dense_backward)(const float *x, const float *dy, int N, int C, int K, int first, int end,
                       float *w, float *v, const kernel_sgd_t *sgd, float *dw, float *dx)
{
    row_work_t row = {.C = C, .has_dx = dx != NULL, .is_update = dw == NULL, .by = update_of(sgd)};
    for (int k = first; k < end; k++) {
        size_t start = (size_t)k * (size_t)C;
        active_t active = {0};
        for (int n = 0; n < N; n++) {
            /* Without a branch, which would be guessed wrong half the time. */
            float slope = dy[(size_t)n * (size_t)K + (size_t)k];
            active.slopes[active.n] = slope;
            active.x[active.n] = x + (size_t)n * (size_t)C;
            active.dx[active.n] = dx ? dx + (size_t)n * (size_t)C : NULL;
            active.n += slope != 0;
        }
        row.w = w + start;
        row.v = v ? v + start : NULL;
        row.dw = dw ? dw + start : NULL;
        backward_any(&active, row);
    }
}
