/* Wrong passes, planted: each is caught by the verifier or by the check of bits, and the message names it. And the passes
 * that there are pass the check. */
#include "passes/check.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Something for every wrong pass to spoil. */
static const char text[] =
    "graph g(x: f32[N,8], y: f32[N,8], seed: i64[], step: i64[]) {\n"
    "  var %v: f32[8,8] = \"v\"\n"
    "  var %w: f32[8,8] = \"w\"\n"
    "  %1 = add x, 0 : f32[N,8]\n"
    "  %2 = mul y, 0 : f32[N,8]\n"
    "  %3 = div x, 3 : f32[N,8]\n"
    "  %4 = add x, y : f32[N,8]\n"
    "  %5 = add %4, %3 : f32[N,8]\n"
    "  %6 = sub x, y : f32[N,8]\n"
    "  %7 = neg %6 : f32[N,8]\n"
    "  %8 = lt x, y : bool[N,8]\n"
    "  %9 = not %8 : bool[N,8]\n"
    "  %10 = where %9, %5, %7 : f32[N,8]\n"
    "  %11 = random_uniform seed, step {stream=0x1, from=0, to=1} : f32[N,8]\n"
    "  %12 = random_uniform seed, step {stream=0x2, from=0, to=1} : f32[N,8]\n"
    "  %13 = sub %11, %12 : f32[N,8]\n"
    "  %14 = matmul %10, %v {transpose_b} : f32[N,8]\n"
    "  %15 = reshape %14 : f32[4N,2]\n"
    "  %16 = sum %15 {axis=[0,1]} : f32[]\n"
    "  %17 = cast %14 : i32[N,8]\n"
    "  %18 = cast %17 : f32[N,8]\n"
    "  %19 = matmul %14, x {transpose_a} : f32[8,8]\n"
    "  %20 = sub %v, %19 : f32[8,8]\n"
    "  %21 = mul %w, %20 : f32[8,8]\n"
    "  %22 = update %v, %20 : f32[8,8]\n"
    "  %23 = update %w, %21 : f32[8,8]\n"
    "  %24 = exp %14 : f32[N,8]\n"
    "  return %1 \"a\", %2 \"b\", %13 \"c\", %16 \"d\", %18 \"e\", %24 \"f\", %10 \"g\", %7 \"h\", %9 \"i\"\n"
    "}\n";

enum { ROWS = 5 };

/* The first node of |op| from position |from| on. */
static struct node *
find(const struct graph *g, enum op op, int from)
{
    for (int i = from; i < g->count; i++)
        if (g->nodes[i]->op == op)
            return g->nodes[i];
    cr_assert(false, "no %s", op_info[op].text);
    return NULL;
}

static void
replace(struct graph *g, const struct node *old, struct node *now)
{
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < g->nodes[i]->nin; k++)
            if (g->nodes[i]->in[k] == old && g->nodes[i] != now)
                g->nodes[i]->in[k] = now;
    for (int i = 0; i < g->noutputs; i++)
        if (g->outputs[i].node == old)
            g->outputs[i].node = now;
}

/* A copy of |n| with another operation and operands, in its place. */
static void
become(struct node *n, enum op op, struct node *a, struct node *b)
{
    n->op = (uint16_t)op;
    n->in[0] = a;
    if (b)
        n->in[1] = b;
}

static void
adds_nothing(struct graph *g)
{
    struct node *n = find(g, OP_ADD, 0);
    replace(g, n, n->in[0]);
}

/* x - x, which is 0 for most. */
static void
multiplies_by_nothing(struct graph *g)
{
    struct node *n = find(g, OP_MUL, 0);
    become(n, OP_SUB, n->in[0], n->in[0]);
}

static void
divides_by_factor(struct graph *g)
{
    struct node *n = find(g, OP_DIV, 0), *third = graph_number(g, ELEM_F32, 1.0 / 3);
    for (int i = g->count - 1; i > 0; i--)
        g->nodes[i] = g->nodes[i - 1];
    g->nodes[0] = third;
    graph_renumber(g);
    become(n, OP_MUL, n->in[0], third);
}

static void
sums_in_another_order(struct graph *g)
{
    struct node *first = find(g, OP_ADD, find(g, OP_ADD, 0)->id + 1), *second = find(g, OP_ADD, first->id + 1);
    struct node *a = first->in[0], *b = first->in[1], *c = second->in[1];
    become(first, OP_ADD, c, b);
    become(second, OP_ADD, a, first);
}

static void
turns_a_difference(struct graph *g)
{
    struct node *n = find(g, OP_NEG, 0), *sub = n->in[0];
    struct node *a = sub->in[0], *b = sub->in[1];
    become(sub, OP_SUB, b, a);
    replace(g, n, sub);
}

