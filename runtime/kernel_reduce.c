/* kernel_reduce: sum, prod, mean, max_over, min_over in the order of numerics.md, item 4; argmax and argmin. */
#include "runtime/kernel_impl.h"
#include <string.h>

static enum reduce
reduce_of(enum op op)
{
    return op == OP_PROD ? REDUCE_PROD : op == OP_MAX_OVER ? REDUCE_MAX : op == OP_MIN_OVER ? REDUCE_MIN : REDUCE_SUM;
}

static void
add_stage(struct reduce_plan *p, bool trailing, int64_t outer, int64_t length, int64_t inner)
{
    p->stage[p->nstages++] = (struct reduce_stage){trailing, outer, length, inner};
}

/* Stages over what is left of the dimensions, each reduced one becoming 1. */
static void
make_stages(struct reduce_plan *p, const struct type *in, uint32_t axes)
{
    int64_t dim[RANK_MAX];
    int rank = in->rank, trailing = rank;
    memcpy(dim, in->dim, sizeof dim);
    while (trailing > 0 && axes >> (trailing - 1) & 1)
        trailing--;
    if (trailing < rank) {
        add_stage(p, true, type_span(in, 0, trailing, 0), type_span(in, trailing, rank, 0), 1);
        for (int i = trailing; i < rank; i++)
            dim[i] = 1;
    }
    for (int axis = trailing - 1; axis >= 0; axis--) {
        if (!(axes >> axis & 1))
            continue;
        int64_t outer = 1, inner = 1;
        for (int i = 0; i < axis; i++)
            outer *= dim[i];
        for (int i = axis + 1; i < rank; i++)
            inner *= dim[i];
        add_stage(p, false, outer, dim[axis], inner);
        dim[axis] = 1;
    }
    p->out_count = 1;
    for (int i = 0; i < rank; i++)
        p->out_count *= axes >> i & 1 ? 1 : in->dim[i];
}

void
reduce_plan_make(struct reduce_plan *p, enum op op, const struct type *in, uint32_t axes, const struct isa *isa)
{
    *p = (struct reduce_plan){.fns = &isa->reduce[reduce_of(op)][in->elem], .size = elem_size(in->elem), .in_count = dense_count(in)};
    make_stages(p, in, axes);
    if (op != OP_MEAN)
        return;
    int64_t n = 1;
    for (int i = 0; i < in->rank; i++)
        n *= axes >> i & 1 ? in->dim[i] : 1;
    p->divide = isa->row[OP_DIV][in->elem];
    if (in->elem == ELEM_F32)
        p->divisor.f32 = (float)n;
    else
        p->divisor.f64 = (double)n;
}

/* Bytes of the values after each stage but the last. */
size_t
reduce_plan_scratch(const struct reduce_plan *p)
{
    size_t bytes = 0;
    for (int i = 0; i + 1 < p->nstages; i++)
        bytes += round64((size_t)(p->stage[i].outer * p->stage[i].inner) * p->size);
    return bytes;
}

/* A stage is cut up along its outputs: |outer|, or |inner| where there are too few of those. */
enum {
    STRIP = 16,                 /* outputs of which a part has some whole number */
    AT_ONCE = 8192              /* bytes of rows */
};
static const double REDUCE_COST = 0.08; /* nanoseconds an element */

struct stage_run {
    const struct reduce_plan *plan;
    const struct reduce_stage *stage;
    char *out;
    const char *x;
};

/* Outputs [first, end) of |outer|. */
static void
outer_range(const struct stage_run *r, int64_t first, int64_t end)
{
    const struct reduce_stage *s = r->stage;
    const struct reduce_fns *fns = r->plan->fns;
    const int64_t size = (int64_t)r->plan->size, group = s->length * s->inner * size;
    char *out = r->out + first * s->inner * size;
    if (s->trailing) {
        fns->rows(out, r->x + first * group, end - first, s->length);
        return;
    }
    fns->start(out, (end - first) * s->inner);
    for (int64_t o = first; o < end; o++, out += s->inner * size)
        fns->columns(out, r->x + o * group, s->length, s->inner, s->inner);
}

