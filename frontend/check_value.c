/* check_value: numbers against tensors, and the operators on them (language.md, Numbers and types). */
#include "frontend/check.h"

struct value
value_error(void)
{
    return (struct value){.kind = VALUE_ERROR};
}

struct value
value_number(struct number n)
{
    return (struct value){.kind = VALUE_NUMBER, .number = n};
}

struct value
value_whole(int64_t n)
{
    return value_number(number_of_whole(n));
}

struct value
value_dim(int64_t dim)
{
    return dim >= 0 ? value_whole(dim) : (struct value){.kind = VALUE_ROWS, .rows = dim};
}

struct value
value_tensor(struct node *n)
{
    return n ? (struct value){.kind = VALUE_TENSOR, .node = n} : value_error();
}

struct value
value_runtime_number(struct node *n)
{
    return n ? (struct value){.kind = VALUE_TENSOR, .node = n, .is_number = true} : value_error();
}

struct node *
variable_node(struct checker *c, int var)
{
    if (var >= c->vars_size) {
        int size = (var + 1) * 2;
        struct node **vars = ARENA_ARRAY(c->arena, struct node *, size);
        if (c->vars)
            memcpy(vars, c->vars, sizeof *vars * (size_t)c->vars_size);
        c->vars = vars;
        c->vars_size = size;
    }
    if (!c->vars[var]) {
        const struct variable *v = &c->x->model.module->vars[var];
        c->vars[var] = graph_var(c->graph, v->name, var, &v->type);
    }
    return c->vars[var];
}

static bool
is_here(const struct graph *g, const struct node *n)
{
    return n->id < g->count && g->nodes[n->id] == n;
}

/* A metric's use of a value of the model: the value is gathered over the batches and becomes an input here. */
static struct node *
import(struct checker *c, struct node *n, struct place at)
{
    if (n->type.rank == 0 || n->type.dim[0] != DIM_N) {
        char text[TYPE_TEXT];
        report(c, METRIC_NEEDS_ROWS, at, type_text(&n->type, ", ", text));
        return NULL;
    }
    if (!c->imported[n->id]) {
        const char *name = NULL;
        for (int i = 0; i < c->noutputs && !name; i++)
            if (c->outputs[i].node == n)
                name = c->outputs[i].name;
        if (!name)
            name = arena_printf(c->arena, "value%d", c->nvalues);
        int count = c->nvalues;
        c->imported[n->id] = graph_input(c->graph, name, &n->type);
        *ARENA_PUSH(c->arena, c->metric_inputs, count, c->metric_inputs_cap) = c->imported[n->id];
        *ARENA_PUSH(c->arena, c->values, c->nvalues, c->values_cap) = (struct graph_output){name, n};
    }
    return c->imported[n->id];
}

struct node *
localize(struct checker *c, struct node *n, struct place at)
{
    if (!n || is_here(c->graph, n))
        return n;
    if (n->op == OP_VAR)
        return variable_node(c, n->attr->name.index);
    if (n->op == OP_CONST) {
        if (n->type.rank)
            return graph_add(c->graph, OP_CONST, 0, NULL, n->attr, &n->type);
        return elem_is_float(n->type.elem) ? graph_number(c->graph, n->type.elem, n->attr->value.real)
                                           : graph_whole(c->graph, n->type.elem, n->attr->value.whole);
    }
    if (c->purpose == FOR_METRIC && is_here(c->model_graph, n))
        return import(c, n, at);
    report(c, INITIAL_DEPENDS, at);
    return NULL;
}

/* Where the two operands come from, of an operation that they do not fit. */
static void
note_origins(struct checker *c, struct node *const *operand, struct place at)
{
    char text[TYPE_TEXT];
    for (int i = 0; i < 2; i++) {
        const struct node *n = operand[i];
        const struct variable *v = n->op == OP_VAR ? &c->x->model.module->vars[n->attr->name.index] : NULL;
        struct place place = v ? v->place : n->place;
        bool known = place.file && (place.file != at.file || place.line != at.line);
        if (known && (v || n->op == OP_INPUT))
            diag_report(c->diag, NOTE_DECLARED, place, v ? v->name : n->attr->name.name);
        else if (known && n->op != OP_CONST)
            diag_report(c->diag, NOTE_ORIGIN, place, type_text(&n->type, ", ", text));
    }
}

