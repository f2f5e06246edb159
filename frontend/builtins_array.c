/* builtins_array: the primitives along one axis, slice, conv and qr. */
#include "frontend/builtins.h"

/* sort(x, axis), argsort(x, axis), cumsum(x, axis), flip(x, axis); without an axis: the last one. */
struct value
builtin_along(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    if (!n)
        return value_error();
    int64_t axis = n->type.rank - 1;
    if (x->arg[1] && !argument_axis(x, 1, n->type.rank, &axis))
        return value_error();
    if (axis < 0) {
        report(x->c, BAD_AXIS, argument_place(x, 0), -1LL, 0);
        return value_error();
    }
    struct attr attr = {.axis.axis = (int)axis};
    return call_node(x, x->b->op, 1, &n, &attr, NULL);
}

/* A place on an axis: a whole number, or a multiple of N. */
static bool
places(const struct call *x, int i, int rank, int64_t out[RANK_MAX])
{
    const struct value *v = &x->arg[i]->value;
    bool ok = v->kind == VALUE_LIST && v->nitems == rank;
    for (int k = 0; ok && k < rank; k++) {
        const struct value *item = &v->items[k];
        ok = item->kind == VALUE_ROWS || (item->kind == VALUE_NUMBER && item->number.is_whole && item->number.whole >= 0);
        if (ok)
            out[k] = item->kind == VALUE_ROWS ? item->rows : item->number.whole;
    }
    if (!ok && v->kind != VALUE_ERROR)
        report(x->c, SLICE_FORM, argument_place(x, i), x->b->parameters[i], rank, value_text(x->c, v));
    return ok;
}

/* slice(x, [0, 2], [N, 5]): elements [start, stop) of each axis. */
struct value
builtin_slice(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    struct attr attr = {0};
    if (!n || !places(x, 1, n->type.rank, attr.slice.start) || !places(x, 2, n->type.rank, attr.slice.stop))
        return value_error();
    return call_node(x, OP_SLICE, 1, &n, &attr, NULL);
}

struct value
builtin_qr(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    return call_node(x, OP_QR, 1, &n, NULL, NULL);
}

/* ---- conv ---- */

/* Argument |i|: one whole number for all of |count| axes, or a list of them; 1 if it is not given. */
static bool
steps(const struct call *x, int i, int count, int64_t out[2])
{
    out[0] = out[1] = 1;
    if (!x->arg[i])
        return true;
    const struct value *v = &x->arg[i]->value;
    bool list = v->kind == VALUE_LIST, ok = !list || v->nitems == count;
    for (int k = 0; ok && k < count; k++) {
        const struct value *item = list ? &v->items[k] : v;
        ok = item->kind == VALUE_NUMBER && item->number.is_whole;
        if (ok)
            out[k] = item->number.whole;
    }
    if (!ok && v->kind != VALUE_ERROR)
        report(x->c, CONV_NUMBERS, argument_place(x, i), x->b->parameters[i], count, value_text(x->c, v));
    return ok;
}

/* As many results as the steps of the stride that begin inside; an odd zero goes to the end (Keras' and TensorFlow's rule).
 * Where nothing fits, the shape rule says so. */
static void
pad_same(int64_t size, int64_t width, struct attr *attr, int i)
{
    int64_t stride = attr->conv.stride[i], window, total;
    if (size < 1 || width < 1 || stride < 1 || attr->conv.dilation[i] < 1 ||
        __builtin_mul_overflow(width - 1, attr->conv.dilation[i], &window))
        return;
    int64_t rest = size % stride ? size % stride : stride; /* of the axis, from the last step on */
    if (__builtin_sub_overflow(window + 1, rest, &total) || total < 0)
        total = 0;
    attr->conv.before[i] = total / 2;
    attr->conv.after[i] = total - total / 2;
}

static bool
padding(const struct call *x, int i, const struct type *image, const struct type *kernel, int count, struct attr *attr)
{
    if (!x->arg[i])
        return true;
    const struct value *v = &x->arg[i]->value;
    if (v->kind == VALUE_TEXT && !strcmp(v->text, "valid"))
        return true;
    if (v->kind == VALUE_TEXT && !strcmp(v->text, "same")) {
        for (int k = 0; k < count; k++)
            pad_same(image->dim[k + 1], kernel->dim[k], attr, k);
        return true;
    }
    bool ok = v->kind == VALUE_LIST && v->nitems == count;
    for (int k = 0; ok && k < count; k++) {
        const struct value *pair = &v->items[k];
        ok = pair->kind == VALUE_LIST && pair->nitems == 2;
        for (int side = 0; ok && side < 2; side++) {
            const struct number *number = &pair->items[side].number;
            ok = pair->items[side].kind == VALUE_NUMBER && number->is_whole;
            (side ? attr->conv.after : attr->conv.before)[k] = number->whole;
        }
    }
    if (!ok && v->kind != VALUE_ERROR)
        report(x->c, CONV_PADDING, argument_place(x, i), count, value_text(x->c, v));
    return ok;
}

/* conv(x, w, stride = 1, padding = "valid", dilation = 1). x: [N, L, C] or [N, H, W, C]; w: [K, C, F] or [K, K, C, F]. */
struct value
builtin_conv(const struct call *x)
{
    struct node *in[2] = {argument_tensor(x, 0), argument_tensor(x, 1)};
    struct attr attr = {0};
    if (!in[0] || !in[1])
        return value_error();
    const struct type *image = &in[0]->type, *kernel = &in[1]->type;
    int count = image->rank == 4 ? 2 : 1;
    if (image->rank == kernel->rank && (image->rank == 3 || image->rank == 4)) { /* else the shape rule says what is wrong */
        if (!steps(x, 2, count, attr.conv.stride) || !steps(x, 4, count, attr.conv.dilation) ||
            !padding(x, 3, image, kernel, count, &attr))
            return value_error();
    }
    return call_node(x, OP_CONV, 2, in, &attr, NULL);
}
