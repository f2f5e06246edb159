/* index: x[i, a:b, ...] and x[rows]. */
#include "runtime/data/functions.h"

/* A whole number that counts the places of an axis of |size| from its start or its end. */
static bool
is_position(const struct data_value *v, int64_t size)
{
    const struct number *n = &v->number;
    return v->kind == DATA_NUMBER && n->is_whole && !n->is_bool && n->whole < size && n->whole >= -size;
}

/* From |from| up to |to| of an axis of |size|; negative numbers count from the end. */
static bool
index_bounds(struct data_context *c, const struct data_argument *index, const struct type *of, int axis, int64_t *from,
             int64_t *to)
{
    const int64_t size = of->dim[axis];
    const struct data_value *v = &index->value;
    char type[TYPE_TEXT];
    if (v->kind == DATA_RANGE) {
        *from = !v->range.has_from ? 0 : v->range.from < 0 ? v->range.from + size : v->range.from;
        *to = !v->range.has_to ? size : v->range.to < 0 ? v->range.to + size : v->range.to;
    } else if (is_position(v, size)) {
        *from = v->number.whole < 0 ? v->number.whole + size : v->number.whole;
        *to = *from + 1;
    } else {
        diag_report(c->diag, DATA_INDEX, index->place, axis, (long long)size, data_describe(v, c->arena));
        return false;
    }
    if (*from >= 0 && *from <= *to && *to <= size)
        return true;
    type_text(of, ", ", type);
    diag_report(c->diag, DATA_INDEX_RANGE, index->place, (long long)*from, (long long)*to, axis, type);
    return false;
}

/* Rows by number. */
static const struct tensor *
take_rows(struct data_context *c, const struct tensor *t, const struct data_argument *index, struct place place)
{
    const struct tensor *i = index->value.tensor;
    char type[TYPE_TEXT];
    if (!(TYPES_WHOLE >> i->type.elem & 1) || !t->type.rank) {
        diag_report(c->diag, DATA_INDEX_TENSOR, index->place, type_text(&i->type, ", ", type));
        return NULL;
    }
    if (!(i = data_cast(c, i, ELEM_I64, place)))
        return NULL;
    for (int64_t k = 0, n = tensor_count(i); k < n; k++) {
        int64_t row = ((const int64_t *)i->data)[k];
        if (row < 0 || row >= t->type.dim[0]) {
            diag_report(c->diag, DATA_INDEX_ROW, index->place, (long long)k, (long long)row, (long long)t->type.dim[0]);
            return NULL;
        }
    }
    return data_apply(c, OP_GATHER, 2, (const struct tensor *const[]){t, i}, NULL, NULL, place);
}

/* |of|: the type of what is indexed, which |t| holds, coded or not. */
static const struct tensor *
take_part(struct data_context *c, const struct tensor *t, const struct type *of, int n, const struct data_argument *index,
          struct place place)
{
    char type[TYPE_TEXT];
    if (n > of->rank) {
        diag_report(c->diag, DATA_INDEX_COUNT, place, n, type_text(of, ", ", type));
        return NULL;
    }
    struct attr *attr = ARENA_NEW(c->arena, struct attr);
    struct type dropped = {.elem = t->type.elem};
    for (int i = 0; i < of->rank; i++) {
        int64_t *from = &attr->slice.start[i], *to = &attr->slice.stop[i];
        *to = of->dim[i];
        if (i < n && !index_bounds(c, &index[i], of, i, from, to))
            return NULL;
        if (i >= n || index[i].value.kind == DATA_RANGE)
            dropped.dim[dropped.rank++] = *to - *from;
    }
    const struct tensor *r = data_apply(c, OP_SLICE, 1, &t, attr, NULL, place);
    return r ? data_reshape(c, r, &dropped, place) : NULL;
}

bool
data_index(struct data_context *c, const struct data_value *x, int n, const struct data_argument *index, struct place place,
           struct data_value *out)
{
    const struct type of = data_type(x);
    bool coded = x->kind == DATA_CODED, rows = n == 1 && index->value.kind == DATA_TENSOR;
    const struct tensor *t = coded ? x->coded.codes : x->tensor;
    const struct tensor *r = rows ? take_rows(c, t, index, place) : take_part(c, t, &of, n, index, place);
    if (r)
        *out = coded ? (struct data_value){.kind = DATA_CODED, .coded = {r, x->coded.table}} : data_of_tensor(r);
    return r;
}
