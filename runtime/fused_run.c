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
};

static void
set_slots(const struct fused *f, const struct lane *l, char *buffers)
{
    for (int i = 0; i < f->nslots; i++) {
        struct slot *s = &l->slots[i];
        if (s->kind == SLOT_FIXED)
            s->at = f->base[s->source];
        else if (s->buffer >= 0)
            s->at = buffers + f->buffers[s->buffer].offset;
    }
    for (int i = 0; i < f->walk.noperands; i++)
        l->expanded[i] = -1;
}

static void
move_slots(const struct fused *f, const struct lane *l, const struct walk_at *at, struct tensor *out, char *buffers)
{
    for (int i = 0; i < f->nslots; i++) {
        struct slot *s = &l->slots[i];
        if (s->kind == SLOT_DIRECT)
            s->at = f->base[s->source] + at->start * s->size;
        else if (s->kind == SLOT_EXPAND)
            s->at = (char *)walk_operand(&f->walk, at, s->walk, f->base[s->source], buffers + f->buffers[s->buffer].offset,
                                         &l->expanded[s->walk]);
    }
    for (int i = 0; i < f->nfulls; i++)
        if (!f->fulls[i].deferred) {
            struct slot *s = &l->slots[f->fulls[i].slot];
            s->at = (char *)out[f->fulls[i].result].data + at->start * s->size;
        }
}

static void
run_block(const struct fused *f, const struct lane *l, const struct walk_at *at, struct tensor *out)
{
    const struct slot *slots = l->slots;
    for (int i = 0; i < f->nops; i++) {
        const struct block_op *op = &f->ops[i];
        const void *data[3] = {slots[op->in[0]].at, slots[op->in[1]].at, slots[op->in[2]].at};
        op->fn(slots[op->out].at, data, op->step, at->n);
    }
    for (int i = 0; i < f->nfeeds; i++)
        reduce_next(&l->feeds[i], slots[f->feeds[i].slot].at, at->n);
    for (int i = 0; i < f->nfulls; i++)
        if (f->fulls[i].deferred) {
            const struct slot *s = &slots[f->fulls[i].slot];
            memcpy((char *)out[f->fulls[i].result].data + at->start * s->size, s->at, (size_t)at->n * s->size);
        }
}

static void
start_feeds(const struct fused_run *r, const struct lane *l, const struct reduce_range *range)
{
    for (int i = 0; i < r->fused->nfeeds; i++) {
        const struct feed *d = &r->fused->feeds[i];
        reduce_start(&l->feeds[i], &d->plan, r->out[d->result].data, r->scratch + d->scratch, range);
    }
}

static void
part_of_rows(const struct fused_run *r, const struct lane *l, char *buffers, int64_t first, int64_t end)
{
    const struct fused *f = r->fused;
    struct walk_at at;
    set_slots(f, l, buffers);
    start_feeds(r, l, &(struct reduce_range){false, first, end});
    walk_start(&f->walk, &at, first, end);
    while ((f->nops || f->nfeeds) && walk_next(&f->walk, &at)) {
        move_slots(f, l, &at, r->out, buffers);
        run_block(f, l, &at, r->out);
    }
    for (int i = 0; i < f->nfeeds; i++)
        reduce_end(&l->feeds[i]);
}

/* ---- columns: a block is some rows of a strip. What lies in buffers is dense there, what lies in memory has whole rows between its own. ---- */

/* How far it is from a row to the next in each slot, and which operations find all their rows one behind the other. */
static void
set_rows(const struct fused *f, const struct lane *l, int64_t width)
{
    for (int i = 0; i < f->nslots; i++) {
        struct slot *s = &l->slots[i];
        const struct walk_operand *o = s->kind == SLOT_EXPAND ? &f->walk.operand[s->walk] : NULL;
        s->row = s->kind == SLOT_FIXED ? 0 : s->kind == SLOT_DIRECT ? f->cut.columns : width;
        if (o && o->way == WALK_POINT)
            s->row = f->walk.rank > 1 ? o->stride[f->walk.rank - 2] : 0;
    }
    for (int i = 0; i < f->nfulls; i++)
        if (!f->fulls[i].deferred)
            l->slots[f->fulls[i].slot].row = f->cut.columns;
    for (int i = 0; i < f->nops; i++) {
        const struct block_op *op = &f->ops[i];
        l->whole[i] = l->slots[op->out].row == width;
        for (int k = 0; k < op->nin; k++)
            l->whole[i] &= l->slots[op->in[k]].row == (op->step[k] ? width : 0);
    }
}

