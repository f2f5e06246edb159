/* data_convert: from what the data block computed to what a model's input takes. */
#include "frontend/data.h"
#include "runtime/data/functions.h"
#include <float.h>
#include <math.h>

/* ---- elements ---- */

static struct number
element(const struct tensor *t, int64_t i)
{
    switch (t->type.elem) {
    case ELEM_F32: return number_of_real(((const float *)t->data)[i]);
    case ELEM_F64: return number_of_real(((const double *)t->data)[i]);
    case ELEM_I32: return number_of_whole(((const int32_t *)t->data)[i]);
    case ELEM_I64: return number_of_whole(((const int64_t *)t->data)[i]);
    case ELEM_U8: return number_of_whole(((const uint8_t *)t->data)[i]);
    default: return number_of_bool(((const uint8_t *)t->data)[i] != 0);
    }
}

/* No value of a graph is subnormal (numerics.md, item 10). */
static float
flushed_f32(float v)
{
    return fabsf(v) < FLT_MIN ? copysignf(0, v) : v;
}

static double
flushed_f64(double v)
{
    return fabs(v) < DBL_MIN ? copysign(0, v) : v;
}

enum fit { FITS, NOT_WHOLE, OUTSIDE };

/* The functions below are inlined into loops over the elements, where what kind of number they get is known. */
#define INLINE static inline __attribute__((always_inline))

INLINE enum fit
to_f32(struct number n, void *out, int64_t i)
{
    float v = n.is_whole ? (float)n.whole : (float)n.real;
    ((float *)out)[i] = flushed_f32(v);
    return isinf(v) && !isinf(n.real) ? OUTSIDE : FITS;
}

INLINE enum fit
to_f64(struct number n, void *out, int64_t i)
{
    ((double *)out)[i] = flushed_f64(n.real);
    return FITS;
}

/* A whole number in [low, high]. */
INLINE enum fit
whole_in(struct number n, int64_t low, int64_t high, int64_t *out)
{
    if (!n.is_whole && (isnan(n.real) || n.real != floor(n.real)))
        return NOT_WHOLE;
    if (!n.is_whole && !(n.real >= -0x1p63 && n.real < 0x1p63))
        return OUTSIDE;
    *out = n.is_whole ? n.whole : (int64_t)n.real;
    return *out >= low && *out <= high ? FITS : OUTSIDE;
}

INLINE enum fit
to_i32(struct number n, void *out, int64_t i)
{
    int64_t v = 0;
    enum fit fit = whole_in(n, INT32_MIN, INT32_MAX, &v);
    ((int32_t *)out)[i] = (int32_t)v;
    return fit;
}

INLINE enum fit
to_i64(struct number n, void *out, int64_t i)
{
    return whole_in(n, INT64_MIN, INT64_MAX, &((int64_t *)out)[i]);
}

INLINE enum fit
to_u8(struct number n, void *out, int64_t i)
{
    int64_t v = 0;
    enum fit fit = whole_in(n, 0, UINT8_MAX, &v);
    ((uint8_t *)out)[i] = (uint8_t)v;
    return fit;
}

INLINE enum fit
to_truth(struct number n, void *out, int64_t i)
{
    int64_t v = 0;
    enum fit fit = whole_in(n, 0, 1, &v);
    ((uint8_t *)out)[i] = (uint8_t)v;
    return fit;
}

/* Converts |n| elements; gives the worst of their fits. A loop for each pair of element types. */
typedef enum fit convert_fn(const void *from, int64_t n, void *to);

#define LOOP(from_name, from_type, number_of, to_name)                                                 \
    static enum fit from_name##_##to_name(const void *from, int64_t n, void *to)                       \
    {                                                                                                  \
        unsigned worst = FITS;                                                                         \
        for (int64_t i = 0; i < n; i++)                                                                \
            worst |= to_##to_name(number_of(((const from_type *)from)[i]), to, i);                     \
        return (enum fit)worst;                                                                        \
    }
#define LOOPS(name, type, number_of)                                                                   \
    LOOP(name, type, number_of, f32) LOOP(name, type, number_of, f64) LOOP(name, type, number_of, i32) \
    LOOP(name, type, number_of, i64) LOOP(name, type, number_of, u8) LOOP(name, type, number_of, truth)
LOOPS(f32, float, number_of_real)
LOOPS(f64, double, number_of_real)
LOOPS(i32, int32_t, number_of_whole)
LOOPS(i64, int64_t, number_of_whole)
LOOPS(u8, uint8_t, number_of_whole)
LOOPS(truth, uint8_t, number_of_bool)

#define ROW(name)                                                                                      \
    {                                                                                                  \
        [ELEM_F32] = name##_f32, [ELEM_F64] = name##_f64, [ELEM_I32] = name##_i32,                     \
        [ELEM_I64] = name##_i64, [ELEM_U8] = name##_u8,   [ELEM_BOOL] = name##_truth,                  \
    }
static convert_fn *const convert[ELEM_COUNT][ELEM_COUNT] = {
    [ELEM_F32] = ROW(f32), [ELEM_F64] = ROW(f64), [ELEM_I32] = ROW(i32),
    [ELEM_I64] = ROW(i64), [ELEM_U8] = ROW(u8),   [ELEM_BOOL] = ROW(truth),
};

/* ---- tensors ---- */

static int64_t
row_of(const struct type *t, int64_t i)
{
    int64_t width = type_span(t, 1, t->rank, 0);
    return width > 0 ? i / width : i;
}

