/* scalar: math.def over a checked scalar of one element type. Included once for each by reference_map.c, without an include
 * guard.
 *
 * Needs from the includer: ELEM (f32, ...), CTYPE (its C type), MATH_IS_* (math.def). For floats also UTYPE (the integer of
 * its width) and C_FUNCTION(x): the C function x of that type.
 *
 * A value is a struct, so that C's own operators do not apply to it: a text that uses one does not compile. `bad` marks
 * what the text must not rely on: a division of integers by 0 or -1, a shift out of range, a constant that is not held
 * exactly or is subnormal. It spreads like a NaN, through conditions too, but not through the side that SELECT leaves; a
 * result that is bad ends the program. */
#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)
#define NAMED(x) PASTE(x, ELEM)

struct NAMED(value) {
    CTYPE v;
    bool bad;
};
#define V struct NAMED(value)
#define M struct condition

static inline V
NAMED(make)(CTYPE v, bool bad)
{
    return (V){v, bad};
}
#define MAKE NAMED(make)

#define LOAD(p) MAKE(*(const CTYPE *)(p), false)
#define LOADM(p) ((M){*(const bool *)(p), false})

#define OPERATION1(name, expression)                             \
    static inline V NAMED(name)(V a)                             \
    {                                                            \
        return MAKE((CTYPE)(expression), a.bad);                 \
    }
#define OPERATION2(name, expression)                             \
    static inline V NAMED(name)(V a, V b)                        \
    {                                                            \
        return MAKE((CTYPE)(expression), a.bad || b.bad);        \
    }
#define RELATION2(name, type, expression)                        \
    static inline M NAMED(name)(type a, type b)                  \
    {                                                            \
        return (M){(expression), a.bad || b.bad};                \
    }

#if MATH_IS_FLOAT
OPERATION2(op_add, a.v + b.v)
OPERATION2(op_sub, a.v - b.v)
OPERATION2(op_mul, a.v * b.v)
OPERATION2(op_div, a.v / b.v)
OPERATION2(op_copysign, C_FUNCTION(copysign)(a.v, b.v))
OPERATION1(op_neg, -a.v)
OPERATION1(op_abs, C_FUNCTION(fabs)(a.v))
OPERATION1(op_sqrt, C_FUNCTION(sqrt)(a.v))
OPERATION1(op_rint, C_FUNCTION(rint)(a.v))
OPERATION1(op_floor, C_FUNCTION(floor)(a.v))
RELATION2(op_unequal, V, a.v != b.v)

static inline V
NAMED(op_fma)(V a, V b, V c)
{
    return MAKE(C_FUNCTION(fma)(a.v, b.v, c.v), a.bad || b.bad || c.bad);
}

/* A constant is held exactly and is not subnormal. */
static inline V
NAMED(op_constant)(double c)
{
    CTYPE v = (CTYPE)c;
    return MAKE(v, fpclassify(v) == FP_SUBNORMAL || (v == v && (double)v != c));
}

/* Integers of the float's width. */
struct NAMED(word) {
    UTYPE v;
    bool bad;
};
#define I struct NAMED(word)
#define WORD2(name, expression)                                              \
    static inline I NAMED(name)(I a, I b)                                    \
    {                                                                        \
        return (I){(expression), a.bad || b.bad};                     \
    }
#define SHIFT(name, expression)                                              \
    static inline I NAMED(name)(I a, int count)                              \
    {                                                                        \
        return (I){(expression), a.bad || count < 0 || count >= (int)sizeof(UTYPE) * 8}; \
    }
WORD2(op_iadd, a.v + b.v)
WORD2(op_isub, a.v - b.v)
WORD2(op_iand, a.v & b.v)
WORD2(op_ior, a.v | b.v)
WORD2(op_ixor, a.v ^ b.v)
SHIFT(op_shl, a.v << count)
SHIFT(op_shr, a.v >> count)
RELATION2(op_ieq, I, a.v == b.v)

static inline I
NAMED(op_bits)(V a)
{
    I r = {.bad = a.bad};
    memcpy(&r.v, &a.v, sizeof r.v);
    return r;
}

static inline V
NAMED(op_value)(I a)
{
    V r = {.bad = a.bad};
    memcpy(&r.v, &a.v, sizeof r.v);
    return r;
}

#define BITS(a) NAMED(op_bits)(a)
#define VALUE(a) NAMED(op_value)(a)
#define IK(c) ((I){(UTYPE)(c), false})
#define IADD(a, b) NAMED(op_iadd)(a, b)
#define ISUB(a, b) NAMED(op_isub)(a, b)
#define IAND(a, b) NAMED(op_iand)(a, b)
#define IOR(a, b) NAMED(op_ior)(a, b)
#define IXOR(a, b) NAMED(op_ixor)(a, b)
#define SHL(a, b) NAMED(op_shl)(a, b)
#define SHR(a, b) NAMED(op_shr)(a, b)
#define IEQ(a, b) NAMED(op_ieq)(a, b)
#define DIV(a, b) NAMED(op_div)(a, b)
#define FMA(a, b, c) NAMED(op_fma)(a, b, c)
#define SQRT(a) NAMED(op_sqrt)(a)
#define RINT(a) NAMED(op_rint)(a)
#define FLOOR(a) NAMED(op_floor)(a)
#define COPYSIGN(a, b) NAMED(op_copysign)(a, b)
#define ISNAN(a) NAMED(op_unequal)((a), (a))
#define K(c) NAMED(op_constant)(c)
#endif

