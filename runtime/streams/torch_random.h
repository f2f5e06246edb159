/* torch_random: the numbers of PyTorch's CPU generator.
 *
 * A generator is a stream: each call goes on where the one before ended and gives what PyTorch's call gives on a contiguous
 * tensor, elements in row-major order. */
#ifndef NNC_RUNTIME_STREAMS_TORCH_RANDOM_H
#define NNC_RUNTIME_STREAMS_TORCH_RANDOM_H
#include "runtime/data/mt19937.h"
#include <stdbool.h>

/* PyTorch's builds differ in some numbers. */
enum torch_build {
    /* x86-64 with AVX2 or AVX-512: products are fused with what is added, normal numbers come from Cephes' polynomials. */
    TORCH_BUILD_FUSED,
    /* ARM, or ATEN_CPU_CAPABILITY=default: products are not fused, normal numbers come from the C library. */
    TORCH_BUILD_PLAIN,
    /* Fused, with dropout from MKL's generator: older wheels on an Intel processor. */
    TORCH_BUILD_MKL
};

struct torch_random {
    enum torch_build build;
    struct mt19937 twister;
    double spare;       /* the second normal number of a pair; it outlives the call that made it */
    bool has_spare;
};

/* torch.manual_seed(seed), Generator.manual_seed(seed) */
void torch_random_seed(struct torch_random *r, enum torch_build build, uint64_t seed);
uint32_t torch_random_word(struct torch_random *r);
uint64_t torch_random_long(struct torch_random *r);

/* uniform_(low, high) */
void torch_uniform_f32(struct torch_random *r, double low, double high, float *out, int64_t n);
void torch_uniform_f64(struct torch_random *r, double low, double high, double *out, int64_t n);
/* normal_(mean, deviation). Fewer than 16 numbers are drawn in another way than 16 and more. */
void torch_normal_f32(struct torch_random *r, double mean, double deviation, float *out, int64_t n);
void torch_normal_f64(struct torch_random *r, double mean, double deviation, double *out, int64_t n);
/* torch.nn.init.trunc_normal_(t, mean, deviation, low, high) of version 2.13; |low| and |high| are values, not
 * deviations. False if memory is short. */
bool torch_truncated_f32(struct torch_random *r, double mean, double deviation, double low, double high, float *out,
                         int64_t n);
bool torch_truncated_f64(struct torch_random *r, double mean, double deviation, double low, double high, double *out,
                         int64_t n);
/* bernoulli_(keep): 1 with probability |keep|, else 0. Dropout(p) keeps where this gives 1 for keep = 1 - p. */
void torch_bernoulli(struct torch_random *r, double keep, uint8_t *out, int64_t n);

/* random_() of an int64 tensor of one element: in [0, 2^63). */
int64_t torch_random_whole(struct torch_random *r);
/* torch.randint(low, high), low < high: one number. */
int64_t torch_random_between(struct torch_random *r, int64_t low, int64_t high);
/* torch.randperm(n); random_split cuts it into runs. */
void torch_permutation(struct torch_random *r, int64_t *out, int64_t n);

/* What a DataLoader without a generator of its own draws when an epoch begins: the base seed of its workers, of
 * which it may have none, then, if it shuffles, the seed of RandomSampler's generator, which is returned (else 0). */
int64_t torch_loader_draw(struct torch_random *r, bool shuffle);
/* The order of an epoch: randperm(n) of a generator with that seed. */
void torch_sampler_order(int64_t sampler_seed, int64_t *out, int64_t n);

/* A block of 16 uniform numbers becomes 16 normal ones, as normal_ does it for each block of 16 (torch_normal.c). */
void torch_normal_block_f32(enum torch_build build, float *block, float mean, float deviation);
void torch_normal_block_f64(double *block, double mean, double deviation);
#endif
