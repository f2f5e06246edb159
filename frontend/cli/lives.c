/* lives: eager mode cannot know when a value is read for the last time, but the next step will do what this one did. So values leave their
 * memory to others while it is in the cache, results take the place of an operand, and new values of variables whose old ones nobody
 * reads any more are written where they shall lie. */
#include "frontend/cli/lives.h"
#include <limits.h>

struct lives {
    const struct graph *g;
    struct life *life;
    int *last;          /* of a node that computes: the last one that reads its value; INT_MAX: it is read after the step */
    int *var_last;      /* of a variable: the last node that reads the old value */
    int *var_updates;
};

/* Whose memory a node has: that of the node returned. */
static const struct node *
source(const struct node *n)
{
    while (n->op == OP_RESHAPE || n->op == OP_STOP || n->op == OP_UPDATE)
        n = n->in[n->op == OP_UPDATE];
    return n;
}

static bool
is_computed(const struct node *n)
{
    return source(n) == n && n->op != OP_VAR && n->op != OP_INPUT;
}

static void
read_by(struct lives *l, const struct node *value, int reader)
{
    const struct node *from = source(value);
    if (from->op == OP_VAR)
        l->var_last[from->attr->name.index] = reader;
    else
        l->last[from->id] = reader;
}

static void
find_reads(struct lives *l)
{
    for (int i = 0; i < l->g->count; i++) {
        const struct node *n = l->g->nodes[i];
        l->life[i] = (struct life){LIFE_NEW, -1, -1};
        l->last[i] = i;
        for (int k = 0; n->op != OP_UPDATE && k < n->nin; k++)
            read_by(l, n->in[k], i);
        if (n->op == OP_UPDATE)
            l->var_updates[n->in[0]->attr->name.index]++;
    }
    for (int i = 0; i < l->g->count; i++)
        if (l->g->nodes[i]->op == OP_UPDATE)
            read_by(l, l->g->nodes[i]->in[1], INT_MAX); /* copied when the step is done, unless it lies there already */
    for (int i = 0; i < l->g->noutputs; i++)
        read_by(l, l->g->outputs[i].node, INT_MAX);
}

/* Whether |n| may be written over what |from| gave: it reads it element by element, or not at all. */
static bool
may_overwrite(const struct node *n, const struct node *from)
{
    for (int k = 0; k < n->nin; k++) {
        const struct node *s = source(n->in[k]);
        bool same = s == from || (s->op == OP_VAR && from->op == OP_VAR && s->attr->name.index == from->attr->name.index);
        if (same && (op_info[n->op].class != CLASS_MAP || !type_equal(&n->in[k]->type, &n->type)))
            return false;
    }
    return true;
}

static void
place_update(struct lives *l, const struct node *update)
{
    const struct node *x = source(update->in[1]), *var = update->in[0];
    int v = var->attr->name.index;
    if (is_computed(x) && l->life[x->id].place == LIFE_NEW && l->var_updates[v] == 1 && l->var_last[v] <= x->id &&
        type_equal(&x->type, &var->type) && may_overwrite(x, var))
        l->life[x->id].place = -2 - v;
}

/* In place of an operand that is not read again. */
static void
place_on_operand(struct lives *l, const struct node *n)
{
    struct life *life = &l->life[n->id];
    for (int k = 0; k < n->nin && life->place == LIFE_NEW; k++) {
        const struct node *a = source(n->in[k]);
        if (op_info[n->op].class == CLASS_MAP && is_computed(a) && l->last[a->id] == n->id && l->life[a->id].place >= LIFE_NEW &&
            type_equal(&a->type, &n->type) && may_overwrite(n, a)) {
            life->place = a->id;
            l->last[a->id] = INT_MAX; /* it is the new value's */
        }
    }
}

struct life *
lives_of(const struct graph *g, struct arena *arena)
{
    int nvars = 1;
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_VAR && g->nodes[i]->attr->name.index >= nvars)
            nvars = g->nodes[i]->attr->name.index + 1;
    struct lives l = {g, ARENA_ARRAY(arena, struct life, g->count + 1), ARENA_ARRAY(arena, int, g->count + 1), ARENA_ARRAY(arena, int, nvars),
                      ARENA_ARRAY(arena, int, nvars)};
    if (!l.life || !l.last || !l.var_last || !l.var_updates)
        return NULL;
    find_reads(&l);
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_UPDATE)
            place_update(&l, g->nodes[i]);
    for (int i = 0; i < g->count; i++)
        place_on_operand(&l, g->nodes[i]);
    for (int i = 0; i < g->count; i++)
        if (is_computed(g->nodes[i]) && l.life[i].place >= LIFE_NEW && l.last[i] < INT_MAX) {
            struct life *end = &l.life[l.last[i]];
            l.life[i].next = end->ends;
            end->ends = i;
        }
    return l.life;
}
