/* verify_storage: whether every value is still in its memory when it is read.
 *
 * The list is walked as it will be executed, at the largest number of rows: a node reads its operands, then writes its
 * memory; what it writes over is lost. A reader of something lost is a fault, and so is a node that writes over its own
 * operand and is no elementwise operation on exactly that memory. At the end every output and every variable must hold its
 * value. Plan is free to find better places as long as this walk finds nothing. */
#include "ir/verify.h"
#include <inttypes.h>

/* The memory of a value; variables and inputs are spaces of their own. */
struct range {
    enum storage space;
    int64_t from, to;
};

struct walk {
    const struct check *c;
    int64_t rows;
    struct node **root;       /* by node id: the node that wrote its value */
    const struct node **lost; /* by node id of a root: who wrote over it */
    const struct node **held; /* roots that were written and not lost, in no order */
    int nheld;
};

static struct range
range_of(const struct walk *w, const struct node *n)
{
    int64_t size = n->storage == STORAGE_ARENA ? type_bytes(&n->type, w->rows) : 1;
    return (struct range){n->storage, n->offset, n->offset + size};
}

static bool
overlap(struct range a, struct range b)
{
    return a.space == b.space && a.space != STORAGE_CONST && a.from < b.to && b.from < a.to;
}

static bool
same_memory(const struct node *a, const struct node *b)
{
    return a->storage == b->storage && a->offset == b->offset && a->storage != STORAGE_CONST;
}

/* Whether |n| only names the memory of its operand |i|. */
static bool
is_alias(const struct node *n, int *out_operand)
{
    *out_operand = n->op == OP_UPDATE;
    return (n->op == OP_RESHAPE || n->op == OP_STOP || n->op == OP_UPDATE) && same_memory(n, n->in[*out_operand]);
}

/* Whether |n| computes |out|, itself or one of its results, element by element; the reductions of a group are over what its single loop goes over. */
static bool
is_elementwise(const struct node *n, const struct node *out)
{
    uint8_t class = op_info[n->op].class;
    if (n->op == OP_FUSED)
        return op_info[n->body->outputs[out == n ? 0 : out->attr->axis.axis].node->op].class != CLASS_REDUCE;
    return class == CLASS_MAP || class == CLASS_CAST;
}

static void
hold(struct walk *w, const struct node *n)
{
    w->held[w->nheld++] = n;
    w->root[n->id] = (struct node *)n;
}

/* |n| writes the memory of |out|, itself or one of its results. */
static bool
write(struct walk *w, const struct node *n, const struct node *out)
{
    struct range r = range_of(w, out);
    for (int i = 0; i < n->nin; i++) {
        const struct node *in = n->in[i];
        if (overlap(r, range_of(w, in)) && !(n->op == OP_UPDATE && i == 0) &&
            !(is_elementwise(n, out) && same_memory(in, out) && type_equal(&in->type, &out->type)))
            return verify_fault(w->c, n, "writes over its operand %d", i);
    }
    int kept = 0;
    for (int i = 0; i < w->nheld; i++)
        if (overlap(r, range_of(w, w->held[i])))
            w->lost[w->held[i]->id] = n;
        else
            w->held[kept++] = w->held[i];
    w->nheld = kept;
    hold(w, out);
    return true;
}

static bool
lies_in_arena(const struct walk *w, const struct node *n)
{
    int64_t bytes = type_bytes(&n->type, w->rows);
    return bytes >= 0 && n->offset >= 0 && n->offset % 64 == 0 && bytes <= w->c->g->arena_bytes - n->offset;
}

static bool
check_place(const struct walk *w, const struct node *n)
{
    bool fits = n->storage == STORAGE_ARENA   ? lies_in_arena(w, n)
                : n->storage == STORAGE_INPUT ? n->offset >= 0 && n->offset < w->c->g->ninputs
                : n->storage == STORAGE_CONST ? n->op == OP_CONST
                                              : n->storage == STORAGE_VAR;
    if ((n->op == OP_VAR && n->storage != STORAGE_VAR) || (n->op == OP_INPUT && n->storage != STORAGE_INPUT) ||
        (n->op == OP_CONST && n->storage != STORAGE_CONST))
        fits = false;
    if ((n->op == OP_VAR || n->op == OP_INPUT) && n->offset != n->attr->name.index)
        fits = false;
    if (n->op == OP_UPDATE && !same_memory(n, n->in[0]))
        fits = false;
    return fits || verify_fault(w->c, n, "has no proper place: storage %d at %" PRId64, n->storage, n->offset);
}

