/* emit_tile: register tiles of contractions. Each output is one chain acc = fma(a, b, acc), k ascending, from +0
 * (numerics.md, item 3); a block of k goes on with what the one before stored, which is exact. */
#include "codegen/product.h"

enum { AHEAD = 8 }; /* rows of Y from its use to its prefetching */

/* Address of the lanes at k = |k| of the piece. */
static LLVMValueRef
y_address(struct product *p, const struct piece *q, LLVMValueRef k)
{
    if (p->panel)
        return moved(p, p->panel, k, size_fixed(p->lanes * p->vectors));
    LLVMValueRef at = LLVMBuildNSWAdd(p->g->b, p->first, k, "");
    return moved(p, moved(p, p->y, q->lane, p->y_lane), at, p->y_k);
}

void
prefetch(struct gen *g, LLVMValueRef address)
{
    LLVMValueRef operands[] = {address, LLVMConstInt(g->i32, 0, false), LLVMConstInt(g->i32, 3, false),
                               LLVMConstInt(g->i32, 1, false)};
    intrinsic_void(g, "llvm.prefetch", g->pointer, 4, operands);
}

/* The start of the chains: +0 in the first block of k, else what the block before stored. */
static void
start_chains(struct product *p, const struct piece *q, int rows, LLVMValueRef c[ROWS_MAX][VECTORS_MAX],
             LLVMValueRef acc[ROWS_MAX][VECTORS_MAX])
{
    struct gen *g = p->g;
    LLVMValueRef zero = number(g, p->elem, 0, 0, p->lanes);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++)
            acc[r][v] = zero;
    if (p->whole_chains)
        return;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b), go_on = block(g, "go_on"), begin = block(g, "begin");
    LLVMValueRef first = LLVMBuildICmp(g->b, LLVMIntEQ, p->first, whole(g, 0), "");
    LLVMBuildCondBr(g->b, first, begin, go_on);
    LLVMPositionBuilderAtEnd(g->b, go_on);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++)
            acc[r][v] = load(g, p->elem, c[r][v], p->lanes, q->mask[v]);
    LLVMBuildBr(g->b, begin);
    LLVMPositionBuilderAtEnd(g->b, begin);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++) {
            LLVMValueRef phi = LLVMBuildPhi(g->b, LLVMTypeOf(zero), "");
            LLVMAddIncoming(phi, (LLVMValueRef[]){zero, acc[r][v]}, (LLVMBasicBlockRef[]){here, go_on}, 2);
            acc[r][v] = phi;
        }
}

LLVMValueRef
chains_end(struct product *p)
{
    struct gen *g = p->g;
    return p->chain ? LLVMBuildICmp(g->b, LLVMIntEQ, p->k_end, size_value(g, p->k), "") : whole(g, 1);
}

void
emit_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows)
{
    struct gen *g = p->g;
    LLVMValueRef c[ROWS_MAX][VECTORS_MAX] = {{NULL}}, acc[ROWS_MAX][VECTORS_MAX], y[VECTORS_MAX];
    LLVMValueRef x = moved(p, moved(p, p->x, row, p->x_row), p->x_copied ? whole(g, 0) : p->first, p->x_k);
    if (!p->tail || p->chain) {
        LLVMValueRef corner = element(g, moved(p, p->c, row, p->c_row), p->elem, q->lane);
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < q->vectors; v++)
                c[r][v] = element(g, moved(p, corner, whole(g, r), p->c_row), p->elem, whole(g, v * p->lanes));
    }
    LLVMValueRef y_first = y_address(p, q, whole(g, 0));
    start_chains(p, q, rows, c, acc);
    struct loop l;
    loop_begin(g, &l, whole(g, 0), p->length, 1);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++)
            acc[r][v] = loop_carry(g, &l, acc[r][v]);
    LLVMValueRef at, row_y;
    if (p->later) {
        /* Instructions with an index are two for the processor, which then sees less far. */
        LLVMValueRef next_x = loop_carry(g, &l, x), next_y = loop_carry(g, &l, y_first);
        queue_turn(p, &l);
        at = next_x;
        row_y = next_y;
        loop_next(g, &l, next_x, moved(p, next_x, whole(g, 1), p->x_k));
        loop_next(g, &l, next_y, moved(p, next_y, whole(g, 1), p->panel ? size_fixed(p->lanes * p->vectors) : p->y_k));
    } else {
        at = moved(p, x, l.index, p->x_k);
        row_y = y_address(p, q, l.index);
    }
    for (int v = 0; v < q->vectors; v++) {
        LLVMValueRef address = element(g, row_y, p->elem, whole(g, v * p->lanes));
        y[v] = load(g, p->elem, address, p->lanes, p->panel ? NULL : q->mask[v]);
        if (p->prefetch)
            prefetch(g, moved(p, address, whole(g, AHEAD), p->y_k));
    }
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
    if (p->tail) {
        LLVMBasicBlockRef other = begin_if(g, chains_end(p));
        (p->later ? queue_put : tail_tile)(p, q, row, rows, acc);
        end_if(g, other);
        if (!p->chain)
            return;
    }
    LLVMBasicBlockRef other = begin_if(g, p->tail ? LLVMBuildNot(g->b, chains_end(p), "") : whole(g, 1));
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++)
            store(g, p->elem, c[r][v], acc[r][v], p->lanes, q->mask[v]);
    end_if(g, other);
}

