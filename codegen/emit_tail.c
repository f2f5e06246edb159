/* emit_tail: the elementwise node behind a contraction, applied to a tile while it is in registers.
 *
 * Each of its items is computed as often as it has to be: once a tile, for each vector of columns, for each row, for each
 * register. Sums and means over the rows go on in memory from tile to tile, a column of tiles from the first row to the
 * last: so they ascend as numerics.md says. A part that begins with a later row keeps the values, which it stores anyway, and adds
 * them when the part before is done. */
#include "codegen/group.h"
#include "codegen/product.h"

enum { BY_ROW = 1, BY_COLUMN = 2, COST_MOST = 14, COST_FUNCTION = 20 };

struct tail {
    struct group group;
    int at;                     /* the operand that is the product */
    const struct type *domain;  /* the product's type */
    struct array *arrays;       /* of the items that are operands; then of the outputs */
    struct size *row, *column;  /* strides of the arrays */
    LLVMValueRef **value;       /* by item: for each row */
    bool has_sums;
    LLVMValueRef first;         /* whether sums go on from tile to tile: not of the rows of a later part */
};

/* ---- whether a node can be a tail ---- */

/* Strides of |a| for all leading axes as one, and for the last axis; false if they are not one. */
static bool
two_strides(const struct array *a, const struct type *domain, struct size *row, struct size *column)
{
    int last = domain->rank - 1;
    *column = a->stride[last];
    *row = last ? a->stride[last - 1] : (struct size){0};
    for (int i = last - 2; i >= 0; i--)
        if (!size_equal(a->stride[i], size_times(a->stride[i + 1], size_of_dim(domain->dim[i + 1]))))
            return false;
    return true;
}

int
item_cost(const struct item *it)
{
    switch (it->op) {
    case OP_INPUT:
    case OP_CONST:
    case OP_BROADCAST:
    case OP_STOP:
        return 0;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_FMA:
    case OP_NEG:
    case OP_LT:
    case OP_LE:
    case OP_EQ:
    case OP_NE:
    case OP_AND:
    case OP_OR:
    case OP_NOT:
    case OP_WHERE:
    case OP_CAST:
    case OP_ABS:
        return 1;
    case OP_MAX:
    case OP_MIN:
    case OP_SIGN:
        return 3;
    default:
        return COST_FUNCTION;
    }
}

static bool
output_fits(const struct group *gr, const struct output *o, const struct type *domain)
{
    if (!type_same_shape(gr->types[o->item], domain))
        return false;
    if (!o->reduce)
        return true;
    return domain->rank == 2 && o->reduce->attr->axes.axes == 1 && (o->reduce->op == OP_SUM || o->reduce->op == OP_MEAN);
}

bool
tail_fits(struct gen *g, const struct node *product, const struct node *n, int at)
{
    const struct type *domain = &product->type;
    struct group gr;
    int cost = 0, uses = 0;
    if (op_info[n->op].class == CLASS_REDUCE || !matmul_takes_tail(g, product, n))
        return false;
    group_make(g, &gr, n, NULL);
    for (int i = 0; i < gr.nitems; i++) {
        struct array a = {.elem = gr.items[i].elem};
        struct size row, column;
        cost += item_cost(&gr.items[i]);
        if (gr.items[i].op != OP_INPUT)
            continue;
        array_dense(&a, gr.types[i], domain);
        if (gr.types[i]->rank > domain->rank || !two_strides(&a, domain, &row, &column))
            return false;
        uses += gr.items[i].array == at;
    }
    for (int i = 0; i < gr.noutputs; i++) {
        cost += 1 + (gr.outputs[i].reduce != NULL);
        if (!output_fits(&gr, &gr.outputs[i], domain))
            return false;
    }
    return uses == 1 && (cost <= COST_MOST || is_later(g, product, n));
}

/* ---- its code ---- */

