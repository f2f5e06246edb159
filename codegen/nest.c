/* nest: loops over a domain, one vector axis, values kept in registers.
 *
 * The order of the loops: axes of the results, then the axes that are reduced one element after the other, then the 16
 * lanes. The vector axis is the lane axis if there is one, else the last axis of the results, if every array moves by 0
 * or 1 along it. Each item is computed in the outermost loop that it depends on; what does not depend on the vector axis
 * stays a scalar. Neighbouring axes become one loop where all arrays allow it. Lanes are independent outputs or the
 * contract's 16 lanes, so the vector width changes no bit. */
#include "codegen/emit.h"
#include <string.h>

void
array_dense(struct array *a, const struct type *t, const struct type *shape)
{
    struct size stride = {.factor = 1};
    int missing = shape->rank - t->rank;
    for (int i = 0; i < shape->rank; i++)
        a->stride[i] = (struct size){0};
    for (int i = t->rank - 1; i >= 0; i--) {
        bool repeated = t->dim[i] == 1 && shape->dim[i + missing] != 1;
        a->stride[i + missing] = repeated ? (struct size){0} : stride;
        stride = size_times(stride, size_of_dim(t->dim[i]));
    }
}

/* Takes axis |i| out. */
static void
drop_axis(struct nest *n, int i)
{
    size_t rest = (size_t)(n->rank - i - 1);
    memmove(n->dim + i, n->dim + i + 1, rest * sizeof n->dim[0]);
    memmove(n->kind + i, n->kind + i + 1, rest * sizeof n->kind[0]);
    for (int a = 0; a < n->narrays; a++)
        memmove(n->arrays[a].stride + i, n->arrays[a].stride + i + 1, rest * sizeof(struct size));
    n->rank--;
}

/* Whether axes i and i + 1 are one axis for |a|. */
static bool
runs_on(const struct array *a, int i, struct size inner)
{
    return size_equal(a->stride[i], size_times(a->stride[i + 1], inner));
}

static bool
can_merge(const struct nest *n, int i)
{
    if (n->kind[i] != n->kind[i + 1] || n->kind[i] == AXIS_SEQ)
        return false;
    for (int a = 0; a < n->narrays; a++)
        if (!runs_on(&n->arrays[a], i, n->dim[i + 1]))
            return false;
    return true;
}

/* Drops axes of size 1 and merges what can be merged. A single lane is no lane: the tree adds zeros to what started from
 * zero. One reduced axis stays, for the reduction's start value. */
static void
simplify(struct nest *n)
{
    int reduced = 0, dropped = 0;
    for (int i = 0; i < n->rank; i++)
        reduced += n->kind[i] != AXIS_OUT;
    for (int i = n->rank - 1; i >= 0; i--) {
        if (!size_is(n->dim[i], 1))
            continue;
        if (n->kind[i] != AXIS_OUT && dropped + 1 == reduced)
            continue;
        dropped += n->kind[i] != AXIS_OUT;
        drop_axis(n, i);
    }
    for (int i = n->rank - 2; i >= 0; i--)
        if (can_merge(n, i)) {
            struct size both = size_times(n->dim[i], n->dim[i + 1]);
            drop_axis(n, i); /* keeps the inner strides */
            n->dim[i] = both;
        }
    for (int i = 0; i < n->rank; i++)
        if (n->kind[i] == AXIS_LANE && size_is(n->dim[i], 1))
            n->kind[i] = AXIS_SEQ;
}

static void
order_loops(struct nest *n)
{
    n->nloops = 0;
    for (int kind = AXIS_OUT; kind <= AXIS_LANE; kind++) {
        for (int i = 0; i < n->rank; i++)
            if (n->kind[i] == kind)
                n->order[n->nloops++] = i;
        if (kind == AXIS_OUT)
            n->out_loops = n->nloops;
    }
}

static struct size
loop_size(const struct nest *n, int loop)
{
    return n->dim[n->order[loop - 1]];
}

static struct size
loop_stride(const struct nest *n, const struct array *a, int loop)
{
    return a->stride[n->order[loop - 1]];
}

/* The elements of all lane axes. */
static struct size
lane_size(const struct nest *n)
{
    struct size size = {.factor = 1};
    for (int i = 0; i < n->rank; i++)
        if (n->kind[i] == AXIS_LANE)
            size = size_times(size, n->dim[i]);
    return size;
}

