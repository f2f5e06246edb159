/* plan: gives every value its place: in the arena, a variable, the caller's buffer or its constant.
 *
 * 1. Updates go to the end of the list, and readers of an updated value read what it was made from. So a variable holds its
 * old value until
 *    the end, unless step 3 puts the new one there. An output that is the old value gets a copy (stop_gradient with memory
 * of its own).
 * 2. reshape and stop_gradient name their operand's memory. (Not a constant's, which has none in graph mode, and not an
 * updated
 *    variable's where the old value is wanted at the end.)
 * 3. What becomes a variable's value is computed in place if nothing reads the old one later; else the update copies.
 * 4. An elementwise node takes over the memory of an operand of its own type that nothing reads later; with reductions behind it if its
 *    rows are whole vectors.
 * 5. The rest is placed by decreasing size into the tightest gap between values that live at the same time. Large values that one
 *    node touches begin at different places of a page (stores would wait for loads 4 KiB apart), unless the arena grew by that to more
 *    than a seventh above what lives.
 * Lifetimes are positions in the list, from the writer to the last reader; sizes those of max_rows. ir/verify_storage.c
 * checks the outcome by rules of its own.
 * Needs: max_rows, bodies. Keeps: values. Last pass: a change of the list after it makes the places wrong. */
#include "ir/tails.h"
#include "passes/pass.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, PAGE = 4096, SLOT = 256, LARGE = 4 * PAGE };

/* Memory in the arena, of one value or of several that take it over from each other. */
struct buffer {
    int64_t size, offset;
    int first, last; /* positions in the list, both included */
    int taken;       /* position of the last node that took it over */
};

struct plan {
    struct graph *g;
    struct node **update; /* by id of a VAR: its UPDATE */
    bool *is_kept;        /* by id: wanted at the end, as an output or as the new value of another variable */
    struct node **root;   /* by id: whose memory it names; itself if its own */
    int *last;            /* by id of a root: position of the last reader; g->count: the end */
    struct buffer *buffers;
    int *buffer;          /* by id of a root in the arena */
    int nbuffers;
    int *touches, *touch; /* buffer b is written or read by nodes touch[touches[b]] ... */
    uint64_t *slots;      /* by node id: the parts of a page where large buffers that it touches begin */
    bool stagger;
};

static bool
is_view(const struct node *n)
{
    return n->op == OP_RESHAPE || n->op == OP_STOP;
}

static bool
is_leaf(const struct node *n)
{
    return n->op == OP_INPUT || n->op == OP_VAR || n->op == OP_CONST;
}

/* The node at whose position |n| is written. */
static struct node *
writer(struct node *n)
{
    return n->op == OP_RESULT ? n->in[0] : n;
}

static bool
has_results(const struct node *n)
{
    return n->op == OP_FUSED && n->body->noutputs > 1;
}

/* Whether the loop of a group with reductions begins and ends a row amid a vector: a store under a mask, and the load of the next row waits
 * for it if they are one memory. */
static bool
has_broken_rows(const struct node *group, const struct type *t)
{
    enum { VECTOR = 64 }; /* bytes */
    bool reduces = false;
    for (int i = 0; i < group->body->count; i++)
        reduces |= op_info[group->body->nodes[i]->op].class == CLASS_REDUCE;
    return reduces && t->rank > 1 && t->dim[t->rank - 1] * (int64_t)elem_size((enum elem)t->elem) % VECTOR != 0;
}

/* Whether the writer of |out| reads element i of an operand of that type before it writes element i, and never again. A group does so, reductions or not: the
 * verifier sees to it that its loop is one. But what it reduces to comes into being bit by bit. */
static bool
is_elementwise(struct node *out)
{
    const struct node *w = writer(out);
    uint8_t class = op_info[w->op].class;
    if (w->op != OP_FUSED)
        return class == CLASS_MAP || class == CLASS_CAST;
    const struct node *result = w->body->outputs[out->op == OP_RESULT ? out->attr->axis.axis : 0].node;
    return op_info[result->op].class != CLASS_REDUCE && !has_broken_rows(w, &out->type);
}

