/* pass: the tables of the passes, the pipeline, and what several passes ask of a graph. */
#include "passes/explain.h"
#include <string.h>

/* Each round does less than the one before; this many are never needed. */
enum { ROUNDS_MAX = 100 };

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

/* Whether |p| changed something goes to |changed|, what it did to the remarks. */
static bool
run_pass(struct graph *g, enum pass p, bool *changed, struct diag *diag)
{
    int errors = diag->errors, before = g->count;
    if (g->remarks)
        g->remarks->pass = p;
    *changed = pass_info[p].run(g, diag);
    if (*changed && g->count != before)
        explain(g, "%d nodes become %d", before, g->count);
    return diag->errors == errors;
}

bool
passes_run_watched(struct graph *g, uint32_t without, enum pass last, pass_watch_fn *watch, void *context, struct diag *diag)
{
    bool any = false, changed;
    int rounds = 0;
    for (int p = 0; p <= (int)last && p < PASS_COUNT; p++) {
        if (!(without >> p & 1 && pass_info[p].optional)) {
            if (!run_pass(g, (enum pass)p, &changed, diag) || (changed && watch && !watch(context, (enum pass)p, g, diag)))
                return false;
            any |= changed;
        }
        if (p == PASS_ROUND_LAST && any && (int)last > p && ++rounds < ROUNDS_MAX) {
            any = false;
            p = -1;
        }
    }
    return true;
}

static bool
verify_after(void *context, enum pass p, struct graph *g, struct diag *diag)
{
    if (graph_verify(g, diag))
        return true;
    diag_report(diag, NOTE_PASS, (struct place){0}, pass_info[p].name);
    return false;
}

bool
passes_run(struct graph *g, uint32_t without, enum pass last, bool verify, struct diag *diag)
{
#ifndef NDEBUG
    verify = true;
#endif
    return passes_run_watched(g, without, last, verify ? verify_after : NULL, NULL, diag);
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
