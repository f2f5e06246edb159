/* simd_gemm: matrix products under the contract (numerics.md, item 3): each output is one chain of fma over ascending k, from +0.
 *
 * B goes through panels of two vectors of columns; a tile of up to TILE_ROWS rows of A keeps its accumulators in registers. Neither tiles
 * nor blocks of k nor packing change a bit: a block goes on from the stored partial sums. */
#include "runtime/isa.h"
#include "runtime/simd_vector.h"

/* Rows of a tile: its accumulators, two vectors each, and what they meet fill the registers. */
#if defined __AVX512F__
#define TILE_ROWS 8
#else
#define TILE_ROWS 6
#endif

#define E f32
#define T float
#include "runtime/simd_gemm_elem.h"
#undef E
#undef T
#define E f64
#define T double
#include "runtime/simd_gemm_elem.h"