static void
turns_a_condition(struct graph *g)
{
    struct node *n = find(g, OP_NOT, 0), *lt = n->in[0];
    become(lt, OP_LE, lt->in[1], lt->in[0]);
    replace(g, n, lt);
}

static void
drops_an_update(struct graph *g)
{
    struct node *n = find(g, OP_UPDATE, 0);
    bool keep[64];
    for (int i = 0; i < g->count; i++)
        keep[i] = g->nodes[i] != n;
    graph_sweep(g, keep);
}

static void
exchanges_updates(struct graph *g)
{
    struct node *a = find(g, OP_UPDATE, 0), *b = find(g, OP_UPDATE, a->id + 1), *value = a->in[1];
    a->in[1] = b->in[1];
    b->in[1] = value;
}

static void
merges_draws(struct graph *g)
{
    struct node *a = find(g, OP_RANDOM_UNIFORM, 0), *b = find(g, OP_RANDOM_UNIFORM, a->id + 1);
    replace(g, b, a);
}

static void
drops_a_flag(struct graph *g)
{
    find(g, OP_MATMUL, 0)->attr = NULL;
}

static void
reduces_before_reshaping(struct graph *g)
{
    struct node *n = find(g, OP_SUM, 0);
    struct node *rows = graph_reduce(g, OP_SUM, n->in[0]->in[0], 2, false), *all = graph_reduce(g, OP_SUM, rows, 1, false);
    g->count -= 2;
    for (int i = g->count - 1; i > n->id; i--)
        g->nodes[i + 2] = g->nodes[i];
    g->nodes[n->id + 1] = rows;
    g->nodes[n->id + 2] = all;
    g->count += 2;
    graph_renumber(g);
    replace(g, n, all);
}

static void
drops_a_cast(struct graph *g)
{
    struct node *back = find(g, OP_CAST, find(g, OP_CAST, 0)->id + 1);
    replace(g, back, back->in[0]->in[0]);
}

static void
moves_a_node_up(struct graph *g)
{
    struct node *n = find(g, OP_NOT, 0);
    int at = n->id;
    g->nodes[at] = g->nodes[at - 1];
    g->nodes[at - 1] = n;
    graph_renumber(g);
}

static void
forgets_a_type(struct graph *g)
{
    find(g, OP_LT, 0)->type.elem = ELEM_F32;
}

static void
drops_an_output(struct graph *g)
{
    g->noutputs--;
}

/* Of a planned graph. */
static void
puts_two_in_one_place(struct graph *g)
{
    struct node *a = NULL;
    for (int i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (n->storage != STORAGE_ARENA || n->op == OP_RESULT)
            continue;
        if (a && n->offset != a->offset) {
            n->offset = a->offset;
            return;
        }
        a = n;
    }
    cr_assert(false);
}

static void
writes_a_variable_too_early(struct graph *g)
{
    struct node *u = find(g, OP_UPDATE, 0), *first = find(g, OP_MATMUL, 0);
    first->storage = STORAGE_VAR;
    first->offset = u->in[0]->attr->name.index;
}

static void
makes_the_arena_small(struct graph *g)
{
    g->arena_bytes /= 2;
}

static void
runs_an_update_before_a_reader(struct graph *g)
{
    struct node *u = find(g, OP_UPDATE, 0);
    u->in[1]->storage = STORAGE_VAR;
    u->in[1]->offset = u->in[0]->attr->name.index;
    u->in[1] = g->inputs[0];
}

static const struct wrong {
    const char *name;
    void (*spoil)(struct graph *g);
    bool planned;
} wrongs[] = {
    {"adds_nothing", adds_nothing, false},
    {"multiplies_by_nothing", multiplies_by_nothing, false},
    {"divides_by_factor", divides_by_factor, false},
    {"sums_in_another_order", sums_in_another_order, false},
    {"turns_a_difference", turns_a_difference, false},
    {"turns_a_condition", turns_a_condition, false},
    {"drops_an_update", drops_an_update, false},
    {"exchanges_updates", exchanges_updates, false},
    {"merges_draws", merges_draws, false},
    {"drops_a_flag", drops_a_flag, false},
    {"reduces_before_reshaping", reduces_before_reshaping, false},
    {"drops_a_cast", drops_a_cast, false},
    {"moves_a_node_up", moves_a_node_up, false},
    {"forgets_a_type", forgets_a_type, false},
    {"drops_an_output", drops_an_output, false},
    {"drops_an_update", drops_an_update, true},
    {"puts_two_in_one_place", puts_two_in_one_place, true},
    {"writes_a_variable_too_early", writes_a_variable_too_early, true},
    {"makes_the_arena_small", makes_the_arena_small, true},
    {"runs_an_update_before_a_reader", runs_an_update_before_a_reader, true},
};

