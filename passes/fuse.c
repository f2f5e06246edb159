/* fuse: groups elementwise nodes, broadcasts and trailing reductions into FUSED nodes, one kernel each.
 *
 * Every node starts as a cluster of its own. Along the list each fusible node joins the cluster of each operand if the union
 * is a kernel: one domain (the shape over which it loops; numbers of rank 0 are a domain of their own, so that they are
 * computed once a step and not once an element), reductions over the same axes and used outside only, within the limits of
 * graph.h, and no way out of the union and back in, since such a group could stand nowhere in the list. Then clusters that do not
 * depend on each other are joined if their common domain is small: the optimiser's updates of all biases are few kernels. Nothing is
 * computed twice: what is used outside as well becomes a result. Values keep their bits, since a body's operations are the same texts
 * in the same order (numerics.md, items 1 and 4). stop_gradient has done its work by now and is passed by.
 * Needs: nothing. Keeps: values. Breaks: order, which it makes anew. */
#include "passes/explain.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Elements of a domain up to which starting a kernel costs more than what the values of a second one push out of the cache. */
enum { SMALL_DOMAIN = 4096 };

struct fuse {
    struct graph *g;
    struct node **nodes; /* the list as it was */
    int count;
    int *cluster;        /* by node id; the least id of its members */
    int *next;           /* by node id: the next member, ascending; -1 */
    struct node **tail;  /* by cluster: one of its reductions */
    int *user, *users;   /* users of node i: user[users[i]] ... */
    bool *is_output;
    int *seen;           /* by node id: the last search that saw it */
    int search;
    int *noted;          /* by cluster: 1 + the last one whose border with it was noted */
    struct node **made;  /* by cluster: its node in the new list */
    int *stack, *other_stack;
};

/* ---- what the pass asks of a node ---- */

static bool
is_reduction(const struct node *n)
{
    return op_info[n->op].class == CLASS_REDUCE;
}

static bool
is_fusible(const struct node *n)
{
    uint8_t class = op_info[n->op].class;
    return class == CLASS_MAP || class == CLASS_CAST || n->op == OP_BROADCAST || op_info[n->op].flags & OP_TAIL;
}

/* Leaves that a body has for itself. */
static bool
is_copied(const struct node *n)
{
    return node_is_number(n) || n->op == OP_ROWS;
}

static const struct type *
domain(const struct node *n)
{
    return is_reduction(n) ? &n->in[0]->type : &n->type;
}

/* ---- whether two clusters can be one ---- */

static bool
in_union(const struct fuse *f, int id, int a, int b)
{
    return f->cluster[id] == a || f->cluster[id] == b;
}

/* Whether member |id| of the union is needed outside; what nothing uses counts as well. */
static bool
is_result(const struct fuse *f, int id, int a, int b)
{
    bool result = f->is_output[id] || f->users[id] == f->users[id + 1];
    for (int i = f->users[id]; i < f->users[id + 1]; i++)
        result |= !in_union(f, f->user[i], a, b);
    return result;
}

struct size {
    int values, nodes;
};

/* Adds the members of cluster |c|; false if one uses a reduction of the union. */
static bool
add_size(struct fuse *f, int c, int a, int b, struct size *size)
{
    for (int id = c; id >= 0; id = f->next[id]) {
        const struct node *n = f->nodes[id];
        size->nodes++;
        size->values += is_result(f, id, a, b);
        for (int k = 0; k < n->nin; k++) {
            int in = n->in[k]->id;
            if (in_union(f, in, a, b) && is_reduction(n->in[k]))
                return false;
            if (in_union(f, in, a, b) || f->seen[in] == f->search)
                continue;
            f->seen[in] = f->search;
            size->nodes++;
            size->values += !is_copied(n->in[k]);
        }
    }
    return true;
}

static bool
fits(struct fuse *f, int a, int b)
{
    struct size size = {0};
    f->search++;
    return add_size(f, a, a, b, &size) && add_size(f, b, a, b, &size) && size.values <= FUSED_VALUES_MAX &&
           size.nodes <= FUSED_NODES_MAX;
}

/* A search for a second way between two clusters, over whole clusters, from both of its ends by turns: often one is short. */
struct search {
    int *stack, top, mark; /* clusters to come, and what is in |seen| for those that were met */
};

