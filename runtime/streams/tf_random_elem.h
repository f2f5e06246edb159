/* tf_random_elem: the distributions of tf_random.c for one element type, REAL, a number of which takes EACH words;
 * NAME(x) is x_f32 or x_f64. Scaling is an operation of its own there: no product is fused. */
void
NAME(tf_uniform)(const struct tf_random *r, double low, double high, REAL *out, int64_t n)
{
    const REAL from = (REAL)low, range = (REAL)high - from;
    uint32_t words[BATCH];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * EACH % BATCH;
        if (!at)
            blocks(r, (uint64_t)(i * EACH / BLOCK), BATCH / BLOCK, words);
        out[i] = NAME(real)(words + at) * range + from;
    }
}

void
NAME(tf_normal)(const struct tf_random *r, double mean, double deviation, REAL *out, int64_t n)
{
    uint32_t words[BATCH];
    REAL pair[2];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i * EACH % BATCH;
        if (!at)
            blocks(r, (uint64_t)(i * EACH / BLOCK), BATCH / BLOCK, words);
        if (i % 2 == 0)
            NAME(pair)(words + at, pair);
        out[i] = pair[i % 2] * (REAL)deviation + (REAL)mean;
    }
}

/* |n| numbers, at most as many as a block gives, from the words that begin at |block|. */
static void
NAME(truncated_group)(const struct tf_random *r, uint64_t block, REAL *out, int64_t n)
{
    uint32_t words[BLOCK];
    REAL pair[2];
    int at = BLOCK;
    for (int64_t i = 0; i < n; at += 2 * EACH) {
        if (at == BLOCK) {
            blocks(r, block++, 1, words);
            at = 0;
        }
        NAME(pair)(words + at, pair);
        for (int j = 0; j < 2 && i < n; j++)
            if (pair[j] > -2 && pair[j] < 2)
                out[i++] = pair[j];
    }
}

void
NAME(tf_truncated)(const struct tf_random *r, double mean, double deviation, REAL *out, int64_t n)
{
    const int64_t group = BLOCK / EACH;
    for (int64_t i = 0; i < n; i += group)
        NAME(truncated_group)(r, (uint64_t)(i * RESERVED / BLOCK), out + i, n - i < group ? n - i : group);
    for (int64_t i = 0; i < n; i++)
        out[i] = out[i] * (REAL)deviation + (REAL)mean;
}
