/* tests/unit/test_kernels.c - every set of kernels this processor can run, against plain loops in
 * double, on random shapes and sparsities; and how far the sets may differ. */
#include "engine/kernels.h"
#include "engine/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rng_t rng;

static int
draw(int low, int high)
{
    return low + (int)rng_below(&rng, (uint32_t)(high - low + 1));
}

static float *
draw_floats(size_t n, double scale)
{
    float *values = engine_alloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(scale * (2 * rng_uniform(&rng) - 1));
    return values;
}

/* Exactly n floats, so that a sanitizer sees a read or a write past them. */
static float *
exactly(const float *values, size_t n)
{
    float *copy = malloc(n * sizeof(float));
    assert_non_null(copy);
    return memcpy(copy, values, n * sizeof(float));
}

static void
check_close(const char *what, const float *values, const double *expected, size_t n,
            double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)values[i] - expected[i]) <= tolerance))
            fail_msg("%s[%zu] = %.8g, expected %.8g", what, i, (double)values[i], expected[i]);
}

typedef struct {
    conv5_t conv;
    size_t in, out, weights;
    float *x, *w, *b;  /* the problem */
    double *convolved; /* (K, 2I, 2J): plain */
    float *y;          /* (K, I, J): the kernel's */
    int32_t *winners;
    float *scratch;
} problem_t;

static double
plain_convolution(const problem_t *p, int k, int r, int s)
{
    const conv5_t *conv = &p->conv;
    double sum = (double)p->b[k];
    for (int c = 0; c < conv->C; c++)
        for (int u = 0; u < 5; u++)
            for (int v = 0; v < 5; v++)
                sum += (double)p->w[((k * conv->C + c) * 5 + u) * 5 + v] *
                       (double)p->x[(c * conv->H + r + u) * conv->W + s + v];
    return sum;
}

static void
open_problem(problem_t *p, int C, int H, int W, int K, double bias)
{
    p->conv = conv5_shape((image_shape_t){C, H, W}, K);
    const conv5_t *conv = &p->conv;
    p->in = (size_t)(C * H * W);
    p->out = (size_t)(K * conv->I * conv->J);
    p->weights = (size_t)(25 * C * K);
    p->x = draw_floats(p->in, 1);
    p->w = draw_floats(p->weights, 0.2);
    p->b = draw_floats((size_t)K, 0.1);
    for (int k = 0; k < K; k++)
        p->b[k] += (float)bias;
    p->y = engine_alloc(p->out * sizeof(float));
    p->winners = engine_alloc(p->out * sizeof(int32_t));
    p->scratch = engine_alloc(conv5_scratch_count(conv) * sizeof(float));
}

static void
close_problem(problem_t *p)
{
    free(p->x);
    free(p->w);
    free(p->b);
    free(p->y);
    free(p->winners);
    free(p->scratch);
}

static void
run_forward(problem_t *p, const kernels_t *set)
{
    float *packed = engine_alloc(conv5_packed_count(&p->conv) * sizeof(float));
    float *x = exactly(p->x, p->in), *y = exactly(p->y, p->out);
    set->conv5_pack(&p->conv, p->w, packed);
    set->conv5_forward(&p->conv, packed, p->b, x, p->scratch, y, p->winners);
    memcpy(p->y, y, p->out * sizeof(float));
    memset(y, 0, p->out * sizeof(float));
    set->conv5_forward(&p->conv, packed, p->b, x, p->scratch, y, NULL);
    assert_memory_equal(y, p->y, p->out * sizeof(float));
    free(packed);
    free(x);
    free(y);
}

/* The value is the largest of the four, behind relu, and the winner is one of the four that has it:
 * which of two that differ by rounding alone is nobody's business. */
static void
check_forward(const problem_t *p)
{
    const conv5_t *conv = &p->conv;
    double tolerance = 4e-7 * sqrt(25.0 * conv->C) + 2e-6;
    for (int k = 0; k < conv->K; k++)
        for (int i = 0; i < conv->I; i++)
            for (int j = 0; j < conv->J; j++) {
                size_t at = (size_t)((k * conv->I + i) * conv->J + j);
                double largest = -INFINITY;
                for (int q = 0; q < 4; q++)
                    largest = fmax(largest, plain_convolution(p, k, 2 * i + q / 2, 2 * j + q % 2));
                int row = p->winners[at] / conv->W, column = p->winners[at] % conv->W;
                assert_in_range(row, 2 * i, 2 * i + 1);
                assert_in_range(column, 2 * j, 2 * j + 1);
                double value = (double)p->y[at], winner = plain_convolution(p, k, row, column);
                if (fabs(value - fmax(largest, 0)) > tolerance ||
                    fabs(winner - largest) > tolerance)
                    fail_msg("y[%d][%d][%d] = %.8g, expected %.8g; the winner has %.8g", k, i, j,
                             value, fmax(largest, 0), winner);
            }
}

