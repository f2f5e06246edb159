/* reference_ops: reductions, contractions and movements, each the naive loop of its definition (numerics.md, items 3 and
 * 4). */
#include "tests/reference/reference.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, ELEM_BYTES = 8 };

static void
apply(reference_body *body, void *out, const void *a, const void *b)
{
    body(out, (const void *const[]){a, b});
}

/* ---- reductions ---- */

struct reduction {
    reference_body *body;
    size_t size;
    const void *start; /* NULL: the first element */
};

/* acc = body(acc, x), where |*has| says whether acc has a value. */
static void
accumulate(const struct reduction *r, char *acc, bool *has, const char *x)
{
    if (!*has)
        memcpy(acc, x, r->size);
    else
        apply(r->body, acc, acc, x);
    *has = true;
}

static void
begin(const struct reduction *r, char *acc, bool *has)
{
    *has = r->start != NULL;
    if (r->start)
        memcpy(acc, r->start, r->size);
}

/* A flat axis: element i to lane i mod 16, then lane j takes lane j + 8, j + 4, j + 2, j + 1. */
static void
reduce_flat(const struct reduction *r, char *out, const char *in, int64_t count)
{
    char lane[LANES][ELEM_BYTES];
    bool has[LANES];
    for (int j = 0; j < LANES; j++)
        begin(r, lane[j], &has[j]);
    for (int64_t i = 0; i < count; i++)
        accumulate(r, lane[i % LANES], &has[i % LANES], in + (size_t)i * r->size);
    for (int half = LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            if (has[j + half])
                accumulate(r, lane[j], &has[j], lane[j + half]);
    memcpy(out, lane[0], r->size);
}

/* One axis that is followed by |inner| elements for each of its own, in sequence. */
static void
reduce_axis(const struct reduction *r, char *out, const char *in, int64_t outer, int64_t count, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            char *acc = out + (size_t)(o * inner + i) * r->size;
            bool has;
            begin(r, acc, &has);
            for (int64_t k = 0; k < count; k++)
                accumulate(r, acc, &has, in + (size_t)((o * count + k) * inner + i) * r->size);
        }
}

/* Trailing axes of |axes| together, then the others, the last one first. Each leaves its axis with size 1. */
static void
reduce(const struct node *n, const struct tensor *in, struct tensor *out, const struct reduction *r)
{
    struct type type = in->type;
    uint32_t axes = n->attr->axes.axes;
    char *now = malloc((size_t)tensor_bytes(in) + ELEM_BYTES);
    memcpy(now, in->data, (size_t)tensor_bytes(in));
    int first = type.rank;
    while (first > 0 && axes >> (first - 1) & 1)
        first--;
    if (first < type.rank) {
        int64_t outer = type_span(&type, 0, first, 0), count = type_span(&type, first, type.rank, 0);
        char *next = malloc((size_t)(outer + 1) * r->size);
        for (int64_t o = 0; o < outer; o++)
            reduce_flat(r, next + (size_t)o * r->size, now + (size_t)(o * count) * r->size, count);
        for (int i = first; i < type.rank; i++)
            type.dim[i] = 1;
        free(now);
        now = next;
    }
    for (int axis = first - 1; axis >= 0; axis--) {
        if (!(axes >> axis & 1))
            continue;
        int64_t outer = type_span(&type, 0, axis, 0), inner = type_span(&type, axis + 1, type.rank, 0);
        char *next = malloc((size_t)(outer * inner + 1) * r->size);
        reduce_axis(r, next, now, outer, type.dim[axis], inner);
        type.dim[axis] = 1;
        free(now);
        now = next;
    }
    memcpy(out->data, now, (size_t)tensor_bytes(out));
    free(now);
}

static void
reduce_from(const struct node *n, const struct tensor *in, struct tensor *out, enum op op, const int64_t *start)
{
    char element[ELEM_BYTES];
    enum elem e = (enum elem)in->type.elem;
    if (start)
        reference_cast(ELEM_I64, e, element, start);
    reduce(n, in, out, &(struct reduction){reference_body_of(op, e), elem_size(e), start ? element : NULL});
}

