#include "runtime/kernels.h"
#include "runtime/kernel_impl.h"
#include <stdlib.h>

kernel_fn *const kernel_of[OP_COUNT] = {
#define OP(id, text, class, ...) [OP_##id] = KERNEL_##class(id),
#include "ir/ops.def"
#undef OP
};

static prepare_fn *const prepare_by_class[] = {
    [CLASS_MAP] = prepare_map, [CLASS_CAST] = prepare_map, [CLASS_REDUCE] = prepare_reduce, [CLASS_EFFECT] = NULL,
};

prepare_fn *
prepare_of(enum op op)
{
    if (op == OP_BROADCAST)
        return prepare_map;
    if (op == OP_FUSED)
        return prepare_FUSED;
    return prepare_by_class[op_info[op].class];
}

bool
kernel_run(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    return kernel_of[n->op](n, in, out, k);
}

void *
kernel_scratch(struct kernel_context *k, size_t bytes)
{
    if (bytes <= k->scratch_size && k->scratch)
        return k->scratch;
    size_t size = round64(bytes + 64);
    void *new = aligned_alloc(64, size);
    if (!new)
        return NULL;
    free(k->scratch);
    k->scratch = new;
    k->scratch_size = size;
    return new;
}

void
kernel_context_free(struct kernel_context *k)
{
    free(k->scratch);
    k->scratch = NULL;
    k->scratch_size = 0;
}

row_fn *
row_kernel(enum op op, enum elem elem)
{
    return isa_host()->row[op][elem];
}

row_fn *
cast_kernel(enum elem from, enum elem to)
{
    return isa_host()->cast[from][to];
}

double
scalar_map(enum op op, int nin, const double *in)
{
    uint8_t logic[3], condition = 0;
    const uint8_t steps[3] = {1, 1, 1};
    const void *data[3];
    double result = 0;
    for (int i = 0; i < nin; i++) {
        logic[i] = in[i] != 0;
        data[i] = op_info[op].types == TYPES_BOOL || (op == OP_WHERE && !i) ? (const void *)&logic[i] : &in[i];
    }
    bool gives_condition = op_info[op].types == TYPES_BOOL || op_info[op].flags & OP_BOOLEAN;
    row_fn *fn = row_kernel(op, op_info[op].types == TYPES_BOOL ? ELEM_BOOL : ELEM_F64);
    fn(gives_condition ? (void *)&condition : &result, data, steps, 1);
    return gives_condition ? condition : result;
}

void
scalar_store(const struct node *n, int64_t rows, void *out)
{
    const struct isa *isa = isa_host();
    const uint8_t step = 1;
    enum elem e = n->type.elem;
    if (n->op == OP_CONST && elem_is_float(e))
        isa->cast[ELEM_F64][e](out, (const void *const[]){&n->attr->value.real}, &step, 1);
    else
        isa->cast[ELEM_I64][e](out, (const void *const[]){n->op == OP_ROWS ? &rows : &n->attr->value.whole}, &step, 1);
}

/* CONST and ROWS; the others have no value of their own to compute. */
bool
kernel_leaf(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    if (n->op == OP_ROWS || node_is_number(n)) {
        scalar_store(n, k->rows, out->data);
        return true;
    }
    if (n->op == OP_CONST)
        __builtin_memcpy(out->data, n->attr->value.data, dense_bytes(&out->type));
    return true;
}
