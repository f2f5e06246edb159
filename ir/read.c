/* read: graphs from text, the inverse of print.c. Any bytes are read without harm; the first fault is reported and ends the
 * reading. The pieces of the text are scan.c's. */
#include "ir/text.h"
#include <ctype.h>
#include <string.h>

enum { DEPTH_MAX = 8, OPERANDS_MAX = UINT16_MAX };

/* The values of one graph by name: open addressing. */
struct scope {
    struct reader *r;
    struct graph *g;
    int depth;
    bool planned;
    struct entry {
        const char *name;
        struct node *node;
    } *entries;
    int count, size;
};

/* ---- values by name ---- */

static struct entry *
slot(const struct scope *s, const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    uint32_t at = hash & (uint32_t)(s->size - 1);
    while (s->entries[at].name && strcmp(s->entries[at].name, name))
        at = (at + 1) & (uint32_t)(s->size - 1);
    return &s->entries[at];
}

static void
scope_grow(struct scope *s)
{
    struct scope old = *s;
    s->size = old.size ? old.size * 2 : 32;
    s->entries = ARENA_ARRAY(s->r->arena, struct entry, s->size);
    for (int i = 0; i < old.size; i++)
        if (old.entries[i].name)
            *slot(s, old.entries[i].name) = old.entries[i];
}

static void
define(struct scope *s, const char *at, const char *name, struct node *n)
{
    if (s->count * 2 >= s->size)
        scope_grow(s);
    struct entry *e = slot(s, name);
    if (e->name)
        FAULT(s->r, at, READ_TWICE, name);
    *e = (struct entry){name, n};
    s->count++;
}

static struct node *
look_up(struct scope *s, const char *at, const char *name)
{
    struct node *n = s->size ? slot(s, name)->node : NULL;
    if (!n)
        FAULT(s->r, at, READ_UNDEFINED, name);
    return n;
}

/* The name of a value: %name, $0, or an input's. */
static struct node *
take_value_name(struct scope *s)
{
    char c = scan_next(s->r);
    const char *at = s->r->at;
    const char *name = scan_name(s->r, c == '%' || c == '$', "a value");
    return s->r->failed ? NULL : look_up(s, at, name);
}

/* ---- constants ---- */

static int64_t
take_whole_element(struct reader *r, enum elem e)
{
    if (e == ELEM_BOOL) {
        bool yes = scan_accept(r, "true");
        if (!yes)
            scan_expect(r, "false");
        return yes;
    }
    return e == ELEM_U8    ? scan_whole(r, 0, UINT8_MAX)
           : e == ELEM_I32 ? scan_whole(r, INT32_MIN, INT32_MAX)
                           : scan_whole(r, INT64_MIN, INT64_MAX);
}

/* A number that stands where it is used: 1, -inf, 1:f64, 3:i64, true. */
static struct node *
take_number(struct scope *s)
{
    struct reader *r = s->r;
    if (scan_accept(r, "true"))
        return graph_whole(s->g, ELEM_BOOL, 1);
    if (scan_accept(r, "false"))
        return graph_whole(s->g, ELEM_BOOL, 0);
    const char *start = r->at, *after;
    scan_number_piece(r);
    enum elem e = ELEM_F32;
    if (r->at < r->end && *r->at == ':') {
        r->at++;
        const char *type_at = r->at, *name = scan_name(r, 0, "an element type");
        if (!elem_from_name(name, strlen(name), &e) || e == ELEM_BOOL)
            FAULT(r, type_at, READ_EXPECTED, "an element type", scan_found(r, type_at));
    }
    if (r->failed)
        return NULL;
    after = r->at;
    r->at = start;
    struct node *n = elem_is_float(e) ? graph_number(s->g, e, scan_real(r, e == ELEM_F32))
                                      : graph_whole(s->g, e, take_whole_element(r, e));
    if (!r->failed && *r->at == ':')
        r->at = after;
    return n;
}

static struct node *
take_operand(struct scope *s)
{
    struct reader *r = s->r;
    char c = scan_next(r);
    size_t n = 0;
    while (r->at + n < r->end && scan_is_name(r->at[n]))
        n++;
    bool number = scan_at_number(r) || (c != '%' && c != '$' && text_word(r->at, n));
    return number ? take_number(s) : take_value_name(s);
}

