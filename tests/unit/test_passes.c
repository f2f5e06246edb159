/* The pipeline on graphs made at random: the verifier accepts every stage, and every output and every new value of a
 * variable is the same expression as before, operation by operation; graph mode gives the same bits with and without the
 * passes. */
#include "passes/pass.h"
#include "runtime/exec.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* ---- the expression of a value, as a hash ---- */

static uint64_t
mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

static uint64_t
expression(const struct node *n, const uint64_t *in)
{
    uint64_t hash = mix(n->op + 1, n->type.elem);
    for (int i = 0; i < n->type.rank; i++)
        hash = mix(hash, (uint64_t)n->type.dim[i]);
    bool swap = op_info[n->op].flags & OP_COMMUTES && in[0] > in[1];
    for (int i = 0; i < n->nin; i++)
        hash = mix(hash, in[swap ? 1 - i : i]);
    if (node_is_number(n))
        return mix(hash, (uint64_t)(node_number(n) * 1024));
    if (op_info[n->op].attrs == ATTRS_NAME)
        return mix(hash, (uint64_t)n->attr->name.index);
    if (op_info[n->op].attrs == ATTRS_AXES)
        return mix(hash, n->attr->axes.axes * 2 + n->attr->axes.keep);
    if (op_info[n->op].attrs == ATTRS_MATMUL && n->attr)
        return mix(hash, n->attr->matmul.transpose_a + 2u * n->attr->matmul.transpose_b);
    return hash;
}

enum { NODES_MAX = 400 };

/* Fills |value| by node id; |operands|: of a body. */
static void
evaluate(const struct graph *g, const uint64_t *operands, uint64_t *value)
{
    static uint64_t body_value[FUSED_NODES_MAX];
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        uint64_t in[FUSED_VALUES_MAX];
        for (int k = 0; k < n->nin; k++)
            in[k] = value[n->in[k]->id];
        if (operands && n->op == OP_INPUT)
            value[i] = operands[n->attr->name.index];
        else if (n->op == OP_STOP)
            value[i] = in[0];
        else if (n->op == OP_UPDATE)
            value[i] = in[1];
        else if (n->op == OP_FUSED) {
            evaluate(n->body, in, body_value);
            value[i] = body_value[n->body->outputs[0].node->id];
        } else if (n->op == OP_RESULT) {
            const struct node *group = n->in[0];
            for (int k = 0; k < group->nin; k++)
                in[k] = value[group->in[k]->id];
            evaluate(group->body, in, body_value);
            value[i] = body_value[group->body->outputs[n->attr->axis.axis].node->id];
        } else
            value[i] = expression(n, in);
    }
}

/* The values of outputs and updates, in the order of outputs and of variables. */
static int
observe(const struct graph *g, uint64_t *out)
{
    static uint64_t value[2 * NODES_MAX];
    int count = 0;
    evaluate(g, NULL, value);
    for (int i = 0; i < g->noutputs; i++)
        out[count++] = value[g->outputs[i].node->id];
    for (int var = 0; var < 4; var++)
        for (int i = 0; i < g->count; i++)
            if (g->nodes[i]->op == OP_UPDATE && g->nodes[i]->in[0]->attr->name.index == var)
                out[count++] = value[i];
    return count;
}

/* ---- graphs at random ---- */

static struct node *
pick(struct graph *g, uint64_t *r, int from_end)
{
    int span = g->count < from_end ? g->count : from_end;
    return g->nodes[g->count - 1 - (int)(next_random(r) % (uint32_t)span)];
}

static bool
is_f32_matrix(const struct node *n)
{
    return n->type.elem == ELEM_F32 && n->type.rank == 2 && n->op != OP_UPDATE;
}

