/* data_expression: expressions of the data block. */
#include "frontend/data_run.h"
#include "frontend/model.h"
#include "frontend/number.h"
#include <string.h>

bool
data_whole(struct data_run *r, const struct ast *e, int64_t *out)
{
    struct data_value v;
    if (!data_eval(r, e, &v))
        return false;
    if (v.kind == DATA_NUMBER && v.number.is_whole && !v.number.is_bool) {
        *out = v.number.whole;
        return true;
    }
    diag_report(r->diag, DATA_WHOLE, e->place, data_describe(&v, r->env->arena));
    return false;
}

static bool
picks(struct data_run *r, const struct ast *e, const struct data_value *v, bool *out)
{
    if (v->kind == DATA_NUMBER) {
        *out = number_is_true(v->number);
        return true;
    }
    diag_report(r->diag, DATA_CONDITION, e->place, data_describe(v, r->env->arena));
    return false;
}

bool
data_condition(struct data_run *r, const struct ast *e, bool *out)
{
    struct data_value v;
    return data_eval(r, e, &v) && picks(r, e, &v, out);
}

/* ---- names and lists ---- */

static bool
eval_name(struct data_run *r, const struct ast *e, struct data_value *out)
{
    const struct data_value *v = data_name_value(r->out, e->text);
    if (v) {
        *out = *v;
        return v->kind != DATA_NONE; /* its fault was reported */
    }
    for (int i = r->env->nconsts - 1; i >= 0; i--)
        if (!strcmp(r->env->consts[i].name, e->text)) {
            *out = data_of_number(r->env->consts[i].value);
            return true;
        }
    diag_report(r->diag, DATA_NAME, e->place, e->text);
    struct data_function f;
    if (data_function_find(e->text, &f)) {
        diag_report(r->diag, DATA_NAME_FUNCTION, e->place, e->text, e->text);
        return false;
    }
    const char **names = ARENA_ARRAY(r->env->arena, const char *, r->out->nnames + r->env->nconsts + 1);
    int n = 0;
    for (int i = 0; i < r->out->nnames; i++)
        names[n++] = r->out->names[i].name;
    for (int i = 0; i < r->env->nconsts; i++)
        names[n++] = r->env->consts[i].name;
    const char *near = nearest_name(e->text, names, n);
    if (near)
        diag_report(r->diag, DATA_NEAREST, e->place, near);
    return false;
}

static bool
eval_list(struct data_run *r, const struct ast *e, struct data_value *out)
{
    struct data_value *items = ARENA_ARRAY(r->env->arena, struct data_value, e->nargs + 1);
    for (int i = 0; i < e->nargs; i++)
        if (!data_eval(r, e->args[i].value, &items[i]))
            return false;
    *out = (struct data_value){.kind = DATA_LIST, .list = {items, e->nargs}};
    return true;
}

static bool
eval_range(struct data_run *r, const struct ast *e, struct data_value *out)
{
    const struct ast *from = e->child[0], *to = e->child[1];
    *out = (struct data_value){.kind = DATA_RANGE, .range = {.has_from = from, .has_to = to}};
    return (!from || data_whole(r, from, &out->range.from)) && (!to || data_whole(r, to, &out->range.to));
}

/* ---- operators ---- */

static const struct {
    int ast;
    enum op op;
    bool exchanged; /* a > b is b < a */
} operators[] = {
    {'+', OP_ADD, false},       {'-', OP_SUB, false},     {'*', OP_MUL, false},     {'/', OP_DIV, false},
    {AST_FLOORDIV, OP_FLOORDIV, false}, {'^', OP_POW, false}, {'<', OP_LT, false},  {'>', OP_LT, true},
    {AST_LE, OP_LE, false},     {AST_GE, OP_LE, true},    {AST_EQ, OP_EQ, false},   {AST_NE, OP_NE, false},
    {AST_AND, OP_AND, false},   {AST_OR, OP_OR, false},   {AST_NOT, OP_NOT, false},
};