static void
store_element(struct reader *r, enum elem e, void *data, int64_t i)
{
    switch (e) {
    case ELEM_F32: ((float *)data)[i] = (float)scan_real(r, true); break;
    case ELEM_F64: ((double *)data)[i] = scan_real(r, false); break;
    case ELEM_I32: ((int32_t *)data)[i] = (int32_t)take_whole_element(r, e); break;
    case ELEM_I64: ((int64_t *)data)[i] = take_whole_element(r, e); break;
    default: ((uint8_t *)data)[i] = (uint8_t)take_whole_element(r, e);
    }
}

/* The values of a constant of type |t|, which stand at |values|: "[1, 2, 3]". */
static const void *
take_data(struct reader *r, const char *values, const struct type *t)
{
    const char *after = r->at;
    int64_t count = type_has_rows(t) ? -1 : type_count(t, 0);
    if (count < 0 || count > r->end - values) { /* each takes a character at least */
        FAULT(r, values, READ_VALUES, type_text(t, ", ", (char[TYPE_TEXT]){0}));
        return NULL;
    }
    void *data = arena_alloc(r->arena, (size_t)count * elem_size(t->elem) + 1);
    r->at = values;
    scan_expect(r, "[");
    for (int64_t i = 0; i < count && !r->failed; i++) {
        if (i)
            scan_expect(r, ",");
        store_element(r, t->elem, data, i);
    }
    if (!r->failed && !scan_accept(r, "]"))
        FAULT(r, values, READ_VALUES, type_text(t, ", ", (char[TYPE_TEXT]){0}));
    r->at = r->failed ? r->end : after;
    return data;
}

static void
skip_data(struct reader *r)
{
    scan_expect(r, "[");
    while (r->at < r->end && *r->at != ']')
        r->at++;
    scan_expect(r, "]");
}

/* ---- attributes ---- */

static int
take_dims(struct reader *r, const char *name, int64_t dims[RANK_MAX])
{
    int count = 0;
    scan_expect(r, name);
    scan_expect(r, "=");
    scan_expect(r, "[");
    while (!r->failed && !scan_accept(r, "]")) {
        if (count)
            scan_expect(r, ",");
        if (count == RANK_MAX)
            scan_fault(r, "]");
        else
            dims[count++] = scan_dim(r);
    }
    return count;
}

static void
take_axes(struct reader *r, struct attr *attr)
{
    int64_t dims[RANK_MAX];
    scan_expect(r, "{");
    int count = take_dims(r, "axis", dims);
    for (int i = 0; i < count; i++)
        if (dims[i] < 0 || dims[i] >= RANK_MAX)
            scan_fault(r, "axes of the operand");
        else
            attr->axes.axes |= 1u << dims[i];
    attr->axes.keep = scan_accept(r, ",");
    if (attr->axes.keep)
        scan_expect(r, "keep");
    scan_expect(r, "}");
}

static void
take_matmul(struct reader *r, struct attr *attr)
{
    if (!scan_accept(r, "{"))
        return;
    attr->matmul.transpose_a = scan_accept(r, "transpose_a");
    if (!attr->matmul.transpose_a || scan_accept(r, ",")) {
        scan_expect(r, "transpose_b");
        attr->matmul.transpose_b = true;
    }
    scan_expect(r, "}");
}

static void
take_perm(struct reader *r, struct attr *attr)
{
    int64_t dims[RANK_MAX];
    scan_expect(r, "{");
    int count = take_dims(r, "perm", dims);
    for (int i = 0; i < count; i++)
        attr->perm.perm[i] = (int8_t)(dims[i] < 0 || dims[i] >= RANK_MAX ? -1 : dims[i]);
    scan_expect(r, "}");
}

static void
take_slice(struct reader *r, enum op op, struct attr *attr)
{
    scan_expect(r, "{");
    take_dims(r, op == OP_PAD ? "before" : "start", attr->slice.start);
    scan_expect(r, ",");
    take_dims(r, op == OP_PAD ? "after" : "stop", attr->slice.stop);
    scan_expect(r, "}");
}

static void
take_axis(struct reader *r, enum op op, struct attr *attr)
{
    scan_expect(r, "{");
    scan_expect(r, op == OP_RESULT ? "index" : "axis");
    scan_expect(r, "=");
    attr->axis.axis = (int)scan_whole(r, 0, UINT16_MAX);
    scan_expect(r, "}");
}

static double
take_named_real(struct reader *r, const char *name)
{
    scan_expect(r, ",");
    scan_expect(r, name);
    scan_expect(r, "=");
    return scan_real(r, false);
}

