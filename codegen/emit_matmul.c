/* emit_matmul: contractions. Each output is one chain acc = fma(a, b, acc), k ascending, from +0 (numerics.md, item 3);
 * tiles, panels and blocks of k change nothing of that.
 *
 * A tile holds `rows` by `vectors` accumulators: one number of X broadcast to each row, neighbouring numbers of Y in the
 * lanes. As a rule X is a and the lanes are columns; where b has one column and a is stored transposed, X is b^T and the
 * lanes are rows. Where Y's lanes do not lie side by side they are first copied into a panel on the stack, a block of k
 * at a time. */
#include "codegen/emit.h"

enum { PANEL_BYTES = 32 << 10, ROWS_MAX = 12, VECTORS_MAX = 4 };

/* One contraction out of the batch, in elements. */
struct product {
    struct gen *g;
    enum elem elem;
    struct size m, n, k;                /* rows of X, lanes of Y, length of the chains */
    struct size x_row, x_k, y_lane, y_k, c_row;  /* the lanes of c lie side by side */
    LLVMValueRef x, y, c;
    int lanes, vectors, rows;           /* of a tile */
    LLVMValueRef panel;                 /* NULL: Y is read in place */
    int64_t block;                      /* of k, in the panel */
};

/* The part of a product that is being emitted. */
struct piece {
    int vectors;
    LLVMValueRef mask[VECTORS_MAX];     /* NULL: all lanes */
    LLVMValueRef lane;                  /* the first lane */
    LLVMValueRef first, length;         /* of k */
    bool one_block;                     /* all of k: the chains start here */
};

static LLVMValueRef
times(struct gen *g, LLVMValueRef index, struct size stride)
{
    return size_is(stride, 1) ? index : LLVMBuildNSWMul(g->b, index, size_value(g, stride), "");
}

static LLVMValueRef
moved(struct product *p, LLVMValueRef base, LLVMValueRef index, struct size stride)
{
    return element(p->g, base, p->elem, times(p->g, index, stride));
}

/* Address of vector |v| of the lanes at k = |k| of the piece. */
static LLVMValueRef
y_address(struct product *p, const struct piece *q, LLVMValueRef k, int v)
{
    struct gen *g = p->g;
    LLVMValueRef row;
    if (p->panel) {
        row = moved(p, p->panel, k, (struct size){p->lanes * p->vectors, 0});
    } else {
        LLVMValueRef at = LLVMBuildNSWAdd(g->b, q->first, k, "");
        row = moved(p, moved(p, p->y, q->lane, p->y_lane), at, p->y_k);
    }
    return element(g, row, p->elem, whole(g, v * p->lanes));
}

/* The accumulators of a block of k: +0 in the first, else what the one before stored. */
static LLVMValueRef
start_value(struct product *p, const struct piece *q, LLVMValueRef address, LLVMValueRef mask)
{
    LLVMValueRef zero = number(p->g, p->elem, 0, 0, p->lanes);
    if (q->one_block)
        return zero;
    LLVMValueRef first = LLVMBuildICmp(p->g->b, LLVMIntEQ, q->first, whole(p->g, 0), "");
    return LLVMBuildSelect(p->g->b, first, zero, load(p->g, p->elem, address, p->lanes, mask), "");
}