static void
run_rows(const struct block_op *op, const struct slot *slots, const struct walk_at *at)
{
    const struct slot *out = &slots[op->out];
    for (int64_t r = 0; r < at->rows; r++) {
        const void *data[3] = {0};
        for (int k = 0; k < op->nin; k++) {
            const struct slot *s = &slots[op->in[k]];
            data[k] = s->at + r * s->row * s->size;
        }
        op->fn(out->at + r * out->row * out->size, data, op->step, at->width);
    }
}

static void
run_columns(const struct fused *f, const struct lane *l, const struct walk_at *at, struct tensor *out)
{
    const struct slot *slots = l->slots;
    for (int i = 0; i < f->nops; i++) {
        const struct block_op *op = &f->ops[i];
        const void *data[3] = {slots[op->in[0]].at, slots[op->in[1]].at, slots[op->in[2]].at};
        if (l->whole[i])
            op->fn(slots[op->out].at, data, op->step, at->n);
        else
            run_rows(op, slots, at);
    }
    for (int i = 0; i < f->nfeeds; i++)
        reduce_rows(&l->feeds[i], slots[f->feeds[i].slot].at, at->rows, slots[f->feeds[i].slot].row);
    for (int i = 0; i < f->nfulls; i++)
        for (int64_t r = 0; f->fulls[i].deferred && r < at->rows; r++) {
            const struct slot *s = &slots[f->fulls[i].slot];
            memcpy((char *)out[f->fulls[i].result].data + (at->start + r * f->cut.columns) * s->size, s->at + r * s->row * s->size,
                   (size_t)at->width * s->size);
        }
}

static void
part_of_columns(const struct fused_run *r, const struct lane *l, char *buffers, int64_t first, int64_t end)
{
    const struct fused *f = r->fused;
    struct walk_at at;
    for (int64_t width; first < end; first += width) {
        width = end - first < f->cut.strip ? end - first : f->cut.strip;
        set_slots(f, l, buffers);
        set_rows(f, l, width);
        start_feeds(r, l, &(struct reduce_range){true, first, first + width});
        walk_start_columns(&f->walk, &at, first, width);
        while (walk_next_columns(&f->walk, &at)) {
            move_slots(f, l, &at, r->out, buffers);
            run_columns(f, l, &at, r->out);
        }
    }
}

static void
fused_part(void *context, int part, int parts)
{
    const struct fused_run *r = context;
    const struct fused *f = r->fused;
    const struct cut *c = &f->cut;
    char *buffers = r->scratch + f->fixed_bytes + (size_t)part * f->lane_bytes;
    int64_t all = c->columns ? c->columns : f->count, units = (all + c->unit - 1) / c->unit;
    int64_t first = threads_begin(units, part, parts) * c->unit, end = threads_begin(units, part + 1, parts) * c->unit;
    (c->columns ? part_of_columns : part_of_rows)(r, &f->lanes[part], buffers, first, end < all ? end : all);
}

void
fused_run(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct fused *f = (struct fused *)head;
    struct fused_run r = {f, out, k->scratch};
    for (int i = 0; i < f->body->ninputs; i++)
        f->base[f->body->inputs[i]->id] = in[i]->data;
    run_early(f, r.scratch, out, k->threads);
    bind_results(f, in, out);
    threads_run(k->threads, f->cut.parts, fused_part, &r);
    for (int i = 0; i < f->nfeeds; i++)
        reduce_finish(&f->feeds[i].plan, out[f->feeds[i].result].data, r.scratch + f->feeds[i].scratch, k->threads);
    for (int i = 0; i < f->ncopies; i++)
        memcpy(out[f->copies[i].result].data, r.scratch + f->copies[i].offset, f->copies[i].bytes);
}
