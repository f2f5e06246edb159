/* kernel_fused: runs the body of a FUSED node in blocks through the row kernels.
 *
 * The domain is the common shape of the body. Values that are smaller than it (numbers, a row of weights) are computed once, in front;
 * values that have its size are computed block by block, the intermediates in buffers that stay in L1; reductions are fed with
 * the blocks in ascending order, so that they have the bits of the whole reduction. */
#include "runtime/fused.h"
#include <string.h>

static bool
is_reduce(const struct node *n)
{
    return op_info[n->op].class == CLASS_REDUCE;
}

static bool
is_full(const struct fused *f, int node)
{
    return dense_count(&f->type[node]) == f->count;
}

/* The common shape of everything but the reductions' results. */
static void
find_domain(struct fused *f)
{
    for (int i = 0; i < f->body->count; i++) {
        const struct type *t = &f->type[i];
        if (is_reduce(f->body->nodes[i]))
            continue;
        if (t->rank > f->domain.rank) {
            int more = t->rank - f->domain.rank;
            memmove(f->domain.dim + more, f->domain.dim, sizeof f->domain.dim[0] * f->domain.rank);
            for (int d = 0; d < more; d++)
                f->domain.dim[d] = 1;
            f->domain.rank = t->rank;
        }
        for (int d = 1; d <= t->rank; d++)
            if (f->domain.dim[f->domain.rank - d] == 1)
                f->domain.dim[f->domain.rank - d] = t->dim[t->rank - d];
    }
    f->count = dense_count(&f->domain);
}

static int
take_buffer(struct fused *f, size_t size)
{
    for (int i = 0; i < f->nbuffers; i++)
        if (f->buffers[i].free && f->buffers[i].size == size) {
            f->buffers[i].free = false;
            return i;
        }
    f->buffers[f->nbuffers] = (struct buffer){.size = (uint8_t)size};
    return f->nbuffers++;
}

static int
add_slot(struct fused *f, enum slot_kind kind, int source, enum elem e)
{
    f->slots[f->nslots] = (struct slot){.kind = (uint8_t)kind, .size = (uint8_t)elem_size(e), .step = 1, .source = source, .buffer = -1};
    return f->nslots++;
}

/* The slot through which block operations read body node |v|. */
static int
slot_for(struct fused *f, int v)
{
    const struct node *n = f->body->nodes[v];
    if (f->slot_of[v] >= 0)
        return f->slot_of[v];
    if (n->op == OP_BROADCAST && is_full(f, v))
        return f->slot_of[v] = slot_for(f, n->in[0]->id);
    bool number = node_is_number(n) || n->op == OP_ROWS;
    int64_t count = dense_count(&f->type[v]);
    enum slot_kind kind = number || (count == 1 && f->count != 1) ? SLOT_FIXED : count == f->count ? SLOT_DIRECT : SLOT_EXPAND;
    int s = add_slot(f, kind, v, f->type[v].elem);
    if (kind == SLOT_FIXED)
        f->slots[s].step = 0;
    if (kind == SLOT_EXPAND) {
        f->slots[s].walk = f->walk.noperands++;
        f->slots[s].buffer = f->nbuffers; /* filled in front of a block's first operation: nothing else may use it before */
        f->buffers[f->nbuffers++] = (struct buffer){.size = f->slots[s].size};
    }
    return f->slot_of[v] = s;
}

static struct block_op *
add_op(struct fused *f, row_fn *fn, int nin, const int *nodes, int out_slot)
{
    struct block_op *op = &f->ops[f->nops++];
    op->fn = fn;
    op->nin = (uint8_t)nin;
    op->out = out_slot;
    for (int i = 0; i < nin; i++)
        op->in[i] = slot_for(f, nodes[i]);
    return op;
}

/* Which result body node |v| is first; -1: none. */
static int
result_of(const struct fused *f, int v)
{
    for (int r = 0; r < f->body->noutputs; r++)
        if (f->body->outputs[r].node->id == v)
            return r;
    return -1;
}

static void
add_full_result(struct fused *f, int slot, int result)
{
    f->fulls[f->nfulls++] = (struct full_result){.slot = slot, .result = result, .op = f->nops - 1};
    f->slots[slot].buffer = take_buffer(f, f->slots[slot].size);
}

