/* simd_reduce: the inner loops of sum, prod, max_over and min_over in the order of numerics.md, item 4. */
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

#if defined __AVX512F__
enum { VECTOR_BYTES = 64 };
#elif defined __AVX__
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif
#define UNROLL _Pragma("GCC unroll 8")
typedef float vector_f32 __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef double vector_f64 __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef int32_t whole_f32 __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int64_t whole_f64 __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

#define E f32
#define T float
#define LOWEST -__builtin_inff()
#define HIGHEST __builtin_inff()
#define VECTOR 1
#define V vector_f32
#define VI whole_f32
#define W (VECTOR_BYTES / 4)
#include "runtime/simd_reduce_elem.h"

#define E f64
#define T double
#define LOWEST -__builtin_inf()
#define HIGHEST __builtin_inf()
#define VECTOR 1
#define V vector_f64
#define VI whole_f64
#define W (VECTOR_BYTES / 8)
#include "runtime/simd_reduce_elem.h"

#define E i32
#define T int32_t
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define VECTOR 0
#include "runtime/simd_reduce_elem.h"

#define E i64
#define T int64_t
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define VECTOR 0
#include "runtime/simd_reduce_elem.h"

#define E u8
#define T uint8_t
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define VECTOR 0
#include "runtime/simd_reduce_elem.h"

#define ENTRY(id, e) {start_##id##_##e, rows_##id##_##e, lanes_##id##_##e, tree_##id##_##e, columns_##id##_##e}
#define ENTRIES(id)                                                                                                       \
    [REDUCE_##id] = {[ELEM_F32] = ENTRY(id, f32), [ELEM_F64] = ENTRY(id, f64), [ELEM_I32] = ENTRY(id, i32),               \
                     [ELEM_I64] = ENTRY(id, i64), [ELEM_U8] = ENTRY(id, u8)},
const struct reduce_fns ISA(reduces)[REDUCE_COUNT][ELEM_COUNT] = {ENTRIES(SUM) ENTRIES(PROD) ENTRIES(MAX) ENTRIES(MIN)};
