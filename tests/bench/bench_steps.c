/* Training steps of a .nn file in each mode, against the time of its contractions alone in OpenBLAS:
 *     bench_steps FILE [graph|eager|jit [nnc|openblas]]...
 * Prints the median of 21 pairs, each a run of steps and a run of the contractions in turn. */
#include "frontend/cli/cli.h"
#include "passes/pass.h"
#include "tests/bench/timing.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 21 };

static struct tensor
filled(const struct type *t, int64_t rows)
{
    struct type at = type_at(t, rows);
    struct tensor x = tensor_new(&at);
    int64_t n = tensor_count(&x);
    for (int64_t i = 0; i < n && at.elem == ELEM_F32; i++)
        ((float *)x.data)[i] = (float)((i * 2654435761u >> 7) & 1023) / 1024 - 0.5f;
    return x;
}

/* The contractions of a step, each on tensors of its own. */
struct contractions {
    struct node **node;
    struct tensor *tensors; /* three a node */
    int count;
    struct kernel_context kernels;
};

static void
contractions_find(struct contractions *c, const struct session *s, int64_t rows)
{
    struct graph *g = graph_new(s->arena, "step");
    lower_train(s->model, &s->x->train, g);
    pass_cse(g, s->diag);
    pass_dce(g, s->diag);
    c->node = ARENA_ARRAY(s->arena, struct node *, g->count);
    c->tensors = ARENA_ARRAY(s->arena, struct tensor, g->count * 3);
    for (int i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (n->op != OP_MATMUL)
            continue;
        struct tensor *t = &c->tensors[3 * c->count];
        t[0] = filled(&n->in[0]->type, rows);
        t[1] = filled(&n->in[1]->type, rows);
        t[2] = filled(&n->type, rows);
        c->node[c->count++] = n;
    }
    c->kernels = (struct kernel_context){.rows = rows, .gemm = GEMM_OPENBLAS};
}

static double
contractions_time(struct contractions *c, int repeat)
{
    double t = now();
    for (int r = 0; r < repeat; r++)
        for (int i = 0; i < c->count; i++) {
            struct tensor *x = &c->tensors[3 * i];
            const struct tensor *in[2] = {&x[0], &x[1]};
            kernel_run(c->node[i], in, &x[2], &c->kernels);
        }
    return (now() - t) / repeat;
}

static double
steps_time(struct session *s, struct program *p, int64_t rows, int repeat)
{
    void *inputs[64];
    struct step_numbers numbers = {0};
    double loss, t = now();
    for (int r = 0; r < repeat; r++, numbers.step++) {
        set_rows_at(&s->info, &s->train.view, (numbers.step * rows) % (s->train.view.rows - rows + 1), inputs);
        p->train_step(p->self, inputs, rows, &numbers, &loss);
    }
    return (now() - t) / repeat;
}

static void
measure(struct session *s, struct contractions *c, const char *mode, const char *gemm, int64_t rows)
{
    struct program p;
    static double steps[PAIRS], products[PAIRS], ratios[PAIRS];
    s->cli->options.mode = mode;
    s->cli->options.gemm = gemm;
    if (!session_program(s, rows, 0, false, &p))
        return;
    double once = steps_time(s, &p, rows, 3);
    int repeat = once > 0 ? (int)(20000 / once) + 1 : 100;
    for (int i = 0; i < PAIRS; i++) {
        steps[i] = steps_time(s, &p, rows, repeat);
        products[i] = contractions_time(c, repeat);
        ratios[i] = steps[i] / products[i];
    }
    printf("%-6s %-9s step %9.2f us, contractions in OpenBLAS %9.2f us, ratio %.2f\n", mode, gemm, median(steps, PAIRS), median(products, PAIRS),
           median(ratios, PAIRS));
    p.destroy(p.self);
}

int
main(int argc, char **argv)
{
    struct arena arena;
    struct diag diag;
    struct cli cli = {.arena = &arena, .diag = &diag};
    struct session s;
    if (argc < 2)
        return 2;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&cli.sources, &arena);
    cli.options.operand = argv[1];
    cli.options.epochs = -1;
    setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512vl") ? "SkylakeX" : "Haswell", 0); /* as the program does */
    float_enter();
    if (session_open(&s, &cli) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL) && blas_load(&diag)) {
        int64_t rows = s.x->train.batch < s.train.view.rows ? s.x->train.batch : s.train.view.rows;
        struct contractions c = {0};
        contractions_find(&c, &s, rows);
        static const char *const all[] = {"eager", "graph", "jit"}, *const gemms[] = {"nnc", "openblas"};
        for (int i = 2; i < argc; i += 2)
            measure(&s, &c, argv[i], i + 1 < argc ? argv[i + 1] : "nnc", rows);
        for (int i = 0; argc == 2 && i < 6; i++)
            measure(&s, &c, all[i / 2], gemms[i % 2], rows);
    }
    render_diag(&diag, &cli.sources, stderr, false);
    return (int)diag.status;
}
