/* schedule: orders kernels to lower the peak of live memory.
 *
 * What moves is a kernel with its results and their views, and what code may compute inside of it (ir/tails.h). Two orders are
 * tried: *late*, in which a kernel that makes more than it frees waits until something needs it, and *greedy*, which always takes
 * the ready kernel that leaves the least alive; the better one is taken if its peak is lower than that of the order as it is, and this
 * is repeated. So an order that cannot be bettered stays, and
 * no value changes: every kernel computes what it did. Peaks are estimated at max_rows (ROWS_GUESS where it is not set) as plan
 * will place values: views have no memory, nor has what becomes a variable's value, an elementwise kernel takes over operands that
 * die.
 * What reads a variable stays in front of what computes its new value, so that plan can put that in its place.
 * Needs: bodies. Keeps: values. Breaks: order. */
#include "ir/tails.h"
#include "passes/explain.h"
#include <string.h>

enum { ROWS_GUESS = 256 };

struct schedule {
    struct graph *g;
    int64_t rows;
    int count;            /* of units: kernels with what moves with them */
    int *unit;            /* by value: the unit that makes it, numbered in the order of the list */
    int *first, *member;  /* members of unit u: nodes member[first[u]] ... */
    bool *is_elementwise; /* by unit */
    /* Values go by the id of their node. Behind those a unit has a token without bytes, which is read by what must not come before it. */
    int values;
    int *root;            /* by node id: the value whose memory it names */
    int64_t *bytes;       /* by value */
    int64_t *made;        /* by unit: bytes of its values */
    int64_t *inside;      /* by unit: of them, those of values that its own kernels alone read */
    const struct node **tails; /* by node id: ir/tails.h */
    bool *stays;          /* by value: wanted at the end */
    int *operands, *operand; /* distinct values that unit u reads from others: operand[operands[u]] ... */
    int *users, *user;    /* units that read value v: user[users[v]] ... */
    int *left;            /* scratch, by value: readers to come */
};

static bool
is_follower(const struct node *n)
{
    return n->op == OP_RESULT || n->op == OP_RESHAPE || n->op == OP_STOP;
}

static bool
has_reduction(const struct node *n)
{
    for (int i = 0; n->op == OP_FUSED && i < n->body->count; i++)
        if (op_info[n->body->nodes[i]->op].class == CLASS_REDUCE)
            return true;
    return false;
}

static void
find_units(struct schedule *s)
{
    struct graph *g = s->g;
    struct arena *a = g->arena;
    s->unit = ARENA_ARRAY(a, int, 2 * g->count + 1);
    s->tails = find_tails(g, g->arena);
    for (int i = 0; i < g->count; i++)
        if (!s->tails[i])
            s->unit[i] = is_follower(g->nodes[i]) ? s->unit[g->nodes[i]->in[0]->id] : s->count++;
    for (int i = 0; i < g->count; i++)
        if (s->tails[i])
            s->unit[i] = s->unit[s->tails[i]->id];
    s->values = g->count + s->count;
    for (int u = 0; u < s->count; u++)
        s->unit[g->count + u] = u;
    s->first = ARENA_ARRAY(a, int, s->count + 2);
    s->member = ARENA_ARRAY(a, int, g->count + 1);
    for (int i = 0; i < g->count; i++)
        s->first[s->unit[i] + 1]++;
    for (int u = 0; u < s->count; u++)
        s->first[u + 1] += s->first[u];
    int *at = ARENA_ARRAY(a, int, s->count + 1);
    for (int i = 0; i < g->count; i++)
        s->member[s->first[s->unit[i]] + at[s->unit[i]]++] = i;
}

