/* engine/vector.h - vectors of floats as GCC and Clang both know them (for the kernels only).
 *
 * LANES is what the instruction set the file is compiled for can hold; with none it is 4, which
 * every compiler can make of what the processor has. KERNEL_LANES sets it for a test of what the
 * processor at hand has no instructions for: the compiler makes long vectors of short ones.
 * Arithmetic is written with the operators; a * b + c becomes a fused multiply-add where there is
 * one (the kernels are compiled with -ffp-contract=fast). */
#ifndef ENGINE_VECTOR_H
#define ENGINE_VECTOR_H

#include <stdint.h>

#if defined(KERNEL_LANES)
#define VECTOR_LANES KERNEL_LANES
#elif defined(__AVX512F__)
#define VECTOR_LANES 16
#define VECTOR_IS_AVX512
#elif defined(__AVX2__)
#define VECTOR_LANES 8
#define VECTOR_IS_AVX2
#else
#define VECTOR_LANES 4
#endif
#if VECTOR_LANES == 16 || defined(__aarch64__)
enum { LANES = VECTOR_LANES, REGISTERS = 32 };
#else
enum { LANES = VECTOR_LANES, REGISTERS = 16 };
#endif

typedef float vec_t __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec_t __attribute__((vector_size(4 * LANES)));
/* The same in memory, wherever it starts. */
typedef float vec_at_t __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec_at_t __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
/* Loops over the parts of a register tile must be unrolled, or the tile is in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("nounroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#define ROLLED _Pragma("GCC unroll 1")
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

/* sum + a b, rounded once, in the register sum is in. GCC knows three such instructions and, left
 * to itself, lets the sums of a register tile wander, until some of them are in memory. */
INLINE vec_t
multiply_add(vec_t sum, vec_t a, vec_t b)
{
#if defined(VECTOR_IS_AVX512)
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#elif defined(VECTOR_IS_AVX2)
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
#else
    return sum + a * b;
#endif
}

/* The same pointer, which the compiler must hold as one: it would rather keep a dozen sums with it
 * in registers that are not there. */
INLINE const float *
one_pointer(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* Where CONDITION, a comparison's, holds YES; elsewhere NO. */
INLINE ivec_t
select(ivec_t condition, ivec_t yes, ivec_t no)
{
#if defined(VECTOR_IS_AVX2)
    return (ivec_t)__builtin_ia32_blendvps256((vec_t)no, (vec_t)yes, (vec_t)condition);
#else
    return (condition & yes) | (~condition & no);
#endif
}

/* a where it is greater than b, elsewhere b. */
INLINE vec_t
maximum(vec_t a, vec_t b)
{
#if defined(VECTOR_IS_AVX2)
    return __builtin_ia32_maxps256(a, b);
#else
    return (vec_t)select(a > b, (ivec_t)a, (ivec_t)b);
#endif
}

/* Four floats whatever LANES is. */
typedef float quad_t __attribute__((vector_size(16)));
typedef int32_t iquad_t __attribute__((vector_size(16)));
typedef float quad_at_t __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t iquad_at_t __attribute__((vector_size(16), aligned(4), may_alias));

INLINE quad_t
load_quad(const float *p)
{
    return *(const quad_at_t *)p;
}

INLINE void
store_quad(float *p, quad_t v)
{
    *(quad_at_t *)p = v;
}

/* The rows of a square become its columns. */
INLINE void
transpose(quad_t rows[4])
{
    quad_t ab = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5),
           cd = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
    quad_t ab_high = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7),
           cd_high = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
    rows[0] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    rows[1] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    rows[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    rows[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/* Puts the lanes of a and b whose condition holds one after the other; returns how many. What
 * follows them, up to four in all, is overwritten. */
INLINE int
put_chosen(iquad_t condition, iquad_t a, quad_t b, int32_t *target_a, float *target_b)
{
#if defined(__AVX2__)
    static const int32_t CHOSEN[16][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0},
                                          {2, 0, 0, 0}, {0, 2, 0, 0}, {1, 2, 0, 0}, {0, 1, 2, 0},
                                          {3, 0, 0, 0}, {0, 3, 0, 0}, {1, 3, 0, 0}, {0, 1, 3, 0},
                                          {2, 3, 0, 0}, {0, 2, 3, 0}, {1, 2, 3, 0}, {0, 1, 2, 3}};
    int mask = __builtin_ia32_movmskps((quad_t)condition);
    iquad_t order = *(const iquad_at_t *)CHOSEN[mask];
    *(iquad_at_t *)target_a = (iquad_t)__builtin_ia32_vpermilvarps((quad_t)a, order);
    store_quad(target_b, __builtin_ia32_vpermilvarps(b, order));
    return __builtin_popcount((unsigned)mask);
#else
    int used = 0;
    for (int l = 0; l < 4; l++) {
        target_a[used] = a[l];
        target_b[used] = b[l];
        used += condition[l] != 0;
    }
    return used;
#endif
}

/* The name of a kernel in this compilation: KERNEL(x) is x_avx2. */
#define KERNEL_PASTE(name, isa)  name##_##isa
#define KERNEL_EXPAND(name, isa) KERNEL_PASTE(name, isa)
#define KERNEL(name)             KERNEL_EXPAND(name, KERNEL_ISA)

#endif