struct node *
build(struct checker *c, enum op op, int nin, struct node *const *in, const struct attr *attr, const struct type *given,
      struct place at)
{
    struct node *local[8], **operand = nin <= 8 ? local : ARENA_ARRAY(c->arena, struct node *, nin);
    const struct type *types_local[8], **types = nin <= 8 ? types_local : ARENA_ARRAY(c->arena, const struct type *, nin);
    for (int i = 0; i < nin; i++) {
        if (!(operand[i] = localize(c, in[i], at)))
            return NULL;
        types[i] = &operand[i]->type;
    }
    struct type type;
    struct place outer = user_place(c, at);
    if (!op_infer(op, nin, types, attr, given, &type, outer, c->diag)) {
        note_inner(c, at);
        if (nin == 2)
            note_origins(c, operand, outer);
        return NULL;
    }
    c->graph->place = outer;
    c->graph->inner = c->frame && c->frame->def ? at : (struct place){0};
    if (attr)
        attr = graph_attr(c->graph, *attr);
    return graph_add(c->graph, op, nin, operand, attr, given);
}

static struct node *
cast(struct checker *c, struct node *n, enum elem e, struct place at)
{
    if (!n || n->type.elem == e)
        return n;
    struct type type = n->type;
    type.elem = (uint8_t)e;
    return build(c, OP_CAST, 1, &n, NULL, &type, at);
}

static struct node *
constant(struct checker *c, const struct number *n, enum elem e)
{
    if (elem_is_float(e)) {
        double v = n->real;
        return graph_number(c->graph, e, e == ELEM_F32 ? (double)(float)v : v);
    }
    return graph_whole(c->graph, e, e == ELEM_BOOL ? number_is_true(*n) : n->whole);
}

static struct node *
rows_number(struct checker *c, int64_t rows, struct place at)
{
    struct node *n = build(c, OP_ROWS, 0, NULL, NULL, NULL, at);
    if (rows == DIM_N)
        return n;
    struct node *in[2] = {n, graph_number(c->graph, ELEM_F64, (double)-rows)};
    return build(c, OP_MUL, 2, in, NULL, NULL, at);
}

struct node *
value_node(struct checker *c, const struct value *v, enum elem e, struct place at)
{
    switch (v->kind) {
    case VALUE_ERROR: return NULL;
    case VALUE_NUMBER:
        if (!elem_is_float(e) && e != ELEM_BOOL && !v->number.is_whole) {
            report(c, FRACTION_IN_WHOLE, at, value_text(c, v), elem_name(e));
            return NULL;
        }
        if ((e == ELEM_I32 && v->number.whole != (int32_t)v->number.whole) ||
            (e == ELEM_U8 && v->number.whole != (uint8_t)v->number.whole)) {
            report(c, NUMBER_NOT_IN_TYPE, at, value_text(c, v), elem_name(e));
            return NULL;
        }
        return constant(c, &v->number, e);
    case VALUE_ROWS: return cast(c, rows_number(c, v->rows, at), e, at);
    case VALUE_TENSOR: {
        struct node *n = localize(c, v->node, at);
        if (n && v->is_number)
            return cast(c, n, e, at);
        if (n && n->type.elem != e) {
            char text[TYPE_TEXT];
            report(c, ELEM_EXPECTED, at, elem_name(e), type_text(&n->type, ", ", text), elem_name(e));
            return NULL;
        }
        return n;
    }
    default: report(c, TENSOR_EXPECTED, at, value_text(c, v)); return NULL;
    }
}

struct node *
value_any(struct checker *c, const struct value *v, enum elem otherwise, struct place at)
{
    return value_node(c, v, v->kind == VALUE_TENSOR ? (enum elem)v->node->type.elem : otherwise, at);
}

/* The one type in which |count| operands meet. Numbers take the tensors' element type; a fraction lifts whole numbers to f32
 * (with tensors) or f64 (among numbers). */
