/* engine/isa.c - which instruction set the kernels use. */
#include "engine/isa.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[ISA_COUNT] = {"plain", "neon", "avx2", "avx512"};

const char *
isa_name(isa_t isa)
{
    return NAMES[isa];
}

int
isa_is_there(isa_t isa)
{
    switch (isa) {
    case ISA_PLAIN:
        return true;
#if defined(__aarch64__)
    case ISA_NEON:
        return true;
#endif
#if defined(__x86_64__)
    case ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#endif
    default:
        return false;
    }
}

/* The forced one, or ISA_COUNT for a name that cannot be had here; -1 when nothing is forced. */
static int
forced(void)
{
    const char *name = getenv("DMLX_ISA");
    if (!name || !name[0])
        return -1;
    for (int isa = 0; isa < ISA_COUNT; isa++)
        if (strcmp(name, NAMES[isa]) == 0 && isa_is_there((isa_t)isa))
            return isa;
    return ISA_COUNT;
}

isa_t
isa_current(void)
{
    int isa = forced();
    if (isa == ISA_COUNT)
        return ISA_PLAIN;
    for (int best = ISA_COUNT - 1; isa < 0; best--)
        if (isa_is_there((isa_t)best))
            isa = best;
    return (isa_t)isa;
}

int
isa_check(engine_error_t *error)
{
    if (forced() != ISA_COUNT)
        return 0;
    char there[64] = "";
    for (int isa = 0; isa < ISA_COUNT; isa++)
        if (isa_is_there((isa_t)isa)) {
            strcat(there, there[0] ? ", " : "");
            strcat(there, NAMES[isa]);
        }
    return engine_fail(error, ENGINE_SPEC,
                       "DMLX_ISA is '%.40s', which this processor or build lacks; it has %s",
                       getenv("DMLX_ISA"), there);
}
