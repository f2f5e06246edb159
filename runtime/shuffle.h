/* shuffle: in which order an epoch takes the rows of the training set, and how they come together. */
#ifndef NNC_RUNTIME_SHUFFLE_H
#define NNC_RUNTIME_SHUFFLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "shuffle" as bytes; the streams of a model's own random operations are digests of their paths. */
#define SHUFFLE_STREAM UINT64_C(0x73687566666c65)

/* Stores a permutation of 0..rows-1 that depends on |seed|, |epoch| and |rows| only: row i has the key that is element i of
 * Philox' 32-bit words (SHUFFLE_STREAM, the epoch as step), and the rows are sorted by key, equal ones by row. |scratch|: as
 * many numbers again; NULL: they are allocated. Returns false if memory is short. */
bool shuffle_order(int64_t seed, int64_t epoch, int64_t rows, int64_t *scratch, int64_t *out_order);
/* Rows order[0], ..., order[rows - 1] of |from|, |bytes| each, one after the other into |to|. */
void gather_rows(void *to, const void *from, const int64_t *order, int64_t rows, size_t bytes);
#endif