/* |rows| rows from |row| on. */
static void
emit_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows)
{
    struct gen *g = p->g;
    LLVMValueRef c[ROWS_MAX][VECTORS_MAX], acc[ROWS_MAX][VECTORS_MAX], y[VECTORS_MAX];
    LLVMValueRef corner = element(g, moved(p, p->c, row, p->c_row), p->elem, q->lane);
    LLVMValueRef x = moved(p, moved(p, p->x, row, p->x_row), q->first, p->x_k);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++) {
            LLVMValueRef at = moved(p, corner, whole(g, r), p->c_row);
            c[r][v] = element(g, at, p->elem, whole(g, v * p->lanes));
            acc[r][v] = start_value(p, q, c[r][v], q->mask[v]);
        }
    struct loop l;
    loop_begin(g, &l, whole(g, 0), q->length, 1);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++)
            acc[r][v] = loop_carry(g, &l, acc[r][v]);
    LLVMValueRef at = moved(p, x, l.index, p->x_k);
    for (int v = 0; v < q->vectors; v++)
        y[v] = load(g, p->elem, y_address(p, q, l.index, v), p->lanes, p->panel ? NULL : q->mask[v]);
    for (int r = 0; r < rows; r++) {
        LLVMValueRef a = load(g, p->elem, moved(p, at, whole(g, r), p->x_row), 1, NULL);
        a = splat(g, a, p->lanes);
        for (int v = 0; v < q->vectors; v++) {
            LLVMValueRef next = intrinsic(g, "llvm.fma", 3, (LLVMValueRef[]){a, y[v], acc[r][v]});
            loop_next(g, &l, acc[r][v], next);
            acc[r][v] = next;
        }
    }
    loop_end(g, &l);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++)
            store(g, p->elem, c[r][v], acc[r][v], p->lanes, q->mask[v]);
}

static void
tile_loop(struct product *p, const struct piece *q, LLVMValueRef start, LLVMValueRef bound, int rows)
{
    struct loop l;
    loop_begin(p->g, &l, start, bound, rows);
    emit_tile(p, q, l.index, rows);
    loop_end(p->g, &l);
}

/* A number of rows that is known: full tiles and one with the rest. */
static void
constant_rows(struct product *p, const struct piece *q)
{
    int64_t m = p->m.factor, tiles = (m + p->rows - 1) / p->rows;
    int rows = (int)((m + tiles - 1) / tiles);
    int64_t full = m - m % rows;
    tile_loop(p, q, whole(p->g, 0), whole(p->g, full), rows);
    if (full < m)
        emit_tile(p, q, whole(p->g, full), (int)(m - full));
}

/* A number of rows that the call brings. Where the chains are complete in one block the last tile overlaps the one
 * before: it computes the same values once more. */
static void
runtime_rows(struct product *p, const struct piece *q)
{
    struct gen *g = p->g;
    LLVMValueRef m = size_value(g, p->m), rows = whole(g, p->rows);
    if (!q->one_block) {
        struct loop l;
        LLVMValueRef full = LLVMBuildSub(g->b, m, LLVMBuildSRem(g->b, m, rows, ""), "");
        loop_begin_guarded(g, &l, whole(g, 0), full, p->rows);
        emit_tile(p, q, l.index, p->rows);
        loop_end(g, &l);
        loop_begin_guarded(g, &l, full, m, 1);
        emit_tile(p, q, l.index, 1);
        loop_end(g, &l);
        return;
    }
    LLVMBasicBlockRef many = block(g, "many"), few = block(g, "few"), done = block(g, "done");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSGE, m, rows, ""), many, few);
    LLVMPositionBuilderAtEnd(g->b, many);
    LLVMValueRef last = LLVMBuildNSWSub(g->b, m, rows, "");
    struct loop l;
    loop_begin(g, &l, whole(g, 0), m, p->rows);
    LLVMValueRef over = LLVMBuildICmp(g->b, LLVMIntSGT, l.index, last, "");
    emit_tile(p, q, LLVMBuildSelect(g->b, over, last, l.index, ""), p->rows);
    loop_end(g, &l);
    LLVMBuildBr(g->b, done);
    LLVMPositionBuilderAtEnd(g->b, few);
    tile_loop(p, q, whole(g, 0), m, 1);
    LLVMBuildBr(g->b, done);
    LLVMPositionBuilderAtEnd(g->b, done);
}

static void
emit_rows(struct product *p, const struct piece *q)
{
    if (size_constant(p->m))
        constant_rows(p, q);
    else
        runtime_rows(p, q);
}

