/* gradient_rules: the derivative of each operation, as nodes.
 *
 * A rule gets the gradient g of its node's value, which broadcasts to it (gradient.h), and gives one to each operand.
 * Elementwise rules need no more than the formula: broadcasting is undone by derivation_give. The others take g at full size
 * first (full), unless it is a number, which all elements share wherever they move to. */
#include "passes/gradient.h"
#include <math.h>

/* ---- what rules are written with ---- */

#define G derivation_graph(d)
#define ADD(x, y) graph_add2(G, OP_ADD, (x), (y))
#define SUB(x, y) graph_add2(G, OP_SUB, (x), (y))
#define DIV(x, y) graph_add2(G, OP_DIV, (x), (y))
#define NEG(x) graph_add1(G, OP_NEG, (x))
#define MAP1(op, x) graph_add1(G, OP_##op, (x))
#define MAP2(op, x, y) graph_add2(G, OP_##op, (x), (y))
#define WHERE(c, x, y) graph_add3(G, OP_WHERE, (c), (x), (y))
/* A number of the element type of |n|. */
#define NUMBER(c) graph_number(G, (enum elem)n->type.elem, (c))

static bool
is_number(const struct node *n, double value)
{
    return node_is_number(n) && node_number(n) == value;
}

/* x times 1 is x, to the bit. */
static struct node *
times(struct derivation *d, struct node *x, struct node *y)
{
    return is_number(x, 1) ? y : is_number(y, 1) ? x : graph_add2(G, OP_MUL, x, y);
}
#define MUL(x, y) times(d, (x), (y))

/* Operands are built before the operation that takes them, and where two of them build nodes the first is built in a
 * statement of its own: C does not say which argument is evaluated first, and the text of a graph must not depend on the
 * compiler. */
static struct node *
scaled(struct derivation *d, struct node *n, double factor)
{
    return MUL(NUMBER(factor), n);
}

static struct node *
plus_one(struct derivation *d, struct node *n)
{
    return ADD(n, NUMBER(1));
}

static struct node *
one_minus(struct derivation *d, struct node *n)
{
    return SUB(NUMBER(1), n);
}

/* |g| with all elements of |n|, or the number that they all are. */
static struct node *
full(struct derivation *d, struct node *n, struct node *g)
{
    return g->type.rank ? graph_broadcast(G, g, &n->type) : g;
}

/* ---- elementwise ---- */

static void
derivative_ADD(struct derivation *d, struct node *n, struct node *g)
{
    derivation_give(d, n, 0, g);
    derivation_give(d, n, 1, g);
}

static void
derivative_SUB(struct derivation *d, struct node *n, struct node *g)
{
    derivation_give(d, n, 0, g);
    if (derivation_wants(d, n, 1))
        derivation_give(d, n, 1, NEG(g));
}

static void
derivative_MUL(struct derivation *d, struct node *n, struct node *g)
{
    if (derivation_wants(d, n, 0))
        derivation_give(d, n, 0, MUL(g, n->in[1]));
    if (derivation_wants(d, n, 1))
        derivation_give(d, n, 1, MUL(g, n->in[0]));
}

/* -g a / b^2 as -((g / b) (a / b)), both of which are there or needed anyway. */
static void
derivative_DIV(struct derivation *d, struct node *n, struct node *g)
{
    struct node *q = DIV(g, n->in[1]);
    derivation_give(d, n, 0, q);
    if (derivation_wants(d, n, 1))
        derivation_give(d, n, 1, NEG(MUL(q, n)));
}

/* d a^b / da = b a^(b-1), and 0 where b = 0. A constant b of rank 0 is the usual case: a^0, a^1 and a^2 need no power. */
static struct node *
power_base(struct derivation *d, struct node *n, struct node *g)
{
    struct node *a = n->in[0], *b = n->in[1];
    if (is_number(b, 1))
        return g;
    if (is_number(b, 2))
        return MUL(g, scaled(d, a, 2));
    if (node_is_number(b))
        return MUL(g, MUL(b, MAP2(POW, a, NUMBER(node_number(b) - 1))));
    struct node *zero = NUMBER(0), *slope = MUL(g, MUL(b, MAP2(POW, a, SUB(b, NUMBER(1)))));
    return WHERE(MAP2(EQ, b, zero), zero, slope);
}