/* A row kernel's operands that nobody reads later give their buffers back. */
static void
give_back(struct fused *f, const struct node *n)
{
    for (int i = 0; i < n->nin; i++) {
        const struct node *in = n->in[i];
        while (in->op == OP_BROADCAST && is_full(f, in->id))
            in = in->in[0];
        const struct slot *s = &f->slots[f->slot_of[in->id]];
        if (s->kind == SLOT_BUFFER && f->last_use[in->id] <= n->id)
            f->buffers[s->buffer].free = true;
    }
}

static void
add_block_node(struct fused *f, const struct node *n, int v)
{
    int nodes[3], result = result_of(f, v);
    for (int i = 0; i < n->nin; i++) {
        nodes[i] = n->in[i]->id;
        slot_for(f, nodes[i]);
    }
    int s = add_slot(f, result >= 0 ? SLOT_RESULT : SLOT_BUFFER, result, f->type[v].elem);
    add_op(f, row_of(f->isa, n->op, &f->type[nodes[n->nin - 1]], &f->type[v]), n->nin, nodes, s);
    f->cost += row_cost(n->op, f->type[nodes[n->nin - 1]].elem);
    give_back(f, n); /* in front: a row kernel's result may lie on an operand */
    if (result >= 0)
        add_full_result(f, s, result);
    else
        f->slots[s].buffer = take_buffer(f, f->slots[s].size);
    f->slot_of[v] = s;
}

static void
add_early_node(struct fused *f, const struct node *n, int v)
{
    struct early *e = &f->earlies[f->nearlies++];
    const struct type *types[3];
    for (int i = 0; i < n->nin; i++) {
        e->in[i] = n->in[i]->id;
        types[i] = &f->type[e->in[i]];
    }
    e->out = v;
    map_plan_make(&e->map, row_of(f->isa, n->op, types[n->nin - 1], &f->type[v]), n->nin, types, &f->type[v]);
    f->offset[v] = f->fixed_bytes;
    f->fixed_bytes += round64(dense_bytes(&f->type[v]));
}

/* A copy of body node |v| into a slot of its own. */
static int
add_copy(struct fused *f, int v, enum slot_kind kind, int result)
{
    int s = add_slot(f, kind, result, f->type[v].elem);
    add_op(f, f->isa->row[OP_STOP][f->type[v].elem], 1, &v, s);
    f->cost += row_cost(OP_STOP, f->type[v].elem);
    return s;
}

static void
add_reduce_node(struct fused *f, const struct node *n, int v)
{
    int in = n->in[0]->id, result = result_of(f, v);
    if (result < 0)
        return;
    if (!is_full(f, in)) {
        struct early_reduce *e = &f->early_reduces[f->nearly_reduces++];
        e->in = in;
        e->result = result;
        reduce_plan_make(&e->plan, n->op, &f->type[in], n->attr->axes.axes, f->isa);
        return;
    }
    struct feed *d = &f->feeds[f->nfeeds++];
    d->result = result;
    d->slot = slot_for(f, in);
    f->cost += row_cost(OP_ADD, f->type[in].elem);
    reduce_plan_make(&d->plan, n->op, &f->type[in], n->attr->axes.axes, f->isa);
    if (f->slots[d->slot].kind == SLOT_FIXED || f->slots[d->slot].kind == SLOT_EXPAND) {
        d->slot = add_copy(f, in, SLOT_BUFFER, -1);
        f->slots[d->slot].buffer = take_buffer(f, f->slots[d->slot].size);
    }
}

/* Results that no operation of the body writes: operands, numbers, broadcasts, values that are two results. */
static void
add_plain_results(struct fused *f)
{
    for (int r = 0; r < f->body->noutputs; r++) {
        int v = f->body->outputs[r].node->id;
        const struct node *n = f->body->nodes[v];
        bool computed = op_info[n->op].class == CLASS_MAP || n->op == OP_CAST;
        if (is_reduce(n) || (computed && is_full(f, v) && result_of(f, v) == r))
            continue;
        if (is_full(f, v)) {
            int s = add_copy(f, v, SLOT_RESULT, r);
            add_full_result(f, s, r);
        } else {
            f->copies[f->ncopies++] = (struct late_copy){v, r, dense_bytes(&f->type[v]), f->fixed_bytes};
            f->fixed_bytes += round64(dense_bytes(&f->type[v]));
        }
    }
}