static bool
moves_by_one(const struct nest *n, int loop)
{
    for (int a = 0; a < n->narrays; a++) {
        struct size s = loop_stride(n, &n->arrays[a], loop);
        if (!size_is(s, 0) && !size_is(s, 1))
            return false;
    }
    return true;
}

/* Lanes for |n| elements: no more than hold them all (or, without masks, than one turn fills). */
static int
lanes_for(const struct gen *g, struct size n)
{
    int lanes = g->width;
    if (size_constant(n))
        while (lanes > 1 && (g->masks ? lanes / 2 >= n.factor : lanes > n.factor))
            lanes /= 2;
    return lanes;
}

/* A reduction one element after the other is a chain of dependent operations: small ones run in several registers at once. */
enum { WIDE = 4, WIDE_ITEMS = 12 };

static bool
has_random(const struct nest *n)
{
    for (int i = 0; i < n->nitems; i++)
        if (n->items[i].op == OP_RANDOM_UNIFORM && n->items[i].needed)
            return true;
    return false;
}

static void
choose_vector(struct gen *g, struct nest *n)
{
    n->vector_loop = 0;
    n->lanes = 1;
    if (has_random(n)) {
        n->vector_loop = n->nloops; /* random_fits */
        n->lanes = random_lanes(g);
    } else if (n->nloops && n->kind[n->order[n->nloops - 1]] == AXIS_LANE) {
        /* Strided lanes are gathered one by one in array_value. */
        n->vector_loop = n->nloops;
        n->lanes = REDUCE_LANES;
    } else if (n->out_loops && moves_by_one(n, n->out_loops)) {
        n->lanes = lanes_for(g, loop_size(n, n->out_loops));
        if (n->nloops > n->out_loops && n->nitems <= WIDE_ITEMS)
            while (n->lanes < WIDE * g->width && loop_size(n, n->out_loops).factor % (2 * n->lanes) == 0)
                n->lanes *= 2;
        n->vector_loop = n->lanes > 1 ? n->out_loops : 0;
    }
}

void
nest_mark(struct nest *n)
{
    for (int r = 0; r < n->nresults; r++)
        n->items[n->results[r].item].needed = true;
    for (int i = n->nitems - 1; i >= 0; i--)
        if (n->items[i].needed)
            for (int k = 0; k < n->items[i].nin; k++)
                n->items[n->items[i].in[k]].needed = true;
}

/* Where each item is computed, and whether it is a vector. */
static void
place_items(struct nest *n)
{
    for (int i = 0; i < n->nitems; i++) {
        struct item *it = &n->items[i];
        if (!it->needed)
            continue;
        if (it->op == OP_INPUT || it->stream)
            for (int l = 1; l <= n->nloops; l++)
                if (!size_is(loop_stride(n, &n->arrays[it->array], l), 0))
                    it->axes |= 1u << l;
        for (int k = 0; k < it->nin; k++)
            it->axes |= n->items[it->in[k]].axes;
        it->level = it->axes ? 31 - __builtin_clz(it->axes) : 0;
        it->vector = n->vector_loop && it->axes >> n->vector_loop & 1;
        for (int k = 0; k < it->nin && it->vector; k++)
            n->items[it->in[k]].wanted = true;
    }
    for (int r = 0; r < n->nresults; r++)
        n->items[n->results[r].item].wanted = true;
}

static LLVMValueRef
item_value(struct gen *g, const struct nest *n, const struct item *it, bool vector)
{
    if (!vector || n->now == 1 || it->vector)
        return it->value;
    return it->wide ? it->wide : splat(g, it->value, n->now);
}

/* Lanes that do not lie side by side, one by one; lanes outside the mask take the last address that is inside. */
static LLVMValueRef
gather_lanes(struct gen *g, struct nest *n, const struct item *it, const struct array *a, LLVMValueRef address)
{
    LLVMValueRef v = LLVMGetPoison(vector_of(g->elem[it->elem], n->now));
    LLVMValueRef stride = size_value(g, loop_stride(n, a, n->vector_loop));
    LLVMValueRef left = LLVMBuildNSWSub(g->b, n->bound[n->vector_loop], n->index[n->vector_loop], "");
    LLVMValueRef last = LLVMBuildNSWSub(g->b, left, whole(g, 1), "");
    for (int i = 0; i < n->now; i++) {
        LLVMValueRef at = whole(g, i);
        if (n->mask)
            at = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, at, last, ""), at, last, "");
        LLVMValueRef x = load(g, it->elem, element(g, address, it->elem, LLVMBuildNSWMul(g->b, at, stride, "")), 1, NULL);
        v = LLVMBuildInsertElement(g->b, v, x, whole(g, i), "");
    }
    return v;
}

