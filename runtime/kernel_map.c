/* kernel_map: elementwise operations, casts and broadcasts of whole tensors. */
#include "runtime/kernel_impl.h"

row_fn *
row_of(const struct isa *isa, enum op op, const struct type *last_in, const struct type *out)
{
    if (op == OP_CAST)
        return isa->cast[last_in->elem][out->elem];
    return isa->row[op == OP_BROADCAST ? OP_STOP : op][last_in->elem];
}

double
row_cost(enum op op, enum elem elem)
{
    static const float of_op[OP_COUNT] = {
        [OP_DIV] = 0.12f, [OP_SQRT] = 0.15f, [OP_FLOORDIV] = 0.3f, [OP_EXP] = 0.35f, [OP_EXPM1] = 0.5f, [OP_LOG] = 0.5f, [OP_LOG1P] = 0.6f,
        [OP_TANH] = 0.6f, [OP_SIGMOID] = 0.5f, [OP_ERF] = 0.8f, [OP_SIN] = 0.8f, [OP_COS] = 0.8f, [OP_POW] = 1.5f,
    };
    double cost = of_op[op] > 0 ? (double)of_op[op] : 0.08;
    return elem_size(elem) == 8 ? 2 * cost : cost;
}

/* Whether each operand is a scalar or has as many elements as the result, and so lies like it; then the steps are stored. */
static inline bool
is_flat(int nin, const struct type *const *in, int64_t count, uint8_t *step)
{
    for (int i = 0; i < nin; i++) {
        int64_t n = dense_count(in[i]);
        if (n != count && n != 1)
            return false;
        step[i] = n != 1;
    }
    return true;
}

void
map_plan_make(struct map_plan *p, row_fn *fn, int nin, const struct type *const *in, const struct type *out)
{
    p->fn = fn;
    p->nin = nin;
    p->parts = 1;
    p->count = dense_count(out);
    p->out_size = elem_size(out->elem);
    p->flat = is_flat(nin, in, p->count, p->step);
    for (int i = 0; i < nin; i++)
        p->in_size[i] = elem_size(in[i]->elem);
    if (p->flat)
        return;
    p->walk.operand = p->operand;
    walk_make(&p->walk, out, nin, in, WALK_BLOCK);
    /* One operation has no intermediates to keep in L1: long rows need no pieces, unless an operand is expanded. */
    if (p->walk.rows == 1)
        p->walk.chunk = p->walk.extent[p->walk.rank - 1];
    for (int i = 0; i < nin; i++)
        p->step[i] = p->operand[i].step;
}

/* Elements of which a thread gets some whole number: none shares a cache line of the result with another. */
static int64_t
map_unit(const struct map_plan *p)
{
    int64_t unit = p->flat ? 1 : walk_unit(&p->walk);
    return unit >= 64 ? unit : (64 + unit - 1) / unit * unit;
}

void
map_plan_cut(struct map_plan *p, double cost, const struct threads *t)
{
    p->parts = threads_parts(t, cost * (double)p->count, p->count / map_unit(p));
}

struct map_run {
    const struct map_plan *plan;
    char *out;
    const void *const *in;
    char *scratch;
};

static void
map_part(void *context, int part, int parts)
{
    const struct map_run *r = context;
    const struct map_plan *p = r->plan;
    const int64_t size = (int64_t)p->out_size, unit = map_unit(p), units = (p->count + unit - 1) / unit;
    int64_t first = threads_begin(units, part, parts) * unit, end = threads_begin(units, part + 1, parts) * unit;
    const void *from[3];
    if (end > p->count)
        end = p->count;
    if (p->flat) {
        for (int i = 0; i < p->nin; i++)
            from[i] = (const char *)r->in[i] + (p->step[i] ? (size_t)first * p->in_size[i] : 0);
        p->fn(r->out + first * size, from, p->step, end - first);
        return;
    }
    char *scratch = r->scratch + (size_t)(part * p->nin) * MAP_BUFFER;
    struct walk_at at;
    int64_t expanded[3] = {-1, -1, -1};
    for (walk_start(&p->walk, &at, first, end); walk_next(&p->walk, &at);) {
        for (int i = 0; i < p->nin; i++)
            from[i] = walk_operand(&p->walk, &at, i, r->in[i], scratch + (size_t)i * MAP_BUFFER, &expanded[i]);
        p->fn(r->out + at.start * size, from, p->step, at.n);
    }
}

void
map_plan_run(const struct map_plan *p, void *out, const void *const *in, char *scratch, struct threads *t)
{
    if (p->flat && p->parts == 1) {
        p->fn(out, in, p->step, p->count);
        return;
    }
    struct map_run r = {p, out, in, scratch};
    threads_run(t, p->parts, map_part, &r);
}

bool
kernel_map(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    const void *data[3];
    const struct type *types[3];
    for (int i = 0; i < n->nin; i++) {
        data[i] = in[i]->data;
        types[i] = &in[i]->type;
    }
    row_fn *fn = row_of(kernel_isa(k), n->op, types[n->nin - 1], &out->type);
    int64_t count = dense_count(&out->type);
    double cost = row_cost(n->op, types[n->nin - 1]->elem);
    uint8_t step[3];
    if (threads_parts(k->threads, cost * (double)count, count) == 1 && is_flat(n->nin, types, count, step)) {
        fn(out->data, data, step, count);
        return true;
    }
    struct map_plan p;
    map_plan_make(&p, fn, n->nin, types, &out->type);
    map_plan_cut(&p, cost, k->threads);
    char *scratch = kernel_scratch(k, map_plan_scratch(&p));
    if (scratch)
        map_plan_run(&p, out->data, data, scratch, k->threads);
    return scratch;
}

bool
kernel_BROADCAST(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    return kernel_map(n, in, out, k);
}

struct prepared_map {
    struct prepared head;
    struct map_plan plan;
};

static void
run_map(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    const struct map_plan *p = &((struct prepared_map *)head)->plan;
    const void *data[3];
    for (int i = 0; i < p->nin; i++)
        data[i] = in[i]->data;
    map_plan_run(p, out->data, data, k->scratch, k->threads);
}

struct prepared *
prepare_map(const struct node *n, const struct tensor *const *in, const struct tensor *out, struct kernel_context *k, struct arena *arena)
{
    struct prepared_map *p = ARENA_NEW(arena, struct prepared_map);
    if (!p)
        return NULL;
    const struct type *types[3];
    for (int i = 0; i < n->nin; i++)
        types[i] = &in[i]->type;
    map_plan_make(&p->plan, row_of(kernel_isa(k), n->op, types[n->nin - 1], &out->type), n->nin, types, &out->type);
    map_plan_cut(&p->plan, row_cost(n->op, types[n->nin - 1]->elem), k->threads);
    p->head = (struct prepared){run_map, map_plan_scratch(&p->plan)};
    return &p->head;
}
