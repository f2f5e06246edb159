#include "codegen/runtime_calls.h"
#include "runtime/isa.h"
#include "runtime/kernel_impl.h"
#include "runtime/threads.h"
#include <stdatomic.h>

int32_t
code_random(int32_t op, int32_t elem, uint64_t stream, double from, double to, int64_t count, const int64_t *seed,
            const int64_t *step, void *out, struct kernel_context *k)
{
    struct attr attr = {.stream = {stream, from, to}};
    struct node number = {.op = OP_INPUT, .type = type_scalar(ELEM_I64)};
    struct node n = {.op = (uint16_t)op, .nin = 2, .in = (struct node *[]){&number, &number}, .attr = &attr};
    n.type = (struct type){.elem = (uint8_t)elem, .rank = 1, .dim = {count}};
    /* The kernel reads its operands only. */
    struct tensor seeds = {type_scalar(ELEM_I64), (void *)seed}, steps = {type_scalar(ELEM_I64), (void *)step};
    struct tensor result = {n.type, out};
    return kernel_run(&n, (const struct tensor *const[]){&seeds, &steps}, &result, k);
}

int32_t
code_gemm(int32_t elem, int32_t transpose_a, int32_t transpose_b, int64_t batch, int64_t m, int64_t n, int64_t k,
          const void *a, const void *b, void *c, struct kernel_context *context)
{
    struct attr attr = {.matmul = {transpose_a != 0, transpose_b != 0}};
    struct type ta = {.elem = (uint8_t)elem, .rank = 3, .dim = {batch, transpose_a ? k : m, transpose_a ? m : k}};
    struct type tb = {.elem = (uint8_t)elem, .rank = 3, .dim = {batch, transpose_b ? n : k, transpose_b ? k : n}};
    struct node na = {.op = OP_INPUT, .type = ta}, nb = {.op = OP_INPUT, .type = tb};
    struct node product = {.op = OP_MATMUL, .nin = 2, .in = (struct node *[]){&na, &nb}, .attr = &attr};
    product.type = (struct type){.elem = (uint8_t)elem, .rank = 3, .dim = {batch, m, n}};
    struct tensor x = {ta, (void *)a}, y = {tb, (void *)b}, z = {product.type, c};
    return kernel_run(&product, (const struct tensor *const[]){&x, &y}, &z, context);
}

int32_t
code_kernel(const struct code_node *what, int64_t rows, const void *a, const void *b, void *out, struct kernel_context *k)
{
    struct node operands[2] = {{.op = OP_INPUT, .type = what->in[0]}, {.op = OP_INPUT, .type = what->in[1]}};
    struct node n = {.op = (uint16_t)what->op, .nin = b ? 2 : 1, .in = (struct node *[]){&operands[0], &operands[1]}};
    n.type = what->type;
    n.attr = &what->attr;
    struct tensor x = {type_at(&what->in[0], rows), (void *)a}, y = {type_at(&what->in[1], rows), (void *)b};
    struct tensor result = {type_at(&what->type, rows), out};
    return kernel_run(&n, (const struct tensor *const[]){&x, &y}, &result, k);
}

void *
code_scratch(struct kernel_context *k, int64_t bytes)
{
    return kernel_scratch(k, (size_t)bytes);
}

/* One for each part, on lines of their own; the one before stands before it. */
struct code_chain {
    _Alignas(64) _Atomic int64_t done;  /* pieces; of the one before the first part: all there are */
};

void
code_chain_wait(struct code_chain *c)
{
    threads_until(&c[-1].done, atomic_load_explicit(&c->done, memory_order_relaxed) + 1);
}

void
code_chain_next(struct code_chain *c)
{
    int64_t done = atomic_load_explicit(&c->done, memory_order_relaxed);
    atomic_store_explicit(&c->done, done + 1, memory_order_release);
}

struct parts {
    code_part_fn *fn;
    const void *context;
    char *scratch;
    size_t scratch_each;
    int64_t count, unit;
    struct code_chain chain[THREADS_MAX + 1];
};

static void
run_part(void *context, int part, int parts)
{
    struct parts *p = context;
    int64_t units = (p->count + p->unit - 1) / p->unit;
    int64_t begin = threads_begin(units, part, parts) * p->unit, end = threads_begin(units, part + 1, parts) * p->unit;
    void *scratch = p->scratch ? p->scratch + (size_t)part * p->scratch_each : NULL;
    p->fn(p->context, scratch, begin, end < p->count ? end : p->count, &p->chain[part + 1]);
}

int32_t
code_parts(struct kernel_context *k, code_part_fn *fn, const void *context, int64_t scratch, int64_t count, int64_t unit,
           int64_t ps)
{
    struct parts p;
    p.fn = fn;
    p.context = context;
    p.scratch = NULL;
    p.scratch_each = round64((size_t)scratch);
    p.count = count;
    p.unit = unit;
    /* For all threads at once: a later call with more rows shall not allocate. */
    if (scratch && !(p.scratch = kernel_scratch(k, (size_t)threads_count(k->threads) * p.scratch_each)))
        return 0;
    int parts = threads_parts(k->threads, (double)ps / 1000 * THREADS_PART_NS / CODE_PART_NS, (count + unit - 1) / unit);
    for (int i = 0; i <= parts; i++)
        atomic_init(&p.chain[i].done, i ? 0 : INT64_MAX);
    threads_run(k->threads, parts, run_part, &p);
    return 1;
}

void
code_transpose(const float *from, int64_t from_row, float *to, int64_t to_row, int64_t rows, int64_t columns)
{
    isa_host()->transpose_f32(from, from_row, to, to_row, rows, columns);
}
