/* python_random: the numbers of Python's module random, from which Keras takes the seeds of its initialisers. */
#ifndef NNC_RUNTIME_STREAMS_PYTHON_RANDOM_H
#define NNC_RUNTIME_STREAMS_PYTHON_RANDOM_H
#include "runtime/data/mt19937.h"

struct python_random {
    struct mt19937 twister;
};

/* random.seed(seed) */
void python_random_seed(struct python_random *p, int64_t seed);
/* random.random(): in [0, 1). */
double python_random_real(struct python_random *p);
/* random.getrandbits(count), 0 <= count <= 64. */
uint64_t python_random_bits(struct python_random *p, int count);
/* random.randint(low, high): both included, low <= high. */
int64_t python_random_between(struct python_random *p, int64_t low, int64_t high);
/* random.shuffle of |n| values. */
void python_random_shuffle(struct python_random *p, int64_t *values, int64_t n);
#endif