/* d a^b / db = a^b log a, and 0 where a = 0 and b >= 0; NaN for negative a, as there is no derivative (PyTorch's choice
 * too). */
static struct node *
power_exponent(struct derivation *d, struct node *n, struct node *g)
{
    struct node *zero = NUMBER(0), *at_zero = MAP2(EQ, n->in[0], zero);
    struct node *flat = MAP2(AND, at_zero, MAP2(LE, zero, n->in[1]));
    return WHERE(flat, zero, MUL(g, MUL(n, MAP1(LOG, n->in[0]))));
}

static void
derivative_POW(struct derivation *d, struct node *n, struct node *g)
{
    if (derivation_wants(d, n, 0) && !is_number(n->in[1], 0))
        derivation_give(d, n, 0, power_base(d, n, g));
    if (derivation_wants(d, n, 1))
        derivation_give(d, n, 1, power_exponent(d, n, g));
}

/* All to the first operand where |first| holds, else to the second. */
static void
choose(struct derivation *d, struct node *n, struct node *g, struct node *first, int i, int j)
{
    if (derivation_wants(d, n, i))
        derivation_give(d, n, i, WHERE(first, g, NUMBER(0)));
    if (derivation_wants(d, n, j))
        derivation_give(d, n, j, WHERE(first, NUMBER(0), g));
}

static void
derivative_MAX(struct derivation *d, struct node *n, struct node *g)
{
    choose(d, n, g, MAP2(LT, n->in[1], n->in[0]), 0, 1);
}

static void
derivative_MIN(struct derivation *d, struct node *n, struct node *g)
{
    choose(d, n, g, MAP2(LT, n->in[0], n->in[1]), 0, 1);
}

static void
derivative_WHERE(struct derivation *d, struct node *n, struct node *g)
{
    choose(d, n, g, n->in[0], 1, 2);
}

static void
derivative_FMA(struct derivation *d, struct node *n, struct node *g)
{
    derivative_MUL(d, n, g);
    derivation_give(d, n, 2, g);
}

/* One operand: the gradient of it is EXPRESSION, over a (the operand), n (the value) and g. */
#define RULE1(id, expression)                                                            \
    static void derivative_##id(struct derivation *d, struct node *n, struct node *g)    \
    {                                                                                    \
        struct node *a = n->in[0];                                                       \
        (void)a;                                                                         \
        derivation_give(d, n, 0, (expression));                                          \
    }
RULE1(NEG, NEG(g))
RULE1(ABS, MUL(g, MAP1(SIGN, a)))
RULE1(SQRT, DIV(g, scaled(d, n, 2)))
RULE1(RSQRT, MUL(g, scaled(d, MUL(n, MUL(n, n)), -0.5)))
RULE1(EXP, MUL(g, n))
RULE1(EXPM1, MUL(g, plus_one(d, n)))
RULE1(LOG, DIV(g, a))
RULE1(LOG1P, DIV(g, plus_one(d, a)))
RULE1(TANH, MUL(g, one_minus(d, MUL(n, n))))
RULE1(SIGMOID, MUL(g, MUL(n, one_minus(d, n))))
RULE1(ERF, MUL(g, scaled(d, MAP1(EXP, NEG(MUL(a, a))), M_2_SQRTPI)))
RULE1(SIN, MUL(g, MAP1(COS, a)))
RULE1(COS, NEG(MUL(g, MAP1(SIN, a))))
RULE1(CAST, graph_cast(G, g, (enum elem)a->type.elem))

/* ---- reductions ---- */

/* |g| of a reduction over |axes|, laid out so that it broadcasts to the operand: with 1 in place of each axis that was
 * reduced, and without the ones in front. */