/* Meets cluster |c|; true if the other search has met it. */
static bool
meet(struct fuse *f, struct search *s, const struct search *other, int c)
{
    if (f->seen[c] == other->mark)
        return true;
    if (f->seen[c] != s->mark) {
        f->seen[c] = s->mark;
        s->stack[s->top++] = c;
    }
    return false;
}

/* Meets those that use members of |c|; nodes after |last| are in no cluster yet and lead to none. */
static bool
meet_users(struct fuse *f, struct search *s, const struct search *other, int c, int last)
{
    for (int id = c; id >= 0; id = f->next[id])
        for (int i = f->users[id]; i < f->users[id + 1]; i++) {
            int user = f->cluster[f->user[i]];
            if (user <= last && meet(f, s, other, user))
                return true;
        }
    return false;
}

static bool
meet_operands(struct fuse *f, struct search *s, const struct search *other, int c)
{
    for (int id = c; id >= 0; id = f->next[id])
        for (int k = 0; k < f->nodes[id]->nin; k++)
            if (meet(f, s, other, f->cluster[f->nodes[id]->in[k]->id]))
                return true;
    return false;
}

/* Whether a way leads out of the union of |a| and |b|, which uses |a|, and back in: one from |a| to |b|, since clusters have no rings. |last| is
 * the newest node of the union. */
static bool
leaves_and_returns(struct fuse *f, int a, int b, int last)
{
    struct search down = {f->stack, 0, ++f->search}, up = {f->other_stack, 0, ++f->search};
    f->seen[a] = f->seen[b] = down.mark; /* the way that stays inside is not looked for */
    meet_users(f, &down, &up, a, last);
    f->seen[a] = f->seen[b] = up.mark;
    if (meet_operands(f, &up, &down, b))
        return true;
    while (down.top && up.top)
        if (meet_users(f, &down, &up, down.stack[--down.top], last) || meet_operands(f, &up, &down, up.stack[--up.top]))
            return true;
    return false;
}

/* ---- clusters ---- */

static void
join(struct fuse *f, int a, int b)
{
    int first = a < b ? a : b, other = a < b ? b : a;
    for (int id = other; id >= 0; id = f->next[id])
        f->cluster[id] = first;
    if (!f->tail[first])
        f->tail[first] = f->tail[other];
    for (int at = first; other >= 0;) { /* both lists ascend */
        if (f->next[at] >= 0 && f->next[at] < other) {
            at = f->next[at];
            continue;
        }
        int rest = f->next[at];
        f->next[at] = other;
        at = other;
        other = rest;
    }
}

static void
try_join(struct fuse *f, const struct node *n, const struct node *operand)
{
    int a = f->cluster[operand->id], b = f->cluster[n->id];
    if (a == b || !is_fusible(operand) || is_reduction(operand) || !type_same_shape(domain(operand), domain(n)))
        return;
    if (f->tail[a] && f->tail[b] && f->tail[a]->attr->axes.axes != f->tail[b]->attr->axes.axes)
        return;
    if (fits(f, a, b) && !leaves_and_returns(f, a, b, n->id))
        join(f, a, b);
}

static void
find_users(struct fuse *f)
{
    int total = 0;
    int *at = ARENA_ARRAY(f->g->arena, int, f->count + 1);
    f->users = ARENA_ARRAY(f->g->arena, int, f->count + 1);
    for (int i = 0; i < f->count; i++)
        for (int k = 0; k < f->nodes[i]->nin; k++, total++)
            f->users[f->nodes[i]->in[k]->id + 1]++;
    for (int i = 0; i < f->count; i++)
        at[i + 1] = f->users[i + 1] += f->users[i];
    f->user = ARENA_ARRAY(f->g->arena, int, total + 1);
    for (int i = 0; i < f->count; i++)
        for (int k = 0; k < f->nodes[i]->nin; k++)
            f->user[at[f->nodes[i]->in[k]->id]++] = i;
}

