/* emit_pack: operands of contractions in another order. */
#include "codegen/product.h"

enum { LANES = 8 }; /* of a block that is transposed */

/* One level of a transposition in registers: of the rows i and i + size the blocks of |size| lanes that lie across. */
static void
exchange(struct gen *g, LLVMValueRef *row, int size, int lanes)
{
    LLVMValueRef low[LANES], high[LANES];
    for (int j = 0; j < lanes; j++) {
        low[j] = LLVMConstInt(g->i32, (unsigned)(j & size ? lanes + j - size : j), false);
        high[j] = LLVMConstInt(g->i32, (unsigned)(j & size ? lanes + j : j + size), false);
    }
    for (int i = 0; i < lanes; i++) {
        if (i & size)
            continue;
        LLVMValueRef a = row[i], b = row[i + size];
        row[i] = LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(low, (unsigned)lanes), "");
        row[i + size] = LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(high, (unsigned)lanes), "");
    }
}

/* A block of at most 8 by 8 (twice that is no faster: most machines have two ports that shuffle half registers), with masks.
 * Rows and columns that do not exist take the address of the last one. */
static void
transpose_block(struct gen *g, enum elem e, LLVMValueRef from, LLVMValueRef from_row, LLVMValueRef to, LLVMValueRef to_row,
                LLVMValueRef rows, LLVMValueRef columns)
{
    LLVMValueRef row[LANES], one = whole(g, 1);
    LLVMValueRef inside = lanes_below(g, columns, LANES), filled = lanes_below(g, rows, LANES);
    LLVMValueRef last = LLVMBuildNSWSub(g->b, rows, one, ""), end = LLVMBuildNSWSub(g->b, columns, one, "");
    for (int i = 0; i < LANES; i++) {
        LLVMValueRef at = LLVMBuildNSWMul(g->b, least(g, whole(g, i), last), from_row, "");
        row[i] = load(g, e, element(g, from, e, at), LANES, inside);
    }
    for (int size = 1; size < LANES; size *= 2)
        exchange(g, row, size, LANES);
    LLVMValueRef none = LLVMConstNull(LLVMTypeOf(filled));
    for (int i = 0; i < LANES; i++) {
        LLVMValueRef there = LLVMBuildICmp(g->b, LLVMIntSLT, whole(g, i), columns, "");
        LLVMValueRef at = LLVMBuildNSWMul(g->b, least(g, whole(g, i), end), to_row, "");
        store(g, e, element(g, to, e, at), row[i], LANES, LLVMBuildSelect(g->b, there, filled, none, ""));
    }
}

/* The function that transposes f32, made once a module. */
static LLVMValueRef
transposition(struct gen *g, LLVMTypeRef type)
{
    LLVMValueRef f = LLVMGetNamedFunction(g->module, "transpose");
    if (f)
        return f;
    struct function_state back = function_begin(g, "transpose", type);
    f = g->function;
    LLVMValueRef from = LLVMGetParam(f, 0), from_row = LLVMGetParam(f, 1), to = LLVMGetParam(f, 2);
    LLVMValueRef to_row = LLVMGetParam(f, 3), rows = LLVMGetParam(f, 4), columns = LLVMGetParam(f, 5);
    LLVMValueRef size = whole(g, LANES);
    struct loop r, c;
    loop_begin(g, &r, whole(g, 0), rows, LANES);
    loop_begin(g, &c, whole(g, 0), columns, LANES);
    LLVMValueRef corner = LLVMBuildNSWAdd(g->b, LLVMBuildNSWMul(g->b, r.index, from_row, ""), c.index, "");
    LLVMValueRef there = LLVMBuildNSWAdd(g->b, LLVMBuildNSWMul(g->b, c.index, to_row, ""), r.index, "");
    transpose_block(g, ELEM_F32, element(g, from, ELEM_F32, corner), from_row, element(g, to, ELEM_F32, there), to_row,
                    least(g, LLVMBuildNSWSub(g->b, rows, r.index, ""), size),
                    least(g, LLVMBuildNSWSub(g->b, columns, c.index, ""), size));
    loop_end(g, &c);
    loop_end(g, &r);
    LLVMBuildRetVoid(g->b);
    function_end(g, &back);
    return f;
}

void
transpose(struct gen *g, enum elem e, LLVMValueRef from, LLVMValueRef from_row, LLVMValueRef to, LLVMValueRef to_row,
          LLVMValueRef rows, LLVMValueRef columns)
{
    if (g->masks && e == ELEM_F32) {
        LLVMValueRef args[] = {from, from_row, to, to_row, rows, columns};
        LLVMTypeRef types[] = {g->pointer, g->i64, g->pointer, g->i64, g->i64, g->i64};
        LLVMTypeRef type = LLVMFunctionType(g->nothing, types, 6, false);
        LLVMBuildCall2(g->b, type, transposition(g, type), args, 6, "");
        return;
    }
    struct loop r, c;
    loop_begin(g, &r, whole(g, 0), rows, 1);
    LLVMValueRef row = element(g, from, e, LLVMBuildNSWMul(g->b, r.index, from_row, ""));
    LLVMValueRef column = element(g, to, e, r.index);
    loop_begin(g, &c, whole(g, 0), columns, 1);
    LLVMValueRef value = load(g, e, element(g, row, e, c.index), 1, NULL);
    store(g, e, element(g, column, e, LLVMBuildNSWMul(g->b, c.index, to_row, "")), value, 1, NULL);
    loop_end(g, &c);
    loop_end(g, &r);
}

void
fill_panel(struct product *p, const struct piece *q, LLVMValueRef count)
{
    struct gen *g = p->g;
    LLVMValueRef from = moved(p, moved(p, p->y, q->lane, p->y_lane), p->first, p->y_k);
    struct size width = {.factor = p->lanes * p->vectors};
    if (!size_is(p->y_lane, 1)) {
        transpose(g, p->elem, from, size_value(g, p->y_lane), p->panel, whole(g, width.factor), count, p->length);
        return;
    }
    struct loop l;
    LLVMValueRef bytes = LLVMBuildNSWMul(g->b, count, whole(g, (int64_t)elem_size(p->elem)), "");
    loop_begin(g, &l, whole(g, 0), p->length, 1);
    copy_bytes(g, moved(p, p->panel, l.index, width), moved(p, from, l.index, p->y_k), bytes);
    loop_end(g, &l);
}
