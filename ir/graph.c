/* graph: the builder. Eager mode makes every node of every step here, so appending one allocates once, from the arena, and
 * takes the type of elementwise operations on equal types without asking the shape rule. */
#include "ir/graph.h"
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Operations with more operands than this (concat, fused) collect their types in the arena. */
enum { OPERANDS_FAST = 4 };

struct graph *
graph_new(struct arena *arena, const char *name)
{
    struct graph *g = ARENA_NEW(arena, struct graph);
    g->arena = arena;
    g->name = arena_text(arena, name, strlen(name));
    return g;
}

/* Elementwise on equal types. Checks nothing that the checker has not seen already. */
static bool
infer_fast(const struct node *n)
{
    if (op_info[n->op].class != CLASS_MAP || n->op == OP_WHERE)
        return false;
    for (int i = 1; i < n->nin; i++)
        if (!type_equal(&n->in[0]->type, &n->in[i]->type))
            return false;
    return true;
}

static bool
infer_by_rule(struct graph *g, struct node *n, const struct type *given)
{
    const struct type *fast[OPERANDS_FAST], **types = fast;
    if (n->nin > OPERANDS_FAST)
        types = ARENA_ARRAY(g->arena, const struct type *, n->nin);
    for (int i = 0; i < n->nin; i++)
        types[i] = &n->in[i]->type;
    return op_infer(n->op, n->nin, types, n->attr, given, &n->type, n->place, NULL);
}

static void
infer(struct graph *g, struct node *n, const struct type *given)
{
    if (infer_fast(n)) {
        n->type = n->in[0]->type;
        if (op_info[n->op].flags & OP_BOOLEAN)
            n->type.elem = ELEM_BOOL;
        return;
    }
    bool fits = infer_by_rule(g, n, given);
    assert(fits && "operands were checked before");
    (void)fits;
}

struct node *
graph_add(struct graph *g, enum op op, int nin, struct node *const *in, const struct attr *attr, const struct type *given)
{
    assert(op_info[op].nin < 0 || op_info[op].nin == nin);
    struct node *n = arena_alloc(g->arena, sizeof *n + sizeof *in * (size_t)nin);
    n->op = (uint16_t)op;
    n->nin = (uint16_t)nin;
    n->in = (struct node **)(n + 1);
    for (int i = 0; i < nin; i++)
        n->in[i] = in[i];
    n->attr = attr;
    n->place = g->place;
    n->inner = g->inner;
    infer(g, n, given);
    n->id = g->count;
    *ARENA_PUSH(g->arena, g->nodes, g->count, g->cap) = n;
    if (g->on_node)
        g->on_node(g->on_node_context, n);
    return n;
}

struct node *
graph_add1(struct graph *g, enum op op, struct node *a)
{
    return graph_add(g, op, 1, &a, NULL, NULL);
}

struct node *
graph_add2(struct graph *g, enum op op, struct node *a, struct node *b)
{
    return graph_add(g, op, 2, (struct node *[]){a, b}, NULL, NULL);
}

struct node *
graph_add3(struct graph *g, enum op op, struct node *a, struct node *b, struct node *c)
{
    return graph_add(g, op, 3, (struct node *[]){a, b, c}, NULL, NULL);
}

/* ---- constants of rank 0 ---- */

/* |value| as an element of type |e|: rounded, subnormals flushed (numerics.md, item 10), one NaN. */
static double
rounded(enum elem e, double value)
{
    double r = e == ELEM_F32 ? (double)(float)value : value;
    if (isnan(r))
        return NAN;
    return fabs(r) < (e == ELEM_F32 ? (double)FLT_MIN : DBL_MIN) ? copysign(0, r) : r;
}

static int64_t
bits_of(const struct node *n)
{
    int64_t bits = n->attr->value.whole;
    if (elem_is_float(n->type.elem))
        memcpy(&bits, &n->attr->value.real, sizeof bits);
    return bits;
}

static struct node *
constant(struct graph *g, enum elem e, double real, int64_t whole)
{
    int64_t bits = whole;
    if (elem_is_float(e))
        memcpy(&bits, &real, sizeof bits);
    for (int i = 0; i < g->nconsts; i++)
        if (g->consts[i]->type.elem == e && bits_of(g->consts[i]) == bits)
            return g->consts[i];
    struct type type = type_scalar(e);
    struct attr *attr = graph_attr(g, (struct attr){.value = {.real = real, .whole = whole}});
    struct node *n = graph_add(g, OP_CONST, 0, NULL, attr, &type);
    *ARENA_PUSH(g->arena, g->consts, g->nconsts, g->consts_cap) = n;
    return n;
}

struct node *
graph_number(struct graph *g, enum elem e, double value)
{
    if (!elem_is_float(e))
        return graph_whole(g, e, (int64_t)value);
    return constant(g, e, rounded(e, value), 0);
}

struct node *
graph_whole(struct graph *g, enum elem e, int64_t value)
{
    if (elem_is_float(e))
        return graph_number(g, e, (double)value);
    return constant(g, e, 0, value);
}

