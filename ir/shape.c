/* shape: the type of an operation's result, by ops.def's shape column.
 *
 * A rule is a small function; it either gives the type or reports what does not fit, with the types that it saw. N, the rows
 * of the batch, is a symbol: it fits N and 1 and nothing else. */
#include "ir/graph.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

struct call {
    enum op op;
    int nin;
    const struct type *const *in;
    const struct attr *attr;
    const struct type *given;
    struct place place;
    struct diag *diag; /* NULL: no report is wanted */
};
typedef bool shape_fn(const struct call *c, struct type *out);

#define REPORT(c, code, ...) ((c)->diag ? diag_report((c)->diag, code, (c)->place, ##__VA_ARGS__) : (void)0)
#define FAIL(c, code, ...) (REPORT(c, code, ##__VA_ARGS__), false)
#define NAME(c) (op_info[(c)->op].text)
/* The text of a type in a message; lives until the end of the block. */
#define TEXT(t) type_text((t), ", ", (char[TYPE_TEXT]){0})

/* ---- element types ---- */

static const char *
types_text(uint8_t types)
{
    return types == TYPES_FLT     ? "f32 or f64"
           : types == TYPES_WHOLE ? "i32, i64 or u8"
           : types == TYPES_NUM   ? "numbers"
                                  : "bool";
}

static bool
in_types(uint8_t types, const struct type *t)
{
    return types >> t->elem & 1;
}

/* Whether operand |i| has one of the operation's element types. */
static bool
takes(const struct call *c, int i)
{
    uint8_t types = op_info[c->op].types;
    if (in_types(types, c->in[i]))
        return true;
    REPORT(c, OP_ELEMENT, NAME(c), types_text(types), TEXT(c->in[i]));
    if (types & TYPES_FLT)
        REPORT(c, OP_ELEMENT_HELP, "f32");
    return false;
}

/* The element type that holds most of the other one's values. */
static enum elem
wider(enum elem a, enum elem b)
{
    static const uint8_t width[ELEM_COUNT] = {
        [ELEM_F64] = 5, [ELEM_F32] = 4, [ELEM_I64] = 3, [ELEM_I32] = 2, [ELEM_U8] = 1, [ELEM_BOOL] = 0,
    };
    return width[a] >= width[b] ? a : b;
}

static bool
same_elem(const struct call *c, const struct type *a, const struct type *b)
{
    if (a->elem == b->elem)
        return true;
    REPORT(c, OP_MIXED, NAME(c), TEXT(a), TEXT(b));
    REPORT(c, OP_MIXED_HELP, elem_name(wider(a->elem, b->elem)));
    return false;
}

/* ---- dimensions ---- */

static bool
dim_join(int64_t a, int64_t b, int64_t *out)
{
    *out = a == 1 ? b : a;
    return a == b || a == 1 || b == 1;
}

/* Sums of dimensions: of two numbers or two multiples of N; 0 is both. */
static bool
dim_add(int64_t a, int64_t b, int64_t *out)
{
    if (a && b && (a < 0) != (b < 0))
        return false;
    return !__builtin_add_overflow(a, b, out) && *out != INT64_MIN;
}

/* a <= b for every number of rows. */
static bool
dim_within(int64_t a, int64_t b)
{
    return b >= 0 ? a >= 0 && a <= b : a <= 0 && a >= b;
}

/* The number of elements is |*out_factor| times N to the power of |*out_power|; false if the factor is over 2^63. */
static bool
count_of(const struct type *t, int64_t *out_factor, int *out_power)
{
    *out_power = 0;
    for (int i = 0; i < t->rank; i++)
        *out_power += t->dim[i] < 0;
    *out_factor = type_count(t, 1);
    if (!*out_factor)
        *out_power = 0;
    return *out_factor >= 0;
}

#define COUNT(t) count_text((t), (char[32]){0})
static const char *
count_text(const struct type *t, char buffer[32])
{
    int64_t factor;
    int power;
    count_of(t, &factor, &power);
    int at = factor == 1 && power ? 0 : snprintf(buffer, 32, "%lld", (long long)factor);
    if (power)
        snprintf(buffer + at, (size_t)(32 - at), power == 1 ? "N" : "N^%d", power);
    return buffer;
}

#define DIM(d) dim_text_of((d), (char[24]){0})
static const char *
dim_text_of(int64_t dim, char buffer[24])
{
    dim_text(dim, buffer, 24);
    return buffer;
}

/* ---- rules ---- */

