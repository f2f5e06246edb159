#include "ir/types.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t size;
} elems[ELEM_COUNT] = {
    [ELEM_F32] = {"f32", 4}, [ELEM_F64] = {"f64", 8}, [ELEM_I32] = {"i32", 4},
    [ELEM_I64] = {"i64", 8}, [ELEM_U8] = {"u8", 1},   [ELEM_BOOL] = {"bool", 1},
};

const char *
elem_name(enum elem e)
{
    return elems[e].name;
}

size_t
elem_size(enum elem e)
{
    return elems[e].size;
}

bool
elem_from_name(const char *name, size_t length, enum elem *out_elem)
{
    for (int e = 0; e < ELEM_COUNT; e++)
        if (strlen(elems[e].name) == length && !memcmp(elems[e].name, name, length)) {
            *out_elem = (enum elem)e;
            return true;
        }
    return false;
}

bool
type_same_shape(const struct type *a, const struct type *b)
{
    return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim[0] * a->rank);
}

bool
type_equal(const struct type *a, const struct type *b)
{
    return a->elem == b->elem && type_same_shape(a, b);
}

struct type
type_scalar(enum elem e)
{
    return (struct type){.elem = (uint8_t)e};
}

bool
type_has_rows(const struct type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0)
            return true;
    return false;
}

int64_t
type_span(const struct type *t, int from, int to, int64_t rows)
{
    int64_t n = 1;
    for (int i = from; i < to; i++)
        if (__builtin_mul_overflow(n, t->dim[i] < 0 ? -t->dim[i] : t->dim[i], &n) ||
            (t->dim[i] < 0 && __builtin_mul_overflow(n, rows, &n)))
            return -1;
    return n;
}

int64_t
type_count(const struct type *t, int64_t rows)
{
    return type_span(t, 0, t->rank, rows);
}

int64_t
type_bytes(const struct type *t, int64_t rows)
{
    int64_t n = type_count(t, rows), bytes;
    return n < 0 || __builtin_mul_overflow(n, (int64_t)elem_size(t->elem), &bytes) ? -1 : bytes;
}

int
dim_text(int64_t dim, char *buffer, size_t size)
{
    if (dim == DIM_N)
        return snprintf(buffer, size, "N");
    return dim < 0 ? snprintf(buffer, size, "%lldN", (long long)-dim) : snprintf(buffer, size, "%lld", (long long)dim);
}

char *
type_text(const struct type *t, const char *separator, char buffer[TYPE_TEXT])
{
    int at = snprintf(buffer, TYPE_TEXT, "%s[", elem_name(t->elem));
    for (int i = 0; i < t->rank; i++) {
        if (i)
            at += snprintf(buffer + at, (size_t)(TYPE_TEXT - at), "%s", separator);
        at += dim_text(t->dim[i], buffer + at, (size_t)(TYPE_TEXT - at));
    }
    snprintf(buffer + at, (size_t)(TYPE_TEXT - at), "]");
    return buffer;
}
