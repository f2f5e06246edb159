#include "runtime/shuffle.h"
#include "runtime/isa.h"
#include <stdlib.h>
#include <string.h>

/* The keys of rows |from| to |from| + |count|, at most BLOCK, from a multiple of 4 on. */
enum { BLOCK = 256 };
static void
make_keys(int64_t seed, int64_t epoch, int64_t from, int64_t count, uint32_t *out)
{
    uint64_t k = SHUFFLE_STREAM ^ (uint64_t)seed * 0x9E3779B97F4A7C15u;
    uint32_t key[2] = {(uint32_t)k, (uint32_t)(k >> 32)};
    isa_host()->philox(key, epoch, (uint64_t)from / 4, (count + 3) / 4, out);
}

static int64_t
block_at(int64_t i, int64_t rows)
{
    return rows - i < BLOCK ? rows - i : BLOCK;
}

/* Puts each row where those with the first bits of its key begin: as many places as rows, or up to twice as many. */
static void
deal(int64_t seed, int64_t epoch, int64_t rows, uint32_t *start, uint64_t *out)
{
    uint32_t key[BLOCK], sum = 0;
    int shift = 32 - (rows > 1 ? 64 - __builtin_clzll((uint64_t)rows - 1) : 0);
    int64_t places = INT64_C(1) << (32 - shift);
    memset(start, 0, sizeof *start * (size_t)places);
    for (int64_t i = 0; i < rows; i += BLOCK) {
        make_keys(seed, epoch, i, block_at(i, rows), key);
        for (int64_t k = 0; k < block_at(i, rows); k++)
            start[(uint64_t)key[k] >> shift]++;
    }
    for (int64_t i = 0; i < places; i++) {
        uint32_t count = start[i];
        start[i] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < rows; i += BLOCK) {
        make_keys(seed, epoch, i, block_at(i, rows), key);
        for (int64_t k = 0; k < block_at(i, rows); k++)
            out[start[(uint64_t)key[k] >> shift]++] = (uint64_t)key[k] << 32 | (uint64_t)(i + k);
    }
}

/* Dealt by their first bits the rows are almost in order: what is left is a neighbour here and there. */
bool
shuffle_order(int64_t seed, int64_t epoch, int64_t rows, int64_t *scratch, int64_t *out_order)
{
    void *start = scratch ? scratch : rows <= UINT32_MAX ? malloc(sizeof *scratch * (size_t)(rows + 1)) : NULL;
    uint64_t *out = (uint64_t *)out_order;
    if (!start || rows > UINT32_MAX)
        return false;
    deal(seed, epoch, rows, start, out);
    for (int64_t i = 1; i < rows; i++) {
        uint64_t x = out[i - 1], y = out[i], less = x < y ? x : y;
        int64_t k = i - 1;
        out[i] = x < y ? y : x; /* without a jump, for it is one half of all pairs of a place */
        for (; k > 0 && out[k - 1] > less; k--)
            out[k] = out[k - 1];
        out[k] = less;
    }
    for (int64_t i = 0; i < rows; i++)
        out[i] = (uint32_t)out[i];
    if (!scratch)
        free(start);
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
