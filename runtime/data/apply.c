/* apply: arithmetic of the data block through the kernels of the running program. */
#include "runtime/data/functions.h"
#include <string.h>

const struct tensor *
data_apply(struct data_context *c, enum op op, int n, const struct tensor *const *in, const struct attr *attr,
           const struct type *given, struct place place)
{
    const struct type **types = ARENA_ARRAY(c->arena, const struct type *, n + 1);
    struct node **nodes = ARENA_ARRAY(c->arena, struct node *, n + 1);
    struct node node = {.op = (uint16_t)op, .nin = (uint16_t)n, .in = nodes, .attr = attr, .place = place};
    for (int i = 0; i < n; i++) {
        types[i] = &in[i]->type;
        nodes[i] = ARENA_NEW(c->arena, struct node);
        *nodes[i] = (struct node){.op = OP_INPUT, .id = i, .type = in[i]->type};
    }
    node.id = n;
    if (!op_infer(op, n, types, attr, given, &node.type, place, c->diag))
        return NULL;
    struct tensor *out = data_pool_blank(&c->pool, &node.type, place, c->diag);
    if (!out)
        return NULL;
    if (tensor_count(out) && !kernel_run(&node, in, out, &c->kernels)) {
        diag_report(c->diag, OUT_OF_MEMORY, place);
        return NULL;
    }
    return out;
}

const struct tensor *
data_cast(struct data_context *c, const struct tensor *t, enum elem elem, struct place place)
{
    struct type type = t->type;
    type.elem = (uint8_t)elem;
    return t->type.elem == elem ? t : data_apply(c, OP_CAST, 1, &t, NULL, &type, place);
}

const struct tensor *
data_reshape(struct data_context *c, const struct tensor *t, const struct type *type, struct place place)
{
    return type_same_shape(&t->type, type) ? t : data_apply(c, OP_RESHAPE, 1, &t, NULL, type, place);
}

const struct tensor *
data_scalar(struct data_context *c, struct number n, enum elem elem, struct place place)
{
    const struct type type = type_scalar(elem);
    struct tensor *t = data_pool_new(&c->pool, &type, place, c->diag);
    if (!t)
        return NULL;
    int64_t whole = n.is_whole ? n.whole : n.real >= -0x1p63 && n.real < 0x1p63 ? (int64_t)n.real : 0;
    switch (elem) {
    case ELEM_F32: *(float *)t->data = n.is_whole ? (float)n.whole : (float)n.real; break;
    case ELEM_F64: *(double *)t->data = n.real; break;
    case ELEM_I32: *(int32_t *)t->data = (int32_t)whole; break;
    case ELEM_I64: *(int64_t *)t->data = whole; break;
    case ELEM_U8: *(uint8_t *)t->data = (uint8_t)whole; break;
    default: *(uint8_t *)t->data = number_is_true(n); break;
    }
    return t;
}

/* ---- elementwise ---- */

static bool
is_whole(enum elem e)
{
    return TYPES_WHOLE >> e & 1;
}

/* Operations that have whole values of whole numbers. */
static bool
maps_whole(enum op op)
{
    return (op_info[op].types & TYPES_WHOLE) == TYPES_WHOLE;
}

/* The element type in which the operands from |first| on are computed; ELEM_COUNT: as they are (they agree, or the
 * shape rule tells what does not). */
static enum elem
common_elem(enum op op, int first, int n, const struct data_value *in)
{
    int tensors = 0, whole = 0;
    bool fraction = false;
    if (!(op_info[op].types & TYPES_NUM))
        return ELEM_COUNT;
    for (int i = first; i < n; i++)
        if (in[i].kind == DATA_TENSOR) {
            tensors++;
            whole += is_whole(in[i].tensor->type.elem);
        } else {
            fraction |= !in[i].number.is_whole;
        }
    if (whole == tensors)
        return fraction || !maps_whole(op) ? ELEM_F64 : ELEM_I64;
    return ELEM_COUNT;
}

/* The element type of the first tensor from |first| on. */
static enum elem
first_elem(int first, int n, const struct data_value *in)
{
    while (first < n && in[first].kind != DATA_TENSOR)
        first++;
    return first < n ? (enum elem)in[first].tensor->type.elem : ELEM_F64;
}

/* kernels do not define a whole division by zero. */
static bool
divisor_fits(struct data_context *c, const struct tensor *divisor, struct place place)
{
    const int64_t *d = divisor->data;
    for (int64_t i = 0, n = tensor_count(divisor); divisor->type.elem == ELEM_I64 && i < n; i++)
        if (!d[i]) {
            diag_report(c->diag, DATA_WHOLE_DIVISION, place, (long long)i);
            return false;
        }
    return true;
}