/* ---- 1. updates ---- */

static void
move_updates(struct graph *g)
{
    struct node **updates = ARENA_ARRAY(g->arena, struct node *, g->count);
    int kept = 0, moved = 0;
    for (int i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        for (int k = 0; k < n->nin; k++)
            while (n->in[k]->op == OP_UPDATE)
                n->in[k] = n->in[k]->in[1];
        if (n->op == OP_UPDATE)
            updates[moved++] = n;
        else
            g->nodes[kept++] = n;
    }
    for (int i = 0; i < moved; i++)
        g->nodes[kept + i] = updates[i];
    graph_renumber(g);
}

static void
find_updates(struct plan *p)
{
    p->update = ARENA_ARRAY(p->g->arena, struct node *, p->g->count + 1);
    for (int i = 0; i < p->g->count; i++)
        if (p->g->nodes[i]->op == OP_UPDATE)
            p->update[p->g->nodes[i]->in[0]->id] = p->g->nodes[i];
}

/* Whether |n| is a variable that will hold another value at the end. */
static bool
is_updated(const struct plan *p, const struct node *n)
{
    return n->op == OP_VAR && p->update[n->id];
}

/* A copy of the old value of |var|, right behind its node. */
static struct node *
copy_old(struct plan *p, struct node *var, struct node **copies)
{
    struct graph *g = p->g;
    if (copies[var->id])
        return copies[var->id];
    g->place = var->place;
    g->inner = var->inner;
    return copies[var->id] = graph_add1(g, OP_STOP, var); /* moved behind |var| by insert_copies */
}

static void
insert_copies(struct graph *g, int count, struct node *const *copies)
{
    struct node **list = ARENA_ARRAY(g->arena, struct node *, g->count);
    int at = 0;
    for (int i = 0; i < count; i++) {
        list[at++] = g->nodes[i];
        if (copies[i])
            list[at++] = copies[i];
    }
    g->nodes = list;
    g->cap = g->count;
    graph_renumber(g);
}

static void
keep_old_values(struct plan *p)
{
    struct graph *g = p->g;
    int count = g->count;
    struct node **copies = ARENA_ARRAY(g->arena, struct node *, count + 1);
    for (int i = 0; i < g->noutputs; i++) {
        struct node **out = &g->outputs[i].node;
        if (is_updated(p, *out))
            *out = copy_old(p, *out, copies);
    }
    for (int i = 0; i < count; i++) {
        struct node *n = g->nodes[i];
        if (n->op == OP_UPDATE && n->in[1] != n->in[0] && is_updated(p, n->in[1]))
            n->in[1] = copy_old(p, n->in[1], copies);
    }
    if (g->count > count)
        insert_copies(g, count, copies);
}

/* ---- 2. views ---- */

static void
find_kept(struct plan *p)
{
    struct graph *g = p->g;
    p->is_kept = ARENA_ARRAY(g->arena, bool, g->count + 1);
    for (int i = 0; i < g->noutputs; i++)
        p->is_kept[g->outputs[i].node->id] = true;
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_UPDATE)
            p->is_kept[g->nodes[i]->in[1]->id] = true;
}

static bool
has_own_memory(const struct plan *p, const struct node *n)
{
    if (!is_view(n))
        return true;
    const struct node *root = p->root[n->in[0]->id];
    return root->op == OP_CONST || (is_updated(p, root) && p->is_kept[n->id]);
}

static void
find_roots(struct plan *p)
{
    p->root = ARENA_ARRAY(p->g->arena, struct node *, p->g->count + 1);
    for (int i = 0; i < p->g->count; i++) {
        struct node *n = p->g->nodes[i];
        p->root[i] = has_own_memory(p, n) ? n : p->root[n->in[0]->id];
    }
}

static void
read_at(struct plan *p, const struct node *n, int position)
{
    int *last = &p->last[p->root[n->id]->id];
    *last = *last > position ? *last : position;
}

/* What may be computed where it is used (ir/tails.h) reads its operands there. A view counts as a reader: without dce there
 * are views that nothing reads, and they too show a value that is still there. */