void
reference_SUM(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    reduce_from(n, in[0], out, OP_ADD, &(int64_t){0});
}

void
reference_PROD(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    reduce_from(n, in[0], out, OP_MUL, &(int64_t){1});
}

void
reference_MAX_OVER(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    reduce_from(n, in[0], out, OP_MAX, NULL);
}

void
reference_MIN_OVER(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    reduce_from(n, in[0], out, OP_MIN, NULL);
}

/* The sum over the count, which is converted to the element type. */
void
reference_MEAN(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    enum elem e = (enum elem)n->type.elem;
    int64_t count = 1;
    char divisor[ELEM_BYTES];
    for (int i = 0; i < in[0]->type.rank; i++)
        if (n->attr->axes.axes >> i & 1)
            count *= in[0]->type.dim[i];
    reference_cast(ELEM_I64, e, divisor, &count);
    reference_SUM(n, in, out, rows);
    for (int64_t i = 0; i < tensor_count(out); i++)
        apply(reference_body_of(OP_DIV, e), reference_element(out, i), reference_element(out, i), divisor);
}

static bool
is_nan(enum elem e, const void *x)
{
    return e == ELEM_F32 ? isnan(*(const float *)x) : e == ELEM_F64 && isnan(*(const double *)x);
}

/* Whether |x| takes the place of |best|: the first NaN wins, else the first of the largest (|less|(best, x) is true if x is
 * larger). */
static bool
is_better(reference_body *less, enum elem e, const void *best, const void *x, bool largest)
{
    bool better;
    if (is_nan(e, best))
        return false;
    if (is_nan(e, x))
        return true;
    apply(less, &better, largest ? best : x, largest ? x : best);
    return better;
}

static void
arg_reduce(const struct node *n, const struct tensor *in, struct tensor *out, bool largest)
{
    enum elem e = (enum elem)in->type.elem;
    int axis = __builtin_ctz(n->attr->axes.axes);
    int64_t inner = type_span(&in->type, axis + 1, in->type.rank, 0), count = in->type.dim[axis];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t from = i / inner * count * inner + i % inner;
        int32_t best = 0;
        for (int32_t k = 1; k < count; k++)
            if (is_better(reference_body_of(OP_LT, e), e, reference_element(in, from + best * inner),
                          reference_element(in, from + k * inner), largest))
                best = k;
        ((int32_t *)out->data)[i] = best;
    }
}

void
reference_ARGMAX(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    arg_reduce(n, in[0], out, true);
}

void
reference_ARGMIN(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    arg_reduce(n, in[0], out, false);
}

/* ---- contractions ---- */

/* Each output: acc = fma(a_k, b_k, acc), k ascending, from +0. The leading axes of |b| are those of |a|, or it has none. */
void
reference_MATMUL(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    bool ta = n->attr && n->attr->matmul.transpose_a, tb = n->attr && n->attr->matmul.transpose_b;
    const struct type *a = &in[0]->type, *b = &in[1]->type;
    enum elem e = (enum elem)n->type.elem;
    reference_body *fma_body = reference_body_of(OP_FMA, e);
    int64_t depth = a->dim[a->rank - (ta ? 2 : 1)];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t at[RANK_MAX], at_a[RANK_MAX], at_b[RANK_MAX];
        reference_unravel(&out->type, i, at);
        char *acc = reference_element(out, i);
        memset(acc, 0, elem_size(e));
        for (int64_t k = 0; k < depth; k++) {
            memcpy(at_a, at, sizeof at_a);
            memcpy(at_b, at, sizeof at_b);
            at_a[a->rank - 2] = ta ? k : at[a->rank - 2];
            at_a[a->rank - 1] = ta ? at[a->rank - 2] : k;
            at_b[b->rank - 2] = tb ? at[a->rank - 1] : k;
            at_b[b->rank - 1] = tb ? k : at[a->rank - 1];
            fma_body(acc, (const void *const[]){reference_element(in[0], reference_ravel(a, at_a)),
                                                reference_element(in[1], reference_ravel(b, at_b)), acc});
        }
    }
}

