/* rewrite: the walk that fold, simplify and layout have in common: nodes are replaced by others while the list is made anew.
 *
 * Operands are replaced before their users are looked at, so that one walk is enough. What a rule builds on the way and
 * nobody needs in the end is removed; what merely lost its users is left to dce. */
#include "passes/pass.h"

/* The constant of the new list that equals |n|, which enters it otherwise. */
static struct node *
adopt_number(struct graph *g, struct node *n)
{
    for (int i = 0; i < g->nconsts; i++)
        if (g->consts[i]->type.elem == n->type.elem && attr_equal(ATTRS_VALUE, &n->type, g->consts[i]->attr, n->attr))
            return g->consts[i];
    *ARENA_PUSH(g->arena, g->consts, g->nconsts, g->consts_cap) = n;
    n->id = g->count;
    return *ARENA_PUSH(g->arena, g->nodes, g->count, g->cap) = n;
}

static struct node *
rewrite(struct graph *g, struct node *n, rewrite_fn *rule, void *context)
{
    struct node *old = n, *next;
    if (node_is_number(n))
        return adopt_number(g, n);
    for (int k = 0; k < n->nin; k++)
        n->in[k] = n->in[k]->mark;
    g->place = n->place;
    g->inner = n->inner;
    while ((next = rule(g, n, context)))
        n = next;
    if (n == old) {
        n->id = g->count;
        *ARENA_PUSH(g->arena, g->nodes, g->count, g->cap) = n;
    }
    return n;
}

/* Removes the nodes that the walk made (their marks are empty) and that have no users. */
static void
sweep_made(struct graph *g)
{
    int *uses = count_uses(g);
    bool *keep = ARENA_ARRAY(g->arena, bool, g->count + 1);
    for (int i = g->count - 1; i >= 0; i--) {
        struct node *n = g->nodes[i];
        keep[i] = n->mark || uses[i];
        for (int k = 0; !keep[i] && k < n->nin; k++)
            uses[n->in[k]->id]--;
    }
    graph_sweep(g, keep);
}

void
graph_rewrite(struct graph *g, rewrite_fn *rule, void *context)
{
    struct node **nodes = g->nodes;
    int count = g->count;
    g->nodes = g->consts = NULL;
    g->count = g->cap = g->nconsts = g->consts_cap = 0;
    for (int i = 0; i < count; i++)
        nodes[i]->mark = NULL;
    for (int i = 0; i < count; i++)
        nodes[i]->mark = rewrite(g, nodes[i], rule, context);
    for (int i = 0; i < g->noutputs; i++)
        g->outputs[i].node = g->outputs[i].node->mark;
    graph_renumber(g);
    sweep_made(g);
}
