/* gemm_plan: the numbers that simd_gemm.c and the size of its scratch memory share. */
#ifndef NNC_RUNTIME_GEMM_PLAN_H
#define NNC_RUNTIME_GEMM_PLAN_H
#include "runtime/isa.h"

enum {
    GEMM_BLOCK = 240,        /* of k: a panel of it stays in L1 */
    GEMM_BLOCK_TN = 120,     /* where a row of A's tile lies in a cache line of its own for each k */
    GEMM_PANEL_BYTES = 128,  /* columns of a panel in bytes: two vectors of the widest machine */
    GEMM_NARROW = 16         /* with at most so many columns lanes run along the rows of a transposed A */
};

/* Whether the product is computed as its transpose: few columns, and A lies with its rows along k. */
static inline bool
gemm_exchanged(const struct gemm_shape *s)
{
    return s->transpose_a && s->n <= GEMM_NARROW && s->m > s->n;
}
#endif
