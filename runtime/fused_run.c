/* fused_run: a prepared group on its data: what is early, then the blocks of each part, then what is late. */
#include "runtime/fused.h"
#include <string.h>

/* A result may lie on an operand. If a later operation of the block still reads that operand, the result waits in a buffer. */
static void
bind_results(struct fused *f, const struct tensor *const *in, const struct tensor *out)
{
    for (int i = 0; i < f->nfulls; i++) {
        struct full_result *r = &f->fulls[i];
        r->deferred = false;
        for (int o = 0; o < f->body->ninputs; o++)
            r->deferred |= in[o]->data == out[r->result].data && f->last_read[o] > r->op;
    }
}

static void
run_early(struct fused *f, char *scratch, struct tensor *out, struct threads *t)
{
    for (int i = 0; i < f->nearlies; i++) {
        struct early *e = &f->earlies[i];
        const void *data[3];
        for (int k = 0; k < e->map.nin; k++)
            data[k] = f->base[e->in[k]];
        f->base[e->out] = scratch + f->offset[e->out];
        map_plan_run(&e->map, f->base[e->out], data, scratch + f->passing, NULL);
    }
    for (int i = 0; i < f->ncopies; i++)
        memcpy(scratch + f->copies[i].offset, f->base[f->copies[i].source], f->copies[i].bytes);
    for (int i = 0; i < f->nearly_reduces; i++) {
        struct early_reduce *e = &f->early_reduces[i];
        reduce_plan_run(&e->plan, out[e->result].data, f->base[e->in], scratch + f->passing, t);
    }
}

struct fused_run {
    struct fused *fused;
    struct tensor *out;
    char *scratch;
    int64_t first, end;     /* the elements of this round */
    _Atomic int turn;       /* the part that may reduce what it has kept */
};

/* The first element of the round that is not of part 0. */
static int64_t
kept_from(const struct fused_run *r)
{
    return r->first + cut_begin(&r->fused->cut, r->end - r->first, 1);
}

static void
move_from(struct lane *l, int slot, char *at)
{
    l->slots[slot].at = at;
    l->moving[l->nmoving++] = slot;
}

/* Where the slots lie for the block that begins at element |first|. |kept|: the element from which on rows are kept, or -1. */
static void
set_slots(const struct fused_run *r, struct lane *l, char *buffers, int64_t first, int64_t kept)
{
    const struct fused *f = r->fused;
    l->nmoving = l->nexpanding = 0;
    for (int i = 0; i < f->nslots; i++) {
        struct slot *s = &l->slots[i];
        if (s->kind == SLOT_FIXED)
            s->at = f->base[s->source];
        else if (s->kind == SLOT_DIRECT)
            move_from(l, i, f->base[s->source] + first * s->size);
        else
            s->at = buffers + f->buffers[s->buffer].offset;
        if (s->kind == SLOT_EXPAND)
            l->expanding[l->nexpanding++] = i;
    }
    for (int i = 0; i < f->nfulls; i++)
        if (!f->fulls[i].deferred) {
            int slot = f->fulls[i].slot;
            move_from(l, slot, (char *)r->out[f->fulls[i].result].data + first * l->slots[slot].size);
        }
    for (int i = 0; kept >= 0 && i < f->nfeeds; i++)
        if (f->feeds[i].way == FEED_KEPT && !f->feeds[i].again) {
            int slot = f->feeds[i].slot;
            move_from(l, slot, r->scratch + f->feeds[i].kept + (first - kept) * l->slots[slot].size);
        }
    for (int i = 0; i < f->walk.noperands; i++)
        l->expanded[i] = -1;
}

static void
expand_slots(const struct fused *f, struct lane *l, const struct walk_at *at, char *buffers)
{
    int left = 0;
    for (int i = 0; i < l->nexpanding; i++) {
        struct slot *s = &l->slots[l->expanding[i]];
        s->at = (char *)walk_operand(&f->walk, at, s->walk, f->base[s->source], buffers + f->buffers[s->buffer].offset, &l->expanded[s->walk]);
        if (!walk_is_still(&f->walk, s->walk))
            l->expanding[left++] = l->expanding[i];
    }
    l->nexpanding = left;
}

static void
move_slots(const struct lane *l, int64_t n)
{
    for (int i = 0; i < l->nmoving; i++) {
        struct slot *s = &l->slots[l->moving[i]];
        s->at += n * s->size;
    }
}

