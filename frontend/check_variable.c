/* check_variable: weights and states, and the graphs that their initial values and updates go to. */
#include "frontend/check.h"

struct saved
begin_graph(struct checker *c, struct graph *g, enum purpose purpose)
{
    struct saved s = {c->graph, c->vars, c->vars_size, c->step, c->epoch, c->seed, c->purpose};
    c->graph = g;
    c->vars = NULL;
    c->vars_size = 0;
    c->step = c->epoch = c->seed = NULL;
    c->purpose = purpose;
    return s;
}

void
end_graph(struct checker *c, const struct saved *s)
{
    c->graph = s->graph;
    c->vars = s->vars;
    c->vars_size = s->vars_size;
    c->step = s->step;
    c->epoch = s->epoch;
    c->seed = s->seed;
    c->purpose = s->purpose;
}

bool
in_function(const struct checker *c)
{
    return c->frame && c->frame->def && c->frame->def->kind == AST_FUNCTION;
}

/* Two variables of one pass never share a name: that would be one weight where the text has two. */
static void
made_once(struct checker *c, int var, struct place at)
{
    struct name_map *made = &c->made;
    const char *name = c->x->model.module->vars[var].name;
    if (name_map_get(made, name) >= 0)
        report(c, WEIGHT_NAME_TWICE, at, name);
    name_map_set(made, c->arena, name, var);
}

int
make_variable(struct checker *c, const char *name, const struct type *type, enum variable_kind kind, struct place at)
{
    struct module *m = c->x->model.module;
    size_t length = strlen(name);
    if (length > WEIGHT_NAME_MAX)
        report(c, WEIGHT_NAME_LONG, at, name, (int)length, WEIGHT_NAME_MAX);
    name = source_name(c->sources, name, length);
    int known = name_map_get(&c->var_index, name);
    if (known >= 0) {
        if (!type_equal(&m->vars[known].type, type))
            report(c, WEIGHT_TWO_SHAPES, at, name);
        made_once(c, known, at);
        return known;
    }
    *ARENA_PUSH(m->arena, m->vars, m->nvars, m->vars_cap) = (struct variable){name, *type, kind, user_place(c, at)};
    name_map_set(&c->var_index, c->arena, name, m->nvars - 1);
    made_once(c, m->nvars - 1, at);
    return m->nvars - 1;
}

void
run_state(struct checker *c, const struct ast_arg *a)
{
    struct model *m = &c->x->model;
    bool optimizer = c->purpose == FOR_OPTIMIZER;
    if ((c->purpose != FOR_MODEL && !optimizer) || in_function(c)) {
        report(c, STATE_MISPLACED, a->place);
        bind_name(c, a->name, value_error(), a->place);
        return;
    }
    struct naming naming = open_binding(c, a->name, a->value);
    struct optimizer_template *t = c->optimizer;
    struct saved s = begin_graph(c, optimizer ? t->states : m->init, optimizer ? FOR_OPTIMIZER : FOR_INIT);
    if (optimizer) /* p may be read for its shape or value */
        find_binding(c->frame, c->frame->def->ast->args[0].name)->value = value_tensor(t->states->inputs[0]);
    if (!optimizer)
        c->seed = m->init->inputs[0];
    struct value v = evaluate(c, a->value);
    struct node *n = value_any(c, &v, c->frame->elem, a->place);
    end_graph(c, &s);
    if (optimizer)
        find_binding(c->frame, c->frame->def->ast->args[0].name)->value = value_tensor(t->update->inputs[0]);
    struct binding *b = NULL;
    if (n && type_has_rows(&n->type)) {
        report(c, STATE_HAS_ROWS, a->place, a->name);
    } else if (n && optimizer) {
        int k = t->nstates++;
        for (int i = 0; i < k; i++)
            if (t->names[i] == a->name) {
                report(c, DECLARED_TWICE, a->place, a->name);
                diag_report(c->diag, NOTE_FIRST_HERE, find_binding(c->frame, a->name)->place);
            }
        t->names[k] = a->name;
        t->types[k] = n->type;
        graph_output(t->states, a->name, n);
        b = bind_name(c, a->name, value_tensor(graph_input(t->update, a->name, &n->type)), a->place);
        b->var = k;
    } else if (n) {
        int known = m->module->nvars, var = make_variable(c, c->path, &n->type, VARIABLE_STATE, a->place);
        if (var == known)
            graph_output(m->init, m->module->vars[var].name, n);
        b = bind_name(c, a->name, value_tensor(variable_node(c, var)), a->place);
        b->var = var;
    } else
        bind_name(c, a->name, value_error(), a->place);
    close_binding(c, &naming);
}

static struct node **
update_of(struct checker *c, int var)
{
    if (var >= c->updates_size) {
        int size = (var + 1) * 2;
        struct node **updates = ARENA_ARRAY(c->arena, struct node *, size);
        if (c->updates)
            memcpy(updates, c->updates, sizeof *updates * (size_t)c->updates_size);
        c->updates = updates;
        c->updates_size = size;
    }
    return &c->updates[var];
}

void
run_update(struct checker *c, const struct ast_arg *a)
{
    struct binding *b = find_binding(c->frame, a->name);
    bool is_weight = c->purpose == FOR_OPTIMIZER && c->frame->def->kind == AST_OPTIMIZER &&
        a->name == c->frame->def->ast->args[0].name;
    if (!b || (b->var < 0 && !is_weight)) {
        report(c, UPDATE_OF_WHAT, a->place, a->name);
        return;
    }
    struct value v = evaluate_bound(c, a->name, a->value);
    if (b->value.kind != VALUE_TENSOR)
        return;
    struct type wanted = b->value.node->type;
    struct node *n = value_node(c, &v, (enum elem)wanted.elem, a->place);
    if (!n)
        return;
    if (!type_equal(&n->type, &wanted)) {
        struct value old = b->value, new = value_tensor(n);
        report(c, UPDATE_SHAPE, a->place, a->name, value_text(c, &old), value_text(c, &new));
        return;
    }
    int var = b->var;
    if (c->purpose == FOR_OPTIMIZER) {
        bind_name(c, a->name, value_tensor(n), a->place)->var = var;
        return;
    }
    if (!c->training) {
        bind_name(c, a->name, value_tensor(n), a->place)->var = var;
        return;
    }
    struct node *in[2] = {variable_node(c, var), n}, **update = update_of(c, var);
    if (*update) {
        report(c, UPDATED_TWICE, a->place, a->name);
        return;
    }
    *update = build(c, OP_UPDATE, 2, in, NULL, NULL, a->place);
    bind_name(c, a->name, value_tensor(build(c, OP_STOP, 1, &n, NULL, NULL, a->place)), a->place)->var = var;
}
