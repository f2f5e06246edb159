/* code_check: graphs as text, compiled, against graph mode: equal bits. For tests. */
#ifndef NNC_TESTS_CODE_CHECK_H
#define NNC_TESTS_CODE_CHECK_H
#include "codegen/codegen.h"
#include "passes/pass.h"
#include "runtime/exec.h"
#include "runtime/threads.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096, VARS_MAX = 8, INPUTS_MAX = 8, GUARD = 8192 };

/* ---- data ---- */

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Numbers of all kinds: small, large, equal ones, zeros of both signs, infinities, NaN. Names that begin with "i":
 * indices from -1 to 8; with "p": positive. */
static double
odd_number(uint64_t *state, const char *name)
{
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 0.5, 88.5, -90, 1e30, -1e-30,
                                     1.17549435e-38, 3e38, 2.5, -2.5};
    uint64_t kind = next_random(state) % 8;
    double x = (double)next_random(state) / 0x1p31 * 6 - 3;
    if (name[0] == 'i')
        return (double)(next_random(state) % 10) - 1;
    if (name[0] == 'p')
        return fabs(x) + 0.125;
    return kind == 0 ? special[next_random(state) % 16] : kind == 1 ? rint(x) : x;
}

static void
fill(struct tensor *t, const char *name, uint64_t seed)
{
    uint64_t state = seed * 977 + 5;
    for (int64_t i = 0; i < tensor_count(t); i++) {
        double x = odd_number(&state, name);
        int64_t whole = (int64_t)(next_random(&state) << 20);
        if (isfinite(x) && fabs(x) < 1e9)
            whole = (int64_t)(name[0] == 'i' ? x : x * 100);
        switch ((enum elem)t->type.elem) {
        case ELEM_F32: ((float *)t->data)[i] = (float)x; break;
        case ELEM_F64: ((double *)t->data)[i] = fabs(x) < 2.3e-308 ? 0 : x; break;
        case ELEM_I32: ((int32_t *)t->data)[i] = (int32_t)whole; break;
        case ELEM_I64: ((int64_t *)t->data)[i] = whole; break;
        case ELEM_U8: ((uint8_t *)t->data)[i] = (uint8_t)whole; break;
        default: ((uint8_t *)t->data)[i] = whole & 1; break;
        }
    }
}

/* Whether the bits are equal; any NaN equals any other. */
static bool
same_bits(const struct type *t, const void *a, const void *b, int64_t *out_at)
{
    int64_t count = type_count(t, 0), size = (int64_t)elem_size((enum elem)t->elem);
    for (int64_t i = 0; i < count; i++) {
        const char *x = (const char *)a + i * size, *y = (const char *)b + i * size;
        bool nan = (t->elem == ELEM_F32 && isnan(*(const float *)x) && isnan(*(const float *)y)) ||
                   (t->elem == ELEM_F64 && isnan(*(const double *)x) && isnan(*(const double *)y));
        *out_at = i;
        if (!nan && memcmp(x, y, (size_t)size))
            return false;
    }
    return true;
}

/* ---- one graph ---- */

struct fixture {
    struct arena arena;
    struct diag diag;
    struct codegen gen;
    struct threads *threads;    /* of compiled code; NULL: one */
};

static void
setup(struct fixture *f)
{
    f->threads = NULL;
    arena_init(&f->arena, NULL);
    diag_init(&f->diag, &f->arena);
    bool loaded = codegen_load(&f->gen, &f->diag);
    if (!loaded && f->diag.first->code == DIAG_NO_LLVM) {
        cr_assert_eq(f->diag.status, STATUS_USAGE);
        cr_skip_test("built without LLVM");
    }
    cr_assert(loaded, "%s", f->diag.first->message);
}

static void
teardown(struct fixture *f)
{
    codegen_unload(&f->gen);
    arena_free(&f->arena);
}

static const char *
said(const struct fixture *f)
{
    return f->diag.first ? f->diag.first->message : "nothing";
}

/* Reads the graph, with |d| for each '#', and runs the passes for |rows| rows at most. */
static struct graph *
planned(struct fixture *f, const char *text, int64_t d, int64_t rows, bool fuse)
{
    char full[TEXT_MAX];
    size_t at = 0;
    for (const char *p = text; *p; p++)
        at += (size_t)(*p == '#' ? snprintf(full + at, sizeof full - at, "%d", (int)d)
                                 : snprintf(full + at, sizeof full - at, "%c", *p));
    cr_assert(at < sizeof full);
    struct module *m = module_read(&f->arena, full, at, 1, &f->diag);
    cr_assert(m, "%s\n%s", said(f), full);
    struct graph *g = m->graphs[0];
    g->max_rows = rows;
    cr_assert(passes_run(g, fuse ? 0 : 1u << PASS_FUSE, PASS_PLAN, true, &f->diag), "%s\n%s", said(f), full);
    return g;
}

