/* Graph mode: steps of a planned graph have the bits of the reference evaluator, for changing numbers of rows, and allocate nothing. */
#include "passes/pass.h"
#include "runtime/exec.h"
#include "tests/unit/kernel_check.h"
#include <errno.h>

/* ---- the allocator, counted ---- */

static int allocations;
static long allocation_fails_at = -1; /* the call that gives NULL; -1: none */

/* AddressSanitizer has an allocator of its own. */
#if defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if !defined SANITIZED && !defined __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static bool
fails(void)
{
    allocations++;
    return allocation_fails_at >= 0 && allocation_fails_at-- == 0;
}

void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails() || !(*out = __libc_memalign(alignment, size)) ? ENOMEM : 0;
}
#endif

/* ---- a training step ---- */

enum { ROWS = 33, FEATURES = 10, UNITS = 20, CLASSES = 3, VARS = 4 };

/* Two layers, the mean of squares, plain gradient descent. */
static void
build_step(struct check *c, struct type *vars)
{
    struct graph *g = c->graph;
    struct type tx = SHAPE(ELEM_F32, DIM_N, FEATURES), ty = SHAPE(ELEM_F32, DIM_N, CLASSES);
    struct node *x = graph_input(g, "x", &tx), *y = graph_input(g, "y", &ty), *v[VARS], *gradients[VARS];
    vars[0] = SHAPE(ELEM_F32, FEATURES, UNITS);
    vars[1] = SHAPE(ELEM_F32, UNITS);
    vars[2] = SHAPE(ELEM_F32, UNITS, CLASSES);
    vars[3] = SHAPE(ELEM_F32, CLASSES);
    for (int i = 0; i < VARS; i++)
        v[i] = graph_var(g, "w", i, &vars[i]);
    struct node *h = graph_add2(g, OP_ADD, graph_matmul(g, x, v[0], false, false), v[1]);
    h = graph_add2(g, OP_MAX, h, graph_number(g, ELEM_F32, 0));
    struct node *p = graph_add2(g, OP_ADD, graph_matmul(g, h, v[2], false, false), v[3]);
    struct node *d = graph_add2(g, OP_SUB, p, y);
    struct node *loss = graph_reduce(g, OP_MEAN, graph_add2(g, OP_MUL, d, d), 3, false);
    gradient(g, loss, VARS, v, gradients);
    for (int i = 0; i < VARS; i++) {
        struct node *change = graph_add2(g, OP_MUL, gradients[i], graph_number(g, ELEM_F32, 0.05));
        graph_output(g, "w", graph_add2(g, OP_UPDATE, v[i], graph_add2(g, OP_SUB, v[i], change)));
    }
    graph_output(g, "loss", loss);
    graph_output(g, "p", p);
}

struct run {
    struct check check;
    struct type types[VARS];
    struct tensor vars[VARS], inputs[2];
    struct diag diag;
};

static void
run_begin(struct run *r)
{
    begin(&r->check);
    diag_init(&r->diag, &r->check.arena);
    build_step(&r->check, r->types);
    r->check.graph->max_rows = ROWS;
    for (int i = 0; i < VARS; i++) {
        r->vars[i] = tensor_new(&r->types[i]);
        fill(&r->check, &r->vars[i], false);
    }
    for (int i = 0; i < 2; i++) {
        struct type t = type_at(&r->check.graph->inputs[i]->type, ROWS);
        r->inputs[i] = tensor_new(&t);
        fill(&r->check, &r->inputs[i], false);
    }
}

static void
run_end(struct run *r)
{
    for (int i = 0; i < VARS; i++)
        tensor_free(&r->vars[i]);
    for (int i = 0; i < 2; i++)
        tensor_free(&r->inputs[i]);
    end(&r->check);
}

static const int64_t batches[] = {ROWS, ROWS, 7, ROWS, 7, 1, ROWS, 16, 7};
enum { BATCHES = sizeof batches / sizeof *batches };

/* |without|: passes left out. */
static void
compare_steps(uint32_t without)
{
    struct run planned, plain;
    run_begin(&planned);
    run_begin(&plain);
    cr_assert(passes_run(planned.check.graph, without, PASS_PLAN, true, &planned.diag), "%s",
              planned.diag.first ? planned.diag.first->message : "");
    struct exec *e = exec_new(planned.check.graph, planned.vars, GEMM_NNC, &planned.diag);
    cr_assert(e);
    const struct graph *g = plain.check.graph;
    void *inputs[2] = {planned.inputs[0].data, planned.inputs[1].data};
    for (int b = 0; b < BATCHES; b++) {
        struct tensor *values = reference_run(g, (void *[]){plain.inputs[0].data, plain.inputs[1].data}, plain.vars, batches[b]);
        int before = allocations;
        cr_assert(exec_run(e, inputs, batches[b]));
        cr_assert(b == 0 || allocations == before, "step %d allocates", b);
        for (int o = 0; o < g->noutputs; o++) {
            struct tensor got = exec_output(e, o), *want = &values[g->outputs[o].node->id];
            cr_assert(reference_same(want, &got, NULL), "step %d, output %d", b, o);
            if (o < VARS) {
                cr_assert_eq(got.data, planned.vars[o].data);
                memcpy(plain.vars[o].data, want->data, (size_t)tensor_bytes(want));
            }
        }
        reference_free(values, g->count);
    }
    exec_free(e);
    run_end(&planned);
    run_end(&plain);
}

Test(exec, steps_without_fusion)
{
    compare_steps(1u << PASS_FUSE);
}

Test(exec, steps_with_all_passes)
{
    compare_steps(0);
}

Test(exec, floating_point_state_comes_back)
{
    struct run r;
    run_begin(&r);
    cr_assert(passes_run(r.check.graph, 0, PASS_PLAN, true, &r.diag));
    struct exec *e = exec_new(r.check.graph, r.vars, GEMM_NNC, &r.diag);
    float_leave(r.check.environment);
    volatile float smallest = 0x1p-126f;
    cr_assert(exec_run(e, (void *[]){r.inputs[0].data, r.inputs[1].data}, ROWS));
    cr_assert_neq(smallest / 2, 0, "subnormal numbers are back");
    exec_free(e);
    run_end(&r);
}

/* Each allocation fails in turn. */
Test(exec, short_of_memory)
{
    struct run r;
    run_begin(&r);
    cr_assert(passes_run(r.check.graph, 0, PASS_PLAN, true, &r.diag));
    bool done = false;
    int reports = r.diag.errors;
    for (int at = 0; !done && at < 1000; at++) {
        allocation_fails_at = at;
        struct exec *e = exec_new(r.check.graph, r.vars, GEMM_NNC, &r.diag);
        bool ran = e && exec_run(e, (void *[]){r.inputs[0].data, r.inputs[1].data}, ROWS);
        done = allocation_fails_at >= 0;
        allocation_fails_at = -1;
        cr_assert(ran == done);
        cr_assert(e || r.diag.errors > reports);
        exec_free(e);
    }
    cr_assert(done);
    run_end(&r);
}
