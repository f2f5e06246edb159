/* Random graphs, their values and gradients: equal to the bit between the reference evaluator, eager, graph and machine
 * code, for several numbers of rows, with every pass and without each, at several vector widths.
 *
 *     NNC_GRAPHS=20000 NNC_SEED=77 test_random_graphs       so many graphs, from that seed on
 *
 *     NNC_GRAPHS=0 NNC_ONLY=tanh test_random_graphs         only the graphs of that operation alone
 *
 * A failure names the seed; NNC_GRAPHS=1 NNC_SEED=that NNC_ONLY= repeats it. */
#include "codegen/codegen.h"
#include "passes/pass.h"
#include "runtime/exec.h"
#include "runtime/threads.h"
#include "tests/reference/draw.h"
#include "tests/reference/random_graph.h"
#include "tests/reference/reference.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRAPHS = 300, PARTS = 6, BATCHES = 3, ROUNDS_OF_ONE_OPERATION = 8 };

/* What a graph is run on, and what it must give. */
struct expected {
    int64_t rows;
    struct tensor *values;  /* by node id of the graph as built */
};
struct trial {
    uint64_t seed;
    enum op only;
    struct arena arena;
    jmp_buf oom;
    struct diag diag;
    struct random_graph made;
    void **inputs;          /* for the most rows; fewer take the front */
    struct tensor *vars;
    struct expected batch[BATCHES];
    char what[96];          /* the way of running that is looked at */
    const struct graph *planned; /* what is run in that way; NULL: the graph as made */
};

/* What stands in front of every failure. */
#define WHERE "seed %llu of %s, %s: "
#define WHERE_ARGS(t) (unsigned long long)(t)->seed, (t)->only == OP_COUNT ? "all" : op_info[(t)->only].text, (t)->what

static struct tensor
allocate(const struct type *type, int64_t rows)
{
    struct type concrete = type_at(type, rows);
    struct tensor t = tensor_new(&concrete);
    cr_assert(t.data, "out of memory");
    return t;
}

static const char *
trouble(const struct trial *t)
{
    return t->diag.first ? t->diag.first->message : "";
}

/* ---- data ---- */

static void
fill_vars(struct trial *t)
{
    bool special = t->only != OP_COUNT && t->seed % 2;
    for (int i = 0; i < t->made.nvars; i++)
        random_fill(&t->vars[i], t->seed * 1000 + (uint64_t)i, special);
}

static void
make_data(struct trial *t)
{
    struct graph *g = t->made.g;
    bool special = t->seed % (t->only == OP_COUNT ? 10 : 2) == 1;
    t->inputs = calloc((size_t)g->ninputs + 1, sizeof *t->inputs);
    t->vars = calloc((size_t)t->made.nvars + 1, sizeof *t->vars);
    for (int i = 0; i < g->ninputs; i++) {
        struct tensor in = allocate(&g->inputs[i]->type, RANDOM_ROWS);
        random_fill(&in, t->seed * 1000 + 500 + (uint64_t)i, special && i > 2);
        t->inputs[i] = in.data;
    }
    for (int i = 0; i < t->made.nvars; i++)
        t->vars[i] = allocate(&t->made.vars[i].type, 0);
    fill_vars(t);
}

static void
trial_begin(struct trial *t, uint64_t seed, enum op only)
{
    static const int rows[] = {1, 2, 3, 15, 16, 17, 31};
    *t = (struct trial){.seed = seed, .only = only};
    arena_init(&t->arena, &t->oom);
    diag_init(&t->diag, &t->arena);
    t->made = random_graph_new(&t->arena, seed, only, NULL, NULL);
    make_data(t);
    for (int i = 0; i < BATCHES; i++) {
        t->batch[i].rows = i == 0 ? RANDOM_ROWS : i == 1 ? 1 : rows[seed % 7];
        t->batch[i].values = reference_run(t->made.g, t->inputs, t->vars, t->batch[i].rows);
    }
}

