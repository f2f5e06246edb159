/* check_statement: statements of definitions and of the model; the names of weights. */
#include "frontend/check.h"
#include "frontend/words.h"

enum {
    FEW_BINDINGS = 8,
    STATEMENTS_MAX = 500000 /* run in all, with those of repeats and calls: what is more would not be ended in seconds */
};

struct binding *
bind(struct checker *c, const char *name, struct value v, struct place at)
{
    struct frame *f = c->frame;
    const struct binding *old = find_binding(f, name);
    int hidden = old ? (int)(old - f->bindings) : -1;
    struct binding *b = ARENA_PUSH(c->arena, f->bindings, f->nbindings, f->bindings_cap);
    *b = (struct binding){.name = name, .value = v, .place = at, .hidden = hidden, .var = -1};
    if (f->latest.cap)
        name_map_set(&f->latest, c->arena, name, f->nbindings - 1);
    else if (f->nbindings > FEW_BINDINGS)
        for (int i = 0; i < f->nbindings; i++)
            name_map_set(&f->latest, c->arena, f->bindings[i].name, i);
    return b;
}

/* -- paths ----------------------------------------------------------------------------------------- */

int
count_name(struct checker *c, struct name_map *counts, const char *name)
{
    int k = name_map_get(counts, name);
    name_map_set(counts, c->arena, name, k < 0 ? 1 : k + 1);
    return k < 0 ? 1 : k + 1;
}

int
path_push(struct checker *c, const char *element)
{
    int length = c->path_length, more = (int)strlen(element) + 2;
    if (length + more > c->path_cap) {
        int cap = (length + more) * 2;
        char *path = arena_alloc(c->arena, (size_t)cap);
        if (length)
            memcpy(path, c->path, (size_t)length);
        c->path = path;
        c->path_cap = cap;
    }
    if (length)
        c->path[c->path_length++] = '.';
    memcpy(c->path + c->path_length, element, strlen(element) + 1);
    c->path_length += (int)strlen(element);
    return length;
}

void
path_restore(struct checker *c, int length)
{
    c->path_length = length;
    if (c->path)
        c->path[length] = 0;
}

/* What is given back after a binding's right-hand side. */
struct naming {
    int length;
    bool several;
    struct name_map counts;
    int draws;
};

/* Opens the path of a binding of |name|: x, x.2 (bound again), x[1] (in a repeat). */
static struct naming
open_binding(struct checker *c, const char *name, const struct ast *rhs)
{
    struct naming saved = {c->path_length, c->several, c->layer_counts, c->draws};
    struct frame *f = c->frame;
    const char *key = *f->iteration ? arena_printf(c->arena, "%s%s", name, f->iteration) : name;
    key = source_name(c->sources, key, strlen(key));
    int k = count_name(c, &f->counts, key);
    path_push(c, k == 1 ? key : arena_printf(c->arena, "%s.%d", key, k));
    c->several = count_layer_calls(c, rhs) > 1;
    c->layer_counts = (struct name_map){0};
    c->draws = 0;
    return saved;
}

static void
close_binding(struct checker *c, const struct naming *saved)
{
    path_restore(c, saved->length);
    c->several = saved->several;
    c->layer_counts = saved->counts;
    c->draws = saved->draws;
}

static struct value
evaluate_bound(struct checker *c, const char *name, const struct ast *rhs)
{
    struct naming saved = open_binding(c, name, rhs);
    struct value v = evaluate(c, rhs);
    close_binding(c, &saved);
    return v;
}

/* -- variables ------------------------------------------------------------------------------------- */

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

/* state NAME = INITIAL: in a layer or the model it is a variable of the module, in an optimiser one of each weight. */
static void
run_state(struct checker *c, const struct ast_arg *a)
{
    struct model *m = &c->x->model;
    bool optimizer = c->purpose == FOR_OPTIMIZER;
    if ((c->purpose != FOR_MODEL && !optimizer) || in_function(c)) {
        report(c, STATE_MISPLACED, a->place);
        bind(c, a->name, value_error(), a->place);
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
        b = bind(c, a->name, value_tensor(graph_input(t->update, a->name, &n->type)), a->place);
        b->var = k;
    } else if (n) {
        int known = m->module->nvars, var = make_variable(c, c->path, &n->type, VARIABLE_STATE, a->place);
        if (var == known)
            graph_output(m->init, m->module->vars[var].name, n);
        b = bind(c, a->name, value_tensor(variable_node(c, var)), a->place);
        b->var = var;
    } else
        bind(c, a->name, value_error(), a->place);
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

/* update NAME = VALUE: below it the name is the new value. */
static void
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
        bind(c, a->name, value_tensor(n), a->place)->var = var;
        return;
    }
    if (!c->training) {
        bind(c, a->name, value_tensor(n), a->place)->var = var;
        return;
    }
    struct node *in[2] = {variable_node(c, var), n}, **update = update_of(c, var);
    if (*update) {
        report(c, UPDATED_TWICE, a->place, a->name);
        return;
    }
    *update = build(c, OP_UPDATE, 2, in, NULL, NULL, a->place);
    bind(c, a->name, value_tensor(build(c, OP_STOP, 1, &n, NULL, NULL, a->place)), a->place)->var = var;
}

