/* python_random: source is CPython's Modules/_randommodule.c and Lib/random.py. */
#include "runtime/streams/python_random.h"

void
python_random_seed(struct python_random *p, int64_t seed)
{
    uint64_t size = seed < 0 ? -(uint64_t)seed : (uint64_t)seed;
    uint32_t words[2] = {(uint32_t)size, (uint32_t)(size >> 32)};
    mt19937_seed_words(&p->twister, words, words[1] ? 2 : 1);
}

double
python_random_real(struct python_random *p)
{
    uint32_t a = mt19937_next(&p->twister) >> 5, b = mt19937_next(&p->twister) >> 6;
    return ((double)a * 67108864.0 + (double)b) / 9007199254740992.0;
}

/* The low word comes first; the last one gives its high bits. */
uint64_t
python_random_bits(struct python_random *p, int count)
{
    uint64_t bits = 0;
    for (int at = 0; at < count; at += 32) {
        int left = count - at;
        uint32_t word = mt19937_next(&p->twister);
        bits |= (uint64_t)(left < 32 ? word >> (32 - left) : word) << at;
    }
    return bits;
}

/* In [0, n), n >= 1. */
static uint64_t
below(struct python_random *p, uint64_t n)
{
    int count = 64 - __builtin_clzll(n);
    uint64_t v;
    do
        v = python_random_bits(p, count);
    while (v >= n);
    return v;
}

int64_t
python_random_between(struct python_random *p, int64_t low, int64_t high)
{
    uint64_t n = (uint64_t)high - (uint64_t)low + 1;
    /* 2^64 values: all of 65 bits below 2^64 */
    if (!n)
        for (;;) {
            uint64_t v = python_random_bits(p, 64);
            if (!python_random_bits(p, 1))
                return (int64_t)((uint64_t)low + v);
        }
    return (int64_t)((uint64_t)low + below(p, n));
}

void
python_random_shuffle(struct python_random *p, int64_t *values, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)below(p, (uint64_t)i + 1), t = values[i];
        values[i] = values[j];
        values[j] = t;
    }
}