/* Where the kernel has the gradient of weight i of (K, C, 5, 5). */
static size_t
gradient_place(const conv5_t *conv, size_t i)
{
    size_t C = (size_t)conv->C, v = i % 5, u = i / 5 % 5, c = i / 25 % C, k = i / 25 / C;
    return k * conv5_gradient_count(conv) + u * conv5_gradient_pitch(conv) +
           v * (size_t)conv->depth + c;
}

/* Both gradients from the kernel's own winners, added up plainly. */
static void
check_backward(problem_t *p, const kernels_t *set)
{
    const conv5_t *conv = &p->conv;
    float *padded = engine_alloc(conv5_padded_count(conv) * sizeof(float));
    float *drawn = draw_floats(p->out, 1), *dy = exactly(drawn, p->out);
    float *x = exactly(p->x, p->in), *dx = exactly(p->x, p->in);
    size_t count = conv5_gradient_count(conv);
    size_t K = (size_t)conv->K;
    float *start = draw_floats((count + 1) * K, 1), *block = exactly(start, (count + 1) * K);
    float *dw = engine_alloc((p->weights + K) * sizeof(float));
    double *dw_expected = engine_alloc((p->weights + (size_t)conv->K) * sizeof(double));
    double *dx_expected = engine_alloc(p->in * sizeof(double));
    /* The kernel adds to channel-last rows. */
    for (size_t i = 0; i < p->weights; i++)
        dw_expected[i] = (double)start[gradient_place(conv, i)];
    for (size_t k = 0; k < K; k++)
        dw_expected[p->weights + k] = (double)start[K * count + k];
    for (size_t at = 0; at < p->out; at++) {
        int k = (int)at / (conv->I * conv->J);
        double g = p->y[at] > 0 ? (double)dy[at] : 0;
        dw_expected[p->weights + (size_t)k] += g;
        for (int c = 0; c < conv->C; c++)
            for (int t = 0; t < 25; t++) {
                size_t place =
                    (size_t)(c * conv->H * conv->W + p->winners[at] + t / 5 * conv->W + t % 5);
                size_t tap = (size_t)((k * conv->C + c) * 25 + t);
                dw_expected[tap] += g * (double)x[place];
                dx_expected[place] += g * (double)p->w[tap];
            }
    }
    set->conv5_weight_gradient(conv, x, p->y, dy, p->winners, p->scratch, block, block + K * count);
    for (size_t i = 0; i < p->weights; i++)
        dw[i] = block[gradient_place(conv, i)];
    memcpy(dw + p->weights, block + K * count, K * sizeof(float));
    set->conv5_pad(conv, p->w, padded);
    set->conv5_input_gradient(conv, padded, p->y, dy, p->winners, p->scratch, dx);
    double n = (double)(conv->I * conv->J);
    check_close("dw", dw, dw_expected, p->weights + (size_t)conv->K, 4e-7 * n + 1e-6);
    check_close("dx", dx, dx_expected, p->in, 1e-7 * conv->K * 9 + 1e-6);
    free(padded);
    free(drawn);
    free(dy);
    free(x);
    free(dx);
    free(start);
    free(block);
    free(dw);
    free(dw_expected);
    free(dx_expected);
}

static void
for_each_set(void (*check)(const kernels_t *set))
{
    for (int isa = 0; isa < ISA_COUNT; isa++)
        if (isa_is_there((isa_t)isa))
            check(kernels_of((isa_t)isa));
}

