/* kernel_random: counter-based numbers (numerics.md, item 9): Philox4x32-10 over (stream, seed, step, element). */
#include "runtime/kernel_impl.h"

enum { WORDS = 1024 }; /* words that are made and turned into elements at a time */

static void
make_key(uint64_t stream, int64_t seed, uint32_t key[2])
{
    uint64_t k = stream ^ (uint64_t)seed * UINT64_C(0x9E3779B97F4A7C15);
    key[0] = (uint32_t)k;
    key[1] = (uint32_t)(k >> 32);
}

void
philox_block(uint64_t stream, int64_t seed, int64_t step, uint64_t block, uint32_t out[4])
{
    uint32_t key[2];
    make_key(stream, seed, key);
    isa_host()->philox(key, step, block, 1, out);
}

static void
convert(const struct isa *isa, const struct node *n, const uint32_t *words, struct tensor *out, int64_t at, int64_t count)
{
    const double from = n->attr->stream.from, to = n->attr->stream.to;
    float *f32 = (float *)out->data + at;
    double *f64 = (double *)out->data + at;
    if (n->op == OP_RANDOM_UNIFORM) {
        if (out->type.elem == ELEM_F32)
            isa->uniform_f32(words, f32, count, (float)(to - from), (float)from);
        else
            isa->uniform_f64(words, f64, count, to - from, from);
    } else if (n->op == OP_RANDOM_NORMAL) {
        if (out->type.elem == ELEM_F32)
            isa->normal_f32(words, f32, count, (float)to, (float)from);
        else
            isa->normal_f64(words, f64, count, to, from);
    } else
        for (int64_t i = 0; i < count; i++)
            ((int32_t *)out->data)[at + i] = (int32_t)words[i];
}

struct random_run {
    const struct node *node;
    struct tensor *out;
    const struct isa *isa;
    uint32_t key[2];
    int64_t step;
};

/* Numbers of RANDOM_NORMAL with mean 0 and deviation 1, drawn again until they are not above 2 in size, each element for
 * itself: attempt t of element i takes block t * 2^48 + i and gives its 4 (f64: 2) numbers in their order; the first that
 * fits is z, and the element is fma(z, deviation, mean). */
enum { ELEMENTS = WORDS / 4, ATTEMPT_SHIFT = 48 };

static int
candidates(const struct isa *isa, enum elem e, const uint32_t *words, int64_t count, void *z)
{
    if (e == ELEM_F32)
        isa->normal_f32(words, z, 4 * count, 1, 0);
    else
        isa->normal_f64(words, z, 2 * count, 1, 0);
    return e == ELEM_F32 ? 4 : 2;
}

/* Puts the first of |per| candidates from z[at] on that fits to z[to]; false if there is none. */
static bool
choose(enum elem e, void *z, int64_t at, int per, int64_t to, void *out)
{
    for (int64_t c = at; c < at + per; c++) {
        double size = e == ELEM_F32 ? (double)((float *)z)[c] : ((double *)z)[c];
        if (size < -2 || size > 2)
            continue;
        if (e == ELEM_F32)
            ((float *)out)[to] = ((float *)z)[c];
        else
            ((double *)out)[to] = size;
        return true;
    }
    return false;
}

static void
truncated_batch(const struct isa *isa, enum elem e, const uint32_t key[2], int64_t step, int64_t first, int64_t count,
                void *out)
{
    uint32_t words[WORDS], again[4];
    double z[ELEMENTS * 2], other[2]; /* or twice as many floats */
    isa->philox(key, step, (uint64_t)first, count, words);
    int per = candidates(isa, e, words, count, z);
    for (int64_t i = 0; i < count; i++) {
        bool found = choose(e, z, i * per, per, i, out);
        for (uint64_t t = 1; !found; t++) {
            isa->philox(key, step, (t << ATTEMPT_SHIFT) + (uint64_t)(first + i), 1, again);
            candidates(isa, e, again, 1, other);
            found = choose(e, other, 0, per, i, out);
        }
    }
}

static void
truncated(const struct random_run *r, int64_t first, int64_t end)
{
    enum elem e = r->out->type.elem;
    const struct attr *attr = r->node->attr;
    static const uint8_t one = 1, steps[3] = {1, 0, 0};
    char deviation[8], mean[8];
    r->isa->cast[ELEM_F64][e](deviation, (const void *const[]){&attr->stream.to}, &one, 1);
    r->isa->cast[ELEM_F64][e](mean, (const void *const[]){&attr->stream.from}, &one, 1);
    for (int64_t at = first; at < end; at += ELEMENTS) {
        int64_t now = end - at < ELEMENTS ? end - at : ELEMENTS;
        char *to = (char *)r->out->data + (size_t)at * elem_size(e);
        truncated_batch(r->isa, e, r->key, r->step, at, now, to);
        r->isa->row[OP_FMA][e](to, (const void *const[]){to, deviation, mean}, steps, now);
    }
}

static void
plain(const struct random_run *r, int64_t first, int64_t end)
{
    int64_t words_each = r->out->type.elem == ELEM_F64 ? 2 : 1, batch = WORDS / words_each;
    uint32_t words[WORDS];
    for (int64_t at = first; at < end; at += batch) {
        int64_t now = end - at < batch ? end - at : batch;
        r->isa->philox(r->key, r->step, (uint64_t)(at * words_each / 4), (now * words_each + 3) / 4, words);
        convert(r->isa, r->node, words, r->out, at, now);
    }
}

/* Parts are whole batches of every kind of number. */
static void
random_part(void *context, int part, int parts)
{
    const struct random_run *r = context;
    int64_t count = dense_count(&r->out->type), batches = (count + WORDS - 1) / WORDS;
    int64_t first = threads_begin(batches, part, parts) * WORDS, end = threads_begin(batches, part + 1, parts) * WORDS;
    (r->node->op == OP_RANDOM_TRUNCATED_NORMAL ? truncated : plain)(r, first, end < count ? end : count);
}

bool
kernel_random(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    static const double NS[OP_COUNT] = {[OP_RANDOM_BITS] = 0.5, [OP_RANDOM_UNIFORM] = 0.6, [OP_RANDOM_NORMAL] = 1.5,
                                        [OP_RANDOM_TRUNCATED_NORMAL] = 8}; /* an element */
    struct random_run r = {.node = n, .out = out, .isa = kernel_isa(k), .step = *(const int64_t *)in[1]->data};
    int64_t count = dense_count(&out->type);
    make_key(n->attr->stream.stream, *(const int64_t *)in[0]->data, r.key);
    threads_run(k->threads, threads_parts(k->threads, NS[n->op] * (double)count, count / WORDS), random_part, &r);
    return true;
}
