/* engine/kernel_table.h - the kernels' names in each compilation, so that all compilations agree
 * with one prototype. */
#ifndef ENGINE_KERNEL_TABLE_H
#define ENGINE_KERNEL_TABLE_H

#include "engine/kernels.h"
#include "engine/vector.h"

void KERNEL(normalize)(const uint8_t *pixels, float *y, size_t count);
void KERNEL(conv5_pack)(const conv5_t *conv, const float *weight, float *packed);
void KERNEL(conv5_forward)(const conv5_t *conv, const float *packed, const float *bias,
                           const float *x, float *scratch, float *y, int32_t *winners);
void KERNEL(conv5_pad)(const conv5_t *conv, const float *weight, float *padded);
void KERNEL(conv5_weight_gradient)(const conv5_t *conv, const float *x, const float *y,
                                   const float *dy, const int32_t *winners, float *scratch,
                                   float *dw, float *db);
void KERNEL(conv5_input_gradient)(const conv5_t *conv, const float *padded, const float *y,
                                  const float *dy, const int32_t *winners, float *scratch,
                                  float *dx);
void KERNEL(dense_forward)(const float *x, const float *w, const float *b, int N, int C, int K,
                           int first, int end, int has_relu, float *y);
void KERNEL(dense_input_gradient)(const float *dy, int row, const float *w, int N, int C, int K,
                                  int first, int end, float *dx);
void KERNEL(dense_weight_gradient)(const float *x, const float *dy, int N, int C, int K, int first,
                                   int end, int adds, float *dw);
void KERNEL(dense_update)(const float *x, const float *dy, int N, int C, int K, int first, int end,
                          float *w, float *v, const kernel_sgd_t *sgd, float *dw);
void KERNEL(sgd)(const kernel_sgd_t *sgd, const float *g, float *v, float *w, size_t n);

extern const kernels_t KERNEL(kernels);

#endif