/* Numbers and tensors only. */
static bool
operands_fit(struct data_run *r, const struct ast *e, enum op op, const struct data_value *v, int n)
{
    for (int i = 0; i < n; i++)
        if (v[i].kind == DATA_TEXT) { /* a column that would be numbers but for a cell */
            data_text_fault(v[i].text, r->context);
            diag_report(r->diag, NOTE_USED_HERE, e->place, op_info[op].text);
            return false;
        } else if (v[i].kind != DATA_NUMBER && v[i].kind != DATA_TENSOR && v[i].kind != DATA_CODED) {
            diag_report(r->diag, DATA_OPERAND, e->place, op_info[op].text, data_describe(&v[i], r->env->arena));
            return false;
        }
    return true;
}

static bool
matrix_product(struct data_run *r, const struct ast *e, struct data_value *v, struct data_value *out)
{
    static const struct attr attr;
    const struct tensor *t[2];
    for (int i = 0; i < 2; i++) {
        if (!data_decode(r->context, &v[i], e->place))
            return false;
        t[i] = v[i].kind == DATA_TENSOR ? v[i].tensor : data_scalar(r->context, v[i].number, ELEM_F64, e->place);
        if (t[i] && !elem_is_float((enum elem)t[i]->type.elem))
            t[i] = data_cast(r->context, t[i], ELEM_F64, e->place);
        if (!t[i])
            return false;
    }
    const struct tensor *p = data_apply(r->context, OP_MATMUL, 2, t, &attr, NULL, e->place);
    if (p)
        *out = data_of_tensor(p);
    return p != NULL;
}

static bool
eval_binary(struct data_run *r, const struct ast *e, struct data_value *out)
{
    struct data_value v[2];
    if (!data_eval_coded(r, e->child[0], &v[0]) || !data_eval_coded(r, e->child[1], &v[1]))
        return false;
    size_t i = 0, n = sizeof operators / sizeof *operators;
    while (i < n && operators[i].ast != e->op)
        i++;
    enum op op = i < n ? operators[i].op : OP_MATMUL;
    if (!operands_fit(r, e, op, v, 2))
        return false;
    if (v[0].kind == DATA_NUMBER && v[1].kind == DATA_NUMBER) {
        struct number result;
        if (!number_binary(e->op, v[0].number, v[1].number, &result, e->place, r->diag))
            return false;
        *out = data_of_number(result);
        return true;
    }
    if (op == OP_MATMUL)
        return matrix_product(r, e, v, out);
    if (operators[i].exchanged)
        return data_map(r->context, op, 2, (struct data_value[]){v[1], v[0]}, e->place, out);
    return data_map(r->context, op, 2, v, e->place, out);
}

static bool
eval_unary(struct data_run *r, const struct ast *e, struct data_value *out)
{
    struct data_value v;
    enum op op = e->op == AST_NOT ? OP_NOT : OP_NEG;
    if (!data_eval_coded(r, e->child[0], &v) || !operands_fit(r, e, op, &v, 1))
        return false;
    if (v.kind != DATA_NUMBER)
        return data_map(r->context, op, 1, &v, e->place, out);
    struct number result;
    if (!number_unary(e->op, v.number, &result, e->place, r->diag))
        return false;
    *out = data_of_number(result);
    return true;
}

static bool
eval_cond(struct data_run *r, const struct ast *e, struct data_value *out)
{
    struct data_value v[3];
    if (!data_eval(r, e->child[0], &v[0]))
        return false;
    if (v[0].kind == DATA_TENSOR)
        return data_eval(r, e->child[1], &v[1]) && data_eval(r, e->child[2], &v[2]) && operands_fit(r, e, OP_WHERE, v, 3) &&
               data_map(r->context, OP_WHERE, 3, v, e->place, out);
    bool yes;
    return picks(r, e->child[0], &v[0], &yes) && data_eval(r, e->child[yes ? 1 : 2], out);
}

/* ---- indices and parts ---- */

static bool
list_item(struct data_run *r, const struct ast *e, const struct data_value *list, const struct data_argument *index, int n,
          struct data_value *out)
{
    int count = list->list.count;
    const struct data_value *i = &index->value;
    if (n == 1 && i->kind == DATA_NUMBER && i->number.is_whole && i->number.whole < count && i->number.whole >= -count) {
        *out = list->list.items[i->number.whole < 0 ? i->number.whole + count : i->number.whole];
        return true;
    }
    diag_report(r->diag, DATA_LIST_INDEX, e->place, count, data_describe(i, r->env->arena));
    return false;
}

