/* build: small pieces of IR that every emitter uses. */
#include "codegen/emit.h"
#include <string.h>

LLVMTypeRef
vector_of(LLVMTypeRef t, int lanes)
{
    return lanes == 1 ? t : LLVMVectorType(t, (unsigned)lanes);
}

LLVMValueRef
whole(struct gen *g, int64_t value)
{
    return LLVMConstInt(g->i64, (unsigned long long)value, true);
}

LLVMValueRef
splat(struct gen *g, LLVMValueRef scalar, int lanes)
{
    if (lanes == 1)
        return scalar;
    if (LLVMIsConstant(scalar)) {
        LLVMValueRef *all = ARENA_ARRAY(g->arena, LLVMValueRef, lanes);
        for (int i = 0; i < lanes; i++)
            all[i] = scalar;
        return LLVMConstVector(all, (unsigned)lanes);
    }
    LLVMValueRef poison = LLVMGetPoison(vector_of(LLVMTypeOf(scalar), lanes));
    LLVMValueRef first = LLVMBuildInsertElement(g->b, poison, scalar, whole(g, 0), "");
    return LLVMBuildShuffleVector(g->b, first, poison, LLVMConstNull(vector_of(g->i32, lanes)), "");
}

LLVMValueRef
number(struct gen *g, enum elem e, double real, int64_t value, int lanes)
{
    LLVMTypeRef t = g->elem[e];
    if (elem_is_float(e))
        return splat(g, LLVMConstReal(t, real), lanes);
    uint64_t mask = e == ELEM_BOOL ? 1 : UINT64_MAX >> (64 - 8 * elem_size(e));
    return splat(g, LLVMConstInt(t, (uint64_t)value & mask, false), lanes);
}

LLVMValueRef
intrinsic(struct gen *g, const char *name, int count, LLVMValueRef *operands)
{
    LLVMTypeRef t = LLVMTypeOf(operands[0]);
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(g->module, id, &t, 1);
    return LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->context, id, &t, 1), f, operands, (unsigned)count, "");
}

void
intrinsic_void(struct gen *g, const char *name, LLVMTypeRef overload, int count, LLVMValueRef *operands)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(g->module, id, &overload, 1);
    LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->context, id, &overload, 1), f, operands, (unsigned)count, "");
}

LLVMTypeRef
memory_type(struct gen *g, enum elem e)
{
    return e == ELEM_BOOL ? g->i8 : g->elem[e];
}

LLVMValueRef
element(struct gen *g, LLVMValueRef base, enum elem e, LLVMValueRef index)
{
    if (LLVMIsAConstantInt(index) && LLVMConstIntGetSExtValue(index) == 0)
        return base;
    return LLVMBuildInBoundsGEP2(g->b, memory_type(g, e), base, &index, 1, "");
}

/* llvm.masked.load and llvm.masked.store are overloaded by the vector and the pointer. */
static LLVMValueRef
masked(struct gen *g, const char *name, LLVMTypeRef vector, int count, LLVMValueRef *operands)
{
    LLVMTypeRef types[] = {vector, g->pointer};
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(g->module, id, types, 2);
    return LLVMBuildCall2(g->b, LLVMIntrinsicGetType(g->context, id, types, 2), f, operands, (unsigned)count, "");
}

LLVMValueRef
load(struct gen *g, enum elem e, LLVMValueRef address, int lanes, LLVMValueRef mask)
{
    LLVMTypeRef t = vector_of(memory_type(g, e), lanes);
    LLVMValueRef value;
    unsigned align = (unsigned)elem_size(e);
    if (mask) {
        LLVMValueRef operands[] = {address, LLVMConstInt(g->i32, align, false), mask, LLVMConstNull(t)};
        value = masked(g, "llvm.masked.load", t, 4, operands);
    } else {
        value = LLVMBuildLoad2(g->b, t, address, "");
        LLVMSetAlignment(value, align);
    }
    return e == ELEM_BOOL ? LLVMBuildTrunc(g->b, value, vector_of(g->i1, lanes), "") : value;
}

