/* engine/kernels.c - which compilation of the kernels is used. */
#include "engine/kernels.h"

#include <stdatomic.h>

extern const kernels_t kernels_plain;
#if defined(__x86_64__)
extern const kernels_t kernels_avx2, kernels_avx512;
#elif defined(__aarch64__)
extern const kernels_t kernels_neon;
#endif

const kernels_t *
kernels_of(isa_t isa)
{
    switch (isa) {
#if defined(__x86_64__)
    case ISA_AVX2:
        return &kernels_avx2;
    case ISA_AVX512:
        return &kernels_avx512;
#elif defined(__aarch64__)
    case ISA_NEON:
        return &kernels_neon;
#endif
    default:
        return &kernels_plain;
    }
}

const kernels_t *
kernels(void)
{
    static _Atomic(const kernels_t *) chosen;
    const kernels_t *set = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!set)
        atomic_store_explicit(&chosen, set = kernels_of(isa_current()), memory_order_relaxed);
    return set;
}