/* Another node on a random one, if that is a matrix. */
static void
grow(struct graph *g, uint64_t *r)
{
    static const enum op one[] = {OP_EXP, OP_NEG, OP_TANH, OP_STOP}, two[] = {OP_ADD, OP_MUL, OP_SUB, OP_MAX};
    static const enum op reduce[] = {OP_SUM, OP_MEAN, OP_MAX_OVER};
    struct node *a = pick(g, r, 40), *b = pick(g, r, 40);
    if (!is_f32_matrix(a) || !is_f32_matrix(b))
        return;
    const struct type *types[] = {&a->type, &b->type};
    struct type type;
    switch (next_random(r) % 12) {
    case 0:
    case 1: graph_add1(g, one[next_random(r) % 4], a); break;
    case 2:
    case 3:
    case 4:
    case 5: {
        enum op op = two[next_random(r) % 4];
        if (op_infer(op, 2, types, NULL, NULL, &type, (struct place){0}, NULL))
            graph_add2(g, op, a, b);
        break;
    }
    case 6: graph_add2(g, OP_MUL, a, graph_number(g, ELEM_F32, next_random(r) % 4)); break;
    case 7: {
        uint32_t axis = 1u << next_random(r) % 2; /* drawn first, under any compiler */
        graph_reduce(g, reduce[next_random(r) % 3], a, axis, true);
        break;
    }
    case 8:
        if (op_infer(OP_MATMUL, 2, types, NULL, NULL, &type, (struct place){0}, NULL))
            graph_matmul(g, a, b, false, false);
        break;
    case 9:
        if (op_infer(OP_LT, 2, types, NULL, NULL, &type, (struct place){0}, NULL))
            graph_add3(g, OP_WHERE, graph_add2(g, OP_LT, a, b), b, a);
        break;
    case 10: graph_cast(g, graph_add1(g, OP_NEG, graph_cast(g, a, ELEM_F64)), ELEM_F32); break;
    case 11: graph_reshape(g, graph_reshape(g, a, &(struct type){0, 3, {1, a->type.dim[0], a->type.dim[1]}}), &a->type);
    }
}

static struct graph *
random_graph(struct arena *a, uint64_t *r)
{
    struct graph *g = graph_new(a, "random");
    struct node *vars[4];
    graph_input(g, "x", &(struct type){ELEM_F32, 2, {DIM_N, 8}});
    graph_input(g, "y", &(struct type){ELEM_F32, 2, {DIM_N, 8}});
    for (int i = 0; i < 4; i++)
        vars[i] = graph_var(g, &"abcd"[i], i, &(struct type){ELEM_F32, 2, {8, 8}});
    int size = 10 + (int)(next_random(r) % (NODES_MAX - 150));
    for (int i = 0; i < size; i++)
        grow(g, r);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 20; k++) {
            struct node *n = pick(g, r, 60);
            if (n->op != OP_UPDATE && type_equal(&n->type, &vars[i]->type)) {
                graph_add2(g, OP_UPDATE, vars[i], n);
                break;
            }
        }
    for (int i = 0; i < 5; i++)
        graph_output(g, NULL, pick(g, r, 80));
    g->max_rows = 1 + next_random(r) % 20;
    return g;
}

static void
check_random(uint64_t seed)
{
    uint64_t before[16], after[16];
    struct arena a;
    struct diag diag;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    struct graph *g = random_graph(&a, &seed);
    cr_assert(graph_verify(g, &diag), "%s", diag.first->message);
    int count = observe(g, before);
    /* Those that write other expressions of the same value are left out. */
    bool fine = passes_run(g, 1u << PASS_FOLD | 1u << PASS_SIMPLIFY | 1u << PASS_LAYOUT, PASS_PLAN, true, &diag);
    cr_assert(fine, "%s\n%s", diag.first->message, graph_text(g, &a, false));
    cr_assert_eq(observe(g, after), count);
    cr_assert(!memcmp(before, after, sizeof before[0] * (size_t)count), "another value:\n%s", graph_text(g, &a, false));
    char *text = graph_text(g, &a, false);
    struct module *m = module_read(&a, text, strlen(text), 1, &diag);
    cr_assert(m && graph_verify(m->graphs[0], &diag), "%s\n%s", diag.first->message, text);
    cr_assert_str_eq(text, graph_text(m->graphs[0], &a, false));
    arena_free(&a);
}