static void
find_last_readers(struct plan *p)
{
    struct graph *g = p->g;
    const struct node **tails = find_tails(g, g->arena);
    p->last = ARENA_ARRAY(g->arena, int, g->count + 1);
    for (int i = 0; i < g->count; i++)
        p->last[i] = is_leaf(g->nodes[i]) ? -1 : writer(g->nodes[i])->id;
    for (int i = 0; i < g->count; i++)
        for (int k = g->nodes[i]->op == OP_UPDATE; g->nodes[i]->op != OP_RESULT && k < g->nodes[i]->nin; k++)
            read_at(p, g->nodes[i]->in[k], tails[i] ? tails[i]->id : i);
    for (int i = 0; i < g->noutputs; i++)
        p->last[p->root[g->outputs[i].node->id]->id] = g->count;
}

/* ---- 3. new values in place of old ones ---- */

/* Whether |out| may be written over |old|, which its writer reads: each operand there must be read element by element. */
static bool
may_replace(const struct plan *p, struct node *out, const struct node *old)
{
    const struct node *w = writer(out);
    for (int k = 0; k < w->nin; k++)
        if (p->root[w->in[k]->id] == old && !(is_elementwise(out) && type_equal(&w->in[k]->type, &out->type)))
            return false;
    return true;
}

static void
place(struct node *n, enum storage storage, int64_t offset)
{
    n->storage = (uint8_t)storage;
    n->offset = offset;
}

static void
place_in_variables(struct plan *p)
{
    for (int i = 0; i < p->g->count; i++) {
        struct node *var = p->g->nodes[i];
        if (!p->update[i])
            continue;
        struct node *value = p->root[p->update[i]->in[1]->id];
        int written = writer(value)->id, read = p->last[i];
        if (is_leaf(value) || value->storage == STORAGE_VAR || read > written || !may_replace(p, value, var))
            continue;
        place(value, STORAGE_VAR, var->attr->name.index);
    }
}

/* ---- 4. and 5. the arena ---- */

static bool
in_arena(const struct plan *p, const struct node *n)
{
    return p->root[n->id] == n && !is_leaf(n) && n->op != OP_UPDATE && n->storage == STORAGE_NONE && !has_results(n);
}

/* The buffer of a dying operand that |n| can take over; -1 if there is none. */
static int
take_over(const struct plan *p, struct node *n)
{
    const struct node *w = writer(n);
    for (int k = 0; is_elementwise(n) && k < w->nin; k++) {
        const struct node *old = p->root[w->in[k]->id];
        int b = p->buffer[old->id];
        if (b >= 0 && p->last[old->id] == w->id && p->buffers[b].taken != w->id && may_replace(p, n, old) &&
            type_bytes(&old->type, p->g->max_rows) == type_bytes(&n->type, p->g->max_rows))
            return b;
    }
    return -1;
}

/* Sizes of all buffers; false if they are too large for numbers of 63 bits. */
static bool
find_buffers(struct plan *p)
{
    struct graph *g = p->g;
    int64_t total = 0;
    p->buffers = ARENA_ARRAY(g->arena, struct buffer, g->count + 1);
    p->buffer = ARENA_ARRAY(g->arena, int, g->count + 1);
    for (int i = 0; i < g->count; i++)
        p->buffer[i] = -1;
    for (int i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (!in_arena(p, n))
            continue;
        int64_t size = type_bytes(&n->type, g->max_rows);
        int b = take_over(p, n);
        if (b < 0) {
            if (size < 0 || __builtin_add_overflow(total, size, &total) || __builtin_add_overflow(total, ALIGN, &total))
                return false;
            b = p->nbuffers++;
            p->buffers[b].size = (size ? size + ALIGN - 1 : ALIGN) / ALIGN * ALIGN;
            p->buffers[b].first = writer(n)->id;
        }
        p->buffer[i] = b;
        p->buffers[b].last = p->last[i];
        p->buffers[b].taken = writer(n)->id;
    }
    return true;
}

static int
larger_first(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a, *y = *(struct buffer *const *)b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x > y) - (x < y); /* in the order of the list */
}