static void
trial_end(struct trial *t)
{
    for (int i = 0; i < BATCHES; i++)
        reference_free(t->batch[i].values, t->made.g->count);
    for (int i = 0; i < t->made.g->ninputs; i++)
        tensor_free(&(struct tensor){t->made.g->inputs[i]->type, t->inputs[i]});
    reference_free(t->vars, t->made.nvars);
    free(t->inputs);
    arena_free(&t->arena);
}

/* ---- comparison ---- */

static double
element_as_real(const struct tensor *t, int64_t i)
{
    double x;
    reference_cast((enum elem)t->type.elem, ELEM_F64, &x, reference_element(t, i));
    return x;
}

static void
same(struct trial *t, int64_t rows, const struct tensor *is, const struct tensor *wanted, const char *value)
{
    int64_t at = 0;
    if (reference_same(is, wanted, &at))
        return;
    char a[TYPE_TEXT], b[TYPE_TEXT];
    cr_assert(at >= 0, WHERE "%s is %s, not %s", WHERE_ARGS(t), value, type_text(&is->type, ",", a),
              type_text(&wanted->type, ",", b));
    cr_assert_fail(WHERE "%lld rows: %s %s[%lld] is %a, not %a\n%s%s", WHERE_ARGS(t), (long long)rows, value,
                   type_text(&is->type, ",", a), (long long)at, element_as_real(is, at), element_as_real(wanted, at),
                   graph_text(t->made.g, &t->arena, false), t->planned ? graph_text(t->planned, &t->arena, false) : "");
}

/* The outputs, and what the variables hold afterwards. */
static void
same_results(struct trial *t, const struct expected *e, const struct tensor *outputs)
{
    struct graph *g = t->made.g;
    for (int i = 0; i < g->noutputs; i++)
        same(t, e->rows, &outputs[i], &e->values[g->outputs[i].node->id], g->outputs[i].name);
    for (int id = 0; id < g->count; id++)
        if (g->nodes[id]->op == OP_UPDATE) {
            int var = g->nodes[id]->in[0]->attr->name.index;
            same(t, e->rows, &t->vars[var], &e->values[id], t->made.vars[var].name);
        }
}

/* ---- eager: the hook runs each node's kernel when it is built ---- */

struct eager {
    struct trial *t;
    const struct expected *e;
    struct tensor *value;
    int cap;
    struct kernel_context kernels;
};

static void
run_now(void *context, struct node *n)
{
    struct eager *r = context;
    const struct tensor *in[16];
    if (n->id >= r->cap) {
        r->cap = n->id * 2 + 16;
        r->value = realloc(r->value, (size_t)r->cap * sizeof *r->value);
    }
    struct tensor *out = &r->value[n->id];
    *out = allocate(&n->type, r->e->rows);
    for (int i = 0; i < n->nin; i++)
        in[i] = &r->value[n->in[i]->id];
    if (n->op == OP_INPUT)
        memcpy(out->data, r->t->inputs[n->attr->name.index], (size_t)tensor_bytes(out));
    else if (n->op == OP_VAR) {
        struct tensor var = allocate(&n->type, 0);
        random_fill(&var, r->t->seed * 1000 + (uint64_t)n->attr->name.index, r->t->only != OP_COUNT && r->t->seed % 2);
        tensor_free(out);
        *out = var;
    } else {
        cr_assert(kernel_run(n, in, out, &r->kernels), "%s: out of memory", op_info[n->op].text);
    }
}

/* 1, 2, 3 or 5, which cut up whatever they can. */
static struct threads *
some_threads(const struct trial *t)
{
    static const int counts[] = {1, 2, 3, 5};
    struct threads *threads = threads_new(counts[t->seed % 4]);
    threads_least(threads, 0);
    return threads;
}

