/* What the kernels reach: products in GFLOP/s beside OpenBLAS, elementwise and fused work in ns. Not a test. */
#include "runtime/blas.h"
#include "runtime/exec.h"
#include "runtime/isa.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct work {
    const struct isa *isa;
    const struct gemm_shape *shape;
    const float *a, *b;
    float *c;
    void *scratch;
    const struct node *node;
    const struct tensor *const *in;
    struct tensor *out;
    struct kernel_context *kernels;
};
typedef void work_fn(const struct work *w);

/* Nanoseconds of one call: the best of ten rounds of about 3 ms. */
static double
measure(work_fn *fn, const struct work *w)
{
    double best = 1e30;
    long calls = 1;
    for (int round = 0; round < 10; round++) {
        double start = now();
        for (long i = 0; i < calls; i++)
            fn(w);
        double each = (now() - start) / (double)calls;
        if (each < best)
            best = each;
        calls = (long)(3e6 / each) + 1;
    }
    return best;
}

static float *
numbers(int64_t n)
{
    float *x = aligned_alloc(64, ((size_t)n * 4 + 127) / 64 * 64);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((i * 7919) % 1009) / 1009 + 0.1f;
    return x;
}

static void
own_gemm(const struct work *w)
{
    w->isa->gemm_f32(w->shape, &(struct gemm_part){0, w->shape->m, 0, w->shape->n}, w->a, w->b, w->c, w->scratch);
}

static void
openblas(const struct work *w)
{
    blas_sgemm(w->shape, w->a, w->b, w->c);
}

static void
gemms(bool has_blas)
{
    static const struct gemm_shape shapes[] = {
        {0, 0, 1000, 128, 100}, {0, 0, 1000, 10, 128}, {1, 0, 100, 128, 1000}, {1, 0, 128, 10, 1000}, {0, 1, 1000, 128, 10}, {0, 1, 1000, 100, 128},
        {0, 0, 32, 128, 784}, {1, 0, 784, 128, 32}, {0, 1, 32, 128, 64}, {0, 0, 32, 100, 10}, {0, 0, 512, 512, 512}, {0, 0, 1024, 1024, 1024},
    };
    printf("%-24s %10s %10s %10s\n", "m n k (GFLOP/s)", "v3", "v4", "OpenBLAS");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct gemm_shape *s = &shapes[i];
        struct work w = {.shape = s, .a = numbers(s->m * s->k), .b = numbers(s->k * s->n), .c = numbers(s->m * s->n)};
        double flops = 2.0 * (double)s->m * (double)s->n * (double)s->k, best = 0;
        w.scratch = numbers((int64_t)gemm_scratch(s, 4) / 4);
        printf("%c%c %5lld %5lld %5lld       ", s->transpose_a ? 'T' : 'N', s->transpose_b ? 'T' : 'N', (long long)s->m, (long long)s->n, (long long)s->k);
        for (int v = 0; v < isa_count(); v++)
            if ((w.isa = isa_get(v))) {
                best = flops / measure(own_gemm, &w);
                printf(" %10.1f", best);
            }
        if (has_blas) {
            double theirs = flops / measure(openblas, &w);
            printf(" %10.1f   %.2f x", theirs, best / theirs);
        }
        printf("\n");
        free((void *)w.a);
        free((void *)w.b);
        free(w.c);
        free(w.scratch);
    }
}

static void
run_node(const struct work *w)
{
    kernel_run(w->node, w->in, w->out, w->kernels);
}

static void
show_node(const char *what, const struct node *n)
{
    struct tensor in[3], out = tensor_new(&n->type);
    const struct tensor *operands[3];
    struct kernel_context k = {.rows = 1};
    for (int i = 0; i < n->nin; i++) {
        in[i] = tensor_new(&n->in[i]->type);
        for (int64_t j = 0; j < tensor_count(&in[i]); j++)
            ((float *)in[i].data)[j] = (float)((j * 7919) % 1009) / 1009 + 0.1f;
        operands[i] = &in[i];
    }
    struct work w = {.node = n, .in = operands, .out = &out, .kernels = &k};
    int64_t count = tensor_count(n->nin ? &in[0] : &out);
    printf("%-36s", what);
    for (int v = 0; v < isa_count(); v++)
        if ((k.isa = isa_get(v))) {
            double ns = measure(run_node, &w);
            printf(" %10.1f ns %8.3f ns/element", ns, ns / (double)count);
        }
    printf("\n");
    for (int i = 0; i < n->nin; i++)
        tensor_free(&in[i]);
    tensor_free(&out);
    kernel_context_free(&k);
}

static struct type
matrix(int64_t rows, int64_t columns)
{
    return (struct type){.elem = ELEM_F32, .rank = 2, .dim = {rows, columns}};
}