static void
outer_part(void *context, int part, int parts)
{
    const struct stage_run *r = context;
    int64_t strip = r->stage->trailing ? STRIP : 1, strips = (r->stage->outer + strip - 1) / strip;
    int64_t end = threads_begin(strips, part + 1, parts) * strip;
    outer_range(r, threads_begin(strips, part, parts) * strip, end < r->stage->outer ? end : r->stage->outer);
}

static void
inner_part(void *context, int part, int parts)
{
    const struct stage_run *r = context;
    const struct reduce_stage *s = r->stage;
    const int64_t size = (int64_t)r->plan->size, strips = (s->inner + STRIP - 1) / STRIP;
    int64_t first = threads_begin(strips, part, parts) * STRIP, end = threads_begin(strips, part + 1, parts) * STRIP;
    if (end > s->inner)
        end = s->inner;
    for (int64_t o = 0; o < s->outer; o++) {
        char *out = r->out + (o * s->inner + first) * size;
        r->plan->fns->start(out, end - first);
        r->plan->fns->columns(out, r->x + (o * s->length * s->inner + first) * size, s->length, end - first, s->inner);
    }
}

static void
run_stage(const struct stage_run *r, struct threads *t)
{
    const struct reduce_stage *s = r->stage;
    int64_t strips = s->trailing ? s->outer / STRIP : s->outer;
    double cost = REDUCE_COST * (double)r->plan->size / 4 * (double)(s->outer * s->length * s->inner);
    int parts = threads_parts(t, cost, strips > s->inner / STRIP ? strips : s->inner / STRIP);
    if (parts == 1)
        outer_range(r, 0, s->outer);
    else
        threads_run(t, parts, strips >= parts ? outer_part : inner_part, (void *)r);
}

/* The stages from |first| on; |x|: their operand. */
static void
run_stages(const struct reduce_plan *p, int first, char *out, const char *x, char *scratch, struct threads *t)
{
    for (int i = first; i < p->nstages; i++) {
        char *to = i + 1 == p->nstages ? out : scratch;
        run_stage(&(struct stage_run){p, &p->stage[i], to, x}, t);
        x = to;
        if (to == scratch)
            scratch += round64((size_t)(p->stage[i].outer * p->stage[i].inner) * p->size);
    }
    if (p->divide)
        p->divide(out, (const void *const[]){out, &p->divisor}, (const uint8_t[]){1, 0}, p->out_count);
}

void
reduce_plan_run(const struct reduce_plan *p, void *out, const void *x, char *scratch, struct threads *t)
{
    if (!p->nstages)
        memcpy(out, x, (size_t)p->in_count * p->size);
    run_stages(p, 0, out, x, scratch, t);
}

int64_t
reduce_feed_unit(const struct reduce_plan *p)
{
    return p->nstages ? p->stage[0].length * p->stage[0].inner : 1;
}

void
reduce_start(struct reduce_feed *f, const struct reduce_plan *p, void *out, char *scratch, int64_t first, int64_t end)
{
    const struct reduce_stage *s = &p->stage[0];
    int64_t unit = reduce_feed_unit(p), output = first;
    f->plan = p;
    f->inside = 0;
    f->stage = *s;
    if (p->nstages && unit) {
        f->stage.outer = (end - first) / unit;
        output = first / unit * s->inner;
    }
    f->to = f->current = (p->nstages > 1 ? scratch : (char *)out) + output * (int64_t)p->size;
    if (p->nstages && s->trailing)
        p->fns->start(f->lanes, REDUCE_LANES);
    else if (p->nstages)
        p->fns->start(f->to, f->stage.outer * f->stage.inner);
}

