/* random_graph: draws operations and operands until they fit; op_infer says whether they do. */
#include "tests/reference/random_graph.h"
#include "passes/pass.h"
#include "tests/reference/draw.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { NODES_LEAST = 8, NODES_MOST = 32, TRIES = 12, RANK_LARGE = 4, OPERANDS = 3 };
static const int64_t ELEMENTS_MOST = 4096;
static const int64_t sizes[] = {1, 2, 3, 15, 16, 17, 31, 33};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

struct builder {
    struct graph *g;
    struct draw draw;
    struct node **pool; /* what operands are drawn from */
    int npool, pool_cap;
    struct variable *vars;
    struct node **var_nodes;
    int nvars, vars_cap, var_nodes_cap;
    struct node *seed, *step, *rate; /* numbers of the call */
};

/* ---- drawing ---- */

static bool
chance(struct builder *b, int one_in)
{
    return draw_below(&b->draw, one_in) == 0;
}

static int64_t
draw_size(struct builder *b)
{
    return sizes[draw_below(&b->draw, SIZES)];
}

static bool
is_small(const struct type *t)
{
    int64_t count = type_count(t, RANDOM_ROWS);
    return t->rank <= RANK_LARGE && count >= 0 && count <= ELEMENTS_MOST;
}

static struct type
draw_type(struct builder *b, enum elem e, bool rows)
{
    struct type t;
    do {
        t = (struct type){.elem = (uint8_t)e, .rank = (uint8_t)draw_below(&b->draw, 4)};
        for (int i = 0; i < t.rank; i++)
            t.dim[i] = draw_size(b);
        if (rows && t.rank && !chance(b, 3))
            t.dim[chance(b, 4) ? draw_below(&b->draw, t.rank) : 0] = DIM_N;
    } while (!is_small(&t));
    return t;
}

/* A value of one of the element types |types|, more often one of the newest; NULL if none was met. */
static struct node *
pick(struct builder *b, uint32_t types)
{
    for (int i = 0; i < 40; i++) {
        int newest = b->npool < 8 ? b->npool : 8;
        int at = chance(b, 2) ? b->npool - 1 - draw_below(&b->draw, newest) : draw_below(&b->draw, b->npool);
        if (types >> b->pool[at]->type.elem & 1)
            return b->pool[at];
    }
    return NULL;
}

static struct node *
keep(struct builder *b, struct node *n)
{
    *ARENA_PUSH(b->g->arena, b->pool, b->npool, b->pool_cap) = n;
    return n;
}

/* Builds the node if it fits and is small; else NULL. */
static struct node *
add(struct builder *b, enum op op, int nin, struct node *const *in, struct attr attr, const struct type *given)
{
    const struct type *types[OPERANDS];
    struct type type;
    for (int i = 0; i < nin; i++) {
        if (!in[i])
            return NULL;
        types[i] = &in[i]->type;
    }
    if (!attr_fits(op, nin, types, &attr) || !op_infer(op, nin, types, &attr, given, &type, (struct place){0}, NULL) ||
        !is_small(&type))
        return NULL;
    return graph_add(b->g, op, nin, in, op_info[op].attrs == ATTRS_NONE ? NULL : graph_attr(b->g, attr), given);
}

static struct node *
add1(struct builder *b, enum op op, struct node *a, struct attr attr, const struct type *given)
{
    return add(b, op, 1, &a, attr, given);
}

static struct node *
new_var(struct builder *b, enum variable_kind kind, struct type type)
{
    int index = b->nvars, nodes = b->nvars;
    const char *name = arena_printf(b->g->arena, "v%d", index);
    *ARENA_PUSH(b->g->arena, b->vars, b->nvars, b->vars_cap) = (struct variable){name, type, kind, {0}};
    struct node *n = graph_var(b->g, name, index, &type);
    *ARENA_PUSH(b->g->arena, b->var_nodes, nodes, b->var_nodes_cap) = n;
    return n;
}

/* ---- a node of each kind; NULL: nothing fitted ---- */

typedef struct node *make_fn(struct builder *b, enum op op);

