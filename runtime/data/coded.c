/* coded: tensors of bytes, each of which stands for a value of a table.
 *
 * Arithmetic of such a tensor with numbers is done on the table: the same operations, in the same element types, on the 256 values
 * that an element can have, so the bits are those of computing every element. */
#include "runtime/data/functions.h"

enum { CODES = 256, WORTH_IT = 16 * CODES }; /* elements from which on a table is less work than the tensor */

static const struct tensor *
identity(struct data_context *c, struct place place)
{
    const struct type type = {.elem = ELEM_U8, .rank = 1, .dim = {CODES}};
    struct tensor *t = data_pool_blank(&c->pool, &type, place, c->diag);
    for (int i = 0; t && i < CODES; i++)
        ((uint8_t *)t->data)[i] = (uint8_t)i;
    return t;
}

static bool
has_codes(const struct data_value *v)
{
    return v->kind == DATA_CODED || (v->kind == DATA_TENSOR && v->tensor->type.elem == ELEM_U8 && tensor_count(v->tensor) >= WORTH_IT);
}

/* The operand that is coded or could be, if the others are numbers and |op| computes with numbers; else -1. A whole division looks at
 * its divisors, and the table has some that the tensor has not. */
static int
coded_operand(enum op op, int n, const struct data_value *in)
{
    int at = -1;
    if (op == OP_WHERE || op == OP_FLOORDIV || !(op_info[op].types & TYPES_NUM))
        return -1;
    for (int i = 0; i < n; i++)
        if (has_codes(&in[i]) && at < 0)
            at = i;
        else if (in[i].kind != DATA_NUMBER)
            return -1;
    return at;
}

bool
data_map_codes(struct data_context *c, enum op op, int n, const struct data_value *in, struct place place, struct data_value *out,
               bool *out_done)
{
    int at = coded_operand(op, n, in);
    struct data_value of_table[3], result;
    *out_done = false;
    if (at < 0)
        return true;
    bool bytes = in[at].kind == DATA_TENSOR;
    const struct tensor *codes = bytes ? in[at].tensor : in[at].coded.codes, *table = bytes ? identity(c, place) : in[at].coded.table;
    if (!table)
        return false;
    for (int i = 0; i < n; i++)
        of_table[i] = i == at ? data_of_tensor(table) : in[i];
    if (!data_map(c, op, n, of_table, place, &result))
        return false;
    *out = (struct data_value){.kind = DATA_CODED, .coded = {codes, result.tensor}};
    *out_done = true;
    return true;
}

#define LOOK_UP(type)                              \
    for (int64_t i = 0; i < n; i++)                \
        ((type *)out)[i] = ((const type *)table)[codes[i]];

void
data_look_up(const uint8_t *codes, int64_t n, const void *table, size_t size, void *out)
{
    if (size == 1)
        LOOK_UP(uint8_t)
    else if (size == 4)
        LOOK_UP(uint32_t)
    else
        LOOK_UP(uint64_t)
}

bool
data_decode(struct data_context *c, struct data_value *v, struct place place)
{
    if (v->kind != DATA_CODED)
        return true;
    const struct type type = data_type(v);
    struct tensor *t = data_pool_blank(&c->pool, &type, place, c->diag);
    if (!t)
        return false;
    data_look_up(v->coded.codes->data, tensor_count(t), v->coded.table->data, elem_size(type.elem), t->data);
    const struct data_fit *fit = v->fit;
    *v = data_of_tensor(t);
    v->fit = fit;
    return true;
}