/* -- statements ------------------------------------------------------------------------------------ */

static void
run_bind(struct checker *c, const struct ast *s)
{
    if (s->nnames > 1) {
        report(c, SEVERAL_NAMES, s->place);
        return;
    }
    struct value v = evaluate_bound(c, s->names[0].text, s->child[0]);
    int var = v.kind == VALUE_TENSOR && v.node->op == OP_VAR ? v.node->attr->name.index : -1;
    struct binding *b = bind(c, s->names[0].text, v, s->names[0].place);
    if (var >= 0 && c->x->model.module && c->x->model.module->vars[var].kind == VARIABLE_STATE)
        b->var = var;
}

static void
run_return(struct checker *c, const struct ast *s)
{
    struct frame *f = c->frame;
    if (!f->def || s->nargs != 1 || !s->args[0].value) {
        report(c, RETURN_ONE, s->place);
        return;
    }
    f->result = evaluate_bound(c, "return", s->args[0].value);
    f->returned = true;
}

/* require CONDITION: false is the caller's fault. */
static void
run_require(struct checker *c, const struct ast *s)
{
    if (s->nargs != 1 || !s->args[0].value) {
        report(c, ONE_ARGUMENT, s->place, s->text);
        return;
    }
    const struct ast *e = s->args[0].value;
    struct value v = evaluate(c, e);
    bool truth;
    if (v.kind == VALUE_TENSOR && v.node->type.rank == 0) /* of a number that changes with the step: a schedule's rate */
        return;
    if (!value_truth(c, &v, &truth, s->place) || truth)
        return;
    report(c, REQUIRE_FAILED, s->place, c->frame->def ? c->frame->def->name : "model", line_text(c, s->place));
    for (int i = 0; i < c->frame->nbindings; i++) {
        const struct binding *b = &c->frame->bindings[i];
        if (b->value.kind == VALUE_NUMBER && mentions(e, b->name))
            diag_report(c->diag, NOTE_VALUE, (struct place){0}, b->name, value_text(c, &b->value));
    }
    c->frame->returned = true; /* what follows relies on it */
    c->frame->result = value_error();
}

/* warn CONDITION, "text": true is no fault, but hardly meant. */
static void
run_warn(struct checker *c, const struct ast *s)
{
    bool formed = s->nargs == 2 && s->args[0].value && !s->args[0].name && s->args[1].value &&
        s->args[1].value->kind == AST_STRING;
    if (!formed) {
        report(c, WARN_FORM, s->place);
        return;
    }
    struct value v = evaluate(c, s->args[0].value);
    bool truth;
    if (v.kind == VALUE_TENSOR && v.node->type.rank == 0) /* known when a batch comes */
        return;
    if (!value_truth(c, &v, &truth, s->place) || !truth)
        return;
    struct place at = user_place(c, s->place);
    for (const struct diagnostic *d = c->diag->first; d; d = d->next) /* training and evaluation say the same */
        if (d->code == DIAG_WARNED && !memcmp(&d->place, &at, sizeof at))
            return;
    report(c, WARNED, s->place, c->frame->def ? c->frame->def->name : c->x->model.name, s->args[1].value->text);
}

/* Names that |block| binds directly, ifs and repeats included: marks the bindings of |f| from |first| on that it does not
 * bind. */
static bool
block_binds(const struct ast *block, const char *name)
{
    if (!block)
        return false;
    if (block->kind == AST_IF)
        return block_binds(block->child[1], name) || block_binds(block->child[2], name);
    for (int i = 0; i < block->nbody; i++) {
        const struct ast *s = block->body[i];
        if (s->kind == AST_BIND)
            for (int k = 0; k < s->nnames; k++)
                if (s->names[k].text == name)
                    return true;
        if (s->kind == AST_IF && block_binds(s, name))
            return true;
        if (s->kind == AST_REPEAT && block_binds(s->child[1], name))
            return true;
        if (s->kind == AST_WORD)
            for (int k = 0; k < s->nargs; k++)
                if (s->args[k].name == name)
                    return true;
    }
    return false;
}

static void
run_if(struct checker *c, const struct ast *s)
{
    struct value cond = evaluate(c, s->child[0]);
    bool truth;
    if (!value_truth(c, &cond, &truth, s->child[0]->place))
        return;
    struct frame *f = c->frame;
    int first = f->nbindings;
    const struct ast *taken = s->child[truth ? 1 : 2], *other = s->child[truth ? 2 : 1];
    if (taken && taken->kind == AST_IF)
        run_if(c, taken);
    else if (taken)
        run_block(c, taken);
    for (int i = first; i < f->nbindings; i++) {
        int k = f->bindings[i].hidden;
        while (k >= 0 && (k >= first || f->bindings[k].partial))
            k = f->bindings[k].hidden;
        f->bindings[i].partial |= k < 0 && !block_binds(other, f->bindings[i].name);
    }
}