Test(passes, random_graphs)
{
    for (uint64_t seed = 1; seed <= 1000; seed++)
        check_random(seed * 0x9E3779B97F4A7C15u);
}

/* |pass| finds nothing to do in |g|, and says so. */
static void
expect_unchanged(struct graph *g, struct arena *a, enum pass pass, struct diag *diag, uint64_t seed)
{
    char *before = graph_text(g, a, false);
    bool changed = pass_info[pass].run(g, diag);
    cr_assert(!changed && !strcmp(before, graph_text(g, a, false)), "seed %llu: %s changes more:\n%s\nto\n%s", (unsigned long long)seed,
              pass_info[pass].name, before, graph_text(g, a, false));
}

/* Each pass is done after one run, in any state of the graph; what all have left is a fixed point of the round. */
Test(passes, fixed_points)
{
    static const enum pass round[] = {PASS_FOLD, PASS_SIMPLIFY, PASS_LAYOUT, PASS_CSE, PASS_DCE};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct arena a;
        struct diag diag;
        uint64_t r = seed * 0x9E3779B97F4A7C15u;
        arena_init(&a, NULL);
        diag_init(&diag, &a);
        struct graph *g = random_graph(&a, &r);
        for (int p = 0; p < PASS_COUNT; p++) {
            pass_info[p].run(g, &diag);
            expect_unchanged(g, &a, (enum pass)p, &diag, seed);
        }
        r = seed * 0x9E3779B97F4A7C15u;
        g = random_graph(&a, &r);
        cr_assert(passes_run(g, 0, PASS_SCHEDULE, true, &diag), "%s", diag.first ? diag.first->message : "");
        for (size_t i = 0; i < sizeof round / sizeof *round; i++)
            expect_unchanged(g, &a, round[i], &diag, seed);
        arena_free(&a);
    }
}

/* Graphs on which a second fuse could join more if levels counted RESULT nodes, were looked at once only, or a full group stood between two
 * single nodes. */
Test(passes, fuse_joins_all_at_once)
{
    static const uint64_t seeds[] = {154, 1057, 1185, 15625, 15898, 14562, 14810, 16903, 2187};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        struct arena a;
        struct diag diag;
        uint64_t r = seeds[i] * 0x9E3779B97F4A7C15u;
        arena_init(&a, NULL);
        diag_init(&diag, &a);
        struct graph *g = random_graph(&a, &r);
        pass_info[PASS_FUSE].run(g, &diag);
        expect_unchanged(g, &a, PASS_FUSE, &diag, seeds[i]);
        arena_free(&a);
    }
}

/* ---- graph mode with and without the passes ---- */

static void
fill(float *data, int64_t count, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)next_random(&seed) / (float)(1u << 30) - 1;
}

static double
element(const struct tensor *t, int64_t i)
{
    switch (t->type.elem) {
    case ELEM_F32: return (double)((float *)t->data)[i];
    case ELEM_F64: return ((double *)t->data)[i];
    default: return ((uint8_t *)t->data)[i];
    }
}

/* Runs two steps on |rows| rows; the outputs of the second and the variables come as new memory of |*out_count| numbers. */
static double *
run(const struct graph *g, int64_t rows, struct diag *diag, int64_t *out_count)
{
    struct tensor vars[4];
    float inputs[2][20 * 8];
    double *out = NULL;
    for (int i = 0; i < 2; i++)
        fill(inputs[i], 20 * 8, 5 + (uint64_t)i);
    for (int i = 0; i < 4; i++) {
        vars[i] = tensor_new(&(struct type){ELEM_F32, 2, {8, 8}});
        fill(vars[i].data, 64, 9 + (uint64_t)i);
    }
    struct exec *e = exec_new(g, vars, GEMM_NNC, diag);
    cr_assert(e);
    for (int step = 0; step < 2; step++)
        cr_assert(exec_run(e, (void *const[]){inputs[0], inputs[1]}, rows));
    *out_count = 0;
    for (int i = 0; i < g->noutputs + 4; i++) {
        struct tensor t = i < g->noutputs ? exec_output(e, i) : vars[i - g->noutputs];
        int64_t count = tensor_count(&t);
        out = realloc(out, sizeof *out * (size_t)(*out_count + count + 1));
        for (int64_t k = 0; k < count; k++)
            out[(*out_count)++] = element(&t, k);
    }
    exec_free(e);
    for (int i = 0; i < 4; i++)
        tensor_free(&vars[i]);
    return out;
}

