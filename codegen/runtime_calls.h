/* runtime_calls: functions with simple types that generated code calls (runtime.def). They return 0 if memory is short,
 * else 1. */
#ifndef NNC_CODEGEN_RUNTIME_CALLS_H
#define NNC_CODEGEN_RUNTIME_CALLS_H
#include "runtime/kernels.h"

/* |count| numbers of the RANDOM operation |op| into |out|; |seed| and |step| are its operands. */
int32_t code_random(int32_t op, int32_t elem, uint64_t stream, double from, double to, int64_t count, const int64_t *seed,
                    const int64_t *step, void *out, struct kernel_context *k);
/* |batch| products [m, k] @ [k, n] that lie one after the other, by the kernel of the other modes: with its calls of
 * OpenBLAS. */
int32_t code_gemm(int32_t elem, int32_t transpose_a, int32_t transpose_b, int64_t batch, int64_t m, int64_t n, int64_t k,
                  const void *a, const void *b, void *c, struct kernel_context *context);
/* A node of one result and of one or two operands, whose attribute holds no pointers. */
struct code_node {
    int32_t op;
    struct type type, in[2];
    struct attr attr;
};
/* Runs its kernel for |rows| rows; |b| is NULL where there is one operand. */
int32_t code_kernel(const struct code_node *n, int64_t rows, const void *a, const void *b, void *out,
                    struct kernel_context *k);
/* |bytes| of the context's scratch memory, aligned to 64; NULL if memory is short. */
void *code_scratch(struct kernel_context *k, int64_t bytes);
/* to[c * to_row + r] = from[r * from_row + c]; they do not overlap. */
void code_transpose(const float *from, int64_t from_row, float *to, int64_t to_row, int64_t rows, int64_t columns);
enum { CODE_PART_NS = 2000 }; /* what a part is worth a thread for: the worker looks for it, and a call costs half a microsecond */
struct code_chain;
/* Places [begin, end) of a kernel's work, on operands whose addresses |context| holds, with scratch memory of its own. Parts of
 * one chain of additions do its pieces one after the other: |c| is where they tell each other. */
typedef void code_part_fn(const void *context, void *scratch, int64_t begin, int64_t end, struct code_chain *c);
/* Runs |fn| on all |count| places, in the context's threads if it takes long enough: |ps| picoseconds. Parts begin at multiples of |unit|;
 * each has |scratch| bytes. */
int32_t code_parts(struct kernel_context *k, code_part_fn *fn, const void *context, int64_t scratch, int64_t count,
                   int64_t unit, int64_t ps);
/* Waits until the part before has done the piece that this one begins with now; tells the part behind that it is done. */
void code_chain_wait(struct code_chain *c);
void code_chain_next(struct code_chain *c);
#endif
