/* tensor: a dense array, row-major, with concrete dimensions. */
#ifndef NNC_RUNTIME_TENSOR_H
#define NNC_RUNTIME_TENSOR_H
#include "ir/types.h"

struct tensor {
    struct type type;   /* no dimension depends on N */
    void *data;         /* aligned to 64 bytes, except where a view says otherwise */
};

/* Zeroed memory aligned to 64 bytes for a tensor of |type|; data is NULL if memory is short (a tensor of size 0 has memory too). */
struct tensor tensor_new(const struct type *type);
/* The same without the zeros, for memory that is written whole. */
struct tensor tensor_blank(const struct type *type);
void tensor_free(struct tensor *t);
static inline int64_t tensor_count(const struct tensor *t) { return type_count(&t->type, 0); }
static inline int64_t tensor_bytes(const struct tensor *t) { return type_bytes(&t->type, 0); }
/* The type of |t| with N replaced by |rows|. */
struct type type_at(const struct type *t, int64_t rows);
#endif
