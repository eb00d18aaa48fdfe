/* engine/kernel_dense.c - dense layers for a handful of images, where a matrix product has too
 * little to do.
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
#if defined(__AVX512F__)
    quad_t a = __builtin_shufflevector(v, v, 0, 1, 2, 3),
           b = __builtin_shufflevector(v, v, 4, 5, 6, 7);
    quad_t c = __builtin_shufflevector(v, v, 8, 9, 10, 11),
           d = __builtin_shufflevector(v, v, 12, 13, 14, 15);
    return (a + b) + (c + d);
#elif defined(__AVX2__)
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

/* A tile is NEURONS neurons by four images. */
enum { NEURONS = REGISTERS == 32 ? 4 : 2, IMAGES = 4 };

/* Four images (repeated if there are fewer) of some neurons from W on. Y[n][k]. */
INLINE void
forward_tile(const float *const x[IMAGES], const float *w, int C, int neurons,
             float y[IMAGES][NEURONS])
{
    vec_t sums[NEURONS][IMAGES];
    UNROLL
    for (int k = 0; k < neurons; k++) {
        UNROLL
        for (int n = 0; n < IMAGES; n++)
            sums[k][n] = (vec_t){0};
    }
    int c = 0;
    for (; c + LANES <= C; c += LANES) {
        vec_t values[IMAGES];
        UNROLL
        for (int n = 0; n < IMAGES; n++)
            values[n] = load(x[n] + c);
        UNROLL
        for (int k = 0; k < neurons; k++) {
            vec_t weights = load(w + (size_t)k * (size_t)C + c);
            UNROLL
            for (int n = 0; n < IMAGES; n++)
                sums[k][n] += weights * values[n];
        }
    }
    UNROLL
    for (int k = 0; k < neurons; k++) {
        quad_t total = sum_four(sums[k][0], sums[k][1], sums[k][2], sums[k][3]);
        for (int rest = c; rest < C; rest++) {
            float weight = w[(size_t)k * (size_t)C + rest];
            total += weight * (quad_t){x[0][rest], x[1][rest], x[2][rest], x[3][rest]};
        }
        UNROLL
        for (int n = 0; n < IMAGES; n++)
            y[n][k] = total[n];
    }
}

void
KERNEL(dense_forward)(const float *x, const float *w, const float *b, int N, int C, int K,
                      int first, int end, int has_relu, float *y)
{
    for (int k = first; k < end;) {
        int neurons = k + NEURONS <= end ? NEURONS : 1;
        for (int n = 0; n < N; n += IMAGES) {
            const float *images[IMAGES];
            float tile[IMAGES][NEURONS];
            for (int i = 0; i < IMAGES; i++)
                images[i] = x + (size_t)(n + i < N ? n + i : N - 1) * (size_t)C;
            if (neurons == NEURONS)
                forward_tile(images, w + (size_t)k * (size_t)C, C, NEURONS, tile);
            else
                forward_tile(images, w + (size_t)k * (size_t)C, C, 1, tile);
            for (int i = 0; i < IMAGES && n + i < N; i++)
                for (int j = 0; j < neurons; j++) {
                    float value = tile[i][j] + b[k + j];
                    y[(size_t)(n + i) * (size_t)K + (size_t)(k + j)] =
                        has_relu && value < 0 ? 0 : value;
                }
        }
        k += neurons;
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