/* Numbers stay in the range where operations are themselves: half of them between -1 and 1, or away from 0. */
static struct node *
tame(struct builder *b, struct node *n)
{
    if (!n || !elem_is_float((enum elem)n->type.elem) || chance(b, 3))
        return n;
    if (chance(b, 2))
        return graph_add1(b->g, OP_TANH, n);
    struct node *size = graph_add1(b->g, OP_ABS, n);
    return graph_add2(b->g, OP_ADD, size, graph_number(b->g, (enum elem)n->type.elem, 0.5));
}

static struct node *
draw_number(struct builder *b, enum elem e)
{
    static const double numbers[] = {0, 1, 2, 3, 0.5, -1, -0.25, 7};
    double x = numbers[draw_below(&b->draw, 8)];
    if (e == ELEM_BOOL)
        return graph_whole(b->g, e, x != 0);
    return elem_is_float(e) ? graph_number(b->g, e, x) : graph_whole(b->g, e, (int)fabs(x));
}

static struct node *
make_map(struct builder *b, enum op op)
{
    int nin = op_info[op].nin;
    for (int try = 0; try < TRIES; try++) {
        struct node *in[OPERANDS], *last = pick(b, op_info[op].types);
        if (!last)
            return NULL;
        for (int i = 0; i < nin - 1; i++) {
            bool condition = op == OP_WHERE && i == 0;
            uint32_t types = condition ? TYPES_BOOL : 1u << last->type.elem;
            in[i] = chance(b, 6) && !condition ? draw_number(b, (enum elem)last->type.elem) : pick(b, types);
        }
        in[nin - 1] = nin > 1 && chance(b, 6) ? draw_number(b, (enum elem)last->type.elem) : last;
        for (int i = 0; i < nin; i++)
            in[i] = tame(b, in[i]);
        struct node *n = add(b, op, nin, in, (struct attr){0}, NULL);
        if (n)
            return n;
    }
    return NULL;
}

static struct node *
make_CAST(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    struct type type = a->type;
    type.elem = (uint8_t)draw_below(&b->draw, ELEM_COUNT);
    return type.elem == a->type.elem ? NULL : add1(b, op, a, (struct attr){0}, &type);
}

static struct node *
make_reduce(struct builder *b, enum op op)
{
    struct node *a = pick(b, op_info[op].types);
    if (!a || !a->type.rank)
        return NULL;
    struct attr attr = {.axes = {1 + (uint32_t)draw_below(&b->draw, (1 << a->type.rank) - 1), chance(b, 3)}};
    if (op == OP_ARGMAX || op == OP_ARGMIN)
        attr.axes.axes = 1u << draw_below(&b->draw, a->type.rank);
    return add1(b, op, a, attr, NULL);
}

/* By a new weight; or of a value and itself, transposed. */
static struct node *
make_MATMUL(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_FLT);
    if (!a || a->type.rank < 2)
        return NULL;
    struct attr attr = {.matmul = {chance(b, 3) && a->type.rank == 2, chance(b, 2)}};
    int64_t depth = a->type.dim[a->type.rank - (attr.matmul.transpose_a ? 2 : 1)];
    if (depth < 0 || chance(b, 4)) {
        attr.matmul.transpose_a = chance(b, 2);
        attr.matmul.transpose_b = !attr.matmul.transpose_a;
        return add(b, op, 2, (struct node *[]){a, a}, attr, NULL);
    }
    struct type type = {.elem = a->type.elem, .rank = 2, .dim = {depth, draw_size(b)}};
    if (attr.matmul.transpose_b)
        type = (struct type){.elem = a->type.elem, .rank = 2, .dim = {type.dim[1], depth}};
    return is_small(&type) ? add(b, op, 2, (struct node *[]){a, new_var(b, VARIABLE_WEIGHT, type)}, attr, NULL) : NULL;
}

/* Two neighbouring axes become one, one of even size becomes two, or one of size 1 is put in. */
static struct node *
make_RESHAPE(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    struct type type = {.elem = a->type.elem};
    int at = a->type.rank ? draw_below(&b->draw, a->type.rank) : 0, how = draw_below(&b->draw, 3);
    if (!a->type.rank || how == 2)
        type.dim[type.rank++] = 1;
    for (int i = 0; i < a->type.rank; i++) {
        int64_t dim = a->type.dim[i];
        if (i == at && how == 0 && i + 1 < a->type.rank && (dim > 0 || a->type.dim[i + 1] > 0)) {
            type.dim[type.rank++] = dim * a->type.dim[++i];
        } else if (i == at && how == 1 && dim % 2 == 0) {
            type.dim[type.rank++] = dim / 2;
            type.dim[type.rank++] = 2;
        } else {
            type.dim[type.rank++] = dim;
        }
    }
    return add1(b, op, a, (struct attr){0}, &type);
}

