/* explain: --explain and --check-passes, on a graph of their own. */
#include "frontend/cli/explain.h"
#include "passes/check.h"
#include "passes/explain.h"
#include <string.h>

struct graph *
session_graph(const struct session *s, int64_t rows)
{
    struct graph *g = graph_new(s->arena, s->model->has_loss ? s->model->train->name : s->model->eval->name);
    if (s->model->has_loss)
        lower_train(s->model, &s->x->train, g);
    else
        lower_eval(s->model, false, g);
    g->max_rows = rows;
    return g;
}

static int
kernels_of(const struct graph *g, int *out_contractions)
{
    int kernels = 0;
    *out_contractions = 0;
    for (int i = 0; i < g->count; i++) {
        enum op_class class = (enum op_class)op_info[g->nodes[i]->op].class;
        bool leaf = class == CLASS_LEAF || class == CLASS_EFFECT || g->nodes[i]->op == OP_RESULT || g->nodes[i]->op == OP_RESHAPE;
        kernels += !leaf;
        *out_contractions += class == CLASS_CONTRACT;
    }
    return kernels;
}

static void
print_remarks(const struct graph *g, enum pass pass, int *from)
{
    const struct remarks *r = g->remarks;
    fprintf(stderr, "%s: %s\n", pass_info[pass].name, pass_info[pass].help);
    for (; *from < r->count; (*from)++)
        fprintf(stderr, "    %s\n", r->list[*from].text);
}

struct telling {
    int told;   /* remarks that were printed */
};

static bool
tell(void *context, enum pass pass, struct graph *g, struct diag *diag)
{
    struct telling *t = context;
    print_remarks(g, pass, &t->told);
    return true;
}

bool
explain_passes(const struct session *s, int64_t rows)
{
    uint32_t without;
    if (!chosen_without(s->cli, &without))
        return false;
    struct graph *g = session_graph(s, rows);
    struct remarks *remarks = ARENA_NEW(s->arena, struct remarks);
    struct telling t = {0};
    int before, after, contractions;
    before = kernels_of(g, &contractions);
    g->remarks = remarks;
    fprintf(stderr, "graph %s, %lld rows: %d operations\n", g->name, (long long)rows, before);
    if (!passes_run_watched(g, without, PASS_PLAN, tell, &t, s->diag))
        return false;
    after = kernels_of(g, &contractions);
    fprintf(stderr, "%d operations are %d kernels, %d of them contractions. Arena: %s, of which at most %s live at once\n", before, after,
            contractions, bytes_text(g->arena_bytes, s->arena), bytes_text(g->live_bytes, s->arena));
    return true;
}

bool
check_passes(const struct session *s, int64_t rows)
{
    uint32_t without;
    if (!chosen_without(s->cli, &without))
        return false;
    struct graph *g = session_graph(s, rows);
    void **given = ARENA_ARRAY(s->arena, void *, s->info.ninputs + 1), **inputs = ARENA_ARRAY(s->arena, void *, g->ninputs + 1);
    struct step_numbers numbers = {.seed = s->seed};
    for (int i = 0; i < s->info.ninputs; i++)
        given[i] = s->train.inputs[i].data;
    program_inputs(s->model, given, &numbers, inputs);
    for (int i = 0; i < g->ninputs; i++)
        if (!inputs[i]) { /* draws of a convention: any numbers serve */
            struct type type = type_at(&g->inputs[i]->type, rows);
            inputs[i] = arena_alloc(s->arena, (size_t)type_bytes(&type, 0) + 64);
        }
    enum gemm gemm = chosen_gemm(s->cli);
    if (gemm == GEMM_OPENBLAS && !program_load_blas(s->diag))
        return false;
    struct check_values values = {.inputs = inputs, .vars = s->info.values, .nvars = s->info.nvars, .rows = rows, .gemm = gemm};
    return passes_check(g, without, &values, s->diag);
}
