/* convention_torch: everything comes from PyTorch's default generator, in the order of the calls; an epoch's order
 * from a generator of its own, whose seed is drawn when the epoch begins. */
#include "runtime/streams/convention.h"

static void
begin_fused(struct stream_state *s)
{
    torch_random_seed(&s->torch, TORCH_BUILD_FUSED, (uint64_t)s->seed);
}

static void
begin_plain(struct stream_state *s)
{
    torch_random_seed(&s->torch, TORCH_BUILD_PLAIN, (uint64_t)s->seed);
}

static void
begin_mkl(struct stream_state *s)
{
    torch_random_seed(&s->torch, TORCH_BUILD_MKL, (uint64_t)s->seed);
}

static bool
uniform(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    if (d->elem == ELEM_F32)
        torch_uniform_f32(&s->torch, d->a, d->b, out, d->count);
    else
        torch_uniform_f64(&s->torch, d->a, d->b, out, d->count);
    return true;
}

static bool
normal(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    if (d->elem == ELEM_F32)
        torch_normal_f32(&s->torch, d->a, d->b, out, d->count);
    else
        torch_normal_f64(&s->torch, d->a, d->b, out, d->count);
    return true;
}

static bool
truncated(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    return d->elem == ELEM_F32 ? torch_truncated_f32(&s->torch, d->a, d->b, d->low, d->high, out, d->count)
                               : torch_truncated_f64(&s->torch, d->a, d->b, d->low, d->high, out, d->count);
}

static bool
orthogonal(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    struct stream_draw standard = *d;
    standard.a = 0;
    standard.b = 1;
    return normal(s, site, &standard, out) && stream_orthogonal(s, d, false, out);
}

static bool
keep(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    torch_bernoulli(&s->torch, 1 - d->a, out, d->count);
    return true;
}

static void
epoch(struct stream_state *s, bool shuffle)
{
    s->sampler_seed = torch_loader_draw(&s->torch, shuffle);
}

static bool
order(struct stream_state *s, int64_t rows, int64_t *out)
{
    torch_sampler_order(s->sampler_seed, out, rows);
    return true;
}

static stream_law_fn *const laws[STREAM_LAWS] = {
    [STREAM_UNIFORM] = uniform,
    [STREAM_NORMAL] = normal,
    [STREAM_TRUNCATED] = truncated,
    [STREAM_ORTHOGONAL] = orthogonal,
    [STREAM_KEEP] = keep,
};
const struct stream_convention stream_torch = {"torch", begin_fused, NULL, laws, epoch, order, true},
                               stream_torch_plain = {"torch_plain", begin_plain, NULL, laws, epoch, order, true},
                               stream_torch_mkl = {"torch_mkl", begin_mkl, NULL, laws, epoch, order, true};
