/* safetensors_read: the data of one tensor, converted to one of our element types. */
#include "runtime/digest.h"
#include "runtime/safetensors.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static float
half_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exact: f32 holds all values of f16, subnormal ones as normal numbers. */
static float
half_f16(uint16_t h)
{
    uint32_t exponent = h >> 10 & 31, fraction = h & 1023, bits;
    float value = (float)fraction * 0x1p-24f;
    memcpy(&bits, &value, sizeof bits);
    if (exponent)
        bits = (exponent == 31 ? 255u : exponent + 112u) << 23 | fraction << 13;
    bits |= (uint32_t)(h >> 15) << 31;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* CONVERT(from, type of from, value, to, type of to): one row a pair. */
#define REALS(from, type, value) CONVERT(from, type, value, F32, float) CONVERT(from, type, value, F64, double)
#define CONVERSIONS                                                                                                     \
    REALS(F32, float, x) REALS(F64, double, x) REALS(F16, uint16_t, half_f16(x)) REALS(BF16, uint16_t, half_bf16(x))    \
    REALS(I32, int32_t, x) REALS(I64, int64_t, x) REALS(U8, uint8_t, x) REALS(I8, int8_t, x) REALS(I16, int16_t, x)     \
    REALS(U16, uint16_t, x) REALS(U32, uint32_t, x) REALS(U64, uint64_t, x)                                             \
    CONVERT(I32, int32_t, x, I32, int32_t) CONVERT(U8, uint8_t, x, I32, int32_t) CONVERT(I8, int8_t, x, I32, int32_t)   \
    CONVERT(I16, int16_t, x, I32, int32_t) CONVERT(U16, uint16_t, x, I32, int32_t)                                      \
    CONVERT(I64, int64_t, x, I64, int64_t) CONVERT(I32, int32_t, x, I64, int64_t) CONVERT(U32, uint32_t, x, I64, int64_t) \
    CONVERT(U8, uint8_t, x, I64, int64_t) CONVERT(I8, int8_t, x, I64, int64_t) CONVERT(I16, int16_t, x, I64, int64_t)   \
    CONVERT(U16, uint16_t, x, I64, int64_t)                                                                             \
    CONVERT(U8, uint8_t, x, U8, uint8_t) CONVERT(BOOL, uint8_t, x != 0, BOOL, uint8_t)

#define CONVERT(from, type, value, to, result)                                                                          \
    static void from##_to_##to(const void *in, void *out, int64_t n)                                                    \
    {                                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                               \
            type x = ((const type *)in)[i];                                                                             \
            ((result *)out)[i] = (result)(value);                                                                       \
        }                                                                                                               \
    }
CONVERSIONS
#undef CONVERT

typedef void convert_fn(const void *in, void *out, int64_t n);
static convert_fn *const convert[SAFETENSORS_COUNT][ELEM_COUNT] = {
#define CONVERT(from, type, value, to, result) [SAFETENSORS_##from][ELEM_##to] = from##_to_##to,
    CONVERSIONS
#undef CONVERT
};

bool
safetensors_converts(enum safetensors_elem from, enum elem to)
{
    return convert[from][to];
}

enum safetensors_elem
safetensors_elem_of(enum elem e)
{
    static const uint8_t same[ELEM_COUNT] = {
        [ELEM_F32] = SAFETENSORS_F32, [ELEM_F64] = SAFETENSORS_F64, [ELEM_I32] = SAFETENSORS_I32,
        [ELEM_I64] = SAFETENSORS_I64, [ELEM_U8] = SAFETENSORS_U8,   [ELEM_BOOL] = SAFETENSORS_BOOL,
    };
    return same[e];
}

enum elem
safetensors_nearest(enum safetensors_elem e)
{
    static const uint8_t nearest[SAFETENSORS_COUNT] = {
        [SAFETENSORS_F32] = ELEM_F32,  [SAFETENSORS_F64] = ELEM_F64,   [SAFETENSORS_I32] = ELEM_I32,
        [SAFETENSORS_I64] = ELEM_I64,  [SAFETENSORS_U8] = ELEM_U8,     [SAFETENSORS_BOOL] = ELEM_BOOL,
        [SAFETENSORS_F16] = ELEM_F32,  [SAFETENSORS_BF16] = ELEM_F32,  [SAFETENSORS_I8] = ELEM_I32,
        [SAFETENSORS_I16] = ELEM_I32,  [SAFETENSORS_U16] = ELEM_I32,   [SAFETENSORS_U32] = ELEM_I64,
        [SAFETENSORS_U64] = ELEM_COUNT,
    };
    return nearest[e];
}

/* Subnormal numbers become zeros of their sign, whatever the state of the floating-point unit (numerics.md, item 10). */
static void
flush_f32(void *data, int64_t n)
{
    uint32_t *word = data;
    for (int64_t i = 0; i < n; i++)
        word[i] &= word[i] & 0x7f800000u ? ~0u : 0x80000000u;
}

static void
flush_f64(void *data, int64_t n)
{
    uint64_t *word = data;
    for (int64_t i = 0; i < n; i++)
        word[i] &= word[i] & UINT64_C(0x7ff0000000000000) ? ~UINT64_C(0) : UINT64_C(0x8000000000000000);
}

bool
safetensors_read(const struct safetensors *s, const struct safetensors_entry *entry, enum elem elem, void *out,
                 uint64_t *out_digest, struct diag *diag)
{
    int64_t count = entry->bytes / safetensors_elem_size(entry->elem);
    bool same = safetensors_elem_of(elem) == entry->elem;
    char *raw = same ? out : malloc((size_t)entry->bytes + 1);
    if (!raw) {
        diag_subject(diag, OUT_OF_MEMORY, s->path);
        return false;
    }
    bool read = safetensors_bytes(s, s->body + entry->from, raw, entry->bytes, diag);
    if (read && out_digest)
        *out_digest = digest_bytes(0, raw, (size_t)entry->bytes);
    if (read && (!same || elem == ELEM_BOOL))
        convert[entry->elem][elem](raw, out, count);
    if (elem == ELEM_F32 && read)
        flush_f32(out, count);
    else if (elem == ELEM_F64 && read)
        flush_f64(out, count);
    if (!same)
        free(raw);
    return read;
}

char *
safetensors_type_text(const struct safetensors_entry *entry, char buffer[TYPE_TEXT])
{
    struct type t = {.elem = (uint8_t)safetensors_nearest(entry->elem), .rank = (uint8_t)entry->rank};
    if (t.elem == ELEM_COUNT)
        t.elem = ELEM_I64;
    memcpy(t.dim, entry->dim, sizeof t.dim);
    return type_text(&t, ", ", buffer);
}