static bool
table_item(struct data_run *r, const struct ast *e, const struct data_table *t, const struct data_argument *index, struct data_value *out)
{
    if (e->nargs == 1 && index->value.kind == DATA_STRING)
        return data_table_column(r->context, t, index->value.string, index->place, out);
    diag_report(r->diag, TABLE_INDEX, e->nargs ? index->place : e->place, e->nargs == 1 ? data_describe(&index->value, r->env->arena) : "several");
    return false;
}

static bool
eval_index(struct data_run *r, const struct ast *e, struct data_value *out)
{
    struct data_value v;
    if (!data_eval_coded(r, e->child[0], &v))
        return false;
    struct data_argument *index = ARENA_ARRAY(r->env->arena, struct data_argument, e->nargs + 1);
    for (int i = 0; i < e->nargs; i++) {
        index[i].place = e->args[i].place;
        if (!data_eval(r, e->args[i].value, &index[i].value))
            return false;
    }
    if (v.kind == DATA_LIST)
        return list_item(r, e, &v, index, e->nargs, out);
    if (v.kind == DATA_TABLE)
        return table_item(r, e, v.table, index, out);
    if (v.kind == DATA_TENSOR || v.kind == DATA_CODED) {
        if (!data_index(r->context, &v, e->nargs, index, e->place, out))
            return false;
        bool rows_alone = e->nargs == 1 && index->value.kind != DATA_NUMBER;
        out->fit = rows_alone ? v.fit : data_fit_anywhere(v.fit);
        return true;
    }
    diag_report(r->diag, DATA_INDEXED, e->place, data_describe(&v, r->env->arena));
    return false;
}

static bool
eval_field(struct data_run *r, const struct ast *e, struct data_value *out)
{
    if (data_eval(r, e->child[0], out))
        diag_report(r->diag, DATA_FIELD, e->place, data_describe(out, r->env->arena), e->text);
    return false;
}

/* ---- all ---- */

static bool
eval_literal(struct data_run *r, const struct ast *e, struct data_value *out)
{
    if (e->kind == AST_STRING)
        *out = (struct data_value){.kind = DATA_STRING, .string = e->text};
    else if (e->kind == AST_BOOL)
        *out = data_of_number(number_of_bool(e->whole != 0));
    else
        *out = data_of_number(e->is_whole ? number_of_whole(e->whole) : number_of_real(e->number));
    return true;
}

static bool
eval_call(struct data_run *r, const struct ast *e, struct data_value *out)
{
    return data_eval_call(r, e, 1, out);
}

bool
data_eval_coded(struct data_run *r, const struct ast *e, struct data_value *out)
{
    static bool (*const evaluators[])(struct data_run *r, const struct ast *e, struct data_value *out) = {
        [AST_NUMBER] = eval_literal, [AST_STRING] = eval_literal, [AST_BOOL] = eval_literal, [AST_NAME] = eval_name,
        [AST_LIST] = eval_list,      [AST_UNARY] = eval_unary,    [AST_BINARY] = eval_binary, [AST_COND] = eval_cond,
        [AST_CALL] = eval_call,      [AST_INDEX] = eval_index,    [AST_FIELD] = eval_field,  [AST_RANGE] = eval_range,
    };
    if (e->kind < sizeof evaluators / sizeof *evaluators && evaluators[e->kind])
        return evaluators[e->kind](r, e, out);
    diag_report(r->diag, DATA_EXPRESSION, e->place);
    return false;
}

/* A name that is used as a plain tensor stays one. */
bool
data_eval(struct data_run *r, const struct ast *e, struct data_value *out)
{
    if (!data_eval_coded(r, e, out))
        return false;
    if (out->kind == DATA_CODED && e->kind == AST_NAME) {
        const struct data_value *v = data_name_find(r->out, e->text);
        if (v)
            *out = *v;
        return v;
    }
    return data_decode(r->context, out, e->place);
}
