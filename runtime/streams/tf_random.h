/* tf_random: the numbers of TensorFlow's stateless random operations on a CPU, and of tf.random.shuffle.
 *
 * Each call is a function of its seeds alone. Philox4x32-10 is the source of bits (J. Salmon et al., SC 2011). */
#ifndef NNC_RUNTIME_STREAMS_TF_RANDOM_H
#define NNC_RUNTIME_STREAMS_TF_RANDOM_H
#include <stdint.h>

/* Where a stream of words begins: counters whose low half counts the blocks of four words. */
struct tf_random {
    uint32_t key[2];
    int64_t high;   /* the counter's high half */
};

/* The stream that a stateless operation takes for seed = [a, b]. */
struct tf_random tf_stateless(int64_t a, int64_t b);
/* |n| of its words, from block |block| on. */
void tf_words(const struct tf_random *r, uint64_t block, uint32_t *out, int64_t n);

/* tf.random.stateless_uniform(shape, [a, b], low, high) */
void tf_uniform_f32(const struct tf_random *r, double low, double high, float *out, int64_t n);
void tf_uniform_f64(const struct tf_random *r, double low, double high, double *out, int64_t n);
/* tf.random.stateless_normal(shape, [a, b], mean, deviation) */
void tf_normal_f32(const struct tf_random *r, double mean, double deviation, float *out, int64_t n);
void tf_normal_f64(const struct tf_random *r, double mean, double deviation, double *out, int64_t n);
/* tf.random.stateless_truncated_normal: none is two deviations or more from the mean. */
void tf_truncated_f32(const struct tf_random *r, double mean, double deviation, float *out, int64_t n);
void tf_truncated_f64(const struct tf_random *r, double mean, double deviation, double *out, int64_t n);

/* tf.random.shuffle of 0 .. n-1 with the graph's seed and the operation's, the first time that it runs. */
void tf_shuffle(int64_t seed, int64_t op_seed, int64_t *out, int64_t n);
#endif
