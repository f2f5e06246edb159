/* emit_tail: the elementwise node behind a contraction, applied to a tile while it is in registers.
 *
 * Each of its items is computed as often as it has to be: once a tile, for each vector of columns, for each row, for each
 * register. Sums and means over the rows go on in memory from tile to tile, a column of tiles from the first row to the
 * last: so they ascend as numerics.md says. */
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
    if (op_info[n->op].class == CLASS_REDUCE || !matmul_takes_tail(g, product))
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
    return uses == 1 && cost <= COST_MOST;
}

/* ---- its code ---- */

static struct tail *
tail_new(struct gen *g, const struct node *n, const struct operands *o)
{
    struct tail *t = ARENA_NEW(g->arena, struct tail);
    t->at = o->at;
    t->domain = &o->product->type;
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

bool
tail_has_sums(const struct node *tail)
{
    for (int i = 0; tail->op == OP_FUSED && i < tail->body->noutputs; i++)
        if (op_info[tail->body->outputs[i].node->op].class == CLASS_REDUCE)
            return true;
    return false;
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

void
tail_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows, LLVMValueRef acc[ROWS_MAX][VECTORS_MAX])
{
    struct gen *g = p->g;
    struct tail *t = p->tail;
    LLVMValueRef *sums = ARENA_ARRAY(g->arena, LLVMValueRef, t->group.noutputs);
    for (int v = 0; v < q->vectors; v++)
        for (int r = 0; r < rows; r++) {
            compute_items(p, t, q, row, r, v, acc[r][v]);
            for (int i = 0; i < t->group.noutputs; i++) {
                const struct output *o = &t->group.outputs[i];
                enum elem e = (enum elem)o->type->elem;
                if (!o->address)
                    continue;
                LLVMValueRef at = place_of(p, t, q, t->group.nitems + i, row, r, v), value = output_value(p, t, o, r);
                if (o->reduce) {
                    LLVMValueRef sum = r ? sums[i] : load(g, e, at, p->lanes, q->mask[v]);
                    sums[i] = value = reduce_step(g, (enum op)o->reduce->op, e, sum, value, p->lanes);
                }
                if (!o->reduce || r == rows - 1)
                    store(g, e, at, value, p->lanes, q->mask[v]);
            }
        }
}

void
emit_tail(struct gen *g, const struct node *n, const struct operands *o)
{
    struct tail *t = tail_new(g, n, o);
    const struct type *domain = t->domain;
    bool parts = o->begin && tail_has_sums(n);
    LLVMValueRef begin = parts ? o->begin : whole(g, 0);
    LLVMValueRef end = parts ? o->end : size_value(g, size_of_dim(domain->dim[domain->rank - 1]));
    clear_sums(g, t, begin, end);
    matmul_with_tail(g, n, o, t);
    finish_means(g, t, begin, end);
}