/* Copies |count| lanes of a block of k into the panel. */
static void
fill_panel(struct product *p, const struct piece *q, LLVMValueRef count)
{
    struct gen *g = p->g;
    struct size width = {p->lanes * p->vectors, 0};
    struct loop j, k;
    loop_begin(g, &j, whole(g, 0), count, 1);
    LLVMValueRef lane = moved(p, p->y, LLVMBuildNSWAdd(g->b, q->lane, j.index, ""), p->y_lane);
    LLVMValueRef from = moved(p, lane, q->first, p->y_k);
    LLVMValueRef to = element(g, p->panel, p->elem, j.index);
    loop_begin(g, &k, whole(g, 0), q->length, 1);
    LLVMValueRef value = load(g, p->elem, moved(p, from, k.index, p->y_k), 1, NULL);
    store(g, p->elem, moved(p, to, k.index, width), value, 1, NULL);
    loop_end(g, &k);
    loop_end(g, &j);
}

/* All of k for the lanes of |q|; |count| lanes exist. */
static void
emit_blocks(struct product *p, struct piece *q, LLVMValueRef count)
{
    struct gen *g = p->g;
    LLVMValueRef length = size_value(g, p->k);
    q->one_block = !p->panel || (size_constant(p->k) && p->k.factor <= p->block);
    if (q->one_block) {
        q->first = whole(g, 0);
        q->length = length;
        if (p->panel)
            fill_panel(p, q, count);
        emit_rows(p, q);
        return;
    }
    struct loop l;
    loop_begin(g, &l, whole(g, 0), length, p->block);
    LLVMValueRef rest = LLVMBuildNSWSub(g->b, length, l.index, ""), block_size = whole(g, p->block);
    q->first = l.index;
    q->length = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, rest, block_size, ""), rest, block_size, "");
    fill_panel(p, q, count);
    emit_rows(p, q);
    loop_end(g, &l);
}

/* A number of lanes that is known. */
static void
constant_lanes(struct product *p)
{
    struct gen *g = p->g;
    int64_t width = p->lanes * p->vectors, full = p->n.factor / width * width, rest = p->n.factor - full;
    struct piece q = {.vectors = p->vectors};
    if (full) {
        struct loop l;
        loop_begin(g, &l, whole(g, 0), whole(g, full), width);
        q.lane = l.index;
        emit_blocks(p, &q, whole(g, width));
        loop_end(g, &l);
    }
    if (!rest)
        return;
    q.vectors = (int)((rest + p->lanes - 1) / p->lanes);
    q.lane = whole(g, full);
    if (rest % p->lanes)
        q.mask[q.vectors - 1] = lanes_below(g, whole(g, rest % p->lanes), p->lanes);
    emit_blocks(p, &q, whole(g, rest));
}

/* A number of lanes that the call brings: each vector has its mask. */
static void
runtime_lanes(struct product *p)
{
    struct gen *g = p->g;
    int64_t width = p->lanes * p->vectors;
    struct piece q = {.vectors = p->vectors};
    LLVMValueRef n = size_value(g, p->n);
    struct loop l;
    loop_begin(g, &l, whole(g, 0), n, width);
    q.lane = l.index;
    LLVMValueRef left = LLVMBuildNSWSub(g->b, n, l.index, ""), most = whole(g, width);
    for (int v = 0; v < p->vectors; v++)
        q.mask[v] = lanes_below(g, LLVMBuildNSWSub(g->b, left, whole(g, v * p->lanes), ""), p->lanes);
    emit_blocks(p, &q, LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, left, most, ""), left, most, ""));
    loop_end(g, &l);
}

static void
swap_sizes(struct size *a, struct size *b)
{
    struct size t = *a;
    *a = *b;
    *b = t;
}

/* Exchanges the parts of X and Y. */
static void
turn(struct product *p)
{
    LLVMValueRef x = p->x;
    p->x = p->y;
    p->y = x;
    swap_sizes(&p->m, &p->n);
    swap_sizes(&p->x_row, &p->y_lane);
    swap_sizes(&p->x_k, &p->y_k);
    p->c_row = p->n;
}

