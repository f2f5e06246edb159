/* check_call: calls of definitions: arguments, parameters with their types, the body. */
#include "frontend/check.h"

enum { CALLS_MAX = 200 };

int
compiler_parameters(int kind)
{
    return kind == AST_INITIALIZER ? 1 : kind == AST_SCHEDULE || kind == AST_OPTIMIZER ? 2 : 0;
}

static bool
is_layer(const struct closure *f)
{
    return f->def ? f->def->kind == AST_LAYER : builtin_is_layer(f->builtin);
}

/* What a name refers to when it is called, without a message if nothing. */
static bool
names_layer(struct checker *c, const char *name)
{
    struct binding *b = c->frame ? find_binding(c->frame, name) : NULL;
    if (b && b->value.kind == VALUE_FUNCTION)
        return is_layer(b->value.function);
    const struct definition *def = definition_find(c, name);
    if (def)
        return def->kind == AST_LAYER;
    const struct builtin *builtin = builtin_find(name);
    return builtin && builtin_is_layer(builtin);
}

int
count_layer_calls(struct checker *c, const struct ast *e)
{
    if (!e)
        return 0;
    int n = e->kind == AST_CALL && e->child[0]->kind == AST_NAME && names_layer(c, e->child[0]->text);
    for (int i = 0; i < 3; i++)
        n += count_layer_calls(c, e->child[i]);
    for (int i = 0; i < e->nargs; i++)
        n += count_layer_calls(c, e->args[i].value);
    return n;
}

/* -- parameters ------------------------------------------------------------------------------------ */

