#include "runtime/data/array.h"
#include <math.h>
#include <string.h>

enum { CHUNK = 1 << 16 };

/* ---- element types ---- */

#define CONVERT(name, from_type, to_type)                           \
    static int64_t name(const unsigned char *from, int64_t n, void *to) \
    {                                                               \
        to_type *out = to;                                          \
        for (int64_t i = 0; i < n; i++) {                           \
            from_type v;                                            \
            memcpy(&v, from + i * (int64_t)sizeof v, sizeof v);     \
            out[i] = (to_type)v;                                    \
        }                                                           \
        return n;                                                   \
    }
CONVERT(from_f4, float, double)
CONVERT(from_f8, double, double)
CONVERT(from_i1, int8_t, int32_t)
CONVERT(from_i2, int16_t, int32_t)
CONVERT(from_i4, int32_t, int32_t)
CONVERT(from_i8, int64_t, int64_t)
CONVERT(from_u1, uint8_t, uint8_t)
CONVERT(from_u2, uint16_t, int32_t)
CONVERT(from_u4, uint32_t, int64_t)

static int64_t
from_u8(const unsigned char *from, int64_t n, void *to)
{
    from_i8(from, n, to);
    for (int64_t i = 0; i < n; i++)
        if (((const int64_t *)to)[i] < 0) /* 2^63 and up */
            return i;
    return n;
}

static int64_t
from_b1(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = from[i] != 0;
    return n;
}

/* IEEE 754 binary16. */
static double
half(unsigned bits)
{
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023, v;
    if (exponent == 31)
        v = fraction != 0 ? NAN : INFINITY;
    else
        v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -v : v;
}

static int64_t
from_f2(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((double *)to)[i] = half((unsigned)from[2 * i] | (unsigned)from[2 * i + 1] << 8);
    return n;
}

static const struct array_kind kinds[] = {
    {"f2", 2, ELEM_F64, from_f2}, {"f4", 4, ELEM_F64, from_f4}, {"f8", 8, ELEM_F64, from_f8}, {"i1", 1, ELEM_I32, from_i1},
    {"i2", 2, ELEM_I32, from_i2}, {"i4", 4, ELEM_I32, from_i4}, {"i8", 8, ELEM_I64, from_i8}, {"u1", 1, ELEM_U8, from_u1},
    {"u2", 2, ELEM_I32, from_u2}, {"u4", 4, ELEM_I64, from_u4}, {"u8", 8, ELEM_I64, from_u8}, {"b1", 1, ELEM_BOOL, from_b1},
};
const struct array_kind *
array_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].name, name))
            return &kinds[i];
    return NULL;
}

/* ---- the data ---- */

/* That the array is exactly what is left of the file, or, where that is not known, not more than it can give. */
static bool
sizes_fit(const struct data_source *s, const struct array_layout *l, int64_t header_at)
{
    char text[TYPE_TEXT];
    struct arena *arena = s->diag->arena;
    int64_t count = type_count(&l->type, 0), bytes;
    bool exact = s->size >= 0;
    int64_t left = (exact ? s->size : s->limit) - s->at;
    type_text(&l->type, ", ", text);
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)l->kind->size, &bytes) || type_bytes(&l->type, 0) < 0)
        return source_fail(s, header_at, "a size below 2^63", text);
    if (exact ? bytes == left : bytes <= left)
        return true;
    const char *expected = arena_printf(arena, "%lld bytes of data for %s of %s", (long long)bytes, strchr(text, '['), l->kind->name);
    if (exact)
        return source_fail(s, bytes < left ? s->at + bytes : s->size, expected, arena_printf(arena, "%lld", (long long)left));
    return source_fail(s, header_at, expected, arena_printf(arena, "a compressed file that gives at most %lld", (long long)left));
}

static void
swap_bytes(unsigned char *at, int64_t n, int size)
{
    for (int64_t i = 0; i < n; i++, at += size)
        for (int a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char t = at[a];
            at[a] = at[b];
            at[b] = t;
        }
}

/* Places elements that come with the first axis moving fastest. |index| counts the axes on from call to call. */
static void
scatter(const struct type *type, int64_t *index, const char *from, int64_t n, char *to)
{
    const size_t size = elem_size(type->elem);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int k = 0; k < type->rank; k++)
            at = at * type->dim[k] + index[k];
        memcpy(to + (size_t)at * size, from + (size_t)i * size, size);
        for (int k = 0; k < type->rank && ++index[k] == type->dim[k]; k++)
            index[k] = 0;
    }
}

static bool
read_data(struct data_source *s, const struct array_layout *l, struct tensor *out)
{
    unsigned char chunk[CHUNK];
    char converted[CHUNK * sizeof(double)];
    const struct array_kind *kind = l->kind;
    int64_t index[RANK_MAX] = {0}, count = tensor_count(out), step = CHUNK / kind->size;
    for (int64_t done = 0, n; done < count; done += n) {
        n = count - done < step ? count - done : step;
        int64_t offset = s->at;
        bool direct = !l->fortran || out->type.rank < 2;
        void *to = direct ? (char *)out->data + (size_t)done * elem_size(out->type.elem) : converted;
        unsigned char *from = direct && elem_size(out->type.elem) == kind->size ? to : chunk; /* in place */
        if (!source_exact(s, from, n * kind->size))
            return false;
        if (l->swapped)
            swap_bytes(from, n, kind->size);
        int64_t fits = kind->convert(from, n, to);
        if (fits < n)
            return source_fail(s, offset + fits * kind->size, "whole numbers below 2^63", "a larger one");
        if (!direct)
            scatter(&out->type, index, converted, n, out->data);
    }
    return source_end(s);
}

bool
array_read(struct data_source *s, const struct array_layout *layout, int64_t header_at, struct tensor *out)
{
    *out = (struct tensor){.data = NULL};
    if (!sizes_fit(s, layout, header_at))
        return false;
    *out = tensor_blank(&layout->type);
    if (!out->data) {
        diag_subject(s->diag, OUT_OF_MEMORY, s->name);
        return false;
    }
    if (read_data(s, layout, out))
        return true;
    tensor_free(out);
    return false;
}
