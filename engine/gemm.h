/* engine/gemm.h - matrix products, by BLIS. The one door to it: nobody else includes blis.h. */
#ifndef ENGINE_GEMM_H
#define ENGINE_GEMM_H

#include <stdbool.h>

/* A matrix by its strides, in floats: element (i, j) is at data[i * row_stride + j *
 * column_stride]. */
typedef struct {
    const float *data;
    int row_stride;
    int column_stride;
} gemm_matrix_t;

/* C (M, N), row-major with ldc floats a row: C = A B, or C += A B with accumulate. A (M, K), B (K,
 * N). Runs in the calling thread alone; the order of sums depends on the shapes and the machine,
 * not on who calls. */
void gemm(int M, int N, int K, gemm_matrix_t A, gemm_matrix_t B, bool accumulate, float *C,
          int ldc);

/* "BLIS 0.9.0", for the benchmark's table. */
const char *gemm_version(void);

#endif