static void
find_clusters(struct fuse *f)
{
    struct arena *a = f->g->arena;
    f->cluster = ARENA_ARRAY(a, int, f->count + 1);
    f->next = ARENA_ARRAY(a, int, f->count + 1);
    f->tail = ARENA_ARRAY(a, struct node *, f->count + 1);
    f->seen = ARENA_ARRAY(a, int, f->count + 1);
    f->stack = ARENA_ARRAY(a, int, f->count + 1);
    f->other_stack = ARENA_ARRAY(a, int, f->count + 1);
    f->is_output = ARENA_ARRAY(a, bool, f->count + 1);
    for (int i = 0; i < f->count; i++) {
        f->cluster[i] = i;
        f->next[i] = -1;
        f->tail[i] = is_reduction(f->nodes[i]) ? f->nodes[i] : NULL;
    }
    for (int i = 0; i < f->g->noutputs; i++)
        f->is_output[f->g->outputs[i].node->id] = true;
    for (int i = 0; i < f->count; i++)
        for (int k = 0; is_fusible(f->nodes[i]) && k < f->nodes[i]->nin; k++)
            try_join(f, f->nodes[i], f->nodes[i]->in[k]);
}

/* ---- clusters that do not depend on each other ---- */

/* A cluster with its level, the most kernels on a way that leads to it (or from it, at the second look). Along any way the level rises
 * from kernel to kernel, so clusters of one level are independent, and joining some of them leaves all levels right. */
struct leveled {
    struct node *node;  /* its first member */
    int level;
    uint32_t axes;      /* that it reduces */
};

static bool
is_weightless(const struct node *n)
{
    uint8_t class = op_info[n->op].class;
    return class == CLASS_LEAF || class == CLASS_EFFECT || n->op == OP_RESHAPE || n->op == OP_STOP || n->op == OP_RESULT;
}

/* Levels by cluster. |down|: of ways to it; else of ways from it. */
static int *
find_levels(const struct fuse *f, bool down)
{
    struct arena *arena = f->g->arena;
    int *level = ARENA_ARRAY(arena, int, f->count + 1), *waiting = ARENA_ARRAY(arena, int, f->count + 1);
    int *ready = ARENA_ARRAY(arena, int, f->count + 1), count = 0;
    for (int i = 0; i < f->count; i++)
        for (int k = 0; k < f->nodes[i]->nin; k++) {
            int in = f->cluster[f->nodes[i]->in[k]->id];
            if (in != f->cluster[i])
                waiting[down ? f->cluster[i] : in]++;
        }
    for (int i = 0; i < f->count; i++)
        if (f->cluster[i] == i && !waiting[i])
            ready[count++] = i;
    for (int at = 0; at < count; at++) {
        int c = ready[at];
        level[c] += !is_weightless(f->nodes[c]);
        for (int id = c; id >= 0; id = f->next[id]) {
            const struct node *n = f->nodes[id];
            int ways = down ? f->users[id + 1] - f->users[id] : n->nin;
            for (int k = 0; k < ways; k++) {
                int other = f->cluster[down ? f->user[f->users[id] + k] : n->in[k]->id];
                if (other == c)
                    continue;
                level[other] = level[c] > level[other] ? level[c] : level[other];
                if (!--waiting[other])
                    ready[count++] = other;
            }
        }
    }
    return level;
}

static bool
has_small_domain(const struct node *n)
{
    const struct type *t = domain(n);
    return is_fusible(n) && !type_has_rows(t) && type_count(t, 1) <= SMALL_DOMAIN;
}

static int
by_kind(const void *a, const void *b)
{
    const struct leveled *x = a, *y = b;
    const struct type *s = domain(x->node), *t = domain(y->node);
    if (x->level != y->level)
        return x->level - y->level;
    if (s->rank != t->rank)
        return s->rank - t->rank;
    int order = memcmp(s->dim, t->dim, sizeof s->dim[0] * s->rank);
    if (order)
        return order;
    if (x->axes != y->axes)
        return x->axes < y->axes ? -1 : 1;
    return x->node->id - y->node->id;
}

static bool
may_stand_together(const struct leveled *a, const struct leveled *b)
{
    return a->level == b->level && type_same_shape(domain(a->node), domain(b->node)) && a->axes == b->axes;
}