static struct node *
make_BROADCAST(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    struct type type = a->type;
    for (int i = 0; i < type.rank; i++)
        if (type.dim[i] == 1 && chance(b, 2))
            type.dim[i] = chance(b, 3) ? DIM_N : draw_size(b);
    if (chance(b, 2) && type.rank < RANK_LARGE) {
        memmove(type.dim + 1, type.dim, sizeof type.dim[0] * type.rank);
        type.dim[0] = chance(b, 3) ? DIM_N : 1 + draw_below(&b->draw, 3);
        type.rank++;
    }
    return add1(b, op, a, (struct attr){0}, &type);
}

static struct node *
make_TRANSPOSE(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    struct attr attr = {0};
    for (int i = 0; i < a->type.rank; i++) {
        int at = draw_below(&b->draw, i + 1);
        attr.perm.perm[i] = attr.perm.perm[at];
        attr.perm.perm[at] = (int8_t)i;
    }
    return a->type.rank < 2 ? NULL : add1(b, op, a, attr, NULL);
}

/* A part of axes of fixed size; the first or second half of an axis of 2N. */
static struct node *
make_SLICE(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    struct attr attr = {0};
    for (int i = 0; i < a->type.rank; i++) {
        int64_t dim = a->type.dim[i], sign = dim < 0 ? -1 : 1, size = dim * sign;
        int64_t start = draw_below(&b->draw, (int)size), stop = start + 1 + draw_below(&b->draw, (int)(size - start));
        attr.slice.start[i] = sign * start;
        attr.slice.stop[i] = sign * stop;
    }
    return a->type.rank ? add1(b, op, a, attr, NULL) : NULL;
}

static struct node *
make_PAD(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    struct attr attr = {0};
    for (int i = 0; i < a->type.rank; i++) {
        int64_t sign = a->type.dim[i] < 0 ? -1 : 1;
        attr.slice.start[i] = sign * draw_below(&b->draw, 2);
        attr.slice.stop[i] = sign * draw_below(&b->draw, 3);
    }
    return a->type.rank ? add1(b, op, a, attr, NULL) : NULL;
}

static struct node *
make_CONCAT(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    if (!a->type.rank)
        return NULL;
    struct attr attr = {.axis = {draw_below(&b->draw, a->type.rank)}};
    for (int try = 0; try < TRIES; try++) {
        struct node *other = pick(b, 1u << a->type.elem), *in[3] = {a, other, chance(b, 3) ? other : a};
        if (!other || other->type.rank != a->type.rank)
            continue;
        struct node *n = add(b, op, 2 + draw_below(&b->draw, 2), in, attr, NULL);
        if (n)
            return n;
    }
    return add(b, op, 2, (struct node *[]){a, a}, attr, NULL);
}

/* The whole numbers of |a|, brought to 0 <= x < depth: x - floor(x / depth) * depth. */
static struct node *
index_from(struct builder *b, struct node *a, int64_t depth)
{
    enum elem e = chance(b, 2) ? ELEM_I32 : ELEM_I64;
    if (elem_is_float((enum elem)a->type.elem))
        a = graph_add2(b->g, OP_MUL, a, graph_number(b->g, (enum elem)a->type.elem, 9));
    a = graph_cast(b->g, a, e);
    struct node *d = graph_whole(b->g, e, depth);
    struct node *q = graph_add2(b->g, OP_FLOORDIV, a, d);
    q = graph_add2(b->g, OP_MUL, q, d);
    return graph_add2(b->g, OP_SUB, a, q);
}

static struct node *
make_GATHER(struct builder *b, enum op op)
{
    struct node *table = pick(b, TYPES_ALL), *index = pick(b, TYPES_ALL);
    if (!table->type.rank || table->type.dim[0] <= 0)
        return NULL;
    return add(b, op, 2, (struct node *[]){table, index_from(b, index, table->type.dim[0])}, (struct attr){0}, NULL);
}