static struct tail *
tail_new(struct gen *g, const struct node *n, const struct operands *o)
{
    struct tail *t = ARENA_NEW(g->arena, struct tail);
    t->at = o->at;
    t->domain = &o->product->type;
    t->has_sums = tail_has_sums(n);
    t->first = whole(g, 1);
    group_make(g, &t->group, n, o);
    group_mark(&t->group);
    int count = t->group.nitems + t->group.noutputs;
    t->arrays = ARENA_ARRAY(g->arena, struct array, count);
    t->row = ARENA_ARRAY(g->arena, struct size, count);
    t->column = ARENA_ARRAY(g->arena, struct size, count);
    t->value = ARENA_ARRAY(g->arena, LLVMValueRef *, t->group.nitems);
    for (int i = 0; i < t->group.nitems; i++) {
        struct item *it = &t->group.items[i];
        t->value[i] = ARENA_ARRAY(g->arena, LLVMValueRef, ROWS_MAX);
        if (it->op != OP_INPUT) {
            for (int k = 0; k < it->nin; k++)
                it->axes |= t->group.items[it->in[k]].axes;
            continue;
        }
        struct array *a = &t->arrays[i];
        *a = (struct array){.base = it->array == t->at ? NULL : o->in[it->array], .elem = it->elem};
        array_dense(a, t->group.types[i], t->domain);
        two_strides(a, t->domain, &t->row[i], &t->column[i]);
        it->axes = (unsigned)((size_is(t->row[i], 0) ? 0 : BY_ROW) | (size_is(t->column[i], 0) ? 0 : BY_COLUMN));
        if (it->array == t->at)
            it->axes = BY_ROW | BY_COLUMN;
    }
    for (int i = 0; i < t->group.noutputs; i++) {
        int at = t->group.nitems + i;
        t->arrays[at] = (struct array){.base = t->group.outputs[i].address, .elem = (enum elem)t->group.outputs[i].type->elem};
        output_array(&t->arrays[at], &t->group.outputs[i], t->domain);
        two_strides(&t->arrays[at], t->domain, &t->row[at], &t->column[at]);
    }
    return t;
}

static bool
is_sum(const struct node *output)
{
    return op_info[output->op].class == CLASS_REDUCE;
}

bool
tail_has_sums(const struct node *tail)
{
    for (int i = 0; tail->op == OP_FUSED && i < tail->body->noutputs; i++)
        if (is_sum(tail->body->outputs[i].node))
            return true;
    return false;
}

bool
tail_keeps_summed(const struct node *tail)
{
    for (int i = 0, k; tail->op == OP_FUSED && i < tail->body->noutputs; i++) {
        const struct graph_output *outputs = tail->body->outputs;
        if (!is_sum(outputs[i].node))
            continue;
        for (k = 0; k < tail->body->noutputs && outputs[k].node != outputs[i].node->in[0]; k++)
            ;
        if (k == tail->body->noutputs)
            return false;
    }
    return true;
}

/* ---- sums of parts ---- */

enum { CHAINS = 8 }; /* registers of columns, since each chain of additions waits for itself */

/* Lanes of the |columns| columns. */
static int
sum_lanes(const struct gen *g, enum elem e, int64_t columns)
{
    int lanes = g->width / (e == ELEM_F64 ? 2 : 1);
    while (!g->masks && columns % lanes)
        lanes /= 2;
    return lanes;
}

/* Adds the rows from |begin| to |end| of output |from|, which is stored, to sum |to|. */
static void
add_rows(struct gen *g, const struct tail *t, int to, int from, LLVMValueRef begin, LLVMValueRef end)
{
    const struct output *o = &t->group.outputs[to];
    enum elem e = (enum elem)o->type->elem;
    int64_t columns = t->domain->dim[t->domain->rank - 1];
    int lanes = sum_lanes(g, e, columns), chains = (int)((columns + lanes - 1) / lanes);
    LLVMValueRef sum[CHAINS], carried[CHAINS], mask[CHAINS], at[CHAINS];
    struct loop c, r;
    chains = chains > CHAINS ? CHAINS : chains;
    while (!g->masks && columns % (lanes * chains))
        chains--;
    loop_begin(g, &c, whole(g, 0), whole(g, columns), lanes * chains);
    for (int i = 0; i < chains; i++) {
        LLVMValueRef column = LLVMBuildNSWAdd(g->b, c.index, whole(g, (int64_t)i * lanes), "");
        mask[i] = columns % (lanes * chains) ? lanes_below(g, LLVMBuildNSWSub(g->b, whole(g, columns), column, ""), lanes) : NULL;
        at[i] = element(g, o->address, e, column);
        sum[i] = load(g, e, at[i], lanes, mask[i]);
    }
    loop_begin(g, &r, begin, end, 1);
    for (int i = 0; i < chains; i++)
        carried[i] = loop_carry(g, &r, sum[i]);
    LLVMValueRef row = element(g, t->group.outputs[from].address, e, times(g, r.index, t->row[t->group.nitems + from]));
    row = element(g, row, e, c.index);
    for (int i = 0; i < chains; i++) {
        LLVMValueRef value = load(g, e, element(g, row, e, whole(g, (int64_t)i * lanes)), lanes, mask[i]);
        sum[i] = reduce_step(g, (enum op)o->reduce->op, e, carried[i], value, lanes);
        loop_next(g, &r, carried[i], sum[i]);
    }
    loop_end(g, &r);
    for (int i = 0; i < chains; i++)
        store(g, e, at[i], sum[i], lanes, mask[i]);
    loop_end(g, &c);
}