int64_t
tile_rows(const struct product *p)
{
    if (!size_constant(p->m))
        return p->rows;
    int64_t m = p->m.factor, tiles = (m + p->rows - 1) / p->rows;
    return (m + tiles - 1) / tiles;
}

static void
tile_loop(struct product *p, const struct piece *q, LLVMValueRef begin, LLVMValueRef end, int rows)
{
    struct loop l;
    loop_begin_guarded(p->g, &l, begin, end, rows);
    emit_tile(p, q, l.index, rows);
    loop_end(p->g, &l);
}

/* A number of rows that is known: full tiles and one with the rest. */
static void
constant_rows(struct product *p, const struct piece *q)
{
    struct gen *g = p->g;
    int rows = (int)tile_rows(p);
    int64_t m = p->m.factor, full = m - m % rows;
    tile_loop(p, q, p->row_begin, least(g, p->row_end, whole(g, full)), rows);
    if (full == m)
        return;
    LLVMBasicBlockRef other = begin_if(g, LLVMBuildICmp(g->b, LLVMIntSGT, p->row_end, whole(g, full), ""));
    emit_tile(p, q, whole(g, full), (int)(m - full));
    end_if(g, other);
}

/* A number of rows that the call brings. Where nothing forbids it the last tile overlaps the one before: it computes the
 * same values once more. A block of k that goes on with stored chains forbids it, and a tail. */
static void
runtime_rows(struct product *p, const struct piece *q)
{
    struct gen *g = p->g;
    LLVMValueRef rows = whole(g, p->rows), begin = p->row_begin, end = p->row_end;
    LLVMValueRef m = LLVMBuildNSWSub(g->b, end, begin, "");
    if (!p->whole_chains || p->tail) {
        LLVMValueRef full = LLVMBuildSub(g->b, end, LLVMBuildSRem(g->b, m, rows, ""), "");
        tile_loop(p, q, begin, full, p->rows);
        tile_loop(p, q, full, end, 1);
        return;
    }
    struct loop l;
    LLVMBasicBlockRef many = block(g, "many"), few = block(g, "few"), done = block(g, "done");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSGE, m, rows, ""), many, few);
    LLVMPositionBuilderAtEnd(g->b, many);
    LLVMValueRef last = LLVMBuildNSWSub(g->b, end, rows, "");
    loop_begin(g, &l, begin, end, p->rows);
    emit_tile(p, q, least(g, last, l.index), p->rows);
    loop_end(g, &l);
    LLVMBuildBr(g->b, done);
    LLVMPositionBuilderAtEnd(g->b, few);
    loop_begin(g, &l, begin, end, 1);
    emit_tile(p, q, l.index, 1);
    loop_end(g, &l);
    LLVMBuildBr(g->b, done);
    LLVMPositionBuilderAtEnd(g->b, done);
}

void
emit_rows(struct product *p, const struct piece *q)
{
    if (size_constant(p->m))
        constant_rows(p, q);
    else
        runtime_rows(p, q);
}

/* ---- one column ---- */

/* Columns of a at a time; rows in the lanes, half registers, since most machines have two ports that shuffle those;
 * registers of rows. */
enum { QUAD = 4, LANES = 8, GROUPS = COLUMN_ROWS / LANES };

/* Columns k .. k + 3 of 8 rows from |address| on, a row a lane: the rows 4 l + e are put into half l of register e, and
 * each half is transposed. */
