#include "runtime/shuffle.h"
#include "runtime/isa.h"
#include <stdlib.h>
#include <string.h>

/* A radix sort by 11, 11 and 10 bits of the key, which keeps the order of equals. What is sorted: the row in the upper half, its key in the lower. */
enum { PASSES = 3, RADIX_BITS = 11, RADIX = 1 << RADIX_BITS };

struct digits {
    uint32_t at[PASSES][RADIX]; /* where the next row with these bits goes */
};

static uint32_t
digit(uint32_t key, int pass)
{
    return key >> pass * RADIX_BITS & (RADIX - 1);
}

/* The keys, counted by their digits on the way. */
static void
make_keys(struct digits *d, int64_t seed, int64_t epoch, int64_t rows, int64_t *keyed)
{
    uint64_t k = SHUFFLE_STREAM ^ (uint64_t)seed * 0x9E3779B97F4A7C15u;
    uint32_t key[2] = {(uint32_t)k, (uint32_t)(k >> 32)}, words[256];
    for (int64_t i = 0; i < rows; i += 256) {
        int64_t count = rows - i < 256 ? rows - i : 256;
        isa_host()->philox(key, epoch, (uint64_t)i / 4, (count + 3) / 4, words);
        for (int64_t j = 0; j < count; j++) {
            keyed[i + j] = (int64_t)((uint64_t)(i + j) << 32 | words[j]);
            for (int p = 0; p < PASSES; p++)
                d->at[p][digit(words[j], p)]++;
        }
    }
    for (int p = 0; p < PASSES; p++)
        for (uint32_t i = 0, sum = 0; i < RADIX; i++) {
            uint32_t count = d->at[p][i];
            d->at[p][i] = sum;
            sum += count;
        }
}

bool
shuffle_order(int64_t seed, int64_t epoch, int64_t rows, int64_t *scratch, int64_t *out_order)
{
    struct digits d = {0};
    int64_t *a = scratch ? scratch : rows <= UINT32_MAX ? malloc(sizeof *a * (size_t)(rows + 1)) : NULL, *b = out_order;
    if (!a || rows > UINT32_MAX)
        return false;
    make_keys(&d, seed, epoch, rows, a);
    for (int64_t i = 0; i < rows; i++)
        b[d.at[0][digit((uint32_t)a[i], 0)]++] = a[i];
    for (int64_t i = 0; i < rows; i++)
        a[d.at[1][digit((uint32_t)b[i], 1)]++] = b[i];
    for (int64_t i = 0; i < rows; i++)
        b[d.at[2][digit((uint32_t)a[i], 2)]++] = (int64_t)((uint64_t)a[i] >> 32);
    if (!scratch)
        free(a);
    return true;
}

/* Rows of a few words: a call of memcpy would take longer than the copy. */
static void
gather_words(char *to, const char *from, const int64_t *order, int64_t rows, size_t bytes)
{
    for (int64_t r = 0; r < rows; r++, to += bytes) {
        const char *row = from + bytes * (size_t)order[r];
        size_t k = 0;
        for (; k + 16 <= bytes; k += 16)
            memcpy(to + k, row + k, 16);
        for (; k < bytes; k += 4)
            memcpy(to + k, row + k, 4);
    }
}

void
gather_rows(void *to, const void *from, const int64_t *order, int64_t rows, size_t bytes)
{
    enum { FEW = 128, AHEAD = 4, LINE = 64 };
    if (bytes % 4 == 0 && bytes <= FEW) {
        gather_words(to, from, order, rows, bytes);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        /* The row lies anywhere: its first lines are asked for early, the rest the machine foresees. */
        const char *later = r + AHEAD < rows ? (const char *)from + bytes * (size_t)order[r + AHEAD] : NULL;
        for (size_t k = 0; later && k < bytes && k < 8 * LINE; k += LINE)
            __builtin_prefetch(later + k);
        memcpy((char *)to + bytes * (size_t)r, (const char *)from + bytes * (size_t)order[r], bytes);
    }
}