static void
find_bytes(struct schedule *s)
{
    struct graph *g = s->g;
    bool *in_variable = ARENA_ARRAY(g->arena, bool, g->count + 1);
    s->root = ARENA_ARRAY(g->arena, int, g->count + 1);
    s->bytes = ARENA_ARRAY(g->arena, int64_t, s->values + 1);
    s->made = ARENA_ARRAY(g->arena, int64_t, s->count + 1);
    s->inside = ARENA_ARRAY(g->arena, int64_t, s->count + 1);
    s->is_elementwise = ARENA_ARRAY(g->arena, bool, s->count + 1);
    s->stays = ARENA_ARRAY(g->arena, bool, s->values + 1);
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        s->root[i] = n->op == OP_RESHAPE || n->op == OP_STOP ? s->root[n->in[0]->id] : i;
        if (n->op == OP_UPDATE)
            in_variable[s->root[n->in[1]->id]] = true;
    }
    for (int i = 0; i < g->noutputs; i++)
        s->stays[s->root[g->outputs[i].node->id]] = true;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        uint8_t class = op_info[n->op].class;
        bool several = n->op == OP_FUSED && n->body->noutputs > 1;
        if (n->op == OP_FUSED || class == CLASS_MAP || class == CLASS_CAST)
            s->is_elementwise[s->unit[i]] = !has_reduction(n);
        if (s->root[i] == i && class != CLASS_LEAF && class != CLASS_EFFECT && !several && !in_variable[i])
            s->made[s->unit[i]] += s->bytes[i] = type_bytes(&n->type, s->rows);
        if (s->tails[i])
            s->inside[s->unit[i]] += s->bytes[i];
    }
}

/* Fills |start| (by |count| things) and |list| from pairs (from[i], to[i]). */
static void
collect(struct schedule *s, int count, int pairs, const int *from, const int *to, int **start, int **list)
{
    int *at = ARENA_ARRAY(s->g->arena, int, count + 2);
    *start = at;
    *list = ARENA_ARRAY(s->g->arena, int, pairs + 1);
    int *fill = ARENA_ARRAY(s->g->arena, int, count + 1);
    for (int i = 0; i < pairs; i++)
        at[from[i] + 1]++;
    for (int u = 0; u < count; u++)
        at[u + 1] += at[u];
    for (int i = 0; i < pairs; i++)
        (*list)[at[from[i]] + fill[from[i]]++] = to[i];
}

struct pairs {
    int *reader, *read, count;
};

static void
add_pair(struct pairs *p, int reader, int read)
{
    p->reader[p->count] = reader;
    p->read[p->count++] = read;
}

static void
add_operands(const struct schedule *s, struct pairs *p)
{
    const struct graph *g = s->g;
    int *seen = ARENA_ARRAY(g->arena, int, g->count + 1); /* by value: 1 + the last reader that was noted */
    for (int u = 0; u < s->count; u++)
        for (int m = s->first[u]; m < s->first[u + 1]; m++)
            for (int k = 0; k < g->nodes[s->member[m]]->nin; k++) {
                int in = s->root[g->nodes[s->member[m]]->in[k]->id];
                if (s->unit[in] == u || seen[in] == u + 1)
                    continue;
                seen[in] = u + 1;
                add_pair(p, u, in);
            }
}

/* The unit that computes a variable's new value waits for those in front of it that read the old one. */
static void
add_readers(const struct schedule *s, struct pairs *p)
{
    const struct graph *g = s->g;
    int *writer = ARENA_ARRAY(g->arena, int, g->count + 1); /* by id of a VAR: 1 + the unit; 0: no update */
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_UPDATE)
            writer[g->nodes[i]->in[0]->id] = 1 + s->unit[g->nodes[i]->in[1]->id];
    for (int i = 0; i < p->count; i++) {
        int w = p->read[i] < g->count ? writer[p->read[i]] - 1 : -1;
        if (w > p->reader[i])
            add_pair(p, w, g->count + p->reader[i]);
    }
}

static void
find_edges(struct schedule *s)
{
    struct graph *g = s->g;
    int total = 0;
    for (int i = 0; i < g->count; i++)
        total += g->nodes[i]->nin;
    struct pairs p = {ARENA_ARRAY(g->arena, int, 2 * total + 1), ARENA_ARRAY(g->arena, int, 2 * total + 1), 0};
    add_operands(s, &p);
    add_readers(s, &p);
    collect(s, s->count, p.count, p.reader, p.read, &s->operands, &s->operand);
    collect(s, s->values, p.count, p.read, p.reader, &s->users, &s->user);
    s->left = ARENA_ARRAY(g->arena, int, s->values + 1);
}

