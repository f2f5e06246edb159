/* kernels: one operation on dense tensors, exactly as numerics.md defines it. Eager mode, graph mode, the constant folder and the
 * data block all come here. */
#ifndef NNC_RUNTIME_KERNELS_H
#define NNC_RUNTIME_KERNELS_H
#include "ir/graph.h"
#include "runtime/tensor.h"

enum gemm { GEMM_NNC, GEMM_OPENBLAS };
struct isa;
struct threads;

/* What a kernel needs besides its operands. One a thread of control; zero-initialised it is ready for use. */
struct kernel_context {
    int64_t rows;           /* N */
    enum gemm gemm;         /* GEMM_OPENBLAS only after blas_load() gave true */
    const struct isa *isa;  /* the variant of the inner loops (isa.h); NULL: the best one for this machine */
    struct threads *threads; /* those that large kernels are cut up for (threads.h); NULL: the calling one does all */
    void *scratch;          /* grows, is kept: no allocation once the largest kernel has run */
    size_t scratch_size;
};
void kernel_context_free(struct kernel_context *k);

/* Computes |n| from its operands into |out|: one tensor, or one a result of a fused group; their memory is the caller's and has the
 * types of n->type (of the body's outputs) at |k->rows|. |out| may lie exactly on an operand of the same type where n is a MAP, CAST, RESHAPE,
 * UPDATE or a FUSED without reduction, and else overlaps none. LEAF nodes: CONST and ROWS only. RESULT copies nothing and is not run.
 * Returns false if scratch memory is short. */
bool kernel_run(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k);

/* One elementwise row: out[i] = op(in[0][i * step[0]], ...) for i < n, where each step is 0 or 1. NULL if |op| is no MAP or does not take |elem|
 * (the element type of the last operand). */
typedef void row_fn(void *out, const void *const *in, const uint8_t *step, int64_t n);
row_fn *row_kernel(enum op op, enum elem elem);
row_fn *cast_kernel(enum elem from, enum elem to);

/* A MAP operation on scalars: the folder's and the checker's arithmetic, with the bits of every mode. */
double scalar_map(enum op op, int nin, const double *in); /* conditions: 0 and 1 */

/* out[m,n] (+= nothing) = chain over k ascending of fma from +0. a: [m,k], or [k,m] if transpose_a; b: [k,n], or [n,k]. */
void gemm_f32(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
              struct kernel_context *x);

/* Whether this machine can run the kernels (x86-64: AVX2 and FMA); else reports what is missing (exit 3). isa.c */
bool cpu_check(struct diag *diag);

/* Loads OpenBLAS with one thread; reports and returns false if it is not there. blas.c */
bool blas_load(struct diag *diag);

/* Round to nearest, FTZ and DAZ (numerics.md, item 10) for this thread. Returns the state before, for float_leave. float_env.c */
unsigned float_enter(void);
void float_leave(unsigned before);

/* Philox4x32-10 block |block| of a stream (kernel_random.c). */
void philox_block(uint64_t stream, int64_t seed, int64_t step, uint64_t block, uint32_t out[4]);
#endif
