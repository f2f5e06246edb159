/* shuffle: the order is that of the definition; rows come together in it. */
#include "runtime/kernels.h"
#include "runtime/shuffle.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* By the definition: sorted by key, equal ones by row. */
static int64_t *
wanted_order(int64_t seed, int64_t epoch, int64_t rows)
{
    int64_t *order = malloc(sizeof *order * (size_t)(rows + 1));
    uint32_t *key = malloc(sizeof *key * (size_t)(rows + 1));
    for (int64_t i = 0; i < rows; i++) {
        uint32_t words[4];
        philox_block(SHUFFLE_STREAM, seed, epoch, (uint64_t)i / 4, words);
        key[i] = words[i % 4];
        int64_t k = i;
        for (; k > 0 && key[order[k - 1]] > key[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    free(key);
    return order;
}

Test(shuffle, order)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 255, 256, 257, 1000, 3001};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int64_t seed = -1; seed < 3; seed++) {
            int64_t rows = sizes[s], *got = malloc(sizeof *got * 2 * (size_t)rows), *wanted = wanted_order(seed, seed + 5, rows);
            cr_assert(shuffle_order(seed, seed + 5, rows, seed & 1 ? got + rows : NULL, got));
            cr_assert(!memcmp(got, wanted, sizeof *got * (size_t)rows), "%lld rows, seed %lld", (long long)rows,
                      (long long)seed);
            free(got);
            free(wanted);
        }
}

/* Enough rows that some keys are equal: those stay in their order. */
Test(shuffle, many_rows_are_a_permutation)
{
    enum { ROWS = 400000 };
    int64_t *order = malloc(sizeof *order * ROWS), equal = 0;
    uint32_t *key = malloc(sizeof *key * ROWS), before = 0;
    char *seen = calloc(1, ROWS);
    for (int64_t i = 0; i < ROWS; i += 4)
        philox_block(SHUFFLE_STREAM, 3, 4, (uint64_t)i / 4, key + i);
    cr_assert(shuffle_order(3, 4, ROWS, NULL, order));
    for (int64_t i = 0; i < ROWS; i++) {
        cr_assert(order[i] >= 0 && order[i] < ROWS && !seen[order[i]]++);
        cr_assert(key[order[i]] >= before);
        if (i && key[order[i]] == before) {
            equal++;
            cr_assert(order[i] > order[i - 1]);
        }
        before = key[order[i]];
    }
    cr_assert(equal > 0);
    free(seen);
    free(key);
    free(order);
}

Test(shuffle, gather)
{
    enum { ROWS = 50, BYTES = 300 };
    static unsigned char from[ROWS * BYTES + 1], to[ROWS * BYTES + 64];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i * 7 + i / 251);
    int64_t order[ROWS];
    cr_assert(shuffle_order(1, 0, ROWS, NULL, order));
    for (size_t bytes = 1; bytes <= BYTES; bytes++)
        for (int64_t rows = 0; rows <= ROWS; rows += 5) {
            memset(to, 0xee, sizeof to);
            gather_rows(to + 1, from + 1, order, rows, bytes); /* at odd addresses */
            for (int64_t r = 0; r < rows; r++)
                cr_assert(!memcmp(to + 1 + bytes * (size_t)r, from + 1 + bytes * (size_t)order[r], bytes), "%zu bytes", bytes);
            cr_assert(to[0] == 0xee && to[1 + bytes * (size_t)rows] == 0xee);
        }
}