static void
find_last_uses(struct fused *f)
{
    const struct graph *g = f->body;
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < g->nodes[i]->nin; k++) {
            const struct node *in = g->nodes[i]->in[k];
            int use = is_reduce(g->nodes[i]) ? g->count : i; /* read at the end of the block */
            /* A broadcast of the domain's size is its operand's slot under another name. */
            for (;; in = in->in[0]) {
                if (f->last_use[in->id] < use)
                    f->last_use[in->id] = use;
                if (in->op != OP_BROADCAST)
                    break;
            }
        }
    for (int r = 0; r < g->noutputs; r++)
        for (const struct node *n = g->outputs[r].node;; n = n->in[0]) {
            f->last_use[n->id] = g->count;
            if (n->op != OP_BROADCAST)
                break;
        }
}

static void
add_nodes(struct fused *f)
{
    for (int i = 0; i < f->body->count; i++) {
        const struct node *n = f->body->nodes[i];
        enum op_class class = op_info[n->op].class;
        if (n->op == OP_CONST || n->op == OP_ROWS)
            scalar_store(n, f->rows, f->base[i]);
        else if (class == CLASS_REDUCE)
            add_reduce_node(f, n, i);
        else if (class == CLASS_MAP || class == CLASS_CAST || n->op == OP_BROADCAST) {
            if (!is_full(f, i))
                add_early_node(f, n, i);
            else if (n->op != OP_BROADCAST)
                add_block_node(f, n, i);
        }
    }
    add_plain_results(f);
}

static bool
allocate(struct fused *f, struct arena *arena)
{
    int n = f->body->count, outputs = f->body->noutputs, many = 2 * (n + outputs);
    char *numbers = arena_alloc(arena, 8 * (size_t)n);
    f->base = ARENA_ARRAY(arena, char *, n);
    f->offset = ARENA_ARRAY(arena, size_t, n);
    f->type = ARENA_ARRAY(arena, struct type, n);
    f->slot_of = ARENA_ARRAY(arena, int, n);
    f->last_use = ARENA_ARRAY(arena, int, n);
    f->last_read = ARENA_ARRAY(arena, int, f->body->ninputs);
    f->slots = ARENA_ARRAY(arena, struct slot, many);
    f->ops = ARENA_ARRAY(arena, struct block_op, many);
    f->earlies = ARENA_ARRAY(arena, struct early, n);
    f->early_reduces = ARENA_ARRAY(arena, struct early_reduce, outputs);
    f->feeds = ARENA_ARRAY(arena, struct feed, outputs);
    f->copies = ARENA_ARRAY(arena, struct late_copy, outputs);
    f->fulls = ARENA_ARRAY(arena, struct full_result, outputs);
    f->buffers = ARENA_ARRAY(arena, struct buffer, many);
    f->walk.operand = ARENA_ARRAY(arena, struct walk_operand, n);
    if (!numbers || !f->base || !f->offset || !f->type || !f->slot_of || !f->last_use || !f->last_read || !f->slots || !f->ops || !f->earlies ||
        !f->early_reduces || !f->feeds || !f->copies || !f->fulls || !f->buffers || !f->walk.operand)
        return false;
    for (int i = 0; i < n; i++) {
        f->base[i] = numbers + 8 * i;
        f->slot_of[i] = -1;
        f->type[i] = type_at(&f->body->nodes[i]->type, f->rows);
    }
    return true;
}

/* |bytes| in cache lines that nothing else lies in: processors fetch them in pairs. */
static void *
own_lines(struct arena *arena, size_t bytes)
{
    enum { LINES = 128 };
    char *at = arena_alloc(arena, bytes + 2 * LINES);
    return at ? at + (LINES - (uintptr_t)at % LINES) : NULL;
}

/* A lane and its arrays, which its part writes with each block. */
static struct lane *
lane_new(const struct fused *f, struct arena *arena)
{
    size_t slots = round64((size_t)f->nslots * sizeof(struct slot)), feeds = round64((size_t)f->nfeeds * sizeof(struct reduce_feed));
    size_t operands = round64((size_t)f->walk.noperands * sizeof(int64_t)), numbers = round64((size_t)f->nslots * sizeof(int));
    char *at = own_lines(arena, round64(sizeof(struct lane)) + slots + feeds + operands + 2 * numbers);
    struct lane *l = (struct lane *)at;
    if (!at)
        return NULL;
    l->slots = (struct slot *)(at += round64(sizeof *l));
    l->feeds = (struct reduce_feed *)(at += slots);
    l->expanded = (int64_t *)(at += feeds);
    l->moving = (int *)(at += operands);
    l->expanding = (int *)(at + numbers);
    memcpy(l->slots, f->slots, (size_t)f->nslots * sizeof *l->slots);
    return l;
}

