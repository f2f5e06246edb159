/* check_declare: what a model declares: inputs, targets, outputs, losses, penalties, metrics. */
#include "frontend/check.h"

/* A dimension of an input behind N: a number. A name that stands for nothing is no dimension to be found out. */
static struct value
input_dim(struct checker *c, const struct ast *d)
{
    if (d->kind != AST_NAME || find_binding(c->frame, d->text) || name_map_get(&c->const_index, d->text) >= 0 ||
        d->text[0] < 'A' ||
        d->text[0] > 'Z')
        return evaluate(c, d);
    report(c, INPUT_DIMENSION, d->place, d->text);
    diag_report(c->diag, HELP_CONST, (struct place){0}, d->text);
    return value_error();
}

void
run_input(struct checker *c, const struct ast *s)
{
    for (int i = 0; i < s->nargs; i++) {
        const struct ast_arg *a = &s->args[i];
        enum elem e;
        struct type type;
        const struct ast *t = a->type;
        const char *elem = t && t->kind == AST_INDEX && t->child[0]->kind == AST_NAME ? t->child[0]->text : NULL;
        if (!a->name || a->value || !elem || !elem_from_name(elem, strlen(elem), &e)) {
            report(c, INPUT_FORM, a->place, s->text, s->text);
            continue;
        }
        struct binding *old = find_binding(c->frame, a->name);
        if (old) {
            report(c, DECLARED_TWICE, a->place, a->name);
            diag_report(c->diag, NOTE_FIRST_HERE, old->place);
            continue;
        }
        struct value *dims = ARENA_ARRAY(c->arena, struct value, t->nargs + 1);
        bool ok = true;
        for (int k = 0; k < t->nargs; k++) {
            const struct ast *d = t->args[k].value;
            bool rows = k == 0 && d && d->kind == AST_NAME && !strcmp(d->text, "N");
            if (!d || d->kind == AST_RANGE || d->kind == AST_ELLIPSIS || (k == 0 && !rows)) {
                report(c, INPUT_ROWS, d ? d->place : a->place, a->name);
                ok = false;
                break;
            }
            dims[k] = rows ? value_dim(DIM_N) : input_dim(c, d);
            ok &= dims[k].kind != VALUE_ERROR;
        }
        if (ok && !t->nargs) {
            report(c, INPUT_ROWS, a->place, a->name);
            ok = false;
        }
        struct value list = {.kind = VALUE_LIST, .items = dims, .nitems = t->nargs};
        if (!ok || !value_shape(c, &list, e, true, &type, t->args[0].place)) {
            bind_name(c, a->name, value_error(), a->place);
            continue;
        }
        struct model *m = &c->x->model;
        const char *rows = t->args[0].value->text;
        if (!find_binding(c->frame, rows))
            bind_name(c, rows, value_dim(DIM_N), t->args[0].value->place);
        c->graph->place = a->place;
        struct node *n = graph_input(c->graph, a->name, &type);
        bind_name(c, a->name, value_tensor(n), a->place);
        if (elem_is_float(e) && !c->frame->has_elem) { /* that of the weights and constants of the model's own text */
            c->frame->elem = e;
            c->frame->has_elem = true;
        }
        if (c->training && m->ninputs < INPUTS_MAX) {
            m->inputs[m->ninputs] = (struct graph_output){a->name, n};
            m->is_target[m->ninputs++] = !strcmp(s->text, "target");
        } else if (c->training)
            report(c, TOO_MANY_INPUTS, a->place, INPUTS_MAX);
    }
}

static void
declared_once(struct checker *c, const struct graph_output *list, const struct place *places, int count, const char *name,
              struct place at)
{
    for (int i = 0; i < count; i++)
        if (list[i].name == name) {
            report(c, DECLARED_TWICE, at, name);
            diag_report(c->diag, NOTE_FIRST_HERE, places[i]);
            return;
        }
}

void
run_output(struct checker *c, const struct ast *s)
{
    for (int i = 0; i < s->nargs; i++) {
        const struct ast_arg *a = &s->args[i];
        const char *name = a->name ? a->name : a->value && a->value->kind == AST_NAME ? a->value->text : NULL;
        if (!name || !a->value || a->type) {
            report(c, NAME_VALUE_EXPECTED, s->place, s->text, s->text);
            continue;
        }
        declared_once(c, c->outputs, c->output_places, c->noutputs, name, a->place);
        struct value v = a->name ? evaluate_bound(c, a->name, a->value) : evaluate(c, a->value);
        if (a->name)
            bind_name(c, a->name, v, a->place);
        struct node *n = v.kind == VALUE_ERROR ? NULL : value_any(c, &v, ELEM_F32, a->place);
        if (!n)
            continue;
        int count = c->noutputs;
        *ARENA_PUSH(c->arena, c->output_places, count, c->output_places_cap) = a->place;
        *ARENA_PUSH(c->arena, c->outputs, c->noutputs, c->outputs_cap) = (struct graph_output){name, n};
    }
}

