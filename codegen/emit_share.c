/* emit_share: elementwise nodes that differ in the number of elements, or of columns, share one kernel.
 *
 * Such a node is emitted as one whose types have a dimension that the call brings, `columns` of struct size: all elements of
 * values that have one shape, as one axis; or the last axis, where some values are rows or columns of others or sums over
 * rows. The numbers that fill registers remain known: the dimension is counted in 16 elements, or 64 columns. Most of a
 * step's nodes are the same for several layers, updates of weights above all, and compile time is what is emitted. */
#include "codegen/emit.h"

enum { ELEMENTS = 16, COLUMNS = 64 };

struct share {
    const struct node *node;
    const struct operands *operands;
    const struct type *shape;   /* all elements as one axis: that of all values but single ones; else NULL */
    int64_t last;               /* columns: the size of the last axis */
    int64_t dim;                /* what stands for it */
};

static bool
is_single(const struct type *t)
{
    return size_is(size_span(t, 0, t->rank), 1);
}

/* ---- whether a node can be written so ---- */

typedef bool fits_fn(const struct share *s, const struct type *t);

static bool
fits_elements(const struct share *s, const struct type *t)
{
    return is_single(t) || type_same_shape(t, s->shape);
}

static bool
fits_columns(const struct share *s, const struct type *t)
{
    return t->rank == 0 || t->dim[t->rank - 1] == 1 || t->dim[t->rank - 1] == s->last;
}

/* Whether the columns of |reduce| stay. */
static bool
keeps_columns(const struct node *reduce)
{
    int last = reduce->in[0]->type.rank - 1;
    return last >= 0 && !(reduce->attr->axes.axes >> last & 1);
}

static bool
node_fits(const struct share *s, const struct node *n, fits_fn *fits)
{
    uint8_t class = op_info[n->op].class;
    if (class == CLASS_REDUCE && (s->shape || !keeps_columns(n)))
        return false;
    for (int i = 0; i < n->nin; i++)
        if (!fits(s, &n->in[i]->type))
            return false;
    return fits(s, &n->type);
}

static bool
all_fit(const struct share *s, fits_fn *fits)
{
    const struct graph *body = s->node->op == OP_FUSED ? s->node->body : NULL;
    for (int i = 0; body && i < body->count; i++)
        if (!node_fits(s, body->nodes[i], fits))
            return false;
    return node_fits(s, s->node, fits);
}

/* The type of the node's values with the most elements, or the first of them. */
static const struct type *
domain_of(struct gen *g, const struct node *n)
{
    const struct type *most = &n->type;
    for (int i = 0; i < n->nin; i++)
        if (likely(g, size_span(&n->in[i]->type, 0, n->in[i]->type.rank)) > likely(g, size_span(most, 0, most->rank)))
            most = &n->in[i]->type;
    return most;
}

/* ---- the node that stands for it ---- */

static struct type
shared_type(const struct share *s, const struct type *t)
{
    struct type out = *t;
    if (t->rank == 0)
        return out;
    if (s->shape) {
        out.rank = 1;
        out.dim[0] = is_single(t) ? 1 : s->dim;
    } else if (t->dim[t->rank - 1] == s->last) {
        out.dim[t->rank - 1] = s->dim;
    }
    return out;
}

static struct node *
shared_node(struct gen *g, const struct share *s, const struct node *n)
{
    struct node *copy = ARENA_NEW(g->arena, struct node);
    *copy = *n;
    copy->type = shared_type(s, &n->type);
    return copy;
}

static struct graph *
shared_body(struct gen *g, const struct share *s, const struct graph *body)
{
    struct graph *copy = ARENA_NEW(g->arena, struct graph);
    *copy = *body;
    copy->nodes = ARENA_ARRAY(g->arena, struct node *, body->count);
    copy->outputs = ARENA_ARRAY(g->arena, struct graph_output, body->noutputs);
    for (int i = 0; i < body->count; i++) {
        const struct node *n = body->nodes[i];
        copy->nodes[i] = shared_node(g, s, n);
        copy->nodes[i]->in = ARENA_ARRAY(g->arena, struct node *, n->nin + 1);
        for (int k = 0; k < n->nin; k++)
            copy->nodes[i]->in[k] = copy->nodes[n->in[k]->id];
    }
    for (int i = 0; i < body->noutputs; i++)
        copy->outputs[i] = (struct graph_output){body->outputs[i].name, copy->nodes[body->outputs[i].node->id]};
    return copy;
}

/* The numbers of a random product come from memory: its stream is told apart there (emit_random.c). */
static const struct node *
shared_product(struct gen *g, const struct share *s, const struct node *product)
{
    struct node *copy = shared_node(g, s, product);
    struct attr *attr = ARENA_NEW(g->arena, struct attr);
    *attr = *product->attr;
    attr->stream.stream = 0;
    copy->attr = attr;
    return copy;
}

static struct shared
write_shared(struct gen *g, const struct share *s, struct size columns)
{
    struct shared out = {.operands = *s->operands, .counted = true, .columns = columns};
    struct node *copy = shared_node(g, s, s->node);
    copy->in = ARENA_ARRAY(g->arena, struct node *, s->node->nin + 1);
    for (int i = 0; i < s->node->nin; i++)
        copy->in[i] = shared_node(g, s, s->node->in[i]);
    if (copy->op == OP_FUSED)
        copy->body = shared_body(g, s, s->node->body);
    if (s->operands->product)
        out.operands.product = shared_product(g, s, s->operands->product);
    out.node = copy;
    return out;
}

struct shared
share_node(struct gen *g, const struct node *n, const struct operands *o)
{
    struct share s = {.node = n, .operands = o};
    struct shared as_it_is = {.node = n, .operands = *o};
    if (kernel_emitter((enum op)n->op) != emit_group || (o->product && o->product->op != OP_RANDOM_UNIFORM))
        return as_it_is;
    const struct type *domain = domain_of(g, n);
    struct size count = size_span(domain, 0, domain->rank);
    if (is_single(domain) || count.factor == 0)
        return as_it_is;
    s.shape = domain;
    if (!o->product && all_fit(&s, fits_elements)) {
        int64_t unit = count.factor % ELEMENTS ? 1 : ELEMENTS;
        s.dim = columns_dim(unit);
        return write_shared(g, &s, (struct size){.factor = count.factor / unit, .power = count.power});
    }
    s.shape = NULL;
    s.last = domain->dim[domain->rank - 1];
    if (s.last > 0 && s.last % COLUMNS == 0 && all_fit(&s, fits_columns)) {
        s.dim = columns_dim(COLUMNS);
        return write_shared(g, &s, size_fixed(s.last / COLUMNS));
    }
    return as_it_is;
}