static bool
make_lanes(struct fused *f, struct arena *arena)
{
    f->lanes = ARENA_ARRAY(arena, struct lane *, f->cut.parts);
    for (int i = 0; f->lanes && i < f->cut.parts; i++)
        if (!(f->lanes[i] = lane_new(f, arena)))
            return false;
    return f->lanes;
}

enum {
    BLOCK_BYTES = 24 << 10,             /* of all that a block of a group reads and writes */
    BLOCK_LEAST = 256, BLOCK_MOST = 4096,
    KEPT_BYTES = 1 << 20                /* that a part keeps in a round: they stay in its cache */
};

/* The columns that every reduction runs down; 0 if some does not. */
static int64_t
common_columns(const struct fused *f)
{
    int64_t columns = 0;
    for (int i = 0; i < f->nfeeds; i++) {
        const struct reduce_plan *p = &f->feeds[i].plan;
        const struct reduce_stage *s = &p->stage[0];
        if (!p->nstages || s->trailing || s->outer != 1 || (i && s->inner != columns))
            return 0;
        columns = s->inner;
    }
    return columns;
}

/* Elements of a block: what it reads and writes stays in L1. */
static int64_t
block_size(const struct fused *f)
{
    int64_t bytes = 1;
    for (int i = 0; i < f->nbuffers; i++) /* a result has one as well */
        bytes += f->buffers[i].size;
    for (int i = 0; i < f->nslots; i++)
        bytes += f->slots[i].kind == SLOT_DIRECT ? f->slots[i].size : 0;
    int64_t block = BLOCK_BYTES / bytes / 64 * 64;
    return block < BLOCK_LEAST ? BLOCK_LEAST : block > BLOCK_MOST ? BLOCK_MOST : block;
}

/* Lets each block have whole rows of the reductions down the rows, if it can. */
static void
match_rows(struct fused *f, int64_t columns)
{
    struct walk *w = &f->walk;
    if (!columns)
        return;
    if (w->rows == 1 && w->rank == 1 && columns <= w->chunk)
        w->chunk = w->chunk / columns * columns;
    int64_t unit = w->rows > 1 ? walk_unit(w) : w->rank == 1 ? w->chunk : 1;
    f->columns = unit % columns ? 0 : columns;
}

/* The walk, and how it is cut up: each part has whole outputs of every reduction, or whole rows of reductions down the rows. */
static void
make_walk(struct fused *f, const struct type *const *types, const struct threads *t)
{
    int64_t unit = 1, columns = common_columns(f);
    for (int i = 0; i < f->nfeeds && !columns; i++)
        unit = reduce_feed_unit(&f->feeds[i].plan) > unit ? reduce_feed_unit(&f->feeds[i].plan) : unit;
    if (columns)
        unit = columns;
    walk_make(&f->walk, &f->domain, f->walk.noperands, types, block_size(f));
    match_rows(f, columns);
    if (walk_unit(&f->walk) > unit)
        unit = walk_unit(&f->walk);
    if (unit < 64) /* no cache line of a result belongs to two */
        unit *= (64 + unit - 1) / unit;
    f->cut = (struct cut){.parts = threads_parts(t, f->cost * (double)f->count, f->count / unit), .unit = unit, .round = f->count};
    if (f->cut.parts == 1 || !columns)
        return;
    int64_t bytes = 0; /* of a row's element, in all that is kept */
    for (int i = 0; i < f->nfeeds; i++)
        bytes += f->slots[f->feeds[i].slot].kind == SLOT_RESULT ? 0 : f->slots[f->feeds[i].slot].size;
    int64_t units = bytes ? KEPT_BYTES / bytes / unit * f->cut.parts : (f->count + unit - 1) / unit;
    f->cut.columns = columns;
    f->cut.round = unit * (units > f->cut.parts ? units : f->cut.parts);
}

/* Where the rows of feed |i| are kept; values that several reductions read are kept once. Returns the end of what is used of the scratch memory. */
static size_t
keep_feed(struct fused *f, int i, size_t at)
{
    struct feed *d = &f->feeds[i];
    const struct slot *s = &f->slots[d->slot];
    for (int k = 0; k < i; k++)
        if (f->feeds[k].slot == d->slot) {
            d->way = f->feeds[k].way;
            d->stored = f->feeds[k].stored;
            d->kept = f->feeds[k].kept;
            d->again = true;
            return at;
        }
    int64_t round = f->cut.round < f->count ? f->cut.round : f->count;
    d->way = s->kind == SLOT_BUFFER ? FEED_KEPT : s->kind == SLOT_RESULT ? FEED_STORED : FEED_COPIED;
    for (int k = 0; k < f->nfulls; k++)
        if (f->fulls[k].slot == d->slot)
            d->stored = f->fulls[k].result;
    d->kept = at;
    /* 16 more elements: a fill writes so far. */
    return d->way == FEED_STORED ? at : at + round64((size_t)(round - cut_begin(&f->cut, round, 1) + 16) * s->size);
}

