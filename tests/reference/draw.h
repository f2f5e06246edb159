/* draw: the tests' own random numbers: the same on every machine, from a seed that a failure prints. */
#ifndef NNC_TESTS_DRAW_H
#define NNC_TESTS_DRAW_H
#include <stdint.h>

struct draw {
    uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static inline uint64_t
draw_bits(struct draw *d)
{
    uint64_t z = d->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0 <= result < count */
static inline int
draw_below(struct draw *d, int count)
{
    return (int)(draw_bits(d) % (uint64_t)count);
}

/* from <= result < to */
static inline double
draw_real(struct draw *d, double from, double to)
{
    return from + (to - from) * ((double)(draw_bits(d) >> 11) * 0x1p-53);
}
#endif
