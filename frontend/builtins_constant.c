/* builtins_constant: constants, what is known of a shape, and casts. */
#include "frontend/builtins.h"
#include <float.h>
#include <math.h>

static struct value
filled(const struct call *x, double value)
{
    struct type type;
    enum elem e = x->c->frame ? x->c->frame->elem : ELEM_F32;
    if (!value_shape(x->c, &x->arg[0]->value, e, true, &type, argument_place(x, 0)))
        return value_error();
    struct node *n = graph_number(x->c->graph, e, value);
    return type.rank ? call_node(x, OP_BROADCAST, 1, &n, NULL, &type) : value_tensor(n);
}

struct value builtin_zeros(const struct call *x) { return filled(x, 0); }
struct value builtin_ones(const struct call *x) { return filled(x, 1); }

struct value
builtin_zeros_like(const struct call *x)
{
    const struct value *v = &x->arg[0]->value;
    if (v->kind != VALUE_TENSOR) {
        report(x->c, TENSOR_EXPECTED, argument_place(x, 0), value_text(x->c, v));
        return value_error();
    }
    struct type type = v->node->type;
    struct node *n = elem_is_float(type.elem) ? graph_number(x->c->graph, (enum elem)type.elem, 0)
        : graph_whole(x->c->graph, (enum elem)type.elem, 0);
    return type.rank ? call_node(x, OP_BROADCAST, 1, &n, NULL, &type) : value_tensor(n);
}

struct value
builtin_shape_of(const struct call *x)
{
    const struct value *v = &x->arg[0]->value;
    if (v->kind != VALUE_TENSOR) {
        report(x->c, TENSOR_EXPECTED, argument_place(x, 0), value_text(x->c, v));
        return value_error();
    }
    const struct type *t = &v->node->type;
    struct value list = {.kind = VALUE_LIST, .nitems = t->rank,
                         .items = ARENA_ARRAY(x->c->arena, struct value, t->rank + 1)};
    for (int i = 0; i < t->rank; i++)
        list.items[i] = value_dim(t->dim[i]);
    return list;
}

struct value
builtin_rank(const struct call *x)
{
    struct value shape = builtin_shape_of(x);
    return shape.kind == VALUE_LIST ? value_whole(shape.nitems) : shape;
}

/* [0, 1, ...]: what `axis` stands for where all are meant. */
struct value
builtin_axes_of(const struct call *x)
{
    struct value list = builtin_shape_of(x);
    for (int i = 0; i < list.nitems; i++)
        list.items[i] = value_whole(i);
    return list;
}

/* Weights are [k..., in, out]: fan_in = in times the kernel, fan_out = out times the kernel; of rank 1 both are its length,
 * of rank 0 one (conventions.md, section 1). */
static struct value
fan(const struct call *x, int from_end)
{
    struct type type;
    if (!value_shape(x->c, &x->arg[0]->value, ELEM_F32, false, &type, argument_place(x, 0)))
        return value_error();
    if (type.rank < 2)
        return value_whole(type.rank ? type.dim[0] : 1);
    return value_whole(type_span(&type, 0, type.rank - 2, 1) * type.dim[type.rank - from_end]);
}

struct value builtin_fan_in(const struct call *x) { return fan(x, 2); }
struct value builtin_fan_out(const struct call *x) { return fan(x, 1); }

struct value
builtin_count(const struct call *x)
{
    struct type type;
    if (!value_shape(x->c, &x->arg[0]->value, ELEM_F32, false, &type, argument_place(x, 0)))
        return value_error();
    return value_whole(type_count(&type, 1));
}

/* -- tensor([1, 2.5]) ------------------------------------------------------------------------------ */

