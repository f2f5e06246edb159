/* check: graphs before and after a pass on the same values, edge values among them. */
#include "passes/check.h"
#include "runtime/exec.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What stands in the place of the floats: variant 0: the values that are given; then one number everywhere; then mixtures. */
enum { NUMBERS = 10, MIXED_FINITE = NUMBERS + 1, MIXED_SPARSE, VARIANTS };

/* Inputs and variables of one variant, and what the graph makes of them. */
struct outcome {
    void **inputs;
    struct tensor *vars;        /* before */
    struct tensor *results;     /* outputs, then the new values of the variables */
};

struct pass_check {
    struct check_values given;
    int ninputs, noutputs;
    struct type *input_types;   /* at the rows */
    struct outcome outcomes[VARIANTS];
};

static double
edge_number(enum elem e, int i)
{
    bool single = e == ELEM_F32;
    double max = single ? (double)FLT_MAX : DBL_MAX, min = single ? (double)FLT_MIN : DBL_MIN;
    const double numbers[NUMBERS] = {0, -0.0, INFINITY, -INFINITY, NAN, max, -max, min, -min, 1};
    return numbers[i];
}

/* Element |i| of array |k| in |variant|. */
static double
edge(enum elem e, double given, int variant, int64_t i, int k)
{
    static const uint8_t finite[] = {0, 1, 7, 8, 9};
    uint32_t mixed = ((uint32_t)i * 2654435761u + (uint32_t)k * 40503u) >> 8;
    if (variant == 0)
        return given;
    if (variant <= NUMBERS)
        return edge_number(e, variant - 1);
    if (variant == MIXED_FINITE)
        return mixed % 3 ? given : edge_number(e, finite[mixed / 3 % 5]);
    return mixed % 29 ? given : edge_number(e, (int)(mixed / 29 % NUMBERS));
}

static void
fill(const struct type *t, void *out, const void *given, int variant, int k)
{
    int64_t count = type_count(t, 0);
    memcpy(out, given, (size_t)type_bytes(t, 0));
    for (int64_t i = 0; i < count; i++)
        if (t->elem == ELEM_F32)
            ((float *)out)[i] = (float)edge(ELEM_F32, (double)((const float *)given)[i], variant, i, k);
        else if (t->elem == ELEM_F64)
            ((double *)out)[i] = edge(ELEM_F64, ((const double *)given)[i], variant, i, k);
}

static bool
copy_tensors(struct tensor *to, const struct tensor *from, int count)
{
    for (int i = 0; i < count; i++) {
        to[i] = tensor_new(&from[i].type);
        if (!to[i].data)
            return false;
        memcpy(to[i].data, from[i].data, (size_t)tensor_bytes(&from[i]));
    }
    return true;
}

static void
free_tensors(struct tensor *t, int count)
{
    for (int i = 0; t && i < count; i++)
        tensor_free(&t[i]);
}

/* ---- node by node ---- */

struct interpreter {
    const struct graph *g;
    struct tensor *value;       /* by node id */
    bool *owned;
    struct tensor *vars;
    struct kernel_context kernels;
};

bool
graph_is_planned(const struct graph *g)
{
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->storage)
            return true;
    return false;
}

static bool
run_node(struct interpreter *t, const struct node *n)
{
    const struct tensor *in[FUSED_VALUES_MAX + 1], **operands = in, **more = NULL;
    struct tensor out[FUSED_VALUES_MAX + 1];
    int results = n->op == OP_FUSED ? n->body->noutputs : 1;
    if (n->nin > FUSED_VALUES_MAX)
        operands = more = calloc(n->nin, sizeof *more);
    bool ok = operands;
    for (int k = 0; ok && k < n->nin; k++)
        operands[k] = &t->value[n->in[k]->id];
    for (int r = 0; r < results; r++) {
        struct type type = type_at(results > 1 ? &n->body->outputs[r].node->type : &n->type, t->kernels.rows);
        out[r] = tensor_new(&type);
        ok = ok && out[r].data;
    }
    ok = ok && kernel_run(n, operands, out, &t->kernels);
    free(more);
    t->value[n->id] = out[0];
    t->owned[n->id] = true;
    for (int i = n->id + 1; results > 1 && i < t->g->count; i++) {
        const struct node *r = t->g->nodes[i];
        if (r->op != OP_RESULT || r->in[0] != n)
            continue;
        int index = r->attr->axis.axis;
        t->value[i] = out[index];
        t->owned[i] = index > 0;
        if (index > 0)
            out[index].data = NULL;
    }
    for (int r = 1; r < results; r++)
        tensor_free(&out[r]);
    return ok;
}

static bool
interpret_node(struct interpreter *t, const struct node *n, void *const *inputs)
{
    struct tensor *v = &t->value[n->id];
    switch (n->op) {
    case OP_INPUT: *v = (struct tensor){type_at(&n->type, t->kernels.rows), inputs[n->attr->name.index]}; return true;
    case OP_VAR: *v = t->vars[n->attr->name.index]; return true;
    case OP_UPDATE: *v = t->value[n->in[1]->id]; return true;
    case OP_RESULT:
        if (n->in[0]->body->noutputs == 1)
            *v = t->value[n->in[0]->id];
        return true;
    default: return run_node(t, n);
    }
}