/* The shapes of all operands, joined axis by axis from the last one. */
static bool
join_shapes(const struct call *c, struct type *out)
{
    int rank = 0;
    for (int i = 0; i < c->nin; i++)
        rank = c->in[i]->rank > rank ? c->in[i]->rank : rank;
    out->rank = (uint8_t)rank;
    for (int k = 1; k <= rank; k++) {
        int64_t dim = 1;
        for (int i = 0; i < c->nin; i++)
            if (k <= c->in[i]->rank && !dim_join(dim, c->in[i]->dim[c->in[i]->rank - k], &dim))
                return false;
        out->dim[rank - k] = dim;
    }
    return true;
}

static bool
fail_shapes(const struct call *c)
{
    char text[3 * TYPE_TEXT + 16] = "";
    bool rows = false;
    for (int i = 0, at = 0; i < c->nin && i < 3; i++) {
        const char *separator = !i ? "" : i + 1 < c->nin ? ", " : " and ";
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%s", separator, TEXT(c->in[i]));
        rows |= type_has_rows(c->in[i]);
    }
    REPORT(c, OP_SHAPES, NAME(c), text);
    if (rows)
        REPORT(c, OP_SHAPES_ROWS_HELP);
    else
        REPORT(c, OP_SHAPES_HELP);
    return false;
}

static bool
shape_bcast(const struct call *c, struct type *out)
{
    for (int i = 0; i < c->nin; i++)
        if (!takes(c, i) || !same_elem(c, c->in[0], c->in[i]))
            return false;
    *out = (struct type){.elem = op_info[c->op].flags & OP_BOOLEAN ? ELEM_BOOL : c->in[0]->elem};
    return join_shapes(c, out) || fail_shapes(c);
}

static bool
shape_same(const struct call *c, struct type *out)
{
    *out = *c->in[0];
    return takes(c, 0);
}

static bool
shape_where(const struct call *c, struct type *out)
{
    if (c->in[0]->elem != ELEM_BOOL)
        return FAIL(c, OP_ELEMENT, NAME(c), "a condition (bool) first", TEXT(c->in[0]));
    if (!same_elem(c, c->in[1], c->in[2]))
        return false;
    *out = (struct type){.elem = c->in[1]->elem};
    return join_shapes(c, out) || fail_shapes(c);
}

static bool
shape_given(const struct call *c, struct type *out)
{
    *out = *c->given;
    return true;
}

static bool
shape_rows(const struct call *c, struct type *out)
{
    *out = type_scalar(ELEM_F64);
    return !c->given || type_equal(c->given, out) || FAIL(c, OP_WANTED, NAME(c), TEXT(c->given));
}

static bool
shape_cast(const struct call *c, struct type *out)
{
    *out = *c->given;
    return type_same_shape(c->given, c->in[0]) || FAIL(c, OP_WANTED, NAME(c), TEXT(c->given));
}

/* Removes the axes of the set |axes|, or gives them size 1. */
static void
drop_axes(const struct type *in, uint32_t axes, bool keep, struct type *out)
{
    out->rank = 0;
    for (int i = 0; i < in->rank; i++)
        if (!(axes >> i & 1))
            out->dim[out->rank++] = in->dim[i];
        else if (keep)
            out->dim[out->rank++] = 1;
}

/* An empty sum is 0 and an empty product 1; nothing else has a value without elements. */
static bool
reduces_something(const struct call *c)
{
    if (c->op == OP_SUM || c->op == OP_PROD)
        return true;
    for (int i = 0; i < c->in[0]->rank; i++)
        if (c->attr->axes.axes >> i & 1 && c->in[0]->dim[i] == 0)
            return FAIL(c, REDUCE_EMPTY, NAME(c), i, TEXT(c->in[0]));
    return true;
}

static bool
shape_reduce(const struct call *c, struct type *out)
{
    if (!takes(c, 0) || !reduces_something(c))
        return false;
    *out = (struct type){.elem = c->in[0]->elem};
    drop_axes(c->in[0], c->attr->axes.axes, c->attr->axes.keep, out);
    return true;
}

static bool
shape_arg_reduce(const struct call *c, struct type *out)
{
    if (!shape_reduce(c, out))
        return false;
    out->elem = ELEM_I32;
    return __builtin_popcount(c->attr->axes.axes) == 1 || FAIL(c, ARG_ONE_AXIS, NAME(c), TEXT(c->in[0]));
}

/* The type of which the operand's last two axes are read. */
static struct type
exchanged(const struct type *t, bool exchange)
{
    struct type r = *t;
    if (exchange) {
        r.dim[r.rank - 2] = t->dim[t->rank - 1];
        r.dim[r.rank - 1] = t->dim[t->rank - 2];
    }
    return r;
}