bool
data_map(struct data_context *c, enum op op, int n, const struct data_value *in, struct place place, struct data_value *out)
{
    const struct tensor *t[3];
    struct data_value plain[3];
    bool done;
    if (!data_map_codes(c, op, n, in, place, out, &done) || done)
        return done;
    for (int i = 0; i < n; i++) {
        plain[i] = in[i];
        if (!data_decode(c, &plain[i], place))
            return false;
    }
    in = plain;
    int first = op == OP_WHERE; /* the condition takes no part in the choice of an element type */
    enum elem elem = common_elem(op, first, n, in), number_elem = elem == ELEM_COUNT ? first_elem(first, n, in) : elem;
    for (int i = 0; i < n; i++) {
        if (in[i].kind == DATA_NUMBER)
            t[i] = data_scalar(c, in[i].number, i < first ? ELEM_BOOL : number_elem, place);
        else
            t[i] = elem == ELEM_COUNT || i < first ? in[i].tensor : data_cast(c, in[i].tensor, elem, place);
        if (!t[i])
            return false;
    }
    if (op == OP_FLOORDIV && !divisor_fits(c, t[1], place))
        return false;
    const struct tensor *r = data_apply(c, op, n, t, NULL, NULL, place);
    if (r)
        *out = data_of_tensor(r);
    return r != NULL;
}

/* ---- reductions ---- */

const struct tensor *
data_reduce(struct data_context *c, enum op op, const struct tensor *t, uint32_t axes, bool keep, struct place place)
{
    if (!elem_is_float(t->type.elem) && op == OP_MEAN)
        t = data_cast(c, t, ELEM_F64, place);
    else if (!elem_is_float(t->type.elem) && (op == OP_SUM || op == OP_PROD))
        t = data_cast(c, t, ELEM_I64, place);
    const struct attr attr = {.axes = {.axes = axes, .keep = keep}};
    return t ? data_apply(c, op, 1, &t, &attr, NULL, place) : NULL;
}

/* x, axis, keep at arguments |i|, |i| + 1, ...; argmax over all axes counts the elements in order. */
static bool
reduce_arguments(enum op op, struct data_call *c, int axis_at)
{
    const struct tensor *t = arg_tensor(c, 0);
    uint32_t axes;
    bool keep;
    if (!t || !arg_axes(c, axis_at, t->type.rank, &axes) || !arg_bool(c, axis_at + 1, &keep))
        return false;
    if ((op == OP_ARGMAX || op == OP_ARGMIN) && c->args[axis_at].value.kind == DATA_NONE) {
        struct type flat = {.elem = t->type.elem, .rank = 1, .dim = {tensor_count(t)}};
        t = data_reshape(c->context, t, &flat, c->place);
        axes = 1;
    }
    const struct tensor *r = t ? data_reduce(c->context, op, t, axes, keep, c->place) : NULL;
    if (r)
        c->out[0] = data_of_tensor(r);
    return r != NULL;
}

/* ---- by name ---- */

static bool
map_arguments(enum op op, struct data_call *c, int n)
{
    struct data_value in[3];
    bool tensors = false;
    for (int i = 0; i < n; i++) {
        in[i] = c->args[i].value;
        tensors |= in[i].kind == DATA_TENSOR;
        if (in[i].kind != DATA_NUMBER && !arg_kind(c, i, DATA_TENSOR))
            return false;
    }
    if (!tensors) /* of numbers alone: the compiler's arithmetic is where they are computed */
        return arg_kind(c, 0, DATA_TENSOR);
    return data_map(c->context, op, n, in, c->place, &c->out[0]);
}

bool
data_run_op(const struct data_function *f, struct data_call *c)
{
    if (op_info[f->op].class == CLASS_MAP)
        return map_arguments(f->op, c, op_info[f->op].nin);
    if (op_info[f->op].class == CLASS_REDUCE)
        return reduce_arguments(f->op, c, 1);
    const struct data_argument *a = &c->args[0];
    const struct tensor *t;
    if (a->value.kind == DATA_NUMBER)
        t = data_scalar(c->context, a->value.number, f->elem, a->place);
    else
        t = arg_tensor(c, 0);
    if (t)
        t = data_cast(c->context, t, f->elem, c->place);
    if (!t)
        return false;
    c->out[0] = data_of_tensor(t);
    c->out[0].fit = elem_is_float(f->elem) ? a->value.fit : NULL;
    return true;
}

/* max(x), max(x, axis = 1) and max(a, b) */
static bool
extreme(struct data_call *c, enum op of_two, enum op over)
{
    if (c->args[1].value.kind == DATA_NONE)
        return reduce_arguments(over, c, 2);
    return arg_kind(c, 2, DATA_NONE) && map_arguments(of_two, c, 2);
}

bool
data_fn_max(struct data_call *c)
{
    return extreme(c, OP_MAX, OP_MAX_OVER);
}

bool
data_fn_min(struct data_call *c)
{
    return extreme(c, OP_MIN, OP_MIN_OVER);
}