static void
check_eager(struct trial *t, const struct expected *e)
{
    struct arena arena;
    jmp_buf oom;
    struct threads *threads = some_threads(t);
    struct eager r = {.t = t, .e = e, .kernels = {.rows = e->rows, .threads = threads}};
    arena_init(&arena, &oom);
    snprintf(t->what, sizeof t->what, "eager");
    struct random_graph made = random_graph_new(&arena, t->seed, t->only, run_now, &r);
    cr_assert_eq(made.g->count, t->made.g->count);
    for (int id = 0; id < made.g->count; id++) {
        char name[64];
        snprintf(name, sizeof name, "node %d (%s)", id, op_info[made.g->nodes[id]->op].text);
        same(t, e->rows, &r.value[id], &e->values[id], name);
    }
    for (int id = 0; id < made.g->count; id++)
        tensor_free(&r.value[id]);
    free(r.value);
    kernel_context_free(&r.kernels);
    threads_free(threads);
    arena_free(&arena);
}

/* ---- graph: passes, plan, exec; and the same graph as machine code ---- */

/* A planned graph's text is read back to the same text, and what is read is accepted by the verifier. */
static void
check_text(struct trial *t, struct graph *g)
{
    char *text = graph_text(g, g->arena, true);
    struct diag diag;
    diag_init(&diag, g->arena);
    struct module *m = module_read(g->arena, text, strlen(text), 1, &diag);
    cr_assert(m && m->ngraphs == 1, WHERE "%s\n%s", WHERE_ARGS(t), diag.first ? diag.first->message : "", text);
    cr_assert(graph_verify(m->graphs[0], &diag), WHERE "read back: %s\n%s", WHERE_ARGS(t), diag.first->message, text);
    char *again = graph_text(m->graphs[0], g->arena, true);
    cr_assert(!strcmp(text, again), WHERE "read back\n%s\nas\n%s", WHERE_ARGS(t), text, again);
}

static void
check_exec(struct trial *t, const struct graph *g)
{
    struct threads *threads = some_threads(t);
    struct exec *e = exec_new_threads(g, t->vars, GEMM_NNC, threads, &t->diag);
    cr_assert(e, "%s", trouble(t));
    struct tensor *outputs = calloc((size_t)g->noutputs + 1, sizeof *outputs);
    for (int i = 0; i < BATCHES; i++) {
        fill_vars(t);
        cr_assert(exec_run(e, t->inputs, t->batch[i].rows), "out of memory");
        for (int k = 0; k < g->noutputs; k++)
            outputs[k] = exec_output(e, k);
        same_results(t, &t->batch[i], outputs);
    }
    free(outputs);
    exec_free(e);
    threads_free(threads);
}

static void *
output_data(const struct node *n, void *arena, void *const *inputs, const struct tensor *vars, char number[8])
{
    void *data = value_address(n, arena, inputs, vars);
    if (data || !node_is_number(n))
        return data;
    if (elem_is_float((enum elem)n->type.elem))
        reference_cast(ELEM_F64, (enum elem)n->type.elem, number, &n->attr->value.real);
    else
        reference_cast(ELEM_I64, (enum elem)n->type.elem, number, &n->attr->value.whole);
    return number;
}

static void
check_code(struct trial *t, const struct graph *g, const struct codegen *codegen, int width)
{
    struct threads *threads = some_threads(t);
    struct code_options options = {.vector_width = width, .cut_small = threads_count(threads) > 1};
    snprintf(t->what + strlen(t->what), sizeof t->what - strlen(t->what), ", machine code of width %d", width);
    struct code *code = code_compile(codegen, &(struct code_graphs){.graph = &g, .count = 1}, &options, &t->diag);
    cr_assert(code, WHERE "%s\n%s", WHERE_ARGS(t), trouble(t), graph_text(g, g->arena, false));
    struct tensor *outputs = calloc((size_t)g->noutputs + 1, sizeof *outputs);
    void **vars = calloc((size_t)t->made.nvars + 1, sizeof *vars);
    char(*numbers)[8] = calloc((size_t)g->noutputs + 1, sizeof *numbers);
    for (int i = 0; i < t->made.nvars; i++)
        vars[i] = t->vars[i].data;
    struct type bytes = {.elem = ELEM_U8, .rank = 1, .dim = {g->arena_bytes}};
    for (int i = 0; i < BATCHES; i++) {
        struct tensor arena = tensor_new(&bytes);
        struct kernel_context kernels = {.rows = t->batch[i].rows, .threads = threads};
        fill_vars(t);
        struct code_args args = {arena.data, t->inputs, vars, t->batch[i].rows, &kernels};
        cr_assert(code_function(code, 0)(&args), "out of memory");
        for (int k = 0; k < g->noutputs; k++) {
            const struct node *n = g->outputs[k].node;
            outputs[k] = (struct tensor){type_at(&n->type, t->batch[i].rows),
                                         output_data(n, arena.data, t->inputs, t->vars, numbers[k])};
        }
        same_results(t, &t->batch[i], outputs);
        kernel_context_free(&kernels);
        tensor_free(&arena);
    }
    free(numbers);
    free(vars);
    free(outputs);
    code_free(code);
    threads_free(threads);
}

