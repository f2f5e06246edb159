/* builtins: the primitives that are called by name. The elementwise ones and the reductions come from ops.def's CALLABLE
 * flag; the others have a row here. */
#include "frontend/builtins.h"

struct place
argument_place(const struct call *x, int i)
{
    return x->arg[i] ? x->arg[i]->place : x->at;
}

struct node *
argument_tensor(const struct call *x, int i)
{
    struct node *n = value_any(x->c, &x->arg[i]->value, x->c->frame ? x->c->frame->elem : ELEM_F32, argument_place(x, i));
    return n;
}

bool
argument_axis(const struct call *x, int i, int rank, int64_t *out)
{
    int64_t axis;
    if (!value_count(x->c, &x->arg[i]->value, "an axis", &axis, argument_place(x, i)))
        return false;
    if (axis < -rank || axis >= rank) {
        report(x->c, BAD_AXIS, argument_place(x, i), (long long)axis, rank);
        return false;
    }
    *out = axis < 0 ? axis + rank : axis;
    return true;
}

static bool
flag_argument(const struct call *x, int i, bool otherwise, bool *out)
{
    *out = otherwise;
    return !x->arg[i] || value_truth(x->c, &x->arg[i]->value, out, argument_place(x, i));
}

bool
argument_real(const struct call *x, int i, double otherwise, double *out)
{
    *out = otherwise;
    if (!x->arg[i])
        return true;
    if (x->arg[i]->value.kind == VALUE_NUMBER) {
        *out = x->arg[i]->value.number.real;
        return true;
    }
    report(x->c, NUMBER_EXPECTED, argument_place(x, i), x->b->parameters[i], value_text(x->c, &x->arg[i]->value));
    return false;
}

struct value
call_node(const struct call *x, enum op op, int nin, struct node *const *in, const struct attr *attr,
          const struct type *given)
{
    for (int i = 0; i < nin; i++)
        if (!in[i])
            return value_error();
    return value_tensor(build(x->c, op, nin, in, attr, given, x->at));
}

/* -- reductions ------------------------------------------------------------------------------------ */

static bool
axes_argument(const struct call *x, int i, int rank, uint32_t *out)
{
    if (!x->arg[i]) {
        *out = (1u << rank) - 1;
        return true;
    }
    const struct value *v = &x->arg[i]->value;
    const struct value *items = v->kind == VALUE_LIST ? v->items : v;
    int n = v->kind == VALUE_LIST ? v->nitems : 1;
    *out = 0;
    for (int k = 0; k < n; k++) {
        int64_t axis;
        if (!value_count(x->c, &items[k], "an axis", &axis, argument_place(x, i)))
            return false;
        if (axis < -rank || axis >= rank) {
            report(x->c, BAD_AXIS, argument_place(x, i), (long long)axis, rank);
            return false;
        }
        *out |= 1u << (axis < 0 ? axis + rank : axis);
    }
    return true;
}

static struct value
reduce(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    struct attr attr = {0};
    if (!n || !axes_argument(x, 1, n->type.rank, &attr.axes.axes) || !flag_argument(x, 2, false, &attr.axes.keep))
        return value_error();
    enum op op = x->b->op;
    if (op == OP_MEAN && !elem_is_float(n->type.elem)) {
        struct type t = n->type;
        t.elem = ELEM_F32;
        n = build(x->c, OP_CAST, 1, &n, NULL, &t, x->at);
    }
    if ((op == OP_ARGMAX || op == OP_ARGMIN) && !x->arg[1] && n->type.rank > 1) {
        report(x->c, ARGUMENT_MISSING, x->at, x->b->name, "axis");
        return value_error();
    }
    if (n && n->type.rank == 0 && op != OP_ARGMAX && op != OP_ARGMIN)
        return value_tensor(n);
    return call_node(x, op, 1, &n, &attr, NULL);
}

/* max(a, b) is elementwise, max(x) and max(x, axis = 1) reduce. */
static struct value
extremum(const struct call *x)
{
    if (x->arg[1]) {
        struct value v[2] = {x->arg[0]->value, x->arg[1]->value};
        return map_values(x->c, x->b->op, 2, v, x->at);
    }
    struct builtin b = *x->b;
    struct call y = {x->c, &b, {x->arg[0], x->arg[2], x->arg[3]}, x->at};
    b.op = x->b->op == OP_MAX ? OP_MAX_OVER : OP_MIN_OVER;
    return reduce(&y);
}

/* -- shapes ---------------------------------------------------------------------------------------- */

