/* simd_random: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) and what becomes of its words. */
#include "runtime/isa.h"
#include <string.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

#define MATH_ELEM f32
#include "ir/math_c.h"
#define MATH_ELEM f64
#include "ir/math_c.h"

/* LANES blocks in a vector, one in the low half of each lane: mul_low multiplies these halves and sees nothing of the upper ones. */
#if defined __AVX512F__
enum { LANES = 8, VECTORS = 4 };
typedef uint64_t lanes __attribute__((vector_size(64), may_alias));
#define mul_low(a, b) (lanes)_mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define SECOND_HALF(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define COUNT_UP {0, 1, 2, 3, 4, 5, 6, 7}
#elif defined __AVX2__
enum { LANES = 4, VECTORS = 2 };
typedef uint64_t lanes __attribute__((vector_size(32), may_alias));
#define mul_low(a, b) (lanes)_mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define SECOND_HALF(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define COUNT_UP {0, 1, 2, 3}
#else
enum { LANES = 2, VECTORS = 2 };
typedef uint64_t lanes __attribute__((vector_size(16), may_alias));
#define mul_low(a, b) (((a) & 0xFFFFFFFFu) * (b))
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 2)
#define SECOND_HALF(a, b) __builtin_shufflevector(a, b, 1, 3)
#define COUNT_UP {0, 1}
#endif
#define EACH _Pragma("GCC unroll 4") for (int v = 0; v < VECTORS; v++)
enum { BATCH = LANES * VECTORS };

/* BATCH blocks at once; several vectors hide each other's latency. What lies in the upper halves meanwhile is of no use and of no harm. */
static inline void
philox_batch(const uint32_t key[2], int64_t step, uint64_t first, uint32_t *out)
{
    const lanes zero = {0}, count_up = COUNT_UP, low = zero + 0xFFFFFFFFu, m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
    lanes c0[VECTORS], c1[VECTORS], c2[VECTORS], c3[VECTORS];
    uint32_t k0 = key[0], k1 = key[1];
    EACH {
        c0[v] = count_up + (first + (uint64_t)(v * LANES));
        c1[v] = c0[v] >> 32;
        c2[v] = zero + (uint64_t)step;
        c3[v] = c2[v] >> 32;
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        EACH {
            lanes a = mul_low(c0[v], m0), b = mul_low(c2[v], m1);
            c0[v] = (b >> 32) ^ c1[v] ^ (zero + k0);
            c1[v] = b;
            c2[v] = (a >> 32) ^ c3[v] ^ (zero + k1);
            c3[v] = a;
        }
    EACH {
        lanes front = (c0[v] & low) | c1[v] << 32, back = (c2[v] & low) | c3[v] << 32;
        lanes result[2] = {FIRST_HALF(front, back), SECOND_HALF(front, back)};
        memcpy(out + 4 * LANES * v, result, sizeof result);
    }
}

void
ISA(philox)(const uint32_t key[2], int64_t step, uint64_t first, int64_t count, uint32_t *out)
{
    uint32_t last[4 * BATCH];
    for (; count >= BATCH; count -= BATCH, first += BATCH, out += 4 * BATCH)
        philox_batch(key, step, first, out);
    if (count > 0) {
        philox_batch(key, step, first, last);
        memcpy(out, last, (size_t)count * 4 * sizeof *last);
    }
}

static inline uint64_t
word_pair(const uint32_t *words)
{
    return (uint64_t)words[1] << 32 | words[0];
}

void
ISA(uniform_f32)(const uint32_t *words, float *out, int64_t count, float scale, float from)
{
    _Pragma("omp simd")
    for (int64_t i = 0; i < count; i++)
        out[i] = __builtin_fmaf((float)(int32_t)(words[i] >> 8) * 0x1p-24f, scale, from);
}

void
ISA(uniform_f64)(const uint32_t *words, double *out, int64_t count, double scale, double from)
{
    _Pragma("omp simd")
    for (int64_t i = 0; i < count; i++)
        out[i] = __builtin_fma((double)(int64_t)(word_pair(words + 2 * i) >> 11) * 0x1p-53, scale, from);
}

/* Box-Muller: a pair of normal numbers from u in (0, 1] and v in [0, 1). */
#define PAIR(e, T, u, v, out_a, out_b)                                              \
    do {                                                                            \
        T r = math_SQRT_##e((T)-2 * math_LOG_##e(u)), t = (T)6.283185307179586 * (v); \
        out_a = FMA_##e(r * math_COS_##e(t), scale, mean);                          \
        out_b = FMA_##e(r * math_SIN_##e(t), scale, mean);                          \
    } while (0)
#define FMA_f32 __builtin_fmaf
#define FMA_f64 __builtin_fma
#define U_f32(w) (float)(int32_t)(((w)[0] >> 8) + 1) * 0x1p-24f
#define V_f32(w) (float)(int32_t)((w)[1] >> 8) * 0x1p-24f
#define U_f64(w) (double)(int64_t)((word_pair(w) >> 11) + 1) * 0x1p-53
#define V_f64(w) (double)(int64_t)(word_pair((w) + 2) >> 11) * 0x1p-53

#define NORMAL(e, T, words_a_pair)                                                                                \
    void ISA(normal_##e)(const uint32_t *words, T *out, int64_t count, T scale, T mean)                           \
    {                                                                                                             \
        int64_t pairs = count / 2;                                                                                \
        _Pragma("omp simd")                                                                                       \
        for (int64_t j = 0; j < pairs; j++) {                                                                     \
            const uint32_t *w = words + (words_a_pair) * j;                                                       \
            T u = U_##e(w), v = V_##e(w);                                                                         \
            PAIR(e, T, u, v, out[2 * j], out[2 * j + 1]);                                                         \
        }                                                                                                         \
        if (count % 2) {                                                                                          \
            const uint32_t *w = words + (words_a_pair) * pairs;                                                   \
            T u = U_##e(w), v = V_##e(w), unused;                                                                 \
            PAIR(e, T, u, v, out[2 * pairs], unused);                                                             \
            (void)unused;                                                                                         \
        }                                                                                                         \
    }
NORMAL(f32, float, 2)
NORMAL(f64, double, 4)
