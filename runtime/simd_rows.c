/* simd_rows: the row kernels of every MAP operation and cast, from ops.def and math.def.
 *
 * A row kernel has a loop for each pattern of steps, so that a scalar operand is read once. The result may lie on an operand. */
#include "runtime/isa.h"

#define MATH_ELEM f32
#include "ir/math_c.h"
#define MATH_ELEM f64
#include "ir/math_c.h"
#define MATH_ELEM i32
#include "ir/math_c.h"
#define MATH_ELEM i64
#include "ir/math_c.h"
#define MATH_ELEM u8
#include "ir/math_c.h"
#define MATH_ELEM bool
#include "ir/math_c.h"

#undef bool /* stdbool.h's macro, which would get into the names that are pasted below */
typedef float c_f32;
typedef double c_f64;
typedef int32_t c_i32;
typedef int64_t c_i64;
typedef uint8_t c_u8;
typedef uint8_t c_bool;

#define LOOP(expression)              \
    _Pragma("omp simd")               \
    for (int64_t i = 0; i < n; i++)   \
        out[i] = (expression);

/* R: type of the result, A: of the first operand, T: of the others. */
#define ROW_1(id, e, R, A, T)                                                      \
    static void row_##id##_##e(void *o, const void *const *in, const uint8_t *step, int64_t n) \
    {                                                                              \
        const T *a = in[0];                                                        \
        R *out = o;                                                                \
        if (step[0]) {                                                             \
            LOOP(math_##id##_##e(a[i]))                                            \
        } else if (n > 0) {                                                        \
            R x = math_##id##_##e(a[0]);                                           \
            LOOP(x)                                                                \
        }                                                                          \
    }
#define ROW_2(id, e, R, A, T)                                                      \
    static void row_##id##_##e(void *o, const void *const *in, const uint8_t *step, int64_t n) \
    {                                                                              \
        const A *a = in[0];                                                        \
        const T *b = in[1];                                                        \
        R *out = o;                                                                \
        if (n <= 0)                                                                \
            return;                                                                \
        A a0 = a[0];                                                               \
        T b0 = b[0];                                                               \
        switch (step[0] + 2 * step[1]) {                                           \
        case 3: LOOP(math_##id##_##e(a[i], b[i])) break;                           \
        case 2: LOOP(math_##id##_##e(a0, b[i])) break;                             \
        case 1: LOOP(math_##id##_##e(a[i], b0)) break;                             \
        default: { R x = math_##id##_##e(a0, b0); LOOP(x) }                        \
        }                                                                          \
    }
#define ROW_3(id, e, R, A, T)                                                      \
    static void row_##id##_##e(void *o, const void *const *in, const uint8_t *step, int64_t n) \
    {                                                                              \
        const A *a = in[0];                                                        \
        const T *b = in[1], *c = in[2];                                            \
        R *out = o;                                                                \
        if (n <= 0)                                                                \
            return;                                                                \
        A a0 = a[0];                                                               \
        T b0 = b[0], c0 = c[0];                                                    \
        switch (step[0] + 2 * step[1] + 4 * step[2]) {                             \
        case 7: LOOP(math_##id##_##e(a[i], b[i], c[i])) break;                     \
        case 6: LOOP(math_##id##_##e(a0, b[i], c[i])) break;                       \
        case 5: LOOP(math_##id##_##e(a[i], b0, c[i])) break;                       \
        case 4: LOOP(math_##id##_##e(a0, b0, c[i])) break;                         \
        case 3: LOOP(math_##id##_##e(a[i], b[i], c0)) break;                       \
        case 2: LOOP(math_##id##_##e(a0, b[i], c0)) break;                         \
        case 1: LOOP(math_##id##_##e(a[i], b0, c0)) break;                         \
        default: { R x = math_##id##_##e(a0, b0, c0); LOOP(x) }                    \
        }                                                                          \
    }

/* The result's type: of bool where the operation says so. */
#define COMMUTES OP_COMMUTES
#define BOOLEAN OP_BOOLEAN
#define CALLABLE OP_CALLABLE
#define RESULT_OF(flags, T) __typeof__(__builtin_choose_expr(((flags) & OP_BOOLEAN) != 0, (c_bool)0, (T)0))
#define FIRST_same(T) T
#define FIRST_bcast(T) T
#define FIRST_where(T) c_bool

/* Which operations take which element type. Rows of the other classes make nothing. */
#define IF_FLT_f32(...) __VA_ARGS__
#define IF_FLT_f64(...) __VA_ARGS__
#define IF_FLT_i32(...)
#define IF_FLT_i64(...)
#define IF_FLT_u8(...)
#define IF_FLT_bool(...)
#define IF_WHOLE_f32(...)
#define IF_WHOLE_f64(...)
#define IF_WHOLE_i32(...) __VA_ARGS__
#define IF_WHOLE_i64(...) __VA_ARGS__
#define IF_WHOLE_u8(...) __VA_ARGS__
#define IF_WHOLE_bool(...)
#define IF_NUM_f32(...) __VA_ARGS__
#define IF_NUM_f64(...) __VA_ARGS__
#define IF_NUM_i32(...) __VA_ARGS__
#define IF_NUM_i64(...) __VA_ARGS__
#define IF_NUM_u8(...) __VA_ARGS__
#define IF_NUM_bool(...)
#define IF_BOOL_f32(...)
#define IF_BOOL_f64(...)
#define IF_BOOL_i32(...)
#define IF_BOOL_i64(...)
#define IF_BOOL_u8(...)
#define IF_BOOL_bool(...) __VA_ARGS__
#define IF_ALL_f32(...) __VA_ARGS__
#define IF_ALL_f64(...) __VA_ARGS__
#define IF_ALL_i32(...) __VA_ARGS__
#define IF_ALL_i64(...) __VA_ARGS__
#define IF_ALL_u8(...) __VA_ARGS__
#define IF_ALL_bool(...) __VA_ARGS__

#define FOR_LEAF(...)
#define FOR_CAST(...)
#define FOR_REDUCE(...)
#define FOR_CONTRACT(...)
#define FOR_MOVE(...)
#define FOR_RANDOM(...)
#define FOR_GROUP(...)
#define FOR_EFFECT(...)
#define FOR_MAP(id, nin, shape, types, flags)                    \
    ROW_IN(id, nin, f32, shape, types, flags)                    \
    ROW_IN(id, nin, f64, shape, types, flags)                    \
    ROW_IN(id, nin, i32, shape, types, flags)                    \
    ROW_IN(id, nin, i64, shape, types, flags)                    \
    ROW_IN(id, nin, u8, shape, types, flags)                     \
    ROW_IN(id, nin, bool, shape, types, flags)

#define ROW_IN(id, nin, e, shape, types, flags) \
    IF_##types##_##e(ROW_##nin(id, e, RESULT_OF(flags, c_##e), FIRST_##shape(c_##e), c_##e))
#define OP(id, text, class, nin, attrs, shape, types, flags) FOR_##class(id, nin, shape, types, flags)
#include "ir/ops.def"
#undef OP
#undef ROW_IN

#define ROW_IN(id, nin, e, shape, types, flags) IF_##types##_##e([OP_##id][ELEM_OF_##e] = row_##id##_##e,)
#define ELEM_OF_f32 ELEM_F32
#define ELEM_OF_f64 ELEM_F64
#define ELEM_OF_i32 ELEM_I32
#define ELEM_OF_i64 ELEM_I64
#define ELEM_OF_u8 ELEM_U8
#define ELEM_OF_bool ELEM_BOOL
row_fn *const ISA(rows)[OP_COUNT][ELEM_COUNT] = {
#define OP(id, text, class, nin, attrs, shape, types, flags) FOR_##class(id, nin, shape, types, flags)
#include "ir/ops.def"
#undef OP
};

/* Casts. Between floats one rounding; float to whole towards zero, saturating, NaN gives 0; between whole numbers modulo 2^bits; to bool
 * by comparison with 0. The bounds are powers of two, which both float types hold exactly. */
static inline int32_t
whole_i32(double x)
{
    return x != x ? 0 : x >= 0x1p31 ? INT32_MAX : x <= -0x1p31 ? INT32_MIN : (int32_t)x;
}

static inline int32_t
whole_i32f(float x)
{
    return x != x ? 0 : x >= 0x1p31f ? INT32_MAX : x <= -0x1p31f ? INT32_MIN : (int32_t)x;
}

static inline int64_t
whole_i64(double x)
{
    return x != x ? 0 : x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : (int64_t)x;
}

static inline uint8_t
whole_u8(double x)
{
    return x >= 255 ? 255 : x > 0 ? (uint8_t)(int32_t)x : 0;
}

static inline uint8_t
whole_u8f(float x)
{
    return x >= 255 ? 255 : x > 0 ? (uint8_t)(int32_t)x : 0;
}

#define CASTS(X)                                                                                                       \
    X(f32, f32, a[i]) X(f32, f64, a[i]) X(f32, i32, whole_i32f(a[i])) X(f32, i64, whole_i64((double)a[i]))             \
    X(f32, u8, whole_u8f(a[i])) X(f32, bool, a[i] != 0)                                                                \
    X(f64, f32, (float)a[i]) X(f64, f64, a[i]) X(f64, i32, whole_i32(a[i])) X(f64, i64, whole_i64(a[i]))               \
    X(f64, u8, whole_u8(a[i])) X(f64, bool, a[i] != 0)                                                                 \
    X(i32, f32, (float)a[i]) X(i32, f64, (double)a[i]) X(i32, i32, a[i]) X(i32, i64, a[i]) X(i32, u8, (uint8_t)a[i])   \
    X(i32, bool, a[i] != 0)                                                                                            \
    X(i64, f32, (float)a[i]) X(i64, f64, (double)a[i]) X(i64, i32, (int32_t)a[i]) X(i64, i64, a[i])                    \
    X(i64, u8, (uint8_t)a[i]) X(i64, bool, a[i] != 0)                                                                  \
    X(u8, f32, a[i]) X(u8, f64, a[i]) X(u8, i32, a[i]) X(u8, i64, a[i]) X(u8, u8, a[i]) X(u8, bool, a[i] != 0)         \
    X(bool, f32, a[i]) X(bool, f64, a[i]) X(bool, i32, a[i]) X(bool, i64, a[i]) X(bool, u8, a[i]) X(bool, bool, a[i])

#define CAST_ROW(from, to, expression)                                                                     \
    static void cast_##from##_##to(void *o, const void *const *in, const uint8_t *step, int64_t n)         \
    {                                                                                                      \
        const c_##from *a = in[0];                                                                         \
        c_##to *out = o;                                                                                   \
        if (step[0]) {                                                                                     \
            LOOP(expression)                                                                               \
        } else if (n > 0) {                                                                                \
            const int64_t i = 0;                                                                           \
            c_##to x = expression;                                                                         \
            for (int64_t j = 0; j < n; j++)                                                                \
                out[j] = x;                                                                                \
        }                                                                                                  \
    }
CASTS(CAST_ROW)

#define CAST_ENTRY(from, to, expression) [ELEM_OF_##from][ELEM_OF_##to] = cast_##from##_##to,
row_fn *const ISA(casts)[ELEM_COUNT][ELEM_COUNT] = {CASTS(CAST_ENTRY)};
