/* emit_map: the bodies of math.def with V = LLVMValueRef, a scalar or a vector, and the casts.
 *
 * One rounding an instruction: llvm.fma where the text says fma, no fast-math flags, no other floating intrinsics than
 * sqrt, fma, rint, floor, fabs, copysign. */
#include "codegen/emit.h"
#include <math.h>

struct math {
    struct gen *g;
    LLVMBuilderRef builder;
    enum elem elem;
    bool real;              /* floats */
    int lanes;
    LLVMTypeRef v, i;       /* of numbers; of their bits */
};
typedef LLVMValueRef math_fn(const struct math *m, const LLVMValueRef *in);

static LLVMValueRef
two(const struct math *m, LLVMOpcode real, LLVMOpcode whole_op, LLVMValueRef a, LLVMValueRef b)
{
    return LLVMBuildBinOp(m->builder, m->real ? real : whole_op, a, b, "");
}

static LLVMValueRef
compare(const struct math *m, LLVMRealPredicate real, LLVMIntPredicate with_sign, LLVMIntPredicate without,
        LLVMValueRef a, LLVMValueRef b)
{
    if (m->real)
        return LLVMBuildFCmp(m->builder, real, a, b, "");
    return LLVMBuildICmp(m->builder, m->elem == ELEM_U8 ? without : with_sign, a, b, "");
}

static LLVMValueRef
negative(const struct math *m, LLVMValueRef a)
{
    return m->real ? LLVMBuildFNeg(m->builder, a, "") : LLVMBuildNeg(m->builder, a, "");
}

static LLVMValueRef
constant(const struct math *m, double c)
{
    return number(m->g, m->elem, c, m->real ? 0 : (int64_t)c, m->lanes);
}

static LLVMValueRef
bits(const struct math *m, uint64_t c)
{
    enum elem e = m->elem == ELEM_F32 || m->elem == ELEM_I32 ? ELEM_I32 : m->elem == ELEM_U8 ? ELEM_U8 : ELEM_I64;
    return number(m->g, e, 0, (int64_t)c, m->lanes);
}