static bool
common_elem(struct checker *c, int count, const struct value *v, bool divides, enum elem *out, bool *out_number,
            struct place at)
{
    const struct value *tensor = NULL;
    bool fraction = divides, node = false;
    for (int i = 0; i < count; i++) {
        if (v[i].kind == VALUE_ERROR)
            return false;
        if (v[i].kind != VALUE_NUMBER && v[i].kind != VALUE_ROWS && v[i].kind != VALUE_TENSOR) {
            report(c, TENSOR_EXPECTED, at, value_text(c, &v[i]));
            return false;
        }
        if (v[i].kind == VALUE_TENSOR && !v[i].is_number) {
            if (tensor && tensor->node->type.elem != v[i].node->type.elem) {
                report(c, MIXED_ELEMS, at, value_text(c, tensor), value_text(c, &v[i]));
                enum elem to = tensor->node->type.elem > v[i].node->type.elem ? ELEM_F32
                    : (enum elem)tensor->node->type.elem;
                diag_report(c->diag, HELP_CAST, (struct place){0}, elem_name(to));
                return false;
            }
            tensor = &v[i];
        } else if (v[i].kind == VALUE_NUMBER)
            fraction |= !v[i].number.is_whole && !v[i].number.is_bool;
        else {
            node = true;
            fraction |= v[i].kind == VALUE_ROWS || elem_is_float(v[i].node->type.elem);
        }
    }
    *out_number = !tensor;
    if (tensor) {
        *out = (enum elem)tensor->node->type.elem;
        if (fraction && !elem_is_float(*out) && *out != ELEM_BOOL)
            *out = ELEM_F32;
    } else
        *out = fraction || !node ? ELEM_F64 : ELEM_I64;
    return true;
}

/* |v| in element type |e|, whole tensors lifted to f32 included. */
static struct node *
operand(struct checker *c, const struct value *v, enum elem e, struct place at)
{
    if (v->kind == VALUE_TENSOR && !v->is_number && v->node->type.elem != e)
        return cast(c, localize(c, v->node, at), e, at);
    return value_node(c, v, e, at);
}

/* Names an operand of a suspicious operation: the argument of the user's call that it is, or nothing. */
static const char *
argument_name(struct checker *c, const struct frame *f, const struct node *n)
{
    for (int i = 0; f && i < f->nargs; i++)
        if (f->args[i].value.kind == VALUE_TENSOR && f->args[i].value.node == n && f->args[i].ast)
            return expression_text(c, f->args[i].ast);
    return NULL;
}

static bool
spreads(const struct type *operand_type, const struct type *result)
{
    bool elsewhere = false, missing = false;
    for (int i = 0; i < operand_type->rank; i++)
        elsewhere |= operand_type->dim[i] < 0;
    for (int i = 0; i < result->rank; i++) {
        int j = i - (result->rank - operand_type->rank);
        missing |= result->dim[i] < 0 && (j < 0 || operand_type->dim[j] == 1);
    }
    return elsewhere && missing;
}

