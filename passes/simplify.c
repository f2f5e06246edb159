/* simplify: rewrites that are exact for all operands, -0, infinities, NaN and what is flushed included.
 *
 * simplify.def lists the rules, README.md the reason for each, and also what looks like a rule and is none: x + 0, x * 0, x / c
 * (numerics.md, item 8). A rule looks at one node and its operands; what it gives is looked at again.
 * Needs: nothing. Keeps: order. Breaks: uses; what lost them is left to dce. */
#include "passes/explain.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- what the rules ask of a node ---- */

static bool
is_float(const struct node *n)
{
    return elem_is_float((enum elem)n->type.elem);
}

/* The number that all elements of |n| have; NULL if it is not known. */
static struct node *
number_of(struct node *n)
{
    while (n->op == OP_BROADCAST || n->op == OP_RESHAPE)
        n = n->in[0];
    return node_is_number(n) ? n : NULL;
}

/* Whether all elements of |n| are |value|; of floats, with its sign. */
static bool
is_value(struct node *n, double value)
{
    const struct node *number = number_of(n);
    if (!number)
        return false;
    if (!is_float(number))
        return (double)number->attr->value.whole == value;
    return number->attr->value.real == value && signbit(number->attr->value.real) == signbit(value);
}

/* |n| in the type of |like|, to which it broadcasts. */
static struct node *
as(struct graph *g, struct node *n, const struct node *like)
{
    return graph_broadcast(g, n, &like->type);
}

static struct node *
without_operand(struct graph *g, struct node *n, int k)
{
    return as(g, n->in[1 - k], n);
}

static struct node *
negated_of(struct node *n)
{
    return n->op == OP_NEG ? n->in[0] : NULL;
}

/* ---- elementwise: operands ---- */

/* Operand |k| may be |in| if the result has the same type then. */
static bool
takes(const struct node *n, int k, const struct node *in)
{
    const struct type *types[3];
    struct type type;
    for (int i = 0; i < n->nin; i++)
        types[i] = i == k ? &in->type : &n->in[i]->type;
    return op_infer((enum op)n->op, n->nin, types, n->attr, NULL, &type, (struct place){0}, NULL) && type_equal(&type, &n->type);
}

/* Whether |n| only has axes of size 1 in front of those of its operand. */
static bool
adds_leading_ones(const struct node *n)
{
    int more = n->op == OP_RESHAPE ? n->type.rank - n->in[0]->type.rank : 0;
    if (more <= 0)
        return false;
    for (int i = 0; i < n->type.rank; i++)
        if (n->type.dim[i] != (i < more ? 1 : n->in[0]->type.dim[i - more]))
            return false;
    return true;
}

static struct node *
spread_map(struct graph *g, struct node *n)
{
    if (op_info[n->op].class != CLASS_MAP || n->nin < 2)
        return NULL;
    for (int k = 0; k < n->nin; k++) {
        struct node *in = n->in[k];
        if ((in->op != OP_BROADCAST && !adds_leading_ones(in)) || !takes(n, k, in->in[0]))
            continue;
        struct node *all[3];
        memcpy(all, n->in, sizeof *all * n->nin);
        all[k] = in->in[0];
        return graph_add(g, (enum op)n->op, n->nin, all, n->attr, NULL);
    }
    return NULL;
}

static struct node *
uniform_map(struct graph *g, struct node *n)
{
    struct node *in[3];
    if ((op_info[n->op].class != CLASS_MAP && n->op != OP_CAST) || n->type.rank == 0)
        return NULL;
    for (int k = 0; k < n->nin; k++)
        if (!(in[k] = number_of(n->in[k])))
            return NULL;
    struct type type = type_scalar((enum elem)n->type.elem);
    return as(g, graph_add(g, (enum op)n->op, n->nin, in, n->attr, &type), n);
}

/* ---- arithmetic ---- */

static struct node *
add_nothing(struct graph *g, struct node *n)
{
    double nothing = is_float(n) ? -0.0 : 0;
    for (int k = 0; k < 2; k++)
        if (is_value(n->in[k], nothing))
            return without_operand(g, n, k);
    return NULL;
}