static struct node *
unreduced(struct derivation *d, struct node *n, struct node *g)
{
    const struct type *whole = &n->in[0]->type;
    uint32_t axes = n->attr->axes.axes;
    if (!g->type.rank)
        return g;
    g = full(d, n, g);
    struct type type = {.elem = g->type.elem};
    for (int i = 0; i < whole->rank; i++) {
        int64_t dim = axes >> i & 1 ? 1 : whole->dim[i];
        if (type.rank || dim != 1)
            type.dim[type.rank++] = dim;
    }
    return graph_reshape(G, g, &type);
}

static void
derivative_SUM(struct derivation *d, struct node *n, struct node *g)
{
    derivation_give_shaped(d, n, 0, unreduced(d, n, g));
}

/* One over the number of elements that a mean is taken of: a number of the step, in f64, rounded once. */
static struct node *
one_over_count(struct derivation *d, struct node *n)
{
    const struct type *whole = &n->in[0]->type;
    int64_t factor = 1;
    struct node *count = NULL;
    for (int i = 0; i < whole->rank; i++) {
        if (!(n->attr->axes.axes >> i & 1))
            continue;
        factor *= dim_at(whole->dim[i], 1);
        if (whole->dim[i] < 0) {
            struct node *rows = graph_add(G, OP_ROWS, 0, NULL, NULL, NULL);
            count = count ? MAP2(MUL, count, rows) : rows;
        }
    }
    if (!count)
        return NUMBER(1 / (double)factor);
    count = MUL(count, graph_number(G, ELEM_F64, (double)factor));
    return graph_cast(G, DIV(graph_number(G, ELEM_F64, 1), count), (enum elem)n->type.elem);
}

static void
derivative_MEAN(struct derivation *d, struct node *n, struct node *g)
{
    struct node *weight = one_over_count(d, n);
    derivation_give_shaped(d, n, 0, MUL(unreduced(d, n, g), weight));
}

/* The product of the other elements, without a division by zero: where no element is zero it is the product over the
 * element; where one is, that one has the product of the rest and the others have 0; where several are, all have 0. (A
 * product that leaves the range of its type where one of the others' would not gives the infinity, or the 0, that the
 * division gives.) */
static void
derivative_PROD(struct derivation *d, struct node *n, struct node *g)
{
    struct node *a = n->in[0], *zero = NUMBER(0), *one = NUMBER(1);
    uint32_t axes = n->attr->axes.axes;
    struct node *is_zero = MAP2(EQ, a, zero);
    struct node *zeros = graph_reduce(G, OP_SUM, WHERE(is_zero, one, zero), axes, true);
    struct node *rest = graph_reduce(G, OP_PROD, WHERE(is_zero, one, a), axes, true);
    struct node *none = MAP2(EQ, zeros, zero), *single = MAP2(EQ, zeros, one);
    struct node *elsewhere = DIV(rest, a);
    elsewhere = WHERE(none, elsewhere, zero);
    struct node *others = WHERE(single, rest, zero);
    others = WHERE(is_zero, others, elsewhere);
    derivation_give_shaped(d, n, 0, MUL(unreduced(d, n, g), others));
}

/* true at the first of the largest (smallest) elements of |a| along |axis|. */
static struct node *
first_at(struct derivation *d, struct node *a, enum op arg_op, int axis)
{
    struct node *index = graph_reduce(G, arg_op, a, 1u << axis, false);
    struct type type = {.elem = ELEM_U8, .rank = a->type.rank};
    int8_t perm[RANK_MAX];
    for (int i = 0, at = 0; i < type.rank; i++)
        if (i != axis) {
            type.dim[at] = a->type.dim[i];
            perm[i] = (int8_t)at++;
        }
    type.dim[type.rank - 1] = a->type.dim[axis];
    perm[axis] = (int8_t)(type.rank - 1);
    struct node *hot = graph_add(G, OP_ONE_HOT, 1, &index, NULL, &type);
    if (axis != type.rank - 1)
        hot = graph_transpose(G, hot, perm);
    return MAP2(NE, hot, graph_whole(G, ELEM_U8, 0));
}

/* Leads |g|, which broadcasts to |a| reduced by |op| over |axes|, to the first of the equals, in row-major order: the last
 * axis first, of what that leaves the one before, and so on. */