/* Remembers |n| if it pairs every row with every row: an error where a loss or metric reaches it. */
static void
suspect(struct checker *c, struct node *n, struct place at)
{
    int culprit = -1;
    for (int i = 0; i < n->nin; i++)
        if (spreads(&n->in[i]->type, &n->type))
            culprit = i;
    if (culprit < 0 || n->nin < 2)
        return;
    const struct frame *outer = NULL;
    for (const struct frame *f = c->frame; f && f->def; f = f->caller)
        outer = f;
    struct node *a = n->in[n->nin - 2], *b = n->in[n->nin - 1];
    const char *name_a = argument_name(c, outer, a), *name_b = argument_name(c, outer, b);
    char ta[TYPE_TEXT], tb[TYPE_TEXT], tr[TYPE_TEXT];
    type_text(&a->type, ", ", ta);
    type_text(&b->type, ", ", tb);
    type_text(&n->type, ", ", tr);
    struct suspect *s = ARENA_PUSH(c->arena, c->suspects, c->nsuspects, c->suspects_cap);
    *s = (struct suspect){.node = n, .place = user_place(c, at), .inner = outer ? at : (struct place){0},
                          .where = c->frame->def ? c->frame->def->name : ""};
    const char *who = outer && name_a && name_b ? arena_printf(c->arena, "%s compares ", outer->def->name) : "this pairs ";
    bool named = outer && name_a && name_b;
    s->message = arena_printf(c->arena, "%s%s%s%s with %s%s%s; broadcasting would pair every\nprediction with every target "
                                        "(%s)", who, named ? name_a : "",
                              named ? ": " : "", ta, named ? name_b : "", named ? ": " : "", tb, tr);
    const struct node *column = culprit == n->nin - 1 ? b : a;
    bool is_column = column->type.rank > 1 && column->type.dim[column->type.rank - 1] == 1;
    if (!is_column) {
        column = column == a ? b : a;
        is_column = column->type.rank > 1 && column->type.dim[column->type.rank - 1] == 1;
    }
    if (is_column && named)
        s->help = column == a ? arena_printf(c->arena, "drop the last axis: %s(squeeze(%s), %s)", outer->def->name, name_a,
                                             name_b)
                              : arena_printf(c->arena, "drop the last axis: %s(%s, squeeze(%s))", outer->def->name, name_a,
                                             name_b);
    else
        s->help = is_column ? "drop the last axis: squeeze(x) makes f32[N] of f32[N, 1]" : "give both the same shape";
}

static struct value
built(struct checker *c, enum op op, int nin, struct node *const *in, bool is_number, struct place at)
{
    for (int i = 0; i < nin; i++)
        if (!in[i])
            return value_error();
    struct node *n = build(c, op, nin, in, NULL, NULL, at);
    if (!n)
        return value_error();
    suspect(c, n, at);
    struct value v = value_tensor(n);
    v.is_number = is_number;
    return v;
}

static const struct binary_op {
    int op;
    enum op node;
    bool swap, divides;
} binary_ops[] = {
    {'+', OP_ADD, 0, 0}, {'-', OP_SUB, 0, 0}, {'*', OP_MUL, 0, 0}, {'/', OP_DIV, 0, 1}, {AST_FLOORDIV, OP_FLOORDIV, 0, 0},
    {'<', OP_LT, 0, 0}, {'>', OP_LT, 1, 0}, {AST_LE, OP_LE, 0, 0}, {AST_GE, OP_LE, 1, 0}, {AST_EQ, OP_EQ, 0, 0},
    {AST_NE, OP_NE, 0, 0},
    {AST_AND, OP_AND, 0, 0}, {AST_OR, OP_OR, 0, 0}, {'^', OP_POW, 0, 1},
};

/* x ^ n for whole n by products: for small n, which are exact to fewer ulps than pow and much cheaper; for whole tensors
 * with every n from 1 on, so that they stay whole. Gives VALUE_TEXT where that does not apply. */
static struct value
power(struct checker *c, const struct value *a, const struct value *b, struct place at)
{
    if (b->kind != VALUE_NUMBER || !b->number.is_whole || a->kind != VALUE_TENSOR || a->is_number ||
        a->node->type.elem == ELEM_BOOL)
        return (struct value){.kind = VALUE_TEXT};
    int64_t n = b->number.whole, most = elem_is_float((enum elem)a->node->type.elem) ? 4 : INT32_MAX;
    if (n < 1 || n > most)
        return (struct value){.kind = VALUE_TEXT};
    struct node *x = localize(c, a->node, at), *product = NULL;
    for (; x && n; n >>= 1) { /* x is the square, the fourth power, ... */
        if (n & 1)
            product = product ? built(c, OP_MUL, 2, (struct node *[]){product, x}, false, at).node : x;
        if (n > 1)
            x = built(c, OP_MUL, 2, (struct node *[]){x, x}, false, at).node;
    }
    return value_tensor(product);
}

