/* simd_vector: vectors of floats in the widest registers that the variant has, for the simd_*.c files. */
#ifndef NNC_RUNTIME_SIMD_VECTOR_H
#define NNC_RUNTIME_SIMD_VECTOR_H
#include <stdint.h>
#include <string.h>

#if defined __AVX512F__
#include <immintrin.h>
#define VEC_BYTES 64
typedef __m512 vec_f32;
typedef __m512d vec_f64;
#define WIDTH_f32 16
#define WIDTH_f64 8
#define VEC_LOAD_f32(p) _mm512_loadu_ps(p)
#define VEC_LOAD_f64(p) _mm512_loadu_pd(p)
#define VEC_STORE_f32(p, v) _mm512_storeu_ps(p, v)
#define VEC_STORE_f64(p, v) _mm512_storeu_pd(p, v)
#define VEC_ALL_f32(x) _mm512_set1_ps(x)
#define VEC_ALL_f64(x) _mm512_set1_pd(x)
#define VEC_FMA_f32(a, b, c) _mm512_fmadd_ps(a, b, c)
#define VEC_FMA_f64(a, b, c) _mm512_fmadd_pd(a, b, c)
#define VEC_LOAD_PART_f32(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define VEC_LOAD_PART_f64(p, n) _mm512_maskz_loadu_pd((__mmask8)((1u << (n)) - 1), p)
#define VEC_STORE_PART_f32(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), v)
#define VEC_STORE_PART_f64(p, v, n) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (n)) - 1), v)
#elif defined __FMA__
#include <immintrin.h>
#define VEC_BYTES 32
typedef __m256 vec_f32;
typedef __m256d vec_f64;
#define WIDTH_f32 8
#define WIDTH_f64 4
#define VEC_LOAD_f32(p) _mm256_loadu_ps(p)
#define VEC_LOAD_f64(p) _mm256_loadu_pd(p)
#define VEC_STORE_f32(p, v) _mm256_storeu_ps(p, v)
#define VEC_STORE_f64(p, v) _mm256_storeu_pd(p, v)
#define VEC_ALL_f32(x) _mm256_set1_ps(x)
#define VEC_ALL_f64(x) _mm256_set1_pd(x)
#define VEC_FMA_f32(a, b, c) _mm256_fmadd_ps(a, b, c)
#define VEC_FMA_f64(a, b, c) _mm256_fmadd_pd(a, b, c)
/* The first n of 8 lanes: a window of this table. */
static const int32_t mask_words[16] __attribute__((unused)) = {-1, -1, -1, -1, -1, -1, -1, -1};
#define MASK_f32(n) _mm256_loadu_si256((const __m256i *)(mask_words + 8 - (n)))
#define MASK_f64(n) _mm256_loadu_si256((const __m256i *)(mask_words + 8 - 2 * (n)))
#define VEC_LOAD_PART_f32(p, n) _mm256_maskload_ps(p, MASK_f32(n))
#define VEC_LOAD_PART_f64(p, n) _mm256_maskload_pd(p, MASK_f64(n))
#define VEC_STORE_PART_f32(p, v, n) _mm256_maskstore_ps(p, MASK_f32(n), v)
#define VEC_STORE_PART_f64(p, v, n) _mm256_maskstore_pd(p, MASK_f64(n), v)
#else
/* Any other machine: vectors of 16 bytes; the compiler turns the lanes' fma into its instruction. */
#define VEC_BYTES 16
typedef float vec_f32 __attribute__((vector_size(16)));
typedef double vec_f64 __attribute__((vector_size(16)));
#define WIDTH_f32 4
#define WIDTH_f64 2
#define ANY_VECTOR(e, T, W, FMA)                                                            \
    static inline vec_##e load_##e(const T *p, int64_t n)                                   \
    {                                                                                       \
        vec_##e v = {0};                                                                    \
        memcpy(&v, p, (size_t)n * sizeof(T));                                               \
        return v;                                                                           \
    }                                                                                       \
    static inline vec_##e fma_##e(vec_##e a, vec_##e b, vec_##e c)                          \
    {                                                                                       \
        vec_##e v;                                                                          \
        for (int i = 0; i < W; i++)                                                         \
            v[i] = FMA(a[i], b[i], c[i]);                                                   \
        return v;                                                                           \
    }                                                                                       \
    static inline vec_##e all_##e(T x)                                                      \
    {                                                                                       \
        vec_##e v;                                                                          \
        for (int i = 0; i < W; i++)                                                         \
            v[i] = x;                                                                       \
        return v;                                                                           \
    }
ANY_VECTOR(f32, float, 4, __builtin_fmaf)
ANY_VECTOR(f64, double, 2, __builtin_fma)
#define VEC_LOAD_f32(p) load_f32(p, 4)
#define VEC_LOAD_f64(p) load_f64(p, 2)
#define VEC_STORE_f32(p, v) memcpy(p, &(v), 16)
#define VEC_STORE_f64(p, v) memcpy(p, &(v), 16)
#define VEC_ALL_f32(x) all_f32(x)
#define VEC_ALL_f64(x) all_f64(x)
#define VEC_FMA_f32(a, b, c) fma_f32(a, b, c)
#define VEC_FMA_f64(a, b, c) fma_f64(a, b, c)
#define VEC_LOAD_PART_f32(p, n) load_f32(p, n)
#define VEC_LOAD_PART_f64(p, n) load_f64(p, n)
#define VEC_STORE_PART_f32(p, v, n) memcpy(p, &(v), (size_t)(n) * 4)
#define VEC_STORE_PART_f64(p, v, n) memcpy(p, &(v), (size_t)(n) * 8)
#endif

#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))
#endif