/* The index is drawn from the first element of each row. */
static struct node *
make_SCATTER_ADD(struct builder *b, enum op op)
{
    struct node *values = pick(b, TYPES_FLT), *first = values;
    if (!values || !values->type.rank)
        return NULL;
    int leading = 1 + draw_below(&b->draw, values->type.rank);
    struct attr attr = {0};
    struct type index = {.elem = values->type.elem, .rank = (uint8_t)leading};
    struct type given = {.elem = values->type.elem, .rank = 1};
    for (int i = 0; i < values->type.rank; i++) {
        attr.slice.stop[i] = i < leading ? values->type.dim[i] : 1;
        if (i < leading)
            index.dim[i] = values->type.dim[i];
        else
            given.dim[given.rank++] = values->type.dim[i];
        if (i >= leading && values->type.dim[i] < 0)
            return NULL;
    }
    given.dim[0] = draw_size(b);
    first = graph_reshape(b->g, graph_add(b->g, OP_SLICE, 1, &first, graph_attr(b->g, attr), NULL), &index);
    return add(b, op, 2, (struct node *[]){index_from(b, first, given.dim[0]), values}, (struct attr){0}, &given);
}

static struct node *
make_ONE_HOT(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_WHOLE);
    if (!a || a->type.rank == RANK_LARGE)
        return NULL;
    struct type type = a->type;
    type.elem = (uint8_t)draw_below(&b->draw, ELEM_BOOL);
    type.dim[type.rank++] = chance(b, 5) ? DIM_N : draw_size(b);
    return add1(b, op, a, (struct attr){0}, &type);
}

static struct node *
make_along(struct builder *b, enum op op)
{
    struct node *a = pick(b, op_info[op].types);
    if (!a || !a->type.rank)
        return NULL;
    return add1(b, op, a, (struct attr){.axis = {draw_below(&b->draw, a->type.rank)}}, NULL);
}
#define make_SORT make_along
#define make_ARGSORT make_along
#define make_FLIP make_along
#define make_CUMSUM make_along

/* By the order of its own elements. */
static struct node *
make_PERMUTE(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_ALL);
    if (!a->type.rank)
        return NULL;
    struct attr attr = {.axis = {draw_below(&b->draw, a->type.rank)}};
    struct node *index = add1(b, OP_ARGSORT, a->type.elem == ELEM_BOOL ? graph_cast(b->g, a, ELEM_U8) : a, attr, NULL);
    return add(b, op, 2, (struct node *[]){a, index}, attr, NULL);
}

/* A value that can be images: [.., .., channels] or [.., .., .., channels]; of two axes: with one channel. */
static struct node *
pick_images(struct builder *b)
{
    struct node *a = pick(b, TYPES_FLT);
    if (a && a->type.rank == 2) {
        struct type type = a->type;
        type.dim[type.rank++] = 1;
        a = graph_reshape(b->g, a, &type);
    }
    return a && (a->type.rank == 3 || a->type.rank == 4) ? a : NULL;
}

static struct attr
draw_conv(struct builder *b)
{
    struct attr attr = {0};
    for (int i = 0; i < 2; i++) {
        attr.conv.stride[i] = 1 + draw_below(&b->draw, 3);
        attr.conv.dilation[i] = 1 + draw_below(&b->draw, 2);
        attr.conv.before[i] = draw_below(&b->draw, 3);
        attr.conv.after[i] = draw_below(&b->draw, 3);
    }
    return attr;
}

/* A new weight from |from| to |to| channels that fits |images|. */
static struct node *
draw_kernel(struct builder *b, const struct type *images, int64_t from, int64_t to)
{
    struct type type = {.elem = images->elem, .rank = images->rank};
    int last = type.rank - 1;
    for (int i = 0; i < last - 1; i++)
        type.dim[i] = 1 + draw_below(&b->draw, 3);
    type.dim[last - 1] = from;
    type.dim[last] = to;
    return from > 0 && to > 0 && is_small(&type) ? new_var(b, VARIABLE_WEIGHT, type) : NULL;
}