static struct node *
input(struct graph *g, int64_t rows, int64_t columns)
{
    struct type t = matrix(rows, columns);
    return graph_input(g, "x", &t);
}

static void
nodes(struct graph *g)
{
    static const enum op unary[] = {OP_NEG, OP_SQRT, OP_EXP, OP_LOG, OP_TANH, OP_SIGMOID, OP_ERF, OP_SIN};
    struct node *one = input(g, 1, 1), *x = input(g, 1000, 128), *row = input(g, 1, 128), *column = input(g, 1000, 1);
    struct node *y = input(g, 1000, 10), *y_row = input(g, 1, 10), *y_column = input(g, 1000, 1);
    show_node("add 1", graph_add2(g, OP_ADD, one, one));
    show_node("add 1000x128", graph_add2(g, OP_ADD, x, x));
    show_node("add 1000x128 + 128", graph_add2(g, OP_ADD, x, row));
    show_node("add 1000x128 + 1000x1", graph_add2(g, OP_ADD, x, column));
    show_node("add 1000x10 + 10", graph_add2(g, OP_ADD, y, y_row));
    show_node("add 1000x10 + 1000x1", graph_add2(g, OP_ADD, y, y_column));
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
        show_node(op_info[unary[i]].text, graph_add1(g, unary[i], x));
    show_node("div", graph_add2(g, OP_DIV, x, x));
    show_node("pow", graph_add2(g, OP_POW, x, x));
    show_node("max", graph_add2(g, OP_MAX, x, x));
    show_node("sum 1000x128 over rows", graph_reduce(g, OP_SUM, x, 1, false));
    show_node("sum 1000x128 over columns", graph_reduce(g, OP_SUM, x, 2, false));
    show_node("sum 1000x128", graph_reduce(g, OP_SUM, x, 3, false));
    show_node("sum 1000x10 over columns", graph_reduce(g, OP_SUM, y, 2, false));
    show_node("sum 1000x10 over rows", graph_reduce(g, OP_SUM, y, 1, false));
    show_node("max_over 1000x10 over columns", graph_reduce(g, OP_MAX_OVER, y, 2, false));
    show_node("max_over 1000x128 over columns", graph_reduce(g, OP_MAX_OVER, x, 2, false));
    show_node("transpose 1000x128", graph_transpose(g, x, (int8_t[]){1, 0}));
}

/* A graph of |count| fused chains on [rows, 10], planned by hand: what exec and a fused call cost. */
static void
fused_chain(struct arena *arena, int64_t rows, int ops)
{
    enum { NODES = 100 };
    struct graph *g = graph_new(arena, "chain");
    struct type t = matrix(rows, 10), r = matrix(1, 10);
    struct node *x = graph_input(g, "x", &t), *row = graph_input(g, "row", &r), *last = x;
    x->storage = row->storage = STORAGE_INPUT;
    row->offset = 1;
    for (int i = 0; i < NODES; i++) {
        struct graph *body = graph_new(arena, "body");
        struct node *a = graph_input(body, "a", &t), *b = graph_input(body, "b", &r), *v = a;
        for (int k = 0; k < ops; k++)
            v = graph_add2(body, k % 2 ? OP_MUL : OP_ADD, v, k % 3 ? b : a);
        graph_output(body, "v", v);
        last = graph_add(g, OP_FUSED, 2, (struct node *[]){last, row}, NULL, &t);
        last->body = body;
        last->storage = STORAGE_ARENA;
        last->offset = (i & 1) * rows * 40 / 64 * 64 + (i & 1) * 64;
    }
    graph_output(g, "out", last);
    g->max_rows = 1;
    g->arena_bytes = rows * 80 + 128;
    struct diag diag;
    diag_init(&diag, arena);
    struct exec *e = exec_new(g, NULL, GEMM_NNC, &diag);
    float *a = numbers(rows * 10), *b = numbers(10);
    void *inputs[2] = {a, b};
    double best = 1e30;
    for (int round = 0; round < 200; round++) {
        double start = now();
        exec_run(e, inputs, 1);
        if (now() - start < best)
            best = now() - start;
    }
    printf("fused %4lld x 10, %2d operations: %8.1f ns a call\n", (long long)rows, ops, best / NODES);
    exec_free(e);
    free(a);
    free(b);
}

int
main(void)
{
    struct arena arena;
    struct diag diag;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    float_enter();
    gemms(blas_load(&diag));
    nodes(graph_new(&arena, "bench"));
    for (int ops = 1; ops <= 16; ops *= 4) {
        fused_chain(&arena, 1, ops);
        fused_chain(&arena, 32, ops);
        fused_chain(&arena, 1000, ops);
    }
    arena_free(&arena);
    return 0;
}
