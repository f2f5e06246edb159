/* program: graph mode and machine code, and the choice of the mode. */
#include "frontend/cli/program.h"
#include "passes/pass.h"
#include "runtime/exec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One graph, lowered, optimised and planned once. */
struct compiled {
    struct graph *graph;
    struct exec *exec;          /* graph mode */
    struct code *code;          /* machine code */
    code_fn *run;
    void *arena;
    int loss;                   /* index of the loss among the outputs; -1: none */
    int64_t *constants;         /* eight bytes an output, for those that are constants of rank 0 and lie nowhere else */
};

struct static_program {
    const struct model *model;
    const struct train_settings *train;
    struct tensor *values;
    struct program_options options;
    struct codegen codegen;
    struct compiled train_graph, eval_graph;
    struct kernel_context kernels;
    void **vars;                /* addresses of the variables */
    void **addresses;           /* of the inputs of a call */
    struct tensor *outputs;     /* of the last evaluation */
    struct eager *eager;        /* computes metrics */
    double rate;
    struct program self;
};

static struct tensor
output_value(const struct static_program *p, const struct compiled *c, int index, int64_t rows)
{
    if (c->exec)
        return exec_output(c->exec, index);
    const struct node *n = c->graph->outputs[index].node;
    void *address = value_address(n, c->arena, p->addresses, p->values);
    return (struct tensor){type_at(&n->type, rows), address ? address : &c->constants[index]};
}

static void
fill_constants(struct compiled *c, struct arena *arena)
{
    c->constants = ARENA_ARRAY(arena, int64_t, c->graph->noutputs + 1);
    for (int i = 0; i < c->graph->noutputs; i++) {
        const struct node *n = c->graph->outputs[i].node;
        while (n->op == OP_STOP || n->op == OP_RESHAPE)
            n = n->in[0];
        if (!node_is_number(n))
            continue;
        if (n->type.elem == ELEM_F32)
            *(float *)(void *)&c->constants[i] = (float)n->attr->value.real;
        else if (n->type.elem == ELEM_F64)
            memcpy(&c->constants[i], &n->attr->value.real, sizeof c->constants[i]);
        else if (elem_size((enum elem)n->type.elem) == 1)
            *(uint8_t *)&c->constants[i] = (uint8_t)n->attr->value.whole;
        else
            c->constants[i] = n->attr->value.whole; /* little-endian: i32 lies in front */
    }
}

static double
number_of(const struct tensor *t)
{
    return t->type.elem == ELEM_F32 ? *(const float *)t->data : *(const double *)t->data;
}

static bool
call(struct static_program *p, struct compiled *c, void *const *inputs, int64_t rows, const struct step_numbers *numbers)
{
    program_inputs(p->model, inputs, numbers, p->addresses);
    if (c->exec)
        return exec_run(c->exec, p->addresses, rows);
    struct code_args args = {c->arena, p->addresses, p->vars, rows, &p->kernels};
    p->kernels.rows = rows;
    c->run(&args);
    return true;
}

static bool
train_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss)
{
    struct static_program *p = self;
    struct compiled *c = &p->train_graph;
    if (!call(p, c, inputs, rows, numbers))
        return false;
    struct tensor loss = output_value(p, c, 0, rows);
    *out_loss = number_of(&loss);
    if (c->graph->noutputs > 1) {
        struct tensor rate = output_value(p, c, 1, rows);
        p->rate = number_of(&rate);
    }
    return true;
}

static bool
eval_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss, const struct tensor **out_values)
{
    struct static_program *p = self;
    struct compiled *c = &p->eval_graph;
    if (!call(p, c, inputs, rows, numbers))
        return false;
    for (int i = 0; i < c->graph->noutputs; i++) {
        p->outputs[i] = output_value(p, c, i, rows);
        if (i == c->loss)
            *out_loss = number_of(&p->outputs[i]);
        else
            out_values[i] = &p->outputs[i];
    }
    return true;
}

static bool
metrics(void *self, const struct tensor *values, int64_t rows, double *out_metrics)
{
    struct static_program *p = self;
    return eager_metrics(p->eager, values, rows, out_metrics);
}