static struct node *
make_CONV(struct builder *b, enum op op)
{
    struct node *x = pick_images(b);
    if (!x)
        return NULL;
    struct node *w = draw_kernel(b, &x->type, x->type.dim[x->type.rank - 1], draw_size(b));
    return add(b, op, 2, (struct node *[]){x, w}, draw_conv(b), NULL);
}

/* Of the smallest images, or ones that are a little larger, whose convolution has the shape of the operand. */
static struct node *
make_CONV_INPUT(struct builder *b, enum op op)
{
    struct node *y = pick_images(b);
    struct attr attr = draw_conv(b);
    if (!y)
        return NULL;
    int last = y->type.rank - 1;
    struct node *w = draw_kernel(b, &y->type, draw_size(b), y->type.dim[last]);
    struct type given = y->type;
    for (int i = 0; w && i < last - 1; i++)
        given.dim[i + 1] = (y->type.dim[i + 1] - 1) * attr.conv.stride[i] + (w->type.dim[i] - 1) * attr.conv.dilation[i] + 1
                           - attr.conv.before[i] - attr.conv.after[i] + draw_below(&b->draw, (int)attr.conv.stride[i]);
    if (w)
        given.dim[last] = w->type.dim[last - 1];
    for (int i = 1; i < last; i++)
        if (given.dim[i] < 1)
            return NULL;
    return add(b, op, 2, (struct node *[]){y, w}, attr, &given);
}

static struct node *
make_CONV_WEIGHT(struct builder *b, enum op op)
{
    struct node *y = make_CONV(b, OP_CONV);
    return y ? add(b, op, 2, (struct node *[]){y->in[0], y}, *y->attr, &y->in[1]->type) : NULL;
}

static struct node *
make_QR(struct builder *b, enum op op)
{
    struct node *a = pick(b, TYPES_FLT);
    struct type type = {.elem = chance(b, 2) ? ELEM_F32 : ELEM_F64, .rank = 2};
    type.dim[0] = draw_size(b);
    type.dim[1] = draw_size(b);
    if (!a || a->type.rank != 2 || type_has_rows(&a->type))
        a = new_var(b, VARIABLE_STATE, type);
    if (a->type.dim[0] < a->type.dim[1])
        a = graph_transpose(b->g, a, (int8_t[]){1, 0});
    return add1(b, op, a, (struct attr){0}, NULL);
}

static struct node *
make_random(struct builder *b, enum op op)
{
    struct type type = draw_type(b, op == OP_RANDOM_BITS ? ELEM_I32 : chance(b, 2) ? ELEM_F32 : ELEM_F64, true);
    struct attr attr = {.stream = {draw_bits(&b->draw), -1, 2}};
    return add(b, op, 2, (struct node *[]){b->seed, b->step}, attr, &type);
}

static struct node *
make_ROWS(struct builder *b, enum op op)
{
    return graph_add(b->g, op, 0, NULL, NULL, NULL);
}

static struct node *
make_CONST(struct builder *b, enum op op)
{
    struct type type = draw_type(b, (enum elem)draw_below(&b->draw, ELEM_COUNT), false);
    if (!type.rank)
        return draw_number(b, (enum elem)type.elem);
    struct tensor t = {type, arena_alloc(b->g->arena, (size_t)type_bytes(&type, 0))};
    random_fill(&t, draw_bits(&b->draw), false);
    return graph_add(b->g, op, 0, NULL, graph_attr(b->g, (struct attr){.value = {.data = t.data}}), &type);
}

static struct node *
make_INPUT(struct builder *b, enum op op)
{
    struct type type = draw_type(b, (enum elem)draw_below(&b->draw, ELEM_COUNT), true);
    return graph_input(b->g, arena_printf(b->g->arena, "x%d", b->g->ninputs), &type);
}

static struct node *
make_VAR(struct builder *b, enum op op)
{
    enum variable_kind kind = chance(b, 3) ? VARIABLE_STATE : VARIABLE_WEIGHT;
    return new_var(b, kind, draw_type(b, chance(b, 4) ? ELEM_F64 : ELEM_F32, false));
}

