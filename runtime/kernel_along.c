/* kernel_along: operations along one axis: sort, argsort, permute, flip, cumsum. A line is the elements of that axis at one
 * place of all others. */
#include "runtime/kernel_impl.h"
#include <string.h>

/* The axis with |length| elements, |outer| places in front of it and |inner| behind it: [outer, length, inner]. */
struct lines {
    int64_t outer, length, inner;
};

static struct lines
lines_of(const struct type *t, int axis)
{
    return (struct lines){type_span(t, 0, axis, 0), t->dim[axis], type_span(t, axis + 1, t->rank, 0)};
}

static void
copy_element(void *out, int64_t to, const void *in, int64_t from, size_t size)
{
    switch (size) {
    case 1: ((uint8_t *)out)[to] = ((const uint8_t *)in)[from]; break;
    case 4: ((uint32_t *)out)[to] = ((const uint32_t *)in)[from]; break;
    default: ((uint64_t *)out)[to] = ((const uint64_t *)in)[from];
    }
}

/* ---- order ---- */

struct item {
    uint64_t key;   /* ascends with the value */
    int64_t index;  /* on its line */
};
enum { SHORT_RUN = 16 };

/* Numbers of |bits| bits with a sign, as ones without that have the same order. */
static uint64_t
float_key(uint64_t value, int bits)
{
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return value & sign ? ~value & (sign | (sign - 1)) : value | sign;
}

/* -0 is 0; NaN stands behind everything. */
static uint64_t
key_of(enum elem e, const void *x, int64_t i)
{
    switch (e) {
    case ELEM_F32: {
        float value = ((const float *)x)[i];
        uint32_t bits = 0;
        if (value != value)
            return UINT64_MAX;
        if (value != 0)
            memcpy(&bits, &value, sizeof bits);
        return float_key(bits, 32);
    }
    case ELEM_F64: {
        double value = ((const double *)x)[i];
        uint64_t bits = 0;
        if (value != value)
            return UINT64_MAX;
        if (value != 0)
            memcpy(&bits, &value, sizeof bits);
        return float_key(bits, 64);
    }
    case ELEM_I32: return (uint64_t)((int64_t)((const int32_t *)x)[i] + INT64_C(0x80000000));
    case ELEM_I64: return (uint64_t)((const int64_t *)x)[i] ^ UINT64_C(0x8000000000000000);
    default: return ((const uint8_t *)x)[i];
    }
}

static void
sort_short(struct item *a, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        struct item x = a[i];
        int64_t k = i;
        for (; k > 0 && a[k - 1].key > x.key; k--)
            a[k] = a[k - 1];
        a[k] = x;
    }
}

/* a[0, middle) and a[middle, n) into |out|; of equal ones the first come first. */
static void
merge(struct item *out, const struct item *a, int64_t middle, int64_t n)
{
    int64_t i = 0, j = middle, k = 0;
    while (i < middle && j < n)
        out[k++] = a[j].key < a[i].key ? a[j++] : a[i++];
    memcpy(out + k, a + i, (size_t)(middle - i) * sizeof *a);
    memcpy(out + k + middle - i, a + j, (size_t)(n - j) * sizeof *a);
}

/* Stable; the sorted items lie in |a| or in |other|, where the result points to. */
static struct item *
sort_items(struct item *a, struct item *other, int64_t n)
{
    for (int64_t i = 0; i < n; i += SHORT_RUN)
        sort_short(a + i, n - i < SHORT_RUN ? n - i : SHORT_RUN);
    for (int64_t run = SHORT_RUN; run < n; run *= 2) {
        for (int64_t i = 0; i < n; i += 2 * run) {
            int64_t whole = n - i < 2 * run ? n - i : 2 * run;
            merge(other + i, a + i, whole < run ? whole : run, whole);
        }
        struct item *from = a;
        a = other;
        other = from;
    }
    return a;
}

/* Stable ascending order of each line: its elements (SORT), or where they were (ARGSORT). */
static bool
sort_lines(const struct node *n, const struct tensor *x, struct tensor *out, struct kernel_context *k)
{
    struct lines l = lines_of(&x->type, n->attr->axis.axis);
    enum elem e = x->type.elem;
    size_t size = elem_size(e);
    struct item *items = kernel_scratch(k, 2 * (size_t)l.length * sizeof *items);
    if (!items)
        return false;
    for (int64_t line = 0; line < l.outer * l.inner; line++) {
        int64_t first = line / l.inner * l.length * l.inner + line % l.inner;
        for (int64_t i = 0; i < l.length; i++)
            items[i] = (struct item){key_of(e, x->data, first + i * l.inner), i};
        const struct item *sorted = sort_items(items, items + l.length, l.length);
        for (int64_t i = 0; i < l.length; i++)
            if (n->op == OP_SORT)
                copy_element(out->data, first + i * l.inner, x->data, first + sorted[i].index * l.inner, size);
            else
                ((int32_t *)out->data)[first + i * l.inner] = (int32_t)sorted[i].index;
    }
    return true;
}

