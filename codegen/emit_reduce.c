/* emit_reduce: the steps of reductions (numerics.md, item 4), and argmax and argmin. */
#include "codegen/emit.h"
#include <math.h>

/* The elementwise operation of each reduction and its start. The start of max and min changes no value that meets it. */
static const struct {
    enum op step;
    double start;           /* of floats */
} rules[OP_COUNT] = {
    [OP_SUM] = {OP_ADD, 0},  [OP_MEAN] = {OP_ADD, 0}, [OP_PROD] = {OP_MUL, 1}, [OP_MAX_OVER] = {OP_MAX, -INFINITY},
    [OP_MIN_OVER] = {OP_MIN, INFINITY},
};

/* The smallest and the largest whole number of an element type. */
static const int64_t extremes[ELEM_COUNT][2] = {
    [ELEM_I32] = {INT32_MIN, INT32_MAX}, [ELEM_I64] = {INT64_MIN, INT64_MAX}, [ELEM_U8] = {0, UINT8_MAX}};

LLVMValueRef
reduce_start(struct gen *g, enum op reduce, enum elem e, int lanes)
{
    double start = rules[reduce].start;
    return number(g, e, start, isinf(start) ? extremes[e][start > 0] : (int64_t)start, lanes);
}

LLVMValueRef
reduce_step(struct gen *g, enum op reduce, enum elem e, LLVMValueRef acc, LLVMValueRef value, int lanes)
{
    return emit_map(g, rules[reduce].step, e, (LLVMValueRef[]){acc, value}, lanes);
}

/* Lanes [from, from + count) of a vector. */
static LLVMValueRef
part_of(struct gen *g, LLVMValueRef v, int from, int count)
{
    LLVMValueRef index[REDUCE_LANES];
    for (int i = 0; i < count; i++)
        index[i] = LLVMConstInt(g->i32, (unsigned)(from + i), false);
    return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(index, (unsigned)count), "");
}

static LLVMValueRef
rotate_by(struct gen *g, LLVMValueRef v, int amount)
{
    LLVMValueRef index[REDUCE_LANES];
    for (int i = 0; i < REDUCE_LANES; i++)
        index[i] = LLVMConstInt(g->i32, (unsigned)(i + amount) % REDUCE_LANES, false);
    return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(index, REDUCE_LANES), "");
}

LLVMValueRef
reduce_rotate(struct gen *g, LLVMValueRef v, LLVMValueRef amount)
{
    if (LLVMIsAConstantInt(amount))
        return rotate_by(g, v, (int)(LLVMConstIntGetZExtValue(amount) % REDUCE_LANES));
    for (int bit = 1; bit < REDUCE_LANES; bit *= 2) {
        LLVMValueRef set = LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildAnd(g->b, amount, whole(g, bit), ""), whole(g, 0), "");
        v = LLVMBuildSelect(g->b, set, rotate_by(g, v, bit), v, "");
    }
    return v;
}

LLVMValueRef
reduce_tree(struct gen *g, enum op reduce, enum elem e, LLVMValueRef v)
{
    for (int half = REDUCE_LANES / 2; half > 1; half /= 2)
        v = reduce_step(g, reduce, e, part_of(g, v, 0, half), part_of(g, v, half, half), half);
    LLVMValueRef a = LLVMBuildExtractElement(g->b, v, whole(g, 0), "");
    return reduce_step(g, reduce, e, a, LLVMBuildExtractElement(g->b, v, whole(g, 1), ""), 1);
}

LLVMValueRef
reduce_finish(struct gen *g, const struct result *r, enum elem e, LLVMValueRef total, int lanes)
{
    if (r->reduce != OP_MEAN)
        return total;
    LLVMValueRef count = LLVMBuildSIToFP(g->b, size_value(g, r->count), g->elem[e], "");
    return emit_map(g, OP_DIV, e, (LLVMValueRef[]){total, splat(g, count, lanes)}, lanes);
}

void
reduce_kinds(const struct type *t, uint32_t axes, uint8_t kind[RANK_MAX])
{
    bool trailing = true;
    for (int i = t->rank - 1; i >= 0; i--) {
        bool reduced = axes >> i & 1;
        trailing &= reduced;
        kind[i] = !reduced ? AXIS_OUT : trailing ? AXIS_LANE : AXIS_SEQ;
    }
}

/* Whether |x| takes the place of |best|: NaN wins, the first of equals stays. */
static LLVMValueRef
beats(struct gen *g, enum op op, enum elem e, LLVMValueRef x, LLVMValueRef best)
{
    LLVMValueRef order[2] = {op == OP_ARGMAX ? best : x, op == OP_ARGMAX ? x : best};
    LLVMValueRef wins = emit_map(g, OP_LT, e, order, 1);
    if (!elem_is_float(e))
        return wins;
    LLVMValueRef nan = LLVMBuildFCmp(g->b, LLVMRealUNO, x, x, ""), had = LLVMBuildFCmp(g->b, LLVMRealUNO, best, best, "");
    return LLVMBuildOr(g->b, wins, LLVMBuildAnd(g->b, nan, LLVMBuildNot(g->b, had, ""), ""), "");
}

/* One axis; outer axes, the axis, inner axes. One result after the other: these serve metrics. */
void
emit_arg(struct gen *g, const struct node *n, const struct operands *o)
{
    const struct type *t = &n->in[0]->type;
    enum elem e = (enum elem)t->elem;
    int axis = __builtin_ctz(n->attr->axes.axes);
    struct size inner = size_span(t, axis + 1, t->rank), length = size_of_dim(t->dim[axis]);
    struct size outer = size_span(t, 0, axis);
    if (inner.factor == 0 || outer.factor == 0 || length.factor == 0)
        return;
    LLVMValueRef count = size_value(g, inner), turns = size_value(g, length);
    struct loop i, j, k;
    loop_begin(g, &i, whole(g, 0), size_value(g, outer), 1);
    loop_begin(g, &j, whole(g, 0), count, 1);
    LLVMValueRef row = LLVMBuildNSWMul(g->b, i.index, LLVMBuildNSWMul(g->b, count, turns, ""), "");
    LLVMValueRef first = element(g, o->in[0], e, LLVMBuildNSWAdd(g->b, row, j.index, ""));
    LLVMValueRef start = load(g, e, first, 1, NULL);
    loop_begin(g, &k, whole(g, 0), turns, 1);
    LLVMValueRef best = loop_carry(g, &k, start), at = loop_carry(g, &k, LLVMConstInt(g->i32, 0, false));
    LLVMValueRef x = load(g, e, element(g, first, e, LLVMBuildNSWMul(g->b, k.index, count, "")), 1, NULL);
    LLVMValueRef better = beats(g, (enum op)n->op, e, x, best);
    LLVMValueRef next = LLVMBuildSelect(g->b, better, x, best, "");
    LLVMValueRef index = LLVMBuildSelect(g->b, better, LLVMBuildTrunc(g->b, k.index, g->i32, ""), at, "");
    loop_next(g, &k, best, next);
    loop_next(g, &k, at, index);
    loop_end(g, &k);
    LLVMValueRef out = LLVMBuildNSWAdd(g->b, LLVMBuildNSWMul(g->b, i.index, count, ""), j.index, "");
    store(g, ELEM_I32, element(g, o->out[0], ELEM_I32, out), index, 1, NULL);
    loop_end(g, &j);
    loop_end(g, &i);
}