/* What |u| writes and nothing reads. */
static int64_t
unread_bytes(const struct schedule *s, int u)
{
    int64_t bytes = 0;
    for (int m = s->first[u]; m < s->first[u + 1]; m++) {
        int v = s->member[m];
        if (s->users[v] == s->users[v + 1] && !s->stays[v])
            bytes += s->bytes[v];
    }
    return bytes;
}

/* Counts |u| as a reader that is done. Gives the bytes that die with it. */
static int64_t
read_operands(struct schedule *s, int u)
{
    int64_t dying = 0;
    for (int i = s->operands[u]; i < s->operands[u + 1]; i++)
        if (!--s->left[s->operand[i]] && !s->stays[s->operand[i]])
            dying += s->bytes[s->operand[i]];
    return dying;
}

static void
count_readers(struct schedule *s)
{
    for (int v = 0; v < s->values; v++)
        s->left[v] = s->users[v + 1] - s->users[v];
}

/* Of |order|. |delta|: by unit, how much more lives after it than before; may be NULL. */
static int64_t
peak_of(struct schedule *s, const int *order, int64_t *delta)
{
    int64_t live = 0, peak = 0;
    count_readers(s);
    for (int i = 0; i < s->count; i++) {
        int u = order[i];
        int64_t dying = read_operands(s, u), made = s->made[u];
        int64_t results = made - s->inside[u], free = dying + s->inside[u];
        int64_t taken = !s->is_elementwise[u] ? 0 : free < results ? free : results;
        if (live + made - taken > peak)
            peak = live + made - taken;
        made -= unread_bytes(s, u);
        live += made - dying;
        if (delta)
            delta[u] = made - dying;
    }
    return peak;
}

/* ---- late ---- */

static int
waits_for(const struct schedule *s, int u, const bool *done)
{
    for (int i = s->operands[u]; i < s->operands[u + 1]; i++)
        if (!done[s->unit[s->operand[i]]])
            return s->unit[s->operand[i]];
    return -1;
}

static int
emit_late(const struct schedule *s, int u, bool *done, int *stack, int *order, int count)
{
    int top = 0;
    for (stack[top++] = u; top;) {
        int at = stack[top - 1], other = done[at] ? -1 : waits_for(s, at, done);
        if (other >= 0) {
            stack[top++] = other;
            continue;
        }
        top--;
        if (!done[at])
            order[count++] = at;
        done[at] = true;
    }
    return count;
}

static void
late_order(struct schedule *s, const int *from, int *order)
{
    struct arena *a = s->g->arena;
    int64_t *delta = ARENA_ARRAY(a, int64_t, s->count + 1);
    bool *done = ARENA_ARRAY(a, bool, s->count + 1);
    int *stack = ARENA_ARRAY(a, int, s->count + 1), count = 0;
    peak_of(s, from, delta);
    for (int i = 0; i < s->count; i++)
        if (delta[from[i]] <= 0)
            count = emit_late(s, from[i], done, stack, order, count);
    for (int i = 0; i < s->count; i++)
        count = emit_late(s, from[i], done, stack, order, count);
}

/* ---- greedy ---- */

struct entry {
    int64_t delta;
    int position, unit; /* position: in the order as it was */
};

struct heap {
    struct entry *entries;
    int count, cap;
};

static bool
is_before(const struct entry *a, const struct entry *b)
{
    return a->delta != b->delta ? a->delta < b->delta : a->position < b->position;
}

static void
heap_push(struct heap *h, struct arena *a, struct entry e)
{
    (void)ARENA_PUSH(a, h->entries, h->count, h->cap);
    int i = h->count - 1;
    for (; i && is_before(&e, &h->entries[(i - 1) / 2]); i = (i - 1) / 2)
        h->entries[i] = h->entries[(i - 1) / 2];
    h->entries[i] = e;
}

static struct entry
heap_pop(struct heap *h)
{
    struct entry least = h->entries[0], e = h->entries[--h->count];
    int i = 0;
    for (int child; (child = 2 * i + 1) < h->count; i = child) {
        if (child + 1 < h->count && is_before(&h->entries[child + 1], &h->entries[child]))
            child++;
        if (!is_before(&h->entries[child], &e))
            break;
        h->entries[i] = h->entries[child];
    }
    if (h->count)
        h->entries[i] = e;
    return least;
}

