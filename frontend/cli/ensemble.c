/* ensemble: the mean of what several trainings predict, judged as each of them is. */
#include "frontend/cli/trainings.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool
short_of_memory(struct diag *diag)
{
    diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    return false;
}

static double
real_at(const struct tensor *t, int64_t i)
{
    return t->type.elem == ELEM_F32 ? ((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static bool
add_value(struct ensemble *e, int i, const struct tensor *t)
{
    int64_t n = tensor_count(t);
    if (!elem_is_float((enum elem)t->type.elem)) {
        size_t bytes = (size_t)tensor_bytes(t);
        if (e->kept[i]) {
            e->differs |= memcmp(e->kept[i], t->data, bytes) != 0;
            return true;
        }
        e->kept[i] = malloc(bytes + 1);
        if (e->kept[i])
            memcpy(e->kept[i], t->data, bytes);
        return e->kept[i];
    }
    if (!e->sum[i] && !(e->sum[i] = calloc((size_t)n + 1, sizeof *e->sum[i])))
        return false;
    for (int64_t k = 0; k < n; k++)
        e->sum[i][k] += real_at(t, k);
    return true;
}

bool
ensemble_add(struct ensemble *e, const struct model_info *model, const struct evaluation *values, struct diag *diag)
{
    if (!e->members) {
        e->rows = values->rows;
        e->count = values->nvalues;
        e->sum = calloc((size_t)e->count + 1, sizeof *e->sum);
        e->kept = calloc((size_t)e->count + 1, sizeof *e->kept);
        if (!e->sum || !e->kept)
            return short_of_memory(diag);
    }
    for (int i = 0; i < e->count; i++)
        if (values->values[i].data && !add_value(e, i, &values->values[i]))
            return short_of_memory(diag);
    e->members++;
    return true;
}

void
ensemble_free(struct ensemble *e)
{
    for (int i = 0; i < e->count; i++) {
        free(e->sum ? e->sum[i] : NULL);
        free(e->kept ? e->kept[i] : NULL);
    }
    free(e->sum);
    free(e->kept);
    *e = (struct ensemble){0};
}

/* The mean of value |i| as a tensor of its type. */
static struct tensor
mean_value(const struct ensemble *e, const struct model_info *model, int i)
{
    struct type type = type_at(&model->outputs[i].type, e->rows);
    struct tensor t = tensor_new(&type);
    if (!t.data)
        return t;
    if (!e->sum[i]) {
        memcpy(t.data, e->kept[i], (size_t)tensor_bytes(&t));
        return t;
    }
    int64_t n = tensor_count(&t);
    for (int64_t k = 0; k < n; k++) {
        double mean = e->sum[i][k] / (double)e->members;
        if (type.elem == ELEM_F32)
            ((float *)t.data)[k] = (float)mean;
        else
            ((double *)t.data)[k] = mean;
    }
    return t;
}

/* ---- the loss of given outputs ---- */

/* Nodes of the evaluation that the loss needs, the outputs taken as given. */
struct judged {
    const struct model *model;
    const struct graph *t;
    bool *from_rows;        /* by id: depends on an input of the model */
    bool *given;            /* is an output */
    bool *keep;
    struct node **map;      /* by id: the copy that runs */
};

static void
mark(struct judged *j, struct arena *arena)
{
    const struct graph *t = j->t;
    j->from_rows = ARENA_ARRAY(arena, bool, t->count + 1);
    j->given = ARENA_ARRAY(arena, bool, t->count + 1);
    j->keep = ARENA_ARRAY(arena, bool, t->count + 1);
    for (int i = 0; i < j->model->noutputs; i++)
        j->given[t->outputs[i].node->id] = true;
    for (int i = 0; i < t->count; i++) {
        const struct node *n = t->nodes[i];
        j->from_rows[i] = n->op == OP_INPUT && n->attr->name.index < j->model->ninputs;
        for (int k = 0; k < n->nin; k++)
            j->from_rows[i] |= j->from_rows[n->in[k]->id];
    }
}

/* A term of the loss that the rows do not decide about. */
static bool
is_penalty(const struct judged *j, const struct node *n)
{
    return !j->from_rows[n->id];
}

/* Marks what |loss| needs; false if weights reach it past the outputs. */
static bool
need(struct judged *j, const struct node *loss)
{
    j->keep[loss->id] = true;
    for (int i = j->t->count - 1; i >= 0; i--) {
        const struct node *n = j->t->nodes[i];
        if (!j->keep[i] || j->given[i])
            continue;
        if (n->op == OP_VAR)
            return false;
        bool sum = n->op == OP_ADD && n->type.rank == 0;
        for (int k = 0; k < n->nin; k++)
            if (!sum || !is_penalty(j, n->in[k]))
                j->keep[n->in[k]->id] = true;
    }
    return true;
}

static struct node *
copy_node(struct graph *g, const struct node *n, struct node **map)
{
    if (node_is_number(n))
        return elem_is_float(n->type.elem) ? graph_number(g, (enum elem)n->type.elem, n->attr->value.real)
                                           : graph_whole(g, (enum elem)n->type.elem, n->attr->value.whole);
    struct node **in = ARENA_ARRAY(g->arena, struct node *, n->nin + 1), *only = NULL;
    int missing = 0;
    for (int k = 0; k < n->nin; k++) {
        in[k] = map[n->in[k]->id];
        missing += !in[k];
        only = in[k] ? in[k] : only;
    }
    return missing ? only : graph_add(g, (enum op)n->op, n->nin, in, n->attr, &n->type);
}

static void
build_loss(void *judged, struct graph *g)
{
    const struct judged *j = judged;
    const struct graph *t = j->t;
    for (int i = 0; i < t->ninputs; i++)
        j->map[t->inputs[i]->id] = graph_input(g, t->inputs[i]->attr->name.name, &t->inputs[i]->type);
    for (int i = 0; i < j->model->noutputs; i++)
        j->map[t->outputs[i].node->id] = graph_input(g, t->outputs[i].name, &t->outputs[i].node->type);
    for (int i = 0; i < t->count; i++)
        if (j->keep[i] && !j->map[i])
            j->map[i] = copy_node(g, t->nodes[i], j->map);
}

/* Computes the loss of |values|, the outputs for all rows of |valid|; NaN if it does not come from them alone. */
static bool
loss_of(struct session *s, const struct set *valid, const struct tensor *values, double *out)
{
    const struct model *m = s->model;
    const struct graph *t = m->eval;
    struct judged j = {.model = m, .t = t};
    mark(&j, s->arena);
    const struct node *loss = t->outputs[m->nvalues].node;
    *out = NAN;
    if (!m->has_loss || !need(&j, loss))
        return true;
    struct eager *e = eager_new(m, &s->x->train, s->info.values, chosen_gemm(s->cli), s->arena);
    struct step_numbers numbers = {.seed = s->seed};
    void **inputs = ARENA_ARRAY(s->arena, void *, t->ninputs + m->noutputs + 1);
    void **of_model = ARENA_ARRAY(s->arena, void *, m->ninputs + 1);
    j.map = ARENA_ARRAY(s->arena, struct node *, t->count + 1);
    set_rows_at(&s->info, &valid->view, 0, of_model);
    program_inputs(m, of_model, &numbers, inputs);
    for (int i = 0; i < m->noutputs; i++)
        inputs[t->ninputs + i] = values[i].data;
    bool ok = eager_run(e, inputs, valid->view.rows, build_loss, &j);
    if (ok)
        *out = eager_number(j.map[loss->id]);
    else
        diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
    eager_free(e);
    return ok;
}

bool
ensemble_judge(struct ensemble *e, struct session *s, struct program *program, const struct set *valid, double *out_loss,
               double *out_metrics)
{
    const struct model_info *model = &s->info;
    struct tensor *values = ARENA_ARRAY(s->arena, struct tensor, e->count + 1);
    bool ok = true;
    for (int i = 0; i < e->count && ok; i++)
        if (e->sum[i] || e->kept[i]) {
            values[i] = mean_value(e, model, i);
            ok = values[i].data || short_of_memory(s->diag);
        }
    ok = ok && loss_of(s, valid, values, out_loss);
    for (int i = 0; i < model->nmetrics; i++)
        out_metrics[i] = NAN;
    if (ok && model->nmetrics && !e->differs)
        ok = program->metrics(program->self, values, e->rows, out_metrics) || short_of_memory(s->diag);
    for (int i = 0; i < e->count; i++)
        tensor_free(&values[i]);
    return ok;
}