/* The lanes of the current output go on; a full one is closed by its tree. Returns how many elements were taken. */
static int64_t
feed_lanes(struct reduce_feed *f, const struct reduce_stage *s, const char *x, int64_t n)
{
    const struct reduce_fns *fns = f->plan->fns;
    if (!f->inside && n >= s->length) {
        int64_t rows = n / s->length;
        fns->rows(f->current, x, rows, s->length);
        f->current += rows * (int64_t)f->plan->size;
        return rows * s->length;
    }
    int64_t take = s->length - f->inside < n ? s->length - f->inside : n;
    fns->lanes(f->lanes, x, take, f->inside);
    f->inside += take;
    if (f->inside == s->length) {
        fns->tree(f->current, f->lanes);
        fns->start(f->lanes, REDUCE_LANES);
        f->current += f->plan->size;
        f->inside = 0;
    }
    return take;
}

/* Whole rows of the current group at once, else a piece of one row. */
static int64_t
feed_columns(struct reduce_feed *f, const struct reduce_stage *s, const char *x, int64_t n)
{
    const struct reduce_fns *fns = f->plan->fns;
    int64_t column = f->inside % s->inner, row = f->inside / s->inner, take;
    if (!column && n >= s->inner) {
        int64_t rows = n / s->inner < s->length - row ? n / s->inner : s->length - row;
        fns->columns(f->current, x, rows, s->inner, s->inner);
        take = rows * s->inner;
    } else {
        take = s->inner - column < n ? s->inner - column : n;
        fns->columns(f->current + column * (int64_t)f->plan->size, x, 1, take, take);
    }
    f->inside += take;
    if (f->inside == s->length * s->inner) {
        f->inside = 0;
        f->current += s->inner * (int64_t)f->plan->size;
    }
    return take;
}

void
reduce_next(struct reduce_feed *f, const void *x, int64_t n)
{
    const struct reduce_plan *p = f->plan;
    const struct reduce_stage *s = &f->stage;
    const char *from = x;
    if (!p->nstages) {
        memcpy(f->current, x, (size_t)n * p->size);
        f->current += n * (int64_t)p->size;
        return;
    }
    while (n > 0) {
        int64_t taken = s->trailing ? feed_lanes(f, s, from, n) : feed_columns(f, s, from, n);
        n -= taken;
        from += taken * (int64_t)p->size;
    }
}

void
reduce_resume(struct reduce_feed *f)
{
    f->inside = 0;
}

/* A few rows at a time: they are then read in the order in which they lie. */
void
reduce_rows(struct reduce_feed *f, const void *x, int64_t rows)
{
    const int64_t inner = f->stage.inner, bytes = inner * (int64_t)f->plan->size, most = AT_ONCE > bytes ? AT_ONCE / bytes : 1;
    for (int64_t r = 0; r < rows; r += most)
        f->plan->fns->columns(f->current, (const char *)x + r * bytes, rows - r < most ? rows - r : most, inner, inner);
}

void
reduce_end(struct reduce_feed *f)
{
    const struct reduce_plan *p = f->plan;
    /* An axis without elements was never closed. */
    if (p->nstages && f->stage.trailing && !f->stage.length)
        p->fns->start(f->to, f->stage.outer);
}

void
reduce_finish(const struct reduce_plan *p, void *out, char *scratch, struct threads *t)
{
    char *rest = scratch;
    if (p->nstages > 1)
        rest += round64((size_t)(p->stage[0].outer * p->stage[0].inner) * p->size);
    run_stages(p, p->nstages ? 1 : 0, out, p->nstages > 1 ? scratch : out, rest, t);
}

/* argmax, argmin: the first of equals; the first NaN before all. */
#define ARG(T)                                                                                                               \
    static void arg_##T(bool most, int32_t *out, const T *x, int64_t outer, int64_t length, int64_t inner)                   \
    {                                                                                                                        \
        for (int64_t o = 0; o < outer; o++)                                                                                  \
            for (int64_t j = 0; j < inner; j++) {                                                                            \
                const T *at = x + o * length * inner + j;                                                                    \
                int64_t best = 0;                                                                                            \
                for (int64_t i = 1; i < length; i++) {                                                                       \
                    T a = at[i * inner], b = at[best * inner];                                                               \
                    if (b == b && (a != a || (most ? a > b : a < b)))                                                        \
                        best = i;                                                                                            \
                }                                                                                                            \
                out[o * inner + j] = (int32_t)best;                                                                          \
            }                                                                                                                \
    }
