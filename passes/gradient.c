/* gradient: the derivative of one value by others, as nodes of the same graph.
 *
 * Walks backwards over the nodes between what is wanted and the root, and calls each operation's rule (gradient_rules.c). A
 * value with several uses gets one gradient a use; they are summed left to right in the order of the uses (numerics.md, item
 * 5), so they are kept apart until the walk comes to the value.
 * Looks at types and constants only, never at values: it works while the graph is run by its hook.
 * Needs: types. Keeps: all nodes. Adds nodes at the end, each with the place of the node whose derivative it belongs to. */
#include "passes/gradient.h"
#include <assert.h>

/* The gradient that one use of a value contributes. */
struct share {
    struct node *g;
    int user, operand; /* of which node's operand; the list is in this order */
    struct share *next;
};

struct derivation {
    struct graph *graph;
    int count;            /* nodes up to the root; only these take part */
    bool *wanted;         /* by id: leads back to a wanted node */
    struct share **share; /* by id */
};

struct graph *
derivation_graph(const struct derivation *d)
{
    return d->graph;
}

void
derivative_none(struct derivation *d, struct node *n, struct node *g)
{
    (void)d, (void)n, (void)g;
}

bool
derivation_wants(const struct derivation *d, const struct node *n, int i)
{
    return d->wanted[n->in[i]->id];
}

static void
add_share(struct derivation *d, struct node *value, int user, int operand, struct node *g)
{
    assert(g->type.elem == value->type.elem && g->type.rank <= value->type.rank);
    struct share **at = &d->share[value->id];
    while (*at && ((*at)->user < user || ((*at)->user == user && (*at)->operand < operand)))
        at = &(*at)->next;
    struct share *s = ARENA_NEW(d->graph->arena, struct share);
    *s = (struct share){.g = g, .user = user, .operand = operand, .next = *at};
    *at = s;
}

void
derivation_give_shaped(struct derivation *d, struct node *n, int i, struct node *g)
{
    if (derivation_wants(d, n, i))
        add_share(d, n->in[i], n->id, i, g);
}

/* The axes of |whole| along which |part| was repeated when it was broadcast to it. */
static uint32_t
repeated_axes(const struct type *part, const struct type *whole)
{
    uint32_t axes = 0;
    int missing = whole->rank - part->rank;
    for (int i = 0; i < whole->rank; i++)
        if (i < missing || part->dim[i - missing] != whole->dim[i])
            axes |= 1u << i;
    return axes;
}

void
derivation_give(struct derivation *d, struct node *n, int i, struct node *g)
{
    if (!derivation_wants(d, n, i))
        return;
    const struct type *part = &n->in[i]->type;
    uint32_t axes = repeated_axes(part, &n->type);
    if (axes) {
        g = graph_reduce(d->graph, OP_SUM, graph_broadcast(d->graph, g, &n->type), axes, false);
        g = graph_reshape(d->graph, g, part);
    }
    add_share(d, n->in[i], n->id, i, g);
}

/* Whether a gradient flows from |n| to its operand |i|. */
static bool
flows(const struct node *n, int i)
{
    return derivative_of[n->op] != derivative_none && elem_is_float(n->type.elem) && elem_is_float(n->in[i]->type.elem);
}

static void
mark_wanted(struct derivation *d, int count, struct node *const *wrt)
{
    for (int i = 0; i < count; i++)
        if (wrt[i]->id < d->count)
            d->wanted[wrt[i]->id] = true;
    for (int id = 0; id < d->count; id++) {
        const struct node *n = d->graph->nodes[id];
        for (int i = 0; i < n->nin && !d->wanted[id]; i++)
            d->wanted[id] = flows(n, i) && d->wanted[n->in[i]->id];
    }
}

/* Whether the rule of |n| has anything to do: a wanted leaf, or a wanted node of which only the value itself is asked, has
 * not. */
static bool
hands_on(const struct derivation *d, const struct node *n)
{
    for (int i = 0; i < n->nin; i++)
        if (flows(n, i) && derivation_wants(d, n, i))
            return true;
    return false;
}

static struct node *
sum_shares(struct derivation *d, int id)
{
    struct share *s = d->share[id];
    struct node *g = s ? s->g : NULL;
    for (s = s ? s->next : NULL; s; s = s->next)
        g = graph_add2(d->graph, OP_ADD, g, s->g);
    return g;
}

void
gradient_from(struct graph *g, struct node *root, struct node *seed, int count, struct node *const *wrt, struct node **out)
{
    struct derivation d = {.graph = g, .count = root->id + 1};
    d.wanted = ARENA_ARRAY(g->arena, bool, d.count);
    d.share = ARENA_ARRAY(g->arena, struct share *, d.count);
    struct node **total = ARENA_ARRAY(g->arena, struct node *, d.count);
    struct place place = g->place, inner = g->inner;
    mark_wanted(&d, count, wrt);
    if (d.wanted[root->id])
        add_share(&d, root, d.count, 0, seed);
    for (int id = root->id; id >= 0; id--) {
        struct node *n = g->nodes[id];
        if (!d.wanted[id] || !d.share[id])
            continue;
        g->place = n->place;
        g->inner = n->inner;
        total[id] = sum_shares(&d, id);
        if (hands_on(&d, n))
            derivative_of[n->op](&d, n, total[id]);
    }
    g->place = place;
    g->inner = inner;
    for (int i = 0; i < count; i++) {
        struct node *v = wrt[i]->id < d.count ? total[wrt[i]->id] : NULL;
        out[i] = v ? graph_broadcast(g, v, &wrt[i]->type) : NULL;
    }
}

void
gradient(struct graph *g, struct node *loss, int count, struct node *const *wrt, struct node **out)
{
    assert(loss->type.rank == 0);
    gradient_from(g, loss, graph_number(g, (enum elem)loss->type.elem, 1), count, wrt, out);
}