#define V LLVMValueRef
#define M LLVMValueRef
#define I LLVMValueRef
#define ADD(a, b) two(context, LLVMFAdd, LLVMAdd, a, b)
#define SUB(a, b) two(context, LLVMFSub, LLVMSub, a, b)
#define MUL(a, b) two(context, LLVMFMul, LLVMMul, a, b)
#define DIV(a, b) LLVMBuildFDiv(context->builder, a, b, "")
#define IDIV(a, b) two(context, LLVMFDiv, context->elem == ELEM_U8 ? LLVMUDiv : LLVMSDiv, a, b)
#define NEG(a) negative(context, a)
#define FMA(a, b, c) intrinsic(context->g, "llvm.fma", 3, (LLVMValueRef[]){a, b, c})
#define SQRT(a) intrinsic(context->g, "llvm.sqrt", 1, (LLVMValueRef[]){a})
#define RINT(a) intrinsic(context->g, "llvm.rint", 1, (LLVMValueRef[]){a})
#define FLOOR(a) intrinsic(context->g, "llvm.floor", 1, (LLVMValueRef[]){a})
#define ABS(a) intrinsic(context->g, "llvm.fabs", 1, (LLVMValueRef[]){a})
#define COPYSIGN(a, b) intrinsic(context->g, "llvm.copysign", 2, (LLVMValueRef[]){a, b})
#define LT(a, b) compare(context, LLVMRealOLT, LLVMIntSLT, LLVMIntULT, a, b)
#define LE(a, b) compare(context, LLVMRealOLE, LLVMIntSLE, LLVMIntULE, a, b)
#define EQ(a, b) compare(context, LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ, a, b)
#define ISNAN(a) LLVMBuildFCmp(context->builder, LLVMRealUNO, a, a, "")
#define AND(a, b) LLVMBuildAnd(context->builder, a, b, "")
#define OR(a, b) LLVMBuildOr(context->builder, a, b, "")
#define NOT(a) LLVMBuildNot(context->builder, a, "")
#define SELECT(c, a, b) LLVMBuildSelect(context->builder, c, a, b, "")
#define K(c) constant(context, (double)(c))
#define BITS(x) LLVMBuildBitCast(context->builder, x, context->i, "")
#define VALUE(x) LLVMBuildBitCast(context->builder, x, context->v, "")
#define IK(c) bits(context, (uint64_t)(c))
#define IADD(a, b) LLVMBuildAdd(context->builder, a, b, "")
#define ISUB(a, b) LLVMBuildSub(context->builder, a, b, "")
#define IAND(a, b) LLVMBuildAnd(context->builder, a, b, "")
#define IOR(a, b) LLVMBuildOr(context->builder, a, b, "")
#define IXOR(a, b) LLVMBuildXor(context->builder, a, b, "")
#define SHL(a, n) LLVMBuildShl(context->builder, a, bits(context, n), "")
#define SHR(a, n) LLVMBuildLShr(context->builder, a, bits(context, n), "")
#define IEQ(a, b) LLVMBuildICmp(context->builder, LLVMIntEQ, a, b, "")

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define FUNCTION(ID) JOIN(ID, MATH_ELEM)
#define HEAD(ID)                                                                                          \
    static __attribute__((unused)) LLVMValueRef FUNCTION(ID)(const struct math *context, const LLVMValueRef *operands) {
#define BODY1(ID, a) HEAD(ID) LLVMValueRef a = operands[0];
#define BODY2(ID, a, b) HEAD(ID) LLVMValueRef a = operands[0], b = operands[1];
#define BODY3(ID, a, b, c) HEAD(ID) LLVMValueRef a = operands[0], b = operands[1], c = operands[2];
#define CONDITION1 BODY1
#define CONDITION2 BODY2
#define LOGIC1 BODY1
#define LOGIC2 BODY2
#define LOGIC3 BODY3
#define CHOICE BODY3
#define RETURN(v) return (v);
#define RETURNM(v) return (v);
#define END }
#define CALL(ID, ...) FUNCTION(ID)(context, (LLVMValueRef[]){__VA_ARGS__})

#define MATH_IS_F32 1
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 1
#define MATH_IS_WHOLE 0
#define MATH_IS_U8 0
#define MATH_IS_BOOL 0
#define MATH_ELEM F32
#include "ir/math.def"
#undef MATH_ELEM
#undef MATH_IS_F32
#undef MATH_IS_F64
#define MATH_IS_F32 0
#define MATH_IS_F64 1
#define MATH_ELEM F64
#include "ir/math.def"
#undef MATH_ELEM
#undef MATH_IS_F64
#undef MATH_IS_FLOAT
#undef MATH_IS_WHOLE
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 0
#define MATH_IS_WHOLE 1
#define MATH_ELEM I32
#include "ir/math.def"
#undef MATH_ELEM
#define MATH_ELEM I64
#include "ir/math.def"
#undef MATH_ELEM
#undef MATH_IS_U8
#define MATH_IS_U8 1
#define MATH_ELEM U8
#include "ir/math.def"
#undef MATH_ELEM
#undef MATH_IS_WHOLE
#undef MATH_IS_U8
#undef MATH_IS_BOOL
#define MATH_IS_WHOLE 0
#define MATH_IS_U8 0
#define MATH_IS_BOOL 1
#define MATH_ELEM BOOL
#include "ir/math.def"
#undef MATH_ELEM

/* The element types that the rows of ops.def take. */
#define IN_FLT(ID) [ELEM_F32] = ID##_F32, [ELEM_F64] = ID##_F64,
#define IN_WHOLE(ID) [ELEM_I32] = ID##_I32, [ELEM_I64] = ID##_I64, [ELEM_U8] = ID##_U8,
#define IN_NUM(ID) IN_FLT(ID) IN_WHOLE(ID)
#define IN_BOOL(ID) [ELEM_BOOL] = ID##_BOOL,
#define IN_ALL(ID) IN_NUM(ID) IN_BOOL(ID)
#define FOR_MAP(id, types) [OP_##id] = {IN_##types(id)},
#define FOR_LEAF(id, types)
#define FOR_CAST(id, types)
#define FOR_REDUCE(id, types)
#define FOR_CONTRACT(id, types)
#define FOR_MOVE(id, types)
#define FOR_RANDOM(id, types)
#define FOR_GROUP(id, types)
#define FOR_EFFECT(id, types)
static math_fn *const bodies[OP_COUNT][ELEM_COUNT] = {
#define OP(id, text, class, nin, attrs, shape, types, flags) FOR_##class(id, types)
#include "ir/ops.def"
#undef OP
};

/* A constant that LLVM does not know. It would fold operations on constants by the rules of subnormal numbers, which the
 * contract's environment does not have. */
static LLVMValueRef
hide(struct gen *g, LLVMValueRef constant_value)
{
    LLVMTypeRef t = LLVMTypeOf(constant_value);
    LLVMValueRef v = LLVMAddGlobal(g->module, t, arena_printf(g->arena, "hidden.%d", g->count++));
    LLVMSetInitializer(v, constant_value);
    return LLVMBuildLoad2(g->b, t, v, "");
}

LLVMValueRef
emit_map(struct gen *g, enum op op, enum elem e, const LLVMValueRef *in, int lanes)
{
    struct math m = {.g = g, .builder = g->b, .elem = e, .real = elem_is_float(e), .lanes = lanes};
    m.v = vector_of(g->elem[e], lanes);
    m.i = vector_of(e == ELEM_F32 ? g->i32 : e == ELEM_F64 ? g->i64 : g->elem[e], lanes);
    LLVMValueRef operands[3] = {NULL};
    int nin = op_info[op].nin;
    bool constants = m.real;
    for (int k = 0; k < nin; k++) {
        operands[k] = in[k];
        constants = constants && LLVMIsConstant(in[k]);
    }
    for (int k = 0; k < nin && constants; k++)
        operands[k] = hide(g, in[k]);
    return bodies[op][e](&m, operands);
}

/* Towards zero, saturating, NaN gives 0: the conversion itself sees only what fits. |limit| is 2^31 or 2^63. */
static LLVMValueRef
to_whole(struct gen *g, enum elem from, enum elem to, LLVMValueRef x, int lanes)
{
    double limit = to == ELEM_I32 ? 0x1p31 : 0x1p63;
    LLVMTypeRef t = vector_of(g->elem[to], lanes);
    LLVMValueRef high = number(g, from, limit, 0, lanes), low = number(g, from, -limit, 0, lanes);
    LLVMValueRef fits = LLVMBuildFCmp(g->b, LLVMRealOLT, intrinsic(g, "llvm.fabs", 1, &x), high, "");
    LLVMValueRef safe = LLVMBuildSelect(g->b, fits, x, number(g, from, 0, 0, lanes), "");
    LLVMValueRef v = LLVMBuildFPToSI(g->b, safe, t, "");
    LLVMValueRef most = number(g, to, 0, to == ELEM_I32 ? INT32_MAX : INT64_MAX, lanes);
    LLVMValueRef least = number(g, to, 0, to == ELEM_I32 ? INT32_MIN : INT64_MIN, lanes);
    v = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGE, x, high, ""), most, v, "");
    return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOLE, x, low, ""), least, v, "");
}

