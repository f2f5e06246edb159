/* emit_matmul: contractions. Which kernel a shape gets; tiles, panels and blocks of k change no bit (numerics.md, item 3).
 *
 * As a rule X is a and the lanes are columns. Where b has few columns and a is stored transposed, X is b^T, the lanes are
 * rows, and c is transposed at the end. Where Y's lanes do not lie side by side, or its rows lie far apart, they are first
 * copied into a panel on the stack, a block of k at a time. Large products have both operands copied. */
#include "codegen/product.h"
#include <math.h>

enum {
    PANEL_BYTES = 128 << 10,
    L1_BYTES = 32 << 10,    /* of Y that stays there beside X and c */
    PREFETCH_BYTES = 64 << 10,
    FEW_ROWS = 64,          /* too few to bring Y's rows into the first cache */
    FEW_COLUMNS = 16,
    FAR = 2 << 10,          /* bytes from row to row of Y that fall into few sets of the cache */
    LONG = 500, BLOCK = 250, /* chains of weight gradients are cut */
    LATER_TILE = 8 /* accumulators of a tile beside which a tail is done */
};

LLVMValueRef
times(struct gen *g, LLVMValueRef index, struct size stride)
{
    return size_is(stride, 1) ? index : LLVMBuildNSWMul(g->b, index, size_value(g, stride), "");
}

LLVMValueRef
moved(struct product *p, LLVMValueRef base, LLVMValueRef index, struct size stride)
{
    return element(p->g, base, p->elem, times(p->g, index, stride));
}

int
registers(const struct gen *g)
{
    return g->masks ? 32 : 16;
}

int
accumulators(const struct gen *g)
{
    return registers(g) - registers(g) / 4;
}

/* ---- loops over lanes and blocks of k ---- */

void
begin_block(struct product *p, struct loop *l)
{
    struct gen *g = p->g;
    LLVMValueRef most = whole(g, p->block);
    loop_begin(g, l, p->k_begin, p->k_end, p->block);
    LLVMValueRef rest = LLVMBuildNSWSub(g->b, p->k_end, l->index, "");
    p->first = l->index;
    p->length = least(g, rest, most);
}

static bool
is_cut(const struct product *p)
{
    return p->block && !(size_constant(p->k) && p->k.factor <= p->block);
}

/* The lanes of |q|, of which |count| exist. A panel is filled a block of k at a time. */
static void
emit_piece(struct product *p, struct piece *q, LLVMValueRef count)
{
    struct gen *g = p->g;
    struct loop l;
    bool blocks = p->panel && is_cut(p);
    if (blocks)
        begin_block(p, &l);
    if (p->panel)
        fill_panel(p, q, count);
    emit_rows(p, q);
    if (blocks)
        loop_end(g, &l);
}

void
constant_lanes(struct product *p, piece_fn *emit)
{
    struct gen *g = p->g;
    int64_t width = p->lanes * p->vectors, full = p->n.factor / width * width, rest = p->n.factor - full;
    struct piece q = {.vectors = p->vectors};
    if (full) {
        struct loop l;
        loop_begin_guarded(g, &l, p->lane_begin, least(g, p->lane_end, whole(g, full)), width);
        q.lane = l.index;
        emit(p, &q, whole(g, width));
        loop_end(g, &l);
    }
    if (!rest)
        return;
    LLVMBasicBlockRef other = begin_if(g, LLVMBuildICmp(g->b, LLVMIntSGT, p->lane_end, whole(g, full), ""));
    q.vectors = (int)((rest + p->lanes - 1) / p->lanes);
    q.lane = whole(g, full);
    if (rest % p->lanes)
        q.mask[q.vectors - 1] = lanes_below(g, whole(g, rest % p->lanes), p->lanes);
    emit(p, &q, whole(g, rest));
    end_if(g, other);
}

/* A number of lanes that the call brings: each vector has its mask. */
static void
runtime_lanes(struct product *p)
{
    struct gen *g = p->g;
    int64_t width = p->lanes * p->vectors;
    struct piece q = {.vectors = p->vectors};
    struct loop l;
    loop_begin(g, &l, p->lane_begin, p->lane_end, width);
    q.lane = l.index;
    LLVMValueRef left = LLVMBuildNSWSub(g->b, p->lane_end, l.index, "");
    for (int v = 0; v < p->vectors; v++)
        q.mask[v] = lanes_below(g, LLVMBuildNSWSub(g->b, left, whole(g, v * p->lanes), ""), p->lanes);
    emit_piece(p, &q, least(g, left, whole(g, width)));
    loop_end(g, &l);
}

