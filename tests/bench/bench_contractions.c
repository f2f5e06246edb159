/* Contractions alone, as machine code and in OpenBLAS: every one of a training step of W1-W4 (mlp, mlp_bn, sine, digits), forward and
 * both gradients, and large squares.
 *     bench_contractions [PART OF A NAME]
 * Each line: the medians of 41 pairs, jit and OpenBLAS in turn, in GFLOP/s of the thread's CPU time, and the median of the pairs' ratios.
 * At the end the least ratio and the geometric mean of the shapes of the steps. */
#include "codegen/codegen.h"
#include "passes/pass.h"
#include "runtime/blas.h"
#include "runtime/exec.h"
#include "tests/bench/timing.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAIRS = 41, SECONDS_OF_PAIRS = 2 };

/* m, k, n: c[m, n] = a[m, k] @ b[k, n]. A number below zero is the run's rows, N. */
static const struct shape {
    const char *model, *text;
    int64_t m, k, n;
    bool transpose_a, transpose_b;
} shapes[] = {
    {"W1", "x @ w1", -1000, 100, 128, false, false},
    {"W1", "h @ w2", -1000, 128, 10, false, false},
    {"W1", "dz @ w2^T", -1000, 10, 128, false, true},
    {"W1", "h^T @ dz", 128, -1000, 10, true, false},
    {"W1", "x^T @ dh", 100, -1000, 128, true, false},
    {"W2", "x @ w1", -1000, 100, 256, false, false},
    {"W2", "h @ w2", -1000, 256, 128, false, false},
    {"W2", "dk @ w2^T", -1000, 128, 256, false, true},
    {"W2", "h^T @ dk", 256, -1000, 128, true, false},
    {"W2", "x^T @ dh", 100, -1000, 256, true, false},
    {"W3", "x @ w1", -32, 10, 100, false, false},
    {"W3", "h @ w2", -32, 100, 1, false, false},
    {"W3", "dp @ w2^T", -32, 1, 100, false, true},
    {"W3", "h^T @ dp", 100, -32, 1, true, false},
    {"W3", "x^T @ dh", 10, -32, 100, true, false},
    {"W4", "x @ w1", -32, 784, 128, false, false},
    {"W4", "h @ w2", -32, 128, 64, false, false},
    {"W4", "k @ w3", -32, 64, 10, false, false},
    {"W4", "dz @ w3^T", -32, 10, 64, false, true},
    {"W4", "dk @ w2^T", -32, 64, 128, false, true},
    {"W4", "k^T @ dz", 64, -32, 10, true, false},
    {"W4", "h^T @ dk", 128, -32, 64, true, false},
    {"W4", "x^T @ dh", 784, -32, 128, true, false},
    {"square", "1024", 1024, 1024, 1024, false, false},
    {"square", "2048", 2048, 2048, 2048, false, false},
};

static double
cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int64_t
size_of(int64_t n)
{
    return n < 0 ? -n : n;
}

static void
write_dim(char *to, int64_t n)
{
    if (n < 0)
        strcpy(to, "N");
    else
        sprintf(to, "%d", (int)n);
}

static struct graph *
product_graph(const struct shape *s, struct arena *arena, struct diag *diag)
{
    char text[512], m[24], k[24], n[24];
    write_dim(m, s->m);
    write_dim(k, s->k);
    write_dim(n, s->n);
    snprintf(text, sizeof text, "graph g(a: f32[%s,%s], b: f32[%s,%s]) {\n  %%1 = matmul a, b%s : f32[%s,%s]\n  return %%1 \"c\"\n}\n",
             s->transpose_a ? k : m, s->transpose_a ? m : k, s->transpose_b ? n : k, s->transpose_b ? k : n,
             s->transpose_a ? " {transpose_a}" : s->transpose_b ? " {transpose_b}" : "", m, n);
    struct module *module = module_read(arena, text, strlen(text), 1, diag);
    if (!module)
        return NULL;
    struct graph *g = module->graphs[0];
    g->max_rows = s->m < 0 ? -s->m : s->k < 0 ? -s->k : 1;
    return passes_run(g, 0, PASS_PLAN, false, diag) ? g : NULL;
}

static struct tensor
filled(const struct type *t, int64_t rows)
{
    struct type at = type_at(t, rows);
    struct tensor x = tensor_new(&at);
    for (int64_t i = 0; i < tensor_count(&x); i++)
        ((float *)x.data)[i] = (float)((i * 2654435761u >> 7) & 1023) / 1024 - 0.5f;
    return x;
}