static void
check_shapes(const kernels_t *set)
{
    /* The paper's two, every small size, and random ones; filters by 16 run another way than
     * others. */
    static const int SHAPES[][4] = {{3, 32, 32, 6}, {6, 14, 14, 16}, {1, 6, 6, 1},
                                    {1, 7, 6, 16},  {5, 6, 9, 32},   {1, 28, 28, 20}};
    for (int i = 0; i < 30; i++) {
        problem_t p;
        if (i < 6)
            open_problem(&p, SHAPES[i][0], SHAPES[i][1], SHAPES[i][2], SHAPES[i][3], 0);
        else
            open_problem(&p, draw(1, 7), draw(6, 40), draw(6, 40),
                         i % 3 ? draw(1, 20) : 16 * draw(1, 2), 0);
        run_forward(&p, set);
        check_forward(&p);
        check_backward(&p, set);
        close_problem(&p);
    }
}

static void
convolutions_match_plain_loops_on_any_shape(void **state)
{
    (void)state;
    for_each_set(check_shapes);
}

static void
check_sparsities(const kernels_t *set)
{
    const double biases[] = {-100, 100, -1, 0.5};
    for (int i = 0; i < 8; i++) {
        problem_t p;
        open_problem(&p, 3, 14, 12, i % 2 ? 6 : 16, biases[i / 2]);
        run_forward(&p, set);
        check_forward(&p);
        check_backward(&p, set);
        size_t active = 0;
        for (size_t at = 0; at < p.out; at++)
            active += p.y[at] > 0;
        if (i < 4)
            assert_int_equal(active, i / 2 ? p.out : 0);
        close_problem(&p);
    }
}

static void
convolutions_match_plain_loops_at_any_sparsity(void **state)
{
    (void)state;
    for_each_set(check_sparsities);
}

static void
check_ties(const kernels_t *set)
{
    for (int i = 0; i < 4; i++) {
        problem_t p;
        open_problem(&p, 2, 16, 16, i % 2 ? 4 : 16, 1);
        for (size_t at = 0; at < p.in; at++)
            p.x[at] = i < 2 ? 0 : 0.375f;
        run_forward(&p, set);
        check_forward(&p);
        for (size_t at = 0; at < p.out; at++) {
            int place = (int)at % (p.conv.I * p.conv.J);
            assert_int_equal(p.winners[at],
                             2 * (place / p.conv.J) * p.conv.W + 2 * (place % p.conv.J));
        }
        close_problem(&p);
    }
}

static void
the_first_of_equals_wins(void **state)
{
    (void)state;
    for_each_set(check_ties);
}

static void
check_dense(const kernels_t *set)
{
    for (int i = 0; i < 60; i++) {
        int N = draw(1, i % 2 ? DENSE_IMAGES_MAX : 70), C = draw(1, 90), K = draw(1, 40);
        int first = draw(0, K - 1), end = draw(first + 1, K), has_relu = draw(0, 1);
        size_t xs = (size_t)(N * C), ys = (size_t)(N * K), ws = (size_t)(K * C);
        float *x = draw_floats(xs, 1), *w = draw_floats(ws, 1), *b = draw_floats((size_t)K, 1);
        float *y = draw_floats(ys, 1), *dy = draw_floats(ys, 1);
        double *expected = engine_alloc(ys * sizeof(double));
        for (int n = 0; n < N; n++)
            for (int k = 0; k < K; k++) {
                double sum = (double)b[k];
                for (int c = 0; c < C; c++)
                    sum += (double)x[n * C + c] * (double)w[k * C + c];
                sum = has_relu ? fmax(sum, 0) : sum;
                expected[n * K + k] = k >= first && k < end ? sum : (double)y[n * K + k];
            }
        float *x_exact = exactly(x, xs), *w_exact = exactly(w, ws), *y_exact = exactly(y, ys);
        set->dense_forward(x_exact, w_exact, b, N, C, K, first, end, has_relu, y_exact);
        check_close("y", y_exact, expected, ys, 1e-6 * C + 1e-6);
        free(x_exact);
        free(w_exact);
        free(y_exact);
        free(expected);
        free(x);
        free(w);
        free(b);
        free(y);
        free(dy);
    }
}

static void
dense_forward_matches_plain_loops(void **state)
{
    (void)state;
    for_each_set(check_dense);
}

/* Some of dy is 0: nothing, a third, two thirds or all of it. */
static float *
draw_slopes(size_t count)
{
    float *dy = draw_floats(count, 1);
    int zeros = draw(0, 3);
    for (size_t at = 0; at < count; at++)
        dy[at] = draw(1, 3) > zeros ? dy[at] : 0;
    return dy;
}