static void
quad_columns(struct product *p, LLVMValueRef address, LLVMValueRef out[QUAD])
{
    struct gen *g = p->g;
    LLVMTypeRef whole_register = vector_of(g->elem[p->elem], LANES), quarter = vector_of(g->elem[p->elem], QUAD);
    LLVMValueRef part[QUAD], pair[QUAD];
    for (int e = 0; e < QUAD; e++) {
        part[e] = LLVMGetPoison(whole_register);
        for (int l = 0; l < LANES / QUAD; l++) {
            LLVMValueRef mask[LANES], wide[LANES];
            LLVMValueRef x = load(g, p->elem, moved(p, address, whole(g, QUAD * l + e), p->y_lane), QUAD, NULL);
            for (int i = 0; i < LANES; i++) {
                wide[i] = LLVMConstInt(g->i32, (unsigned)i % QUAD, false);
                mask[i] = LLVMConstInt(g->i32, (unsigned)(i / QUAD == l ? LANES + i % QUAD : i), false);
            }
            x = LLVMBuildShuffleVector(g->b, x, LLVMGetPoison(quarter), LLVMConstVector(wide, LANES), "");
            part[e] = l ? LLVMBuildShuffleVector(g->b, part[e], x, LLVMConstVector(mask, LANES), "") : x;
        }
    }
    for (int step = 0; step < 2; step++) {
        for (int i = 0; i < QUAD; i++) {
            /* First unpack singles of (0, 1), (2, 3), then pairs of (0, 2), (1, 3) of what that gave. */
            LLVMValueRef mask[LANES], a, b;
            for (int j = 0; j < LANES; j++) {
                int in = j % QUAD, high = i % 2, from = step ? high * 2 + in % 2 : high * 2 + in / 2;
                bool second = step ? in / 2 : in % 2;
                mask[j] = LLVMConstInt(g->i32, (unsigned)(j - in + from + (second ? LANES : 0)), false);
            }
            a = step ? pair[i / 2] : part[i / 2 * 2];
            b = step ? pair[i / 2 + 2] : part[i / 2 * 2 + 1];
            out[i] = LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(mask, LANES), "");
        }
        for (int i = 0; i < QUAD; i++)
            pair[i] = out[i];
    }
}

/* |groups| times 8 rows of the column from |row| on. */
static void
column_rows(struct product *p, LLVMValueRef row, int groups)
{
    struct gen *g = p->g;
    LLVMValueRef acc[GROUPS], carried[GROUPS], columns[GROUPS][QUAD];
    struct loop l;
    LLVMValueRef rows = moved(p, p->y, row, p->y_lane);
    loop_begin(g, &l, whole(g, 0), size_value(g, p->k), QUAD);
    for (int i = 0; i < groups; i++)
        acc[i] = carried[i] = loop_carry(g, &l, number(g, p->elem, 0, 0, LANES));
    for (int i = 0; i < groups; i++)
        quad_columns(p, moved(p, moved(p, rows, whole(g, LANES * i), p->y_lane), l.index, p->y_k), columns[i]);
    for (int k = 0; k < QUAD; k++) {
        LLVMValueRef at = LLVMBuildNSWAdd(g->b, l.index, whole(g, k), "");
        LLVMValueRef b = splat(g, load(g, p->elem, moved(p, p->x, at, p->x_k), 1, NULL), LANES);
        for (int i = 0; i < groups; i++)
            acc[i] = intrinsic(g, "llvm.fma", 3, (LLVMValueRef[]){b, columns[i][k], acc[i]});
    }
    for (int i = 0; i < groups; i++)
        loop_next(g, &l, carried[i], acc[i]);
    loop_end(g, &l);
    for (int i = 0; i < groups; i++)
        store(g, p->elem, element(g, element(g, p->c, p->elem, row), p->elem, whole(g, LANES * i)), acc[i],
              LANES, NULL);
}

/* Tiles of |groups| registers, the last of which overlaps the one before, if there are that many of the |n| rows; the block that is
 * returned is where fewer go, the builder stands where it goes on. */
static LLVMBasicBlockRef
column_tiles(struct product *p, LLVMValueRef n, int groups, LLVMBasicBlockRef done)
{
    struct gen *g = p->g;
    int64_t rows = LANES * groups;
    LLVMBasicBlockRef many = block(g, "many"), fewer = block(g, "fewer");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSGE, n, whole(g, rows), ""), many, fewer);
    LLVMPositionBuilderAtEnd(g->b, many);
    LLVMValueRef last = LLVMBuildNSWSub(g->b, p->lane_end, whole(g, rows), "");
    struct loop l;
    loop_begin(g, &l, p->lane_begin, p->lane_end, rows);
    column_rows(p, least(g, last, l.index), groups);
    loop_end(g, &l);
    LLVMBuildBr(g->b, done);
    LLVMPositionBuilderAtEnd(g->b, fewer);
    return fewer;
}

void
emit_column(struct product *p)
{
    struct gen *g = p->g;
    LLVMValueRef n = LLVMBuildNSWSub(g->b, p->lane_end, p->lane_begin, "");
    LLVMBasicBlockRef done = block(g, "done");
    for (int groups = GROUPS; groups; groups /= GROUPS)
        column_tiles(p, n, groups, done);
    /* Fewer rows than a register has lanes. */
    struct product one = *p;
    one.lanes = one.vectors = one.rows = 1;
    one.first = whole(g, 0);
    one.length = size_value(g, p->k);
    one.whole_chains = true;
    struct piece q = {.vectors = 1};
    struct loop l;
    loop_begin(g, &l, p->lane_begin, p->lane_end, 1);
    q.lane = l.index;
    emit_tile(&one, &q, whole(g, 0), 1);
    loop_end(g, &l);
    LLVMBuildBr(g->b, done);
    LLVMPositionBuilderAtEnd(g->b, done);
}
