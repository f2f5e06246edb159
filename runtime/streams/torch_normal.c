/* torch_normal: Box and Muller's transformation as PyTorch does it for 16 numbers at a time on x86-64:
 * aten/src/ATen/native/cpu/ DistributionTemplates.h (normal_fill) with the logarithm, sine and cosine of
 * avx_mathfun.h, which are the Cephes library's for f32 (S. Moshier). Every product whose sum follows is fused with
 * it, as in PyTorch's builds; the last one is so in its source. */
#include "runtime/streams/torch_random.h"
#include <math.h>

enum { HALF = 8 }; /* the first eight numbers are for the radius, the others for the angle */

static const double two_pi = 6.283185307179586;

/* c[0] x^(n-1) + ... + c[n-1] */
static float
horner(float x, const float *c, int n)
{
    float y = c[0];
    for (int i = 1; i < n; i++)
        y = __builtin_fmaf(y, x, c[i]);
    return y;
}

/* The natural logarithm of a normal number above 0. */
static float
log_f32(float x)
{
    static const float p[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                              -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
    int exponent;
    float m = frexpf(x, &exponent);
    if (m < 0.707106781186547524f) {
        m += m;
        exponent--;
    }
    const float e = (float)exponent, z = (m - 1) * (m - 1);
    m -= 1;
    float y = __builtin_fmaf(horner(m, p, 9) * m, z, e * -2.12194440e-4f);
    y -= z * 0.5f;
    return m + y + e * 0.693359375f;
}

/* Sine and cosine of x >= 0. */
static void
sine_cosine(float x, float *out_sine, float *out_cosine)
{
    static const float cosine[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f},
                       sine[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
    const int octant = ((int)(x * 1.27323954473516f) + 1) & ~1;
    const float j = (float)octant;
    x = __builtin_fmaf(j, -0.78515625f, x);
    x = __builtin_fmaf(j, -2.4187564849853515625e-4f, x);
    x = __builtin_fmaf(j, -3.77489497744594108e-8f, x);
    const float z = x * x;
    const float c = __builtin_fmaf(horner(z, cosine, 3) * z, z, -0.5f * z) + 1;
    const float s = __builtin_fmaf(horner(z, sine, 3) * z, x, x);
    const float first = octant & 2 ? c : s, second = octant & 2 ? s : c;
    *out_sine = octant & 4 ? -first : first;
    *out_cosine = (octant - 2) & 4 ? second : -second;
}

/* Radius and angle of a pair from two uniform numbers, by polynomials and by the C library; |out_x| = radius * cosine. */
static void
pair_fused(float u, float v, float *out_x, float *out_y)
{
    const float radius = sqrtf(-2 * log_f32(1 - u)), angle = (float)two_pi * v;
    float s, c;
    sine_cosine(angle, &s, &c);
    *out_x = radius * c;
    *out_y = radius * s;
}

static void
pair_plain(float u, float v, float *out_x, float *out_y)
{
    const float radius = sqrtf(-2 * logf(1 - u)), angle = (float)(two_pi * (double)v);
    *out_x = radius * cosf(angle);
    *out_y = radius * sinf(angle);
}

void
torch_normal_block_f32(enum torch_build build, float *block, float mean, float deviation)
{
    for (int i = 0; i < HALF; i++) {
        float x, y;
        (build == TORCH_BUILD_PLAIN ? pair_plain : pair_fused)(block[i], block[i + HALF], &x, &y);
        block[i] = __builtin_fmaf(x, deviation, mean);
        block[i + HALF] = __builtin_fmaf(y, deviation, mean);
    }
}

void
torch_normal_block_f64(double *block, double mean, double deviation)
{
    for (int i = 0; i < HALF; i++) {
        const double radius = sqrt(-2 * log(1 - block[i])), angle = two_pi * block[i + HALF];
        block[i] = __builtin_fma(radius * cos(angle), deviation, mean);
        block[i + HALF] = __builtin_fma(radius * sin(angle), deviation, mean);
    }
}