static void
run_repeat(struct checker *c, const struct ast *s)
{
    struct value from = evaluate(c, s->child[0]->child[0]), to = evaluate(c, s->child[0]->child[1]);
    int64_t a, b;
    if (!value_count(c, &from, "a bound of repeat", &a, s->place) || !value_count(c, &to, "a bound of repeat", &b, s->place))
        return;
    if (b - a > 100000) {
        report(c, REPEAT_TOO_LONG, s->place, (long long)(b - a + 1));
        return;
    }
    struct frame *f = c->frame;
    const char *outer = f->iteration;
    int errors = c->diag->errors;
    for (int64_t i = a, k = 1; i <= b && c->diag->errors == errors && !f->returned; i++, k++) {
        f->iteration = arena_printf(c->arena, "%s[%lld]", outer, (long long)k);
        bind(c, s->names[0].text, value_whole(i), s->names[0].place);
        run_block(c, s->child[1]);
    }
    f->iteration = outer;
}

static bool
named_value(struct checker *c, const struct ast *s, const struct ast_arg **out)
{
    if (s->nargs == 1 && s->args[0].name && s->args[0].value && !s->args[0].type) {
        *out = &s->args[0];
        return true;
    }
    report(c, NAME_VALUE_EXPECTED, s->place, s->text, s->text);
    return false;
}

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

/* input NAME: TYPE and target NAME: TYPE. */
static void
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
            bind(c, a->name, value_error(), a->place);
            continue;
        }
        struct model *m = &c->x->model;
        const char *rows = t->args[0].value->text;
        if (!find_binding(c->frame, rows))
            bind(c, rows, value_dim(DIM_N), t->args[0].value->place);
        c->graph->place = a->place;
        struct node *n = graph_input(c->graph, a->name, &type);
        bind(c, a->name, value_tensor(n), a->place);
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

static void
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
            bind(c, a->name, v, a->place);
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
        bind(c, a->name, v, a->place);
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
    return n;
}

static void
run_loss(struct checker *c, const struct ast *s)
{
    const char *name;
    if (!c->training && c->x->facts.valid_penalty == VALID_PENALTY_OMIT && !strcmp(s->text, "penalty"))
        return;
    struct node *n = scalar(c, s, s->text, &name);
    if (n)
        *ARENA_PUSH(c->arena, c->losses, c->nlosses, c->losses_cap) = n;
}

static void
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

static void
run_state_word(struct checker *c, const struct ast *s)
{
    const struct ast_arg *a;
    if (named_value(c, s, &a))
        run_state(c, a);
}

static void
run_update_word(struct checker *c, const struct ast *s)
{
    const struct ast_arg *a;
    if (named_value(c, s, &a))
        run_update(c, a);
}

static const struct word {
    const char *word;
    bool model_only;
    void (*run)(struct checker *c, const struct ast *s);
} words[] = {
    {"state", false, run_state_word}, {"update", false, run_update_word}, {"require", false, run_require},
    {"warn", false, run_warn},
    {"input", true, run_input},       {"target", true, run_input},        {"output", true, run_output},
    {"loss", true, run_loss},         {"penalty", true, run_loss},        {"metric", true, run_metric},
};

int
model_words(const char **out, int max)
{
    int n = 0;
    for (; n < (int)(sizeof words / sizeof *words) && n < max; n++)
        out[n] = words[n].word;
    return n;
}

static void
run_word(struct checker *c, const struct ast *s)
{
    const char *names[16];
    int n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        names[n++] = words[i].word;
        if (strcmp(words[i].word, s->text))
            continue;
        if (words[i].model_only && c->frame->def)
            report(c, WORD_MISPLACED, s->place, s->text);
        else
            words[i].run(c, s);
        return;
    }
    report(c, UNKNOWN_STATEMENT, s->place, s->text);
    const char *near = nearest_name(s->text, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

static void
run_statement(struct checker *c, const struct ast *s)
{
    if (++c->statements > STATEMENTS_MAX) {
        if (c->statements == STATEMENTS_MAX + 1)
            report(c, TOO_MANY_STATEMENTS, s->place, STATEMENTS_MAX);
        c->frame->returned = true;
        c->frame->result = value_error();
        return;
    }
    switch (s->kind) {
    case AST_BIND: run_bind(c, s); break;
    case AST_WORD: run_word(c, s); break;
    case AST_IF: run_if(c, s); break;
    case AST_REPEAT: run_repeat(c, s); break;
    case AST_RETURN: run_return(c, s); break;
    case AST_SCAN:
    case AST_YIELD: report(c, NO_SCAN, s->place); break;
    default: report(c, STATEMENT_MISPLACED, s->place); break;
    }
}

void
run_block(struct checker *c, const struct ast *block)
{
    for (int i = 0; i < block->nbody && !c->frame->returned; i++)
        run_statement(c, block->body[i]);
}
