/* simd_random: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) and what becomes of its words. */
#include "runtime/isa.h"

#define MATH_ELEM f32
#include "ir/math_c.h"
#define MATH_ELEM f64
#include "ir/math_c.h"

enum { BATCH = 16 };

/* |n| <= BATCH blocks at once, a block a lane. */
static inline void
philox_batch(const uint32_t key[2], int64_t step, uint64_t first, int64_t n, uint32_t *out)
{
    uint32_t c0[BATCH], c1[BATCH], c2[BATCH], c3[BATCH];
    uint32_t k0 = key[0], k1 = key[1];
    for (int i = 0; i < BATCH; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c2[i] = (uint32_t)step;
        c3[i] = (uint32_t)((uint64_t)step >> 32);
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        _Pragma("omp simd")
        for (int i = 0; i < BATCH; i++) {
            uint64_t a = (uint64_t)c0[i] * 0xD2511F53u, b = (uint64_t)c2[i] * 0xCD9E8D57u;
            uint32_t x1 = c1[i], x3 = c3[i];
            c0[i] = (uint32_t)(b >> 32) ^ x1 ^ k0;
            c1[i] = (uint32_t)b;
            c2[i] = (uint32_t)(a >> 32) ^ x3 ^ k1;
            c3[i] = (uint32_t)a;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        out[4 * i] = c0[i];
        out[4 * i + 1] = c1[i];
        out[4 * i + 2] = c2[i];
        out[4 * i + 3] = c3[i];
    }
}

void
ISA(philox)(const uint32_t key[2], int64_t step, uint64_t first, int64_t count, uint32_t *out)
{
    for (int64_t i = 0; i < count; i += BATCH)
        philox_batch(key, step, first + (uint64_t)i, count - i < BATCH ? count - i : BATCH, out + 4 * i);
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