#if MATH_IS_WHOLE
OPERATION2(op_add, (uint64_t)a.v + (uint64_t)b.v)
OPERATION2(op_sub, (uint64_t)a.v - (uint64_t)b.v)
OPERATION2(op_mul, (uint64_t)a.v * (uint64_t)b.v)
OPERATION1(op_neg, -(uint64_t)a.v)
OPERATION1(op_abs, a.v < 0 ? -(uint64_t)a.v : (uint64_t)a.v)

static inline V
NAMED(op_idiv)(V a, V b)
{
    bool refused = b.v == 0 || b.v == (CTYPE)-1;
    if (sizeof(CTYPE) == 1)
        refused = b.v == 0;
    return MAKE(refused ? 0 : (CTYPE)(a.v / b.v), a.bad || b.bad || refused);
}
#define IDIV(a, b) NAMED(op_idiv)(a, b)
#define K(c) MAKE((CTYPE)(c), false)
#endif

#if MATH_IS_FLOAT || MATH_IS_WHOLE
RELATION2(op_lt, V, a.v < b.v)
RELATION2(op_le, V, a.v <= b.v)
RELATION2(op_eq, V, a.v == b.v)
#define ADD(a, b) NAMED(op_add)(a, b)
#define SUB(a, b) NAMED(op_sub)(a, b)
#define MUL(a, b) NAMED(op_mul)(a, b)
#define NEG(a) NAMED(op_neg)(a)
#define ABS(a) NAMED(op_abs)(a)
#define LT(a, b) NAMED(op_lt)(a, b)
#define LE(a, b) NAMED(op_le)(a, b)
#define EQ(a, b) NAMED(op_eq)(a, b)
#endif

static inline V
NAMED(op_select)(M c, V a, V b)
{
    V r = c.v ? a : b;
    r.bad |= c.bad;
    return r;
}
#define SELECT(a, b, c) NAMED(op_select)(a, b, c)
#define AND(a, b) condition_and((a), (b))
#define OR(a, b) condition_or((a), (b))
#define NOT(a) condition_not(a)

/* ---- each body as a function on values, and on elements in memory ---- */

#define FUNCTION(id, result, parameters, arguments)                                             \
    static result NAMED(body_##id) parameters;                                                  \
    __attribute__((unused)) static void NAMED(run_##id)(void *out, const void *const *in)       \
    {                                                                                           \
        result r = NAMED(body_##id) arguments;                                                  \
        if (r.bad)                                                                              \
            refuse(#id);                                                                        \
        memcpy(out, &r.v, sizeof r.v);                                                          \
    }                                                                                           \
    static result NAMED(body_##id) parameters                                                   \
    {

#define BODY1(id, a) FUNCTION(id, V, (V a), (LOAD(in[0])))
#define BODY2(id, a, b) FUNCTION(id, V, (V a, V b), (LOAD(in[0]), LOAD(in[1])))
#define BODY3(id, a, b, c) FUNCTION(id, V, (V a, V b, V c), (LOAD(in[0]), LOAD(in[1]), LOAD(in[2])))
#define CONDITION1(id, a) FUNCTION(id, M, (V a), (LOAD(in[0])))
#define CONDITION2(id, a, b) FUNCTION(id, M, (V a, V b), (LOAD(in[0]), LOAD(in[1])))
#define LOGIC1(id, a) FUNCTION(id, M, (M a), (LOADM(in[0])))
#define LOGIC2(id, a, b) FUNCTION(id, M, (M a, M b), (LOADM(in[0]), LOADM(in[1])))
#define LOGIC3(id, a, b, c) FUNCTION(id, M, (M a, M b, M c), (LOADM(in[0]), LOADM(in[1]), LOADM(in[2])))
#define CHOICE(id, c, a, b) FUNCTION(id, V, (M c, V a, V b), (LOADM(in[0]), LOAD(in[1]), LOAD(in[2])))
#define RETURN(value) return value;
#define RETURNM(value) return value;
#define END }
#define CALL(id, ...) NAMED(body_##id)(__VA_ARGS__)

#include "ir/math.def"

#undef ABS
#undef ADD
#undef AND
#undef BITS
#undef BODY1
#undef BODY2
#undef BODY3
#undef CALL
#undef CHOICE
#undef LOGIC3
#undef CONDITION1
#undef CONDITION2
#undef COPYSIGN
#undef DIV
#undef END
#undef EQ
#undef FLOOR
#undef FMA
#undef FUNCTION
#undef I
#undef IADD
#undef IAND
#undef IDIV
#undef IEQ
#undef IK
#undef IOR
#undef ISNAN
#undef ISUB
#undef IXOR
#undef K
#undef LE
#undef LOAD
#undef LOADM
#undef LOGIC1
#undef LOGIC2
#undef LT
#undef M
#undef MAKE
#undef MUL
#undef NAMED
#undef NEG
#undef NOT
#undef OPERATION1
#undef OPERATION2
#undef OR
#undef PASTE
#undef PASTE2
#undef RELATION2
#undef RETURN
#undef RETURNM
#undef RINT
#undef SELECT
#undef SHIFT
#undef SHL
#undef SHR
#undef SQRT
#undef SUB
#undef V
#undef VALUE
#undef WORD2
#undef ELEM
#undef CTYPE
#undef UTYPE
#undef C_FUNCTION
#undef MATH_IS_F32
#undef MATH_IS_F64
#undef MATH_IS_FLOAT
#undef MATH_IS_WHOLE
#undef MATH_IS_U8
#undef MATH_IS_BOOL