/* ---- which kernel ---- */

/* Cycles of one number of k in a tile: two multiplications and two loads a cycle, chains of four; what of Y does not stay in
 * the first cache comes at 20 bytes a cycle. */
static double
tile_cycles(const struct product *p, int vectors, int rows)
{
    double cycles = 4, products = 0.5 * vectors * rows, loads = 0.5 * (vectors + rows), bytes = 0;
    int64_t width = vectors * p->lanes * (int64_t)elem_size(p->elem);
    if (size_is(p->y_lane, 1) && likely(p->g, p->k) * width > L1_BYTES)
        bytes = (double)width / 20;
    cycles = products > cycles ? products : cycles;
    cycles = loads > cycles ? loads : cycles;
    return bytes > cycles ? bytes : cycles;
}

/* Cycles of all tiles of |vectors| by |rows|, and a little for the code they take. */
static double
shape_cycles(const struct product *p, int vectors, int rows)
{
    int64_t m = likely(p->g, p->m), n = likely(p->g, p->n), k = likely(p->g, p->k), width = vectors * p->lanes;
    int64_t tiles = (m + rows - 1) / rows, pieces = n / width;
    int rest = (int)((n % width + p->lanes - 1) / p->lanes);
    if (size_constant(p->m))
        rows = (int)((m + tiles - 1) / tiles);
    double all = 0;
    for (int i = 0; i < 2; i++) {
        int v = i ? rest : vectors;
        double start = 12 + 1.5 * v * rows;
        if (v)
            all += (double)(tiles * (i ? 1 : pieces)) * ((double)k * tile_cycles(p, v, rows) + start);
    }
    return all * (1 + 0.0005 * vectors * rows);
}

/* A tile beside which a tail is done: whole rows if it can be, since the tail then goes through its operands from the first
 * to the last; few accumulators, which go through its queue. */
static void
choose_tile_for_later(struct product *p)
{
    p->lanes = p->elem == ELEM_F64 ? p->g->width / 2 : p->g->width;
    int vectors = (int)((p->n.factor + p->lanes - 1) / p->lanes), pieces = (vectors + VECTORS_MAX - 1) / VECTORS_MAX;
    p->vectors = (vectors + pieces - 1) / pieces;
    p->rows = LATER_TILE / p->vectors;
}

static void
choose_tile(struct product *p)
{
    struct gen *g = p->g;
    double best = 0;
    p->lanes = p->elem == ELEM_F64 ? g->width / 2 : g->width;
    if (size_constant(p->n))
        while (p->lanes > 1 && p->lanes / 2 >= p->n.factor)
            p->lanes /= 2;
    p->vectors = 0;
    for (int vectors = 1; vectors <= registers(g) / 8; vectors++)
        for (int rows = 1; rows * vectors <= accumulators(g) && rows <= ROWS_MAX; rows++) {
            double cycles = shape_cycles(p, vectors, rows);
            if (p->vectors && cycles >= best)
                continue;
            best = cycles;
            p->vectors = vectors;
            p->rows = rows;
        }
    if (size_constant(p->n) && p->n.factor < p->lanes * p->vectors)
        p->vectors = (int)((p->n.factor + p->lanes - 1) / p->lanes);
}

/* Whether Y is copied: its lanes do not lie side by side, or its rows lie far apart and are used often. */
static bool
needs_panel(const struct product *p)
{
    struct gen *g = p->g;
    if (!size_is(p->y_lane, 1))
        return p->lanes > 1;
    return likely(g, p->y_k) * (int64_t)elem_size(p->elem) >= FAR && likely(g, p->k) >= 64 && likely(g, p->m) >= 64;
}