struct values {
    float x[ROWS * 8], y[ROWS * 8];
    int64_t seed, step;
    void *inputs[4];
    struct tensor vars[2];
    struct check_values all;
};

static void
make_values(struct values *v)
{
    uint32_t state = 1;
    *v = (struct values){.seed = 3, .step = 1};
    for (int i = 0; i < ROWS * 8; i++) {
        v->x[i] = (float)((state = state * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
        v->y[i] = (float)((state = state * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
    }
    for (int k = 0; k < 2; k++) {
        v->vars[k] = tensor_new(&(struct type){ELEM_F32, 2, {8, 8}});
        for (int i = 0; i < 64; i++)
            ((float *)v->vars[k].data)[i] = (float)((state = state * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
    }
    void *inputs[] = {v->x, v->y, &v->seed, &v->step};
    memcpy(v->inputs, inputs, sizeof inputs);
    v->all = (struct check_values){.inputs = v->inputs, .vars = v->vars, .nvars = 2, .rows = ROWS};
}

static struct graph *
read(struct arena *a, struct diag *diag)
{
    struct module *m = module_read(a, text, strlen(text), 1, diag);
    cr_assert(m, "%s", diag->first ? diag->first->message : "");
    m->graphs[0]->max_rows = ROWS;
    return m->graphs[0];
}

static bool
is_named(const struct diag *diag, const char *name)
{
    for (const struct diagnostic *d = diag->first; d; d = d->next)
        if (strstr(d->message, name))
            return true;
    return false;
}

static void
check_wrong(const struct wrong *w)
{
    struct arena a;
    struct diag diag;
    struct values v;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    make_values(&v);
    struct graph *g = read(&a, &diag);
    struct pass_check *c = pass_check_new(g, &v.all, &diag);
    cr_assert(c);
    if (w->planned)
        pass_plan(g, &diag);
    cr_assert(pass_check_graph(c, "before", g, &diag), "%s", diag.first->message);
    w->spoil(g);
    cr_expect(!pass_check_graph(c, w->name, g, &diag), "%s is not caught", w->name);
    cr_expect(is_named(&diag, w->name), "%s is not named: %s", w->name, diag.first ? diag.first->message : "");
    cr_expect_eq(diag.status, STATUS_BUG);
    pass_check_free(c);
    for (int i = 0; i < 2; i++)
        tensor_free(&v.vars[i]);
    arena_free(&a);
}

Test(pass_check, wrong_passes_are_caught)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        check_wrong(&wrongs[i]);
}

Test(pass_check, the_passes_change_nothing)
{
    struct arena a;
    struct diag diag;
    struct values v;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    make_values(&v);
    for (uint32_t without = 0; without < 1u << PASS_COUNT; without++) {
        struct graph *g = read(&a, &diag);
        cr_assert(passes_check(g, without, &v.all, &diag), "%s", diag.first->message);
    }
    for (int i = 0; i < 2; i++)
        tensor_free(&v.vars[i]);
    arena_free(&a);
}

/* layout's rewrites on edge values: transposed operands, a transposed product, flags that are taken back. */
Test(pass_check, layout_changes_nothing)
{
    static const char transposed[] = "graph g(x: f32[N,8], y: f32[N,8], seed: i64[], step: i64[]) {\n"
                                     "  var %a: f32[8,8] = \"a\"\n"
                                     "  var %b: f32[8,8] = \"b\"\n"
                                     "  %1 = transpose %a {perm=[1,0]} : f32[8,8]\n"
                                     "  %2 = matmul x, %1 : f32[N,8]\n"
                                     "  %3 = transpose x {perm=[1,0]} : f32[8,N]\n"
                                     "  %4 = matmul %3, y : f32[8,8]\n"
                                     "  %5 = transpose %4 {perm=[1,0]} : f32[8,8]\n"
                                     "  %6 = matmul %3, %2 {transpose_a, transpose_b} : f32[N,N]\n"
                                     "  return %2 \"p\", %5 \"q\", %6 \"r\"\n"
                                     "}\n";
    struct arena a;
    struct diag diag;
    struct values v;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    make_values(&v);
    struct module *m = module_read(&a, transposed, strlen(transposed), 1, &diag);
    cr_assert(m, "%s", diag.first ? diag.first->message : "");
    m->graphs[0]->max_rows = ROWS;
    cr_assert(passes_check(m->graphs[0], 0, &v.all, &diag), "%s", diag.first ? diag.first->message : "");
    for (int i = 0; i < m->graphs[0]->count; i++)
        cr_expect_neq(m->graphs[0]->nodes[i]->op, OP_TRANSPOSE);
    for (int i = 0; i < 2; i++)
        tensor_free(&v.vars[i]);
    arena_free(&a);
}
