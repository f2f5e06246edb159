/* convention_keras: Keras 3 on TensorFlow. Python's random gives each site a seed when it is made; its draw k is a
 * stateless operation with the seed pair [seed, k]. keras/src/random/seed_generator.py,
 * backend/tensorflow/random.py, trainers/data_adapters/array_data_adapter.py. */
#include "runtime/streams/convention.h"
#include "runtime/streams/tf_random.h"

static void
begin(struct stream_state *s)
{
    python_random_seed(&s->python, s->seed);
}

static void
make_site(struct stream_state *s, struct site *site)
{
    site->seed = python_random_between(&s->python, 1, 1000000000);
}

/* Seeds are cut to what fits in 32 bits. */
static struct tf_random
source(const struct site *site)
{
    const int64_t modulus = INT32_MAX - 1;
    return tf_stateless(site->seed % modulus, site->draws % modulus);
}

static bool
uniform(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    const struct tf_random r = source(site);
    if (d->elem == ELEM_F32)
        tf_uniform_f32(&r, d->a, d->b, out, d->count);
    else
        tf_uniform_f64(&r, d->a, d->b, out, d->count);
    return true;
}

static bool
normal(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    const struct tf_random r = source(site);
    if (d->elem == ELEM_F32)
        tf_normal_f32(&r, d->a, d->b, out, d->count);
    else
        tf_normal_f64(&r, d->a, d->b, out, d->count);
    return true;
}

static bool
truncated(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    const struct tf_random r = source(site);
    if (d->elem == ELEM_F32)
        tf_truncated_f32(&r, d->a, d->b, out, d->count);
    else
        tf_truncated_f64(&r, d->a, d->b, out, d->count);
    return true;
}

static bool
orthogonal(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    struct stream_draw standard = *d;
    standard.a = 0;
    standard.b = 1;
    return normal(s, site, &standard, out) && stream_orthogonal(s, d, true, out);
}

static bool
keep(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    const struct tf_random r = source(site);
    float *u = stream_scratch(s, (size_t)d->count * sizeof *u);
    if (!u)
        return false;
    tf_uniform_f32(&r, 0, 1, u, d->count);
    for (int64_t i = 0; i < d->count; i++)
        ((uint8_t *)out)[i] = u[i] >= (float)d->a;
    return true;
}

/* Each epoch opens a new iterator, whose shuffle begins again: the order is the same in all of them. */
static bool
order(struct stream_state *s, int64_t rows, int64_t *out)
{
    tf_shuffle(s->seed, 0, out, rows);
    return true;
}

static stream_law_fn *const laws[STREAM_LAWS] = {
    [STREAM_UNIFORM] = uniform,
    [STREAM_NORMAL] = normal,
    [STREAM_TRUNCATED] = truncated,
    [STREAM_ORTHOGONAL] = orthogonal,
    [STREAM_KEEP] = keep,
};
const struct stream_convention stream_keras_tf = {"keras_tf", begin, make_site, laws, NULL, order, false};
