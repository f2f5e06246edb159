/* program: graph mode and machine code, and the choice of the mode. Machine code that is not at hand is made in a thread while
 * graph mode does the first steps; both have the same bits, so that nobody sees the change from one to the other. */
#include "frontend/cli/draws.h"
#include "frontend/cli/machine_code.h"
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
    code_fn *run;               /* machine code; NULL: graph mode runs */
    void *arena;                /* of the machine code: of |exec|, if there is one */
    int loss;                   /* index of the loss among the outputs; -1: none */
    int64_t *constants;         /* eight bytes an output, for those that are constants of rank 0 and lie nowhere else */
};

struct static_program {
    const struct model *model;
    const struct train_settings *train;
    struct tensor *values;
    struct program_options options;
    struct compiled train_graph, eval_graph;
    const struct graph *graphs[2];
    struct machine_code code;
    bool waiting;               /* for the thread that makes the code */
    struct kernel_context kernels;
    void **vars;                /* addresses of the variables */
    void **addresses;           /* of the inputs of a call */
    struct tensor *outputs;     /* of the last evaluation */
    struct eager *eager;        /* computes metrics */
    struct kernel_times *times; /* of machine code; NULL: nobody watches */
    bool has_rate;              /* output 1 of the training graph is the learning rate */
    struct arena *arena;        /* that of this structure */
    struct arena_undo undo;
    double rate;
    struct diag *diag;
};

