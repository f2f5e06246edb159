/* emit_move: elements change places. What is a copy with strides is a nest of one item. */
#include "codegen/emit.h"

/* A nest that copies |from| to |to| over a domain of |shape|. */
static void
copy_nest(struct gen *g, const struct type *shape, struct array from, struct array to)
{
    struct item items[1] = {{.op = OP_INPUT, .elem = from.elem, .array = 0}};
    struct array arrays[2] = {from, to};
    struct result results[1] = {{.item = 0, .array = 1, .reduce = OP_COUNT}};
    struct nest n = {.rank = shape->rank, .items = items, .nitems = 1, .arrays = arrays, .narrays = 2,
                     .results = results, .nresults = 1};
    for (int i = 0; i < shape->rank; i++)
        n.dim[i] = size_of_dim(shape->dim[i]);
    nest_emit(g, &n);
}

/* A dense array of type |t| at |base|. */
static struct array
dense(LLVMValueRef base, const struct type *t)
{
    struct array a = {.base = base, .elem = (enum elem)t->elem};
    array_dense(&a, t, t);
    return a;
}

/* Moves the array's base by |start| along each axis. */
static void
shift(struct gen *g, struct array *a, int rank, const int64_t *start)
{
    for (int i = 0; i < rank; i++)
        if (start[i])
            a->base = element(g, a->base, a->elem, size_value(g, size_times(size_of_dim(start[i]), a->stride[i])));
}

static LLVMValueRef
bytes_of(struct gen *g, const struct type *t, int from)
{
    return size_value(g, size_times(size_span(t, from, t->rank), size_fixed((int64_t)elem_size((enum elem)t->elem))));
}

void
emit_transpose(struct gen *g, const struct node *n, const struct operands *o)
{
    struct array plain = dense(o->in[0], &n->in[0]->type), from = plain;
    for (int i = 0; i < n->type.rank; i++)
        from.stride[i] = plain.stride[n->attr->perm.perm[i]];
    copy_nest(g, &n->type, from, dense(o->out[0], &n->type));
}

void
emit_slice(struct gen *g, const struct node *n, const struct operands *o)
{
    struct array from = dense(o->in[0], &n->in[0]->type);
    shift(g, &from, n->type.rank, n->attr->slice.start);
    copy_nest(g, &n->type, from, dense(o->out[0], &n->type));
}

void
emit_pad(struct gen *g, const struct node *n, const struct operands *o)
{
    struct array to = dense(o->out[0], &n->type);
    zero_bytes(g, o->out[0], bytes_of(g, &n->type, 0));
    shift(g, &to, n->type.rank, n->attr->slice.start);
    copy_nest(g, &n->in[0]->type, dense(o->in[0], &n->in[0]->type), to);
}

void
emit_concat(struct gen *g, const struct node *n, const struct operands *o)
{
    int axis = n->attr->axis.axis;
    struct array to = dense(o->out[0], &n->type);
    for (int i = 0; i < n->nin; i++) {
        const struct type *t = &n->in[i]->type;
        copy_nest(g, t, dense(o->in[i], t), to);
        LLVMValueRef width = size_value(g, size_times(size_of_dim(t->dim[axis]), to.stride[axis]));
        to.base = element(g, to.base, to.elem, width);
    }
}

/* The row of a table that index |i| names, as an i64. */
static LLVMValueRef
index_at(struct gen *g, LLVMValueRef base, const struct type *t, LLVMValueRef i)
{
    enum elem e = (enum elem)t->elem;
    return emit_cast(g, e, ELEM_I64, load(g, e, element(g, base, e, i), 1, NULL), 1);
}

/* Whether |row| is one of |count| rows. */
static LLVMValueRef
is_inside(struct gen *g, LLVMValueRef row, LLVMValueRef count)
{
    return LLVMBuildICmp(g->b, LLVMIntULT, row, count, "");
}

/* The type of one row of a table. */
static struct type
row_type(const struct type *table)
{
    struct type row = {.elem = table->elem, .rank = (uint8_t)(table->rank - 1)};
    for (int i = 0; i < row.rank; i++)
        row.dim[i] = table->dim[i + 1];
    return row;
}