static struct value
matrix_product(struct checker *c, const struct value *a, const struct value *b, struct place at)
{
    if (a->kind != VALUE_TENSOR || b->kind != VALUE_TENSOR) {
        if (a->kind != VALUE_ERROR && b->kind != VALUE_ERROR)
            report(c, TENSOR_EXPECTED, at, value_text(c, a->kind == VALUE_TENSOR ? b : a));
        return value_error();
    }
    struct attr attr = {0};
    struct node *in[2] = {localize(c, a->node, at), localize(c, b->node, at)};
    if (!in[0] || !in[1])
        return value_error();
    return value_tensor(build(c, OP_MATMUL, 2, in, &attr, NULL, at));
}

/* Whether a loss or metric statement is being evaluated. */
static bool
judges(const struct checker *c)
{
    for (const struct frame *f = c->frame; f; f = f->caller)
        if (f->word && (!strcmp(f->word, "loss") || !strcmp(f->word, "metric")))
            return true;
    return false;
}

/* Keras' way with [N] against [N, 1] in a loss: the last axis is dropped. */
static void
squeeze_columns(struct checker *c, struct value v[2], struct place at)
{
    if (c->x->facts.loss_shapes != LOSS_SHAPES_SQUEEZE || v[0].kind != VALUE_TENSOR || v[1].kind != VALUE_TENSOR ||
        !judges(c))
        return;
    for (int i = 0; i < 2; i++) {
        struct type column = v[i].node->type, other = v[!i].node->type;
        if (column.rank != other.rank + 1 || column.dim[column.rank - 1] != 1 || !type_has_rows(&other))
            continue;
        column.dim[--column.rank] = 0;
        other.elem = column.elem;
        if (type_equal(&column, &other))
            v[i] = value_tensor(build(c, OP_RESHAPE, 1, &v[i].node, NULL, &column, at));
    }
}

struct value
binary_values(struct checker *c, int op, const struct value *a, const struct value *b, struct place at)
{
    if (a->kind == VALUE_ERROR || b->kind == VALUE_ERROR)
        return value_error();
    if (a->kind == VALUE_NUMBER && b->kind == VALUE_NUMBER && op != '@') {
        struct number out;
        if (number_binary(op, a->number, b->number, &out, user_place(c, at), c->diag))
            return value_number(out);
        note_inner(c, at);
        return value_error();
    }
    if (op == '*' && a->kind == VALUE_NUMBER && b->kind == VALUE_ROWS && a->number.is_whole && a->number.whole > 0)
        return value_dim(b->rows * a->number.whole);
    if (op == '*' && b->kind == VALUE_NUMBER && a->kind == VALUE_ROWS && b->number.is_whole && b->number.whole > 0)
        return value_dim(a->rows * b->number.whole);
    if (op == '@')
        return matrix_product(c, a, b, at);
    if (op == '^') {
        struct value v = power(c, a, b, at);
        if (v.kind != VALUE_TEXT)
            return v;
    }
    const struct binary_op *row = binary_ops;
    while (row->op != op)
        row++;
    struct value v[2] = {*a, *b};
    squeeze_columns(c, v, at);
    enum elem e;
    bool is_number;
    if (op == AST_AND || op == AST_OR)
        e = ELEM_BOOL, is_number = false;
    else if (!common_elem(c, 2, v, row->divides, &e, &is_number, at))
        return value_error();
    if (row->divides && !elem_is_float(e))
        e = ELEM_F32;
    bool logical = op_info[row->node].flags & OP_BOOLEAN;
    struct node *in[2];
    for (int i = 0; i < 2; i++) {
        const struct value *o = &v[row->swap ? !i : i];
        in[i] = e == ELEM_BOOL ? value_node(c, o, e, at) : operand(c, o, e, at);
        if (!in[i])
            return value_error();
    }
    return built(c, row->node, 2, in, is_number && !logical, at);
}

struct value
unary_value(struct checker *c, int op, const struct value *a, struct place at)
{
    if (a->kind == VALUE_ERROR)
        return *a;
    if (a->kind == VALUE_NUMBER) {
        struct number out;
        return number_unary(op, a->number, &out, user_place(c, at), c->diag) ? value_number(out) : value_error();
    }
    enum elem e = ELEM_BOOL;
    bool is_number = false;
    if (op != AST_NOT && !common_elem(c, 1, a, false, &e, &is_number, at))
        return value_error();
    struct node *in[1] = {value_node(c, a, e, at)};
    return built(c, op == AST_NOT ? OP_NOT : OP_NEG, 1, in, is_number, at);
}