static void
take_stream(struct reader *r, struct attr *attr)
{
    scan_expect(r, "{");
    scan_expect(r, "stream");
    scan_expect(r, "=");
    attr->stream.stream = scan_unsigned(r, UINT64_MAX);
    attr->stream.from = take_named_real(r, "from");
    attr->stream.to = take_named_real(r, "to");
    scan_expect(r, "}");
}

static void
take_conv(struct reader *r, struct attr *attr)
{
    static const char *const names[] = {"stride", "dilation", "before", "after"};
    int64_t dims[4][RANK_MAX] = {0};
    scan_expect(r, "{");
    for (int i = 0; i < 4; i++) {
        if (i)
            scan_expect(r, ",");
        take_dims(r, names[i], dims[i]);
    }
    scan_expect(r, "}");
    for (int i = 0; i < 2; i++) {
        attr->conv.stride[i] = dims[0][i];
        attr->conv.dilation[i] = dims[1][i];
        attr->conv.before[i] = dims[2][i];
        attr->conv.after[i] = dims[3][i];
    }
}

static struct attr *
take_attr(struct scope *s, enum op op)
{
    struct attr *attr = graph_attr(s->g, (struct attr){0});
    switch ((enum op_attrs)op_info[op].attrs) {
    case ATTRS_NONE:
    case ATTRS_BODY: return NULL;
    case ATTRS_NAME:
    case ATTRS_VALUE: break;
    case ATTRS_AXES: take_axes(s->r, attr); break;
    case ATTRS_MATMUL: take_matmul(s->r, attr); break;
    case ATTRS_PERM: take_perm(s->r, attr); break;
    case ATTRS_SLICE: take_slice(s->r, op, attr); break;
    case ATTRS_AXIS: take_axis(s->r, op, attr); break;
    case ATTRS_STREAM: take_stream(s->r, attr); break;
    case ATTRS_CONV: take_conv(s->r, attr); break;
    }
    return attr;
}

/* ---- lines ---- */

struct operands {
    struct node **node;
    const struct type **type;
    int count, cap, type_cap;
};

static void
take_operands(struct scope *s, struct operands *o)
{
    do {
        struct node *n = take_operand(s);
        if (s->r->failed)
            return;
        if (o->count == OPERANDS_MAX) {
            scan_fault(s->r, "fewer operands");
            return;
        }
        int count = o->count;
        *ARENA_PUSH(s->r->arena, o->node, o->count, o->cap) = n;
        *ARENA_PUSH(s->r->arena, o->type, count, o->type_cap) = &n->type;
    } while (scan_accept(s->r, ","));
}

static void
take_place(struct reader *r, struct place *p)
{
    int32_t part[3], count = 0;
    do
        part[count++] = (int32_t)scan_whole(r, 0, INT32_MAX);
    while (count < 3 && scan_accept(r, ":"));
    if (count == 2)
        *p = (struct place){1, part[0], part[1], 1};
    else if (count == 3)
        *p = (struct place){part[0], part[1], part[2], 1};
    else
        scan_fault(r, "line:column");
}

static void
take_storage(struct scope *s, struct node *n)
{
    if (!scan_accept(s->r, "at"))
        return;
    if (!s->planned) {
        scan_fault(s->r, "arena= in the head of a graph whose values have places");
        return;
    }
    if (scan_accept(s->r, "arena")) {
        scan_expect(s->r, "+");
        n->storage = STORAGE_ARENA;
        n->offset = scan_whole(s->r, 0, INT64_MAX);
        return;
    }
    const char *at = s->r->at;
    struct node *owner = take_value_name(s);
    if (owner && owner->op != OP_VAR && owner->op != OP_INPUT)
        FAULT(s->r, at, READ_EXPECTED, "an input or a variable", scan_found(s->r, at));
    if (s->r->failed)
        return;
    n->storage = owner->op == OP_VAR ? STORAGE_VAR : STORAGE_INPUT;
    n->offset = owner->attr->name.index;
}

static void take_lines(struct scope *s);

static struct graph *
take_body(struct scope *outer, const struct operands *o)
{
    struct scope s = {.r = outer->r, .g = graph_new(outer->r->arena, outer->g->name), .depth = outer->depth + 1};
    if (s.depth > DEPTH_MAX) {
        FAULT(s.r, s.r->at, READ_DEPTH, DEPTH_MAX);
        return NULL;
    }
    for (int i = 0; i < o->count; i++) {
        const char *name = arena_printf(s.r->arena, "$%d", i);
        define(&s, s.r->at, name, graph_input(s.g, name, o->type[i]));
    }
    scan_expect(s.r, "{");
    take_lines(&s);
    return s.g;
}