/* The sums of the rows of a part that is not the first, as soon as the part before has added its own. */
static void
add_part(struct gen *g, const struct tail *t, const struct operands *o)
{
    LLVMBasicBlockRef other = begin_if(g, LLVMBuildNot(g->b, t->first, ""));
    call_chain(g, "code_chain_wait", o->chain);
    for (int i = 0; i < t->group.noutputs; i++)
        for (int k = 0; k < t->group.noutputs && t->group.outputs[i].reduce && t->group.outputs[i].address; k++)
            if (!t->group.outputs[k].reduce && t->group.outputs[k].item == t->group.outputs[i].item) {
                add_rows(g, t, i, k, o->begin, o->end);
                break;
            }
    end_if(g, other);
    call_chain(g, "code_chain_next", o->chain);
}

/* Sums of the columns from |begin| to |end| start from +0. */
static void
clear_sums(struct gen *g, struct tail *t, LLVMValueRef begin, LLVMValueRef end)
{
    LLVMValueRef count = LLVMBuildNSWSub(g->b, end, begin, "");
    for (int i = 0; i < t->group.noutputs; i++) {
        const struct output *o = &t->group.outputs[i];
        enum elem e = (enum elem)o->type->elem;
        if (o->reduce && o->address)
            zero_bytes(g, element(g, o->address, e, begin), LLVMBuildNSWMul(g->b, count, whole(g, (int64_t)elem_size(e)), ""));
    }
}

/* Sums become means. */
static void
finish_means(struct gen *g, struct tail *t, LLVMValueRef begin, LLVMValueRef end)
{
    for (int i = 0; i < t->group.noutputs; i++) {
        const struct output *o = &t->group.outputs[i];
        if (!o->reduce || !o->address || o->reduce->op != OP_MEAN)
            continue;
        enum elem e = (enum elem)o->type->elem;
        struct result r = {.reduce = OP_MEAN, .count = reduced_count(o, t->domain)};
        struct loop l;
        int lanes = g->masks ? g->width / (e == ELEM_F64 ? 2 : 1) : 1;
        loop_begin(g, &l, begin, end, lanes);
        LLVMValueRef at = element(g, o->address, e, l.index);
        LLVMValueRef mask = lanes > 1 ? lanes_below(g, LLVMBuildNSWSub(g->b, end, l.index, ""), lanes) : NULL;
        store(g, e, at, reduce_finish(g, &r, e, load(g, e, at, lanes, mask), lanes), lanes, mask);
        loop_end(g, &l);
    }
}

/* Address of array |i| at row |r| and vector |v| of the tile. */
static LLVMValueRef
place_of(struct product *p, const struct tail *t, const struct piece *q, int i, LLVMValueRef row, int r, int v)
{
    struct gen *g = p->g;
    const struct array *a = &t->arrays[i];
    LLVMValueRef at = a->base;
    if (!size_is(t->row[i], 0)) {
        at = element(g, at, a->elem, times(g, row, t->row[i]));
        at = element(g, at, a->elem, times(g, whole(g, r), t->row[i]));
    }
    if (!size_is(t->column[i], 0)) {
        at = element(g, at, a->elem, q->lane);
        at = element(g, at, a->elem, whole(g, v * p->lanes));
    }
    return at;
}

static LLVMValueRef
item_at(struct product *p, struct tail *t, const struct piece *q, int i, LLVMValueRef row, int r, int v)
{
    struct gen *g = p->g;
    const struct item *it = &t->group.items[i];
    bool vector = it->axes & BY_COLUMN;
    LLVMValueRef in[3] = {NULL};
    if (it->op == OP_INPUT)
        return load(g, it->elem, place_of(p, t, q, i, row, r, v), vector ? p->lanes : 1, vector ? q->mask[v] : NULL);
    for (int k = 0; k < it->nin; k++) {
        const struct item *from = &t->group.items[it->in[k]];
        in[k] = t->value[it->in[k]][from->axes & BY_ROW ? r : 0];
        if (vector && !(from->axes & BY_COLUMN))
            in[k] = splat(g, in[k], p->lanes);
    }
    return item_operation(g, t->group.items, it, in, vector ? p->lanes : 1);
}

