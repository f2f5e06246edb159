/* emit_pack: operands of contractions in another order. */
#include "codegen/product.h"

/* By the runtime, whose code needs no compiling: a block in registers took 8 ms. */
void
transpose(struct gen *g, enum elem e, LLVMValueRef from, LLVMValueRef from_row, LLVMValueRef to, LLVMValueRef to_row,
          LLVMValueRef rows, LLVMValueRef columns)
{
    if (e == ELEM_F32) {
        LLVMValueRef args[] = {from, from_row, to, to_row, rows, columns};
        LLVMTypeRef types[] = {g->pointer, g->i64, g->pointer, g->i64, g->i64, g->i64};
        LLVMTypeRef type = LLVMFunctionType(g->nothing, types, 6, false);
        LLVMValueRef f = LLVMGetNamedFunction(g->module, "code_transpose");
        if (!f)
            f = LLVMAddFunction(g->module, "code_transpose", type);
        LLVMBuildCall2(g->b, type, f, args, 6, "");
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