static LLVMValueRef
array_value(struct gen *g, struct nest *n, const struct item *it, int level)
{
    const struct array *a = &n->arrays[it->array];
    LLVMValueRef address = a->at[level];
    if (!it->vector || n->now == 1)
        return load(g, it->elem, address, 1, NULL);
    if (!size_is(loop_stride(n, a, n->vector_loop), 1))
        return gather_lanes(g, n, it, a, address);
    return load(g, it->elem, address, n->now, n->mask);
}

LLVMValueRef
item_operation(struct gen *g, const struct item *items, const struct item *it, const LLVMValueRef *in, int lanes)
{
    switch (it->op) {
    case OP_CONST:
        return number(g, it->elem, it->node->attr->value.real, it->node->attr->value.whole, 1);
    case OP_ROWS:
        return emit_cast(g, ELEM_I64, it->elem, g->rows, 1);
    case OP_CAST:
        return emit_cast(g, items[it->in[0]].elem, it->elem, in[0], lanes);
    case OP_BROADCAST:
    case OP_STOP:
        return in[0];
    default:
        return emit_map(g, it->op, items[it->in[it->nin - 1]].elem, in, lanes);
    }
}

static LLVMValueRef
compute(struct gen *g, struct nest *n, const struct item *it, int level)
{
    LLVMValueRef in[3] = {NULL};
    if (it->op == OP_INPUT)
        return array_value(g, n, it, level);
    if (it->stream)
        return random_value(g, it->node, it->stream, n->arrays[it->array].at[level]);
    for (int k = 0; k < it->nin; k++)
        in[k] = item_value(g, n, &n->items[it->in[k]], it->vector);
    return item_operation(g, n->items, it, in, it->vector ? n->now : 1);
}

static void
compute_items(struct gen *g, struct nest *n, int level)
{
    for (int i = 0; i < n->nitems; i++) {
        struct item *it = &n->items[i];
        if (!it->needed || it->level != level)
            continue;
        it->value = compute(g, n, it, level);
        it->wide = NULL;
        /* The vector loop may come later, with n->lanes lanes or 1. */
        if (it->wanted && !it->vector && n->vector_loop)
            it->wide = splat(g, it->value, level < n->vector_loop ? n->lanes : n->now);
    }
}

static void
move_arrays(struct gen *g, struct nest *n, int level)
{
    for (int a = 0; a < n->narrays; a++) {
        struct array *x = &n->arrays[a];
        struct size stride = loop_stride(n, x, level);
        x->at[level] = x->at[level - 1];
        if (size_is(stride, 0))
            continue;
        LLVMValueRef offset = n->index[level];
        if (!size_is(stride, 1))
            offset = LLVMBuildNSWMul(g->b, offset, size_value(g, stride), "");
        x->at[level] = x->is_index ? LLVMBuildNSWAdd(g->b, x->at[level - 1], offset, "")
                                   : element(g, x->at[level - 1], x->elem, offset);
    }
}

/* Lanes of a result of the nest in the code that is being emitted. */
static int
result_lanes(const struct nest *n)
{
    return n->vector_loop && n->vector_loop <= n->out_loops ? n->now : 1;
}

static void
store_result(struct gen *g, struct nest *n, struct result *r, int level, LLVMValueRef value, int lanes)
{
    const struct array *a = &n->arrays[r->array];
    bool spread = n->vector_loop && size_is(loop_stride(n, a, n->vector_loop), 1);
    store(g, a->elem, a->at[level], value, spread ? lanes : 1, spread ? n->mask : NULL);
}

static void loop(struct gen *g, struct nest *n, int level);

/* The code inside of |level| loops. */
static void
inside(struct gen *g, struct nest *n, int level)
{
    if (level)
        move_arrays(g, n, level);
    compute_items(g, n, level);
    if (level < n->nloops)
        loop(g, n, level + 1);
    for (int i = 0; i < n->nresults; i++) {
        struct result *r = &n->results[i];
        const struct item *it = &n->items[r->item];
        if (level == n->nloops)
            r->part = n->empty ? reduce_start(g, r->reduce, it->elem, result_lanes(n))
                               : item_value(g, n, it, n->vector_loop != 0);
        if (level == n->nloops && r->reduce == OP_COUNT)
            store_result(g, n, r, level, r->part, n->now);
        if (level == n->out_loops && r->reduce != OP_COUNT)
            store_result(g, n, r, level, reduce_finish(g, r, it->elem, r->part, result_lanes(n)), result_lanes(n));
    }
}