static bool
leading_fit(const struct type *a, const struct type *b, bool transpose_a)
{
    if (b->rank == 2)
        return a->rank == 2 || !transpose_a;
    return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)(a->rank - 2));
}

static bool
shape_matmul(const struct call *c, struct type *out)
{
    if (!takes(c, 0) || !takes(c, 1) || !same_elem(c, c->in[0], c->in[1]))
        return false;
    if (c->in[0]->rank < 2 || c->in[1]->rank < 2)
        return FAIL(c, MATMUL_RANK, TEXT(c->in[0]), TEXT(c->in[1]));
    bool transpose_a = c->attr && c->attr->matmul.transpose_a;
    struct type a = exchanged(c->in[0], transpose_a), b = exchanged(c->in[1], c->attr && c->attr->matmul.transpose_b);
    if (a.dim[a.rank - 1] != b.dim[b.rank - 2]) {
        REPORT(c, MATMUL_INNER, TEXT(&a), TEXT(&b));
        REPORT(c, MATMUL_INNER_HELP, DIM(a.dim[a.rank - 1]), DIM(b.dim[b.rank - 2]));
        return false;
    }
    if (!leading_fit(&a, &b, transpose_a)) {
        REPORT(c, MATMUL_LEADING, TEXT(&a), TEXT(&b));
        REPORT(c, MATMUL_LEADING_HELP);
        return false;
    }
    *out = a;
    out->dim[out->rank - 1] = b.dim[b.rank - 1];
    return true;
}

/* The places of a kernel of |width| along axis |i| of the images of |x|. */
static bool
conv_places(const struct call *c, const struct type *x, int64_t width, int i, int64_t *out)
{
    int64_t stride = c->attr->conv.stride[i], dilation = c->attr->conv.dilation[i];
    int64_t before = c->attr->conv.before[i], after = c->attr->conv.after[i], size = x->dim[i + 1], window, padded;
    if (stride < 1 || dilation < 1)
        return FAIL(c, CONV_STEP, stride < 1 ? "stride" : "dilation", (long long)(stride < 1 ? stride : dilation));
    if (size < 0 || width < 1)
        return FAIL(c, CONV_AXIS, i + 1, TEXT(x));
    if (before < 0 || after < 0 || __builtin_add_overflow(size, before, &padded) ||
        __builtin_add_overflow(padded, after, &padded))
        return FAIL(c, CONV_PADDED, (long long)before, (long long)after, i + 1, TEXT(x));
    if (__builtin_mul_overflow(width - 1, dilation, &window) || window >= padded)
        return FAIL(c, CONV_KERNEL, (long long)width, (long long)dilation, (long long)padded, i + 1, TEXT(x));
    *out = (padded - window - 1) / stride + 1;
    return true;
}

/* The type of conv x, w. */
static bool
conv_type(const struct call *c, const struct type *x, const struct type *w, struct type *out)
{
    int last = x->rank - 1;
    if ((x->rank != 3 && x->rank != 4) || w->rank != x->rank || type_has_rows(w))
        return FAIL(c, CONV_RANK, NAME(c), TEXT(x), TEXT(w));
    if (x->dim[last] != w->dim[last - 1])
        return FAIL(c, CONV_CHANNELS, NAME(c), DIM(x->dim[last]), TEXT(x), DIM(w->dim[last - 1]), TEXT(w));
    *out = *x;
    out->dim[last] = w->dim[last];
    for (int i = 0; i < last - 1; i++)
        if (!conv_places(c, x, w->dim[i], i, &out->dim[i + 1]))
            return false;
    return true;
}

static bool
conv_takes(const struct call *c)
{
    return takes(c, 0) && takes(c, 1) && same_elem(c, c->in[0], c->in[1]);
}

static bool
shape_conv(const struct call *c, struct type *out)
{
    return conv_takes(c) && conv_type(c, c->in[0], c->in[1], out);
}

/* The derivatives by x and by w: of the wanted type, with which the convolution has the type of the gradient. */
static bool
conv_back(const struct call *c, const struct type *x, const struct type *w, const struct type *y, struct type *out)
{
    struct type type;
    *out = *c->given;
    return conv_takes(c) && conv_type(c, x, w, &type) &&
           ((out->elem == y->elem && type_same_shape(&type, y)) || FAIL(c, OP_WANTED, NAME(c), TEXT(c->given)));
}

static bool
shape_conv_input(const struct call *c, struct type *out)
{
    return conv_back(c, c->given, c->in[1], c->in[0], out);
}

static bool
shape_conv_weight(const struct call *c, struct type *out)
{
    return conv_back(c, c->in[0], c->given, c->in[1], out);
}

