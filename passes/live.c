/* live: lifetimes from the places of a planned graph. */
#include "passes/live.h"

/* The operand whose memory |n| only names; NULL if it writes. */
static const struct node *
named(const struct node *n)
{
    if (n->op != OP_RESHAPE && n->op != OP_STOP && n->op != OP_UPDATE)
        return NULL;
    const struct node *in = n->in[n->op == OP_UPDATE];
    return in->storage == n->storage && in->offset == n->offset ? in : NULL;
}

bool
node_runs(const struct node *n)
{
    return (op_info[n->op].class != CLASS_LEAF || n->op == OP_ROWS) && n->op != OP_RESULT && !named(n);
}

static bool
has_results(const struct node *n)
{
    return n->op == OP_FUSED && n->body->noutputs > 1;
}

struct live
live_values(const struct graph *g, struct arena *arena)
{
    struct live l = {ARENA_ARRAY(arena, struct live_value, g->count + 1), 0, ARENA_ARRAY(arena, int, g->count + 1)};
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i], *from = named(n);
        l.of[i] = from ? l.of[from->id] : -1;
        if (!from && n->storage == STORAGE_ARENA && !has_results(n)) {
            int writer = n->op == OP_RESULT ? n->in[0]->id : i;
            l.values[l.count] = (struct live_value){n, type_bytes(&n->type, g->max_rows), n->offset, writer, writer};
            l.of[i] = l.count++;
        }
        for (int k = n->op == OP_UPDATE; n->op != OP_RESULT && k < n->nin; k++) {
            int v = l.of[n->in[k]->id];
            if (v >= 0 && l.values[v].last < i)
                l.values[v].last = i;
        }
    }
    for (int i = 0; i < g->noutputs; i++)
        if (l.of[g->outputs[i].node->id] >= 0)
            l.values[l.of[g->outputs[i].node->id]].last = g->count;
    return l;
}

int
live_peak(const struct graph *g, const struct live *l, struct arena *arena)
{
    int64_t *change = ARENA_ARRAY(arena, int64_t, g->count + 3), live = 0, most = -1;
    int peak = 0;
    for (int i = 0; i < l->count; i++) {
        const struct live_value *v = &l->values[i];
        const struct node *w = v->node->op == OP_RESULT ? v->node->in[0] : v->node;
        change[v->first] += v->bytes;
        change[v->last + 1] -= v->bytes;
        for (int k = 0; k < w->nin; k++) {
            const struct live_value *in = l->of[w->in[k]->id] >= 0 ? &l->values[l->of[w->in[k]->id]] : NULL;
            if (!in || in->offset != v->offset || in->last != v->first)
                continue;
            change[v->first] -= in->bytes;
            change[v->first + 1] += in->bytes;
            break;
        }
    }
    for (int i = 0; i <= g->count; i++) {
        live += change[i];
        if (live > most) {
            most = live;
            peak = i;
        }
    }
    return peak;
}