struct value
where_values(struct checker *c, const struct value *cond, const struct value *a, const struct value *b, struct place at)
{
    struct value v[2] = {*a, *b};
    enum elem e;
    bool is_number;
    if (cond->kind == VALUE_ERROR || !common_elem(c, 2, v, false, &e, &is_number, at))
        return value_error();
    bool number_condition = cond->kind == VALUE_TENSOR && cond->node->type.rank == 0 && is_number;
    if (is_number && !number_condition)
        e = ELEM_F32;
    struct node *in[3] = {value_node(c, cond, ELEM_BOOL, at), operand(c, &v[0], e, at), operand(c, &v[1], e, at)};
    return built(c, OP_WHERE, 3, in, number_condition, at);
}

struct value
map_values(struct checker *c, enum op op, int count, const struct value *v, struct place at)
{
    const struct op_info *info = &op_info[op];
    if (op == OP_WHERE)
        return where_values(c, &v[0], &v[1], &v[2], at);
    bool known = true;
    for (int i = 0; i < count; i++)
        known &= v[i].kind == VALUE_NUMBER;
    if (known) {
        struct number n[3], out;
        for (int i = 0; i < count; i++)
            n[i] = v[i].number;
        if (!number_map(op, count, n, &out)) {
            report(c, NUMBER_OUT_OF_RANGE, at, op_info[op].text);
            return value_error();
        }
        return value_number(out);
    }
    enum elem e;
    bool is_number;
    if (!common_elem(c, count, v, false, &e, &is_number, at))
        return value_error();
    if (info->types == TYPES_FLT && !elem_is_float(e) && e != ELEM_BOOL)
        e = is_number ? ELEM_F64 : ELEM_F32;
    struct node *in[3];
    for (int i = 0; i < count; i++)
        in[i] = operand(c, &v[i], e, at);
    return built(c, op, count, in, is_number, at);
}

static bool
shape_dim(struct checker *c, const struct value *v, bool rows, int64_t *out, struct place at)
{
    if (v->kind == VALUE_ROWS && rows) {
        *out = v->rows;
        return true;
    }
    if (v->kind == VALUE_NUMBER && v->number.is_whole && v->number.whole >= 1) {
        *out = v->number.whole;
        return true;
    }
    if (v->kind != VALUE_ERROR)
        report(c, BAD_DIMENSION, at, value_text(c, v));
    return false;
}

bool
value_shape(struct checker *c, const struct value *v, enum elem e, bool rows, struct type *out, struct place at)
{
    *out = type_scalar(e);
    const struct value *items = v->kind == VALUE_LIST ? v->items : v;
    int count = v->kind == VALUE_LIST ? v->nitems : 1;
    if (count > RANK_MAX) {
        report(c, RANK_TOO_HIGH, at, count, RANK_MAX);
        return false;
    }
    for (int i = 0; i < count; i++, out->rank++)
        if (!shape_dim(c, &items[i], rows, &out->dim[i], at))
            return false;
    if (type_bytes(out, 1) < 0) {
        char text[TYPE_TEXT];
        report(c, SIZE_OVERFLOW, at, type_text(out, ", ", text));
        return false;
    }
    return true;
}

bool
value_count(struct checker *c, const struct value *v, const char *what, int64_t *out, struct place at)
{
    if (v->kind == VALUE_NUMBER && v->number.is_whole) {
        *out = v->number.whole;
        return true;
    }
    if (v->kind != VALUE_ERROR)
        report(c, WHOLE_EXPECTED, at, what, value_text(c, v));
    return false;
}

bool
value_truth(struct checker *c, const struct value *v, bool *out, struct place at)
{
    if (v->kind == VALUE_NUMBER) {
        *out = number_is_true(v->number);
        return true;
    }
    if (v->kind != VALUE_ERROR)
        report(c, CONDITION_AT_RUN_TIME, at, value_text(c, v));
    return false;
}