/* All columns, or some, of which the others stay as they are; dy may be part of wider rows. */
static void
check_dense_input_gradient(const kernels_t *set)
{
    for (int i = 0; i < 80; i++) {
        int N = draw(1, 40), C = draw(1, 200), K = draw(1, 150);
        int first = draw(0, C - 1), end = i % 2 ? C : draw(first + 1, C), row = K + draw(0, 9);
        size_t xs = (size_t)(N * C), ws = (size_t)(K * C), ys = (size_t)(N * row);
        float *dx = draw_floats(xs, 1), *w = draw_floats(ws, 1), *dy = draw_slopes(ys);
        double *expected = engine_alloc(xs * sizeof(double));
        for (int at = 0; at < N * C; at++) {
            int n = at / C, c = at % C;
            bool is_made = c >= first && c < end;
            expected[at] = is_made ? 0 : (double)dx[at];
            for (int k = 0; k < K && is_made; k++)
                expected[at] += (double)dy[n * row + k] * (double)w[k * C + c];
        }
        float *w_exact = exactly(w, ws), *dx_exact = exactly(dx, xs);
        set->dense_input_gradient(dy, row, w_exact, N, C, K, first, end, dx_exact);
        check_close("dx", dx_exact, expected, xs, 1e-5);
        free(w_exact);
        free(dx_exact);
        free(expected);
        free(dx);
        free(w);
        free(dy);
    }
}

static void
check_dense_weight_gradient(const kernels_t *set)
{
    for (int i = 0; i < 80; i++) {
        int N = draw(1, 150), C = draw(1, 200), K = draw(1, 80), adds = draw(0, 1);
        int first = draw(0, K - 1), end = draw(first + 1, K);
        size_t xs = (size_t)(N * C), ws = (size_t)(K * C), ys = (size_t)(N * K);
        float *x = draw_floats(xs, 1), *dw = draw_floats(ws, 1), *dy = draw_slopes(ys);
        double *expected = engine_alloc(ws * sizeof(double));
        for (int at = 0; at < K * C; at++) {
            int k = at / C, c = at % C;
            bool is_made = k >= first && k < end;
            expected[at] = is_made && !adds ? 0 : (double)dw[at];
            for (int n = 0; n < N && is_made; n++)
                expected[at] += (double)dy[n * K + k] * (double)x[n * C + c];
        }
        float *x_exact = exactly(x, xs), *dw_exact = exactly(dw, ws);
        set->dense_weight_gradient(x_exact, dy, N, C, K, first, end, adds, dw_exact);
        check_close("dw", dw_exact, expected, ws, 1e-5);
        free(x_exact);
        free(dw_exact);
        free(expected);
        free(x);
        free(dw);
        free(dy);
    }
}

static void
dense_input_gradient_matches_plain_loops_at_any_sparsity(void **state)
{
    (void)state;
    for_each_set(check_dense_input_gradient);
}

static void
dense_weight_gradient_matches_plain_loops_at_any_sparsity(void **state)
{
    (void)state;
    for_each_set(check_dense_weight_gradient);
}

static void
check_dense_update(const kernels_t *set)
{
    for (int i = 0; i < 80; i++) {
        int N = draw(1, DENSE_IMAGES_MAX), C = draw(1, 90), K = draw(1, 20);
        int first = draw(0, K - 1), end = draw(first + 1, K), is_fused = draw(0, 1);
        size_t xs = (size_t)(N * C), ws = (size_t)(K * C);
        float *x = draw_floats(xs, 1), *dy = draw_slopes((size_t)(N * K));
        float *w = draw_floats(ws, 1), *v = draw_floats(ws, 1), *dw = draw_floats(ws, 1);
        double *w_expected = engine_alloc(ws * sizeof(double)),
               *v_expected = engine_alloc(ws * sizeof(double));
        double *dw_expected = engine_alloc(ws * sizeof(double));
        const kernel_sgd_t sgd = {0.1f, 0.9f, 0.01f, draw(0, 1)};
        for (size_t at = 0; at < ws; at++) {
            int k = (int)at / C, c = (int)at % C;
            double g = 0, weight = (double)w[at];
            w_expected[at] = weight;
            v_expected[at] = (double)v[at];
            dw_expected[at] = (double)dw[at];
            if (k < first || k >= end)
                continue;
            for (int n = 0; n < N; n++)
                g += (double)dy[n * K + k] * (double)x[n * C + c];
            dw_expected[at] = is_fused ? dw_expected[at] : g;
            if (!is_fused)
                continue;
            g += 0.01 * weight;
            v_expected[at] = 0.9 * (double)v[at] + g;
            w_expected[at] =
                weight - 0.1 * (sgd.is_nesterov ? g + 0.9 * v_expected[at] : v_expected[at]);
        }
        set->dense_update(x, dy, N, C, K, first, end, w, is_fused ? v : NULL, &sgd,
                          is_fused ? NULL : dw);
        check_close("w", w, w_expected, ws, 1e-5);
        check_close("v", v, v_expected, ws, 1e-5);
        check_close("dw", dw, dw_expected, ws, 1e-5);
        free(x);
        free(dy);
        free(w);
        free(v);
        free(dw);
        free(w_expected);
        free(v_expected);
        free(dw_expected);
    }
}