static struct node *
add_negative(struct graph *g, struct node *n)
{
    for (int k = 0; k < 2; k++) {
        struct node *y = negated_of(n->in[k]);
        if (y)
            return graph_add2(g, OP_SUB, n->in[1 - k], y);
    }
    return NULL;
}

static struct node *
sub_nothing(struct graph *g, struct node *n)
{
    return is_value(n->in[1], 0) ? without_operand(g, n, 1) : NULL;
}

static struct node *
sub_from_nothing(struct graph *g, struct node *n)
{
    return is_value(n->in[0], is_float(n) ? -0.0 : 0) ? graph_add1(g, OP_NEG, without_operand(g, n, 0)) : NULL;
}

static struct node *
sub_negative(struct graph *g, struct node *n)
{
    struct node *y = negated_of(n->in[1]);
    return y ? graph_add2(g, OP_ADD, n->in[0], y) : NULL;
}

static struct node *
mul_one(struct graph *g, struct node *n)
{
    for (int k = 0; k < 2; k++)
        if (is_value(n->in[k], 1))
            return without_operand(g, n, k);
    return NULL;
}

/* -x OP -y, where the signs meet. */
static struct node *
without_signs(struct graph *g, struct node *n)
{
    struct node *x = negated_of(n->in[0]), *y = negated_of(n->in[1]);
    return x && y ? graph_add2(g, (enum op)n->op, x, y) : NULL;
}

static struct node *
mul_negatives(struct graph *g, struct node *n)
{
    return without_signs(g, n);
}

static struct node *
mul_negative(struct graph *g, struct node *n)
{
    for (int k = 0; k < 2; k++) {
        struct node *x = negated_of(n->in[k]), *c = number_of(n->in[1 - k]);
        if (!x || !c || !is_float(n))
            continue;
        struct node *minus = graph_number(g, (enum elem)c->type.elem, -c->attr->value.real);
        return graph_add2(g, OP_MUL, x, as(g, minus, n->in[1 - k]));
    }
    return NULL;
}

static struct node *
div_one(struct graph *g, struct node *n)
{
    return is_value(n->in[1], 1) ? without_operand(g, n, 1) : NULL;
}

/* Both 2^k and 2^-k have to be normal numbers. */
static struct node *
div_power(struct graph *g, struct node *n)
{
    struct node *c = number_of(n->in[1]);
    int exponent;
    if (!c)
        return NULL;
    double value = c->attr->value.real, inverse = 1 / value;
    double smallest = c->type.elem == ELEM_F32 ? (double)FLT_MIN : DBL_MIN;
    if (!isfinite(value) || fabs(frexp(value, &exponent)) != 0.5 || !(fabs(inverse) >= smallest))
        return NULL;
    return graph_add2(g, OP_MUL, n->in[0], as(g, graph_number(g, (enum elem)c->type.elem, inverse), n->in[1]));
}

static struct node *
div_negatives(struct graph *g, struct node *n)
{
    return without_signs(g, n);
}

static struct node *
fma_nothing(struct graph *g, struct node *n)
{
    return is_value(n->in[2], -0.0) ? as(g, graph_add2(g, OP_MUL, n->in[0], n->in[1]), n) : NULL;
}

static struct node *
fma_one(struct graph *g, struct node *n)
{
    for (int k = 0; k < 2; k++)
        if (is_value(n->in[k], 1))
            return as(g, graph_add2(g, OP_ADD, n->in[1 - k], n->in[2]), n);
    return NULL;
}

static struct node *
neg_neg(struct graph *g, struct node *n)
{
    (void)g;
    return negated_of(n->in[0]);
}

static struct node *
abs_sign(struct graph *g, struct node *n)
{
    if (n->in[0]->op == OP_ABS && is_float(n))
        return n->in[0];
    struct node *x = negated_of(n->in[0]);
    return x && n->type.elem != ELEM_U8 ? graph_add1(g, OP_ABS, x) : NULL;
}

static struct node *
whole_again(struct graph *g, struct node *n)
{
    const struct node *in = n->in[0];
    (void)g;
    bool whole = in->op == OP_FLOOR || in->op == OP_ROUND || (in->op == OP_CAST && !is_float(in->in[0]));
    return whole ? n->in[0] : NULL;
}

/* ---- conditions and choices ---- */

static struct node *
same_twice(struct graph *g, struct node *n)
{
    (void)g;
    return n->in[0] == n->in[1] ? n->in[0] : NULL;
}

