/* tf_random: sources are TensorFlow's core/kernels/{stateless_random_ops_v2,random_op_cpu,random_shuffle_op},
 * core/lib/random and XLA's tsl/lib/random/random_distributions. log, sin, cos are the C library's, as there. */
#include "runtime/streams/tf_random.h"
#include "runtime/isa.h"
#include <math.h>

enum {
    BLOCK = 4,          /* words of a block */
    RESERVED = 256,     /* words that each truncated number may use */
    BATCH = 1024        /* words that are made at a time */
};

/* ---- words ---- */

static void
blocks(const struct tf_random *r, uint64_t first, int64_t count, uint32_t *out)
{
    isa_host()->philox(r->key, r->high, first, count, out);
}

struct tf_random
tf_stateless(int64_t a, int64_t b)
{
    const struct tf_random scramble = {{0x3ec8f720u, 0x02461e29u}, b};
    uint32_t w[BLOCK];
    blocks(&scramble, (uint64_t)a, 1, w);
    return (struct tf_random){{w[0], w[1]}, (int64_t)((uint64_t)w[3] << 32 | w[2])};
}

void
tf_words(const struct tf_random *r, uint64_t block, uint32_t *out, int64_t n)
{
    uint32_t rest[BLOCK];
    blocks(r, block, n / BLOCK, out);
    if (n % BLOCK)
        blocks(r, block + (uint64_t)(n / BLOCK), 1, rest);
    for (int64_t i = n - n % BLOCK; i < n; i++)
        out[i] = rest[i % BLOCK];
}

/* ---- one number, or a pair ---- */

/* In [0, 1), 23 and 52 bits. */
static float
real_f32(const uint32_t *w)
{
    return (float)(*w & 0x7fffff) * 0x1p-23f;
}

static double
real_f64(const uint32_t *w)
{
    return (double)((uint64_t)(w[0] & 0xfffff) << 32 | w[1]) * 0x1p-52;
}

static void
pair_f32(const uint32_t *w, float *out)
{
    const float epsilon = 1e-7f, u = real_f32(w), radius = sqrtf(-2 * logf(u < epsilon ? epsilon : u));
    const float angle = (float)(2 * 3.14159265358979323846 * (double)real_f32(w + 1));
    out[0] = sinf(angle) * radius;
    out[1] = cosf(angle) * radius;
}

static void
pair_f64(const uint32_t *w, double *out)
{
    const double epsilon = 1e-7, u = real_f64(w), radius = sqrt(-2 * log(u < epsilon ? epsilon : u));
    const double angle = 2 * 3.14159265358979323846 * real_f64(w + 2);
    out[0] = sin(angle) * radius;
    out[1] = cos(angle) * radius;
}

/* ---- tensors ---- */

#define REAL float
#define EACH 1
#define NAME(x) x##_f32
#include "runtime/streams/tf_random_elem.h"
#undef REAL
#undef EACH
#undef NAME
#define REAL double
#define EACH 2
#define NAME(x) x##_f64
#include "runtime/streams/tf_random_elem.h"

/* ---- shuffle ---- */

void
tf_shuffle(int64_t seed, int64_t op_seed, int64_t *out, int64_t n)
{
    const int64_t modulus = INT32_MAX;
    seed = (seed % modulus + modulus) % modulus;
    op_seed = (op_seed % modulus + modulus) % modulus;
    if (!seed && !op_seed)
        op_seed = modulus;
    const struct tf_random r = {{(uint32_t)seed, (uint32_t)(seed >> 32)}, op_seed};
    uint32_t words[BATCH];
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        if (i % BATCH == 0)
            blocks(&r, (uint64_t)(i / BLOCK), BATCH / BLOCK, words);
        int64_t j = i + words[i % BATCH] % (n - i), t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
}
