/* math_c.h: math.def as C functions of scalars.
 *
 *     #define MATH_ELEM f32        (or f64 i32 i64 u8 bool)
 *     #include "ir/math_c.h"
 *
 * gives `static inline float math_EXP_f32(float)` and so on: a function for each body of math.def that the element type
 * has, named math_ID_ELEM. Numbers are float, double, int32_t, int64_t, uint8_t; conditions and all of elem bool are bool.
 * The functions have no branches, loops or calls, so loops over them become vector code (gcc at -O3, clang at -O2; FMA and
 * SSE4.1 at least, x86-64-v3 or above to be fast). The including file is compiled with -ffp-contract=off -fno-math-errno
 * -fno-trapping-math and runs with subnormals flushed (numerics.md, item 10). Includable several times, once for each
 * element type; every macro is undefined at the end, MATH_ELEM too. */

#ifndef IR_MATH_C_H
#define IR_MATH_C_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define MATH_INLINE static inline __attribute__((always_inline, unused))

MATH_INLINE uint32_t
math_bits_f32(float x)
{
    uint32_t i;
    __builtin_memcpy(&i, &x, sizeof i);
    return i;
}

MATH_INLINE float
math_value_f32(uint32_t i)
{
    float x;
    __builtin_memcpy(&x, &i, sizeof x);
    return x;
}

MATH_INLINE uint64_t
math_bits_f64(double x)
{
    uint64_t i;
    __builtin_memcpy(&i, &x, sizeof i);
    return i;
}

MATH_INLINE double
math_value_f64(uint64_t i)
{
    double x;
    __builtin_memcpy(&x, &i, sizeof x);
    return x;
}

#define MATH_KIND_f32 1
#define MATH_KIND_f64 2
#define MATH_KIND_i32 3
#define MATH_KIND_i64 4
#define MATH_KIND_u8 5
#define MATH_KIND_bool 6
#define MATH_KIND__Bool 6          /* what <stdbool.h> makes of bool */
#define MATH_PASTE2(a, b) a##b
#define MATH_PASTE(a, b) MATH_PASTE2(a, b)
#define MATH_NAME2(id, elem) math_##id##_##elem
#define MATH_NAME(id, elem) MATH_NAME2(id, elem)
#endif

#define MATH_KIND MATH_PASTE(MATH_KIND_, MATH_ELEM)
#define MATH_IS_F32 (MATH_KIND == 1)
#define MATH_IS_F64 (MATH_KIND == 2)
#define MATH_IS_FLOAT (MATH_KIND == 1 || MATH_KIND == 2)
#define MATH_IS_WHOLE (MATH_KIND == 3 || MATH_KIND == 4 || MATH_KIND == 5)
#define MATH_IS_U8 (MATH_KIND == 5)
#define MATH_IS_BOOL (MATH_KIND == 6)
#if MATH_KIND < 1 || MATH_KIND > 6
#error "MATH_ELEM is one of f32 f64 i32 i64 u8 bool"
#endif

#if MATH_IS_BOOL
#define MATH_SELF(id) math_##id##_bool
#else
#define MATH_SELF(id) MATH_NAME(id, MATH_ELEM)
#endif

#define M bool
#define AND(a, b) ((bool)((a) & (b)))
#define OR(a, b) ((bool)((a) | (b)))
#define NOT(a) ((bool)!(a))
#define RETURN(v) return (v);
#define RETURNM(m) return (m);
#define END }
#define CALL(id, ...) MATH_SELF(id)(__VA_ARGS__)
#define LOGIC1(id, a) MATH_INLINE M MATH_SELF(id)(M a) {
#define LOGIC2(id, a, b) MATH_INLINE M MATH_SELF(id)(M a, M b) {
#define LOGIC3(id, a, b, c) MATH_INLINE M MATH_SELF(id)(M a, M b, M c) {