static int
find_vars(const struct graph *g, const struct node **vars)
{
    int count = 0;
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_VAR) {
            int index = g->nodes[i]->attr->name.index;
            vars[index] = g->nodes[i];
            count = index + 1 > count ? index + 1 : count;
        }
    return count;
}

static void
run_code(struct fixture *f, const struct graph *g, code_fn *code, void *const *inputs, struct tensor *vars, void *arena,
         int64_t rows, enum gemm gemm)
{
    struct kernel_context context = {.rows = rows, .gemm = gemm, .threads = f->threads};
    void *addresses[VARS_MAX];
    for (int i = 0; i < VARS_MAX; i++)
        addresses[i] = vars[i].data;
    unsigned before = float_enter();
    cr_assert(code(&(struct code_args){arena, inputs, addresses, rows, &context}));
    float_leave(before);
    kernel_context_free(&context);
}

static double
value_at(const struct type *t, const void *data, int64_t i)
{
    return t->elem == ELEM_F32 ? (double)((const float *)data)[i] : t->elem == ELEM_F64 ? ((const double *)data)[i] : 0;
}

static void
expect_equal(const struct type *t, const void *wanted, const void *got, const char *what, const struct graph *g,
             int64_t rows, int width)
{
    int64_t at;
    if (same_bits(t, wanted, got, &at))
        return;
    char buffer[TYPE_TEXT];
    double a = value_at(t, wanted, at), b = value_at(t, got, at);
    cr_assert(false, "%s %s differs at %lld (%a, not %a), N = %lld, width %d:\n%s", what, type_text(t, ",", buffer),
              (long long)at, b, a, (long long)rows, width, graph_text(g, g->arena, false));
}

/* Runs |g| in graph mode and compiled on |rows| rows and compares all outputs and variables, for two steps. */
static void
compare_runs(struct fixture *f, struct graph *g, code_fn *code, int64_t rows, const struct code_options *options)
{
    const struct node *var_nodes[VARS_MAX] = {NULL};
    struct tensor inputs[INPUTS_MAX], wanted[VARS_MAX] = {{{0}, NULL}}, got[VARS_MAX] = {{{0}, NULL}};
    void *data[INPUTS_MAX];
    int nvars = find_vars(g, var_nodes);
    for (int i = 0; i < g->ninputs; i++) {
        struct type t = type_at(&g->inputs[i]->type, rows);
        inputs[i] = tensor_new(&t);
        data[i] = inputs[i].data;
    }
    for (int i = 0; i < nvars; i++) {
        wanted[i] = tensor_new(&var_nodes[i]->type);
        got[i] = tensor_new(&var_nodes[i]->type);
        fill(&wanted[i], var_nodes[i]->attr->name.name, (uint64_t)i + 100);
        memcpy(got[i].data, wanted[i].data, (size_t)tensor_bytes(&wanted[i]));
    }
    struct type bytes = {.elem = ELEM_U8, .rank = 1, .dim = {g->arena_bytes + GUARD}};
    struct tensor arena = tensor_new(&bytes);
    struct exec *e = exec_new(g, wanted, options->gemm, &f->diag);
    cr_assert(e, "%s", said(f));
    for (int step = 0; step < 2; step++) {
        for (int i = 0; i < g->ninputs; i++)
            fill(&inputs[i], g->inputs[i]->attr->name.name, (uint64_t)(i + 17 * step + 1));
        memset(arena.data, 0xee, (size_t)g->arena_bytes + GUARD);
        cr_assert(exec_run(e, data, rows));
        run_code(f, g, code, data, got, arena.data, rows, options->gemm);
        for (int i = 0; i < g->noutputs; i++) {
            struct tensor out = exec_output(e, i);
            const void *address = value_address(g->outputs[i].node, arena.data, data, got);
            if (address)
                expect_equal(&out.type, out.data, address, "an output", g, rows, options->vector_width);
        }
        for (int i = 0; i < GUARD; i++)
            cr_assert(((unsigned char *)arena.data)[g->arena_bytes + i] == 0xee, "written %d bytes behind the arena:\n%s", i,
                      graph_text(g, g->arena, false));
        for (int i = 0; i < nvars; i++)
            expect_equal(&wanted[i].type, wanted[i].data, got[i].data, "a variable", g, rows, options->vector_width);
    }
    exec_free(e);
    tensor_free(&arena);
    for (int i = 0; i < g->ninputs; i++)
        tensor_free(&inputs[i]);
    for (int i = 0; i < nvars; i++) {
        tensor_free(&wanted[i]);
        tensor_free(&got[i]);
    }
}

static struct code *
compiled(struct fixture *f, const struct graph *g, const struct code_options *options)
{
    return code_compile(&f->gen, &(struct code_graphs){.graph = &g, .count = 1}, options, &f->diag);
}
#endif
