/* reference_along: operations along one axis, line by line. */
#include "tests/reference/reference.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The element number |i| of the line on which element |at| of |t| lies. */
static int64_t
on_line(const struct type *t, int axis, int64_t at, int64_t i)
{
    int64_t place[RANK_MAX];
    reference_unravel(t, at, place);
    place[axis] = i;
    return reference_ravel(t, place);
}

static int64_t
place_of(const struct type *t, int axis, int64_t at)
{
    int64_t place[RANK_MAX];
    reference_unravel(t, at, place);
    return place[axis];
}

static bool
is_nan(enum elem e, const void *x)
{
    return e == ELEM_F32 ? isnan(*(const float *)x) : e == ELEM_F64 && isnan(*(const double *)x);
}

/* Whether |a| stands in front of |b| in ascending order, in which NaN is last. */
static bool
before(enum elem e, const void *a, const void *b)
{
    bool less;
    if (is_nan(e, a) || is_nan(e, b))
        return !is_nan(e, a);
    reference_body_of(OP_LT, e)(&less, (const void *const[]){a, b});
    return less;
}

/* How many elements of its line stand in front of element |at|: smaller ones, and equal ones that come first. */
static int64_t
rank_of(const struct tensor *x, int axis, int64_t at)
{
    enum elem e = (enum elem)x->type.elem;
    int64_t own = place_of(&x->type, axis, at), rank = 0;
    for (int64_t i = 0; i < x->type.dim[axis]; i++) {
        int64_t other = on_line(&x->type, axis, at, i);
        const char *a = reference_element(x, at), *b = reference_element(x, other);
        bool smaller = before(e, b, a), larger = before(e, a, b);
        if (is_nan(e, a) && is_nan(e, b))
            smaller = larger = false;
        rank += smaller || (!larger && i < own);
    }
    return rank;
}

void
reference_SORT(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int axis = n->attr->axis.axis;
    size_t size = elem_size((enum elem)out->type.elem);
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t to = on_line(&out->type, axis, i, rank_of(in[0], axis, i));
        memcpy(reference_element(out, to), reference_element(in[0], i), size);
    }
}

void
reference_ARGSORT(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int axis = n->attr->axis.axis;
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t to = on_line(&out->type, axis, i, rank_of(in[0], axis, i));
        ((int32_t *)out->data)[to] = (int32_t)place_of(&out->type, axis, i);
    }
}

void
reference_PERMUTE(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int axis = n->attr->axis.axis;
    size_t size = elem_size((enum elem)out->type.elem);
    memset(out->data, 0, (size_t)tensor_bytes(out));
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t to = on_line(&out->type, axis, i, ((const int32_t *)in[1]->data)[i]);
        memcpy(reference_element(out, to), reference_element(in[0], i), size);
    }
}

void
reference_FLIP(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int axis = n->attr->axis.axis;
    size_t size = elem_size((enum elem)out->type.elem);
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t from = on_line(&out->type, axis, i, out->type.dim[axis] - 1 - place_of(&out->type, axis, i));
        memcpy(reference_element(out, i), reference_element(in[0], from), size);
    }
}

void
reference_CUMSUM(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int axis = n->attr->axis.axis;
    reference_body *add = reference_body_of(OP_ADD, (enum elem)out->type.elem);
    memset(out->data, 0, (size_t)tensor_bytes(out));
    for (int64_t i = 0; i < tensor_count(out); i++)
        for (int64_t k = 0; k <= place_of(&out->type, axis, i); k++) {
            char *sum = reference_element(out, i);
            add(sum, (const void *const[]){sum, reference_element(in[0], on_line(&out->type, axis, i, k))});
        }
}