/* |neutral| leaves the other operand as it is, its contrary decides. */
static struct node *
decided(struct graph *g, struct node *n, bool neutral)
{
    for (int k = 0; k < 2; k++) {
        if (is_value(n->in[k], neutral))
            return without_operand(g, n, k);
        if (is_value(n->in[k], !neutral))
            return as(g, number_of(n->in[k]), n);
    }
    return NULL;
}

static struct node *
and_constant(struct graph *g, struct node *n)
{
    return decided(g, n, true);
}

static struct node *
or_constant(struct graph *g, struct node *n)
{
    return decided(g, n, false);
}

static struct node *
not_not(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    if (in->op == OP_NOT)
        return in->in[0];
    if (in->op == OP_EQ || in->op == OP_NE)
        return graph_add2(g, in->op == OP_EQ ? OP_NE : OP_EQ, in->in[0], in->in[1]);
    return NULL;
}

static struct node *
where_constant(struct graph *g, struct node *n)
{
    struct node *c = number_of(n->in[0]);
    return c ? as(g, n->in[c->attr->value.whole ? 1 : 2], n) : NULL;
}

static struct node *
where_same(struct graph *g, struct node *n)
{
    return n->in[1] == n->in[2] ? as(g, n->in[1], n) : NULL;
}

static struct node *
where_not(struct graph *g, struct node *n)
{
    return n->in[0]->op == OP_NOT ? graph_add3(g, OP_WHERE, n->in[0]->in[0], n->in[2], n->in[1]) : NULL;
}

static struct node *
stop(struct graph *g, struct node *n)
{
    (void)g;
    return n->in[0];
}

/* ---- casts ---- */

/* Whether every value of |from| is one of |to|. */
static bool
is_wider(enum elem from, enum elem to)
{
    static const uint8_t wider[ELEM_COUNT] = {
        [ELEM_F32] = 1 << ELEM_F64,
        [ELEM_I32] = 1 << ELEM_I64 | 1 << ELEM_F64,
        [ELEM_U8] = 1 << ELEM_I32 | 1 << ELEM_I64 | 1 << ELEM_F32 | 1 << ELEM_F64,
        [ELEM_BOOL] = 1 << ELEM_U8 | 1 << ELEM_I32 | 1 << ELEM_I64 | 1 << ELEM_F32 | 1 << ELEM_F64,
    };
    return wider[from] >> to & 1;
}

/* Numbers wrap on the way from a wide to a narrow whole type, and stop at its ends on the way from a float. So the type in
 * between may only be left out where both ways begin with the same kind of number, or where no number is out of range. */
static struct node *
cast_twice(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    if (in->op != OP_CAST)
        return in->type.elem == n->type.elem ? in : NULL;
    enum elem from = (enum elem)in->in[0]->type.elem, between = (enum elem)in->type.elem, to = (enum elem)n->type.elem;
    if (!is_wider(from, between))
        return NULL;
    bool kind = elem_is_float(from) == elem_is_float(between);
    if (from == to || kind || from == ELEM_BOOL || from == ELEM_U8 || elem_is_float(to) || to == ELEM_BOOL)
        return graph_cast(g, in->in[0], to);
    return NULL;
}

/* ---- movements ---- */

static struct node *
broadcast_twice(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    if (in->op == OP_BROADCAST || adds_leading_ones(in))
        return as(g, in->in[0], n);
    return type_equal(&in->type, &n->type) ? in : NULL;
}

static struct node *
reshape_twice(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    if (type_equal(&in->type, &n->type))
        return in;
    return in->op == OP_RESHAPE ? graph_reshape(g, in->in[0], &n->type) : NULL;
}

static struct node *
transpose_twice(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    bool nothing = true;
    for (int i = 0; i < n->type.rank; i++)
        nothing &= n->attr->perm.perm[i] == i;
    if (nothing)
        return in;
    if (in->op != OP_TRANSPOSE)
        return NULL;
    int8_t perm[RANK_MAX];
    for (int i = 0; i < n->type.rank; i++)
        perm[i] = in->attr->perm.perm[n->attr->perm.perm[i]];
    return graph_transpose(g, in->in[0], perm);
}

