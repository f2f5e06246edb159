/* data_call: calls in the data block: the function's name, its arguments by place and name, its results. */
#include "frontend/data_run.h"
#include "frontend/number.h"
#include <string.h>

struct call {
    struct data_run *r;
    const struct ast *ast;
    struct data_function function;
    struct data_argument args[DATA_PARAMETERS_MAX];
    bool required[DATA_PARAMETERS_MAX], given[DATA_PARAMETERS_MAX];
    int nargs;
};

/* "normal(r, shape, loc = 0, scale = 1): ..." below a message. */
static bool
fail_with_help(const struct call *c, struct place place)
{
    diag_report(c->r->diag, DATA_FUNCTION_HELP, place, c->function.name, c->function.parameters, c->function.help);
    return false;
}

static bool
find_function(struct call *c, const struct ast *called)
{
    struct diag *diag = c->r->diag;
    if (called->kind != AST_NAME && called->kind != AST_FIELD) {
        diag_report(diag, DATA_CALLED, c->ast->place);
        return false;
    }
    if (data_function_find(called->text, &c->function))
        return true;
    diag_report(diag, DATA_FUNCTION_UNKNOWN, called->place, called->text);
    int n;
    const char *const *names = data_function_names(c->r->env->arena, &n);
    const char *near = nearest_name(called->text, names, n);
    if (near)
        diag_report(diag, DATA_NEAREST, called->place, near);
    return false;
}

static void
read_parameters(struct call *c)
{
    const char *at = c->function.parameters;
    struct arena *arena = c->r->env->arena;
    for (int n; (n = c->nargs) < DATA_PARAMETERS_MAX && data_parameter(&at, &c->args[n], &c->required[n], arena); c->nargs++)
        c->args[n].place = c->ast->place;
}

static bool
give(struct call *c, int i, struct place place, struct data_value v)
{
    c->given[i] = true;
    c->args[i].place = place;
    c->args[i].value = v;
    return true;
}

/* The parameter called |name|, or c->nargs. */
static int
parameter(const struct call *c, const char *name)
{
    int i = 0;
    while (i < c->nargs && strcmp(c->args[i].name, name) != 0)
        i++;
    return i;
}

static bool
fail_unknown(struct call *c, const struct ast_arg *a)
{
    const char *names[DATA_PARAMETERS_MAX];
    for (int i = 0; i < c->nargs; i++)
        names[i] = c->args[i].name;
    diag_report(c->r->diag, DATA_ARGUMENT_UNKNOWN, a->place, c->function.name, a->name);
    const char *near = nearest_name(a->name, names, c->nargs);
    if (near)
        diag_report(c->r->diag, DATA_NEAREST, a->place, near);
    return fail_with_help(c, a->place);
}

static bool give_written(struct call *c, const struct ast_arg *a, int *position);

/* Whether |text| is one of the names |words|, "a|b", that stand for themselves. */
static bool
is_word(const char *words, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = words; p; p = strchr(p, '|')) {
        p += *p == '|';
        if (!strncmp(p, text, n) && (!p[n] || p[n] == '|'))
            return true;
    }
    return false;
}

/* a:b with a name first, which is read as name: type. */
static bool
give_range(struct call *c, const struct ast_arg *a, int *position)
{
    struct ast from = {.kind = AST_NAME, .place = a->place, .text = a->name}, range = {.kind = AST_RANGE, .child = {&from, a->type}};
    struct ast_arg plain = {.word = a->word, .value = &range, .place = a->place};
    return give_written(c, &plain, position);
}

/* One argument as written; |*position| counts those without a name. */
static bool
give_written(struct call *c, const struct ast_arg *a, int *position)
{
    struct diag *diag = c->r->diag;
    struct data_value v;
    if (a->name && a->type && !a->value)
        return give_range(c, a, position);
    int i = a->name ? parameter(c, a->name) : (*position)++;
    if (a->name && i == c->nargs)
        return fail_unknown(c, a);
    if (i >= c->nargs) {
        diag_report(diag, DATA_ARGUMENT_COUNT, a->place, c->function.name, c->nargs);
        return fail_with_help(c, a->place);
    }
    if (c->given[i]) {
        diag_report(diag, DATA_ARGUMENT_TWICE, a->place, c->function.name, c->args[i].name);
        diag_report(diag, NOTE_DECLARED, c->args[i].place, c->args[i].name);
        return false;
    }
    if (!a->value) {
        diag_report(diag, DATA_EXPRESSION, a->place);
        return false;
    }
    if (a->value->kind == AST_NAME && is_word(c->args[i].words, a->value->text))
        v = (struct data_value){.kind = DATA_STRING, .string = a->value->text};
    else if (!data_eval(c->r, a->value, &v))
        return false;
    return give(c, i, a->place, v);
}

static bool
give_all(struct call *c)
{
    const struct ast *called = c->ast->child[0];
    struct data_value self;
    int position = 0;
    read_parameters(c);
    if (called->kind == AST_FIELD) { /* x.f(...) is f(x, ...) */
        if (!data_eval(c->r, called->child[0], &self) || !c->nargs)
            return false;
        give(c, position++, called->child[0]->place, self);
    }
    for (int i = 0; i < c->ast->nargs; i++)
        if (!give_written(c, &c->ast->args[i], &position))
            return false;
    for (int i = 0; i < c->nargs; i++)
        if (c->required[i] && !c->given[i]) {
            diag_report(c->r->diag, DATA_ARGUMENT_MISSING, c->ast->place, c->function.name, c->args[i].name);
            return fail_with_help(c, c->ast->place);
        }
    return true;
}

/* An elementwise operation on numbers alone is the compiler's arithmetic. False if it is something else. */
static bool
on_numbers(const struct call *c, struct data_value *out)
{
    struct number in[3], result;
    enum op op = op_from_text(c->function.name, strlen(c->function.name));
    int n = op == OP_COUNT || op_info[op].class != CLASS_MAP ? 0 : op_info[op].nin;
    for (int i = 0; i < n; i++) {
        if (c->args[i].value.kind != DATA_NUMBER)
            return false;
        in[i] = c->args[i].value.number;
    }
    if (!n || !number_map(op, n, in, &result))
        return false;
    *out = data_of_number(result);
    return true;
}

bool
data_eval_call(struct data_run *r, const struct ast *e, int wanted, struct data_value *out)
{
    struct call c = {.r = r, .ast = e};
    if (!find_function(&c, e->child[0]) || !give_all(&c))
        return false;
    if (wanted > c.function.results) {
        diag_report(r->diag, DATA_NAMES, e->place, wanted, c.function.results);
        return false;
    }
    if (on_numbers(&c, out))
        return true;
    struct data_call call = {r->context, c.function.name, e->place, c.args, c.nargs, {{0}}};
    if (!data_function_run(&c.function, &call))
        return false;
    memcpy(out, call.out, sizeof *out * (size_t)wanted);
    return true;
}