/* Room for the panel, if Y is to be copied; blocks of k. */
static void
choose_blocks(struct product *p, bool cut)
{
    struct gen *g = p->g;
    if (needs_panel(p)) {
        int64_t row = p->lanes * p->vectors;
        p->block = PANEL_BYTES / (row * (int64_t)elem_size(p->elem));
        if (size_constant(p->k) && p->k.factor < p->block)
            p->block = p->k.factor;
        p->scratch = row * p->block * (int64_t)elem_size(p->elem);
    } else if (cut && likely(g, p->k) > LONG) {
        int64_t k = likely(g, p->k), blocks = (k + BLOCK - 1) / BLOCK;
        p->block = (k + blocks - 1) / blocks;
    }
    int64_t bytes = likely(g, p->k) * p->lanes * p->vectors * (int64_t)elem_size(p->elem);
    p->prefetch = !p->scratch && !p->block && bytes > PREFETCH_BYTES && likely(g, p->m) <= FEW_ROWS && size_is(p->y_lane, 1);
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

enum way { WAY_TILES, WAY_TURNED, WAY_COLUMN, WAY_BIG };
/* What a contraction is cut into for threads; CHAINS: along k, one part of each chain behind the other. */
enum cut { CUT_PRODUCTS, CUT_ROWS, CUT_LANES, CUT_CHAINS };

static enum way
choose_way(const struct product *p, bool ta)
{
    struct gen *g = p->g;
    int64_t bytes = p->m.factor * p->n.factor * (int64_t)elem_size(p->elem);
    if (ta && size_is(p->n, 1))
        return WAY_TURNED;
    if (ta && g->masks && p->elem == ELEM_F32 && size_constant(p->n) && size_constant(p->m) && p->n.factor <= FEW_COLUMNS &&
        p->m.factor >= 2 * FEW_COLUMNS && bytes <= PANEL_BYTES)
        return WAY_TURNED;
    if (!ta && g->width >= 8 && p->elem == ELEM_F32 && size_is(p->n, 1) && size_constant(p->k) && p->k.factor % 4 == 0)
        return WAY_COLUMN;
    return is_big(p) ? WAY_BIG : WAY_TILES;
}

/* ---- chains in parts ---- */

enum { PIECES = 16 }; /* a part waits for the first piece of the part before; 12 to 24 are as fast */

/* Rows of c in a piece. */
static int64_t
chain_rows(const struct product *p)
{
    int64_t m = likely(p->g, p->m), rows = tile_rows(p), lanes = p->lanes * p->vectors;
    int64_t across = (p->n.factor + lanes - 1) / lanes, down = (PIECES + across - 1) / across;
    return ((m + down - 1) / down + rows - 1) / rows * rows;
}

/* ---- the node ---- */

struct operation {
    bool ta, tb, batched;
    struct size batch;
    struct product product;
    enum way way;
    enum cut cut;
};

static struct operation
operation_of(struct gen *g, const struct node *n, const struct node *tail)
{
    const struct type *a = &n->in[0]->type, *b = &n->in[1]->type;
    struct operation o = {.ta = n->attr && n->attr->matmul.transpose_a, .tb = n->attr && n->attr->matmul.transpose_b};
    struct size one = {.factor = 1}, columns_a = size_of_dim(a->dim[a->rank - 1]), columns_b = size_of_dim(b->dim[b->rank - 1]);
    struct product *p = &o.product;
    o.batched = b->rank > 2;
    o.batch = o.batched ? size_span(a, 0, a->rank - 2) : one;
    *p = (struct product){.g = g, .elem = (enum elem)a->elem};
    p->m = o.ta ? columns_a : size_span(a, o.batched ? a->rank - 2 : 0, a->rank - 1);
    p->k = o.ta ? size_of_dim(a->dim[a->rank - 2]) : columns_a;
    p->n = o.tb ? size_of_dim(b->dim[b->rank - 2]) : columns_b;
    p->x_row = o.ta ? one : columns_a;
    p->x_k = o.ta ? columns_a : one;
    p->y_lane = o.tb ? columns_b : one;
    p->y_k = o.tb ? one : columns_b;
    p->c_row = p->n;
    o.way = choose_way(p, o.ta);
    p->later = tail && is_later(g, n, tail);
    return o;
}

/* Where Y is read in place the blocks of k are outermost: X's part stays in the second cache. */
static void
emit_lanes(struct product *p)
{
    struct loop l;
    bool blocks = !p->panel && is_cut(p);
    p->whole_chains = !is_cut(p) && !p->chain;
    p->first = p->k_begin;
    p->length = LLVMBuildNSWSub(p->g->b, p->k_end, p->k_begin, "");
    if (blocks)
        begin_block(p, &l);
    if (size_constant(p->n))
        constant_lanes(p, emit_piece);
    else
        runtime_lanes(p);
    if (blocks)
        loop_end(p->g, &l);
}

void
call_chain(struct gen *g, const char *name, LLVMValueRef chain)
{
    LLVMTypeRef type = LLVMFunctionType(g->nothing, &g->pointer, 1, false);
    LLVMValueRef f = LLVMGetNamedFunction(g->module, name);
    if (!f)
        f = LLVMAddFunction(g->module, name, type);
    LLVMBuildCall2(g->b, type, f, &chain, 1, "");
}

/* The rows and lanes of a piece that the part before has done, for this part of k. */
static void
chain_piece(struct product *p, struct piece *q, LLVMValueRef count)
{
    struct loop l;
    (void)count;
    call_chain(p->g, "code_chain_wait", p->chain);
    if (is_cut(p))
        begin_block(p, &l);
    emit_rows(p, q);
    if (is_cut(p))
        loop_end(p->g, &l);
    call_chain(p->g, "code_chain_next", p->chain);
}

/* Parts of the chains, one behind the other: while the second goes on with the first piece of c, the first begins the next. So
 * each reads its own rows of what is multiplied, and only c goes from one processor to another. */
static void
emit_chains(struct product *p)
{
    struct gen *g = p->g;
    struct product at = *p;
    struct loop k, l;
    at.whole_chains = false;
    at.first = p->k_begin;
    at.length = LLVMBuildNSWSub(g->b, p->k_end, p->k_begin, "");
    /* A single part has a turn for each block of k and one for all rows, others have one for all k. */
    LLVMValueRef single = LLVMBuildICmp(g->b, LLVMIntEQ, at.length, size_value(g, p->k), "");
    if (is_cut(p)) {
        LLVMValueRef once = LLVMBuildNSWAdd(g->b, p->k_begin, whole(g, 1), "");
        loop_begin(g, &k, p->k_begin, LLVMBuildSelect(g->b, single, p->k_end, once, ""), p->block);
        LLVMValueRef block = least(g, p->k_end, LLVMBuildNSWAdd(g->b, k.index, whole(g, p->block), ""));
        at.k_begin = k.index;
        at.k_end = LLVMBuildSelect(g->b, single, block, p->k_end, "");
    }
    loop_begin(g, &l, p->row_begin, LLVMBuildSelect(g->b, single, whole(g, 1), p->row_end, ""), chain_rows(p));
    LLVMValueRef end = least(g, p->row_end, LLVMBuildNSWAdd(g->b, l.index, whole(g, chain_rows(p)), ""));
    at.row_begin = l.index;
    at.row_end = LLVMBuildSelect(g->b, single, p->row_end, end, "");
    constant_lanes(&at, chain_piece);
    loop_end(g, &l);
    if (is_cut(p))
        loop_end(g, &k);
}

/* |p| turned: c^T comes into memory of its own, unless it is a column; parts of chains need memory that they share, and c
 * itself is that. */
static void
emit_turned(struct product *p)
{
    struct gen *g = p->g;
    struct product at = *p;
    struct size one = {.factor = 1};
    if (!p->chain && !size_is(p->m, 1))
        at.c = p->memory;
    (p->chain ? emit_chains : emit_lanes)(&at);
    if (size_is(p->m, 1))
        return;
    LLVMBasicBlockRef other = begin_if(g, chains_end(p));
    if (p->chain)
        copy_bytes(g, p->memory, p->c, whole(g, p->scratch));
    LLVMValueRef count = LLVMBuildNSWSub(g->b, p->lane_end, p->lane_begin, "");
    transpose(g, p->elem, moved(p, p->memory, p->lane_begin, one), size_value(g, p->n), moved(p, p->c, p->lane_begin, p->m),
              size_value(g, p->m), size_value(g, p->m), count);
    end_if(g, other);
}

static void
emit_plain(struct product *p)
{
    struct product at = *p;
    at.panel = p->scratch ? p->memory : NULL;
    (p->chain ? emit_chains : emit_lanes)(&at);
}

/* Decides all that stands before the loops. */
static void
prepare(struct operation *o)
{
    struct product *p = &o->product;
    if (o->way == WAY_BIG) {
        big_prepare(p);
        return;
    }
    if (o->way != WAY_TILES)
        turn(p);
    if (o->way == WAY_COLUMN)
        return;
    (p->later ? choose_tile_for_later : choose_tile)(p);
    choose_blocks(p, o->ta);
    if (o->way == WAY_TURNED && !size_is(p->m, 1))
        p->scratch = p->m.factor * p->n.factor * (int64_t)elem_size(p->elem);
}

static bool
is_empty(const struct operation *o)
{
    return o->product.m.factor == 0 || o->product.n.factor == 0 || o->batch.factor == 0;
}

int64_t
matmul_scratch(struct gen *g, const struct node *n, const struct node *tail)
{
    struct operation o = operation_of(g, n, tail);
    if (is_empty(&o) || o.product.k.factor == 0)
        return 0;
    prepare(&o);
    return o.product.scratch;
}

/* ---- parts for threads ---- */

/* What the busiest of two, three and four parts of |pieces| pieces has to do; together. */
static double
busiest(double pieces)
{
    double sum = 0;
    for (int parts = 2; parts <= 4; parts++) {
        int64_t most = ((int64_t)ceil(pieces) + parts - 1) / parts;
        sum += (double)most < pieces ? (double)most / pieces : 1;
    }
    return sum;
}

/* The lanes that belong together. */
static int64_t
lane_unit(const struct operation *o)
{
    return o->way == WAY_COLUMN ? COLUMN_ROWS : o->product.lanes * o->product.vectors;
}

/* Whether what lies in rows along k is so much more than all else that each processor should keep its own rows of it in its cache:
 * a batch that weight gradients sum over, the weights of a wide layer for a few rows. */
static bool
has_long_chains(const struct operation *o)
{
    const double MORE = 2;
    const struct product *p = &o->product;
    double m = (double)likely(p->g, p->m), n = (double)likely(p->g, p->n), k = (double)likely(p->g, p->k);
    double x = m * k, y = n * k, rows = y, rest = m * n;
    if (p->later || (o->way != WAY_TILES && o->way != WAY_TURNED) || (o->way == WAY_TILES && p->scratch) || !size_constant(p->n) ||
        !size_is(p->y_lane, 1))
        return false;
    *(size_is(p->x_k, 1) ? &rest : &rows) += x;
    return rows > MORE * rest;
}

/* Sums over the rows of values that nobody keeps, and what has all lanes of c in memory, are cut into lanes only. Rows are better where both divide as
 * well: parts of the lanes have parts of each row of Y and c, of which the processors' prefetchers bring more than they use,
 * out of each other's caches. A panel is copied by each part of the rows. */
static enum cut
choose_cut(const struct operation *o, const struct node *tail)
{
    const double COPY = 60; /* of a column of a panel, against its product with a row */
    const struct product *p = &o->product;
    double m = (double)likely(p->g, p->m), n = (double)likely(p->g, p->n);
    if (o->batched)
        return CUT_PRODUCTS;
    if (has_long_chains(o) && !(tail && tail_has_sums(tail)))
        return CUT_CHAINS;
    if (o->way != WAY_TILES || (tail && !tail_keeps_summed(tail)))
        return CUT_LANES;
    double rows = busiest(m / (double)tile_rows(p)) + (p->scratch ? COPY / m : 0);
    return rows <= busiest(n / (double)lane_unit(o)) ? CUT_ROWS : CUT_LANES;
}

static void
set_part(struct operation *o, const struct operands *in)
{
    struct product *p = &o->product;
    struct gen *g = p->g;
    p->row_begin = p->lane_begin = p->k_begin = whole(g, 0);
    p->row_end = size_value(g, p->m);
    p->lane_end = size_value(g, p->n);
    p->k_end = size_value(g, p->k);
    if (in->begin && o->cut == CUT_ROWS) {
        p->row_begin = in->begin;
        p->row_end = in->end;
    } else if (in->begin && o->cut == CUT_LANES) {
        p->lane_begin = in->begin;
        p->lane_end = in->end;
    } else if (in->begin && o->cut == CUT_CHAINS) {
        p->k_begin = in->begin;
        p->k_end = in->end;
        p->chain = in->chain;
    }
}

/* About how many picoseconds it takes for the greatest number of rows: what is multiplied, read and written. */
static double
likely_ps(const struct operation *o)
{
    const double PRODUCT = 12, READ = 30, WRITTEN = 60, LATER = 400, LANES = 16;
    const struct product *p = &o->product;
    struct gen *g = p->g;
    double m = (double)likely(g, p->m), n = (double)likely(g, p->n), k = (double)likely(g, p->k), lanes = p->lanes ? p->lanes : 1;
    double products = PRODUCT * LANES / g->width * m * ceil(n / lanes) * lanes * k;
    return (double)likely(g, o->batch) * (products + READ * (m + n) * k + (WRITTEN + (p->later ? LATER : 0)) * m * n);
}

struct work
matmul_work(struct gen *g, const struct node *n, const struct node *tail)
{
    struct operation o = operation_of(g, n, tail);
    struct product *p = &o.product;
    if (is_empty(&o) || p->k.factor == 0)
        return (struct work){.unit = 1};
    prepare(&o);
    o.cut = choose_cut(&o, tail);
    struct work work = {.unit = 1, .count = o.batch};
    if (o.cut != CUT_PRODUCTS) {
        work.count = o.cut == CUT_ROWS ? p->m : o.cut == CUT_LANES ? p->n : p->k;
        work.unit = o.cut == CUT_ROWS ? tile_rows(p) : o.cut == CUT_LANES ? lane_unit(&o) : 1;
    }
    work.ps = size_times(size_times(o.batch, p->k), size_times(p->m, p->n));
    work.ps.factor = (int64_t)(likely_ps(&o) / (double)likely(g, (struct size){.factor = 1, .power = work.ps.power}));
    return work;
}

static bool
is_plain(const struct operation *o)
{
    return o->way == WAY_TILES && !o->batched && !is_cut(&o->product) && size_constant(o->product.n);
}

bool
matmul_cuts_rows(struct gen *g, const struct node *n, const struct node *tail)
{
    struct operation o = operation_of(g, n, tail);
    prepare(&o);
    return choose_cut(&o, tail) == CUT_ROWS;
}

bool
matmul_takes_tail(struct gen *g, const struct node *n, const struct node *tail)
{
    struct operation o = operation_of(g, n, tail);
    if (is_empty(&o) || o.product.k.factor == 0)
        return false;
    prepare(&o);
    return is_plain(&o);
}

void
matmul_with_tail(struct gen *g, const struct node *n, const struct operands *o, struct tail *tail)
{
    struct operation op = operation_of(g, o->product, n);
    struct product *p = &op.product;
    p->x = o->factors[0];
    p->y = o->factors[1];
    p->c = o->factors[2];
    p->memory = o->scratch;
    p->tail = tail;
    prepare(&op);
    op.cut = choose_cut(&op, n);
    set_part(&op, o);
    if (p->later)
        queue_open(p);
    emit_plain(p);
    if (p->later)
        queue_close(p);
}

void
emit_matmul(struct gen *g, const struct node *n, const struct operands *in)
{
    static void (*const emit[])(struct product *) = {
        [WAY_TILES] = emit_plain, [WAY_TURNED] = emit_turned, [WAY_COLUMN] = emit_column, [WAY_BIG] = emit_big};
    struct operation o = operation_of(g, n, NULL);
    struct product *p = &o.product;
    p->x = in->in[0];
    p->y = in->in[1];
    p->c = in->out[0];
    p->memory = in->scratch;
    if (is_empty(&o))
        return;
    if (p->k.factor == 0) {
        struct size bytes = size_times(size_span(&n->type, 0, n->type.rank), size_fixed((int64_t)elem_size(p->elem)));
        zero_bytes(g, p->c, size_value(g, bytes));
        return;
    }
    struct size of_a = size_times(p->m, p->k), of_b = size_times(p->k, p->n), of_c = size_times(p->m, p->n);
    prepare(&o);
    o.cut = choose_cut(&o, NULL);
    set_part(&o, in);
    struct product at = *p;
    bool turned = p->x != in->in[0], products = in->begin && o.cut == CUT_PRODUCTS;
    struct loop l;
    loop_begin(g, &l, products ? in->begin : whole(g, 0), products ? in->end : size_value(g, o.batch), 1);
    at.x = moved(p, p->x, l.index, turned ? of_b : of_a);
    at.y = moved(p, p->y, l.index, turned ? of_a : of_b);
    at.c = moved(p, p->c, l.index, of_c);
    emit[o.way](&at);
    loop_end(g, &l);
}