static void
feed_block(const struct fused_run *r, const struct lane *l, const struct walk_at *at, int64_t kept)
{
    const struct fused *f = r->fused;
    const int64_t rows = f->columns ? at->n / f->columns : 0;
    for (int i = 0; i < f->nfeeds; i++) {
        const struct feed *d = &f->feeds[i];
        const struct slot *s = &l->slots[d->slot];
        if (kept < 0 && rows)
            reduce_rows(&l->feeds[i], s->at, rows);
        else if (kept < 0)
            reduce_next(&l->feeds[i], s->at, at->n);
        else if (d->way == FEED_COPIED)
            memcpy(r->scratch + d->kept + (at->start - kept) * s->size, s->at, (size_t)at->n * s->size);
    }
}

static void
run_block(const struct fused_run *r, const struct lane *l, const struct walk_at *at, int64_t kept)
{
    const struct fused *f = r->fused;
    const struct slot *slots = l->slots;
    for (int i = 0; i < f->nops; i++) {
        const struct block_op *op = &f->ops[i];
        const void *data[3] = {slots[op->in[0]].at, slots[op->in[1]].at, slots[op->in[2]].at};
        op->fn(slots[op->out].at, data, op->step, at->n);
    }
    feed_block(r, l, at, kept);
    for (int i = 0; i < f->nfulls; i++)
        if (f->fulls[i].deferred) {
            const struct slot *s = &slots[f->fulls[i].slot];
            memcpy((char *)r->out[f->fulls[i].result].data + at->start * s->size, s->at, (size_t)at->n * s->size);
        }
}

static void
start_feeds(const struct fused_run *r, const struct lane *l, int64_t first, int64_t end)
{
    const struct fused *f = r->fused;
    for (int i = 0; i < f->nfeeds; i++) {
        const struct feed *d = &f->feeds[i];
        if (!f->cut.columns)
            reduce_start(&l->feeds[i], &d->plan, r->out[d->result].data, r->scratch + d->scratch, first, end);
        else if (!first)
            reduce_start(&l->feeds[i], &d->plan, r->out[d->result].data, r->scratch + d->scratch, 0, f->count);
        else
            reduce_resume(&l->feeds[i]);
    }
}

/* Reduces the rows that a part has kept, when the rows in front of them are. */
static void
reduce_kept(const struct fused_run *r, int64_t first, int64_t end)
{
    const struct fused *f = r->fused;
    for (int i = 0; i < f->nfeeds; i++) {
        const struct feed *d = &f->feeds[i];
        int64_t size = f->slots[d->slot].size;
        const char *x = d->way == FEED_STORED ? (const char *)r->out[d->stored].data + first * size : r->scratch + d->kept + (first - kept_from(r)) * size;
        reduce_rows(&f->lanes[0]->feeds[i], x, (end - first) / f->cut.columns);
    }
}

static void
fused_part(void *context, int part, int parts)
{
    struct fused_run *r = context;
    const struct fused *f = r->fused;
    struct lane *l = f->lanes[part];
    char *buffers = r->scratch + f->fixed_bytes + (size_t)part * f->lane_bytes;
    int64_t first = r->first + cut_begin(&f->cut, r->end - r->first, part), end = r->first + cut_begin(&f->cut, r->end - r->first, part + 1);
    int64_t kept = f->cut.columns && part ? kept_from(r) : -1;
    struct walk_at at;
    set_slots(r, l, buffers, first, kept);
    if (kept < 0)
        start_feeds(r, l, first, end);
    walk_start(&f->walk, &at, first, end);
    while ((f->nops || f->nfeeds) && walk_next(&f->walk, &at)) {
        expand_slots(f, l, &at, buffers);
        run_block(r, l, &at, kept);
        move_slots(l, at.n);
    }
    for (int i = 0; i < f->nfeeds && !f->cut.columns; i++)
        reduce_end(&l->feeds[i]);
    if (!f->cut.columns)
        return;
    threads_turn(&r->turn, part);
    if (part)
        reduce_kept(r, first, end);
    threads_next(&r->turn);
}

void
fused_run(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct fused *f = (struct fused *)head;
    struct fused_run r = {.fused = f, .out = out, .scratch = k->scratch};
    for (int i = 0; i < f->body->ninputs; i++)
        f->base[f->body->inputs[i]->id] = in[i]->data;
    run_early(f, r.scratch, out, k->threads);
    bind_results(f, in, out);
    do {
        r.end = f->count - r.first < f->cut.round ? f->count : r.first + f->cut.round;
        r.turn = 0;
        threads_run(k->threads, f->cut.parts, fused_part, &r);
        r.first = r.end;
    } while (r.first < f->count);
    for (int i = 0; i < f->nfeeds; i++)
        reduce_finish(&f->feeds[i].plan, out[f->feeds[i].result].data, r.scratch + f->feeds[i].scratch, k->threads);
    for (int i = 0; i < f->ncopies; i++)
        memcpy(out[f->copies[i].result].data, r.scratch + f->copies[i].offset, f->copies[i].bytes);
}