#if !MATH_IS_BOOL
#define BODY1(id, a) MATH_INLINE V MATH_SELF(id)(V a) {
#define BODY2(id, a, b) MATH_INLINE V MATH_SELF(id)(V a, V b) {
#define BODY3(id, a, b, c) MATH_INLINE V MATH_SELF(id)(V a, V b, V c) {
#define CONDITION1(id, a) MATH_INLINE M MATH_SELF(id)(V a) {
#define CONDITION2(id, a, b) MATH_INLINE M MATH_SELF(id)(V a, V b) {
#define CHOICE(id, c, a, b) MATH_INLINE V MATH_SELF(id)(M c, V a, V b) {
#define K(c) ((V)(c))
#define LT(a, b) ((bool)((a) < (b)))
#define LE(a, b) ((bool)((a) <= (b)))
#define EQ(a, b) ((bool)((a) == (b)))
#define SELECT(c, a, b) ((c) ? (a) : (b))
#endif

#if MATH_IS_FLOAT
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define NEG(a) (-(a))
#define ISNAN(a) ((bool)__builtin_isnan(a))
#define BITS(x) MATH_PASTE(math_bits_, MATH_ELEM)(x)
#define VALUE(i) MATH_PASTE(math_value_, MATH_ELEM)(i)
#define IK(c) ((I)(c))
#define IADD(a, b) ((a) + (b))
#define ISUB(a, b) ((a) - (b))
#define IAND(a, b) ((a) & (b))
#define IOR(a, b) ((a) | (b))
#define IXOR(a, b) ((a) ^ (b))
#define SHL(a, n) ((a) << (n))
#define SHR(a, n) ((a) >> (n))
#define IEQ(a, b) ((bool)((a) == (b)))
#if MATH_IS_F32
#define V float
#define I uint32_t
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define SQRT(a) __builtin_sqrtf(a)
#define RINT(a) __builtin_rintf(a)
#define FLOOR(a) __builtin_floorf(a)
#define ABS(a) __builtin_fabsf(a)
#define COPYSIGN(a, b) __builtin_copysignf(a, b)
#else
#define V double
#define I uint64_t
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define SQRT(a) __builtin_sqrt(a)
#define RINT(a) __builtin_rint(a)
#define FLOOR(a) __builtin_floor(a)
#define ABS(a) __builtin_fabs(a)
#define COPYSIGN(a, b) __builtin_copysign(a, b)
#endif
#elif MATH_IS_WHOLE
/* Sums and products wrap, so they are those of unsigned numbers at least as wide. */
#if MATH_KIND == 3
#define V int32_t
#define MATH_WRAP uint32_t
#elif MATH_KIND == 4
#define V int64_t
#define MATH_WRAP uint64_t
#else
#define V uint8_t
#define MATH_WRAP uint32_t
#endif
#define ADD(a, b) ((V)((MATH_WRAP)(a) + (MATH_WRAP)(b)))
#define SUB(a, b) ((V)((MATH_WRAP)(a) - (MATH_WRAP)(b)))
#define MUL(a, b) ((V)((MATH_WRAP)(a) * (MATH_WRAP)(b)))
#define NEG(a) ((V)((MATH_WRAP)0 - (MATH_WRAP)(a)))
#define IDIV(a, b) ((V)((a) / (b)))
#endif

#include "ir/math.def"

#undef MATH_ELEM
#undef MATH_KIND
#undef MATH_SELF
#undef MATH_IS_F32
#undef MATH_IS_F64
#undef MATH_IS_FLOAT
#undef MATH_IS_WHOLE
#undef MATH_IS_U8
#undef MATH_IS_BOOL
#undef MATH_WRAP
#undef V
#undef M
#undef I
#undef K
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef NEG
#undef FMA
#undef SQRT
#undef RINT
#undef FLOOR
#undef ABS
#undef COPYSIGN
#undef IDIV
#undef LT
#undef LE
#undef EQ
#undef ISNAN
#undef AND
#undef OR
#undef NOT
#undef SELECT
#undef BITS
#undef VALUE
#undef IK
#undef IADD
#undef ISUB
#undef IAND
#undef IOR
#undef IXOR
#undef SHL
#undef SHR
#undef IEQ
#undef CALL
#undef BODY1
#undef BODY2
#undef BODY3
#undef CONDITION1
#undef CONDITION2
#undef CHOICE
#undef LOGIC1
#undef LOGIC2
#undef LOGIC3
#undef RETURN
#undef RETURNM
#undef END