static struct node *
to_first(struct derivation *d, struct node *a, enum op op, enum op arg_op, uint32_t axes, struct node *g)
{
    if (!axes)
        return g;
    int axis = 31 - __builtin_clz(axes);
    uint32_t others = axes & ~(1u << axis);
    if (others)
        g = to_first(d, graph_reduce(G, op, a, 1u << axis, true), op, arg_op, others, g);
    struct node *first = first_at(d, a, arg_op, axis);
    return WHERE(first, g, graph_number(G, (enum elem)a->type.elem, 0));
}

static void
derivative_MAX_OVER(struct derivation *d, struct node *n, struct node *g)
{
    derivation_give_shaped(d, n, 0, to_first(d, n->in[0], OP_MAX_OVER, OP_ARGMAX, n->attr->axes.axes, unreduced(d, n, g)));
}

static void
derivative_MIN_OVER(struct derivation *d, struct node *n, struct node *g)
{
    derivation_give_shaped(d, n, 0, to_first(d, n->in[0], OP_MIN_OVER, OP_ARGMIN, n->attr->axes.axes, unreduced(d, n, g)));
}

/* ---- contractions ---- */

/* The leading axes of |t| as one of rows, in front of the last; false if N times N does not fit in a dimension. */
static bool
rows_type(const struct type *t, struct type *out)
{
    int64_t rows = 1, powers = 0;
    for (int i = 0; i < t->rank - 1; i++) {
        powers += t->dim[i] < 0;
        rows *= dim_at(t->dim[i], 1);
    }
    *out = (struct type){.elem = t->elem, .rank = 2, .dim = {powers ? -rows : rows, t->dim[t->rank - 1]}};
    return powers <= 1;
}

/* Of b, stored as it is or transposed: the sum over all rows of a^T g or g^T a. */
static struct node *
right_gradient(struct derivation *d, struct node *n, struct node *g)
{
    struct node *a = n->in[0], *b = n->in[1];
    bool transpose_a = n->attr && n->attr->matmul.transpose_a, transpose_b = n->attr && n->attr->matmul.transpose_b;
    uint32_t leading = 0;
    if (a->type.rank > b->type.rank) {
        struct type a_rows, g_rows;
        if (rows_type(&a->type, &a_rows) && rows_type(&g->type, &g_rows)) {
            a = graph_reshape(G, a, &a_rows);
            g = graph_reshape(G, g, &g_rows);
        } else {
            leading = (1u << (a->type.rank - 2)) - 1; /* a product for each, summed afterwards */
        }
    }
    struct node *r = transpose_b ? graph_matmul(G, g, a, true, transpose_a) : graph_matmul(G, a, g, !transpose_a, false);
    return leading ? graph_reduce(G, OP_SUM, r, leading, false) : r;
}

static struct node *
left_gradient(struct derivation *d, struct node *n, struct node *g)
{
    struct node *b = n->in[1];
    bool transpose_a = n->attr && n->attr->matmul.transpose_a, transpose_b = n->attr && n->attr->matmul.transpose_b;
    return transpose_a ? graph_matmul(G, b, g, transpose_b, true) : graph_matmul(G, g, b, false, !transpose_b);
}

static void
derivative_MATMUL(struct derivation *d, struct node *n, struct node *g)
{
    g = graph_broadcast(G, g, &n->type);
    if (derivation_wants(d, n, 0))
        derivation_give_shaped(d, n, 0, left_gradient(d, n, g));
    if (derivation_wants(d, n, 1))
        derivation_give_shaped(d, n, 1, right_gradient(d, n, g));
}

/* Linear in both operands, as are its derivatives: each leads to the other two. */
static struct node *
conv_like(struct derivation *d, struct node *n, enum op op, struct node *a, struct node *b, const struct type *given)
{
    return graph_add(G, op, 2, (struct node *[]){a, b}, n->attr, given);
}