/* The shape of the tiles: as many accumulators as registers hold besides Y's vectors. */
static void
choose_tile(struct product *p)
{
    struct gen *g = p->g;
    int registers = g->masks ? 32 : 16, most = p->elem == ELEM_F64 ? g->width / 2 : g->width;
    p->lanes = most;
    if (size_constant(p->n))
        while (p->lanes > 1 && p->lanes / 2 >= p->n.factor)
            p->lanes /= 2;
    p->vectors = registers / 8;
    if (size_constant(p->n) && p->n.factor < p->lanes * p->vectors)
        p->vectors = (int)((p->n.factor + p->lanes - 1) / p->lanes);
    p->rows = (registers - registers / 4) / p->vectors;
    if (p->rows > ROWS_MAX)
        p->rows = ROWS_MAX;
}

/* Room for the panel on the stack, if Y is to be copied. */
static void
choose_panel(struct product *p)
{
    struct gen *g = p->g;
    if (size_is(p->y_lane, 1) || p->lanes == 1)
        return;
    int64_t row = p->lanes * p->vectors;
    p->block = PANEL_BYTES / (row * (int64_t)elem_size(p->elem));
    if (size_constant(p->k) && p->k.factor < p->block)
        p->block = p->k.factor;
    LLVMTypeRef t = LLVMArrayType2(g->elem[p->elem], (uint64_t)(row * p->block));
    p->panel = LLVMBuildAlloca(g->b, t, "panel");
    LLVMSetAlignment(p->panel, 64);
}

void
emit_matmul(struct gen *g, const struct node *n, const struct operands *o)
{
    const struct type *a = &n->in[0]->type, *b = &n->in[1]->type;
    bool ta = n->attr && n->attr->matmul.transpose_a, tb = n->attr && n->attr->matmul.transpose_b, batched = b->rank > 2;
    struct size one = {1, 0}, columns_a = size_of_dim(a->dim[a->rank - 1]), columns_b = size_of_dim(b->dim[b->rank - 1]);
    struct product p = {.g = g, .elem = (enum elem)a->elem, .x = o->in[0], .y = o->in[1], .c = o->out[0]};
    p.m = ta ? columns_a : size_span(a, batched ? a->rank - 2 : 0, a->rank - 1);
    p.k = ta ? size_of_dim(a->dim[a->rank - 2]) : columns_a;
    p.n = tb ? size_of_dim(b->dim[b->rank - 2]) : columns_b;
    p.x_row = ta ? one : columns_a;
    p.x_k = ta ? columns_a : one;
    p.y_lane = tb ? columns_b : one;
    p.y_k = tb ? one : columns_b;
    p.c_row = p.n;
    struct size batch = batched ? size_span(a, 0, a->rank - 2) : one;
    if (p.m.factor == 0 || p.n.factor == 0 || batch.factor == 0)
        return;
    if (p.k.factor == 0) {
        struct size bytes = size_times(size_span(&n->type, 0, n->type.rank), (struct size){(int64_t)elem_size(p.elem), 0});
        zero_bytes(g, p.c, size_value(g, bytes));
        return;
    }
    struct size of_a = size_times(p.m, p.k), of_b = size_times(p.k, p.n), of_c = size_times(p.m, p.n);
    if (ta && size_is(p.n, 1))
        turn(&p);
    choose_tile(&p);
    choose_panel(&p);
    struct product at = p;
    bool turned = p.x != o->in[0];
    struct loop l;
    loop_begin(g, &l, whole(g, 0), size_value(g, batch), 1);
    at.x = moved(&p, p.x, l.index, turned ? of_b : of_a);
    at.y = moved(&p, p.y, l.index, turned ? of_a : of_b);
    at.c = moved(&p, p.c, l.index, of_c);
    if (size_constant(at.n))
        constant_lanes(&at);
    else
        runtime_lanes(&at);
    loop_end(g, &l);
}