/* ---- movements: out[i] = in[the place that i shows] ---- */

static void
copy(const struct tensor *out, int64_t to, const struct tensor *in, int64_t from)
{
    memcpy(reference_element(out, to), reference_element(in, from), elem_size((enum elem)in->type.elem));
}

void
reference_RESHAPE(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    memcpy(out->data, in[0]->data, (size_t)tensor_bytes(out));
}

void
reference_BROADCAST(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t at[RANK_MAX];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        reference_unravel(&out->type, i, at);
        copy(out, i, in[0], reference_broadcast_at(&in[0]->type, &out->type, at));
    }
}

void
reference_TRANSPOSE(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t at[RANK_MAX], from[RANK_MAX];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        reference_unravel(&out->type, i, at);
        for (int k = 0; k < out->type.rank; k++)
            from[n->attr->perm.perm[k]] = at[k];
        copy(out, i, in[0], reference_ravel(&in[0]->type, from));
    }
}

void
reference_SLICE(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t at[RANK_MAX];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        reference_unravel(&out->type, i, at);
        for (int k = 0; k < out->type.rank; k++)
            at[k] += dim_at(n->attr->slice.start[k], rows);
        copy(out, i, in[0], reference_ravel(&in[0]->type, at));
    }
}

void
reference_PAD(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t at[RANK_MAX];
    memset(out->data, 0, (size_t)tensor_bytes(out));
    for (int64_t i = 0; i < tensor_count(in[0]); i++) {
        reference_unravel(&in[0]->type, i, at);
        for (int k = 0; k < out->type.rank; k++)
            at[k] += dim_at(n->attr->slice.start[k], rows);
        copy(out, reference_ravel(&out->type, at), in[0], i);
    }
}

void
reference_CONCAT(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t at[RANK_MAX], start = 0;
    for (int p = 0; p < n->nin; p++) {
        for (int64_t i = 0; i < tensor_count(in[p]); i++) {
            reference_unravel(&in[p]->type, i, at);
            at[n->attr->axis.axis] += start;
            copy(out, reference_ravel(&out->type, at), in[p], i);
        }
        start += in[p]->type.dim[n->attr->axis.axis];
    }
}

static int64_t
index_at(const struct tensor *t, int64_t i)
{
    int64_t index;
    reference_cast((enum elem)t->type.elem, ELEM_I64, &index, reference_element(t, i));
    return index;
}

/* The row of a table of |rows| that an index shows. */
static int64_t
row_at(const struct tensor *index, int64_t i, int64_t table_rows)
{
    int64_t row = index_at(index, i);
    if (row < 0 || row >= table_rows) {
        fprintf(stderr, "reference: row %lld of %lld\n", (long long)row, (long long)table_rows);
        abort();
    }
    return row;
}

void
reference_GATHER(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t width = type_span(&in[0]->type, 1, in[0]->type.rank, 0);
    for (int64_t i = 0; i < tensor_count(in[1]); i++)
        for (int64_t k = 0; k < width; k++)
            copy(out, i * width + k, in[0], row_at(in[1], i, in[0]->type.dim[0]) * width + k);
}

void
reference_SCATTER_ADD(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t width = type_span(&out->type, 1, out->type.rank, 0);
    memset(out->data, 0, (size_t)tensor_bytes(out));
    for (int64_t i = 0; i < tensor_count(in[0]); i++)
        for (int64_t k = 0; k < width; k++) {
            char *acc = reference_element(out, row_at(in[0], i, out->type.dim[0]) * width + k);
            apply(reference_body_of(OP_ADD, (enum elem)out->type.elem), acc, acc, reference_element(in[1], i * width + k));
        }
}

void
reference_ONE_HOT(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t depth = out->type.dim[out->type.rank - 1];
    memset(out->data, 0, (size_t)tensor_bytes(out));
    for (int64_t i = 0; i < tensor_count(in[0]); i++) {
        int64_t k = index_at(in[0], i);
        if (k >= 0 && k < depth)
            reference_cast(ELEM_I64, (enum elem)out->type.elem, reference_element(out, i * depth + k), &(int64_t){1});
    }
}
