/* engine/isa.h - which instruction set the kernels use: chosen once, when the first network is
 * made.
 *
 * The environment variable DMLX_ISA forces one by name (a person's or a test's choice); an unknown
 * name or one this processor lacks is an error of network_new, never a crash. Between instruction
 * sets results agree within rounding, not bit for bit: sums have as many strands as a vector has
 * lanes. */
#ifndef ENGINE_ISA_H
#define ENGINE_ISA_H

#include "engine/error.h"

typedef enum { ISA_PLAIN, ISA_NEON, ISA_AVX2, ISA_AVX512, ISA_COUNT } isa_t;

/* "plain", "neon", "avx2", "avx512". */
const char *isa_name(isa_t isa);
/* The one in use; ISA_PLAIN when DMLX_ISA is wrong, which isa_check tells. */
isa_t isa_current(void);
/* Whether this processor and this build have it. */
int isa_is_there(isa_t isa);
/* 0, or ENGINE_SPEC with the names DMLX_ISA may take here. */
int isa_check(engine_error_t *error);

#endif