/* A loop over an axis of the results. */
static void
out_loop(struct gen *g, struct nest *n, int level, LLVMValueRef start, LLVMValueRef bound, int64_t step, bool guarded)
{
    struct loop l;
    (guarded ? loop_begin_guarded : loop_begin)(g, &l, start, bound, step);
    n->index[level] = l.index;
    inside(g, n, level);
    loop_end(g, &l);
}

/* Sets the mask of a turn of the vector loop, if the last turn is not full. */
static void
mask_turn(struct gen *g, struct nest *n, int level, LLVMValueRef turn)
{
    n->mask = NULL;
    if (loop_size(n, level).factor % n->lanes)
        n->mask = lanes_below(g, LLVMBuildNSWSub(g->b, n->bound[level], turn, ""), n->lanes);
}

/* The vector loop over an axis of the results: masked, or followed by a loop over single elements. */
static void
vector_loop(struct gen *g, struct nest *n, int level)
{
    struct size size = loop_size(n, level);
    LLVMValueRef start = n->start[level], bound = n->bound[level];
    n->now = n->lanes;
    if (size.factor % n->lanes == 0) {
        out_loop(g, n, level, start, bound, n->lanes, false);
    } else if (g->masks) {
        struct loop l;
        loop_begin(g, &l, start, bound, n->lanes);
        mask_turn(g, n, level, l.index);
        n->index[level] = l.index;
        inside(g, n, level);
        loop_end(g, &l);
        n->mask = NULL;
    } else {
        /* Parts begin at whole turns. lanes_for: of all there is at least one full turn, and a rest. */
        LLVMValueRef full = LLVMBuildAnd(g->b, bound, whole(g, -n->lanes), "");
        bool certain = size_constant(size) && !(level == 1 && n->begin);
        out_loop(g, n, level, start, full, n->lanes, !certain);
        n->now = 1;
        out_loop(g, n, level, full, bound, 1, !certain);
    }
    n->now = 1;
}

/* A loop over an axis that is reduced one element after the other; leaves the reduction over it and the loops inside in
 * result->part. */
static void
sequential_loop(struct gen *g, struct nest *n, int level)
{
    LLVMValueRef *carried = ARENA_ARRAY(g->arena, LLVMValueRef, n->nresults);
    struct loop l;
    loop_begin(g, &l, whole(g, 0), n->bound[level], 1);
    for (int i = 0; i < n->nresults; i++) {
        struct result *r = &n->results[i];
        if (r->reduce != OP_COUNT)
            carried[i] = loop_carry(g, &l, reduce_start(g, r->reduce, n->items[r->item].elem, n->now));
    }
    n->index[level] = l.index;
    inside(g, n, level);
    for (int i = 0; i < n->nresults; i++) {
        struct result *r = &n->results[i];
        if (r->reduce == OP_COUNT)
            continue;
        LLVMValueRef next = reduce_step(g, r->reduce, n->items[r->item].elem, carried[i], r->part, n->now);
        loop_next(g, &l, carried[i], next);
        r->part = next;
    }
    loop_end(g, &l);
}

/* The turn of the innermost lane loop: 16 more elements for the lanes. */
static void
lane_turn(struct gen *g, struct nest *n, int level, LLVMValueRef turn)
{
    n->now = n->lanes;
    mask_turn(g, n, level, turn);
    inside(g, n, level);
    for (int i = 0; i < n->nresults; i++) {
        struct result *r = &n->results[i];
        if (r->reduce == OP_COUNT)
            continue;
        LLVMValueRef next = reduce_step(g, r->reduce, n->items[r->item].elem, r->lanes, r->part, n->now);
        r->lanes = n->mask ? LLVMBuildSelect(g->b, n->mask, next, r->lanes, "") : next;
    }
    n->mask = NULL;
    n->now = 1;
}

/* Turns the lanes of all results by |size| elements forward, or back. */
static void
turn_lanes(struct gen *g, struct nest *n, struct size size, bool back)
{
    LLVMValueRef amount = size_value(g, size);
    if (back)
        amount = LLVMBuildNeg(g->b, amount, "");
    for (int i = 0; i < n->nresults; i++)
        if (n->results[i].reduce != OP_COUNT)
            n->results[i].lanes = reduce_rotate(g, n->results[i].lanes, amount);
}