static bool
check_reads(const struct walk *w, const struct node *n)
{
    for (int i = n->op == OP_UPDATE; i < n->nin; i++) {
        const struct node *by = w->lost[w->root[n->in[i]->id]->id];
        if (by)
            return verify_fault(w->c, n, "operand %d was overwritten by node %d", i, by->id);
    }
    return true;
}

/* Only what becomes the variable's value may lie in its memory, and only inputs in the caller's. */
static bool
check_owner(const struct walk *w, const struct node *n)
{
    if (n->storage == STORAGE_INPUT)
        return n->op == OP_INPUT || verify_fault(w->c, n, "writes an input");
    if (n->storage != STORAGE_VAR || n->op == OP_VAR || n->op == OP_UPDATE)
        return true;
    for (int i = 0; i < w->c->g->count; i++) {
        const struct node *u = w->c->updates[i];
        if (u && same_memory(u, n)) {
            const struct node *v = u->in[1];
            for (int operand; v != n && is_alias(v, &operand);)
                v = v->in[operand];
            return v == n || verify_fault(w->c, n, "lies in a variable whose value it does not become");
        }
    }
    return verify_fault(w->c, n, "lies in a variable without an update");
}

static bool
step(struct walk *w, struct node *n)
{
    int operand;
    if (n->op == OP_RESULT)
        return true;
    if (!check_reads(w, n))
        return false;
    if (is_alias(n, &operand)) {
        w->root[n->id] = w->root[n->in[operand]->id];
        return true;
    }
    struct node **results = w->c->results[n->id];
    if (!results)
        return check_owner(w, n) && write(w, n, n);
    for (int i = 0; i < n->body->noutputs; i++) {
        for (int k = 0; k < i; k++)
            if (overlap(range_of(w, results[i]), range_of(w, results[k])))
                return verify_fault(w->c, n, "results %d and %d share memory", k, i);
        if (!check_owner(w, results[i]) || !write(w, n, results[i]))
            return false;
    }
    w->root[n->id] = n;
    return same_memory(n, results[0]) || verify_fault(w->c, n, "lies elsewhere than its first result");
}

static bool
check_end(const struct walk *w)
{
    const struct graph *g = w->c->g;
    for (int i = 0; i < g->noutputs; i++) {
        const struct node *by = w->lost[w->root[g->outputs[i].node->id]->id];
        if (by)
            return verify_fault(w->c, g->outputs[i].node, "is an output, but was overwritten by node %d", by->id);
    }
    for (int i = 0; i < g->count; i++)
        if (w->c->updates[i] && w->lost[w->root[w->c->updates[i]->id]->id])
            return verify_fault(w->c, w->c->updates[i], "the variable's new value was overwritten");
    return true;
}

bool
verify_storage(const struct check *c)
{
    const struct graph *g = c->g;
    struct walk w = {.c = c, .rows = g->max_rows};
    w.root = ARENA_ARRAY(g->arena, struct node *, g->count);
    w.lost = ARENA_ARRAY(g->arena, const struct node *, g->count);
    w.held = ARENA_ARRAY(g->arena, const struct node *, g->count);
    if (g->max_rows < 1)
        return verify_fault(c, NULL, "is planned for no rows");
    for (int i = 0; i < g->count; i++)
        if (!check_place(&w, g->nodes[i]))
            return false;
    for (int i = 0; i < g->count; i++)
        if (op_info[g->nodes[i]->op].class == CLASS_LEAF && g->nodes[i]->op != OP_ROWS)
            hold(&w, g->nodes[i]);
    for (int i = 0; i < g->count; i++)
        if (!w.root[i] && !step(&w, g->nodes[i]))
            return false;
    return check_end(&w);
}