/* The address of row |row| of an array with rows of type |t|. */
static LLVMValueRef
row_address(struct gen *g, LLVMValueRef base, const struct type *t, LLVMValueRef row)
{
    LLVMValueRef width = size_value(g, size_span(t, 0, t->rank));
    return element(g, base, (enum elem)t->elem, LLVMBuildNSWMul(g->b, row, width, ""));
}

/* An index out of range is refused with the data; here it gives zeros, as in the kernels. */
void
emit_gather(struct gen *g, const struct node *n, const struct operands *o)
{
    const struct type *table = &n->in[0]->type, *index = &n->in[1]->type;
    struct type row = row_type(table);
    struct size count = size_span(index, 0, index->rank);
    if (count.factor == 0)
        return;
    LLVMValueRef rows = size_value(g, size_of_dim(table->dim[0])), bytes = bytes_of(g, &row, 0);
    struct loop l;
    loop_begin(g, &l, whole(g, 0), size_value(g, count), 1);
    LLVMValueRef to = row_address(g, o->out[0], &row, l.index), at = index_at(g, o->in[1], index, l.index);
    zero_bytes(g, to, bytes);
    LLVMBasicBlockRef outside = begin_if(g, is_inside(g, at, rows));
    copy_nest(g, &row, dense(row_address(g, o->in[0], &row, at), &row), dense(to, &row));
    end_if(g, outside);
    loop_end(g, &l);
}

/* Adds a row of values to a row of the result. */
static void
add_row(struct gen *g, const struct type *row, LLVMValueRef to, LLVMValueRef from)
{
    enum elem e = (enum elem)row->elem;
    struct item items[3] = {{.op = OP_INPUT, .elem = e, .array = 0}, {.op = OP_INPUT, .elem = e, .array = 1},
                            {.op = OP_ADD, .elem = e, .nin = 2, .in = (int[]){0, 1}}};
    struct array arrays[2] = {dense(to, row), dense(from, row)};
    struct result results[1] = {{.item = 2, .array = 0, .reduce = OP_COUNT}};
    struct nest n = {.rank = row->rank, .items = items, .nitems = 3, .arrays = arrays, .narrays = 2, .results = results,
                     .nresults = 1};
    for (int i = 0; i < row->rank; i++)
        n.dim[i] = size_of_dim(row->dim[i]);
    nest_emit(g, &n);
}

void
emit_scatter_add(struct gen *g, const struct node *n, const struct operands *o)
{
    const struct type *index = &n->in[0]->type;
    struct type row = row_type(&n->type);
    struct size count = size_span(index, 0, index->rank);
    zero_bytes(g, o->out[0], bytes_of(g, &n->type, 0));
    if (count.factor == 0)
        return;
    LLVMValueRef rows = size_value(g, size_of_dim(n->type.dim[0]));
    struct loop l;
    loop_begin(g, &l, whole(g, 0), size_value(g, count), 1);
    LLVMValueRef at = index_at(g, o->in[0], index, l.index);
    LLVMBasicBlockRef outside = begin_if(g, is_inside(g, at, rows));
    add_row(g, &row, row_address(g, o->out[0], &row, at), row_address(g, o->in[1], &row, l.index));
    end_if(g, outside);
    loop_end(g, &l);
}

void
emit_one_hot(struct gen *g, const struct node *n, const struct operands *o)
{
    const struct type *index = &n->in[0]->type;
    enum elem e = (enum elem)n->type.elem;
    struct size count = size_span(index, 0, index->rank);
    LLVMValueRef depth = size_value(g, size_of_dim(n->type.dim[n->type.rank - 1]));
    zero_bytes(g, o->out[0], bytes_of(g, &n->type, 0));
    if (count.factor == 0)
        return;
    struct loop l;
    loop_begin(g, &l, whole(g, 0), size_value(g, count), 1);
    LLVMValueRef at = index_at(g, o->in[0], index, l.index);
    LLVMBasicBlockRef outside = begin_if(g, is_inside(g, at, depth));
    LLVMValueRef to = element(g, o->out[0], e, LLVMBuildNSWAdd(g->b, LLVMBuildNSWMul(g->b, l.index, depth, ""), at, ""));
    store(g, e, to, number(g, e, 1, 1, 1), 1, NULL);
    end_if(g, outside);
    loop_end(g, &l);
}