void
store(struct gen *g, enum elem e, LLVMValueRef address, LLVMValueRef value, int lanes, LLVMValueRef mask)
{
    LLVMTypeRef t = vector_of(memory_type(g, e), lanes);
    unsigned align = (unsigned)elem_size(e);
    if (e == ELEM_BOOL)
        value = LLVMBuildZExt(g->b, value, t, "");
    if (mask) {
        LLVMValueRef operands[] = {value, address, LLVMConstInt(g->i32, align, false), mask};
        masked(g, "llvm.masked.store", t, 4, operands);
        return;
    }
    LLVMSetAlignment(LLVMBuildStore(g->b, value, address), align);
}

LLVMValueRef
lanes_below(struct gen *g, LLVMValueRef count, int lanes)
{
    LLVMValueRef index[4 * REDUCE_LANES];
    for (int i = 0; i < lanes; i++)
        index[i] = LLVMConstInt(g->i32, (unsigned)i, false);
    /* The count is cut to 32 bits so that a register holds all lanes. */
    LLVMValueRef most = whole(g, lanes);
    LLVMValueRef cut = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, count, most, ""), count, most, "");
    cut = LLVMBuildTrunc(g->b, cut, g->i32, "");
    return LLVMBuildICmp(g->b, LLVMIntSLT, LLVMConstVector(index, (unsigned)lanes), splat(g, cut, lanes), "");
}

LLVMBasicBlockRef
block(struct gen *g, const char *part)
{
    const char *op = g->node ? op_info[g->node->op].text : "step";
    char *name = arena_printf(g->arena, "%s.%d.%s", op, g->node ? (int)g->node->id : 0, part);
    return LLVMAppendBasicBlockInContext(g->context, g->function, name);
}

struct function_state
function_begin(struct gen *g, const char *name, LLVMTypeRef type)
{
    struct function_state back = {g->function, g->rows, g->columns, LLVMGetInsertBlock(g->b), LLVMGetCurrentDebugLocation2(g->b)};
    g->function = LLVMAddFunction(g->module, name, type);
    LLVMSetLinkage(g->function, LLVMInternalLinkage);
    for (int i = 0; i < g->nattributes; i++)
        LLVMAddAttributeAtIndex(g->function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, g->attributes[i]);
    LLVMSetCurrentDebugLocation2(g->b, NULL);
    LLVMPositionBuilderAtEnd(g->b, block(g, "entry"));
    return back;
}

void
function_end(struct gen *g, const struct function_state *back)
{
    g->function = back->function;
    g->rows = back->rows;
    g->columns = back->columns;
    LLVMPositionBuilderAtEnd(g->b, back->block);
    LLVMSetCurrentDebugLocation2(g->b, back->place);
}

LLVMValueRef
call_runtime(struct gen *g, const char *name, int count, LLVMValueRef *operands)
{
    LLVMTypeRef types[16];
    for (int i = 0; i < count; i++)
        types[i] = LLVMTypeOf(operands[i]);
    LLVMTypeRef t = LLVMFunctionType(g->i32, types, (unsigned)count, false);
    LLVMValueRef f = LLVMGetNamedFunction(g->module, name);
    if (!f)
        f = LLVMAddFunction(g->module, name, t);
    return LLVMBuildCall2(g->b, t, f, operands, (unsigned)count, "");
}

void
copy_bytes(struct gen *g, LLVMValueRef to, LLVMValueRef from, LLVMValueRef bytes)
{
    LLVMBuildMemCpy(g->b, to, 1, from, 1, bytes);
}

void
zero_bytes(struct gen *g, LLVMValueRef to, LLVMValueRef bytes)
{
    LLVMBuildMemSet(g->b, to, LLVMConstInt(g->i8, 0, false), bytes, 1);
}

struct size
size_of_dim(int64_t dim)
{
    if (dim < INT64_MIN / 2)
        return (struct size){.factor = dim - INT64_MIN, .columns = 1};
    return dim >= 0 ? size_fixed(dim) : (struct size){.factor = -dim, .power = 1};
}

struct size
size_times(struct size a, struct size b)
{
    return (struct size){a.factor * b.factor, a.power + b.power, a.columns + b.columns};
}

