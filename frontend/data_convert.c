/* data_convert: from what the data block computed to what a model's input takes. */
#include "frontend/data.h"
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

static enum fit
to_f32(struct number n, void *out, int64_t i)
{
    float v = n.is_whole ? (float)n.whole : (float)n.real;
    ((float *)out)[i] = flushed_f32(v);
    return isinf(v) && !isinf(n.real) ? OUTSIDE : FITS;
}

static enum fit
to_f64(struct number n, void *out, int64_t i)
{
    ((double *)out)[i] = flushed_f64(n.real);
    return FITS;
}

/* A whole number in [low, high]. */
static enum fit
whole_in(struct number n, int64_t low, int64_t high, int64_t *out)
{
    if (!n.is_whole && (isnan(n.real) || n.real != floor(n.real)))
        return NOT_WHOLE;
    if (!n.is_whole && !(n.real >= -0x1p63 && n.real < 0x1p63))
        return OUTSIDE;
    *out = n.is_whole ? n.whole : (int64_t)n.real;
    return *out >= low && *out <= high ? FITS : OUTSIDE;
}

static enum fit
to_i32(struct number n, void *out, int64_t i)
{
    int64_t v = 0;
    enum fit fit = whole_in(n, INT32_MIN, INT32_MAX, &v);
    ((int32_t *)out)[i] = (int32_t)v;
    return fit;
}

static enum fit
to_i64(struct number n, void *out, int64_t i)
{
    return whole_in(n, INT64_MIN, INT64_MAX, &((int64_t *)out)[i]);
}

static enum fit
to_u8(struct number n, void *out, int64_t i)
{
    int64_t v = 0;
    enum fit fit = whole_in(n, 0, UINT8_MAX, &v);
    ((uint8_t *)out)[i] = (uint8_t)v;
    return fit;
}

static enum fit
to_bool(struct number n, void *out, int64_t i)
{
    int64_t v = 0;
    enum fit fit = whole_in(n, 0, 1, &v);
    ((uint8_t *)out)[i] = (uint8_t)v;
    return fit;
}

static enum fit (*const store[ELEM_COUNT])(struct number n, void *out, int64_t i) = {
    [ELEM_F32] = to_f32, [ELEM_F64] = to_f64, [ELEM_I32] = to_i32,
    [ELEM_I64] = to_i64, [ELEM_U8] = to_u8,   [ELEM_BOOL] = to_bool,
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

static bool
fail_value(const struct data_binding *b, enum elem elem, int64_t i, enum fit fit, struct diag *diag)
{
    char text[NUMBER_TEXT];
    long long row = origin_of(b, row_of(&b->value.type, i));
    number_show(element(&b->value, i), text);
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
    const struct type *have = &b->value.type;
    char text[2][TYPE_TEXT];
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

bool
data_convert(const struct data_binding *b, const struct type *wanted, struct tensor *out, struct diag *diag)
{
    *out = (struct tensor){.data = NULL};
    if (!shapes_fit(b, wanted, diag))
        return false;
    struct type type = b->value.type;
    type.elem = wanted->elem;
    *out = tensor_new(&type);
    if (!out->data) {
        diag_report(diag, OUT_OF_MEMORY, b->place);
        return false;
    }
    for (int64_t i = 0, n = tensor_count(&b->value); i < n; i++) {
        enum fit fit = store[type.elem](element(&b->value, i), out->data, i);
        if (fit != FITS) {
            tensor_free(out);
            return fail_value(b, (enum elem)type.elem, i, fit, diag);
        }
    }
    return true;
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
