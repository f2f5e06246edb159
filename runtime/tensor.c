#include "runtime/tensor.h"
#include <stdlib.h>
#include <string.h>

struct tensor
tensor_new(const struct type *type)
{
    struct tensor t = {.type = *type};
    int64_t bytes = type_bytes(type, 0);
    if (bytes < 0 || bytes > INT64_MAX - 64)
        return t;
    size_t size = ((size_t)bytes + 64) & ~(size_t)63;
    t.data = aligned_alloc(64, size);
    if (t.data)
        memset(t.data, 0, size);
    return t;
}

void
tensor_free(struct tensor *t)
{
    free(t->data);
    t->data = NULL;
}

struct type
type_at(const struct type *t, int64_t rows)
{
    struct type concrete = *t;
    for (int i = 0; i < t->rank; i++)
        concrete.dim[i] = dim_at(t->dim[i], rows);
    return concrete;
}