static enum op
take_op(struct reader *r)
{
    const char *at = (scan_space(r), r->at), *name = scan_name(r, 0, "an operation");
    enum op op = op_from_text(name, strlen(name));
    if (op == OP_COUNT || op == OP_INPUT || op == OP_VAR) {
        FAULT(r, at, READ_OP, name);
        return OP_COUNT;
    }
    return op;
}

/* Checks that |op| gives |given| and appends the node. */
static struct node *
build(struct scope *s, const char *at, enum op op, const struct operands *o, struct attr *attr, const struct type *given)
{
    struct reader *r = s->r;
    struct type type;
    int nin = op_info[op].nin;
    if (nin >= 0 && nin != o->count)
        FAULT(r, at, READ_OPERANDS, op_info[op].text, nin, o->count);
    else if (!attr_fits(op, o->count, o->type, attr))
        FAULT(r, at, READ_ATTR, op_info[op].text);
    else if (!op_infer(op, o->count, o->type, attr, given, &type, (struct place){0}, NULL)) {
        /* A place is found by counting lines, so only now. */
        op_infer(op, o->count, o->type, attr, given, &type, scan_place(r, at), r->diag);
        r->failed = true;
        r->at = r->end;
    } else if (!type_equal(&type, given))
        FAULT(r, at, READ_TYPE, op_info[op].text, type_text(&type, ", ", (char[TYPE_TEXT]){0}),
              type_text(given, ", ", (char[TYPE_TEXT]){0}));
    return r->failed ? NULL : graph_add(s->g, op, o->count, o->node, attr, given);
}

/* %3 = sum %1 {axis=[0]} : f32[4] at arena+64 @12:9 in 2:88:3 */
static void
take_node(struct scope *s)
{
    struct reader *r = s->r;
    const char *at = r->at, *name = scan_name(r, 1, "a value");
    scan_expect(r, "=");
    enum op op = take_op(r);
    if (op == OP_COUNT)
        return;
    bool body = op_info[op].attrs == ATTRS_BODY;
    struct operands o = {0};
    if (body)
        scan_expect(r, "(");
    const char *values = (scan_space(r), r->at);
    if (op == OP_CONST)
        skip_data(r);
    else if (scan_next(r) != ':' && scan_next(r) != '{' && scan_next(r) != ')')
        take_operands(s, &o);
    if (body)
        scan_expect(r, ")");
    struct attr *attr = take_attr(s, op);
    scan_expect(r, ":");
    struct type given = scan_type(r);
    if (op == OP_CONST)
        attr->value.data = take_data(r, values, &given);
    if (op == OP_CONST && !r->failed && !given.rank)
        FAULT(r, values, READ_EXPECTED, "a number where it is used", "a constant of rank 0");
    struct node where = {0};
    if (op != OP_CONST) /* which lies where its value is */
        take_storage(s, &where);
    if (scan_accept(r, "@"))
        take_place(r, &where.place);
    if (scan_accept(r, "in"))
        take_place(r, &where.inner);
    struct graph *nested = body && !r->failed ? take_body(s, &o) : NULL;
    struct node *n = r->failed ? NULL : build(s, at, op, &o, attr, &given);
    if (!n)
        return;
    n->place = where.place;
    n->inner = where.inner;
    n->storage = where.storage;
    n->offset = where.offset;
    n->body = nested;
    define(s, at, name, n);
}

static bool
fits_63_bits(struct reader *r, const char *at, const struct type *t)
{
    if (type_bytes(t, 1) < 0)
        FAULT(r, at, OP_SIZE, "type", type_text(t, ", ", (char[TYPE_TEXT]){0}));
    return !r->failed;
}

static int
variable_index(struct reader *r, const char *at, const char *name, const struct type *t)
{
    struct module *m = r->module;
    for (int i = 0; i < m->nvars; i++)
        if (!strcmp(m->vars[i].name, name)) {
            if (!type_equal(&m->vars[i].type, t))
                FAULT(r, at, READ_VAR_TYPE, name, type_text(t, ", ", (char[TYPE_TEXT]){0}),
                      type_text(&m->vars[i].type, ", ", (char[TYPE_TEXT]){0}));
            return i;
        }
    *ARENA_PUSH(r->arena, m->vars, m->nvars, m->vars_cap) = (struct variable){.name = name, .type = *t};
    return m->nvars - 1;
}