bool
kernel_SORT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    return sort_lines(n, in[0], out, k);
}

bool
kernel_ARGSORT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    return sort_lines(n, in[0], out, k);
}

/* out[index[i]] = x[i] on each line. Places that no index names are 0; an index outside of the line names none. */
bool
kernel_PERMUTE(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct lines l = lines_of(&out->type, n->attr->axis.axis);
    size_t size = elem_size(out->type.elem);
    const int32_t *index = in[1]->data;
    memset(out->data, 0, dense_bytes(&out->type));
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t i = 0; i < l.length; i++)
            for (int64_t j = 0; j < l.inner; j++) {
                int64_t first = o * l.length * l.inner + j, at = first + i * l.inner;
                if (index[at] >= 0 && index[at] < l.length)
                    copy_element(out->data, first + index[at] * l.inner, in[0]->data, at, size);
            }
    return true;
}

/* ---- flip ---- */

#define REVERSE(T)                                                  \
    static void reverse_##T(void *o, const void *x, int64_t n)      \
    {                                                               \
        T *out = o;                                                 \
        const T *in = x;                                            \
        for (int64_t i = 0; i < n; i++)                             \
            out[i] = in[n - 1 - i];                                 \
    }
REVERSE(uint8_t)
REVERSE(uint32_t)
REVERSE(uint64_t)

bool
kernel_FLIP(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct lines l = lines_of(&out->type, n->attr->axis.axis);
    size_t size = elem_size(out->type.elem), row = (size_t)l.inner * size;
    char *to = out->data;
    const char *from = in[0]->data;
    for (int64_t o = 0; o < l.outer; o++, to += (size_t)l.length * row, from += (size_t)l.length * row)
        if (l.inner == 1)
            (size == 1 ? reverse_uint8_t : size == 4 ? reverse_uint32_t : reverse_uint64_t)(to, from, l.length);
        else
            for (int64_t i = 0; i < l.length; i++)
                memcpy(to + (size_t)i * row, from + (size_t)(l.length - 1 - i) * row, row);
    return true;
}

/* ---- cumsum: from +0, ascending ---- */

/* W: the type in which whole numbers wrap. */
#define RUNNING(e, T, W)                                            \
    static void running_##e(void *o, const void *x, int64_t n)      \
    {                                                               \
        T *out = o;                                                 \
        const T *in = x;                                            \
        W sum = 0;                                                  \
        for (int64_t i = 0; i < n; i++) {                           \
            sum = (W)(sum + (W)in[i]);                              \
            out[i] = (T)sum;                                        \
        }                                                           \
    }
RUNNING(f32, float, float)
RUNNING(f64, double, double)
RUNNING(i32, int32_t, uint32_t)
RUNNING(i64, int64_t, uint64_t)
RUNNING(u8, uint8_t, uint8_t)
static void (*const running[ELEM_COUNT])(void *out, const void *x, int64_t n) = {
    [ELEM_F32] = running_f32, [ELEM_F64] = running_f64, [ELEM_I32] = running_i32,
    [ELEM_I64] = running_i64, [ELEM_U8] = running_u8,
};

bool
kernel_CUMSUM(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    static const uint64_t zero;
    struct lines l = lines_of(&out->type, n->attr->axis.axis);
    enum elem e = out->type.elem;
    size_t row = (size_t)l.inner * elem_size(e);
    row_fn *add = kernel_isa(k)->row[OP_ADD][e];
    char *to = out->data;
    const char *x = in[0]->data;
    for (int64_t o = 0; o < l.outer; o++) {
        if (l.inner == 1) {
            running[e](to, x, l.length);
            to += (size_t)l.length * row;
            x += (size_t)l.length * row;
            continue;
        }
        for (int64_t i = 0; i < l.length; i++, to += row, x += row)
            add(to, (const void *const[]){i ? to - row : (const void *)&zero, x}, (const uint8_t[]){i > 0, 1}, l.inner);
    }
    return true;
}
