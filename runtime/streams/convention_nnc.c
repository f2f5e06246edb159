/* convention_nnc: the numbers that the graph's own random operations give (numerics.md, item 9), where the seed is
 * the run's, the stream the site's and the step the number of its draws before. */
#include "runtime/kernel_impl.h"
#include "runtime/shuffle.h"
#include "runtime/streams/convention.h"

static void
begin(struct stream_state *s)
{
}

static bool
run(enum op op, const struct stream_state *s, const struct site *site, enum elem elem, int64_t count, double from, double to,
    void *out)
{
    const struct attr attr = {.stream = {site->stream, from, to}};
    const struct node node = {.op = op, .attr = &attr};
    int64_t seed = s->seed, step = site->draws;
    const struct tensor seeds = {{.elem = ELEM_I64}, &seed}, steps = {{.elem = ELEM_I64}, &step};
    struct tensor result = {{.elem = elem, .rank = 1, .dim = {count}}, out};
    struct kernel_context k = {0};
    return kernel_random(&node, (const struct tensor *const[]){&seeds, &steps}, &result, &k);
}

static bool
uniform(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    return run(OP_RANDOM_UNIFORM, s, site, d->elem, d->count, d->a, d->b, out);
}

static bool
normal(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    return run(OP_RANDOM_NORMAL, s, site, d->elem, d->count, d->a, d->b, out);
}

static bool
truncated(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    return run(OP_RANDOM_TRUNCATED_NORMAL, s, site, d->elem, d->count, d->a, d->b, out);
}

static bool
orthogonal(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    return run(OP_RANDOM_NORMAL, s, site, d->elem, d->count, 0, 1, out) && stream_orthogonal(s, d, true, out);
}

static bool
keep(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out)
{
    float *u = stream_scratch(s, (size_t)d->count * sizeof *u);
    if (!u || !run(OP_RANDOM_UNIFORM, s, site, ELEM_F32, d->count, 0, 1, u))
        return false;
    for (int64_t i = 0; i < d->count; i++)
        ((uint8_t *)out)[i] = u[i] >= (float)d->a;
    return true;
}

static bool
order(struct stream_state *s, int64_t rows, int64_t *out)
{
    return shuffle_order(s->seed, s->epoch, rows, NULL, out);
}

static stream_law_fn *const laws[STREAM_LAWS] = {
    [STREAM_UNIFORM] = uniform,
    [STREAM_NORMAL] = normal,
    [STREAM_TRUNCATED] = truncated,
    [STREAM_ORTHOGONAL] = orthogonal,
    [STREAM_KEEP] = keep,
};
const struct stream_convention stream_nnc = {"nnc", begin, NULL, laws, NULL, order, false};