/* The items of row |r| and vector |v| that were not computed for a row or a vector before. */
static void
compute_items(struct product *p, struct tail *t, const struct piece *q, LLVMValueRef row, int r, int v, LLVMValueRef acc)
{
    for (int i = 0; i < t->group.nitems; i++) {
        const struct item *it = &t->group.items[i];
        if (!it->needed || (r && !(it->axes & BY_ROW)) || (v && !(it->axes & BY_COLUMN)))
            continue;
        bool product = it->op == OP_INPUT && it->array == t->at;
        t->value[i][it->axes & BY_ROW ? r : 0] = product ? acc : item_at(p, t, q, i, row, r, v);
    }
}

static LLVMValueRef
output_value(struct product *p, const struct tail *t, const struct output *o, int r)
{
    unsigned axes = t->group.items[o->item].axes;
    LLVMValueRef value = t->value[o->item][axes & BY_ROW ? r : 0];
    return axes & BY_COLUMN ? value : splat(p->g, value, p->lanes);
}

/* Goes on with sum |i| by vector |v| of the tile's rows. */
static void
sum_tile(struct product *p, const struct tail *t, const struct piece *q, int i, LLVMValueRef row, int rows, int v)
{
    struct gen *g = p->g;
    const struct output *o = &t->group.outputs[i];
    enum elem e = (enum elem)o->type->elem;
    if (!o->address || !o->reduce)
        return;
    LLVMValueRef at = place_of(p, t, q, t->group.nitems + i, row, 0, v), sum = load(g, e, at, p->lanes, q->mask[v]);
    for (int r = 0; r < rows; r++)
        sum = reduce_step(g, (enum op)o->reduce->op, e, sum, output_value(p, t, o, r), p->lanes);
    store(g, e, at, sum, p->lanes, q->mask[v]);
}

void
tail_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows, LLVMValueRef acc[ROWS_MAX][VECTORS_MAX])
{
    struct gen *g = p->g;
    struct tail *t = p->tail;
    for (int v = 0; v < q->vectors; v++) {
        for (int r = 0; r < rows; r++) {
            compute_items(p, t, q, row, r, v, acc[r][v]);
            for (int i = 0; i < t->group.noutputs; i++) {
                const struct output *o = &t->group.outputs[i];
                if (o->address && !o->reduce)
                    store(g, (enum elem)o->type->elem, place_of(p, t, q, t->group.nitems + i, row, r, v), output_value(p, t, o, r), p->lanes,
                          q->mask[v]);
            }
        }
        if (!t->has_sums)
            continue;
        LLVMBasicBlockRef other = begin_if(g, t->first);
        for (int i = 0; i < t->group.noutputs; i++)
            sum_tile(p, t, q, i, row, rows, v);
        end_if(g, other);
    }
}

void
tail_prefetch(struct product *p, LLVMValueRef place)
{
    const struct tail *t = p->tail;
    for (int i = 0; i < t->group.nitems; i++) {
        const struct item *it = &t->group.items[i];
        if (it->op == OP_INPUT && it->needed && it->array != t->at && it->axes)
            prefetch(p->g, element(p->g, t->arrays[i].base, it->elem, place));
    }
}

void
emit_tail(struct gen *g, const struct node *n, const struct operands *o)
{
    struct tail *t = tail_new(g, n, o);
    const struct type *domain = t->domain;
    bool parts = o->begin && t->has_sums, rows = parts && matmul_cuts_rows(g, o->product, n);
    LLVMValueRef begin = whole(g, 0), end = size_value(g, size_of_dim(domain->dim[domain->rank - 1])), last = whole(g, 1);
    if (rows) {
        t->first = LLVMBuildICmp(g->b, LLVMIntEQ, o->begin, whole(g, 0), "");
        last = LLVMBuildICmp(g->b, LLVMIntEQ, o->end, size_value(g, size_of_dim(domain->dim[0])), "");
    } else if (parts) {
        begin = o->begin;
        end = o->end;
    }
    LLVMBasicBlockRef other = begin_if(g, t->first);
    clear_sums(g, t, begin, end);
    end_if(g, other);
    matmul_with_tail(g, n, o, t);
    if (rows)
        add_part(g, t, o);
    other = begin_if(g, last);
    finish_means(g, t, begin, end);
    end_if(g, other);
}