/* The row of the block's value that became row |i| of the set. */
static long long
origin_of(const struct data_binding *b, int64_t i)
{
    return b->origin ? ((const int64_t *)b->origin->data)[i] : i;
}

/* Element |i| does not fit; it is |n|. */
static bool
fail_value(const struct data_binding *b, enum elem elem, int64_t i, struct number n, enum fit fit, struct diag *diag)
{
    char text[NUMBER_TEXT];
    long long row = origin_of(b, row_of(&b->value.type, i));
    number_show(n, text);
    if (fit == NOT_WHOLE)
        diag_report(diag, DATA_NOT_WHOLE, b->place, b->name, elem_name(elem), row, text);
    else
        diag_report(diag, DATA_OUTSIDE, b->place, b->name, row, text, elem_name(elem));
    return false;
}

/* All axes but the first. */
static bool
shapes_fit(const struct data_binding *b, const struct type *wanted, struct diag *diag)
{
    struct type held = b->value.type;
    const struct type *have = &held;
    char text[2][TYPE_TEXT];
    if (b->table)
        held.elem = b->table->type.elem;
    bool fits = have->rank == wanted->rank;
    for (int i = 1; fits && i < have->rank; i++)
        fits = have->dim[i] == wanted->dim[i];
    if (fits)
        return true;
    diag_report(diag, DATA_SHAPE, b->place, b->name, type_text(wanted, ", ", text[0]), type_text(have, ", ", text[1]));
    if (have->rank == wanted->rank + 1 && have->dim[have->rank - 1] == 1)
        diag_report(diag, DATA_SHAPE_SQUEEZE, b->place, b->name);
    else if (have->rank == 1 && wanted->rank == 2 && wanted->dim[1] == 1)
        diag_report(diag, DATA_SHAPE_COLUMN, b->place, b->name);
    return false;
}

enum { PIECE = 4096, CODES = 256 }; /* elements */

static bool
convert_plain(const struct data_binding *b, struct tensor *out, struct diag *diag)
{
    const enum elem from = (enum elem)b->value.type.elem, to = (enum elem)out->type.elem;
    const int64_t count = tensor_count(out);
    for (int64_t done = 0, n; done < count; done += n) {
        const char *at = (const char *)b->value.data + (size_t)done * elem_size(from);
        char *put = (char *)out->data + (size_t)done * elem_size(to);
        n = count - done < PIECE ? count - done : PIECE;
        if (convert[from][to](at, n, put) == FITS)
            continue;
        enum fit fit = FITS;
        int64_t i = 0;
        while ((fit = convert[from][to](at + (size_t)i * elem_size(from), 1, put)) == FITS)
            i++;
        return fail_value(b, to, done + i, element(&b->value, done + i), fit, diag);
    }
    return true;
}

/* Converts the table, then looks the elements up. A value that does not fit is a fault only if it occurs. */
static bool
convert_codes(const struct data_binding *b, const struct tensor *table, struct tensor *out, struct diag *diag)
{
    const enum elem from = (enum elem)table->type.elem, to = (enum elem)out->type.elem;
    const uint8_t *codes = b->value.data;
    const int64_t count = tensor_count(out);
    _Alignas(8) char converted[CODES * 8];
    enum fit fit[CODES];
    unsigned worst = FITS;
    for (int i = 0; i < CODES; i++) {
        fit[i] = convert[from][to]((const char *)table->data + (size_t)i * elem_size(from), 1, converted + (size_t)i * elem_size(to));
        worst |= fit[i];
    }
    for (int64_t i = 0; worst != FITS && i < count; i++)
        if (fit[codes[i]] != FITS)
            return fail_value(b, to, i, element(table, codes[i]), fit[codes[i]], diag);
    data_look_up(codes, count, converted, elem_size(to), out->data);
    return true;
}

/* The table of bytes that stand for themselves. */
static bool
convert_bytes(const struct data_binding *b, struct tensor *out, struct diag *diag)
{
    uint8_t self[CODES];
    const struct tensor table = {.type = {.elem = ELEM_U8, .rank = 1, .dim = {CODES}}, .data = self};
    for (int i = 0; i < CODES; i++)
        self[i] = (uint8_t)i;
    return convert_codes(b, &table, out, diag);
}

bool
data_convert(const struct data_binding *b, const struct type *wanted, struct tensor *out, struct diag *diag)
{
    *out = (struct tensor){.data = NULL};
    if (!shapes_fit(b, wanted, diag))
        return false;
    struct type type = b->value.type;
    type.elem = wanted->elem;
    *out = tensor_blank(&type);
    if (!out->data) {
        diag_report(diag, OUT_OF_MEMORY, b->place);
        return false;
    }
    if (b->table ? convert_codes(b, b->table, out, diag) : b->value.type.elem == ELEM_U8 ? convert_bytes(b, out, diag) : convert_plain(b, out, diag))
        return true;
    tensor_free(out);
    return false;
}

bool
data_bounded(const struct data_binding *b, const struct tensor *t, int64_t bound, struct diag *diag)
{
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        int64_t v = element(t, i).whole;
        if (v >= 0 && v < bound)
            continue;
        diag_report(diag, DATA_BOUND, b->place, b->name, (long long)bound, origin_of(b, row_of(&t->type, i)), (long long)v);
        return false;
    }
    return true;
}
