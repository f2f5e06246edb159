/* simd_conv: the chains of convolutions under the contract (numerics.md, item 3): fma in the order of conv_run.h, lanes are
 * neighbouring channels. */
#include "runtime/conv_run.h"
#include "runtime/isa.h"
#include "runtime/simd_vector.h"
#include <string.h>

/* CONV_POSITIONS times CONV_VECTORS accumulators fill the registers but for a row of the right operand and one number of the
 * left. */
#if defined __AVX512F__
#define CONV_POSITIONS 12
#define CONV_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#elif defined __FMA__
#define CONV_POSITIONS 6
#define CONV_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define CONV_POSITIONS 3
#define CONV_TILES(X) X(1) X(2) X(3)
#endif
#define CONV_VECTORS (CONV_ROW_BYTES / VEC_BYTES)

#define E f32
#define T float
#include "runtime/simd_conv_elem.h"
#undef E
#undef T
#define E f64
#define T double
#include "runtime/simd_conv_elem.h"