/* Adds |n| to the nodes of the buffers that it touches: to their number, or with |fill| to their lists. */
static void
touch(struct plan *p, const struct node *n, int at, int *fill)
{
    for (int k = -1; k < n->nin; k++) {
        int b = p->buffer[k < 0 ? n->id : p->root[n->in[k]->id]->id];
        if (b >= 0 && fill)
            p->touch[p->touches[b] + fill[b]++] = at;
        else if (b >= 0)
            p->touches[b + 1]++;
    }
}

static void
find_touches(struct plan *p)
{
    struct graph *g = p->g;
    int *fill = ARENA_ARRAY(g->arena, int, p->nbuffers + 1);
    p->touches = ARENA_ARRAY(g->arena, int, p->nbuffers + 2);
    p->slots = ARENA_ARRAY(g->arena, uint64_t, g->count + 1);
    for (int i = 0; i < g->count; i++)
        touch(p, g->nodes[i], writer(g->nodes[i])->id, NULL);
    for (int b = 0; b < p->nbuffers; b++)
        p->touches[b + 1] += p->touches[b];
    p->touch = ARENA_ARRAY(g->arena, int, p->touches[p->nbuffers] + 1);
    for (int i = 0; i < g->count; i++)
        touch(p, g->nodes[i], writer(g->nodes[i])->id, fill);
}

/* Parts of a page where others begin that are touched together with |b|. */
static uint64_t
slots_around(const struct plan *p, const struct buffer *b)
{
    uint64_t slots = 0;
    int id = (int)(b - p->buffers);
    for (int i = p->touches[id]; p->stagger && b->size >= LARGE && i < p->touches[id + 1]; i++)
        slots |= p->slots[p->touch[i]];
    return slots;
}

static void
take_slot(const struct plan *p, const struct buffer *b)
{
    int id = (int)(b - p->buffers);
    for (int i = p->touches[id]; b->size >= LARGE && i < p->touches[id + 1]; i++)
        p->slots[p->touch[i]] |= (uint64_t)1 << b->offset % PAGE / SLOT;
}

/* The first place from |start| on that begins in none of |slots|; |start| if all are taken. */
static int64_t
staggered(int64_t start, uint64_t slots)
{
    int64_t at = slots ? (start + SLOT - 1) / SLOT * SLOT : start;
    for (int i = 0; slots && i < PAGE / SLOT; i++, at += SLOT)
        if (!(slots >> at % PAGE / SLOT & 1))
            return at;
    return start;
}

/* A buffer that has its place. Where a graph is large, most of the pass is a walk over these: they lie side by side. */
struct placed {
    int first, last;
    int64_t from, to;
};

/* The start of the tightest gap for |b| between those of |placed|, ascending by offset, that live when it lives; behind them
 * all if there is none. */
static int64_t
find_gap(const struct placed *placed, int count, const struct buffer *b, uint64_t slots)
{
    int64_t end = 0, best = -1, best_size = INT64_MAX;
    for (const struct placed *p = placed; p < placed + count; p++) {
        if (p->first > b->last || b->first > p->last || p->to <= end)
            continue;
        int64_t gap = p->from - end;
        if (gap >= b->size && gap < best_size && p->from - staggered(end, slots) >= b->size) {
            best = end;
            best_size = gap;
        }
        end = p->to;
    }
    return staggered(best < 0 ? end : best, slots);
}

static void
insert_by_offset(struct placed *placed, int count, const struct buffer *b)
{
    int at = 0;
    for (int end = count; at < end;) {
        int middle = at + (end - at) / 2;
        if (placed[middle].from <= b->offset)
            at = middle + 1;
        else
            end = middle;
    }
    memmove(&placed[at + 1], &placed[at], sizeof *placed * (size_t)(count - at));
    placed[at] = (struct placed){b->first, b->last, b->offset, b->offset + b->size};
}

