/* pass: the tables of the passes, the pipeline, and what several passes ask of a graph. */
#include "passes/pass.h"
#include <string.h>

const struct pass_info pass_info[PASS_COUNT] = {
#define PASS(id, name, optional, help) [PASS_##id] = {#name, help, pass_##name, optional},
#include "passes/passes.def"
#undef PASS
};

enum pass
pass_from_name(const char *name)
{
    for (int p = 0; p < PASS_COUNT; p++)
        if (!strcmp(pass_info[p].name, name))
            return (enum pass)p;
    return PASS_COUNT;
}

bool
passes_run(struct graph *g, uint32_t without, enum pass last, bool verify, struct diag *diag)
{
#ifndef NDEBUG
    verify = true;
#endif
    int errors = diag->errors;
    for (int p = 0; p <= (int)last && p < PASS_COUNT; p++) {
        if (without >> p & 1 && pass_info[p].optional)
            continue;
        pass_info[p].run(g, diag);
        if (diag->errors > errors || (verify && !graph_verify(g, diag)))
            return false;
    }
    return true;
}

int *
count_uses(const struct graph *g)
{
    int *uses = ARENA_ARRAY(g->arena, int, g->count + 1);
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < g->nodes[i]->nin; k++)
            uses[g->nodes[i]->in[k]->id]++;
    for (int i = 0; i < g->noutputs; i++)
        uses[g->outputs[i].node->id]++;
    return uses;
}

void
graph_renumber(struct graph *g)
{
    for (int i = 0; i < g->count; i++)
        g->nodes[i]->id = i;
}

/* Keeps the nodes of |list| for which |keep| holds, in order; returns how many. */
static int
sweep_list(struct node **list, int count, const bool *keep)
{
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (keep[list[i]->id])
            list[kept++] = list[i];
    return kept;
}

void
graph_sweep(struct graph *g, const bool *keep)
{
    g->nconsts = sweep_list(g->consts, g->nconsts, keep);
    g->count = sweep_list(g->nodes, g->count, keep);
    graph_renumber(g);
}
