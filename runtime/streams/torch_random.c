/* torch_random: sources are PyTorch's aten/src/ATen/core/{MT19937RNGEngine,DistributionsHelper,TransformationHelper}.h,
 * CPUGeneratorImpl.cpp, native/cpu/DistributionTemplates.h, native/TensorFactories.cpp, torch/nn/init.py and
 * torch/utils/data/{sampler,dataloader}.py. log1p, sin, cos are the C library's where they are there. */
#include "runtime/streams/torch_random.h"
#include <math.h>

enum { BLOCK = 16 }; /* numbers that normal_ makes at a time */

/* ---- the source of bits ---- */

void
torch_random_seed(struct torch_random *r, enum torch_build build, uint64_t seed)
{
    *r = (struct torch_random){.build = build};
    mt19937_seed(&r->twister, (uint32_t)seed);
}

uint32_t
torch_random_word(struct torch_random *r)
{
    return mt19937_next(&r->twister);
}

uint64_t
torch_random_long(struct torch_random *r)
{
    uint64_t high = mt19937_next(&r->twister);
    return high << 32 | mt19937_next(&r->twister);
}

/* In [0, 1), 24 and 53 bits. */
static float
real_f32(struct torch_random *r)
{
    return (float)(torch_random_word(r) & 0xffffff) * 0x1p-24f;
}

static double
real_f64(struct torch_random *r)
{
    return (double)(torch_random_long(r) & 0x1fffffffffffff) * 0x1p-53;
}

/* ---- uniform numbers ---- */

/* x * scale + add */
static float
scale_f32(const struct torch_random *r, float x, float scale, float add)
{
    return r->build == TORCH_BUILD_PLAIN ? x * scale + add : __builtin_fmaf(x, scale, add);
}

static double
scale_f64(const struct torch_random *r, double x, double scale, double add)
{
    return r->build == TORCH_BUILD_PLAIN ? x * scale + add : __builtin_fma(x, scale, add);
}

void
torch_uniform_f32(struct torch_random *r, double low, double high, float *out, int64_t n)
{
    const float from = (float)low, range = (float)high - from;
    for (int64_t i = 0; i < n; i++)
        out[i] = scale_f32(r, real_f32(r), range, from);
}

void
torch_uniform_f64(struct torch_random *r, double low, double high, double *out, int64_t n)
{
    const double range = high - low;
    for (int64_t i = 0; i < n; i++)
        out[i] = scale_f64(r, real_f64(r), range, low);
}

/* MKL's multiplicative generator MCG31m1, seeded by one word. */
static void
bernoulli_mkl(struct torch_random *r, double keep, uint8_t *out, int64_t n)
{
    const uint64_t modulus = INT32_MAX;
    uint64_t x = torch_random_word(r) % modulus;
    x = x ? x : 1;
    for (int64_t i = 0; i < n; i++, x = x * 1132489760 % modulus)
        out[i] = (double)x / (double)modulus < keep;
}

void
torch_bernoulli(struct torch_random *r, double keep, uint8_t *out, int64_t n)
{
    if (r->build == TORCH_BUILD_MKL) {
        bernoulli_mkl(r, keep, out, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = real_f64(r) < keep;
}

/* ---- normal numbers ---- */

/* One number of few: two at a time are made, in f64, and the second is kept. */
static double
normal(struct torch_random *r, double mean, double deviation)
{
    if (r->has_spare) {
        r->has_spare = false;
        return scale_f64(r, r->spare, deviation, mean);
    }
    const double u = real_f64(r), v = real_f64(r);
    const double radius = sqrt(-2 * log1p(-v)), angle = 2 * 3.141592653589793 * u;
    r->spare = radius * sin(angle);
    r->has_spare = true;
    return scale_f64(r, radius * cos(angle), deviation, mean);
}

/* Many: uniform numbers throughout, then block by block. A last, smaller block is 16 new numbers in the last 16 places. */
void
torch_normal_f32(struct torch_random *r, double mean, double deviation, float *out, int64_t n)
{
    if (n < BLOCK) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)normal(r, mean, deviation);
        return;
    }
    torch_uniform_f32(r, 0, 1, out, n);
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK)
        torch_normal_block_f32(r->build, out + i, (float)mean, (float)deviation);
    if (n % BLOCK) {
        torch_uniform_f32(r, 0, 1, out + n - BLOCK, BLOCK);
        torch_normal_block_f32(r->build, out + n - BLOCK, (float)mean, (float)deviation);
    }
}

void
torch_normal_f64(struct torch_random *r, double mean, double deviation, double *out, int64_t n)
{
    if (n < BLOCK) {
        for (int64_t i = 0; i < n; i++)
            out[i] = normal(r, mean, deviation);
        return;
    }
    torch_uniform_f64(r, 0, 1, out, n);
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK)
        torch_normal_block_f64(out + i, mean, deviation);
    if (n % BLOCK) {
        torch_uniform_f64(r, 0, 1, out + n - BLOCK, BLOCK);
        torch_normal_block_f64(out + n - BLOCK, mean, deviation);
    }
}

/* ---- whole numbers ---- */

int64_t
torch_random_whole(struct torch_random *r)
{
    return (int64_t)(torch_random_long(r) & INT64_MAX);
}

/* From these on, the remainder of 32 bits would favour some numbers too much: for a range, and for a permutation. */
enum { WIDE = 1 << 28, MANY = UINT32_MAX / 20 };

int64_t
torch_random_between(struct torch_random *r, int64_t low, int64_t high)
{
    const uint64_t range = (uint64_t)high - (uint64_t)low;
    return (int64_t)((uint64_t)low + (range >= WIDE ? torch_random_long(r) : torch_random_word(r)) % range);
}

void
torch_permutation(struct torch_random *r, int64_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
    for (int64_t i = 0; n < MANY && i < n - 1; i++) {
        int64_t j = i + torch_random_word(r) % (n - i), t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
    for (int64_t i = 0; n >= MANY && i < n; i++) {
        int64_t j = (int64_t)(torch_random_long(r) % (uint64_t)(i + 1));
        out[i] = out[j];
        out[j] = i;
    }
}

int64_t
torch_loader_draw(struct torch_random *r, bool shuffle)
{
    torch_random_whole(r);
    return shuffle ? torch_random_whole(r) : 0;
}

void
torch_sampler_order(int64_t sampler_seed, int64_t *out, int64_t n)
{
    struct torch_random own;
    torch_random_seed(&own, TORCH_BUILD_FUSED, (uint64_t)sampler_seed);
    torch_permutation(&own, out, n);
}
