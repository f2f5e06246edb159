#include "runtime/shuffle.h"
#include "runtime/isa.h"
#include <stdlib.h>
#include <string.h>

/* A radix sort by 11, 11 and 10 bits of the key, which keeps the order of equals. */
enum { PASSES = 3, RADIX_BITS = 11, RADIX = 1 << RADIX_BITS };

struct keyed {
    uint32_t key, row;
};

struct sort {
    uint32_t at[PASSES][RADIX]; /* where the next row with these bits goes */
    struct keyed rows[];        /* twice as many as there are rows */
};

static uint32_t
digit(uint32_t key, int pass)
{
    return key >> pass * RADIX_BITS & (RADIX - 1);
}

/* The keys, counted by their digits on the way. */
static void
make_keys(struct sort *s, int64_t seed, int64_t epoch, int64_t rows)
{
    uint64_t k = SHUFFLE_STREAM ^ (uint64_t)seed * 0x9E3779B97F4A7C15u;
    uint32_t key[2] = {(uint32_t)k, (uint32_t)(k >> 32)}, words[256];
    for (int64_t i = 0; i < rows; i += 256) {
        int64_t count = rows - i < 256 ? rows - i : 256;
        isa_host()->philox(key, epoch, (uint64_t)i / 4, (count + 3) / 4, words);
        for (int64_t j = 0; j < count; j++) {
            s->rows[i + j] = (struct keyed){words[j], (uint32_t)(i + j)};
            for (int p = 0; p < PASSES; p++)
                s->at[p][digit(words[j], p)]++;
        }
    }
    for (int p = 0; p < PASSES; p++)
        for (uint32_t i = 0, sum = 0; i < RADIX; i++) {
            uint32_t count = s->at[p][i];
            s->at[p][i] = sum;
            sum += count;
        }
}

bool
shuffle_order(int64_t seed, int64_t epoch, int64_t rows, int64_t *out_order)
{
    struct sort *s = rows <= UINT32_MAX ? malloc(sizeof *s + 2 * sizeof s->rows[0] * (size_t)rows) : NULL;
    if (!s)
        return false;
    memset(s->at, 0, sizeof s->at);
    make_keys(s, seed, epoch, rows);
    struct keyed *from = s->rows, *to = s->rows + rows;
    for (int p = 0; p < PASSES - 1; p++) {
        for (int64_t i = 0; i < rows; i++)
            to[s->at[p][digit(from[i].key, p)]++] = from[i];
        struct keyed *other = from;
        from = to;
        to = other;
    }
    for (int64_t i = 0; i < rows; i++)
        out_order[s->at[PASSES - 1][digit(from[i].key, PASSES - 1)]++] = from[i].row;
    free(s);
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
