/* engine/kernels.h - the loops that are worth writing for a processor, one set an instruction set
 * (inside the engine only).
 *
 * The sources kernel_*.c are compiled once for each instruction set, by vector extensions that GCC
 * and Clang share; the table of one compilation is a kernels_t. What they compute, and why it is
 * less than the textbook's, is explained in engine/conv5.h. */
#ifndef ENGINE_KERNELS_H
#define ENGINE_KERNELS_H

#include "engine/conv5.h"
#include "engine/isa.h"

#include <stddef.h>
#include <stdint.h>

/* The numbers of engine/sgd.h without the blocks. */
typedef struct {
    float rate, momentum, decay;
    int is_nesterov;
} kernel_sgd_t;

typedef struct {
    /* Pixels as floats: (x/255 - 0.5)/0.5. */
    void (*normalize)(const uint8_t *pixels, float *y, size_t count);

    /* engine/conv5.h tells what these take. Padding writes the
     * filters alone, so PADDED is zeros before the first time. Forward has no winners where they
     * are NULL. */
    void (*conv5_pack)(const conv5_t *conv, const float *weight, float *packed);
    void (*conv5_forward)(const conv5_t *conv, const float *packed, const float *bias,
                          const float *x, float *scratch, float *y, int32_t *winners);
    void (*conv5_pad)(const conv5_t *conv, const float *weight, float *padded);
    void (*conv5_weight_gradient)(const conv5_t *conv, const float *x, const float *y,
                                  const float *dy, const int32_t *winners, float *scratch,
                                  float *dw, float *db);
    void (*conv5_input_gradient)(const conv5_t *conv, const float *padded, const float *y,
                                 const float *dy, const int32_t *winners, float *scratch,
                                 float *dx);

    /* y (N, K) of neurons [first, end): x (N, C) w' + b, relu if asked to. */
    void (*dense_forward)(const float *x, const float *w, const float *b, int N, int C, int K,
                          int first, int end, int has_relu, float *y);
    /* Columns [first, end) of dx (N, C) = dy (N, K) w; what is 0 in dy costs nothing. The rows of
     * dy are ROW floats apart, so that it may be some neurons' part of a wider one. */
    void (*dense_input_gradient)(const float *dy, int row, const float *w, int N, int C, int K,
                                 int first, int end, float *dx);
    /* Rows [first, end) of dw (K, C) = dy' x, or (ADDS) += it; what is 0 in dy costs nothing. */
    void (*dense_weight_gradient)(const float *x, const float *dy, int N, int C, int K, int first,
                                  int end, int adds, float *dw);
    /* The gradient of w for neurons [first, end), row by row: into dw, or (dw NULL) straight into
     * the update of w and its velocity v. N <= DENSE_IMAGES_MAX. */
    void (*dense_update)(const float *x, const float *dy, int N, int C, int K, int first, int end,
                         float *w, float *v, const kernel_sgd_t *sgd, float *dw);

    /* v and w from g, as engine/sgd.h. */
    void (*sgd)(const kernel_sgd_t *sgd, const float *g, float *v, float *w, size_t n);
} kernels_t;

enum { DENSE_IMAGES_MAX = 8 };

/* The set of an instruction set that is there, for tests. */
const kernels_t *kernels_of(isa_t isa);
/* The set in use: isa_current's, looked up once. */
const kernels_t *kernels(void);

#endif