/* After all have run: nobody reads an old value any more. What becomes a variable may be another one's old value. */
static bool
store_updates(struct interpreter *t)
{
    const struct graph *g = t->g;
    bool ok = true;
    struct tensor *news = calloc((size_t)g->count + 1, sizeof *news);
    for (int i = 0; news && i < g->count; i++)
        if (g->nodes[i]->op == OP_UPDATE)
            ok = ok && copy_tensors(&news[i], &t->value[i], 1);
    for (int i = 0; news && i < g->count; i++)
        if (ok && g->nodes[i]->op == OP_UPDATE)
            memcpy(t->vars[g->nodes[i]->in[0]->attr->name.index].data, news[i].data, (size_t)tensor_bytes(&news[i]));
    free_tensors(news, news ? g->count : 0);
    free(news);
    return ok && news;
}

bool
graph_interpret(const struct graph *g, void *const *inputs, struct tensor *vars, int64_t rows, enum gemm gemm,
                struct tensor *out_outputs, struct diag *diag)
{
    struct interpreter t = {.g = g, .vars = vars, .kernels = {.rows = rows, .gemm = gemm}};
    t.value = calloc((size_t)g->count + 1, sizeof *t.value);
    t.owned = calloc((size_t)g->count + 1, sizeof *t.owned);
    unsigned before = float_enter();
    bool ok = t.value && t.owned;
    for (int i = 0; ok && i < g->count; i++)
        ok = interpret_node(&t, g->nodes[i], inputs);
    for (int i = 0; ok && i < g->noutputs; i++)
        ok = copy_tensors(&out_outputs[i], &t.value[g->outputs[i].node->id], 1);
    ok = ok && store_updates(&t);
    float_leave(before);
    for (int i = 0; t.value && t.owned && i < g->count; i++)
        if (t.owned[i])
            tensor_free(&t.value[i]);
    free(t.value);
    free(t.owned);
    kernel_context_free(&t.kernels);
    if (!ok)
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    return ok;
}

int64_t
graph_interpret_bytes(const struct graph *g, int64_t rows)
{
    int64_t sum = 0;
    for (int i = 0; i < g->count + g->noutputs && sum < INT64_MAX / 2; i++) { /* of outputs copies */
        const struct node *n = i < g->count ? g->nodes[i] : g->outputs[i - g->count].node;
        bool leaf = i < g->count && (n->op == OP_INPUT || n->op == OP_VAR);
        bool named = i < g->count && n->op == OP_RESULT && n->attr->axis.axis == 0;
        int64_t bytes = leaf || named ? 0 : type_bytes(&n->type, rows);
        sum += bytes < 0 || bytes > INT64_MAX / 2 ? INT64_MAX / 2 : bytes;
    }
    return sum;
}

/* ---- outcomes ---- */

/* Runs |g| on the values of |o| and stores copies of what comes out. */
static bool
run(const struct pass_check *c, const struct graph *g, const struct outcome *o, struct tensor *results, struct diag *diag)
{
    struct tensor *vars = results + c->noutputs;
    bool ok = copy_tensors(vars, o->vars, c->given.nvars);
    if (!ok)
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    if (!ok || !graph_is_planned(g))
        return ok && graph_interpret(g, o->inputs, vars, c->given.rows, c->given.gemm, results, diag);
    struct exec *e = exec_new(g, vars, c->given.gemm, diag);
    ok = e && exec_run(e, o->inputs, c->given.rows);
    for (int i = 0; ok && i < c->noutputs; i++) {
        struct tensor out = exec_output(e, i);
        ok = copy_tensors(&results[i], &out, 1);
    }
    if (e && !ok)
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    exec_free(e);
    return ok;
}

static bool
is_same(const struct tensor *a, const struct tensor *b, int64_t i)
{
    size_t size = elem_size(a->type.elem), at = (size_t)i * size;
    const char *x = (const char *)a->data + at, *y = (const char *)b->data + at;
    if (!memcmp(x, y, size))
        return true;
    if (a->type.elem == ELEM_F32)
        return isnan(*(const float *)(const void *)x) && isnan(*(const float *)(const void *)y);
    return a->type.elem == ELEM_F64 && isnan(*(const double *)(const void *)x) && isnan(*(const double *)(const void *)y);
}

/* The first element that differs; -1: none. */
static int64_t
first_difference(const struct tensor *a, const struct tensor *b)
{
    int64_t count = tensor_count(a);
    if (!type_equal(&a->type, &b->type))
        return 0;
    for (int64_t i = 0; i < count; i++)
        if (!is_same(a, b, i))
            return i;
    return -1;
}