/* After the slots are known: the walk, the steps, the places in the scratch memory. */
static bool
lay_out(struct fused *f, const struct threads *t, struct arena *arena)
{
    const struct type **types = ARENA_ARRAY(arena, const struct type *, f->walk.noperands + 1);
    if (!types)
        return false;
    for (int s = 0; s < f->nslots; s++)
        if (f->slots[s].kind == SLOT_EXPAND)
            types[f->slots[s].walk] = &f->type[f->slots[s].source];
    make_walk(f, types, t);
    for (int s = 0; s < f->nslots; s++)
        if (f->slots[s].kind == SLOT_EXPAND)
            f->slots[s].step = f->walk.operand[f->slots[s].walk].step;
    for (int i = 0; i < f->nops; i++)
        for (int k = 0; k < f->ops[i].nin; k++) {
            const struct slot *s = &f->slots[f->ops[i].in[k]];
            f->ops[i].step[k] = s->step;
            if (s->kind == SLOT_DIRECT)
                for (int o = 0; o < f->body->ninputs; o++)
                    if (f->body->inputs[o]->id == s->source)
                        f->last_read[o] = i;
        }
    for (int i = 0; i < f->nfeeds; i++) { /* reductions are fed when the block's operations are done */
        const struct slot *s = &f->slots[f->feeds[i].slot];
        for (int o = 0; s->kind == SLOT_DIRECT && o < f->body->ninputs; o++)
            if (f->body->inputs[o]->id == s->source)
                f->last_read[o] = f->nops;
    }
    int64_t block = f->walk.rows > 1 ? f->walk.rows * f->walk.extent[f->walk.rank - 1] : f->walk.chunk;
    for (int i = 0; i < f->nbuffers; i++) {
        f->buffers[i].offset = f->lane_bytes;
        f->lane_bytes += round64((size_t)(block + 16) * f->buffers[i].size);
    }
    size_t bytes = f->fixed_bytes + (size_t)f->cut.parts * f->lane_bytes;
    f->passing = bytes;
    size_t most = 0; /* of what is needed for a while only, one after the other */
    for (int i = 0; i < f->nearlies; i++)
        most = map_plan_scratch(&f->earlies[i].map) > most ? map_plan_scratch(&f->earlies[i].map) : most;
    for (int i = 0; i < f->nearly_reduces; i++)
        most = reduce_plan_scratch(&f->early_reduces[i].plan) > most ? reduce_plan_scratch(&f->early_reduces[i].plan) : most;
    size_t feeds = bytes;
    for (int i = 0; i < f->nfeeds; i++) {
        f->feeds[i].scratch = feeds;
        feeds += round64(reduce_plan_scratch(&f->feeds[i].plan));
    }
    for (int i = 0; f->cut.columns && i < f->nfeeds; i++)
        feeds = keep_feed(f, i, feeds);
    f->head.scratch = feeds > bytes + most ? feeds : bytes + most;
    return make_lanes(f, arena);
}

struct prepared *
prepare_FUSED(const struct node *n, const struct tensor *const *in, const struct tensor *out, struct kernel_context *k, struct arena *arena)
{
    struct fused *f = ARENA_NEW(arena, struct fused);
    if (!f)
        return NULL;
    f->body = n->body;
    f->rows = k->rows;
    f->isa = kernel_isa(k);
    if (!allocate(f, arena))
        return NULL;
    find_domain(f);
    find_last_uses(f);
    add_nodes(f);
    if (!lay_out(f, k->threads, arena))
        return NULL;
    f->head.run = fused_run;
    return &f->head;
}

bool
kernel_FUSED(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct prepared *p = prepare_FUSED(n, in, out, k, &arena);
    bool ok = p && kernel_scratch(k, p->scratch);
    if (ok)
        p->run(p, in, out, k);
    arena_free(&arena);
    return ok;
}

bool
kernel_RESULT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    return true;
}
