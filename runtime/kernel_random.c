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

bool
kernel_random(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    const struct isa *isa = kernel_isa(k);
    int64_t count = dense_count(&out->type), words_each = out->type.elem == ELEM_F64 ? 2 : 1, batch = WORDS / words_each;
    uint32_t key[2], words[WORDS];
    make_key(n->attr->stream.stream, *(const int64_t *)in[0]->data, key);
    for (int64_t at = 0; at < count; at += batch) {
        int64_t now = count - at < batch ? count - at : batch;
        isa->philox(key, *(const int64_t *)in[1]->data, (uint64_t)(at * words_each / 4), (now * words_each + 3) / 4, words);
        convert(isa, n, words, out, at, now);
    }
    return true;
}
