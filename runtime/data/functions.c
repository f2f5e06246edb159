#include "runtime/data/functions.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct data_function functions[] = {
#define DATA_FUNCTION(name, results, parameters, help) {#name, results, parameters, help, data_fn_##name, OP_COUNT, 0},
#include "runtime/data/functions.def"
#undef DATA_FUNCTION
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- finding ---- */

/* Parameters of elementwise operations by their number of operands. */
static const char *const map_parameters[] = {"", "x", "a, b", "a, b, c"};

static bool
callable(enum op op)
{
    const struct op_info *o = &op_info[op];
    return o->flags & OP_CALLABLE && (o->class == CLASS_MAP || o->class == CLASS_REDUCE);
}

static struct data_function
of_op(enum op op)
{
    const struct op_info *o = &op_info[op];
    return (struct data_function){
        .name = o->text,
        .results = 1,
        .parameters = o->class == CLASS_MAP ? map_parameters[o->nin] : "x, axis = none, keep = false",
        .help = o->class == CLASS_MAP ? "element by element" : "over the named axis or axes, or over all",
        .op = op,
    };
}

bool
data_function_find(const char *name, struct data_function *out)
{
    for (int i = 0; i < FUNCTIONS; i++)
        if (!strcmp(functions[i].name, name)) {
            *out = functions[i];
            return true;
        }
    enum elem elem;
    if (elem_from_name(name, strlen(name), &elem)) {
        *out = (struct data_function){elem_name(elem), 1, "x", "x with that element type", NULL, OP_CAST, elem};
        return true;
    }
    enum op op = op_from_text(name, strlen(name));
    if (op == OP_COUNT || !callable(op))
        return false;
    *out = of_op(op);
    return true;
}

const char *const *
data_function_names(struct arena *arena, int *out_count)
{
    const char **names = ARENA_ARRAY(arena, const char *, FUNCTIONS + ELEM_COUNT + OP_COUNT);
    int n = 0;
    for (int i = 0; i < FUNCTIONS; i++)
        names[n++] = functions[i].name;
    for (int e = 0; e < ELEM_COUNT; e++)
        names[n++] = elem_name((enum elem)e);
    for (int op = 0; op < OP_COUNT; op++)
        if (callable((enum op)op))
            names[n++] = op_info[op].text;
    *out_count = n;
    return names;
}

bool
data_function_run(const struct data_function *f, struct data_call *c)
{
    return f->run ? f->run(c) : data_run_op(f, c);
}

/* ---- parameters ---- */

static struct data_value
default_value(const char *text, size_t length, struct arena *arena)
{
    const char *copy = arena_text(arena, text, length);
    if (!strcmp(copy, "none"))
        return (struct data_value){.kind = DATA_NONE};
    if (!strcmp(copy, "true") || !strcmp(copy, "false"))
        return data_of_number(number_of_bool(*copy == 't'));
    if (*copy == '"')
        return (struct data_value){.kind = DATA_STRING, .string = arena_text(arena, copy + 1, length - 2)};
    if (*copy >= 'a' && *copy <= 'z') /* the first of names that stand for themselves */
        return (struct data_value){.kind = DATA_STRING, .string = arena_text(arena, copy, strcspn(copy, "|"))};
    return data_of_number(number_of_whole(strtoll(copy, NULL, 10)));
}

bool
data_parameter(const char **at, struct data_argument *out, bool *out_required, struct arena *arena)
{
    const char *p = *at + strspn(*at, ", ");
    if (!*p)
        return false;
    size_t length = strcspn(p, " =,");
    *out = (struct data_argument){.name = arena_text(arena, p, length)};
    p += length;
    *out_required = p[strspn(p, " ")] != '=';
    if (!*out_required) {
        p += strspn(p, " =");
        length = *p == '"' ? strcspn(p + 1, "\"") + 2 : strcspn(p, ",");
        out->value = default_value(p, length, arena);
        out->words = memchr(p, '|', length) ? arena_text(arena, p, length) : NULL;
        p += length;
    }
    *at = p;
    return true;
}

/* ---- arguments ---- */

bool
arg_wrong(struct data_call *c, int i, const char *expected)
{
    const struct data_argument *a = &c->args[i];
    const char *got = data_describe(&a->value, c->context->arena);
    diag_report(c->context->diag, DATA_ARGUMENT, a->place, c->name, a->name, expected, got);
    return false;
}

bool
arg_kind(struct data_call *c, int i, enum data_kind kind)
{
    if (c->args[i].value.kind == kind)
        return true;
    if (kind == DATA_TENSOR && c->args[i].value.kind == DATA_TEXT && !data_text_fault(c->args[i].value.text, c->context)) {
        diag_report(c->context->diag, NOTE_USED_HERE, c->args[i].place, c->name);
        return false;
    }
    return arg_wrong(c, i, data_kind_name(kind));
}