static int
join_level(struct fuse *f, bool down)
{
    const int *level = find_levels(f, down);
    struct leveled *list = ARENA_ARRAY(f->g->arena, struct leveled, f->count + 1);
    int count = 0, joined = 0;
    for (int i = 0; i < f->count; i++)
        if (f->cluster[i] == i && has_small_domain(f->nodes[i]))
            list[count++] = (struct leveled){f->nodes[i], level[i], f->tail[i] ? f->tail[i]->attr->axes.axes : 0};
    qsort(list, (size_t)count, sizeof *list, by_kind);
    for (int i = 1, open = 0; i < count; i++) {
        int a = f->cluster[list[open].node->id], b = f->cluster[list[i].node->id];
        if (a != b && may_stand_together(&list[open], &list[i]) && fits(f, a, b)) {
            join(f, a, b);
            joined++;
        } else if (!may_stand_together(&list[open], &list[i]) || f->next[a] >= 0)
            open = i; /* a single node waits for one that has room, so no two stay alone */
    }
    return joined;
}

/* First by what follows: updates, which nothing follows, meet then wherever their gradients come from. What was joined by one level may
 * stand together by the other with what it did not before. */
static void
join_independent(struct fuse *f)
{
    int all = 0, joined;
    do {
        joined = join_level(f, false);
        joined += join_level(f, true);
        all += joined;
    } while (joined);
    if (all)
        explain(f->g, "%d small kernels join others that do not depend on them", all);
}

/* ---- why two kernels are two ---- */

static const char *
why_alone(const struct node *n)
{
    switch ((enum op_class)op_info[n->op].class) {
    case CLASS_CONTRACT: return "a contraction is a kernel of its own";
    case CLASS_RANDOM: return "random numbers are a kernel of their own";
    case CLASS_REDUCE: return "it picks positions, which is a kernel of its own";
    default: return "moving elements is a kernel of its own";
    }
}

/* A reduction of cluster |a| that |b| reads. */
static const struct node *
reduction_between(const struct fuse *f, int a, int b)
{
    for (int id = b; id >= 0; id = f->next[id])
        for (int k = 0; k < f->nodes[id]->nin; k++) {
            const struct node *in = f->nodes[id]->in[k];
            while (in->op == OP_RESHAPE)
                in = in->in[0];
            if (f->cluster[in->id] == a && is_reduction(in))
                return in;
        }
    return NULL;
}

static const char *
why_two(struct fuse *f, const struct node *operand, const struct node *n)
{
    int a = f->cluster[operand->id], b = f->cluster[n->id];
    char from[TYPE_TEXT], to[TYPE_TEXT];
    struct arena *arena = f->g->arena;
    if (!is_fusible(operand) || !is_fusible(n)) {
        const struct node *alone = is_fusible(operand) ? n : operand;
        return arena_printf(arena, "%s: %s", op_info[alone->op].text, why_alone(alone));
    }
    if (is_reduction(operand))
        return arena_printf(arena, "%s is known only when the first has ended", op_info[operand->op].text);
    if (!type_same_shape(domain(operand), domain(n)))
        return arena_printf(arena, "they loop over %s and %s", type_text(domain(operand), ",", from), type_text(domain(n), ",", to));
    if (f->tail[a] && f->tail[b] && f->tail[a]->attr->axes.axes != f->tail[b]->attr->axes.axes)
        return "they reduce over different axes";
    const struct node *reduction = reduction_between(f, a, b);
    if (reduction)
        return arena_printf(arena, "the second needs %s of the first, which is known only when that has ended", op_info[reduction->op].text);
    if (leaves_and_returns(f, a, b, f->count))
        return "what the second needs from elsewhere needs the first";
    if (!fits(f, a, b))
        return arena_printf(arena, "one kernel has at most %d operands and results and %d nodes", FUSED_VALUES_MAX, FUSED_NODES_MAX);
    return "joining came to another end";
}

struct border {
    int from, to; /* clusters */
    const char *why;
};