struct run {
    code_fn *code;
    struct code_args args;
    struct node *node;
    const struct tensor *in[2];
    struct tensor out;
    struct kernel_context kernels;
};

static double
jit_time(struct run *r, int repeat)
{
    double t = cpu_time();
    for (int i = 0; i < repeat; i++)
        r->code(&r->args);
    return (cpu_time() - t) / repeat;
}

static double
blas_time(struct run *r, int repeat)
{
    double t = cpu_time();
    for (int i = 0; i < repeat; i++)
        kernel_run(r->node, r->in, &r->out, &r->kernels);
    return (cpu_time() - t) / repeat;
}

/* The median ratio of OpenBLAS's time to that of machine code. */
static double
measure(const struct shape *s, struct run *r)
{
    double jit[PAIRS], blas[PAIRS], ratio[PAIRS], flops = 2.0 * (double)size_of(s->m) * (double)size_of(s->n) * (double)size_of(s->k);
    double once = (jit_time(r, 2), jit_time(r, 2)) + (blas_time(r, 2), blas_time(r, 2));
    int repeat = (int)((double)SECONDS_OF_PAIRS / PAIRS / 8 / once) + 1;
    for (int i = 0; i < PAIRS; i++) {
        jit[i] = jit_time(r, repeat);
        blas[i] = blas_time(r, repeat);
        ratio[i] = blas[i] / jit[i];
    }
    double a = median(jit, PAIRS), b = median(blas, PAIRS), q = median(ratio, PAIRS);
    printf("%-7s %-10s %5d x %4d x %4d %s %9.2f us %7.1f GFLOP/s   OpenBLAS %9.2f us %7.1f   %5.2f\n", s->model, s->text, (int)size_of(s->m),
           (int)size_of(s->k), (int)size_of(s->n), s->transpose_a ? "TN" : s->transpose_b ? "NT" : "NN", a * 1e6, flops / a * 1e-9, b * 1e6,
           flops / b * 1e-9, q);
    fflush(stdout);
    return q;
}

static double
bench(const struct shape *s, const struct codegen *gen, struct arena *arena, struct diag *diag)
{
    struct graph *g = product_graph(s, arena, diag);
    struct code_graphs graphs = {.graph = (const struct graph *[]){g}, .count = 1};
    struct code *code = g ? code_compile(gen, &graphs, &(struct code_options){0}, diag) : NULL;
    if (!code)
        return 0;
    int64_t rows = g->max_rows;
    struct tensor a = filled(&g->inputs[0]->type, rows), b = filled(&g->inputs[1]->type, rows), c = filled(&g->outputs[0].node->type, rows);
    struct type bytes = {.elem = ELEM_U8, .rank = 1, .dim = {g->arena_bytes}};
    struct tensor memory = tensor_new(&bytes);
    struct run r = {.code = code_function(code, 0), .node = g->outputs[0].node, .in = {&a, &b}, .out = c};
    void *inputs[2] = {a.data, b.data}, *vars[1] = {NULL};
    struct kernel_context context = {.rows = rows};
    r.kernels = (struct kernel_context){.rows = rows, .gemm = GEMM_OPENBLAS};
    r.args = (struct code_args){memory.data, inputs, vars, rows, &context};
    double ratio = measure(s, &r);
    kernel_context_free(&context);
    kernel_context_free(&r.kernels);
    code_free(code);
    tensor_free(&a);
    tensor_free(&b);
    tensor_free(&c);
    tensor_free(&memory);
    return ratio;
}

int
main(int argc, char **argv)
{
    struct arena arena;
    struct diag diag;
    struct codegen gen;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512vl") ? "SkylakeX" : "Haswell", 0); /* as the program does */
    if (codegen_load(&gen, &diag) && blas_load(&diag)) {
        double least = INFINITY, logs = 0;
        int count = 0;
        float_enter();
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s %s", shapes[i].model, shapes[i].text);
            if (argc > 1 && !strstr(name, argv[1]))
                continue;
            double ratio = bench(&shapes[i], &gen, &arena, &diag);
            if (shapes[i].model[0] != 'W')
                continue;
            least = ratio < least ? ratio : least;
            logs += log(ratio);
            count++;
        }
        printf("least %.2f, geometric mean %.2f of %d shapes of the steps\n", least, exp(logs / (count ? count : 1)), count);
    }
    for (const struct diagnostic *d = diag.first; d; d = d->next)
        fprintf(stderr, "%s\n", d->message);
    return (int)diag.status;
}