static void
check_planned(struct trial *t, uint32_t without, const struct codegen *codegen, int width)
{
    struct arena arena;
    jmp_buf oom;
    arena_init(&arena, &oom);
    snprintf(t->what, sizeof t->what, "passes without %#x", without);
    struct graph *g = random_graph_new(&arena, t->seed, t->only, NULL, NULL).g;
    cr_assert(passes_run(g, without, PASS_PLAN, true, &t->diag), WHERE "%s\n%s\nof\n%s", WHERE_ARGS(t), trouble(t),
              graph_text(g, &arena, false), graph_text(t->made.g, &arena, false));
    t->planned = g;
    check_text(t, g);
    check_exec(t, g);
    if (width >= 0)
        check_code(t, g, codegen, width);
    t->planned = NULL;
    arena_free(&arena);
}

/* ---- all of it ---- */

static void
check_graph(uint64_t seed, enum op only, const struct codegen *codegen)
{
    struct trial t;
    uint32_t optional = 0;
    trial_begin(&t, seed, only);
    for (int i = 0; i < BATCHES; i++)
        check_eager(&t, &t.batch[i]);
    for (int p = 0; p < PASS_COUNT; p++)
        optional |= (uint32_t)pass_info[p].optional << p;
    int host = codegen ? 0 : -1;
    check_planned(&t, 0, codegen, host);
    check_planned(&t, optional, codegen, seed % 4 == 1 ? host : -1);
    for (int p = 0; p < PASS_COUNT; p++)
        if (optional >> p & 1)
            check_planned(&t, 1u << p, codegen, -1);
    if (codegen && seed % 4 == 2)
        check_planned(&t, 0, codegen, 4);
    if (codegen && seed % 4 == 3)
        check_planned(&t, 0, codegen, 8);
    trial_end(&t);
}

static long
from_environment(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

/* Graphs of single operations. */
static void
check_operation(enum op op, const struct codegen *codegen)
{
    const char *only = getenv("NNC_ONLY");
    for (int i = 0; i < ROUNDS_OF_ONE_OPERATION && (!only || !strcmp(only, op_info[op].text)); i++)
        check_graph((uint64_t)op * 100 + (uint64_t)i, op, i % 2 ? NULL : codegen);
}

/* One program a part, so that the parts run side by side. */
static void
check_part(int part)
{
    unsigned before = float_enter();
    struct codegen codegen;
    struct arena arena;
    struct diag diag;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    bool has_code = codegen_load(&codegen, &diag);
    long graphs = from_environment("NNC_GRAPHS", GRAPHS), first = from_environment("NNC_SEED", 1);
    for (long i = part; i < graphs; i += PARTS)
        check_graph((uint64_t)(first + i), OP_COUNT, has_code ? &codegen : NULL);
    for (int op = part; op < OP_COUNT; op += PARTS)
        check_operation((enum op)op, has_code ? &codegen : NULL);
    if (has_code)
        codegen_unload(&codegen);
    arena_free(&arena);
    float_leave(before);
}
Test(random_graphs, part_0) { check_part(0); }
Test(random_graphs, part_1) { check_part(1); }
Test(random_graphs, part_2) { check_part(2); }
Test(random_graphs, part_3) { check_part(3); }
Test(random_graphs, part_4) { check_part(4); }
Test(random_graphs, part_5) { check_part(5); }