/* Reports the first operation that |root| reaches and that pairs every row with every row. */
static void
check_suspects(struct checker *c, struct node *root)
{
    if (!c->nsuspects || !root)
        return;
    bool *reached = ARENA_ARRAY(c->arena, bool, root->id + 1);
    reached[root->id] = true;
    for (int i = root->id; i >= 0; i--) {
        struct node *n = c->graph->nodes[i];
        for (int k = 0; reached[i] && k < n->nin; k++)
            reached[n->in[k]->id] = true;
    }
    for (int i = 0; i < c->nsuspects; i++) {
        struct suspect *s = &c->suspects[i];
        if (s->node->id > root->id || c->graph->nodes[s->node->id] != s->node || !reached[s->node->id] || s->reported)
            continue;
        s->reported = true;
        if (c->x->facts.loss_shapes == LOSS_SHAPES_BROADCAST) {
            if (c->training)
                diag_report(c->diag, ROWS_BROADCAST, s->place, s->message);
            return;
        }
        diag_report(c->diag, ROWS_AGAINST_ROWS, s->place, s->message);
        diag_report(c->diag, HELP_TEXT, (struct place){0}, s->help);
        diag_report(c->diag, NOTE_CONVENTIONS_BROADCAST, (struct place){0});
        if (s->inner.file)
            diag_report(c->diag, NOTE_HERE, s->inner, s->where);
        return;
    }
}

/* The number that a loss, penalty or metric statement gives; NULL after a message. */
static struct node *
scalar(struct checker *c, const struct ast *s, const char *default_name, const char **out_name)
{
    if (s->nargs != 1 || !s->args[0].value || s->args[0].type) {
        report(c, ONE_ARGUMENT, s->place, s->text);
        return NULL;
    }
    const struct ast_arg *a = &s->args[0];
    *out_name = a->name ? a->name : default_name;
    c->frame->word = s->text;
    struct value v = evaluate_bound(c, *out_name, a->value);
    if (a->name)
        bind_name(c, a->name, v, a->place);
    c->frame->word = NULL;
    struct node *n = v.kind == VALUE_ERROR ? NULL : value_any(c, &v, ELEM_F32, a->value->place);
    if (!n)
        return NULL;
    int errors = c->diag->errors;
    check_suspects(c, n);
    if (c->diag->errors > errors)
        return NULL;
    if (n->type.rank != 0) {
        struct value shown = value_tensor(n);
        report(c, NOT_ONE_NUMBER, a->value->place, s->text, value_text(c, &shown));
        diag_report(c->diag, HELP_TEXT, (struct place){0}, "take the mean: mean(x)");
        return NULL;
    }
    if (c->purpose != FOR_METRIC && !elem_is_float((enum elem)n->type.elem)) {
        struct value shown = value_tensor(n);
        report(c, LOSS_NOT_REAL, a->value->place, s->text, value_text(c, &shown));
        return NULL;
    }
    return n;
}

void
run_loss(struct checker *c, const struct ast *s)
{
    const char *name;
    if (!c->training && c->x->facts.valid_penalty == VALID_PENALTY_OMIT && !strcmp(s->text, "penalty"))
        return;
    struct node *n = scalar(c, s, s->text, &name);
    if (n)
        *ARENA_PUSH(c->arena, c->losses, c->nlosses, c->losses_cap) = n;
}

void
run_metric(struct checker *c, const struct ast *s)
{
    if (c->training) /* metrics belong to the evaluation */
        return;
    struct model *m = &c->x->model;
    if (s->nargs != 1 || !s->args[0].name) {
        report(c, NAME_VALUE_EXPECTED, s->place, s->text, s->text);
        return;
    }
    declared_once(c, c->metrics, c->metric_places, c->nmetrics, s->args[0].name, s->args[0].place);
    c->model_graph = c->graph;
    struct node **vars = c->vars;
    int vars_size = c->vars_size;
    if (c->imported_size < c->graph->count) {
        struct node **imported = ARENA_ARRAY(c->arena, struct node *, c->graph->count * 2);
        if (c->imported)
            memcpy(imported, c->imported, sizeof *imported * (size_t)c->imported_size);
        c->imported = imported;
        c->imported_size = c->graph->count * 2;
    }
    struct saved saved = begin_graph(c, m->metrics, FOR_METRIC);
    c->vars = c->metric_vars;
    c->vars_size = c->metric_vars_size;
    const char *name;
    struct node *n = scalar(c, s, "metric", &name);
    c->metric_vars = c->vars;
    c->metric_vars_size = c->vars_size;
    end_graph(c, &saved);
    c->vars = vars;
    c->vars_size = vars_size;
    if (!n)
        return;
    int count = c->nmetrics;
    *ARENA_PUSH(c->arena, c->metric_places, count, c->metric_places_cap) = s->args[0].place;
    *ARENA_PUSH(c->arena, c->metrics, c->nmetrics, c->metrics_cap) = (struct graph_output){name, n};
}