bool
size_equal(struct size a, struct size b)
{
    return a.factor == b.factor && ((a.power == b.power && a.columns == b.columns) || a.factor == 0);
}

struct size
size_span(const struct type *t, int from, int to)
{
    struct size s = {.factor = 1};
    for (int i = from; i < to; i++)
        s = size_times(s, size_of_dim(t->dim[i]));
    return s;
}

LLVMValueRef
size_value(struct gen *g, struct size s)
{
    LLVMValueRef v = whole(g, s.factor);
    for (int i = 0; i < s.power + s.columns && s.factor; i++) {
        LLVMValueRef by = i < s.power ? g->rows : g->columns;
        v = i == 0 && s.factor == 1 ? by : LLVMBuildNSWMul(g->b, v, by, "");
    }
    return v;
}

int64_t
likely(const struct gen *g, struct size s)
{
    int64_t n = s.factor;
    for (int i = 0; i < s.power; i++)
        n *= g->graph->max_rows;
    for (int i = 0; i < s.columns; i++)
        n *= g->likely_columns;
    return n;
}

LLVMValueRef
least(struct gen *g, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, a, b, ""), a, b, "");
}

LLVMBasicBlockRef
begin_if(struct gen *g, LLVMValueRef condition)
{
    if (LLVMIsAConstantInt(condition) && LLVMConstIntGetZExtValue(condition))
        return NULL;
    LLVMBasicBlockRef inside = block(g, "inside"), other = block(g, "outside");
    LLVMBuildCondBr(g->b, condition, inside, other);
    LLVMPositionBuilderAtEnd(g->b, inside);
    return other;
}

void
end_if(struct gen *g, LLVMBasicBlockRef other)
{
    if (!other)
        return;
    LLVMBuildBr(g->b, other);
    LLVMPositionBuilderAtEnd(g->b, other);
}

static bool
constant_of(LLVMValueRef v, int64_t *out)
{
    if (!LLVMIsAConstantInt(v))
        return false;
    *out = LLVMConstIntGetSExtValue(v);
    return true;
}

void
loop_begin(struct gen *g, struct loop *l, LLVMValueRef start, LLVMValueRef bound, int64_t step)
{
    int64_t first, last;
    *l = (struct loop){.bound = bound, .step = step, .index = start};
    if (constant_of(start, &first) && constant_of(bound, &last) && first + step >= last)
        return;
    l->real = true;
    l->before = LLVMGetInsertBlock(g->b);
    l->body = block(g, "loop");
    LLVMBuildBr(g->b, l->body);
    LLVMPositionBuilderAtEnd(g->b, l->body);
    l->index = loop_carry(g, l, start);
}

void
loop_begin_guarded(struct gen *g, struct loop *l, LLVMValueRef start, LLVMValueRef bound, int64_t step)
{
    LLVMBasicBlockRef skip = begin_if(g, LLVMBuildICmp(g->b, LLVMIntSLT, start, bound, ""));
    loop_begin(g, l, start, bound, step);
    l->skip = skip;
}

LLVMValueRef
loop_carry(struct gen *g, const struct loop *l, LLVMValueRef start)
{
    if (!l->real)
        return start;
    LLVMValueRef phi = LLVMBuildPhi(g->b, LLVMTypeOf(start), "");
    LLVMBasicBlockRef before = l->before;
    LLVMAddIncoming(phi, &start, &before, 1);
    return phi;
}

void
loop_next(struct gen *g, const struct loop *l, LLVMValueRef carried, LLVMValueRef next)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
    if (l->real)
        LLVMAddIncoming(carried, &next, &here, 1);
}

void
loop_end(struct gen *g, struct loop *l)
{
    if (l->real) {
        LLVMValueRef next = LLVMBuildNSWAdd(g->b, l->index, whole(g, l->step), "");
        loop_next(g, l, l->index, next);
        LLVMBasicBlockRef after = block(g, "after");
        LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, next, l->bound, ""), l->body, after);
        LLVMPositionBuilderAtEnd(g->b, after);
    }
    end_if(g, l->skip);
}
