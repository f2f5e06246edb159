/* dce: removes nodes that nothing observable depends on.
 *
 * Marks backwards from outputs and updates, then sweeps once. Inputs and variables stay: they are the graph's signature. The
 * results of a group stay together: as long as one is used, each keeps its node, which names the memory that the group
 * writes.
 * Needs: nothing. Keeps: order. */
#include "passes/pass.h"

static bool
is_root(const struct node *n)
{
    return n->op == OP_INPUT || n->op == OP_VAR || op_info[n->op].class == CLASS_EFFECT;
}

static void
mark_operands(const struct graph *g, bool *keep)
{
    for (int i = g->count - 1; i >= 0; i--)
        for (int k = 0; keep[i] && k < g->nodes[i]->nin; k++)
            keep[g->nodes[i]->in[k]->id] = true;
}

static void
mark_results(const struct graph *g, bool *keep)
{
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_RESULT)
            keep[i] = keep[g->nodes[i]->in[0]->id];
}

bool
pass_dce(struct graph *g, struct diag *diag)
{
    (void)diag;
    bool *keep = ARENA_ARRAY(g->arena, bool, g->count + 1);
    int before = g->count;
    for (int i = 0; i < g->count; i++)
        keep[i] = is_root(g->nodes[i]);
    for (int i = 0; i < g->noutputs; i++)
        keep[g->outputs[i].node->id] = true;
    mark_operands(g, keep);
    mark_results(g, keep);
    graph_sweep(g, keep);
    return g->count < before;
}
