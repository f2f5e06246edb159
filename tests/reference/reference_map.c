/* reference_map: elementwise operations, by math.def over checked scalars (scalar.h), and casts. */
#include "tests/reference/reference.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct condition {
    bool v, bad;
};

static void
refuse(const char *id)
{
    fprintf(stderr, "reference: the text of %s relies on what it must not (tests/reference/scalar.h)\n", id);
    abort();
}

__attribute__((unused)) static struct condition
condition_and(struct condition a, struct condition b)
{
    return (struct condition){a.v && b.v, a.bad || b.bad};
}

__attribute__((unused)) static struct condition
condition_or(struct condition a, struct condition b)
{
    return (struct condition){a.v || b.v, a.bad || b.bad};
}

__attribute__((unused)) static struct condition
condition_not(struct condition a)
{
    return (struct condition){!a.v, a.bad};
}

#define ELEM f32
#define CTYPE float
#define UTYPE uint32_t
#define C_FUNCTION(x) x##f
#define MATH_IS_F32 1
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 1
#define MATH_IS_WHOLE 0
#define MATH_IS_U8 0
#define MATH_IS_BOOL 0
#include "tests/reference/scalar.h"

#define ELEM f64
#define CTYPE double
#define UTYPE uint64_t
#define C_FUNCTION(x) x
#define MATH_IS_F32 0
#define MATH_IS_F64 1
#define MATH_IS_FLOAT 1
#define MATH_IS_WHOLE 0
#define MATH_IS_U8 0
#define MATH_IS_BOOL 0
#include "tests/reference/scalar.h"

#define ELEM i32
#define CTYPE int32_t
#define MATH_IS_F32 0
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 0
#define MATH_IS_WHOLE 1
#define MATH_IS_U8 0
#define MATH_IS_BOOL 0
#include "tests/reference/scalar.h"

#define ELEM i64
#define CTYPE int64_t
#define MATH_IS_F32 0
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 0
#define MATH_IS_WHOLE 1
#define MATH_IS_U8 0
#define MATH_IS_BOOL 0
#include "tests/reference/scalar.h"

#define ELEM u8
#define CTYPE uint8_t
#define MATH_IS_F32 0
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 0
#define MATH_IS_WHOLE 1
#define MATH_IS_U8 1
#define MATH_IS_BOOL 0
#include "tests/reference/scalar.h"

#define ELEM truth
#define CTYPE bool
#define MATH_IS_F32 0
#define MATH_IS_F64 0
#define MATH_IS_FLOAT 0
#define MATH_IS_WHOLE 0
#define MATH_IS_U8 0
#define MATH_IS_BOOL 1
#include "tests/reference/scalar.h"

/* ---- the table: a body for each element type that ops.def gives the operation ---- */

#define BODIES_FLT(id) [ELEM_F32] = run_##id##_f32, [ELEM_F64] = run_##id##_f64,
#define BODIES_NUM(id) BODIES_FLT(id) [ELEM_I32] = run_##id##_i32, [ELEM_I64] = run_##id##_i64, [ELEM_U8] = run_##id##_u8,
#define BODIES_BOOL(id) [ELEM_BOOL] = run_##id##_truth,
#define BODIES_ALL(id) BODIES_NUM(id) BODIES_BOOL(id)
#define ROW_MAP(id, types) [OP_##id] = {BODIES_##types(id)},
#define ROW_LEAF(id, types)
#define ROW_CAST(id, types)
#define ROW_REDUCE(id, types)
#define ROW_CONTRACT(id, types)
#define ROW_MOVE(id, types)
#define ROW_RANDOM(id, types)
#define ROW_GROUP(id, types)
#define ROW_EFFECT(id, types)
static reference_body *const bodies[OP_COUNT][ELEM_COUNT] = {
#define OP(id, text, class, nin, attrs, shape, types, flags) ROW_##class(id, types)
#include "ir/ops.def"
#undef OP
};

reference_body *
reference_body_of(enum op op, enum elem elem)
{
    if (!bodies[op][elem]) {
        fprintf(stderr, "reference: %s of %s\n", op_info[op].text, elem_name(elem));
        abort();
    }
    return bodies[op][elem];
}

void
reference_map(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    reference_body *body = reference_body_of((enum op)n->op, (enum elem)in[n->nin - 1]->type.elem);
    int64_t at[RANK_MAX];
    const void *element[3];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        reference_unravel(&out->type, i, at);
        for (int k = 0; k < n->nin; k++)
            element[k] = reference_element(in[k], reference_broadcast_at(&in[k]->type, &out->type, at));
        body(reference_element(out, i), element);
    }
}

/* ---- casts ---- */

/* A number of any element type: floats are held exactly by |real|, all others by |whole|. */
struct number {
    bool is_real;
    double real;
    int64_t whole;
};

static struct number
load(enum elem e, const void *p)
{
    switch (e) {
    case ELEM_F32: return (struct number){true, *(const float *)p, 0};
    case ELEM_F64: return (struct number){true, *(const double *)p, 0};
    case ELEM_I32: return (struct number){false, 0, *(const int32_t *)p};
    case ELEM_I64: return (struct number){false, 0, *(const int64_t *)p};
    case ELEM_U8: return (struct number){false, 0, *(const uint8_t *)p};
    default: return (struct number){false, 0, *(const bool *)p};
    }
}

/* Towards zero; the ends of the range for what lies outside, 0 for NaN. Whole numbers keep their low bits. */
static int64_t
whole_of(struct number x, int64_t least, int64_t largest)
{
    if (!x.is_real)
        return x.whole;
    if (isnan(x.real))
        return 0;
    double t = trunc(x.real);
    return t <= (double)least ? least : t >= (double)largest ? largest : (int64_t)t;
}

void
reference_cast(enum elem from, enum elem to, void *out, const void *in)
{
    struct number x = load(from, in);
    switch (to) {
    case ELEM_F32: *(float *)out = x.is_real ? (float)x.real : (float)x.whole; break;
    case ELEM_F64: *(double *)out = x.is_real ? x.real : (double)x.whole; break;
    case ELEM_I32: *(int32_t *)out = (int32_t)whole_of(x, INT32_MIN, INT32_MAX); break;
    case ELEM_I64: *(int64_t *)out = whole_of(x, INT64_MIN, INT64_MAX); break;
    case ELEM_U8: *(uint8_t *)out = (uint8_t)whole_of(x, 0, UINT8_MAX); break;
    default: *(bool *)out = x.is_real ? x.real != 0 : x.whole != 0; break;
    }
}

void
reference_CAST(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    enum elem from = (enum elem)in[0]->type.elem, to = (enum elem)n->type.elem;
    for (int64_t i = 0; i < tensor_count(out); i++)
        reference_cast(from, to, reference_element(out, i), reference_element(in[0], i));
}