static void
derivative_CONV(struct derivation *d, struct node *n, struct node *g)
{
    struct node *x = n->in[0], *w = n->in[1];
    g = graph_broadcast(G, g, &n->type);
    if (derivation_wants(d, n, 0))
        derivation_give_shaped(d, n, 0, conv_like(d, n, OP_CONV_INPUT, g, w, &x->type));
    if (derivation_wants(d, n, 1))
        derivation_give_shaped(d, n, 1, conv_like(d, n, OP_CONV_WEIGHT, x, g, &w->type));
}

static void
derivative_CONV_INPUT(struct derivation *d, struct node *n, struct node *g)
{
    struct node *y = n->in[0], *w = n->in[1];
    g = graph_broadcast(G, g, &n->type);
    if (derivation_wants(d, n, 0))
        derivation_give_shaped(d, n, 0, conv_like(d, n, OP_CONV, g, w, NULL));
    if (derivation_wants(d, n, 1))
        derivation_give_shaped(d, n, 1, conv_like(d, n, OP_CONV_WEIGHT, g, y, &w->type));
}

static void
derivative_CONV_WEIGHT(struct derivation *d, struct node *n, struct node *g)
{
    struct node *x = n->in[0], *y = n->in[1];
    g = graph_broadcast(G, g, &n->type);
    if (derivation_wants(d, n, 0))
        derivation_give_shaped(d, n, 0, conv_like(d, n, OP_CONV_INPUT, y, g, &x->type));
    if (derivation_wants(d, n, 1))
        derivation_give_shaped(d, n, 1, conv_like(d, n, OP_CONV, x, g, NULL));
}

/* ---- movements ---- */

static void
derivative_RESHAPE(struct derivation *d, struct node *n, struct node *g)
{
    g = full(d, n, g);
    derivation_give_shaped(d, n, 0, g->type.rank ? graph_reshape(G, g, &n->in[0]->type) : g);
}

static void
derivative_BROADCAST(struct derivation *d, struct node *n, struct node *g)
{
    derivation_give(d, n, 0, g);
}

static void
derivative_TRANSPOSE(struct derivation *d, struct node *n, struct node *g)
{
    int8_t back[RANK_MAX];
    for (int i = 0; i < n->type.rank; i++)
        back[n->attr->perm.perm[i]] = (int8_t)i;
    g = full(d, n, g);
    derivation_give_shaped(d, n, 0, g->type.rank ? graph_transpose(G, g, back) : g);
}

static struct node *
slice(struct derivation *d, struct node *g, const struct attr *attr)
{
    return g->type.rank ? graph_add(G, OP_SLICE, 1, &g, graph_attr(G, *attr), NULL) : g;
}

static void
derivative_SLICE(struct derivation *d, struct node *n, struct node *g)
{
    struct attr around = {0};
    for (int i = 0; i < n->type.rank; i++) {
        around.slice.start[i] = n->attr->slice.start[i];
        around.slice.stop[i] = n->in[0]->type.dim[i] - n->attr->slice.stop[i];
    }
    g = graph_broadcast(G, g, &n->type);
    derivation_give_shaped(d, n, 0, graph_add(G, OP_PAD, 1, &g, graph_attr(G, around), NULL));
}

static void
derivative_PAD(struct derivation *d, struct node *n, struct node *g)
{
    struct attr inside = {0};
    for (int i = 0; i < n->type.rank; i++) {
        inside.slice.start[i] = n->attr->slice.start[i];
        inside.slice.stop[i] = n->attr->slice.start[i] + n->in[0]->type.dim[i];
    }
    derivation_give_shaped(d, n, 0, slice(d, full(d, n, g), &inside));
}

static void
derivative_CONCAT(struct derivation *d, struct node *n, struct node *g)
{
    struct attr part = {0};
    int axis = n->attr->axis.axis;
    g = full(d, n, g);
    for (int i = 0; i < n->type.rank; i++)
        part.slice.stop[i] = n->type.dim[i];
    for (int i = 0; i < n->nin; i++) {
        part.slice.stop[axis] = part.slice.start[axis] + n->in[i]->type.dim[axis];
        if (derivation_wants(d, n, i))
            derivation_give_shaped(d, n, i, slice(d, g, &part));
        part.slice.start[axis] = part.slice.stop[axis];
    }
}

