/* shape: functions that change the shape of tensors, and those that make tensors of lists and lists of tensors. */
#include "runtime/data/functions.h"
#include <string.h>

static bool
give(struct data_call *c, const struct tensor *t)
{
    if (t)
        c->out[0] = data_of_tensor(t);
    return t != NULL;
}

/* What was fitted for each element alone still holds. */
static bool
keep_fit(struct data_call *c)
{
    c->out[0].fit = data_fit_anywhere(c->args[0].value.fit);
    return true;
}

bool
data_fn_reshape(struct data_call *c)
{
    const struct tensor *t = arg_tensor(c, 0);
    struct type type;
    int open;
    if (!t || !arg_shape(c, 1, (enum elem)t->type.elem, &type, &open))
        return false;
    int64_t known = type_count(&type, 0);
    if (open >= 0 && known > 0)
        type.dim[open] = tensor_count(t) / known; /* the shape rule finds a remainder */
    return give(c, data_apply(c->context, OP_RESHAPE, 1, &t, NULL, &type, c->place)) && keep_fit(c);
}

bool
data_fn_transpose(struct data_call *c)
{
    const struct tensor *t = arg_tensor(c, 0);
    if (!t)
        return false;
    const struct data_value *axes = &c->args[1].value;
    struct attr attr = {0};
    for (int i = 0; i < t->type.rank; i++)
        attr.perm.perm[i] = (int8_t)(t->type.rank - 1 - i);
    if (axes->kind != DATA_NONE) {
        uint32_t set;
        if (!arg_kind(c, 1, DATA_LIST) || !arg_axes(c, 1, t->type.rank, &set))
            return false;
        for (int i = 0; i < t->type.rank; i++)
            attr.perm.perm[i] = -1; /* of an axis that is not named; the shape rule refuses it */
        for (int i = 0; i < axes->list.count; i++) {
            int64_t axis = axes->list.items[i].number.whole;
            attr.perm.perm[i] = (int8_t)(axis < 0 ? axis + t->type.rank : axis);
        }
    }
    return give(c, data_apply(c->context, OP_TRANSPOSE, 1, &t, &attr, NULL, c->place));
}

/* The tensors of the list of argument 0; NULL if it holds anything else. */
static const struct tensor **
tensors_of(struct data_call *c)
{
    const struct data_value *list = &c->args[0].value;
    if (!arg_kind(c, 0, DATA_LIST))
        return NULL;
    const struct tensor **t = ARENA_ARRAY(c->context->arena, const struct tensor *, list->list.count + 1);
    for (int i = 0; i < list->list.count; i++) {
        const struct data_value *v = &list->list.items[i];
        if (v->kind != DATA_TENSOR || !v->tensor->type.rank) {
            arg_wrong(c, 0, "a list of tensors, each with an axis at least");
            return NULL;
        }
        t[i] = v->tensor;
    }
    return t;
}

bool
data_fn_concat(struct data_call *c)
{
    const struct tensor **t = tensors_of(c);
    int n = t ? c->args[0].value.list.count : 0;
    struct attr attr = {0};
    if (!t || (n && !arg_axis(c, 1, t[0]->type.rank, &attr.axis.axis)))
        return false;
    return give(c, data_apply(c->context, OP_CONCAT, n, t, &attr, NULL, c->place));
}

bool
data_fn_squeeze(struct data_call *c)
{
    const struct tensor *t = arg_tensor(c, 0);
    if (!t)
        return false;
    int axis = t->type.rank - 1;
    if (c->args[1].value.kind != DATA_NONE && !arg_axis(c, 1, t->type.rank, &axis))
        return false;
    if (axis < 0 || t->type.dim[axis] != 1) {
        char type[TYPE_TEXT];
        diag_report(c->context->diag, DATA_SQUEEZE, c->place, axis, type_text(&t->type, ", ", type));
        return false;
    }
    struct type type = {.elem = t->type.elem};
    for (int i = 0; i < t->type.rank; i++)
        if (i != axis)
            type.dim[type.rank++] = t->type.dim[i];
    return give(c, data_apply(c->context, OP_RESHAPE, 1, &t, NULL, &type, c->place)) && keep_fit(c);
}

bool
data_fn_one_hot(struct data_call *c)
{
    struct data_fit *fit = ARENA_NEW(c->context->arena, struct data_fit);
    *fit = (struct data_fit){.kind = FIT_ONE_HOT, .before = c->args[0].value.fit};
    return arg_kind(c, 0, DATA_TENSOR) && arg_whole(c, 1, 1, INT32_MAX, &fit->length) &&
           data_fit_one(c->context, fit, &c->args[0].value, c->args[0].place, &c->out[0]);
}

/* Writes the numbers of nested lists from |*at| on; axis |axis| of |type| is |v|'s. False if a list has another length
 * or depth. */
static bool
fill(const struct data_value *v, const struct type *type, int axis, double **at)
{
    if (axis == type->rank) {
        if (v->kind == DATA_NUMBER)
            *(*at)++ = v->number.real;
        return v->kind == DATA_NUMBER;
    }
    if (v->kind != DATA_LIST || v->list.count != type->dim[axis])
        return false;
    for (int i = 0; i < v->list.count; i++)
        if (!fill(&v->list.items[i], type, axis + 1, at))
            return false;
    return true;
}

bool
data_fn_tensor(struct data_call *c)
{
    struct type type = {.elem = ELEM_F64};
    const struct data_value *v = &c->args[0].value;
    for (; v->kind == DATA_LIST && type.rank < RANK_MAX; v = v->list.items) {
        type.dim[type.rank++] = v->list.count;
        if (!v->list.count)
            break;
    }
    struct tensor *t = data_result(c, &type);
    double *at = t ? t->data : NULL;
    if (!t || fill(&c->args[0].value, &type, 0, &at))
        return t != NULL;
    return arg_wrong(c, 0, "a list of numbers, or of lists of equal lengths");
}

bool
data_fn_shape_of(struct data_call *c)
{
    const struct tensor *t = arg_tensor(c, 0);
    if (!t)
        return false;
    struct data_value *items = ARENA_ARRAY(c->context->arena, struct data_value, t->type.rank + 1);
    for (int i = 0; i < t->type.rank; i++)
        items[i] = data_of_number(number_of_whole(t->type.dim[i]));
    c->out[0] = (struct data_value){.kind = DATA_LIST, .list = {items, t->type.rank}};
    return true;
}

static bool
filled(struct data_call *c, double value)
{
    struct type type;
    struct tensor *t = arg_shape(c, 0, ELEM_F64, &type, NULL) ? data_result(c, &type) : NULL;
    double *at = t ? t->data : NULL;
    for (int64_t i = 0, n = t ? tensor_count(t) : 0; i < n; i++)
        at[i] = value;
    return t != NULL;
}

bool
data_fn_zeros(struct data_call *c)
{
    return filled(c, 0);
}

bool
data_fn_ones(struct data_call *c)
{
    return filled(c, 1);
}
