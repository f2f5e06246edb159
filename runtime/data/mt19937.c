/* mt19937: M. Matsumoto and T. Nishimura, Mersenne Twister, ACM TOMACS 8 (1998), with the initialisation of 2002. */
#include "runtime/data/mt19937.h"

enum { N = MT19937_WORDS, SHIFT = 397 };

void
mt19937_seed(struct mt19937 *m, uint32_t seed)
{
    m->word[0] = seed;
    for (int i = 1; i < N; i++)
        m->word[i] = 1812433253u * (m->word[i - 1] ^ m->word[i - 1] >> 30) + (uint32_t)i;
    m->at = N;
}

/* Steps |i| through 1 .. N-1, round and round; word 0 follows the last. */
static void
step(struct mt19937 *m, int *i)
{
    if (++*i < N)
        return;
    m->word[0] = m->word[N - 1];
    *i = 1;
}

void
mt19937_seed_words(struct mt19937 *m, const uint32_t *words, int count)
{
    mt19937_seed(m, 19650218);
    int i = 1, j = 0;
    for (int k = count > N ? count : N; k > 0; k--) {
        m->word[i] = (m->word[i] ^ (m->word[i - 1] ^ m->word[i - 1] >> 30) * 1664525u) + words[j] + (uint32_t)j;
        step(m, &i);
        j = j + 1 < count ? j + 1 : 0;
    }
    for (int k = N - 1; k > 0; k--) {
        m->word[i] = (m->word[i] ^ (m->word[i - 1] ^ m->word[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
        step(m, &i);
    }
    m->word[0] = 0x80000000u;
}

static void
twist(struct mt19937 *m)
{
    uint32_t *w = m->word;
    for (int k = 0; k < N; k++) {
        uint32_t y = (w[k] & 0x80000000u) | (w[(k + 1) % N] & 0x7fffffffu);
        w[k] = w[(k + SHIFT) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    m->at = 0;
}

uint32_t
mt19937_next(struct mt19937 *m)
{
    if (m->at == N)
        twist(m);
    uint32_t y = m->word[m->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}