static bool
compile(struct static_program *p, struct graph *g, int64_t rows, struct compiled *c, struct diag *diag)
{
    g->max_rows = rows;
    c->graph = g;
    if (!passes_run(g, p->options.without, PASS_PLAN, false, diag))
        return false;
    if (p->options.mode == MODE_GRAPH)
        return (c->exec = exec_new(g, p->values, p->options.gemm, diag)) != NULL;
    struct type bytes = {.elem = ELEM_U8, .rank = 1, .dim = {g->arena_bytes}};
    struct tensor memory = tensor_new(&bytes);
    c->arena = memory.data;
    if (!memory.data) {
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
        return false;
    }
    if (!(c->code = p->codegen.compile(g, &p->options.code, diag)))
        return false;
    c->run = p->codegen.function(c->code);
    fill_constants(c, g->arena);
    return true;
}

static void
release(struct static_program *p, struct compiled *c)
{
    if (c->exec)
        exec_free(c->exec);
    if (c->code)
        p->codegen.free(c->code);
    struct tensor memory = {.data = c->arena};
    if (c->arena)
        tensor_free(&memory);
}

static void
destroy(void *self)
{
    struct static_program *p = self;
    release(p, &p->train_graph);
    release(p, &p->eval_graph);
    if (p->codegen.handle)
        codegen_unload(&p->codegen);
    if (p->eager)
        eager_free(p->eager);
    kernel_context_free(&p->kernels);
}

static void
destroy_eager(void *self)
{
    eager_free(self);
}

static bool
static_new(const struct model *m, const struct train_settings *t, struct tensor *values, const struct program_options *options,
           struct arena *arena, struct program *out, struct diag *diag)
{
    struct static_program *p = ARENA_NEW(arena, struct static_program);
    *p = (struct static_program){.model = m, .train = t, .values = values, .options = *options, .rate = NAN};
    *out = (struct program){p, train_step, eval_step, m->metrics ? metrics : NULL, NULL, destroy};
    p->kernels.gemm = options->gemm;
    p->options.code.gemm = options->gemm;
    p->eager = eager_new(m, t, values, options->gemm, arena);
    p->addresses = ARENA_ARRAY(arena, void *, m->ninputs + 3);
    p->outputs = ARENA_ARRAY(arena, struct tensor, m->eval->noutputs + 1);
    p->vars = ARENA_ARRAY(arena, void *, m->module->nvars + 1);
    for (int i = 0; i < m->module->nvars; i++)
        p->vars[i] = values[i].data;
    if (options->mode == MODE_JIT && !codegen_load(&p->codegen, diag))
        return false;
    if (options->train_rows) {
        struct graph *g = graph_new(arena, m->train->name);
        lower_train(m, t, g);
        if (g->noutputs > 1)
            out->lr = &p->rate;
        if (!compile(p, g, options->train_rows, &p->train_graph, diag))
            return false;
    }
    p->eval_graph.loss = options->outputs_only || !m->has_loss ? -1 : m->nvalues;
    if (options->eval_rows) {
        struct graph *g = graph_new(arena, m->eval->name);
        lower_eval(m, options->outputs_only, g);
        return compile(p, g, options->eval_rows, &p->eval_graph, diag);
    }
    return true;
}

static bool
has_rate(const struct model *m)
{
    for (int i = 0; m->optimizers && i < m->nlayer_vars; i++)
        if (m->optimizers[i] && m->optimizers[i]->has_rate)
            return true;
    return false;
}

/* OpenBLAS 0.3.21 takes its slowest kernels on CPUs that are newer than itself (seen: Prescott on Sapphire Rapids, a fifth of the speed). What the
 * user has set stays. */
static void
choose_blas_kernels(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512vl") ? "SkylakeX" : "Haswell", 0);
#endif
}

bool
program_new(const struct model *m, const struct train_settings *t, struct tensor *values, const struct program_options *options,
            struct arena *arena, struct program *out, struct diag *diag)
{
    if (options->gemm == GEMM_OPENBLAS) {
        choose_blas_kernels();
        if (!blas_load(diag))
            return false;
    }
    if (options->mode != MODE_EAGER)
        return static_new(m, t, values, options, arena, out, diag);
    struct eager *e = eager_new(m, t, values, options->gemm, arena);
    if (options->outputs_only)
        eager_outputs_only(e);
    *out = (struct program){e, eager_train_step, eager_eval_step, m->metrics ? eager_metrics : NULL, has_rate(m) ? eager_rate(e) : NULL, destroy_eager};
    return true;
}