/* What lives more after |u| than before, if it came next. */
static int64_t
delta_now(const struct schedule *s, int u)
{
    int64_t delta = s->made[u] - unread_bytes(s, u);
    for (int i = s->operands[u]; i < s->operands[u + 1]; i++)
        if (s->left[s->operand[i]] == 1 && !s->stays[s->operand[i]])
            delta -= s->bytes[s->operand[i]];
    return delta;
}

/* An entry's delta may have fallen since it was pushed: then it was pushed again. */
static void
greedy_order(struct schedule *s, const int *from, int *order)
{
    struct arena *a = s->g->arena;
    struct heap h = {0};
    int *waiting = ARENA_ARRAY(a, int, s->count + 1), *position = ARENA_ARRAY(a, int, s->count + 1), count = 0;
    bool *done = ARENA_ARRAY(a, bool, s->count + 1);
    count_readers(s);
    for (int i = 0; i < s->count; i++)
        position[from[i]] = i;
    for (int u = 0; u < s->count; u++) {
        waiting[u] = s->operands[u + 1] - s->operands[u];
        if (!waiting[u])
            heap_push(&h, a, (struct entry){delta_now(s, u), position[u], u});
    }
    while (h.count) {
        int u = heap_pop(&h).unit;
        if (done[u])
            continue;
        done[u] = true;
        order[count++] = u;
        read_operands(s, u);
        for (int i = s->operands[u]; i < s->operands[u + 1]; i++) {
            int in = s->operand[i];
            for (int k = s->users[in]; s->left[in] == 1 && k < s->users[in + 1]; k++)
                if (!done[s->user[k]] && !waiting[s->user[k]])
                    heap_push(&h, a, (struct entry){delta_now(s, s->user[k]), position[s->user[k]], s->user[k]});
        }
        for (int m = s->first[u]; m <= s->first[u + 1]; m++) { /* its values and its token */
            int v = m < s->first[u + 1] ? s->member[m] : s->g->count + u;
            for (int k = s->users[v]; k < s->users[v + 1]; k++)
                if (!--waiting[s->user[k]])
                    heap_push(&h, a, (struct entry){delta_now(s, s->user[k]), position[s->user[k]], s->user[k]});
        }
    }
}

/* ---- the pass ---- */

typedef void order_fn(struct schedule *s, const int *from, int *order);

/* Betters |order| until that stops; gives the last peak. */
static int64_t
improve(struct schedule *s, int *order, int64_t peak)
{
    static order_fn *const ways[] = {late_order, greedy_order};
    int *best = ARENA_ARRAY(s->g->arena, int, s->count + 1), *other = ARENA_ARRAY(s->g->arena, int, s->count + 1);
    for (bool better = true; better;) {
        better = false;
        for (int way = 0; way < 2; way++) {
            ways[way](s, order, other);
            int64_t got = peak_of(s, other, NULL);
            if (got >= peak)
                continue;
            peak = got;
            better = true;
            int *swap = best;
            best = other;
            other = swap;
        }
        if (better)
            memcpy(order, best, sizeof *order * (size_t)s->count);
    }
    return peak;
}

static void
set_order(struct schedule *s, const int *order)
{
    struct graph *g = s->g;
    struct node **nodes = ARENA_ARRAY(g->arena, struct node *, g->count + 1);
    int count = 0;
    for (int i = 0; i < s->count; i++)
        for (int m = s->first[order[i]]; m < s->first[order[i] + 1]; m++)
            nodes[count++] = g->nodes[s->member[m]];
    g->nodes = nodes;
    g->cap = g->count;
    graph_renumber(g);
}

bool
pass_schedule(struct graph *g, struct diag *diag)
{
    struct schedule s = {.g = g, .rows = g->max_rows > 0 ? g->max_rows : ROWS_GUESS};
    (void)diag;
    find_units(&s);
    find_bytes(&s);
    find_edges(&s);
    int *order = ARENA_ARRAY(g->arena, int, s.count + 1);
    for (int u = 0; u < s.count; u++)
        order[u] = u;
    int64_t before = peak_of(&s, order, NULL), after = improve(&s, order, before);
    if (after >= before)
        return false;
    set_order(&s, order);
    explain(g, "the peak of live values falls from %lld to %lld bytes", (long long)before, (long long)after);
    return true;
}