static LLVMValueRef
to_u8(struct gen *g, enum elem from, LLVMValueRef x, int lanes)
{
    LLVMValueRef most = number(g, from, 255, 0, lanes), zero = number(g, from, 0, 0, lanes);
    x = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGE, x, most, ""), most, x, "");
    x = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, x, zero, ""), x, zero, "");
    return LLVMBuildTrunc(g->b, LLVMBuildFPToSI(g->b, x, vector_of(g->i32, lanes), ""), vector_of(g->i8, lanes), "");
}

LLVMValueRef
emit_cast(struct gen *g, enum elem from, enum elem to, LLVMValueRef x, int lanes)
{
    LLVMTypeRef t = vector_of(g->elem[to], lanes);
    bool without_sign = from == ELEM_U8 || from == ELEM_BOOL;
    if (from == to)
        return x;
    if (elem_is_float(from) && LLVMIsConstant(x))
        x = hide(g, x);
    if (to == ELEM_BOOL) {
        LLVMValueRef zero = LLVMConstNull(vector_of(g->elem[from], lanes));
        return elem_is_float(from) ? LLVMBuildFCmp(g->b, LLVMRealUNE, x, zero, "")
                                   : LLVMBuildICmp(g->b, LLVMIntNE, x, zero, "");
    }
    if (elem_is_float(from) && elem_is_float(to))
        return LLVMBuildFPCast(g->b, x, t, "");
    if (elem_is_float(from))
        return to == ELEM_U8 ? to_u8(g, from, x, lanes) : to_whole(g, from, to, x, lanes);
    if (elem_is_float(to))
        return without_sign ? LLVMBuildUIToFP(g->b, x, t, "") : LLVMBuildSIToFP(g->b, x, t, "");
    return LLVMBuildIntCast2(g->b, x, t, !without_sign, "");
}
