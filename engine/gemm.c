/* engine/gemm.c - matrix products, by BLIS. */
#include "engine/gemm.h"

#include <blis.h>
#include <stdio.h>

void
gemm(int M, int N, int K, gemm_matrix_t A, gemm_matrix_t B, bool accumulate, float *C, int ldc)
{
    /* A run-time object of our own keeps BLIS to one thread whatever BLIS_NUM_THREADS says: the
     * engine's threads are the ones that share the work. */
    rntm_t rntm;
    bli_rntm_init(&rntm);
    bli_rntm_set_num_threads(1, &rntm);
    float one = 1, beta = accumulate ? 1 : 0;
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, M, N, K, &one, (float *)A.data, A.row_stride,
                 A.column_stride, (float *)B.data, B.row_stride, B.column_stride, &beta, C, ldc, 1,
                 NULL, &rntm);
}

const char *
gemm_version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "BLIS %s", bli_info_get_version_str());
    return text;
}