/* The first edge between each two clusters that run code. */
static int
find_borders(struct fuse *f, struct border **out)
{
    int count = 0, cap = 0;
    *out = NULL;
    for (int c = 0; c < f->count; c++) {
        if (f->cluster[c] != c || is_weightless(f->nodes[c]))
            continue;
        for (int id = c; id >= 0; id = f->next[id])
            for (int k = 0; k < f->nodes[id]->nin; k++) {
                const struct node *in = f->nodes[id]->in[k];
                int other = f->cluster[in->id];
                if (other == c || is_weightless(in) || f->noted[other] == c + 1)
                    continue;
                f->noted[other] = c + 1;
                *ARENA_PUSH(f->g->arena, *out, count, cap) = (struct border){other, c, why_two(f, in, f->nodes[id])};
            }
    }
    return count;
}

/* After the list was made anew: the numbers are those of its text. */
static void
explain_borders(struct fuse *f, const struct border *borders, int count)
{
    const struct graph *g = f->g;
    int *numbers = ARENA_ARRAY(g->arena, int, g->count + 1), line = 0;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        bool has_line = n->op != OP_INPUT && n->op != OP_VAR && !node_is_number(n);
        numbers[i] = has_line ? ++line : 0;
    }
    for (int i = 0; i < count; i++)
        explain(f->g, "%%%d and %%%d are two kernels: %s", numbers[f->made[borders[i].from]->id], numbers[f->made[borders[i].to]->id],
                borders[i].why);
}

/* ---- the new list ---- */

/* The value of |n|, an operand of the group, in its body. */
static struct node *
enter(struct graph *body, struct node *n, struct node **operands, int *noperands)
{
    if (n->op == OP_ROWS)
        return graph_add(body, OP_ROWS, 0, NULL, NULL, NULL);
    if (node_is_number(n))
        return elem_is_float(n->type.elem) ? graph_number(body, n->type.elem, n->attr->value.real)
                                           : graph_whole(body, n->type.elem, n->attr->value.whole);
    operands[(*noperands)++] = n->mark;
    return graph_input(body, "", &n->type);
}

/* Makes the body of cluster |c|. |inside|: by node id, its node of the body. */
static struct graph *
make_body(struct fuse *f, int c, struct node **inside, struct node **operands, int *noperands)
{
    struct graph *body = graph_new(f->g->arena, f->g->name);
    struct node *entered[FUSED_NODES_MAX];
    int nentered = 0;
    for (int id = c; id >= 0; id = f->next[id])
        for (int k = 0; k < f->nodes[id]->nin; k++) {
            struct node *in = f->nodes[id]->in[k];
            if (f->cluster[in->id] == c || inside[in->id])
                continue;
            entered[nentered++] = in;
            inside[in->id] = enter(body, in, operands, noperands);
        }
    for (int id = c; id >= 0; id = f->next[id]) {
        const struct node *n = f->nodes[id];
        struct node *in[3]; /* no elementwise operation has more */
        for (int k = 0; k < n->nin; k++)
            in[k] = inside[n->in[k]->id];
        body->place = n->place;
        body->inner = n->inner;
        inside[id] = graph_add(body, n->op, n->nin, in, n->attr, &n->type);
    }
    while (nentered)
        inside[entered[--nentered]->id] = NULL;
    return body;
}

/* Appends the FUSED node of cluster |c| and its results, which become the marks of the members. */
static void
emit_group(struct fuse *f, int c, struct node **inside)
{
    struct graph *g = f->g;
    struct node *operands[FUSED_VALUES_MAX], *results[FUSED_VALUES_MAX] = {0};
    int noperands = 0, nresults = 0;
    struct graph *body = make_body(f, c, inside, operands, &noperands);
    for (int id = c; id >= 0; id = f->next[id]) {
        if (is_result(f, id, c, c)) {
            results[nresults++] = f->nodes[id];
            graph_output(body, NULL, inside[id]);
        }
        inside[id] = NULL;
    }
    g->place = results[0]->place;
    g->inner = results[0]->inner;
    struct node *group = graph_add(g, OP_FUSED, noperands, operands, NULL, &results[0]->type);
    group->body = body;
    f->made[c] = group;
    for (int i = 0; i < nresults; i++) {
        struct attr *attr = graph_attr(g, (struct attr){.axis = {i}});
        g->place = results[i]->place;
        g->inner = results[i]->inner;
        results[i]->mark = nresults == 1 ? group : graph_add(g, OP_RESULT, 1, &group, attr, &results[i]->type);
    }
}