/* The largest sum of buffers that live at one position. */
static int64_t
live_bytes(const struct plan *p)
{
    int64_t *change = ARENA_ARRAY(p->g->arena, int64_t, p->g->count + 2), live = 0, most = 0;
    for (int i = 0; i < p->nbuffers; i++) {
        change[p->buffers[i].first] += p->buffers[i].size;
        change[p->buffers[i].last + 1] -= p->buffers[i].size;
    }
    for (int i = 0; i <= p->g->count; i++) {
        live += change[i];
        most = live > most ? live : most;
    }
    return most;
}

/* The size of the arena. */
static int64_t
place_ordered(struct plan *p, struct buffer *const *order)
{
    struct graph *g = p->g;
    struct placed *placed = ARENA_ARRAY(g->arena, struct placed, p->nbuffers + 1);
    int64_t bytes = 0;
    memset(p->slots, 0, sizeof *p->slots * (size_t)g->count);
    for (int i = 0; i < p->nbuffers; i++) {
        struct buffer *b = order[i];
        b->offset = find_gap(placed, i, b, slots_around(p, b));
        take_slot(p, b);
        insert_by_offset(placed, i, b);
        if (b->offset + b->size > bytes)
            bytes = b->offset + b->size;
    }
    return bytes;
}

static void
place_buffers(struct plan *p)
{
    struct graph *g = p->g;
    struct buffer **order = ARENA_ARRAY(g->arena, struct buffer *, p->nbuffers + 1);
    find_touches(p);
    for (int i = 0; i < p->nbuffers; i++)
        order[i] = &p->buffers[i];
    qsort(order, (size_t)p->nbuffers, sizeof *order, larger_first);
    p->stagger = true;
    g->live_bytes = live_bytes(p);
    g->arena_bytes = place_ordered(p, order);
    if (g->arena_bytes - g->live_bytes > g->live_bytes / 7) {
        p->stagger = false;
        g->arena_bytes = place_ordered(p, order);
    }
}

/* ---- the outcome ---- */

static void
place_node(const struct plan *p, struct node *n)
{
    const struct node *root = p->root[n->id];
    if (n->op == OP_CONST)
        place(n, STORAGE_CONST, 0);
    else if (n->op == OP_INPUT || n->op == OP_VAR)
        place(n, n->op == OP_VAR ? STORAGE_VAR : STORAGE_INPUT, n->attr->name.index);
    else if (n->op == OP_UPDATE)
        place(n, STORAGE_VAR, n->in[0]->attr->name.index);
    else if (root != n)
        place(n, root->storage, root->offset);
    else if (p->buffer[n->id] >= 0)
        place(n, STORAGE_ARENA, p->buffers[p->buffer[n->id]].offset);
    if (n->op == OP_RESULT && n->attr->axis.axis == 0)
        place(n->in[0], n->storage, n->offset);
}

/* What plan may change, to tell whether it did. */
static uint64_t
state(const struct graph *g)
{
    uint64_t hash = (uint64_t)g->count * 31 + (uint64_t)g->arena_bytes;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        hash = (hash ^ (uint64_t)(uintptr_t)n ^ (uint64_t)n->offset << 8 ^ n->storage) * 0x9E3779B97F4A7C15u;
        for (int k = 0; k < n->nin; k++)
            hash = (hash ^ (uint64_t)(uintptr_t)n->in[k]) * 0x9E3779B97F4A7C15u;
    }
    return hash;
}

bool
pass_plan(struct graph *g, struct diag *diag)
{
    struct plan p = {.g = g};
    uint64_t before = state(g);
    if (!g->max_rows)
        g->max_rows = 1;
    for (int i = 0; i < g->count; i++)
        place(g->nodes[i], STORAGE_NONE, 0);
    move_updates(g);
    find_updates(&p);
    keep_old_values(&p);
    find_updates(&p);
    find_kept(&p);
    find_roots(&p);
    find_last_readers(&p);
    place_in_variables(&p);
    if (!find_buffers(&p)) {
        diag_report(diag, PLAN_SIZE, (struct place){0}, g->name, (long long)g->max_rows);
        return true;
    }
    place_buffers(&p);
    for (int i = 0; i < g->count; i++)
        place_node(&p, g->nodes[i]);
    return state(g) != before;
}
