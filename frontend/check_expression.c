/* check_expression: what an expression is worth at compile time. */
#include "frontend/check.h"

const struct definition *
definition_find(const struct checker *c, const char *name)
{
    struct definition *d = c->definitions[((uintptr_t)name >> 4) % 256];
    while (d && d->name != name)
        d = d->next;
    if (d)
        d->used = true;
    return d;
}

static struct value
function_value(struct checker *c, const struct definition *def, const struct builtin *builtin)
{
    struct closure *f = ARENA_NEW(c->arena, struct closure);
    *f = (struct closure){.def = def, .builtin = builtin};
    return (struct value){.kind = VALUE_FUNCTION, .function = f};
}

struct value
function_named(struct checker *c, const char *name)
{
    const struct definition *def = definition_find(c, name);
    const struct builtin *builtin = def ? NULL : builtin_find(name);
    return def || builtin ? function_value(c, def, builtin) : value_error();
}

static void
unbound(struct checker *c, const char *name, struct place at)
{
    const char *names[1024];
    if (c->diag->errors >= DIAG_ERRORS_MAX) { /* counted, not shown */
        report(c, UNKNOWN_NAME, at, name);
        return;
    }
    int n = builtin_names(names, 256);
    for (int i = 0; c->frame && i < c->frame->nbindings && n < 768; i++)
        names[n++] = c->frame->bindings[i].name;
    for (int i = 0; i < 256; i++)
        for (const struct definition *d = c->definitions[i]; d && n < 1000; d = d->next)
            names[n++] = d->name;
    for (int i = 0; i < c->x->nconsts && n < 1024; i++)
        names[n++] = c->x->consts[i].name;
    report(c, UNKNOWN_NAME, at, name);
    const char *near = nearest_name(name, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

/* Names that stand for something without being bound: step, epoch, training. */
static struct value
special_name(struct checker *c, const char *name)
{
    if (!strcmp(name, "training"))
        return value_number(number_of_bool(c->training));
    if (!strcmp(name, "step") && c->step)
        return value_runtime_number(c->step);
    if (!strcmp(name, "epoch") && c->epoch)
        return value_runtime_number(c->epoch);
    return (struct value){.kind = VALUE_ERROR};
}

struct value
lookup(struct checker *c, const char *name, struct place at)
{
    struct binding *b = c->frame ? find_binding(c->frame, name) : NULL;
    if (b) {
        if (b->partial) {
            report(c, BOUND_BY_ONE_BRANCH, at, name);
            diag_report(c->diag, NOTE_DECLARED, b->place, name);
            return value_error();
        }
        return b->value;
    }
    int known = name_map_get(&c->const_index, name);
    if (known >= 0)
        return c->x->consts[known].faulty ? value_error() : value_number(c->x->consts[known].value);
    struct value v = special_name(c, name);
    if (v.kind != VALUE_ERROR)
        return v;
    v = function_named(c, name);
    if (v.kind != VALUE_ERROR)
        return v;
    unbound(c, name, at);
    return value_error();
}

static struct value
list_value(struct checker *c, const struct ast *e)
{
    struct value v = {.kind = VALUE_LIST, .nitems = e->nargs, .items = ARENA_ARRAY(c->arena, struct value, e->nargs + 1)};
    for (int i = 0; i < e->nargs; i++) {
        if (!e->args[i].value || e->args[i].name) {
            report(c, LIST_ITEM, e->args[i].place);
            return value_error();
        }
        v.items[i] = evaluate(c, e->args[i].value);
        if (v.items[i].kind == VALUE_ERROR)
            return value_error();
    }
    return v;
}

/* The name that an expression like h[1].w spells; NULL if it spells none. */
static const char *
weight_path(struct checker *c, const struct ast *e)
{
    if (e->kind == AST_NAME)
        return e->text;
    const char *front = e->kind == AST_FIELD || e->kind == AST_INDEX ? weight_path(c, e->child[0]) : NULL;
    if (!front)
        return NULL;
    if (e->kind == AST_FIELD)
        return arena_printf(c->arena, "%s.%s", front, e->text);
    for (int i = 0; i < e->nargs; i++) {
        const struct ast *k = e->args[i].value;
        if (!k || k->kind != AST_NUMBER || !k->is_whole)
            return NULL;
        front = arena_printf(c->arena, "%s[%lld]", front, (long long)k->whole);
    }
    return front;
}

/* A dotted name: a weight or state by its name, below the path of the definition that it stands in. */
static struct value
field_value(struct checker *c, const struct ast *e)
{
    const char *name = weight_path(c, e), *names[512];
    const struct module *m = c->x->model.module;
    if (!name || !m) {
        report(c, UNKNOWN_WEIGHT, e->place, expression_text(c, e));
        return value_error();
    }
    int above = c->frame ? c->frame->path_length : 0;
    const char *full = above ? arena_printf(c->arena, "%.*s.%s", above, c->path, name) : name;
    full = source_name(c->sources, full, strlen(full));
    int var = name_map_get(&c->var_index, full), n = 0;
    if (var >= 0)
        return value_tensor(variable_node(c, var));
    for (int i = 0; i < m->nvars && n < 512; i++)
        names[n++] = m->vars[i].name;
    report(c, UNKNOWN_WEIGHT, e->place, name);
    const char *near = nearest_name(full, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    return value_error();
}

/* An index or bound of a slice on an axis of |dim| elements, counted from the end where negative. */
static bool
slice_bound(struct checker *c, const struct ast *e, int64_t dim, bool is_stop, int64_t *out)
{
    if (!e) {
        *out = is_stop ? dim : 0;
        return true;
    }
    struct value v = evaluate(c, e);
    if (v.kind == VALUE_ROWS && v.rows == dim && is_stop) {
        *out = dim;
        return true;
    }
    int64_t i;
    if (!value_count(c, &v, "an index", &i, e->place))
        return false;
    if (dim < 0) {
        if (i == 0 && !is_stop) {
            *out = 0;
            return true;
        }
        report(c, SLICE_OF_ROWS, e->place);
        return false;
    }
    int64_t at = i < 0 ? i + dim : i;
    if (at < 0 || at > dim) {
        report(c, INDEX_OUT_OF_RANGE, e->place, (long long)i, (long long)dim);
        return false;
    }
    *out = at;
    return true;
}

static bool
index_one(struct checker *c, const struct ast *e, int64_t dim, int64_t *start)
{
    struct value v = evaluate(c, e);
    int64_t i;
    if (!value_count(c, &v, "an index", &i, e->place))
        return false;
    if (dim < 0) {
        report(c, SLICE_OF_ROWS, e->place);
        return false;
    }
    *start = i < 0 ? i + dim : i;
    if (*start < 0 || *start >= dim) {
        report(c, INDEX_OUT_OF_RANGE, e->place, (long long)i, (long long)dim);
        return false;
    }
    return true;
}

static struct value
index_tensor(struct checker *c, const struct ast *e, struct node *n)
{
    if (e->nargs > n->type.rank) {
        char text[TYPE_TEXT];
        report(c, TOO_MANY_INDICES, e->place, e->nargs, type_text(&n->type, ", ", text));
        return value_error();
    }
    struct attr slice = {0};
    struct type kept = {.elem = n->type.elem};
    bool whole = true;
    for (int i = 0; i < n->type.rank; i++) {
        const struct ast *item = i < e->nargs ? e->args[i].value : NULL;
        int64_t dim = n->type.dim[i], *start = &slice.slice.start[i], *stop = &slice.slice.stop[i];
        const struct ast *from = item && item->kind == AST_RANGE ? item->child[0] : NULL;
        const struct ast *to = item && item->kind == AST_RANGE ? item->child[1] : NULL;
        if (item && item->kind != AST_RANGE) {
            if (!index_one(c, item, dim, start))
                return value_error();
            *stop = *start + 1;
            whole = false;
            continue;
        }
        if (!slice_bound(c, from, dim, false, start) || !slice_bound(c, to, dim, true, stop))
            return value_error();
        if (dim >= 0 && *stop <= *start) {
            report(c, EMPTY_SLICE, item->place, (long long)*start, (long long)*stop);
            return value_error();
        }
        whole &= *start == 0 && *stop == dim;
        kept.dim[kept.rank++] = dim < 0 ? dim : *stop - *start;
    }
    if (whole)
        return value_tensor(n);
    struct node *cut = build(c, OP_SLICE, 1, &n, &slice, NULL, e->place);
    if (!cut || type_same_shape(&cut->type, &kept))
        return value_tensor(cut);
    return value_tensor(build(c, OP_RESHAPE, 1, &cut, NULL, &kept, e->place));
}

static struct value
index_list(struct checker *c, const struct ast *item, const struct value *v)
{
    int64_t from, to;
    if (item->kind != AST_RANGE)
        return index_one(c, item, v->nitems, &from) ? v->items[from] : value_error();
    if (!slice_bound(c, item->child[0], v->nitems, false, &from) || !slice_bound(c, item->child[1], v->nitems, true, &to))
        return value_error();
    return (struct value){.kind = VALUE_LIST, .items = v->items + from, .nitems = to > from ? (int)(to - from) : 0};
}

static struct value
index_value(struct checker *c, const struct ast *e)
{
    struct value v = evaluate(c, e->child[0]);
    if (v.kind == VALUE_ERROR)
        return v;
    if (v.kind == VALUE_TENSOR && !v.is_number) {
        struct node *n = localize(c, v.node, e->place);
        return n ? index_tensor(c, e, n) : value_error();
    }
    if (v.kind == VALUE_LIST && e->nargs == 1 && e->args[0].value)
        return index_list(c, e->args[0].value, &v);
    report(c, CANNOT_INDEX, e->place, value_text(c, &v));
    return value_error();
}

static struct value
conditional(struct checker *c, const struct ast *e)
{
    struct value cond = evaluate(c, e->child[0]);
    if (cond.kind == VALUE_TENSOR) {
        struct value a = evaluate(c, e->child[1]), b = evaluate(c, e->child[2]);
        if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR)
            return value_error();
        return where_values(c, &cond, &a, &b, e->place);
    }
    bool truth;
    if (!value_truth(c, &cond, &truth, e->place))
        return value_error();
    return evaluate(c, e->child[truth ? 1 : 2]);
}

/* and, or: a side known at compile time decides before the other is evaluated. */
static struct value
logical(struct checker *c, const struct ast *e)
{
    struct value a = evaluate(c, e->child[0]);
    if (a.kind == VALUE_NUMBER) {
        bool truth = number_is_true(a.number);
        if (truth == (e->op == AST_OR))
            return value_number(number_of_bool(truth));
    }
    struct value b = evaluate(c, e->child[1]);
    return binary_values(c, e->op, &a, &b, e->place);
}

struct value
evaluate(struct checker *c, const struct ast *e)
{
    switch (e->kind) {
    case AST_NUMBER: return value_number(e->is_whole ? number_of_whole(e->whole) : number_of_real(e->number));
    case AST_BOOL: return value_number(number_of_bool(e->whole != 0));
    case AST_STRING: return (struct value){.kind = VALUE_TEXT, .text = e->text};
    case AST_NAME: return lookup(c, e->text, e->place);
    case AST_LIST: return list_value(c, e);
    case AST_UNARY: {
        struct value a = evaluate(c, e->child[0]);
        return unary_value(c, e->op, &a, e->place);
    }
    case AST_BINARY: {
        if (e->op == AST_AND || e->op == AST_OR)
            return logical(c, e);
        struct value a = evaluate(c, e->child[0]), b = evaluate(c, e->child[1]);
        return binary_values(c, e->op, &a, &b, e->place);
    }
    case AST_COND: return conditional(c, e);
    case AST_CALL: return evaluate_call(c, e);
    case AST_INDEX: return index_value(c, e);
    case AST_FIELD: return field_value(c, e);
    default: report(c, NOT_A_VALUE, e->place); return value_error();
    }
}