ARG(float)
ARG(double)
ARG(int32_t)
ARG(int64_t)
ARG(uint8_t)

struct arg_run {
    bool most;
    const struct tensor *in;
    int axis;
    int32_t *out;
};

static void
arg_part(void *context, int part, int parts)
{
    const struct arg_run *r = context;
    const struct type *t = &r->in->type;
    int64_t length = t->dim[r->axis], inner = type_span(t, r->axis + 1, t->rank, 0), outer = type_span(t, 0, r->axis, 0);
    int64_t first = threads_begin(outer, part, parts), count = threads_begin(outer, part + 1, parts) - first;
    const char *x = (const char *)r->in->data + (size_t)(first * length * inner) * elem_size(t->elem);
    int32_t *out = r->out + first * inner;
    switch ((enum elem)t->elem) {
    case ELEM_F32: arg_float(r->most, out, (const float *)x, count, length, inner); break;
    case ELEM_F64: arg_double(r->most, out, (const double *)x, count, length, inner); break;
    case ELEM_I32: arg_int32_t(r->most, out, (const int32_t *)x, count, length, inner); break;
    case ELEM_I64: arg_int64_t(r->most, out, (const int64_t *)x, count, length, inner); break;
    default: arg_uint8_t(r->most, out, (const uint8_t *)x, count, length, inner);
    }
}

static void
arg_run(const struct arg_run *r, struct threads *t)
{
    enum { NS = 1 }; /* an element */
    double cost = NS * (double)dense_count(&r->in->type);
    threads_run(t, threads_parts(t, cost, type_span(&r->in->type, 0, r->axis, 0)), arg_part, (void *)r);
}

bool
kernel_reduce(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    uint32_t axes = n->attr->axes.axes;
    if (n->op == OP_ARGMAX || n->op == OP_ARGMIN) {
        arg_run(&(struct arg_run){n->op == OP_ARGMAX, in[0], __builtin_ctz(axes), out->data}, k->threads);
        return true;
    }
    struct reduce_plan p;
    reduce_plan_make(&p, n->op, &in[0]->type, axes, kernel_isa(k));
    size_t bytes = reduce_plan_scratch(&p);
    char *scratch = bytes ? kernel_scratch(k, bytes) : NULL;
    if (bytes && !scratch)
        return false;
    reduce_plan_run(&p, out->data, in[0]->data, scratch, k->threads);
    return true;
}

struct prepared_reduce {
    struct prepared head;
    struct reduce_plan plan;
    int arg_axis;
    bool most;
};

static void
run_reduce(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct prepared_reduce *p = (struct prepared_reduce *)head;
    reduce_plan_run(&p->plan, out->data, in[0]->data, k->scratch, k->threads);
}

static void
run_arg(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct prepared_reduce *p = (struct prepared_reduce *)head;
    arg_run(&(struct arg_run){p->most, in[0], p->arg_axis, out->data}, k->threads);
}

struct prepared *
prepare_reduce(const struct node *n, const struct tensor *const *in, const struct tensor *out, struct kernel_context *k, struct arena *arena)
{
    struct prepared_reduce *p = ARENA_NEW(arena, struct prepared_reduce);
    if (!p)
        return NULL;
    if (n->op == OP_ARGMAX || n->op == OP_ARGMIN) {
        p->arg_axis = __builtin_ctz(n->attr->axes.axes);
        p->most = n->op == OP_ARGMAX;
        p->head.run = run_arg;
        return &p->head;
    }
    reduce_plan_make(&p->plan, n->op, &in[0]->type, n->attr->axes.axes, kernel_isa(k));
    p->head = (struct prepared){run_reduce, reduce_plan_scratch(&p->plan)};
    return &p->head;
}