/* Made at the end (UPDATE) or by passes. */
static struct node *
make_nothing(struct builder *b, enum op op)
{
    return NULL;
}
#define make_UPDATE make_nothing
#define make_FUSED make_nothing
#define make_RESULT make_nothing

#define MAKE_LEAF(id) make_##id
#define MAKE_MAP(id) make_map
#define MAKE_CAST(id) make_##id
#define MAKE_REDUCE(id) make_reduce
#define MAKE_CONTRACT(id) make_##id
#define MAKE_MOVE(id) make_##id
#define MAKE_RANDOM(id) make_random
#define MAKE_GROUP(id) make_##id
#define MAKE_EFFECT(id) make_##id
static make_fn *const make_of[OP_COUNT] = {
#define OP(id, text, class, ...) [OP_##id] = MAKE_##class(id),
#include "ir/ops.def"
#undef OP
};

static struct node *
make(struct builder *b, enum op op)
{
    for (int try = 0; try < TRIES; try++) {
        struct node *n = make_of[op](b, op);
        if (n)
            return keep(b, n);
    }
    return NULL;
}

/* ---- the whole graph ---- */

static void
begin(struct builder *b)
{
    struct type whole = type_scalar(ELEM_I64), real = type_scalar(ELEM_F64);
    b->seed = keep(b, graph_input(b->g, "seed", &whole));
    b->step = keep(b, graph_input(b->g, "step", &whole));
    b->rate = keep(b, graph_input(b->g, "rate", &real));
    for (int e = 0; e < ELEM_COUNT; e++) {
        struct type type = draw_type(b, (enum elem)e, true);
        keep(b, graph_input(b->g, arena_printf(b->g->arena, "x%d", b->g->ninputs), &type));
    }
    for (int i = 0; i < 3; i++) {
        struct type type = {.elem = ELEM_F32, .rank = 2, .dim = {i ? draw_size(b) : DIM_N, draw_size(b)}};
        keep(b, i == 2 ? new_var(b, VARIABLE_WEIGHT, type) : graph_input(b->g, arena_printf(b->g->arena, "y%d", i), &type));
    }
}

/* The sum of a few values' means. */
static struct node *
make_loss(struct builder *b)
{
    enum elem e = chance(b, 3) ? ELEM_F64 : ELEM_F32;
    struct node *loss = NULL;
    for (int i = 0; i < 4; i++) {
        struct node *n = pick(b, TYPES_FLT);
        if (!n)
            n = b->rate;
        if (!chance(b, 3))
            n = graph_add1(b->g, OP_TANH, n);
        if (n->type.rank)
            n = graph_reduce(b->g, chance(b, 3) ? OP_SUM : OP_MEAN, n, (1u << n->type.rank) - 1, false);
        n = graph_cast(b->g, n, e);
        loss = loss ? graph_add2(b->g, OP_ADD, loss, n) : n;
    }
    return loss;
}

/* w - rate * g, or, of a state, a mixture of it and something that fits. */
static struct node *
new_value(struct builder *b, int i, struct node *g)
{
    struct node *var = b->var_nodes[i];
    enum elem e = (enum elem)var->type.elem;
    if (g)
        return graph_add2(b->g, OP_SUB, var, graph_add2(b->g, OP_MUL, g, graph_cast(b->g, b->rate, e)));
    for (int try = 0; try < TRIES; try++) {
        struct node *n = pick(b, 1u << e), *in[3] = {var, graph_number(b->g, e, 0.75), n};
        struct node *sum = add(b, OP_FMA, 3, in, (struct attr){0}, NULL);
        if (sum && type_equal(&sum->type, &var->type))
            return sum;
    }
    return chance(b, 2) ? graph_add1(b->g, OP_TANH, var) : NULL;
}

static void
update_all(struct builder *b, struct node **gradients)
{
    for (int i = 0; i < b->nvars; i++) {
        struct node *value = new_value(b, i, gradients[i]);
        if (!value)
            continue;
        struct node *new = graph_add2(b->g, OP_UPDATE, b->var_nodes[i], value);
        if (chance(b, 4))
            graph_output(b->g, arena_printf(b->g->arena, "new%d", i), graph_add1(b->g, OP_NEG, new));
        if (chance(b, 4)) /* the old value can still be read */
            graph_output(b->g, arena_printf(b->g->arena, "old%d", i), graph_add1(b->g, OP_NEG, b->var_nodes[i]));
    }
}