static struct value
reshape(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    const struct value *v = &x->arg[1]->value;
    if (!n)
        return value_error();
    struct value list = *v, *items = ARENA_ARRAY(x->c->arena, struct value, v->nitems + 1);
    int hole = -1;
    if (v->kind != VALUE_LIST) {
        report(x->c, SHAPE_EXPECTED, argument_place(x, 1), value_text(x->c, v));
        return value_error();
    }
    for (int i = 0; i < v->nitems; i++) {
        items[i] = v->items[i];
        if (items[i].kind == VALUE_NUMBER && items[i].number.is_whole && items[i].number.whole == -1 && hole < 0) {
            hole = i;
            items[i] = value_whole(1);
        }
    }
    list.items = items;
    struct type type;
    if (!value_shape(x->c, &list, (enum elem)n->type.elem, true, &type, argument_place(x, 1)))
        return value_error();
    if (hole >= 0) { /* N counts as one step of its own: the hole takes it if no other axis has it */
        int64_t whole = type_count(&n->type, 1), rest = type_count(&type, 1);
        bool rows = type_has_rows(&n->type) && !type_has_rows(&type);
        if (rest > 0 && whole % rest == 0)
            type.dim[hole] = rows ? -(whole / rest) : whole / rest;
    }
    if (type_same_shape(&n->type, &type))
        return value_tensor(n);
    return call_node(x, OP_RESHAPE, 1, &n, NULL, &type);
}

static struct value
squeeze(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    int64_t axis = -1;
    if (!n || (x->arg[1] && !argument_axis(x, 1, n->type.rank, &axis)))
        return value_error();
    struct type type = type_scalar((enum elem)n->type.elem);
    for (int i = 0; i < n->type.rank; i++)
        if (axis >= 0 ? i != axis : n->type.dim[i] != 1)
            type.dim[type.rank++] = n->type.dim[i];
    if (type.rank == n->type.rank || (axis >= 0 && n->type.dim[axis] != 1)) {
        char text[TYPE_TEXT];
        report(x->c, NOTHING_TO_SQUEEZE, x->at, type_text(&n->type, ", ", text));
        return value_error();
    }
    return call_node(x, OP_RESHAPE, 1, &n, NULL, &type);
}

static struct value
transpose(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    struct attr attr = {0};
    if (!n)
        return value_error();
    int rank = n->type.rank;
    for (int i = 0; i < rank; i++)
        attr.perm.perm[i] = (int8_t)(rank - 1 - i);
    if (x->arg[1]) {
        const struct value *v = &x->arg[1]->value;
        if (v->kind != VALUE_LIST || v->nitems != rank) {
            report(x->c, SHAPE_EXPECTED, argument_place(x, 1), value_text(x->c, v));
            return value_error();
        }
        for (int i = 0; i < rank; i++) {
            int64_t axis;
            if (!value_count(x->c, &v->items[i], "an axis", &axis, argument_place(x, 1)))
                return value_error();
            attr.perm.perm[i] = (int8_t)(axis < -rank || axis >= rank ? -1 : axis < 0 ? axis + rank : axis);
        }
    }
    return call_node(x, OP_TRANSPOSE, 1, &n, &attr, NULL);
}

static struct value
concat(const struct call *x)
{
    const struct value *v = &x->arg[0]->value;
    if (v->kind == VALUE_LIST && v->nitems == 0) {
        report(x->c, CONCAT_NOTHING, argument_place(x, 0));
        return value_error();
    }
    if (v->kind != VALUE_LIST) {
        report(x->c, LIST_EXPECTED, argument_place(x, 0), x->b->name, value_text(x->c, v));
        return value_error();
    }
    struct node **in = ARENA_ARRAY(x->c->arena, struct node *, v->nitems);
    for (int i = 0; i < v->nitems; i++)
        if (!(in[i] = value_any(x->c, &v->items[i], ELEM_F32, argument_place(x, 0))))
            return value_error();
    int64_t axis = in[0]->type.rank - 1;
    if (axis < 0) {
        report(x->c, BAD_AXIS, x->at, 0LL, 0);
        return value_error();
    }
    if (x->arg[1] && !argument_axis(x, 1, in[0]->type.rank, &axis))
        return value_error();
    struct attr attr = {.axis.axis = (int)axis};
    return call_node(x, OP_CONCAT, v->nitems, in, &attr, NULL);
}