double
node_number(const struct node *n)
{
    assert(node_is_number(n));
    return elem_is_float(n->type.elem) ? n->attr->value.real : (double)n->attr->value.whole;
}

/* ---- leaves and results ---- */

struct node *
graph_input(struct graph *g, const char *name, const struct type *type)
{
    struct attr *attr = graph_attr(g, (struct attr){.name = {.name = name, .index = g->ninputs}});
    struct node *n = graph_add(g, OP_INPUT, 0, NULL, attr, type);
    *ARENA_PUSH(g->arena, g->inputs, g->ninputs, g->inputs_cap) = n;
    return n;
}

struct node *
graph_var(struct graph *g, const char *name, int index, const struct type *type)
{
    struct attr *attr = graph_attr(g, (struct attr){.name = {.name = name, .index = index}});
    return graph_add(g, OP_VAR, 0, NULL, attr, type);
}

void
graph_output(struct graph *g, const char *name, struct node *n)
{
    *ARENA_PUSH(g->arena, g->outputs, g->noutputs, g->outputs_cap) = (struct graph_output){name, n};
}

/* ---- operations with attributes or a wanted type ---- */

static struct node *
add_given(struct graph *g, enum op op, struct node *a, const struct type *type)
{
    return type_equal(&a->type, type) ? a : graph_add(g, op, 1, &a, NULL, type);
}

struct node *
graph_cast(struct graph *g, struct node *a, enum elem e)
{
    struct type type = a->type;
    type.elem = (uint8_t)e;
    return add_given(g, OP_CAST, a, &type);
}

struct node *
graph_reshape(struct graph *g, struct node *a, const struct type *shape)
{
    struct type type = *shape;
    type.elem = a->type.elem;
    return add_given(g, OP_RESHAPE, a, &type);
}

struct node *
graph_broadcast(struct graph *g, struct node *a, const struct type *shape)
{
    struct type type = *shape;
    type.elem = a->type.elem;
    return add_given(g, OP_BROADCAST, a, &type);
}

struct node *
graph_reduce(struct graph *g, enum op op, struct node *a, uint32_t axes, bool keep)
{
    return graph_add(g, op, 1, &a, graph_attr(g, (struct attr){.axes = {axes, keep}}), NULL);
}

struct node *
graph_matmul(struct graph *g, struct node *a, struct node *b, bool transpose_a, bool transpose_b)
{
    struct attr *attr = graph_attr(g, (struct attr){.matmul = {transpose_a, transpose_b}});
    return graph_add(g, OP_MATMUL, 2, (struct node *[]){a, b}, attr, NULL);
}

struct node *
graph_transpose(struct graph *g, struct node *a, const int8_t *perm)
{
    struct attr attr = {0};
    memcpy(attr.perm.perm, perm, a->type.rank);
    return graph_add(g, OP_TRANSPOSE, 1, &a, graph_attr(g, attr), NULL);
}

/* ---- attributes ---- */

struct attr *
graph_attr(struct graph *g, struct attr attr)
{
    struct attr *copy = ARENA_NEW(g->arena, struct attr);
    *copy = attr;
    return copy;
}

/* Constants are equal if their bits are. */
static bool
value_equal(const struct type *t, const struct attr *a, const struct attr *b)
{
    if (t->rank)
        return !memcmp(a->value.data, b->value.data, (size_t)type_bytes(t, 0));
    if (elem_is_float(t->elem))
        return !memcmp(&a->value.real, &b->value.real, sizeof a->value.real);
    return a->value.whole == b->value.whole;
}

bool
attr_equal(enum op_attrs kind, const struct type *type, const struct attr *a, const struct attr *b)
{
    static const struct attr none;
    a = a ? a : &none;
    b = b ? b : &none;
    size_t dims = sizeof(int64_t) * type->rank;
    switch (kind) {
    case ATTRS_NONE: return true;
    case ATTRS_NAME: return a->name.index == b->name.index;
    case ATTRS_VALUE: return value_equal(type, a, b);
    case ATTRS_AXES: return a->axes.axes == b->axes.axes && a->axes.keep == b->axes.keep;
    case ATTRS_MATMUL:
        return a->matmul.transpose_a == b->matmul.transpose_a && a->matmul.transpose_b == b->matmul.transpose_b;
    case ATTRS_PERM: return !memcmp(a->perm.perm, b->perm.perm, type->rank);
    case ATTRS_SLICE: return !memcmp(a->slice.start, b->slice.start, dims) && !memcmp(a->slice.stop, b->slice.stop, dims);
    case ATTRS_AXIS: return a->axis.axis == b->axis.axis;
    case ATTRS_STREAM:
        return a->stream.stream == b->stream.stream && a->stream.from == b->stream.from && a->stream.to == b->stream.to;
    case ATTRS_CONV: return !memcmp(&a->conv, &b->conv, sizeof a->conv);
    case ATTRS_BODY: return false; /* bodies are never compared */
    }
    return false;
}
