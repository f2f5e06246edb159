#include "runtime/shuffle.h"
#include "runtime/kernels.h"
#include <stdlib.h>
#include <string.h>

enum { RADIX_BITS = 8, RADIX = 1 << RADIX_BITS };
struct keyed {
    uint32_t key;
    int64_t row;
};

/* One pass of a radix sort by eight bits of the key; it keeps the order of equals. */
static void
sort_pass(const struct keyed *from, struct keyed *to, int64_t rows, int shift)
{
    int64_t at[RADIX + 1] = {0};
    for (int64_t i = 0; i < rows; i++)
        at[(from[i].key >> shift & (RADIX - 1)) + 1]++;
    for (int i = 0; i < RADIX; i++)
        at[i + 1] += at[i];
    for (int64_t i = 0; i < rows; i++)
        to[at[from[i].key >> shift & (RADIX - 1)]++] = from[i];
}

bool
shuffle_order(int64_t seed, int64_t epoch, int64_t rows, int64_t *out_order)
{
    struct keyed *a = calloc(2 * (size_t)rows + 1, sizeof *a), *b = a + rows;
    if (!a)
        return false;
    uint32_t words[4];
    for (int64_t i = 0; i < rows; i++) {
        if (i % 4 == 0)
            philox_block(SHUFFLE_STREAM, seed, epoch, (uint64_t)i / 4, words);
        a[i] = (struct keyed){words[i % 4], i};
    }
    for (int shift = 0; shift < 32; shift += 2 * RADIX_BITS) {
        sort_pass(a, b, rows, shift);
        sort_pass(b, a, rows, shift + RADIX_BITS);
    }
    for (int64_t i = 0; i < rows; i++)
        out_order[i] = a[i].row;
    free(a);
    return true;
}