/* pad(x, [[1, 1], [0, 2]]): zeros before and after each axis. */
static struct value
pad(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    const struct value *v = &x->arg[1]->value;
    struct attr attr = {0};
    if (!n)
        return value_error();
    bool ok = v->kind == VALUE_LIST && v->nitems == n->type.rank;
    for (int i = 0; ok && i < v->nitems; i++)
        ok = v->items[i].kind == VALUE_LIST && v->items[i].nitems == 2 &&
             value_count(x->c, &v->items[i].items[0], "a padding", &attr.slice.start[i], argument_place(x, 1)) &&
             value_count(x->c, &v->items[i].items[1], "a padding", &attr.slice.stop[i], argument_place(x, 1));
    if (!ok) {
        report(x->c, PAD_FORM, argument_place(x, 1), n->type.rank);
        return value_error();
    }
    return call_node(x, OP_PAD, 1, &n, &attr, NULL);
}

static struct value
gather(const struct call *x)
{
    struct node *in[2] = {argument_tensor(x, 0), argument_tensor(x, 1)};
    if (!in[0] || !in[1])
        return value_error();
    bound_index(x->c, in[1], in[0]->type.dim[0], argument_place(x, 1));
    return call_node(x, OP_GATHER, 2, in, NULL, NULL);
}

static struct value
one_hot(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    int64_t depth;
    if (!n || !value_count(x->c, &x->arg[1]->value, "the number of classes", &depth, argument_place(x, 1)))
        return value_error();
    struct type type = n->type;
    if (depth < 1 || type.rank == RANK_MAX) {
        report(x->c, BAD_DIMENSION, argument_place(x, 1), value_text(x->c, &x->arg[1]->value));
        return value_error();
    }
    type.elem = (uint8_t)(x->c->frame ? x->c->frame->elem : ELEM_F32);
    type.dim[type.rank++] = depth;
    bound_index(x->c, n, depth, argument_place(x, 0));
    return call_node(x, OP_ONE_HOT, 1, &n, NULL, &type);
}

static struct value
scatter_add(const struct call *x)
{
    struct node *in[2] = {argument_tensor(x, 0), argument_tensor(x, 1)};
    int64_t rows;
    if (!in[0] || !in[1] || !value_count(x->c, &x->arg[2]->value, "the number of rows", &rows, argument_place(x, 2)))
        return value_error();
    struct type type = in[1]->type;
    int drop = in[0]->type.rank;
    type.rank = (uint8_t)(type.rank >= drop ? type.rank - drop + 1 : 1);
    for (int i = 1; i < type.rank; i++)
        type.dim[i] = in[1]->type.dim[i + drop - 1];
    type.dim[0] = rows;
    for (int i = type.rank; i < RANK_MAX; i++)
        type.dim[i] = 0;
    bound_index(x->c, in[0], rows, argument_place(x, 0));
    return call_node(x, OP_SCATTER_ADD, 2, in, NULL, &type);
}

/* -- weights --------------------------------------------------------------------------------------- */

static struct value
weight(const struct call *x)
{
    struct checker *c = x->c;
    struct model *m = &c->x->model;
    if ((c->purpose != FOR_MODEL && c->purpose != FOR_METRIC) || in_function(c)) {
        report(c, WEIGHT_MISPLACED, x->at);
        return value_error();
    }
    struct type type;
    enum elem e = c->frame->elem;
    if (!value_shape(c, &x->arg[0]->value, e, false, &type, argument_place(x, 0)))
        return value_error();
    const struct value *init = &x->arg[1]->value;
    int kind = init->kind == VALUE_FUNCTION && init->function->def ? init->function->def->kind : AST_INITIALIZER;
    if (init->kind != VALUE_FUNCTION || (kind != AST_INITIALIZER && kind != AST_FUNCTION)) {
        report(c, INITIALIZER_EXPECTED, argument_place(x, 1), value_text(c, init));
        return value_error();
    }
    int known = m->module->nvars, var = make_variable(c, c->path, &type, VARIABLE_WEIGHT, x->at);
    if (var < known)
        return value_tensor(variable_node(c, var));
    struct saved s = begin_graph(c, m->init, FOR_INIT);
    c->seed = m->init->inputs[0];
    struct argument shape = {.value = x->arg[0]->value, .place = x->at};
    if (shape.value.kind != VALUE_LIST) {
        struct value *item = ARENA_NEW(c->arena, struct value);
        *item = shape.value;
        shape.value = (struct value){.kind = VALUE_LIST, .items = item, .nitems = 1};
    }
    int draws = c->draws;
    c->draws = 0;
    struct value v = apply(c, init->function, &shape, 1, NULL, x->at);
    c->draws = draws;
    struct node *n = v.kind == VALUE_ERROR ? NULL : value_node(c, &v, e, x->at);
    end_graph(c, &s);
    if (!n)
        return value_error();
    if (!type_equal(&n->type, &type)) {
        struct value got = value_tensor(n);
        char text[TYPE_TEXT];
        report(c, INITIALIZER_SHAPE, x->at, value_text(c, init), value_text(c, &got), type_text(&type, ", ", text));
        return value_error();
    }
    graph_output(m->init, m->module->vars[var].name, n);
    return value_tensor(variable_node(c, var));
}

