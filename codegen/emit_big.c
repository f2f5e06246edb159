/* emit_big: large contractions. For a block of k all of Y's part is copied into panels, then for a block of rows X's part;
 * tiles read both copies in order. Rows of X are kept apart by more than a power of two. */
#include "codegen/product.h"

enum { BIG_VECTORS = 4, K_BLOCK = 512, ROW_BLOCK = 240, ROW_GAP = 16, PANELS_BYTES = 4 << 20, LARGE = 500 };

bool
is_big(const struct product *p)
{
    const struct gen *g = p->g;
    return g->masks && size_constant(p->n) && p->n.factor >= LARGE && likely(g, p->m) >= LARGE && likely(g, p->k) >= LARGE;
}

static int64_t
panels_width(const struct product *p)
{
    int64_t width = p->lanes * p->vectors;
    return (p->n.factor + width - 1) / width * width;
}

void
big_prepare(struct product *p)
{
    p->vectors = BIG_VECTORS;
    p->lanes = p->elem == ELEM_F64 ? p->g->width / 2 : p->g->width;
    p->rows = accumulators(p->g) / p->vectors;
    p->block = PANELS_BYTES / (panels_width(p) * (int64_t)elem_size(p->elem)) / 64 * 64;
    p->block = p->block > K_BLOCK ? K_BLOCK : p->block < 64 ? 64 : p->block;
    p->scratch = (panels_width(p) * p->block + ROW_BLOCK * (p->block + ROW_GAP)) * (int64_t)elem_size(p->elem);
}

/* Rows [first, first + rows) of X in the block of k, side by side. */
static void
copy_rows(struct product *p, LLVMValueRef to, LLVMValueRef first, LLVMValueRef rows)
{
    struct gen *g = p->g;
    LLVMValueRef from = moved(p, moved(p, p->x, first, p->x_row), p->first, p->x_k), apart = whole(g, p->block + ROW_GAP);
    if (!size_is(p->x_k, 1)) {
        transpose(g, p->elem, from, size_value(g, p->x_k), to, apart, p->length, rows);
        return;
    }
    struct loop l;
    LLVMValueRef bytes = LLVMBuildNSWMul(g->b, p->length, whole(g, (int64_t)elem_size(p->elem)), "");
    loop_begin(g, &l, whole(g, 0), rows, 1);
    copy_bytes(g, element(g, to, p->elem, LLVMBuildNSWMul(g->b, l.index, apart, "")), moved(p, from, l.index, p->x_row), bytes);
    loop_end(g, &l);
}

static void
emit_panel(struct product *p, struct piece *q, LLVMValueRef count)
{
    struct product at = *p;
    at.panel = moved(p, p->panel, q->lane, size_fixed(p->block));
    fill_panel(&at, q, count);
}

/* Tiles of the copied rows and one panel. */
static void
emit_tiles(struct product *p, struct piece *q, LLVMValueRef count)
{
    struct gen *g = p->g;
    struct product at = *p;
    struct loop l;
    (void)count;
    at.panel = moved(p, p->panel, q->lane, size_fixed(p->block));
    LLVMValueRef full = LLVMBuildSub(g->b, p->some, LLVMBuildSRem(g->b, p->some, whole(g, p->rows), ""), "");
    loop_begin_guarded(g, &l, whole(g, 0), full, p->rows);
    emit_tile(&at, q, l.index, p->rows);
    loop_end(g, &l);
    loop_begin_guarded(g, &l, full, p->some, 1);
    emit_tile(&at, q, l.index, 1);
    loop_end(g, &l);
}

void
emit_big(struct product *p)
{
    struct gen *g = p->g;
    struct product at = *p;
    struct loop k, m;
    LLVMValueRef rows = element(g, p->memory, p->elem, whole(g, panels_width(p) * p->block));
    at.panel = p->memory;
    at.whole_chains = false;
    begin_block(&at, &k);
    constant_lanes(&at, emit_panel);
    LLVMValueRef all = size_value(g, p->m), most = whole(g, ROW_BLOCK);
    loop_begin(g, &m, whole(g, 0), all, ROW_BLOCK);
    LLVMValueRef rest = LLVMBuildNSWSub(g->b, all, m.index, "");
    at.some = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, rest, most, ""), rest, most, "");
    copy_rows(&at, rows, m.index, at.some);
    struct product tiles = at;
    tiles.x = rows;
    tiles.x_row = size_fixed(p->block + ROW_GAP);
    tiles.x_k = size_fixed(1);
    tiles.x_copied = true;
    tiles.c = moved(p, p->c, m.index, p->c_row);
    constant_lanes(&tiles, emit_tiles);
    loop_end(g, &m);
    loop_end(g, &k);
}
