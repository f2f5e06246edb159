/* What eager mode costs beside its kernels: a step of 1,000 dependent adds on f32[1], less the same kernel calls in a C loop, in
 * microseconds an operation. Median of 41 pairs. */
#include "frontend/cli/program.h"
#include "tests/bench/timing.h"
#include <stdio.h>
#include <stdlib.h>

enum { OPS = 1000, STEPS = 20, PAIRS = 41 };

static void
add_many(void *last, struct graph *g)
{
    struct type type = {.elem = ELEM_F32, .rank = 1, .dim = {1}};
    struct node *x = graph_input(g, "x", &type), *n = x;
    for (int i = 0; i < OPS; i++)
        n = graph_add2(g, OP_ADD, n, x);
    *(struct node **)last = n;
}

static float
eager_steps(struct eager *e, float *input)
{
    void *inputs[1] = {input};
    float sum = 0;
    for (int s = 0; s < STEPS; s++) {
        struct node *n;
        if (!eager_run(e, inputs, 1, add_many, &n))
            abort();
        sum += *(const float *)eager_value(n)->data;
    }
    return sum;
}

static float
kernel_steps(const struct node *add, float *input)
{
    struct kernel_context k = {.rows = 1};
    float out[2];
    struct tensor x = {{.elem = ELEM_F32, .rank = 1, .dim = {1}}, input}, t = {x.type, out};
    const struct tensor *in[2] = {&t, &x};
    float sum = 0;
    for (int s = 0; s < STEPS; s++) {
        out[0] = *input;
        for (int i = 0; i < OPS; i++)
            kernel_run(add, in, &t, &k);
        sum += out[0];
    }
    kernel_context_free(&k);
    return sum;
}

int
main(void)
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct model m = {0};
    struct train_settings t = {0};
    struct eager *e = eager_new(&m, &t, NULL, GEMM_NNC, &arena);
    float input = 1e-3f;
    struct graph *g = graph_new(&arena, "one");
    struct type type = {.elem = ELEM_F32, .rank = 1, .dim = {1}};
    struct node *x = graph_input(g, "x", &type), *add = graph_add2(g, OP_ADD, x, x);
    static double cost[PAIRS], whole[PAIRS];
    float a = 0, b = 0;
    for (int p = 0; p < PAIRS; p++) {
        double t0 = now();
        a = eager_steps(e, &input);
        double t1 = now();
        b = kernel_steps(add, &input);
        double t2 = now();
        whole[p] = (t1 - t0) / STEPS / OPS;
        cost[p] = whole[p] - (t2 - t1) / STEPS / OPS;
    }
    qsort(cost, PAIRS, sizeof *cost, compare);
    qsort(whole, PAIRS, sizeof *whole, compare);
    printf("eager: %.3f us an operation, of which %.3f us are dispatch (smallest %.3f)%s\n", whole[PAIRS / 2], cost[PAIRS / 2], cost[0], a == b ? "" : "; RESULTS DIFFER");
    eager_free(e);
    arena_free(&arena);
    return a != b;
}