static enum elem
number_elem(struct number n)
{
    return n.is_bool ? ELEM_BOOL : n.is_whole ? ELEM_I64 : ELEM_F64;
}

const struct tensor *
arg_tensor(struct data_call *c, int i)
{
    const struct data_value *v = &c->args[i].value;
    if (v->kind == DATA_NUMBER)
        return data_scalar(c->context, v->number, number_elem(v->number), c->args[i].place);
    return arg_kind(c, i, DATA_TENSOR) ? v->tensor : NULL;
}

bool
arg_whole(struct data_call *c, int i, int64_t low, int64_t high, int64_t *out)
{
    const struct data_value *v = &c->args[i].value;
    if (v->kind != DATA_NUMBER || !v->number.is_whole || v->number.is_bool)
        return arg_wrong(c, i, "a whole number");
    *out = v->number.whole;
    if (*out >= low && *out <= high)
        return true;
    struct arena *arena = c->context->arena;
    if (high == INT64_MAX)
        return arg_wrong(c, i, arena_printf(arena, "a whole number, at least %lld", (long long)low));
    return arg_wrong(c, i, arena_printf(arena, "a whole number from %lld to %lld", (long long)low, (long long)high));
}

bool
arg_real(struct data_call *c, int i, double *out)
{
    const struct data_value *v = &c->args[i].value;
    if (v->kind != DATA_NUMBER || v->number.is_bool)
        return arg_wrong(c, i, "a number");
    *out = v->number.real;
    return true;
}

bool
arg_bool(struct data_call *c, int i, bool *out)
{
    const struct data_value *v = &c->args[i].value;
    if (v->kind != DATA_NUMBER || !v->number.is_bool)
        return arg_wrong(c, i, "true or false");
    *out = v->number.whole != 0;
    return true;
}

/* One dimension: a whole number from 0, or -1 if |open| is an axis to note. */
static bool
dimension(const struct data_value *v, int axis, struct type *out, int *open)
{
    if (v->kind != DATA_NUMBER || !v->number.is_whole || v->number.is_bool)
        return false;
    out->dim[axis] = v->number.whole;
    if (v->number.whole >= 0)
        return true;
    if (v->number.whole != -1 || !open || *open >= 0)
        return false;
    *open = axis;
    out->dim[axis] = 1;
    return true;
}

bool
arg_shape(struct data_call *c, int i, enum elem elem, struct type *out, int *out_open)
{
    const struct data_value *v = &c->args[i].value;
    const char *expected = out_open ? "at most 8 dimensions, one of which may be -1" : "a list of at most 8 dimensions";
    bool is_list = v->kind == DATA_LIST;
    int n = is_list ? v->list.count : 1;
    *out = (struct type){.elem = (uint8_t)elem};
    if (out_open)
        *out_open = -1;
    if (n > RANK_MAX)
        return arg_wrong(c, i, expected);
    out->rank = (uint8_t)n;
    for (int k = 0; k < n; k++)
        if (!dimension(is_list ? &v->list.items[k] : v, k, out, out_open))
            return arg_wrong(c, i, expected);
    return true;
}

/* Negative axes count from the end. */
static bool
axis_of(const struct data_value *v, int rank, int *out)
{
    if (v->kind != DATA_NUMBER || !v->number.is_whole || v->number.is_bool)
        return false;
    if (v->number.whole < -rank || v->number.whole >= rank)
        return false;
    *out = (int)(v->number.whole < 0 ? v->number.whole + rank : v->number.whole);
    return true;
}

static bool
wrong_axis(struct data_call *c, int i, int rank)
{
    return arg_wrong(c, i, arena_printf(c->context->arena, "an axis of a tensor that has %d of them, counted from 0", rank));
}

bool
arg_axis(struct data_call *c, int i, int rank, int *out)
{
    return axis_of(&c->args[i].value, rank, out) || wrong_axis(c, i, rank);
}

bool
arg_axes(struct data_call *c, int i, int rank, uint32_t *out)
{
    const struct data_value *v = &c->args[i].value;
    bool is_list = v->kind == DATA_LIST;
    *out = v->kind == DATA_NONE ? (1u << rank) - 1 : 0;
    for (int k = 0; v->kind != DATA_NONE && k < (is_list ? v->list.count : 1); k++) {
        int axis;
        if (!axis_of(is_list ? &v->list.items[k] : v, rank, &axis) || *out >> axis & 1)
            return wrong_axis(c, i, rank);
        *out |= 1u << axis;
    }
    return true;
}

struct tensor *
data_result(struct data_call *c, const struct type *type)
{
    struct tensor *t = data_pool_new(&c->context->pool, type, c->place, c->context->diag);
    if (t)
        c->out[0] = data_of_tensor(t);
    return t;
}
