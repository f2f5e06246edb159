/* reference_random: draws, element by element: Philox4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
 * 2011). The key is the stream mixed with the seed, the counter the block and the step. */
#include "tests/reference/reference.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    uint32_t key[2];
    uint64_t step;
};

static struct stream
stream_of(const struct node *n, const struct tensor *const *in)
{
    uint64_t seed, k;
    struct stream s;
    memcpy(&seed, in[0]->data, sizeof seed);
    memcpy(&s.step, in[1]->data, sizeof s.step);
    k = n->attr->stream.stream ^ seed * 0x9E3779B97F4A7C15u;
    s.key[0] = (uint32_t)k;
    s.key[1] = (uint32_t)(k >> 32);
    return s;
}

/* Word |i| of the stream: word i % 4 of block i / 4. */
static uint32_t
word_at(const struct stream *s, uint64_t i)
{
    uint64_t block = i / 4;
    uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)s->step, (uint32_t)(s->step >> 32)};
    uint32_t k0 = s->key[0], k1 = s->key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)c[0] * 0xD2511F53u, q = (uint64_t)c[2] * 0xCD9E8D57u;
        uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k0, (uint32_t)q, (uint32_t)(p >> 32) ^ c[3] ^ k1, (uint32_t)p};
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c[i % 4];
}

/* Two words, the low one first. */
static uint64_t
double_word_at(const struct stream *s, uint64_t i)
{
    return word_at(s, 2 * i) | (uint64_t)word_at(s, 2 * i + 1) << 32;
}

void
reference_RANDOM_BITS(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct stream s = stream_of(n, in);
    for (int64_t i = 0; i < tensor_count(out); i++) {
        uint32_t word = word_at(&s, (uint64_t)i);
        memcpy(reference_element(out, i), &word, sizeof word);
    }
}

/* ---- floats: all arithmetic by math.def's bodies ---- */

static float
map_f32(enum op op, float a, float b, float c)
{
    float r;
    reference_body_of(op, ELEM_F32)(&r, (const void *const[]){&a, &b, &c});
    return r;
}

static double
map_f64(enum op op, double a, double b, double c)
{
    double r;
    reference_body_of(op, ELEM_F64)(&r, (const void *const[]){&a, &b, &c});
    return r;
}

void
reference_RANDOM_UNIFORM(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct stream s = stream_of(n, in);
    double from = n->attr->stream.from, range = n->attr->stream.to - from;
    for (int64_t i = 0; i < tensor_count(out); i++)
        if (n->type.elem == ELEM_F32) {
            float x = (float)(word_at(&s, (uint64_t)i) >> 8) * 0x1p-24f;
            ((float *)out->data)[i] = map_f32(OP_FMA, x, (float)range, (float)from);
        } else {
            double x = (double)(double_word_at(&s, (uint64_t)i) >> 11) * 0x1p-53;
            ((double *)out->data)[i] = map_f64(OP_FMA, x, range, from);
        }
}

static const double TWO_PI = 6.283185307179586476925286766559;

/* Box and Muller: elements 2j and 2j + 1 from two draws. */
static float
normal_f32(const struct stream *s, int64_t i)
{
    uint64_t first = (uint64_t)i / 2 * 2;
    float u = (float)((word_at(s, first) >> 8) + 1) * 0x1p-24f, v = (float)(word_at(s, first + 1) >> 8) * 0x1p-24f;
    float r = map_f32(OP_SQRT, -2 * map_f32(OP_LOG, u, 0, 0), 0, 0), t = (float)TWO_PI * v;
    return r * map_f32(i % 2 ? OP_SIN : OP_COS, t, 0, 0);
}

static double
normal_f64(const struct stream *s, int64_t i)
{
    uint64_t first = (uint64_t)i / 2 * 2;
    double u = (double)((double_word_at(s, first) >> 11) + 1) * 0x1p-53;
    double v = (double)(double_word_at(s, first + 1) >> 11) * 0x1p-53;
    double r = map_f64(OP_SQRT, -2 * map_f64(OP_LOG, u, 0, 0), 0, 0), t = TWO_PI * v;
    return r * map_f64(i % 2 ? OP_SIN : OP_COS, t, 0, 0);
}

void
reference_RANDOM_NORMAL(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct stream s = stream_of(n, in);
    double mean = n->attr->stream.from, deviation = n->attr->stream.to;
    for (int64_t i = 0; i < tensor_count(out); i++)
        if (n->type.elem == ELEM_F32)
            ((float *)out->data)[i] = map_f32(OP_FMA, normal_f32(&s, i), (float)deviation, (float)mean);
        else
            ((double *)out->data)[i] = map_f64(OP_FMA, normal_f64(&s, i), deviation, mean);
}

/* Attempt t of element i: the numbers of block t * 2^48 + i; the first that lies within two deviations. */
void
reference_RANDOM_TRUNCATED_NORMAL(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct stream s = stream_of(n, in);
    double mean = n->attr->stream.from, deviation = n->attr->stream.to;
    bool single = n->type.elem == ELEM_F32;
    for (int64_t i = 0; i < tensor_count(out); i++) {
        double z = 9;
        for (int64_t t = 0; fabs(z) > 2; t++)
            for (int64_t c = 0; c < (single ? 4 : 2) && fabs(z) > 2; c++) {
                int64_t block = (t << 48) + i;
                z = single ? map_f32(OP_FMA, normal_f32(&s, 4 * block + c), 1, 0)
                           : map_f64(OP_FMA, normal_f64(&s, 2 * block + c), 1, 0);
            }
        if (single)
            ((float *)out->data)[i] = map_f32(OP_FMA, (float)z, (float)deviation, (float)mean);
        else
            ((double *)out->data)[i] = map_f64(OP_FMA, z, deviation, mean);
    }
}