static bool
shape_qr(const struct call *c, struct type *out)
{
    *out = *c->in[0];
    return takes(c, 0) &&
           ((out->rank == 2 && !type_has_rows(out) && out->dim[0] >= out->dim[1]) || FAIL(c, QR_SHAPE, TEXT(c->in[0])));
}

static bool
shape_argsort(const struct call *c, struct type *out)
{
    *out = *c->in[0];
    out->elem = ELEM_I32;
    return takes(c, 0);
}

static bool
shape_permute(const struct call *c, struct type *out)
{
    *out = *c->in[0];
    return (c->in[1]->elem == ELEM_I32 && type_same_shape(c->in[0], c->in[1])) ||
           FAIL(c, PERMUTE_INDEX, TEXT(c->in[0]), TEXT(c->in[1]));
}

static bool
shape_reshape(const struct call *c, struct type *out)
{
    int64_t from, to;
    int from_power, to_power;
    *out = *c->given;
    if (out->elem != c->in[0]->elem)
        return FAIL(c, OP_WANTED, NAME(c), TEXT(c->given));
    if (!count_of(out, &to, &to_power))
        return FAIL(c, OP_SIZE, NAME(c), TEXT(out));
    return (count_of(c->in[0], &from, &from_power) && from == to && from_power == to_power) ||
           FAIL(c, RESHAPE_COUNT, TEXT(c->in[0]), COUNT(c->in[0]), TEXT(out), COUNT(out));
}

static bool
shape_broadcast(const struct call *c, struct type *out)
{
    const struct type *in = c->in[0];
    *out = *c->given;
    bool fits = in->elem == out->elem && in->rank <= out->rank;
    for (int k = 1; fits && k <= in->rank; k++)
        fits = in->dim[in->rank - k] == 1 || in->dim[in->rank - k] == out->dim[out->rank - k];
    return fits || FAIL(c, BROADCAST_SHAPE, TEXT(in), TEXT(out));
}

static bool
shape_transpose(const struct call *c, struct type *out)
{
    const int8_t *perm = c->attr->perm.perm;
    uint32_t seen = 0;
    *out = *c->in[0];
    for (int i = 0; i < out->rank; i++) {
        if (perm[i] < 0 || perm[i] >= out->rank || seen >> perm[i] & 1)
            return FAIL(c, TRANSPOSE_AXES, TEXT(c->in[0]));
        seen |= 1u << perm[i];
        out->dim[i] = c->in[0]->dim[perm[i]];
    }
    return true;
}

static bool
shape_slice(const struct call *c, struct type *out)
{
    const int64_t *start = c->attr->slice.start, *stop = c->attr->slice.stop;
    *out = *c->in[0];
    for (int i = 0; i < out->rank; i++) {
        if (!dim_within(start[i], stop[i]) || !dim_within(stop[i], c->in[0]->dim[i])) {
            REPORT(c, SLICE_RANGE, DIM(start[i]), DIM(stop[i]), i, TEXT(c->in[0]));
            if (c->in[0]->dim[i] < 0)
                REPORT(c, SLICE_ROWS_HELP);
            return false;
        }
        out->dim[i] = stop[i] - start[i];
    }
    return true;
}

static bool
shape_pad(const struct call *c, struct type *out)
{
    const int64_t *before = c->attr->slice.start, *after = c->attr->slice.stop;
    *out = *c->in[0];
    for (int i = 0; i < out->rank; i++)
        if (!dim_add(out->dim[i], before[i], &out->dim[i]) || !dim_add(out->dim[i], after[i], &out->dim[i]))
            return FAIL(c, PAD_RANGE, DIM(before[i]), DIM(after[i]), i, TEXT(c->in[0]));
    return true;
}

static bool
shape_concat(const struct call *c, struct type *out)
{
    if (!c->nin)
        return FAIL(c, CONCAT_NOTHING);
    int axis = c->attr->axis.axis;
    *out = *c->in[0];
    for (int i = 1; i < c->nin; i++) {
        const struct type *t = c->in[i];
        if (!same_elem(c, out, t))
            return false;
        if (t->rank != out->rank)
            return FAIL(c, CONCAT_RANK, TEXT(c->in[0]), TEXT(t));
        for (int k = 0; k < t->rank; k++)
            if (k != axis && t->dim[k] != out->dim[k])
                return FAIL(c, CONCAT_AXIS, axis, k, TEXT(c->in[0]), TEXT(t));
        if (!dim_add(out->dim[axis], t->dim[axis], &out->dim[axis]))
            return FAIL(c, CONCAT_ROWS, axis, TEXT(c->in[0]), TEXT(t));
    }
    return true;
}