static struct tensor
output_value(const struct static_program *p, const struct compiled *c, int index, int64_t rows)
{
    if (!c->run)
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

/* The graphs that are compiled, in the order of their functions. */
static int
compiled_graphs(struct static_program *p, struct compiled *out[2])
{
    int n = 0;
    if (p->train_graph.graph)
        out[n++] = &p->train_graph;
    if (p->eval_graph.graph)
        out[n++] = &p->eval_graph;
    return n;
}

/* From here on machine code runs. */
static void
use_code(struct static_program *p, const struct code *code)
{
    struct compiled *c[2];
    int count = compiled_graphs(p, c);
    for (int i = 0; i < count; i++) {
        if (c[i]->exec)
            c[i]->arena = exec_arena(c[i]->exec);
        c[i]->run = code_function(code, i);
    }
}

/* Between two calls: nothing but the variables lives from one to the next. */
static void
end_waiting(struct static_program *p)
{
    const struct code *code = machine_code_take(&p->code);
    p->waiting = false;
    if (code)
        use_code(p, code);
    else if (p->code.diag.first)
        diag_subject(p->diag, JIT_GIVEN_UP, NULL, p->code.diag.first->message);
}

static bool
call(struct static_program *p, struct compiled *c, void *const *inputs, int64_t rows, const struct step_numbers *numbers)
{
    if (p->waiting && machine_code_done(&p->code))
        end_waiting(p);
    program_inputs(p->model, inputs, numbers, p->addresses);
    if (!c->run)
        return exec_run(c->exec, p->addresses, rows);
    struct code_args args = {c->arena, p->addresses, p->vars, rows, &p->kernels};
    p->kernels.rows = rows;
    if (!p->times)
        return c->run(&args);
    double start = kernel_clock();
    bool ok = c->run(&args);
    p->times->others += kernel_clock() - start;
    p->times->count++;
    p->times->readings += 2;
    return ok;
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
    if (p->has_rate) {
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
plan(struct static_program *p, struct graph *g, int64_t rows, struct compiled *c)
{
    g->max_rows = rows;
    c->graph = g;
    return passes_run(g, p->options.without, PASS_PLAN, false, p->diag);
}

static bool
prepare_graph_mode(struct static_program *p)
{
    struct compiled *c[2];
    int count = compiled_graphs(p, c);
    for (int i = 0; i < count; i++)
        if (!(c[i]->exec = exec_new_threads(c[i]->graph, p->values, p->options.gemm, p->options.threads, p->diag)))
            return false;
    return true;
}

/* Memory for code that runs from the first step on. */
static bool
make_arenas(struct static_program *p)
{
    struct compiled *c[2];
    int count = compiled_graphs(p, c);
    for (int i = 0; i < count; i++) {
        struct type bytes = {.elem = ELEM_U8, .rank = 1, .dim = {c[i]->graph->arena_bytes}};
        c[i]->arena = tensor_new(&bytes).data;
        if (!c[i]->arena) {
            diag_report(p->diag, OUT_OF_MEMORY, (struct place){0});
            return false;
        }
    }
    return true;
}

static bool
prepare_code(struct static_program *p, struct arena *arena)
{
    struct compiled *c[2];
    int count = compiled_graphs(p, c);
    if (!count)
        return true;
    for (int i = 0; i < count; i++) {
        fill_constants(c[i], arena);
        p->graphs[i] = c[i]->graph;
    }
    struct machine_code *m = &p->code;
    m->graphs = (struct code_graphs){p->graphs, count, p->options.files, p->options.nfiles};
    m->options = p->options.code;
    m->cache = !p->options.no_cache;
    if (!code_allowed(p->diag))
        return false;
    const struct code *code = machine_code_find(m, arena);
    if (!code && !p->options.wait) {
        p->waiting = prepare_graph_mode(p) && machine_code_start(m);
        if (p->waiting || p->diag->errors)
            return p->waiting;
    }
    if (!code && !(code = machine_code_make(m, p->diag)))
        return false;
    if (!c[0]->exec && !make_arenas(p))
        return false;
    use_code(p, code);
    return true;
}

static void
release(struct compiled *c)
{
    struct tensor memory = {.data = c->arena};
    if (c->arena && !c->exec)
        tensor_free(&memory);
    if (c->exec)
        exec_free(c->exec);
}

/* A thread that makes code is waited for: the next start shall find it on disk. */
static void
destroy(void *self)
{
    struct static_program *p = self;
    arena_keep(p->arena, &p->undo);
    if (p->waiting)
        end_waiting(p);
    machine_code_free(&p->code);
    release(&p->train_graph);
    release(&p->eval_graph);
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
    *p = (struct static_program){.model = m, .train = t, .values = values, .options = *options, .rate = NAN, .diag = diag};
    *out = (struct program){p, train_step, eval_step, m->metrics ? metrics : NULL, NULL, destroy};
    p->arena = arena;
    arena_guard(arena, &p->undo, destroy, p);
    p->kernels.gemm = options->gemm;
    p->kernels.threads = options->threads;
    p->options.code.gemm = options->gemm;
    p->eager = eager_new(m, t, values, options->gemm, arena);
    p->addresses = ARENA_ARRAY(arena, void *, m->ninputs + 3 + m->nstep_draws);
    p->outputs = ARENA_ARRAY(arena, struct tensor, m->eval->noutputs + 1);
    p->vars = ARENA_ARRAY(arena, void *, m->module->nvars + 1);
    for (int i = 0; i < m->module->nvars; i++)
        p->vars[i] = values[i].data;
    if (options->train_rows) {
        struct graph *g = graph_new(arena, m->train->name);
        struct node *const *gradients = lower_train(m, t, g);
        p->has_rate = g->noutputs > 1;
        if (p->has_rate)
            out->lr = &p->rate;
        if (options->lowered)
            options->lowered(options->lowered_context, g, gradients);
        if (!plan(p, g, options->train_rows, &p->train_graph))
            return false;
    }
    p->eval_graph.loss = options->outputs_only || !m->has_loss ? -1 : m->nvalues;
    if (options->eval_rows) {
        struct graph *g = graph_new(arena, m->eval->name);
        lower_eval(m, options->outputs_only, g);
        if (!plan(p, g, options->eval_rows, &p->eval_graph))
            return false;
    }
    return options->mode == MODE_JIT ? prepare_code(p, arena) : prepare_graph_mode(p);
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
program_load_blas(struct diag *diag)
{
    choose_blas_kernels();
    return blas_load(diag);
}

bool
program_watch(const struct program *p, struct kernel_times *times)
{
    p = draws_inner(p);
    if (p->train_step == eager_train_step) {
        eager_times(p->self, times);
        return true;
    }
    struct static_program *s = p->self;
    bool is_code = s->train_graph.run;
    if (is_code)
        s->times = times;
    else
        exec_watch(s->train_graph.exec, times);
    return !is_code;
}

struct tensor
program_output(const struct program *p, int index, int64_t rows)
{
    p = draws_inner(p);
    if (p->train_step == eager_train_step)
        return eager_output(p->self, index);
    const struct static_program *s = p->self;
    const struct node *n = s->train_graph.graph->outputs[index].node;
    while (n->op == OP_STOP || n->op == OP_RESHAPE)
        n = n->in[0];
    return n->op == OP_VAR || n->op == OP_INPUT ? (struct tensor){0} : output_value(s, &s->train_graph, index, rows);
}

int64_t
program_memory(const struct program *p)
{
    p = draws_inner(p);
    if (p->train_step == eager_train_step)
        return eager_memory(p->self);
    const struct static_program *s = p->self;
    const struct compiled *c[] = {&s->train_graph, &s->eval_graph};
    int64_t bytes = 0;
    for (int i = 0; i < 2; i++)
        if (c[i]->graph)
            bytes += c[i]->exec ? exec_bytes(c[i]->exec) : c[i]->graph->arena_bytes;
    return bytes;
}

bool
program_new(const struct model *m, const struct train_settings *t, struct tensor *values, const struct program_options *options,
            struct arena *arena, struct program *out, struct diag *diag)
{
    if (options->gemm == GEMM_OPENBLAS && !program_load_blas(diag))
        return false;
    if (options->mode != MODE_EAGER)
        return static_new(m, t, values, options, arena, out, diag);
    struct eager *e = eager_new(m, t, values, options->gemm, arena);
    eager_threads(e, options->threads);
    eager_lowered(e, options->lowered, options->lowered_context);
    if (options->outputs_only)
        eager_outputs_only(e);
    *out = (struct program){e, eager_train_step, eager_eval_step, m->metrics ? eager_metrics : NULL, has_rate(m) ? eager_rate(e) : NULL, destroy_eager};
    return true;
}
