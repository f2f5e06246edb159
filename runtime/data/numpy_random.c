/* numpy_random: sources are NumPy's numpy/random/src/{mt19937,pcg64,legacy,distributions}, _generator.pyx, mtrand.pyx,
 * bit_generator.pyx (M. O'Neill's seed sequence). log, log1p, exp are the C library's, as there: the numbers are data. */
#include "runtime/data/numpy_random.h"
#include "runtime/data/ziggurat.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the sources of bits ---- */

static void
pcg64_step(struct pcg64 *p)
{
    const unsigned __int128 factor = (unsigned __int128)2549297995355413924u << 64 | 4865540595714422341u;
    p->state = p->state * factor + p->increment;
}

static uint64_t
pcg64_next(struct pcg64 *p)
{
    pcg64_step(p);
    uint64_t x = (uint64_t)(p->state >> 64) ^ (uint64_t)p->state;
    int turn = (int)(p->state >> 122);
    return x >> turn | x << (-turn & 63);
}

static uint32_t
next32(struct numpy_random *r)
{
    if (r->legacy)
        return mt19937_next(&r->twister);
    struct pcg64 *p = &r->pcg;
    if ((p->has_half = !p->has_half)) {
        uint64_t x = pcg64_next(p);
        p->half = (uint32_t)(x >> 32);
        return (uint32_t)x;
    }
    return p->half;
}

static uint64_t
next64(struct numpy_random *r)
{
    if (!r->legacy)
        return pcg64_next(&r->pcg);
    uint64_t high = mt19937_next(&r->twister);
    return high << 32 | mt19937_next(&r->twister);
}

/* In [0, 1), 53 bits. */
static double
next_double(struct numpy_random *r)
{
    if (!r->legacy)
        return (double)(pcg64_next(&r->pcg) >> 11) * 0x1p-53;
    uint32_t a = mt19937_next(&r->twister) >> 5, b = mt19937_next(&r->twister) >> 6;
    return ((double)a * 67108864.0 + (double)b) / 9007199254740992.0;
}

/* ---- seeds ---- */

void
numpy_random_seed(struct numpy_random *r, uint32_t seed)
{
    *r = (struct numpy_random){.legacy = true};
    mt19937_seed(&r->twister, seed);
}

/* One word through the running hash |h|. */
static uint32_t
hash_mix(uint32_t v, uint32_t *h, uint32_t factor)
{
    v ^= *h;
    *h *= factor;
    v *= *h;
    return v ^ v >> 16;
}

static uint32_t
pool_mix(uint32_t x, uint32_t y)
{
    uint32_t v = 0xca01f9ddu * x - 0x4973f715u * y;
    return v ^ v >> 16;
}

void
numpy_rng_seed(struct numpy_random *r, uint64_t seed)
{
    uint32_t pool[4] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t h = 0x43b0d7e5u;
    for (int i = 0; i < 4; i++)
        pool[i] = hash_mix(pool[i], &h, 0x931e8875u);
    for (int from = 0; from < 4; from++)
        for (int to = 0; to < 4; to++)
            if (to != from)
                pool[to] = pool_mix(pool[to], hash_mix(pool[from], &h, 0x931e8875u));
    uint64_t words[4] = {0};
    h = 0x8b51f9ddu;
    for (int i = 0; i < 8; i++)
        words[i / 2] |= (uint64_t)hash_mix(pool[i % 4], &h, 0x58f38dedu) << (32 * (i % 2));
    *r = (struct numpy_random){.legacy = false};
    r->pcg.increment = ((unsigned __int128)words[2] << 64 | words[3]) << 1 | 1;
    pcg64_step(&r->pcg);
    r->pcg.state += (unsigned __int128)words[0] << 64 | words[1];
    pcg64_step(&r->pcg);
}

/* ---- whole numbers ---- */

/* In [0, max]: numbers of as many bits as |max| has, until one is not above it (random_interval). */
static uint64_t
masked(struct numpy_random *r, uint64_t max)
{
    if (!max)
        return 0;
    uint64_t mask = UINT64_MAX >> __builtin_clzll(max), v;
    do
        v = (max <= UINT32_MAX ? next32(r) : next64(r)) & mask;
    while (v > max);
    return v;
}

/* In [0, max], from the high part of a product (D. Lemire, ACM TOMACS 29, 2019). */
static uint64_t
lemire32(struct numpy_random *r, uint32_t max)
{
    if (max == UINT32_MAX)
        return next32(r);
    const uint32_t count = max + 1;
    uint64_t m = (uint64_t)next32(r) * count;
    if ((uint32_t)m < count) {
        const uint32_t threshold = (UINT32_MAX - max) % count;
        while ((uint32_t)m < threshold)
            m = (uint64_t)next32(r) * count;
    }
    return m >> 32;
}

static uint64_t
lemire64(struct numpy_random *r, uint64_t max)
{
    if (max == UINT64_MAX)
        return next64(r);
    const uint64_t count = max + 1;
    unsigned __int128 m = (unsigned __int128)next64(r) * count;
    if ((uint64_t)m < count) {
        const uint64_t threshold = (UINT64_MAX - max) % count;
        while ((uint64_t)m < threshold)
            m = (unsigned __int128)next64(r) * count;
    }
    return (uint64_t)(m >> 64);
}