static bool
is_index(const struct call *c, const struct type *t)
{
    return t->elem == ELEM_I32 || t->elem == ELEM_I64 || FAIL(c, GATHER_INDEX, NAME(c), TEXT(t));
}

/* [index dims..., row dims 1...] */
static bool
rows_at(const struct call *c, const struct type *index, const struct type *table, struct type *out)
{
    if (!table->rank)
        return FAIL(c, GATHER_TABLE, NAME(c), TEXT(table));
    int rank = index->rank + table->rank - 1;
    if (rank > RANK_MAX)
        return FAIL(c, GATHER_RANK, NAME(c), TEXT(table), TEXT(index), rank, RANK_MAX);
    *out = (struct type){.elem = table->elem, .rank = (uint8_t)rank};
    memcpy(out->dim, index->dim, sizeof out->dim[0] * index->rank);
    memcpy(out->dim + index->rank, table->dim + 1, sizeof out->dim[0] * (size_t)(table->rank - 1));
    return true;
}

static bool
shape_gather(const struct call *c, struct type *out)
{
    return is_index(c, c->in[1]) && rows_at(c, c->in[1], c->in[0], out);
}

static bool
shape_scatter_add(const struct call *c, struct type *out)
{
    struct type values;
    if (!is_index(c, c->in[0]) || !takes(c, 1) || !rows_at(c, c->in[0], c->given, &values))
        return false;
    *out = *c->given;
    return type_equal(&values, c->in[1]) || FAIL(c, SCATTER_SHAPE, TEXT(c->in[1]), TEXT(c->in[0]), TEXT(c->given));
}

static bool
shape_one_hot(const struct call *c, struct type *out)
{
    const struct type *in = c->in[0];
    *out = *c->given;
    if (!takes(c, 0))
        return false;
    bool fits = out->rank == in->rank + 1 && !memcmp(out->dim, in->dim, sizeof in->dim[0] * in->rank);
    return (fits && out->elem != ELEM_BOOL) || FAIL(c, OP_WANTED, NAME(c), TEXT(c->given));
}

/* The operands are the seed and the step. Bits come as words of 32. */
static bool
shape_random(const struct call *c, struct type *out)
{
    const struct type number = type_scalar(ELEM_I64);
    for (int i = 0; i < c->nin; i++)
        if (!type_equal(c->in[i], &number))
            return FAIL(c, OP_ELEMENT, NAME(c), "a seed and a step (i64[])", TEXT(c->in[i]));
    *out = *c->given;
    return (c->op == OP_RANDOM_BITS ? out->elem == ELEM_I32 : elem_is_float(out->elem)) ||
           FAIL(c, OP_WANTED, NAME(c), TEXT(c->given));
}

static bool
shape_update(const struct call *c, struct type *out)
{
    *out = *c->in[0];
    return type_equal(c->in[0], c->in[1]) || FAIL(c, UPDATE_TYPE, TEXT(c->in[0]), TEXT(c->in[1]));
}

/* ---- the table ---- */

static shape_fn *const shape_of[OP_COUNT] = {
#define OP(id, text, class, nin, attrs, shape, types, flags) [OP_##id] = shape_##shape,
#include "ir/ops.def"
#undef OP
};

bool
attr_fits(enum op op, int nin, const struct type *const *in, const struct attr *attr)
{
    switch ((enum op_attrs)op_info[op].attrs) {
    case ATTRS_NONE:
    case ATTRS_MATMUL:
    case ATTRS_BODY: return true;
    case ATTRS_NAME:
    case ATTRS_VALUE:
    case ATTRS_PERM:
    case ATTRS_SLICE:
    case ATTRS_STREAM:
    case ATTRS_CONV: return attr;
    case ATTRS_AXES: return attr && attr->axes.axes >> in[0]->rank == 0;
    case ATTRS_AXIS: return attr && attr->axis.axis >= 0 && (op == OP_RESULT || !nin || attr->axis.axis < in[0]->rank);
    }
    return false;
}

bool
op_infer(enum op op, int nin, const struct type *const *in, const struct attr *attr, const struct type *given,
         struct type *out_type, struct place place, struct diag *diag)
{
    assert(op_info[op].nin < 0 || op_info[op].nin == nin);
    assert(attr_fits(op, nin, in, attr));
    struct call c = {op, nin, in, attr, given, place, diag};
    struct type type;
    if (!shape_of[op](&c, &type))
        return false;
    if (type_bytes(&type, 1) < 0)
        return FAIL(&c, OP_SIZE, NAME(&c), TEXT(&type));
    *out_type = type;
    return true;
}