static struct value
matmul(const struct call *x)
{
    return binary_values(x->c, '@', &x->arg[0]->value, &x->arg[1]->value, x->at);
}

static struct value
map(const struct call *x)
{
    struct value v[3];
    int n = op_info[x->b->op].nin;
    for (int i = 0; i < n; i++)
        v[i] = x->arg[i]->value;
    return map_values(x->c, x->b->op, n, v, x->at);
}

static struct value
stop_gradient(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    return call_node(x, OP_STOP, 1, &n, NULL, NULL);
}

/* -- the table ------------------------------------------------------------------------------------- */

#define REDUCTION(name, op) {name, {"x", "axis", "keep"}, 1, reduce, op, false}
static const struct builtin builtins[] = {
    {"max", {"a", "b", "axis", "keep"}, 1, extremum, OP_MAX, false},
    {"min", {"a", "b", "axis", "keep"}, 1, extremum, OP_MIN, false},
    REDUCTION("sum", OP_SUM), REDUCTION("prod", OP_PROD), REDUCTION("mean", OP_MEAN), REDUCTION("max_over", OP_MAX_OVER),
    REDUCTION("min_over", OP_MIN_OVER), REDUCTION("argmax", OP_ARGMAX), REDUCTION("argmin", OP_ARGMIN),
    {"matmul", {"a", "b"}, 2, matmul, OP_MATMUL, false},
    {"reshape", {"x", "shape"}, 2, reshape, OP_RESHAPE, false},
    {"squeeze", {"x", "axis"}, 1, squeeze, OP_RESHAPE, false},
    {"transpose", {"x", "axes"}, 1, transpose, OP_TRANSPOSE, false},
    {"concat", {"parts", "axis"}, 1, concat, OP_CONCAT, false},
    {"pad", {"x", "widths"}, 2, pad, OP_PAD, false},
    {"slice", {"x", "start", "stop"}, 3, builtin_slice, OP_SLICE, false},
    {"sort", {"x", "axis"}, 1, builtin_along, OP_SORT, false},
    {"argsort", {"x", "axis"}, 1, builtin_along, OP_ARGSORT, false},
    {"cumsum", {"x", "axis"}, 2, builtin_along, OP_CUMSUM, false},
    {"flip", {"x", "axis"}, 2, builtin_along, OP_FLIP, false},
    {"conv", {"x", "w", "stride", "padding", "dilation"}, 2, builtin_conv, OP_CONV, false},
    {"qr", {"x"}, 1, builtin_qr, OP_QR, false},
    {"gather", {"table", "index"}, 2, gather, OP_GATHER, false},
    {"scatter_add", {"index", "values", "rows"}, 3, scatter_add, OP_SCATTER_ADD, false},
    {"one_hot", {"x", "classes"}, 2, one_hot, OP_ONE_HOT, false},
    {"zeros", {"shape"}, 1, builtin_zeros, OP_BROADCAST, false},
    {"ones", {"shape"}, 1, builtin_ones, OP_BROADCAST, false},
    {"zeros_like", {"x"}, 1, builtin_zeros_like, OP_BROADCAST, false},
    {"shape_of", {"x"}, 1, builtin_shape_of, OP_COUNT, false},
    {"rank", {"x"}, 1, builtin_rank, OP_COUNT, false},
    {"axes_of", {"x"}, 1, builtin_axes_of, OP_COUNT, false},
    {"fan_in", {"shape"}, 1, builtin_fan_in, OP_COUNT, false},
    {"fan_out", {"shape"}, 1, builtin_fan_out, OP_COUNT, false},
    {"count", {"shape"}, 1, builtin_count, OP_COUNT, false},
    {"tensor", {"values"}, 1, builtin_tensor, OP_CONST, false},
    {"f32", {"x"}, 1, builtin_f32, OP_CAST, false},
    {"f64", {"x"}, 1, builtin_f64, OP_CAST, false},
    {"i32", {"x"}, 1, builtin_i32, OP_CAST, false},
    {"i64", {"x"}, 1, builtin_i64, OP_CAST, false},
    {"u8", {"x"}, 1, builtin_u8, OP_CAST, false},
    {"bool", {"x"}, 1, builtin_bool, OP_CAST, false},
    {"random_bits", {"shape"}, 1, builtin_random, OP_RANDOM_BITS, false},
    {"random_uniform", {"shape", "low", "high"}, 1, builtin_random, OP_RANDOM_UNIFORM, false},
    {"random_normal", {"shape", "mean", "deviation"}, 1, builtin_random, OP_RANDOM_NORMAL, false},
    {"random_truncated_normal", {"shape", "mean", "deviation", "low", "high"}, 1, builtin_random,
     OP_RANDOM_TRUNCATED_NORMAL, false},
    {"random_keep", {"shape", "rate"}, 2, builtin_keep, OP_RANDOM_UNIFORM, false},
    {"logits_of", {"p"}, 1, builtin_logits_of, OP_COUNT, false},
    {"squares", {"g"}, 1, builtin_squares, OP_COUNT, false}, {"sizes", {"g"}, 1, builtin_sizes, OP_COUNT, false},
    {"has_logits", {"p"}, 1, builtin_has_logits, OP_COUNT, false},
    {"size_of", {"x"}, 1, builtin_size_of, OP_COUNT, false},
    {"inverse", {"x", "fitted"}, 2, builtin_inverse, OP_COUNT, false},
    {"stop_gradient", {"x"}, 1, stop_gradient, OP_STOP, false},
    {"weight", {"shape", "init"}, 2, weight, OP_VAR, true},
/* every elementwise operation with the CALLABLE flag that has no row above */
#define CALLABLE 1
#define COMMUTES 0
#define BOOLEAN 0
#define MAP_ROW(text, nin, op) {text, {"a", nin > 1 ? "b" : NULL, nin > 2 ? "c" : NULL}, nin, map, op, false},
#define LEAF_ROW(text, nin, op)
#define CAST_ROW(text, nin, op)
#define REDUCE_ROW(text, nin, op)
#define CONTRACT_ROW(text, nin, op)
#define MOVE_ROW(text, nin, op)
#define RANDOM_ROW(text, nin, op)
#define GROUP_ROW(text, nin, op)
#define EFFECT_ROW(text, nin, op)
#define OP(id, text, class, nin, attrs, shape, types, flags) class##_ROW(text, nin, OP_##id)
#include "ir/ops.def"
#undef OP
#undef CALLABLE
#undef COMMUTES
#undef BOOLEAN
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

static bool
callable(const struct builtin *b)
{
    return b->run != map || op_info[b->op].flags & OP_CALLABLE;
}

const struct builtin *
builtin_find(const char *name)
{
    for (int i = 0; i < BUILTINS; i++)
        if (callable(&builtins[i]) && !strcmp(builtins[i].name, name))
            return &builtins[i];
    return NULL;
}

const char *
builtin_name(const struct builtin *b)
{
    return b->name;
}

bool
builtin_is_layer(const struct builtin *b)
{
    return b->layer;
}

int
builtin_names(const char **out, int max)
{
    int n = 0;
    for (int i = 0; i < BUILTINS && n < max; i++)
        if (callable(&builtins[i]))
            out[n++] = builtins[i].name;
    return n;
}

struct value
builtin_call(struct checker *c, const struct builtin *b, const struct argument *args, int nargs, struct place at)
{
    struct call x = {.c = c, .b = b, .at = at};
    int parameters = 0, position = 0;
    while (parameters < PARAMETERS_MAX && b->parameters[parameters])
        parameters++;
    for (int i = 0; i < nargs; i++) {
        int k = position;
        if (args[i].name) {
            for (k = 0; k < parameters && strcmp(b->parameters[k], args[i].name); k++)
                ;
            if (k == parameters) {
                report(c, UNKNOWN_ARGUMENT, args[i].start, b->name, args[i].name);
                const char *near = nearest_name(args[i].name, b->parameters, parameters);
                if (near)
                    diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
                return value_error();
            }
        } else if (position++ >= parameters) {
            report(c, TOO_MANY_ARGUMENTS, args[i].place, b->name, parameters);
            return value_error();
        }
        if (x.arg[k]) {
            report(c, ARGUMENT_TWICE, args[i].start, b->name, b->parameters[k]);
            diag_report(c->diag, NOTE_FIRST_HERE, x.arg[k]->start);
            return value_error();
        }
        if (args[i].value.kind == VALUE_ERROR)
            return value_error();
        x.arg[k] = &args[i];
    }
    for (int k = 0; k < b->required; k++)
        if (!x.arg[k]) {
            report(c, ARGUMENT_MISSING, at, b->name, b->parameters[k]);
            return value_error();
        }
    return b->run(&x);
}