static void
finish(struct builder *b)
{
    int nvars = b->nvars;
    struct node *loss = make_loss(b), **wrt = ARENA_ARRAY(b->g->arena, struct node *, nvars);
    struct node **gradients = ARENA_ARRAY(b->g->arena, struct node *, nvars);
    struct node **by = ARENA_ARRAY(b->g->arena, struct node *, nvars);
    int count = 0;
    for (int i = 0; i < nvars; i++)
        if (b->vars[i].kind == VARIABLE_WEIGHT)
            wrt[count++] = b->var_nodes[i];
    gradient(b->g, loss, count, wrt, by);
    graph_output(b->g, "loss", loss);
    for (int i = 0, at = 0; i < nvars; i++) {
        if (b->vars[i].kind != VARIABLE_WEIGHT || !(gradients[i] = by[at++]))
            continue;
        if (chance(b, 2))
            graph_output(b->g, arena_printf(b->g->arena, "g%d", i), gradients[i]);
    }
    update_all(b, gradients);
}

/* Values that nothing else shows: a few in a training step, all that were made for a single operation. */
static void
show(struct builder *b, int from, bool all)
{
    for (int i = from; i < b->npool; i++)
        if (b->pool[i]->op != OP_INPUT && b->pool[i]->op != OP_VAR && b->pool[i]->op != OP_CONST && (all || chance(b, 6)))
            graph_output(b->g, arena_printf(b->g->arena, "p%d", i), b->pool[i]);
}

static void
only_once(struct builder *b, enum op op)
{
    int from = b->npool, made = 0;
    for (int i = 0; i < 200 && made < 4; i++)
        made += make(b, op) != NULL;
    show(b, from, true);
}

static void
all_operations(struct builder *b)
{
    int from = b->npool, count = NODES_LEAST + draw_below(&b->draw, NODES_MOST - NODES_LEAST);
    for (int i = 0; i < count; i++)
        make(b, i % 8 == 3 ? OP_MATMUL : (enum op)draw_below(&b->draw, OP_COUNT));
    show(b, from, false);
    finish(b);
}

struct random_graph
random_graph_new(struct arena *arena, uint64_t seed, enum op only, void (*on_node)(void *context, struct node *n),
                 void *context)
{
    struct builder b = {.g = graph_new(arena, "random"), .draw = {seed}};
    b.g->on_node = on_node;
    b.g->on_node_context = context;
    b.g->max_rows = RANDOM_ROWS;
    begin(&b);
    if (only == OP_COUNT)
        all_operations(&b);
    else
        only_once(&b, only);
    return (struct random_graph){b.g, b.vars, b.nvars};
}

/* ---- data ---- */

static double
draw_value(struct draw *d, bool special, bool single)
{
    static const double specials[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0};
    if (!special || draw_below(d, 8))
        return draw_real(d, -2, 2);
    int which = draw_below(d, 9);
    double size = which == 5 || which == 6 ? (single ? FLT_MAX : DBL_MAX) : single ? FLT_MIN : DBL_MIN;
    return which < 5 ? specials[which] : which % 2 ? size : -size;
}

void
random_fill(struct tensor *t, uint64_t seed, bool special)
{
    struct draw d = {seed};
    for (int64_t i = 0; i < tensor_count(t); i++) {
        uint64_t bits = draw_bits(&d);
        int64_t whole = special && bits % 8 == 0 ? (int64_t)draw_bits(&d) : (int64_t)(bits >> 8) % 40 - 20;
        switch ((enum elem)t->type.elem) {
        case ELEM_F32: ((float *)t->data)[i] = (float)draw_value(&d, special, true); break;
        case ELEM_F64: ((double *)t->data)[i] = draw_value(&d, special, false); break;
        case ELEM_I32: ((int32_t *)t->data)[i] = (int32_t)whole; break;
        case ELEM_I64: ((int64_t *)t->data)[i] = whole; break;
        case ELEM_U8: ((uint8_t *)t->data)[i] = (uint8_t)whole; break;
        default: ((bool *)t->data)[i] = whole & 1; break;
        }
    }
}