/* A loop over lane axes. They are one flat axis, element i of which goes to lane i mod 16; where some array keeps them
 * apart there is a loop for each. Then lane 0 of the vector is the lane of the innermost loop's first element: behind it
 * the lanes are turned by its length. */
static void
lane_loop(struct gen *g, struct nest *n, int level)
{
    bool first = level == 1 || n->kind[n->order[level - 2]] != AXIS_LANE, last = level == n->nloops;
    LLVMValueRef *carried = ARENA_ARRAY(g->arena, LLVMValueRef, n->nresults);
    struct loop l;
    loop_begin(g, &l, whole(g, 0), n->bound[level], last ? n->lanes : 1);
    for (int i = 0; i < n->nresults; i++) {
        struct result *r = &n->results[i];
        if (r->reduce == OP_COUNT)
            continue;
        if (first)
            r->lanes = reduce_start(g, r->reduce, n->items[r->item].elem, REDUCE_LANES);
        carried[i] = r->lanes = loop_carry(g, &l, r->lanes);
    }
    n->index[level] = l.index;
    if (last)
        lane_turn(g, n, level, l.index);
    else
        inside(g, n, level);
    for (int i = 0; i < n->nresults; i++)
        if (n->results[i].reduce != OP_COUNT)
            loop_next(g, &l, carried[i], n->results[i].lanes);
    loop_end(g, &l);
    if (last && !first)
        turn_lanes(g, n, loop_size(n, level), false);
    if (first && !last)
        turn_lanes(g, n, lane_size(n), true);
    for (int i = 0; i < n->nresults && first; i++) {
        struct result *r = &n->results[i];
        if (r->reduce != OP_COUNT)
            r->part = reduce_tree(g, r->reduce, n->items[r->item].elem, r->lanes);
    }
}

static void
loop(struct gen *g, struct nest *n, int level)
{
    if (n->kind[n->order[level - 1]] == AXIS_LANE)
        lane_loop(g, n, level);
    else if (level > n->out_loops)
        sequential_loop(g, n, level);
    else if (level == n->vector_loop)
        vector_loop(g, n, level);
    else
        out_loop(g, n, level, n->start[level], n->bound[level], 1, false);
}

/* Nothing is read: the results are empty, or the start values of their reductions. */
static bool
is_empty(const struct nest *n, bool *out_no_results)
{
    bool empty = false;
    *out_no_results = false;
    for (int i = 0; i < n->rank; i++)
        if (size_is(n->dim[i], 0)) {
            empty = true;
            *out_no_results |= n->kind[i] == AXIS_OUT;
        }
    return empty;
}

/* Reductions over nothing: their start values, over the axes that are left. */
static void
drop_reduced(struct nest *n)
{
    for (int i = n->rank - 1; i >= 0; i--)
        if (n->kind[i] != AXIS_OUT)
            drop_axis(n, i);
    n->empty = true;
}

/* Decides on the loops. False if there are no results. */
static bool
choose_loops(struct gen *g, struct nest *n)
{
    bool no_results;
    if (is_empty(n, &no_results)) {
        if (no_results)
            return false;
        drop_reduced(n);
    }
    simplify(n);
    order_loops(n);
    nest_mark(n);
    choose_vector(g, n);
    return true;
}

struct work
nest_work(struct gen *g, struct nest *n)
{
    struct work work = {.unit = 1};
    if (!choose_loops(g, n) || !n->out_loops)
        return work;
    work.count = loop_size(n, 1);
    work.unit = n->vector_loop == 1 ? n->lanes : 1;
    return work;
}

void
nest_emit(struct gen *g, struct nest *n)
{
    if (!choose_loops(g, n))
        return;
    place_items(n);
    for (int a = 0; a < n->narrays; a++)
        n->arrays[a].at[0] = n->arrays[a].is_index ? whole(g, 0) : n->arrays[a].base;
    for (int l = 1; l <= n->nloops; l++) {
        n->start[l] = l == 1 && n->begin ? n->begin : whole(g, 0);
        n->bound[l] = l == 1 && n->begin ? n->end : size_value(g, loop_size(n, l));
    }
    n->now = 1;
    n->mask = NULL;
    inside(g, n, 0);
}