static void
dense_update_matches_plain_loops_with_and_without_the_update(void **state)
{
    (void)state;
    for_each_set(check_dense_update);
}

static void
check_sgd(const kernels_t *set)
{
    for (int n = 0; n < 70; n++) {
        float *g = draw_floats((size_t)n, 1), *v = draw_floats((size_t)n, 1),
              *w = draw_floats((size_t)n, 1);
        const kernel_sgd_t sgd = {0.05f, 0.8f, 0.02f, n % 2};
        double v_expected[70], w_expected[70];
        for (int i = 0; i < n; i++) {
            double gradient = (double)g[i] + (double)sgd.decay * (double)w[i];
            v_expected[i] = (double)sgd.momentum * (double)v[i] + gradient;
            w_expected[i] =
                (double)w[i] -
                (double)sgd.rate *
                    (n % 2 ? gradient + (double)sgd.momentum * v_expected[i] : v_expected[i]);
        }
        set->sgd(&sgd, g, v, w, (size_t)n);
        check_close("v", v, v_expected, (size_t)n, 1e-6);
        check_close("w", w, w_expected, (size_t)n, 1e-6);
        free(g);
        free(v);
        free(w);
    }
}

static void
the_update_matches_the_formula_at_any_length(void **state)
{
    (void)state;
    for_each_set(check_sgd);
}

static void
check_normalize(const kernels_t *set)
{
    uint8_t pixels[256];
    float y[256];
    for (int i = 0; i < 256; i++)
        pixels[i] = (uint8_t)i;
    set->normalize(pixels, y, 256);
    for (int i = 0; i < 256; i++)
        assert_true(fabs((double)y[i] - (i / 255.0 - 0.5) / 0.5) < 2e-7);
}

static void
pixels_become_floats_between_minus_one_and_one(void **state)
{
    (void)state;
    for_each_set(check_normalize);
}

/* The contract between instruction sets: not the same bits, but the same numbers within what their
 * different orders of sums can make; here for one forward pass of the paper's first layer. */
static void
instruction_sets_agree_within_rounding(void **state)
{
    (void)state;
    problem_t p;
    open_problem(&p, 3, 32, 32, 6, 0);
    run_forward(&p, kernels_of(ISA_PLAIN));
    float *plain = exactly(p.y, p.out);
    for (int isa = ISA_PLAIN + 1; isa < ISA_COUNT; isa++) {
        if (!isa_is_there((isa_t)isa))
            continue;
        run_forward(&p, kernels_of((isa_t)isa));
        for (size_t i = 0; i < p.out; i++)
            assert_true(fabsf(p.y[i] - plain[i]) < 4e-6f);
    }
    free(plain);
    close_problem(&p);
}

static int
seed_rng(void **state)
{
    (void)state;
    rng_seed(&rng, 2, RNG_WEIGHTS, 7);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, seed_rng)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(convolutions_match_plain_loops_on_any_shape),
        TEST(convolutions_match_plain_loops_at_any_sparsity),
        TEST(the_first_of_equals_wins),
        TEST(dense_forward_matches_plain_loops),
        TEST(dense_input_gradient_matches_plain_loops_at_any_sparsity),
        TEST(dense_weight_gradient_matches_plain_loops_at_any_sparsity),
        TEST(dense_update_matches_plain_loops_with_and_without_the_update),
        TEST(the_update_matches_the_formula_at_any_length),
        TEST(pixels_become_floats_between_minus_one_and_one),
        TEST(instruction_sets_agree_within_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