static void
derivative_GATHER(struct derivation *d, struct node *n, struct node *g)
{
    g = graph_broadcast(G, g, &n->type);
    struct node *in[2] = {n->in[1], g};
    derivation_give_shaped(d, n, 0, graph_add(G, OP_SCATTER_ADD, 2, in, NULL, &n->in[0]->type));
}

static void
derivative_SCATTER_ADD(struct derivation *d, struct node *n, struct node *g)
{
    g = full(d, n, g);
    derivation_give_shaped(d, n, 1, g->type.rank ? graph_add2(G, OP_GATHER, g, n->in[0]) : g);
}

static struct node *
along(struct derivation *d, struct node *n, enum op op, struct node *x)
{
    return graph_add(G, op, 1, &x, n->attr, NULL);
}

/* Element i of the result was element p[i], so the gradient goes back to where p says. */
static void
derivative_SORT(struct derivation *d, struct node *n, struct node *g)
{
    g = full(d, n, g);
    if (g->type.rank) {
        struct node *in[2] = {g, along(d, n, OP_ARGSORT, n->in[0])};
        g = graph_add(G, OP_PERMUTE, 2, in, n->attr, NULL);
    }
    derivation_give_shaped(d, n, 0, g);
}

/* The permutation that undoes one is what sorts it. */
static void
derivative_PERMUTE(struct derivation *d, struct node *n, struct node *g)
{
    g = full(d, n, g);
    if (g->type.rank) {
        struct node *in[2] = {g, along(d, n, OP_ARGSORT, n->in[1])};
        g = graph_add(G, OP_PERMUTE, 2, in, n->attr, NULL);
    }
    derivation_give_shaped(d, n, 0, g);
}

static void
derivative_FLIP(struct derivation *d, struct node *n, struct node *g)
{
    g = full(d, n, g);
    derivation_give_shaped(d, n, 0, g->type.rank ? along(d, n, OP_FLIP, g) : g);
}

/* An element is part of its own sum and of all behind it. */
static void
derivative_CUMSUM(struct derivation *d, struct node *n, struct node *g)
{
    g = along(d, n, OP_FLIP, graph_broadcast(G, g, &n->type));
    derivation_give_shaped(d, n, 0, along(d, n, OP_FLIP, along(d, n, OP_CUMSUM, g)));
}

/* ---- without a derivative ---- */

/* Leaves have no operands; conditions, whole numbers and draws do not change by small steps; STOP says so; reading a state
 * and updating it are not differentiated (language.md); groups are made after the gradient. */
#define derivative_INPUT derivative_none
#define derivative_VAR derivative_none
#define derivative_CONST derivative_none
#define derivative_ROWS derivative_none
#define derivative_FLOORDIV derivative_none
#define derivative_SIGN derivative_none
#define derivative_FLOOR derivative_none
#define derivative_ROUND derivative_none
#define derivative_EQ derivative_none
#define derivative_NE derivative_none
#define derivative_LT derivative_none
#define derivative_LE derivative_none
#define derivative_AND derivative_none
#define derivative_OR derivative_none
#define derivative_NOT derivative_none
#define derivative_STOP derivative_none
#define derivative_ARGMAX derivative_none
#define derivative_ARGMIN derivative_none
#define derivative_ONE_HOT derivative_none
#define derivative_ARGSORT derivative_none
#define derivative_QR derivative_none
#define derivative_RANDOM_BITS derivative_none
#define derivative_RANDOM_UNIFORM derivative_none
#define derivative_RANDOM_NORMAL derivative_none
#define derivative_RANDOM_TRUNCATED_NORMAL derivative_none
#define derivative_UPDATE derivative_none
#define derivative_FUSED derivative_none
#define derivative_RESULT derivative_none

derivative_fn *const derivative_of[OP_COUNT] = {
#define OP(id, ...) [OP_##id] = derivative_##id,
#include "ir/ops.def"
#undef OP
};