/* What integers() of either generator draws for [0, max]; random_bounded_uint64 of default_rng. */
static uint64_t
bounded(struct numpy_random *r, uint64_t max)
{
    if (!max)
        return 0;
    if (r->legacy)
        return masked(r, max);
    return max <= UINT32_MAX ? lemire32(r, (uint32_t)max) : lemire64(r, max);
}

void
numpy_integers(struct numpy_random *r, int64_t low, int64_t high, int64_t *out, int64_t n)
{
    const uint64_t max = (uint64_t)high - 1 - (uint64_t)low;
    for (int64_t i = 0; i < n; i++)
        out[i] = (int64_t)((uint64_t)low + bounded(r, max));
}

static void
count_up(int64_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
}

static void
swap(int64_t *out, int64_t i, int64_t j)
{
    int64_t t = out[i];
    out[i] = out[j];
    out[j] = t;
}

void
numpy_permutation(struct numpy_random *r, int64_t *out, int64_t n)
{
    count_up(out, n);
    for (int64_t i = n - 1; i > 0; i--)
        swap(out, i, (int64_t)masked(r, (uint64_t)i));
}

/* Generator.choice shuffles with another source of numbers than Generator.permutation. */
static void
shuffle_down_to(struct numpy_random *r, int64_t *out, int64_t first, int64_t n)
{
    for (int64_t i = n - 1; i >= first; i--)
        swap(out, i, (int64_t)bounded(r, (uint64_t)i));
}

/* Whether |v| was in the open-addressed |set| of mask + 1 places; it is now. */
static bool
set_add(uint64_t *set, uint64_t mask, uint64_t v)
{
    uint64_t at = v & mask;
    while (set[at] != UINT64_MAX && set[at] != v)
        at = (at + 1) & mask;
    bool was = set[at] == v;
    set[at] = v;
    return was;
}

/* R. Floyd's sample of |k| out of |n|, then shuffled. */
static bool
choose_few(struct numpy_random *r, int64_t n, int64_t k, int64_t *out)
{
    const uint64_t want = (uint64_t)(1.2 * (double)k);
    const uint64_t mask = want ? UINT64_MAX >> __builtin_clzll(want) : 0;
    uint64_t *set = mask < (uint64_t)1 << 58 ? malloc((size_t)(mask + 1) * sizeof *set) : NULL;
    if (!set)
        return false;
    memset(set, 0xff, (size_t)(mask + 1) * sizeof *set);
    for (int64_t j = n - k; j < n; j++) {
        uint64_t v = bounded(r, (uint64_t)j);
        if (set_add(set, mask, v)) {
            v = (uint64_t)j;
            set_add(set, mask, v);
        }
        out[j - (n - k)] = (int64_t)v;
    }
    free(set);
    shuffle_down_to(r, out, 1, k);
    return true;
}

bool
numpy_choice(struct numpy_random *r, int64_t n, int64_t k, int64_t *out)
{
    if (!r->legacy && !(n > 10000 && k > n / 50))
        return choose_few(r, n, k, out);
    int64_t *all = n < INT64_MAX / 8 ? malloc((size_t)(n ? n : 1) * sizeof *all) : NULL;
    if (!all)
        return false;
    if (r->legacy) {
        numpy_permutation(r, all, n);
    } else {
        count_up(all, n);
        shuffle_down_to(r, all, n - k > 1 ? n - k : 1, n);
    }
    memcpy(out, r->legacy ? all : all + (n - k), (size_t)k * sizeof *all);
    free(all);
    return true;
}

/* ---- real numbers ---- */

void
numpy_uniform(struct numpy_random *r, double low, double high, double *out, int64_t n)
{
    const double range = high - low;
    for (int64_t i = 0; i < n; i++)
        out[i] = low + range * next_double(r);
}

/* The polar method: two numbers at a time, the second is kept. */
static double
polar(struct numpy_random *r)
{
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double a, b, square;
    do {
        a = 2.0 * next_double(r) - 1.0;
        b = 2.0 * next_double(r) - 1.0;
        square = a * a + b * b;
    } while (square >= 1.0 || square == 0.0);
    const double f = sqrt(-2.0 * log(square) / square);
    r->spare = f * a;
    r->has_spare = true;
    return f * b;
}

/* Beyond the last layer (G. Marsaglia, Technometrics 6, 1964). */
static double
ziggurat_tail(struct numpy_random *r, bool negative)
{
    const double edge = 3.6541528853610087963519472518, inverse = 0.27366123732975827203338247596;
    for (;;) {
        const double x = -inverse * log1p(-next_double(r)), y = -log1p(-next_double(r));
        if (y + y > x * x)
            return negative ? -(edge + x) : edge + x;
    }
}

static double
ziggurat(struct numpy_random *r)
{
    for (;;) {
        uint64_t bits = next64(r);
        const int layer = bits & 0xff;
        bits >>= 8;
        const uint64_t size = bits >> 1 & 0x000fffffffffffff;
        double x = (double)size * ziggurat_w[layer];
        if (bits & 1)
            x = -x;
        if (size < ziggurat_k[layer])
            return x;
        if (!layer)
            return ziggurat_tail(r, size >> 8 & 1);
        const double above = ziggurat_f[layer - 1], edge = ziggurat_f[layer];
        if ((above - edge) * next_double(r) + edge < exp(-0.5 * x * x))
            return x;
    }
}

void
numpy_normal(struct numpy_random *r, double mean, double deviation, double *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = mean + deviation * (r->legacy ? polar(r) : ziggurat(r));
}