static bool
make_variant(struct pass_check *c, const struct graph *g, int variant, struct outcome *o, struct diag *diag)
{
    const struct check_values *given = &c->given;
    o->inputs = calloc((size_t)c->ninputs + 1, sizeof *o->inputs);
    o->vars = calloc((size_t)given->nvars + 1, sizeof *o->vars);
    o->results = calloc((size_t)(c->noutputs + given->nvars) + 1, sizeof *o->results);
    bool ok = o->inputs && o->vars && o->results;
    for (int i = 0; ok && i < c->ninputs; i++) {
        struct tensor t = tensor_new(&c->input_types[i]);
        o->inputs[i] = t.data;
        if ((ok = t.data))
            fill(&t.type, t.data, given->inputs[i], variant, i);
    }
    for (int i = 0; ok && i < given->nvars; i++) {
        o->vars[i] = tensor_new(&given->vars[i].type);
        if ((ok = o->vars[i].data))
            fill(&o->vars[i].type, o->vars[i].data, given->vars[i].data, variant, 1000 + i);
    }
    if (!ok)
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    return ok && run(c, g, o, o->results, diag);
}

struct pass_check *
pass_check_new(struct graph *g, const struct check_values *values, struct diag *diag)
{
    struct pass_check *c = ARENA_NEW(g->arena, struct pass_check);
    c->given = *values;
    c->ninputs = g->ninputs;
    c->noutputs = g->noutputs;
    c->input_types = ARENA_ARRAY(g->arena, struct type, g->ninputs + 1);
    for (int i = 0; i < g->ninputs; i++)
        c->input_types[i] = type_at(&g->inputs[i]->type, values->rows);
    for (int v = 0; v < VARIANTS; v++)
        if (!make_variant(c, g, v, &c->outcomes[v], diag)) {
            pass_check_free(c);
            return NULL;
        }
    return c;
}

void
pass_check_free(struct pass_check *c)
{
    for (int v = 0; v < VARIANTS; v++) {
        struct outcome *o = &c->outcomes[v];
        for (int i = 0; o->inputs && i < c->ninputs; i++)
            tensor_free(&(struct tensor){.data = o->inputs[i]});
        free_tensors(o->vars, c->given.nvars);
        free_tensors(o->results, c->noutputs + c->given.nvars);
        free(o->inputs);
        free(o->vars);
        free(o->results);
        *o = (struct outcome){0};
    }
}

/* ---- the check ---- */

static const char *
variant_text(int variant, struct arena *arena)
{
    if (variant == 0)
        return "the values of the first batch";
    if (variant <= NUMBERS)
        return arena_printf(arena, "%g everywhere", edge_number(ELEM_F32, variant - 1));
    return variant == MIXED_FINITE ? "zeros and smallest numbers among the values" : "infinities, NaN and largest numbers among the values";
}

/* The name of result |i|. */
static const char *
result_text(const struct graph *g, int i, struct arena *arena)
{
    if (i < g->noutputs)
        return arena_printf(arena, "output %s", g->outputs[i].name ? g->outputs[i].name : arena_printf(arena, "%d", i));
    for (int k = 0; k < g->count; k++)
        if (g->nodes[k]->op == OP_VAR && g->nodes[k]->attr->name.index == i - g->noutputs)
            return arena_printf(arena, "variable %s", g->nodes[k]->attr->name.name);
    return "a variable";
}

static bool
compare(const struct pass_check *c, const char *name, const struct graph *g, int variant, struct diag *diag)
{
    int count = c->noutputs + c->given.nvars;
    struct tensor *got = calloc((size_t)count + 1, sizeof *got);
    bool ok = got && run(c, g, &c->outcomes[variant], got, diag);
    for (int i = 0; ok && i < count; i++) {
        int64_t at = first_difference(&c->outcomes[variant].results[i], &got[i]);
        if (at < 0)
            continue;
        ok = false;
        diag_report(diag, PASS_CHANGES_A_BIT, (struct place){0}, name, result_text(g, i, diag->arena), (long long)at,
                    variant_text(variant, diag->arena));
    }
    free_tensors(got, got ? count : 0);
    free(got);
    return ok;
}

bool
pass_check_graph(struct pass_check *c, const char *name, struct graph *g, struct diag *diag)
{
    if (!graph_verify(g, diag)) {
        diag_report(diag, NOTE_PASS, (struct place){0}, name);
        return false;
    }
    if (g->ninputs != c->ninputs || g->noutputs != c->noutputs) {
        diag_report(diag, PASS_CHANGES_SIGNATURE, (struct place){0}, name);
        return false;
    }
    for (int v = 0; v < VARIANTS; v++)
        if (!compare(c, name, g, v, diag))
            return false;
    return true;
}

static bool
check_after(void *context, enum pass p, struct graph *g, struct diag *diag)
{
    return pass_check_graph(context, pass_info[p].name, g, diag);
}

bool
passes_check(struct graph *g, uint32_t without, const struct check_values *values, struct diag *diag)
{
    struct pass_check *c = pass_check_new(g, values, diag);
    bool ok = c && passes_run_watched(g, without, PASS_PLAN, check_after, c, diag);
    if (c)
        pass_check_free(c);
    return ok;
}