static void
emit_node(struct graph *g, struct node *n)
{
    for (int k = 0; k < n->nin; k++)
        n->in[k] = n->in[k]->mark;
    *ARENA_PUSH(g->arena, g->nodes, g->count, g->cap) = n;
    n->mark = n;
}

/* A cluster that something on the stack waits for and that is not in the list yet; -1 if |c| waits for nothing. */
static int
waits_for(const struct fuse *f, int c, const bool *done)
{
    for (int id = c; id >= 0; id = f->next[id])
        for (int k = 0; k < f->nodes[id]->nin; k++) {
            int in = f->cluster[f->nodes[id]->in[k]->id];
            if (in != c && !done[in])
                return in;
        }
    return -1;
}

/* Appends cluster |c| after all that it waits for. */
static void
emit(struct fuse *f, int c, bool *done, struct node **inside)
{
    int top = 0;
    for (f->stack[top++] = c; top;) {
        int at = f->stack[top - 1], other = done[at] ? -1 : waits_for(f, at, done);
        if (other >= 0) {
            f->stack[top++] = other;
            continue;
        }
        top--;
        if (done[at])
            continue;
        if (f->next[at] >= 0)
            emit_group(f, at, inside);
        else
            emit_node(f->g, f->made[at] = f->nodes[at]);
        done[at] = true;
    }
}

/* A group stands where its last member stood, or earlier if it is needed. */
static void
rebuild(struct fuse *f)
{
    struct graph *g = f->g;
    bool *done = ARENA_ARRAY(g->arena, bool, f->count + 1);
    struct node **inside = ARENA_ARRAY(g->arena, struct node *, f->count + 1);
    g->nodes = NULL;
    g->count = g->cap = 0;
    for (int i = 0; i < f->count; i++)
        if (f->next[i] < 0 && !done[f->cluster[i]])
            emit(f, f->cluster[i], done, inside);
    for (int i = 0; i < g->noutputs; i++)
        g->outputs[i].node = g->outputs[i].node->mark;
    graph_renumber(g);
}

static bool
any_group(const struct fuse *f)
{
    for (int i = 0; i < f->count; i++)
        if (f->next[i] >= 0)
            return true;
    return false;
}

/* ---- before and after ---- */

static struct node *
past_stop(struct node *n)
{
    while (n->op == OP_STOP)
        n = n->in[0];
    return n;
}

static void
pass_by_stops(struct graph *g)
{
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < g->nodes[i]->nin; k++)
            g->nodes[i]->in[k] = past_stop(g->nodes[i]->in[k]);
    for (int i = 0; i < g->noutputs; i++)
        g->outputs[i].node = past_stop(g->outputs[i].node);
}

/* Removes the stops, and the leaves that only bodies use now. */
static bool
sweep_unused(struct graph *g)
{
    const int *uses = count_uses(g);
    bool *keep = ARENA_ARRAY(g->arena, bool, g->count + 1), any_line = false;
    for (int i = 0; i < g->count; i++) {
        keep[i] = uses[i] || !(is_copied(g->nodes[i]) || g->nodes[i]->op == OP_STOP);
        any_line |= !keep[i] && !node_is_number(g->nodes[i]);
    }
    graph_sweep(g, keep);
    return any_line;
}

bool
pass_fuse(struct graph *g, struct diag *diag)
{
    (void)diag;
    assert(!g->on_node);
    pass_by_stops(g);
    bool changed = sweep_unused(g);
    struct fuse f = {.g = g, .nodes = g->nodes, .count = g->count};
    find_users(&f);
    find_clusters(&f);
    join_independent(&f);
    struct border *borders = NULL;
    int nborders = 0;
    f.made = ARENA_ARRAY(g->arena, struct node *, f.count + 1);
    if (g->remarks) {
        f.noted = ARENA_ARRAY(g->arena, int, f.count + 1);
        nborders = find_borders(&f, &borders);
    }
    if (any_group(&f)) {
        rebuild(&f);
        sweep_unused(g);
        changed = true;
    } else
        for (int i = 0; i < f.count; i++)
            f.made[i] = f.nodes[i];
    explain_borders(&f, borders, nborders);
    return changed;
}