static void
compare_runs(uint64_t seed)
{
    struct arena a;
    struct diag diag;
    int64_t count, plain_count;
    uint64_t again = seed;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    struct graph *plain = random_graph(&a, &seed), *g = random_graph(&a, &again);
    cr_assert(passes_run(plain, ~0u, PASS_PLAN, true, &diag) && passes_run(g, 0, PASS_PLAN, true, &diag));
    for (int64_t rows = g->max_rows; rows > 0; rows -= 7) {
        double *expected = run(plain, rows, &diag, &plain_count), *got = run(g, rows, &diag, &count);
        cr_assert_eq(count, plain_count);
        for (int64_t i = 0; i < count; i++)
            cr_assert(!memcmp(&got[i], &expected[i], sizeof got[i]) || (isnan(got[i]) && isnan(expected[i])),
                      "%lld rows, number %lld: %a instead of %a\n%s", (long long)rows, (long long)i, got[i], expected[i],
                      graph_text(g, &a, false));
        free(expected);
        free(got);
    }
    arena_free(&a);
}

Test(passes, bits_of_graph_mode)
{
    for (uint64_t seed = 1; seed <= 200; seed++)
        compare_runs(seed * 0xD1B54A32D192ED03u);
}

/* A verifier that accepts everything would make the test above worthless. */
Test(passes, verifier_sees_shared_memory)
{
    static const char text[] = "graph g(x: f32[N,4]) rows=4 arena=128 live=128 {\n"
                               "  %1 = exp x : f32[N,4] at arena+0\n"
                               "  %2 = neg x : f32[N,4] at arena+0\n"
                               "  %3 = add %1, %2 : f32[N,4] at arena+64\n"
                               "  return %3\n"
                               "}\n";
    struct arena a;
    struct diag diag;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    struct module *m = module_read(&a, text, strlen(text), 1, &diag);
    cr_assert(m);
    cr_assert(!graph_verify(m->graphs[0], &diag));
    cr_assert_str_eq(diag.first->message, "internal error: graph g, node 3 (add): operand 0 was overwritten by node 2");
    arena_free(&a);
}

Test(passes, names)
{
    for (int p = 0; p < PASS_COUNT; p++)
        cr_assert_eq((int)pass_from_name(pass_info[p].name), p);
    cr_assert_eq(pass_from_name("none"), PASS_COUNT);
}

Test(passes, without_and_last)
{
    struct arena a;
    struct diag diag;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    struct graph *g = graph_new(&a, "g");
    struct node *x = graph_input(g, "x", &(struct type){ELEM_F32, 1, {DIM_N}});
    struct node *unused = graph_add1(g, OP_EXP, x);
    graph_output(g, "p", graph_add1(g, OP_NEG, x));
    cr_assert(passes_run(g, 1u << PASS_DCE, PASS_FUSE, true, &diag));
    cr_assert_eq(g->nodes[1], unused);
    cr_assert_eq(unused->storage, STORAGE_NONE);
    cr_assert(passes_run(g, 1u << PASS_PLAN, PASS_PLAN, true, &diag)); /* plan is not optional */
    cr_assert_eq(g->count, 2);
    cr_assert_eq(x->storage, STORAGE_INPUT);
    arena_free(&a);
}