/* The numbers of nested lists in order; false (reported) if they are no block of the shape of |type|. */
static bool
list_numbers(struct checker *c, const struct value *v, const struct type *type, int depth, double *out, int64_t *count,
             struct place at)
{
    if (v->kind == VALUE_NUMBER && depth == type->rank) {
        if (out)
            out[*count] = v->number.real;
        ++*count;
        return true;
    }
    if (v->kind != VALUE_LIST || depth >= type->rank || v->nitems != type->dim[depth]) {
        report(c, TENSOR_FORM, at);
        return false;
    }
    for (int i = 0; i < v->nitems; i++)
        if (!list_numbers(c, &v->items[i], type, depth + 1, out, count, at))
            return false;
    return true;
}

/* No value of a graph is subnormal (numerics.md, item 10). */
static double
flushed(double v, double least)
{
    return fabs(v) < least ? copysign(0, v) : v;
}

/* The numbers of |v|, a list, as a constant of f32 or f64. */
static struct value
listed(const struct call *x, const struct value *v, enum elem e)
{
    struct type type = type_scalar(e);
    for (const struct value *w = v; w->kind == VALUE_LIST; w = w->items) {
        if (type.rank == RANK_MAX || !w->nitems) {
            report(x->c, TENSOR_FORM, argument_place(x, 0));
            return value_error();
        }
        type.dim[type.rank++] = w->nitems;
    }
    int64_t count = 0;
    if (!list_numbers(x->c, v, &type, 0, NULL, &count, argument_place(x, 0)))
        return value_error();
    double *data = ARENA_ARRAY(x->c->arena, double, count);
    float *narrow = ARENA_ARRAY(x->c->arena, float, count);
    count = 0;
    list_numbers(x->c, v, &type, 0, data, &count, argument_place(x, 0));
    if (!type.rank)
        return value_tensor(graph_number(x->c->graph, e, data[0]));
    for (int64_t i = 0; i < count; i++) {
        narrow[i] = (float)flushed((double)(float)data[i], FLT_MIN);
        data[i] = flushed(data[i], DBL_MIN);
    }
    struct attr attr = {.value.data = e == ELEM_F32 ? (void *)narrow : data};
    return call_node(x, OP_CONST, 0, NULL, &attr, &type);
}

/* An f32 tensor. It remembers its numbers, which a cast starts from: f64(tensor([0.1])) is 0.1 in f64. */
struct value
builtin_tensor(const struct call *x)
{
    struct value v = listed(x, &x->arg[0]->value, ELEM_F32);
    if (v.kind == VALUE_TENSOR) {
        v.items = ARENA_NEW(x->c->arena, struct value);
        *v.items = x->arg[0]->value;
        v.nitems = 1;
    }
    return v;
}

/* -- casts ----------------------------------------------------------------------------------------- */

static struct value
cast_to(const struct call *x, enum elem e)
{
    const struct value *v = &x->arg[0]->value;
    if (v->kind == VALUE_NUMBER) {
        if (elem_is_float(e))
            return value_tensor(graph_number(x->c->graph, e,
                                             e == ELEM_F32 ? (double)(float)v->number.real : v->number.real));
        struct node *real = graph_number(x->c->graph, ELEM_F64, v->number.real);
        struct type type = type_scalar(e);
        return call_node(x, OP_CAST, 1, &real, NULL, &type);
    }
    struct value numbers = v->kind == VALUE_TENSOR && v->nitems && e != ELEM_F32 ? listed(x, v->items, ELEM_F64) : *v;
    struct node *n = value_any(x->c, &numbers, e, x->at);
    if (!n || n->type.elem == e)
        return value_tensor(n);
    struct type type = n->type;
    type.elem = (uint8_t)e;
    return call_node(x, OP_CAST, 1, &n, NULL, &type);
}

#define CAST_TO(name, elem) struct value builtin_##name(const struct call *x) { return cast_to(x, elem); }
CAST_TO(f32, ELEM_F32)
CAST_TO(f64, ELEM_F64)
CAST_TO(i32, ELEM_I32)
CAST_TO(i64, ELEM_I64)
CAST_TO(u8, ELEM_U8)
CAST_TO(bool, ELEM_BOOL)
