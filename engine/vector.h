/* engine/vector.h - vectors of floats as GCC and Clang both know them (for the kernels only).
 *
 * LANES is what the instruction set the file is compiled for can hold; with none it is 4, which
 * every compiler can make of what the processor has. Arithmetic is written with the operators; a *
 * b + c becomes a fused multiply-add where there is one (the kernels are compiled with
 * -ffp-contract=fast). */
#ifndef ENGINE_VECTOR_H
#define ENGINE_VECTOR_H

#include <stdint.h>

#if defined(__AVX512F__)
enum { LANES = 16, REGISTERS = 32 };
#elif defined(__AVX2__)
enum { LANES = 8, REGISTERS = 16 };
#elif defined(__aarch64__)
enum { LANES = 4, REGISTERS = 32 };
#else
enum { LANES = 4, REGISTERS = 16 };
#endif

typedef float vec_t __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec_t __attribute__((vector_size(4 * LANES)));
/* The same in memory, wherever it starts. */
typedef float vec_at_t __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec_at_t __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
/* Eight floats whatever LANES is: a row of a 5x5 filter and a little. */
typedef float row_t __attribute__((vector_size(32)));
typedef float row_at_t __attribute__((vector_size(32), aligned(4), may_alias));

/* Loops over the parts of a register tile must be unrolled, or the tile is in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE vec_t
load(const float *p)
{
    return *(const vec_at_t *)p;
}

INLINE void
store(float *p, vec_t v)
{
    *(vec_at_t *)p = v;
}

INLINE vec_t
splat(float s)
{
    return s - (vec_t){0};
}

INLINE vec_t
select(ivec_t condition, vec_t yes, vec_t no)
{
    return (vec_t)((condition & (ivec_t)yes) | (~condition & (ivec_t)no));
}

INLINE vec_t
maximum(vec_t a, vec_t b)
{
    return select(a > b, a, b);
}

INLINE float
sum(vec_t v)
{
    /* Halves are folded, the same way on every processor of as many lanes. */
    float s[LANES];
    store(s, v);
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            s[i] += s[i + n];
    return s[0];
}

/* The name of a kernel in this compilation: KERNEL(x) is x_avx2. */
#define KERNEL_PASTE(name, isa)  name##_##isa
#define KERNEL_EXPAND(name, isa) KERNEL_PASTE(name, isa)
#define KERNEL(name)             KERNEL_EXPAND(name, KERNEL_ISA)

#endif