static struct node *
transpose_ones(struct graph *g, struct node *n)
{
    const struct node *in = n->in[0];
    int last = -1;
    for (int i = 0; i < n->type.rank; i++) {
        int axis = n->attr->perm.perm[i];
        if (in->type.dim[axis] == 1)
            continue;
        if (axis < last)
            return NULL;
        last = axis;
    }
    return graph_reshape(g, n->in[0], &n->type);
}

static struct node *
slice_whole(struct graph *g, struct node *n)
{
    (void)g;
    return type_equal(&n->type, &n->in[0]->type) ? n->in[0] : NULL;
}

/* Sums of a number and a multiple of N have no form. */
static bool
sum_of_dims(int64_t a, int64_t b, int64_t *out)
{
    return ((a >= 0 && b >= 0) || (a <= 0 && b <= 0)) && !__builtin_add_overflow(a, b, out);
}

static struct node *
slice_twice(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    struct attr attr = {0};
    if (in->op != OP_SLICE)
        return NULL;
    for (int i = 0; i < n->type.rank; i++)
        if (!sum_of_dims(in->attr->slice.start[i], n->attr->slice.start[i], &attr.slice.start[i]) ||
            !sum_of_dims(in->attr->slice.start[i], n->attr->slice.stop[i], &attr.slice.stop[i]))
            return NULL;
    return graph_add(g, OP_SLICE, 1, in->in, graph_attr(g, attr), NULL);
}

static struct node *
pad_nothing(struct graph *g, struct node *n)
{
    return slice_whole(g, n);
}

static struct node *
concat_one(struct graph *g, struct node *n)
{
    (void)g;
    return n->nin == 1 ? n->in[0] : NULL;
}

static struct node *
flip_twice(struct graph *g, struct node *n)
{
    struct node *in = n->in[0];
    int axis = n->attr->axis.axis;
    (void)g;
    if (n->type.dim[axis] == 1)
        return in;
    return in->op == OP_FLIP && in->attr->axis.axis == axis ? in->in[0] : NULL;
}

/* ---- reductions ---- */

static struct node *
reduce_keep(struct graph *g, struct node *n)
{
    if (op_info[n->op].class != CLASS_REDUCE || !n->attr->axes.keep)
        return NULL;
    return graph_reshape(g, graph_reduce(g, (enum op)n->op, n->in[0], n->attr->axes.axes, false), &n->type);
}

/* Not sums and means of floats: they begin with +0, and +0 + -0 is +0. */
static struct node *
reduce_one(struct graph *g, struct node *n)
{
    bool picks = n->op == OP_MAX_OVER || n->op == OP_MIN_OVER || n->op == OP_PROD || (n->op == OP_SUM && !is_float(n));
    for (int i = 0; picks && i < n->in[0]->type.rank; i++)
        picks = !(n->attr->axes.axes >> i & 1) || n->in[0]->type.dim[i] == 1;
    return picks ? graph_reshape(g, n->in[0], &n->type) : NULL;
}

/* ---- the pass ---- */

enum { OP_ANY = OP_COUNT };

static const struct rule {
    int op;
    struct node *(*run)(struct graph *g, struct node *n);
    const char *text;
} rules[] = {
#define RULE(op, function, text) {OP_##op, function, text},
#include "passes/simplify.def"
#undef RULE
};
enum { RULES = sizeof rules / sizeof *rules };

static struct node *
simplify(struct graph *g, struct node *n, void *context)
{
    int *count = context;
    for (int i = 0; i < RULES; i++) {
        struct node *other = rules[i].op == n->op || rules[i].op == OP_ANY ? rules[i].run(g, n) : NULL;
        if (!other)
            continue;
        count[i]++;
        return other;
    }
    return NULL;
}

/* What a rule builds on the way is not looked at by the walk that runs it: the walk is repeated until no rule applies. */
bool
pass_simplify(struct graph *g, struct diag *diag)
{
    int count[RULES] = {0}, before, all = 0;
    (void)diag;
    do {
        before = all;
        graph_rewrite(g, simplify, count);
        all = 0;
        for (int i = 0; i < RULES; i++)
            all += count[i];
    } while (all > before);
    for (int i = 0; i < RULES; i++)
        if (count[i])
            explain(g, "%s: %d", rules[i].text, count[i]);
    return all > 0;
}