/* var %w: f32[10,100] = "h.w" */
static void
take_var(struct scope *s)
{
    struct reader *r = s->r;
    const char *at = (scan_space(r), r->at), *name = scan_name(r, 1, "a variable");
    scan_expect(r, ":");
    struct type type = scan_type(r);
    scan_expect(r, "=");
    const char *text = scan_quoted(r);
    if (r->failed || !fits_63_bits(r, at, &type))
        return;
    int index = variable_index(r, at, text, &type);
    for (int i = 0; i < s->g->count; i++)
        if (s->g->nodes[i]->op == OP_VAR && s->g->nodes[i]->attr->name.index == index)
            FAULT(r, at, READ_TWICE, text);
    if (!r->failed)
        define(s, at, name, graph_var(s->g, text, index, &type));
}

static void
take_return(struct scope *s)
{
    do {
        struct node *n = take_operand(s);
        const char *name = scan_next(s->r) == '"' ? scan_quoted(s->r) : NULL;
        if (!s->r->failed)
            graph_output(s->g, name, n);
    } while (scan_accept(s->r, ","));
}

static void
take_lines(struct scope *s)
{
    struct reader *r = s->r;
    while (!r->failed && !scan_accept(r, "}"))
        if (scan_next(r) == '%')
            take_node(s);
        else if (!s->depth && scan_accept(r, "var"))
            take_var(s);
        else if (scan_accept(r, "return"))
            take_return(s);
        else
            scan_fault(r, "%value, var, return or }");
}

static void
take_input(struct scope *s)
{
    struct reader *r = s->r;
    const char *at = (scan_space(r), r->at), *name = scan_name(r, 0, "an input"), *text = name;
    if (text_word(name, strlen(name)) || !(isalpha((unsigned char)*name) || *name == '_'))
        FAULT(r, at, READ_EXPECTED, "the name of an input", scan_found(r, at));
    scan_expect(r, ":");
    struct type type = scan_type(r);
    if (scan_accept(r, "="))
        text = scan_quoted(r);
    if (!r->failed && fits_63_bits(r, at, &type))
        define(s, at, name, graph_input(s->g, text, &type));
}

static int64_t
take_size(struct reader *r, const char *name)
{
    scan_expect(r, name);
    scan_expect(r, "=");
    return scan_whole(r, 0, INT64_MAX);
}

static void
place_leaves(struct graph *g)
{
    for (int i = 0; i < g->count; i++) {
        struct node *n = g->nodes[i];
        if (n->op == OP_CONST)
            n->storage = STORAGE_CONST;
        if (n->op == OP_VAR || n->op == OP_INPUT) {
            n->storage = n->op == OP_VAR ? STORAGE_VAR : STORAGE_INPUT;
            n->offset = n->attr->name.index;
        }
    }
}

static void
take_graph(struct reader *r)
{
    scan_expect(r, "graph");
    const char *name = scan_next(r) == '"' ? scan_quoted(r) : scan_name(r, 0, "the name of the graph");
    struct scope s = {.r = r, .g = graph_new(r->arena, name)};
    scan_expect(r, "(");
    while (!r->failed && !scan_accept(r, ")")) {
        if (s.g->ninputs)
            scan_expect(r, ",");
        take_input(&s);
    }
    if (scan_next(r) == 'r')
        s.g->max_rows = take_size(r, "rows");
    if (scan_next(r) == 'a') {
        s.planned = true;
        s.g->arena_bytes = take_size(r, "arena");
        s.g->live_bytes = take_size(r, "live");
    }
    scan_expect(r, "{");
    take_lines(&s);
    if (s.planned)
        place_leaves(s.g);
    *ARENA_PUSH(r->arena, r->module->graphs, r->module->ngraphs, r->module->graphs_cap) = s.g;
}

struct module *
module_read(struct arena *arena, const char *text, size_t length, int file, struct diag *diag)
{
    struct module *m = ARENA_NEW(arena, struct module);
    struct reader r = {.arena = arena, .diag = diag, .module = m, .text = text, .at = text, .end = text + length};
    r.file = file;
    m->arena = arena;
    m->name = "";
    while (!r.failed && scan_next(&r))
        take_graph(&r);
    if (!r.failed && r.at < r.end) /* a NUL */
        scan_fault(&r, "graph");
    return r.failed ? NULL : m;
}
