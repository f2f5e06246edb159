/* The time of each pass on graphs of 1,250 nodes, twice that, ... to 40,000: deep perceptrons with batch norm, their gradients and Adam. A pass whose
 * time for twice the nodes is more than twice as long shows here. */
#include "passes/pass.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 64, RUNS = 5 };

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

struct maker {
    struct graph *g;
    struct node *vars[8192];
    int nvars;
};

static struct node *
variable(struct maker *m, int rank)
{
    char name[32];
    struct type type = {ELEM_F32, (uint8_t)rank, {WIDTH, rank > 1 ? WIDTH : 0}};
    snprintf(name, sizeof name, "v%d", m->nvars);
    m->vars[m->nvars] = graph_var(m->g, arena_text(m->g->arena, name, strlen(name)), m->nvars, &type);
    return m->vars[m->nvars++];
}

/* relu(norm(x @ w + b)) * gamma + beta */
static struct node *
layer(struct maker *m, struct node *x)
{
    struct graph *g = m->g;
    struct node *z = graph_add2(g, OP_ADD, graph_matmul(g, x, variable(m, 2), false, false), variable(m, 1));
    struct node *d = graph_add2(g, OP_SUB, z, graph_reduce(g, OP_MEAN, z, 1, true));
    struct node *v = graph_reduce(g, OP_MEAN, graph_add2(g, OP_MUL, d, d), 1, false);
    struct node *n = graph_add2(g, OP_DIV, d, graph_add1(g, OP_SQRT, graph_add2(g, OP_ADD, v, graph_number(g, ELEM_F32, 1e-3))));
    n = graph_add2(g, OP_ADD, graph_add2(g, OP_MUL, n, variable(m, 1)), variable(m, 1));
    return graph_add2(g, OP_MAX, n, graph_number(g, ELEM_F32, 0));
}

static void
adam(struct maker *m, struct node *p, struct node *gradient_of_p)
{
    struct graph *g = m->g;
    struct node *mean = variable(m, p->type.rank), *square = variable(m, p->type.rank);
    struct node *m1 = graph_add2(g, OP_ADD, mean, graph_add2(g, OP_MUL, graph_add2(g, OP_SUB, gradient_of_p, mean), graph_number(g, ELEM_F32, 0.1)));
    struct node *gg = graph_add2(g, OP_MUL, gradient_of_p, gradient_of_p);
    struct node *v1 = graph_add2(g, OP_ADD, square, graph_add2(g, OP_MUL, graph_add2(g, OP_SUB, gg, square), graph_number(g, ELEM_F32, 0.001)));
    struct node *down = graph_add2(g, OP_ADD, graph_add1(g, OP_SQRT, v1), graph_number(g, ELEM_F32, 1e-7));
    struct node *step = graph_add2(g, OP_DIV, graph_add2(g, OP_MUL, m1, graph_number(g, ELEM_F32, 0.01)), down);
    graph_add2(g, OP_UPDATE, mean, m1);
    graph_add2(g, OP_UPDATE, square, v1);
    graph_add2(g, OP_UPDATE, p, graph_add2(g, OP_SUB, p, step));
}

static struct graph *
make(struct arena *a, int nodes)
{
    struct maker *m = calloc(1, sizeof *m);
    m->g = graph_new(a, "bench");
    struct node *x = graph_input(m->g, "x", &(struct type){ELEM_F32, 2, {DIM_N, WIDTH}});
    for (int layers = nodes / 120; layers > 0; layers--)
        x = layer(m, x);
    struct node *loss = graph_reduce(m->g, OP_MEAN, graph_add2(m->g, OP_MUL, x, x), 3, false);
    int count = m->nvars;
    struct node **gradients = calloc((size_t)count, sizeof *gradients);
    gradient(m->g, loss, count, m->vars, gradients);
    for (int i = 0; i < count; i++)
        adam(m, m->vars[i], gradients[i]);
    graph_output(m->g, "loss", loss);
    m->g->max_rows = 32;
    struct graph *g = m->g;
    free(gradients);
    free(m);
    return g;
}

struct times {
    double of[PASS_COUNT], start;
};

static bool
stop_clock(void *context, enum pass p, struct graph *g, struct diag *diag)
{
    struct times *t = context;
    double time = now();
    t->of[p] += time - t->start;
    t->start = time;
    return true;
}

/* Of |RUNS| runs, the shortest as a whole. What changes nothing is counted with its successor. */
static double
measure(int nodes, struct times *best, int *out_nodes)
{
    double shortest = 1e30;
    for (int run = 0; run < RUNS; run++) {
        struct arena a;
        struct diag diag;
        arena_init(&a, NULL);
        diag_init(&diag, &a);
        struct graph *g = make(&a, nodes);
        *out_nodes = g->count;
        struct times t = {.start = now()};
        double start = t.start;
        if (!passes_run_watched(g, 0, PASS_PLAN, stop_clock, &t, &diag))
            fprintf(stderr, "%s\n", diag.first ? diag.first->message : "a pass failed");
        double all = now() - start;
        if (all < shortest) {
            shortest = all;
            *best = t;
        }
        arena_free(&a);
    }
    return shortest;
}

int
main(void)
{
    printf("%8s %8s", "nodes", "all ms");
    for (int p = 0; p < PASS_COUNT; p++)
        printf(" %8s", pass_info[p].name);
    printf("\n");
    for (int nodes = 1250; nodes <= 40000; nodes *= 2) {
        struct times t;
        int count;
        double all = measure(nodes, &t, &count);
        printf("%8d %8.2f", count, all);
        for (int p = 0; p < PASS_COUNT; p++)
            printf(" %8.2f", t.of[p]);
        printf("\n");
    }
    return 0;
}
