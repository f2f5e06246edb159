/* kernel_map: elementwise operations, casts and broadcasts of whole tensors. */
#include "runtime/kernel_impl.h"

row_fn *
row_of(const struct isa *isa, enum op op, const struct type *last_in, const struct type *out)
{
    if (op == OP_CAST)
        return isa->cast[last_in->elem][out->elem];
    return isa->row[op == OP_BROADCAST ? OP_STOP : op][last_in->elem];
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
    p->count = dense_count(out);
    p->out_size = elem_size(out->elem);
    p->flat = is_flat(nin, in, p->count, p->step);
    if (p->flat)
        return;
    p->walk.operand = p->operand;
    walk_make(&p->walk, out, nin, in);
    /* One operation has no intermediates to keep in L1: long rows need no pieces, unless an operand is expanded. */
    if (p->walk.rows == 1)
        p->walk.chunk = p->walk.extent[p->walk.rank - 1];
    for (int i = 0; i < nin; i++)
        p->step[i] = p->operand[i].step;
}

void
map_plan_run(const struct map_plan *p, void *out, const void *const *in, char *scratch)
{
    if (p->flat) {
        p->fn(out, in, p->step, p->count);
        return;
    }
    struct walk_at at;
    int64_t expanded[3] = {-1, -1, -1};
    const void *from[3];
    for (walk_start(&at); walk_next(&p->walk, &at);) {
        for (int i = 0; i < p->nin; i++)
            from[i] = walk_operand(&p->walk, &at, i, in[i], scratch + (size_t)i * round64(WALK_BUFFER), &expanded[i]);
        p->fn((char *)out + at.start * (int64_t)p->out_size, from, p->step, at.n);
    }
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
    uint8_t step[3];
    if (is_flat(n->nin, types, count, step)) {
        fn(out->data, data, step, count);
        return true;
    }
    struct map_plan p;
    map_plan_make(&p, fn, n->nin, types, &out->type);
    char *scratch = kernel_scratch(k, map_plan_scratch(&p));
    if (scratch)
        map_plan_run(&p, out->data, data, scratch);
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
run_map(struct prepared *head, const struct tensor *const *in, struct tensor *out, char *scratch)
{
    const struct map_plan *p = &((struct prepared_map *)head)->plan;
    const void *data[3];
    for (int i = 0; i < p->nin; i++)
        data[i] = in[i]->data;
    map_plan_run(p, out->data, data, scratch);
}

struct prepared *
prepare_map(const struct node *n, const struct tensor *const *in, const struct tensor *out, int64_t rows, const struct isa *isa,
            struct arena *arena)
{
    struct prepared_map *p = ARENA_NEW(arena, struct prepared_map);
    if (!p)
        return NULL;
    const struct type *types[3];
    for (int i = 0; i < n->nin; i++)
        types[i] = &in[i]->type;
    map_plan_make(&p->plan, row_of(isa, n->op, types[n->nin - 1], &out->type), n->nin, types, &out->type);
    p->head = (struct prepared){run_map, map_plan_scratch(&p->plan)};
    return &p->head;
}
