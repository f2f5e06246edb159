/* array: the elements of array files, in the order and form in which they lie there. */
#ifndef NNC_RUNTIME_DATA_ARRAY_H
#define NNC_RUNTIME_DATA_ARRAY_H
#include "runtime/data/source.h"
#include "runtime/tensor.h"

/* Converts |n| elements in the machine's byte order; in place where both sizes are the same. Returns n, or the index of one that has no place in the result. */
typedef int64_t array_convert_fn(const unsigned char *from, int64_t n, void *to);

struct array_kind {
    char name[3];           /* NumPy's, without the byte order */
    uint8_t size;           /* bytes */
    uint8_t elem;           /* what becomes of it */
    array_convert_fn *convert;
};

/* NULL if there is none of that name. f2, f4, f8 become f64; i1, i2, i4, u2 i32; i8, u4, u8 i64; u1 u8; b1 bool. */
const struct array_kind *array_kind(const char *name);

struct array_layout {
    const struct array_kind *kind;
    bool swapped;           /* the other byte order than the machine's */
    bool fortran;           /* the first axis moves fastest */
    struct type type;       /* elem is the kind's */
};

/* Reads the elements, which are all that is left of |s|, into a new tensor, which the caller frees. No memory is taken before
 * their size is known to fit. |header_at|: where the sizes stand, for messages. Reports and returns false on failure. */
bool array_read(struct data_source *s, const struct array_layout *layout, int64_t header_at, struct tensor *out);
#endif
