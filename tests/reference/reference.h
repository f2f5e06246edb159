/* reference: what every operation is, evaluated as slowly and plainly as possible.
 *
 * Elementwise operations run math.def over a scalar type of their own, which refuses what the text must not rely on; all
 * others are the naive loop of their definition. Shares no code with the kernels or the code generator, so that they can be
 * compared with it by ==. Memory faults and texts that break math.def's rules end the program with a message: this is test
 * code. */
#ifndef NNC_TESTS_REFERENCE_H
#define NNC_TESTS_REFERENCE_H
#include "ir/graph.h"
#include "runtime/tensor.h"

/* Computes |n| from its operands into out[0], or out[0], out[1], ... for the results of a fused group. The memory is the
 * caller's and has the types of the results at |rows|. Rounding and the treatment of subnormals are those of the calling
 * thread (float_enter). */
void reference_node(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows);

/* The values of all nodes of |g| by node id; free with reference_free. inputs[i]: dense data of input i. Variables are
 * read, not changed: the new value of one is the value of its UPDATE node. */
struct tensor *reference_run(const struct graph *g, void *const *inputs, const struct tensor *vars, int64_t rows);
void reference_free(struct tensor *values, int count);

/* Equal to the bit; any NaN equals any NaN. The first difference is stored in |out_at| if that is not NULL. */
bool reference_same(const struct tensor *a, const struct tensor *b, int64_t *out_at);

/* ---- between the files of this folder ---- */

typedef void reference_fn(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows);
/* One element: *out = op(*in[0], ...). */
typedef void reference_body(void *out, const void *const *in);
/* |elem|: the element type of the last operand. Ends the program if the operation does not take it. */
reference_body *reference_body_of(enum op op, enum elem elem);
void reference_cast(enum elem from, enum elem to, void *out, const void *in);
reference_fn reference_map, reference_CAST;
reference_fn reference_SUM, reference_PROD, reference_MEAN, reference_MAX_OVER, reference_MIN_OVER;
reference_fn reference_ARGMAX, reference_ARGMIN;
reference_fn reference_MATMUL, reference_RESHAPE, reference_BROADCAST, reference_TRANSPOSE, reference_SLICE, reference_PAD;
reference_fn reference_CONCAT, reference_GATHER, reference_SCATTER_ADD, reference_ONE_HOT;
reference_fn reference_SORT, reference_ARGSORT, reference_PERMUTE, reference_FLIP, reference_CUMSUM;
reference_fn reference_CONV, reference_CONV_INPUT, reference_CONV_WEIGHT, reference_QR;
reference_fn reference_RANDOM_BITS, reference_RANDOM_UNIFORM, reference_RANDOM_NORMAL, reference_RANDOM_TRUNCATED_NORMAL;

/* The place of the element number |index| of |t| along each axis, and back. */
void reference_unravel(const struct type *t, int64_t index, int64_t at[RANK_MAX]);
int64_t reference_ravel(const struct type *t, const int64_t at[RANK_MAX]);
/* Where the element of |part|, broadcast to |whole|, lies that place |at| of |whole| shows. */
int64_t reference_broadcast_at(const struct type *part, const struct type *whole, const int64_t at[RANK_MAX]);
static inline char *
reference_element(const struct tensor *t, int64_t i)
{
    return (char *)t->data + (size_t)i * elem_size(t->type.elem);
}
#endif