/* What is wrong with an argument is a fault of the calling text. */
#define report_caller(c, callee, code, at, ...) \
    ((c)->frame = (callee)->caller, report((c), code, (at), ##__VA_ARGS__), (c)->frame = (callee))

/* One dimension of a parameter's type against |dim|: a number, a name bound where it is first met, or an expression of
 * them. */
static bool
match_dim(struct checker *c, const struct ast *pattern, int64_t dim)
{
    if (pattern->kind == AST_NAME && !find_binding(c->frame, pattern->text) && pattern->text[0] >= 'A' &&
        pattern->text[0] <= 'Z') {
        bind_name(c, pattern->text, value_dim(dim), pattern->place);
        return true;
    }
    struct value v = evaluate(c, pattern);
    return (v.kind == VALUE_ROWS && v.rows == dim) || (v.kind == VALUE_NUMBER && v.number.is_whole && v.number.whole == dim);
}

/* A parameter's type as it is written: f32[N, 4], [..., D]. */
static const char *
pattern_text(struct checker *c, const struct ast *pattern)
{
    const char *text = pattern->kind == AST_INDEX ? expression_text(c, pattern->child[0]) : "";
    if (pattern->kind == AST_NAME)
        return pattern->text;
    for (int i = 0; i < pattern->nargs; i++) {
        const struct ast *d = pattern->args[i].value;
        text = arena_printf(c->arena, "%s%s%s", text, i ? ", " : "[",
                            !d ? "" : d->kind == AST_ELLIPSIS ? "..." : expression_text(c, d));
    }
    return arena_printf(c->arena, "%s%s]", text, pattern->nargs ? "" : "[");
}

static bool
match_type(struct checker *c, const struct ast *pattern, const struct type *t)
{
    const struct ast *dims = pattern;
    if (pattern->kind == AST_INDEX || pattern->kind == AST_NAME) {
        const char *name = pattern->kind == AST_INDEX ? pattern->child[0]->text : pattern->text;
        enum elem e;
        if (!name || !elem_from_name(name, strlen(name), &e) || t->elem != e)
            return false;
        if (pattern->kind == AST_NAME)
            return t->rank == 0;
    } else if (pattern->kind != AST_LIST)
        return false;
    int dots = -1;
    for (int i = 0; i < dims->nargs; i++)
        if (dims->args[i].value && dims->args[i].value->kind == AST_ELLIPSIS) {
            if (dots >= 0) {
                report(c, DOTS_TWICE, dims->args[i].value->place);
                return false;
            }
            dots = i;
        }
    if (dots < 0 ? dims->nargs != t->rank : dims->nargs - 1 > t->rank)
        return false;
    for (int i = 0; i < dims->nargs; i++) {
        int axis = dots >= 0 && i > dots ? t->rank - (dims->nargs - i) : i;
        if (i != dots && (!dims->args[i].value || !match_dim(c, dims->args[i].value, t->dim[axis])))
            return false;
    }
    return true;
}

/* What the names in a parameter's type were bound to by the |nbefore| bindings before it. */
static void
note_dims(struct checker *c, const struct ast *pattern, int nbefore)
{
    for (int i = 0; i < pattern->nargs; i++) {
        const struct ast *d = pattern->args[i].value;
        const struct binding *b = d && d->kind == AST_NAME ? find_binding(c->frame, d->text) : NULL;
        if (b && b - c->frame->bindings < nbefore && (b->value.kind == VALUE_NUMBER || b->value.kind == VALUE_ROWS))
            diag_report(c->diag, NOTE_VALUE, (struct place){0}, b->name, value_text(c, &b->value));
    }
}

static bool
bind_parameter(struct checker *c, const struct ast_arg *p, struct value v, struct place at)
{
    struct frame *callee = c->frame;
    int nbefore = callee->nbindings, errors = c->diag->errors;
    if (v.kind == VALUE_ERROR)
        return false;
    if (p->type) {
        if (v.kind == VALUE_NUMBER)
            v = value_tensor(value_node(c, &v, ELEM_F32, at));
        if (v.kind != VALUE_TENSOR) {
            report_caller(c, callee, PARAMETER_TENSOR, at, callee->def->name, p->name, value_text(c, &v));
            return false;
        }
        if (!match_type(c, p->type, &v.node->type)) {
            if (c->diag->errors > errors) /* the type itself is faulty */
                return false;
            report_caller(c, callee, PARAMETER_SHAPE, at, callee->def->name, p->name, value_text(c, &v),
                          pattern_text(c, p->type));
            diag_report(c->diag, NOTE_DECLARED, p->place, p->name);
            note_dims(c, p->type, nbefore);
            return false;
        }
    }
    bind_name(c, p->name, v, p->place);
    return true;
}

static void
unknown_argument(struct checker *c, const struct definition *def, const struct argument *a)
{
    const char *names[64];
    int n = 0;
    for (; n < def->ast->nargs && n < 64; n++)
        names[n] = def->ast->args[n].name;
    report(c, UNKNOWN_ARGUMENT, a->start, def->name, a->name);
    const char *near = nearest_name(a->name, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    diag_report(c->diag, NOTE_DECLARED, def->ast->place, def->name);
}

/* Which argument each parameter gets; false after a message. |skip|: leading parameters that are not to be given. */
static bool
distribute(struct checker *c, const struct definition *def, const struct argument *args, int nargs, int skip,
           const struct argument **given)
{
    int at = skip;
    bool ok = true;
    for (int i = 0; i < nargs; i++) {
        int k = at;
        if (args[i].name) {
            for (k = 0; k < def->ast->nargs && def->ast->args[k].name != args[i].name; k++)
                ;
            if (k == def->ast->nargs || k < skip) {
                unknown_argument(c, def, &args[i]);
                ok = false;
                continue;
            }
        } else if (k >= def->ast->nargs) {
            report(c, TOO_MANY_ARGUMENTS, args[i].place, def->name, def->ast->nargs - skip);
            diag_report(c->diag, NOTE_DECLARED, def->ast->place, def->name);
            return false;
        } else
            at++;
        if (given[k]) {
            report(c, ARGUMENT_TWICE, args[i].start, def->name, def->ast->args[k].name);
            diag_report(c->diag, NOTE_FIRST_HERE, given[k]->start);
            ok = false;
        }
        given[k] = &args[i];
    }
    return ok;
}

/* -- frames ---------------------------------------------------------------------------------------- */

static bool
enter(struct checker *c, struct frame *f, const struct definition *def)
{
    int depth = 0;
    for (const struct frame *g = c->frame; g; g = g->caller, depth++)
        if (g->def == def) {
            const char *cycle = def->name;
            for (const struct frame *h = c->frame; h != g; h = h->caller)
                cycle = arena_printf(c->arena, "%s -> %s", h->def->name, cycle);
            report(c, RECURSION, f->place, def->name, def->name, cycle);
            for (const struct frame *h = c->frame; h != g; h = h->caller)
                diag_report(c->diag, NOTE_CALLED_BY, h->place, h->def->name);
            return false;
        }
    if (depth > CALLS_MAX) {
        report(c, CALLS_TOO_DEEP, f->place, CALLS_MAX);
        return false;
    }
    f->caller = c->frame;
    f->def = def;
    f->iteration = "";
    f->path_length = c->path_length;
    f->elem = c->frame ? c->frame->elem : ELEM_F32;
    f->owner = c->frame ? c->frame->owner : NULL;
    c->frame = f;
    return true;
}

/* Weights and constants of a definition have the element type of its first floating tensor. */
static void
choose_elem(struct frame *f, const struct argument *const *given, int n)
{
    for (int i = 0; i < n; i++)
        if (given[i] && given[i]->value.kind == VALUE_TENSOR && elem_is_float(given[i]->value.node->type.elem) &&
            !given[i]->value.is_number) {
            f->elem = (enum elem)given[i]->value.node->type.elem;
            return;
        }
}

/* A schedule given to an optimiser becomes its value at this step. */
static struct value
at_this_step(struct checker *c, const struct definition *def, struct value v, struct place at)
{
    if (def->kind != AST_OPTIMIZER || v.kind != VALUE_FUNCTION || !v.function->def || v.function->def->kind != AST_SCHEDULE)
        return v;
    struct argument now[2] = {{.value = value_runtime_number(c->step), .place = at},
                              {.value = value_runtime_number(c->epoch), .place = at}};
    return apply(c, v.function, now, 2, NULL, at);
}

static void
note_default(struct checker *c, const struct definition *def, const struct ast_arg *p)
{
    struct experiment *x = c->x;
    for (int i = 0; i < x->ndefaults; i++)
        if (x->defaults[i].parameter == p)
            return;
    *ARENA_PUSH(c->arena, x->defaults, x->ndefaults, x->defaults_cap) = (struct default_taken){def->ast, p, def->file};
}

static bool
bind_parameters(struct checker *c, const struct definition *def, const struct argument *const *given, struct place at)
{
    struct frame *callee = c->frame;
    bool ok = true;
    for (int i = 0; i < def->ast->nargs; i++) {
        const struct ast_arg *p = &def->ast->args[i];
        if (given[i])
            ok &= bind_parameter(c, p, at_this_step(c, def, given[i]->value, given[i]->place), given[i]->place);
        else if (p->value) {
            note_default(c, def, p);
            ok &= bind_parameter(c, p, at_this_step(c, def, evaluate(c, p->value), p->place), p->place);
        } else {
            report_caller(c, callee, ARGUMENT_MISSING, at, def->name, p->name);
            diag_report(c->diag, NOTE_DECLARED, def->ast->place, def->name);
            ok = false;
        }
    }
    return ok;
}

struct frame *
run_definition(struct checker *c, const struct definition *def, const struct argument *args, int nargs,
               const struct ast *call, struct place at)
{
    const struct argument **given = ARENA_ARRAY(c->arena, const struct argument *, def->ast->nargs + 1);
    if (!distribute(c, def, args, nargs, 0, given))
        return NULL;
    struct frame *f = ARENA_NEW(c->arena, struct frame);
    *f = (struct frame){.call = call, .place = at, .args = args, .nargs = nargs};
    if (!enter(c, f, def))
        return NULL;
    choose_elem(f, given, def->ast->nargs);
    int before = c->diag->errors;
    if (bind_parameters(c, def, given, at))
        run_block(c, def->ast->child[0]);
    c->frame = f->caller;
    if (!f->returned && c->diag->errors == before && def->kind != AST_OPTIMIZER)
        report(c, NO_RETURN, at, def->name);
    return c->diag->errors == before ? f : NULL;
}

struct value
call_definition(struct checker *c, const struct definition *def, const struct argument *args, int nargs,
                const struct ast *call, struct place at)
{
    if (def->kind == AST_OPTIMIZER) { /* the train section runs one itself */
        report(c, OPTIMIZER_MISPLACED, at, def->name);
        return value_error();
    }
    struct frame *f = run_definition(c, def, args, nargs, call, at);
    return f && f->returned ? f->result : value_error();
}

/* -- calls ----------------------------------------------------------------------------------------- */

static bool
evaluate_arguments(struct checker *c, const struct ast *e, struct argument **out)
{
    struct argument *args = ARENA_ARRAY(c->arena, struct argument, e->nargs + 1);
    bool ok = true;
    for (int i = 0; i < e->nargs; i++) {
        const struct ast_arg *a = &e->args[i];
        if (a->type || !a->value) {
            report(c, NOT_A_VALUE, a->place);
            ok = false;
            continue;
        }
        args[i] = (struct argument){.name = a->name, .place = a->value->kind == AST_BINARY ? a->place : a->value->place,
                                    .start = a->place, .ast = a->value};
        args[i].value = evaluate(c, a->value);
        ok &= args[i].value.kind != VALUE_ERROR;
    }
    *out = args;
    return ok;
}

/* Whether a call of an initialiser, schedule or optimiser gives the compiler's parameters too; else it makes a function
 * value. */
static bool
is_full_call(const struct definition *def, const struct argument *args, int nargs)
{
    if (nargs == 0 || args[0].name)
        return false;
    switch (def->kind) {
    case AST_INITIALIZER: return args[0].value.kind == VALUE_LIST;
    case AST_SCHEDULE:
    case AST_OPTIMIZER: return args[0].value.kind == VALUE_TENSOR;
    default: return true;
    }
}

static void
record_layer(struct checker *c, const char *name, const struct value *v, int first_var, int depth, struct place at)
{
    struct model *m = &c->x->model;
    if (!c->training || v->kind != VALUE_TENSOR)
        return;
    int64_t weights = 0;
    for (int i = first_var; i < m->module->nvars; i++)
        if (m->module->vars[i].kind == VARIABLE_WEIGHT)
            weights += type_count(&m->module->vars[i].type, 1);
    *ARENA_PUSH(c->arena, m->layers, m->nlayers, m->layers_cap) =
        (struct layer_row){arena_text(c->arena, c->path, (size_t)c->path_length), name, v->node->type, weights, depth, at};
}

static struct value
call_layer(struct checker *c, const struct closure *f, const struct argument *args, int nargs, const struct ast *call,
           struct place at)
{
    const char *name = f->def ? f->def->name : builtin_name(f->builtin);
    int length = c->path_length, first_var = c->x->model.module ? c->x->model.module->nvars : 0, depth = 0;
    for (const struct frame *g = c->frame; g && g->def; g = g->caller)
        depth++;
    if (c->several) {
        int k = count_name(c, &c->layer_counts, source_name(c->sources, name, strlen(name)));
        path_push(c, k == 1 ? name : arena_printf(c->arena, "%s.%d", name, k));
    }
    bool several = c->several;
    struct name_map counts = c->layer_counts;
    c->several = false;
    struct value v = f->def ? call_definition(c, f->def, args, nargs, call, at)
        : builtin_call(c, f->builtin, args, nargs, at);
    c->several = several;
    c->layer_counts = counts;
    if (f->def)
        record_layer(c, name, &v, first_var, depth, at);
    path_restore(c, length);
    return v;
}

struct value
apply(struct checker *c, const struct closure *f, const struct argument *args, int nargs, const struct ast *call,
      struct place at)
{
    if (f->nargs) { /* what was given when the function value was made comes behind what the compiler gives now */
        struct argument *all = ARENA_ARRAY(c->arena, struct argument, f->nargs + nargs);
        memcpy(all, args, sizeof *all * (size_t)nargs);
        memcpy(all + nargs, f->args, sizeof *all * (size_t)f->nargs);
        args = all;
        nargs += f->nargs;
    }
    if (is_layer(f))
        return call_layer(c, f, args, nargs, call, at);
    if (f->builtin)
        return builtin_call(c, f->builtin, args, nargs, at);
    return call_definition(c, f->def, args, nargs, call, at);
}

/* What stands before a call's parenthesis. A name that is bound to something else there still calls the definition: metric
 * r2 = r2(p, y). */
static struct value
evaluate_callee(struct checker *c, const struct ast *e)
{
    const struct binding *b = e->kind == AST_NAME && c->frame ? find_binding(c->frame, e->text) : NULL;
    if (b && b->value.kind != VALUE_FUNCTION) {
        struct value f = function_named(c, e->text);
        if (f.kind == VALUE_FUNCTION)
            return f;
    }
    return evaluate(c, e);
}

struct value
evaluate_call(struct checker *c, const struct ast *e)
{
    struct value callee = evaluate_callee(c, e->child[0]);
    struct argument *args;
    if (!evaluate_arguments(c, e, &args) || callee.kind == VALUE_ERROR)
        return value_error();
    if (callee.kind != VALUE_FUNCTION) {
        report(c, NOT_A_FUNCTION, e->place, expression_text(c, e->child[0]), value_text(c, &callee));
        return value_error();
    }
    const struct closure *f = callee.function;
    if (f->def && !f->nargs && !is_full_call(f->def, args, e->nargs)) {
        const struct argument **given = ARENA_ARRAY(c->arena, const struct argument *, f->def->ast->nargs + 1);
        if (!distribute(c, f->def, args, e->nargs, compiler_parameters(f->def->kind), given))
            return value_error();
        if (compiler_parameters(f->def->kind)) {
            struct closure *partial = ARENA_NEW(c->arena, struct closure);
            *partial = (struct closure){.def = f->def, .args = args, .nargs = e->nargs};
            return (struct value){.kind = VALUE_FUNCTION, .function = partial};
        }
    }
    return apply(c, f, args, e->nargs, e, e->place);
}
