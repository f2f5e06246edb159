/* cse: merges nodes that compute the same: equal op, operands (in either order where the op commutes), attributes and type.
 *
 * One walk in list order with a hash table, so that merged operands make their users equal in turn. The first of equals
 * stays and keeps its place in the text. Random draws are never merged, even with equal streams: leaves with names and
 * updates neither. Groups are not compared. What lost its users is left to dce.
 * Needs: nothing. Keeps: order. */
#include "passes/pass.h"
#include <string.h>

struct table {
    struct node **slot;
    uint32_t mask;
};

static bool
may_merge(const struct node *n)
{
    static const uint32_t classes =
        1u << CLASS_MAP | 1u << CLASS_CAST | 1u << CLASS_REDUCE | 1u << CLASS_CONTRACT | 1u << CLASS_MOVE;
    return classes >> op_info[n->op].class & 1 || n->op == OP_CONST || n->op == OP_ROWS;
}

static bool
is_swapped(const struct node *n)
{
    return op_info[n->op].flags & OP_COMMUTES && n->in[0]->id > n->in[1]->id;
}

/* Operand |i| in the order in which commuting operations are compared. */
static struct node *
operand(const struct node *n, int i)
{
    return n->in[is_swapped(n) ? 1 - i : i];
}

static uint32_t
mix(uint32_t hash, uint64_t value)
{
    value = (value ^ hash) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(value >> 32);
}

static uint32_t
hash_of(const struct node *n)
{
    uint32_t hash = mix(n->op, n->type.elem);
    for (int i = 0; i < n->type.rank; i++)
        hash = mix(hash, (uint64_t)n->type.dim[i]);
    for (int i = 0; i < n->nin; i++)
        hash = mix(hash, (uint64_t)operand(n, i)->id);
    if (node_is_number(n)) {
        uint64_t bits;
        memcpy(&bits, &n->attr->value.real, sizeof bits);
        hash = mix(hash, bits ^ (uint64_t)n->attr->value.whole);
    }
    return hash;
}

static bool
is_equal(const struct node *a, const struct node *b)
{
    if (a->op != b->op || a->nin != b->nin || !type_equal(&a->type, &b->type))
        return false;
    for (int i = 0; i < a->nin; i++)
        if (operand(a, i) != operand(b, i))
            return false;
    const struct type *type = a->nin ? &a->in[0]->type : &a->type;
    return attr_equal(op_info[a->op].attrs, type, a->attr, b->attr);
}

/* The node that stands for |n|: the first equal one, or |n| itself, which is entered. */
static struct node *
representative(struct table *t, struct node *n)
{
    if (!may_merge(n))
        return n;
    uint32_t at = hash_of(n) & t->mask;
    while (t->slot[at] && !is_equal(t->slot[at], n))
        at = (at + 1) & t->mask;
    if (!t->slot[at])
        t->slot[at] = n;
    return t->slot[at];
}

bool
pass_cse(struct graph *g, struct diag *diag)
{
    (void)diag;
    struct table t = {.mask = 63};
    while (t.mask < 2 * (uint32_t)g->count)
        t.mask = t.mask * 2 + 1;
    t.slot = ARENA_ARRAY(g->arena, struct node *, t.mask + 1);
    bool changed = false;
    for (int i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        for (int k = 0; k < n->nin; k++) {
            changed |= n->in[k] != n->in[k]->mark;
            n->in[k] = n->in[k]->mark;
        }
        n->mark = representative(&t, n);
    }
    for (int i = 0; i < g->noutputs; i++) {
        changed |= g->outputs[i].node != g->outputs[i].node->mark;
        g->outputs[i].node = g->outputs[i].node->mark;
    }
    return changed;
}
