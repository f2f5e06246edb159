/* mt19937: the Mersenne Twister, the source of numbers of NumPy's RandomState. */
#ifndef NNC_RUNTIME_DATA_MT19937_H
#define NNC_RUNTIME_DATA_MT19937_H
#include <stdint.h>

enum { MT19937_WORDS = 624 };

struct mt19937 {
    uint32_t word[MT19937_WORDS];
    int at; /* the next word to give; MT19937_WORDS: all are given */
};

/* The state after init_genrand(|seed|) of Matsumoto and Nishimura, which np.random.seed uses. */
void mt19937_seed(struct mt19937 *m, uint32_t seed);
/* init_by_array: the state for |count| >= 1 words. */
void mt19937_seed_words(struct mt19937 *m, const uint32_t *words, int count);
uint32_t mt19937_next(struct mt19937 *m);
#endif
