/* numpy_random: the very numbers of NumPy's two generators, np.random.seed (RandomState) and np.random.default_rng.
 *
 * A generator is a stream: each call goes on where the one before ended, and gives what NumPy's call of the same name
 * gives. */
#ifndef NNC_RUNTIME_DATA_NUMPY_RANDOM_H
#define NNC_RUNTIME_DATA_NUMPY_RANDOM_H
#include "runtime/data/mt19937.h"
#include <stdbool.h>

struct pcg64 {
    unsigned __int128 state, increment;
    uint32_t half; /* the high half of a number whose low half was given */
    bool has_half;
};

struct numpy_random {
    bool legacy; /* RandomState, else default_rng */
    union {
        struct {
            struct mt19937 twister;
            double spare; /* the second normal number of a pair */
            bool has_spare;
        };
        struct pcg64 pcg;
    };
};

/* np.random.seed(seed) */
void numpy_random_seed(struct numpy_random *r, uint32_t seed);
/* np.random.default_rng(seed) */
void numpy_rng_seed(struct numpy_random *r, uint64_t seed);

/* |n| numbers mean + deviation * z. */
void numpy_normal(struct numpy_random *r, double mean, double deviation, double *out, int64_t n);
/* |n| numbers in [low, high). */
void numpy_uniform(struct numpy_random *r, double low, double high, double *out, int64_t n);
/* |n| whole numbers in [low, high), low < high: randint, or Generator.integers. */
void numpy_integers(struct numpy_random *r, int64_t low, int64_t high, int64_t *out, int64_t n);
/* The numbers 0 .. n-1 in the order of permutation(n); shuffle(x) takes the rows of x in the same order. */
void numpy_permutation(struct numpy_random *r, int64_t *out, int64_t n);
/* choice(n, k, replace = False): |k| <= |n| different numbers of 0 .. n-1 into |out|. False if memory is short. */
bool numpy_choice(struct numpy_random *r, int64_t n, int64_t k, int64_t *out);
#endif
