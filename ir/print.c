/* print: the text of a graph, which read.c reads back to the same graph. The form is described in README.md.
 *
 * Constants of rank 0 have no line; they stand where they are used. Inputs and variables go by their names, every other node
 * by its number among the printed lines, the nodes of a body by letters. So the text depends neither on ids nor on where
 * leaves stand. */
#include "ir/text.h"
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text_out {
    struct arena *arena;
    char *text;
    size_t count, cap;
};

static void
put_bytes(struct text_out *o, const char *text, size_t count)
{
    if (o->cap - o->count <= count) {
        size_t cap = (o->cap + count + 256) * 2;
        char *text_new = arena_alloc(o->arena, cap);
        if (o->count)
            memcpy(text_new, o->text, o->count);
        o->text = text_new;
        o->cap = cap;
    }
    memcpy(o->text + o->count, text, count);
    o->count += count;
    o->text[o->count] = 0;
}

static void
put(struct text_out *o, const char *text)
{
    put_bytes(o, text, strlen(text));
}

static void putf(struct text_out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void
putf(struct text_out *o, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof line);
    put_bytes(o, line, (size_t)n);
}

static void
put_quoted(struct text_out *o, const char *text)
{
    put(o, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p == '"' || *p == '\\')
            putf(o, "\\%c", *p);
        else if (*p < 32 || *p == 127)
            putf(o, "\\x%02x", *p);
        else
            put_bytes(o, (const char *)p, 1);
    put(o, "\"");
}

/* ---- numbers ---- */

/* The decimal digits of |value|, as few as give the same bits, and the exponent of the first. No locale has a say. */
static int
shortest_digits(double value, bool single, char digits[32], int *out_exponent)
{
    int count = 0;
    for (int n = 0; n < 17; n++) {
        char text[48], *p = text;
        snprintf(text, sizeof text, "%.*e", n, value);
        for (count = 0; *p != 'e'; p++)
            if (isdigit((unsigned char)*p))
                digits[count++] = *p;
        *out_exponent = atoi(p + 1);
        snprintf(text, sizeof text, "%.*se%d", count, digits, *out_exponent - count + 1);
        if (text_to_number(text, single) == value)
            break;
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

char *
text_number(double value, bool single, char buffer[TEXT_NUMBER])
{
    if (isnan(value) || isinf(value) || value == 0) {
        strcpy(buffer, isnan(value) ? "nan" : isinf(value) ? (value < 0 ? "-inf" : "inf") : signbit(value) ? "-0" : "0");
        return buffer;
    }
    char digits[32], *p = buffer;
    int exponent, count = shortest_digits(fabs(value), single, digits, &exponent);
    if (value < 0)
        *p++ = '-';
    if (exponent < -5 || exponent > 15) { /* 1.25e-8 */
        *p++ = digits[0];
        if (count > 1)
            *p++ = '.';
        memcpy(p, digits + 1, (size_t)(count - 1));
        sprintf(p + count - 1, "e%d", exponent);
        return buffer;
    }
    if (exponent < 0) { /* 0.00125 */
        memcpy(p, "0.00000", 7);
        p += 1 - exponent;
        memcpy(p, digits, (size_t)count);
        p[count] = 0;
        return buffer;
    }
    for (int i = 0; i < count || i <= exponent; i++) { /* 12.5, 1200 */
        if (i == exponent + 1)
            *p++ = '.';
        *p++ = i < count ? digits[i] : '0';
    }
    *p = 0;
    return buffer;
}

static void
put_element(struct text_out *o, enum elem e, double real, int64_t whole)
{
    char buffer[TEXT_NUMBER];
    if (elem_is_float(e))
        put(o, text_number(real, e == ELEM_F32, buffer));
    else if (e == ELEM_BOOL)
        put(o, whole ? "true" : "false");
    else
        putf(o, "%" PRId64, whole);
}

/* Element |i| of dense data. */
static void
put_data_element(struct text_out *o, enum elem e, const void *data, int64_t i)
{
    switch (e) {
    case ELEM_F32: put_element(o, e, (double)((const float *)data)[i], 0); break;
    case ELEM_F64: put_element(o, e, ((const double *)data)[i], 0); break;
    case ELEM_I32: put_element(o, e, 0, ((const int32_t *)data)[i]); break;
    case ELEM_I64: put_element(o, e, 0, ((const int64_t *)data)[i]); break;
    default: put_element(o, e, 0, ((const uint8_t *)data)[i]);
    }
}

static void
put_type(struct text_out *o, const struct type *t)
{
    char buffer[TYPE_TEXT];
    put(o, type_text(t, ",", buffer));
}

/* ---- names ---- */

struct names {
    const char **of; /* by node id; NULL: a constant that stands where it is used */
};

static bool
is_name_char(char c, bool bare)
{
    return isalnum((unsigned char)c) || c == '_' || (!bare && (c == '.' || c == '/'));
}

/* |name| with every character that a text name cannot have replaced. Bare names (inputs) are identifiers and no words of the
 * text form. */
static char *
plain_name(struct arena *a, const char *name, bool bare)
{
    bool prefix = !*name || isdigit((unsigned char)*name) || (bare && text_word(name, strlen(name)));
    char *plain = arena_printf(a, "%s%s", prefix ? "v" : "", name);
    for (char *p = plain; *p; p++)
        if (!is_name_char(*p, bare))
            *p = '_';
    return plain;
}

static bool
name_taken(const struct names *names, const char *name, int before)
{
    for (int i = 0; i < before; i++)
        if (names->of[i] && !strcmp(names->of[i], name))
            return true;
    return false;
}

static const char *
unique_name(struct arena *a, const struct names *names, const struct node *n)
{
    bool bare = n->op == OP_INPUT;
    char *plain = plain_name(a, n->attr->name.name, bare), *name;
    int k = 1;
    do {
        name = arena_printf(a, "%s%s%s", bare ? "" : "%", plain, k == 1 ? "" : arena_printf(a, "_%d", k));
        k++;
    } while (name_taken(names, name, n->id));
    return name;
}

static const char *
letters(struct arena *a, int k)
{
    char text[16], *p = text + sizeof text;
    *--p = 0;
    for (k++; k; k = (k - 1) / 26)
        *--p = (char)('a' + (k - 1) % 26);
    return arena_printf(a, "%%%s", p);
}

static struct names
name_nodes(const struct graph *g, struct arena *a, bool body)
{
    struct names names = {ARENA_ARRAY(a, const char *, g->count + 1)};
    int lines = 0;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        if (n->op == OP_INPUT && body)
            names.of[i] = arena_printf(a, "$%d", n->attr->name.index);
        else if (n->op == OP_INPUT || n->op == OP_VAR)
            names.of[i] = unique_name(a, &names, n);
        else if (!node_is_number(n))
            names.of[i] = body ? letters(a, lines++) : arena_printf(a, "%%%d", ++lines);
    }
    return names;
}

static void
put_value(struct text_out *o, const struct names *names, const struct node *n)
{
    if (names->of[n->id]) {
        put(o, names->of[n->id]);
        return;
    }
    put_element(o, n->type.elem, n->attr->value.real, n->attr->value.whole);
    if (n->type.elem != ELEM_F32 && n->type.elem != ELEM_BOOL)
        putf(o, ":%s", elem_name(n->type.elem));
}

/* ---- attributes ---- */

static void
put_dims(struct text_out *o, const char *name, const int64_t *dim, int count)
{
    putf(o, "%s=[", name);
    for (int i = 0; i < count; i++) {
        char text[24];
        dim_text(dim[i], text, sizeof text);
        putf(o, "%s%s", i ? "," : "", text);
    }
    put(o, "]");
}

static void
put_axes(struct text_out *o, const struct node *n)
{
    const char *separator = "";
    put(o, " {axis=[");
    for (int i = 0; i < RANK_MAX; i++)
        if (n->attr->axes.axes >> i & 1) {
            putf(o, "%s%d", separator, i);
            separator = ",";
        }
    putf(o, "]%s}", n->attr->axes.keep ? ", keep" : "");
}

static void
put_matmul(struct text_out *o, const struct node *n)
{
    bool a = n->attr && n->attr->matmul.transpose_a, b = n->attr && n->attr->matmul.transpose_b;
    if (a || b)
        putf(o, " {%s%s%s}", a ? "transpose_a" : "", a && b ? ", " : "", b ? "transpose_b" : "");
}

static void
put_slice(struct text_out *o, const struct node *n)
{
    int rank = n->in[0]->type.rank;
    put(o, " {");
    put_dims(o, n->op == OP_PAD ? "before" : "start", n->attr->slice.start, rank);
    put(o, ", ");
    put_dims(o, n->op == OP_PAD ? "after" : "stop", n->attr->slice.stop, rank);
    put(o, "}");
}

static void
put_perm(struct text_out *o, const struct node *n)
{
    put(o, " {perm=[");
    for (int i = 0; i < n->type.rank; i++)
        putf(o, "%s%d", i ? "," : "", n->attr->perm.perm[i]);
    put(o, "]}");
}

static void
put_stream(struct text_out *o, const struct node *n)
{
    char from[TEXT_NUMBER], to[TEXT_NUMBER];
    text_number(n->attr->stream.from, false, from);
    text_number(n->attr->stream.to, false, to);
    putf(o, " {stream=0x%" PRIx64 ", from=%s, to=%s}", n->attr->stream.stream, from, to);
}

/* Of the axes between rows and channels. */
static void
put_conv(struct text_out *o, const struct node *n)
{
    int count = n->type.rank - 2;
    put(o, " {");
    put_dims(o, "stride", n->attr->conv.stride, count);
    put(o, ", ");
    put_dims(o, "dilation", n->attr->conv.dilation, count);
    put(o, ", ");
    put_dims(o, "before", n->attr->conv.before, count);
    put(o, ", ");
    put_dims(o, "after", n->attr->conv.after, count);
    put(o, "}");
}

static void
put_data(struct text_out *o, const struct node *n)
{
    int64_t count = type_count(&n->type, 0);
    put(o, " [");
    for (int64_t i = 0; i < count; i++) {
        put(o, i ? ", " : "");
        put_data_element(o, n->type.elem, n->attr->value.data, i);
    }
    put(o, "]");
}

static void
put_attr(struct text_out *o, const struct node *n)
{
    switch ((enum op_attrs)op_info[n->op].attrs) {
    case ATTRS_NONE:
    case ATTRS_NAME:
    case ATTRS_BODY: break;
    case ATTRS_VALUE: put_data(o, n); break;
    case ATTRS_AXES: put_axes(o, n); break;
    case ATTRS_MATMUL: put_matmul(o, n); break;
    case ATTRS_PERM: put_perm(o, n); break;
    case ATTRS_SLICE: put_slice(o, n); break;
    case ATTRS_AXIS: putf(o, " {%s=%d}", n->op == OP_RESULT ? "index" : "axis", n->attr->axis.axis); break;
    case ATTRS_STREAM: put_stream(o, n); break;
    case ATTRS_CONV: put_conv(o, n); break;
    }
}

/* ---- lines ---- */

static void
put_place(struct text_out *o, const char *before, const struct place *p)
{
    if (!p->line)
        return;
    if (p->file != 1)
        putf(o, "%s%d:%d:%d", before, p->file, p->line, p->column);
    else
        putf(o, "%s%d:%d", before, p->line, p->column);
}

/* The name of the input or variable in whose memory a value lies. */
static const char *
storage_owner(const struct graph *g, const struct names *names, const struct node *n)
{
    enum op op = n->storage == STORAGE_VAR ? OP_VAR : OP_INPUT;
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == op && g->nodes[i]->attr->name.index == n->offset)
            return names->of[i];
    return "?";
}

static void
put_storage(struct text_out *o, const struct graph *g, const struct names *names, const struct node *n)
{
    if (n->storage == STORAGE_ARENA)
        putf(o, " at arena+%" PRId64, n->offset);
    else if (n->storage == STORAGE_VAR || n->storage == STORAGE_INPUT) {
        put(o, " at ");
        put(o, storage_owner(g, names, n));
    }
}

static void put_lines(struct text_out *o, const struct graph *g, int depth, bool places);

static void
indent(struct text_out *o, int depth)
{
    for (int i = 0; i < depth; i++)
        put(o, "  ");
}

static void
put_node(struct text_out *o, const struct graph *g, const struct names *names, const struct node *n, int depth, bool places)
{
    bool body = op_info[n->op].attrs == ATTRS_BODY;
    indent(o, depth);
    putf(o, "%s = %s%s", names->of[n->id], op_info[n->op].text, body ? "(" : "");
    for (int i = 0; i < n->nin; i++) {
        put(o, i ? ", " : body ? "" : " ");
        put_value(o, names, n->in[i]);
    }
    put(o, body ? ")" : "");
    put_attr(o, n);
    put(o, " : ");
    put_type(o, &n->type);
    put_storage(o, g, names, n);
    if (places) {
        put_place(o, " @", &n->place);
        put_place(o, " in ", &n->inner);
    }
    if (body) {
        put(o, " {\n");
        put_lines(o, n->body, depth + 1, places);
        indent(o, depth);
        put(o, "}");
    }
    put(o, "\n");
}

static void
put_var(struct text_out *o, const struct names *names, const struct node *n, int depth)
{
    indent(o, depth);
    put(o, "var ");
    put(o, names->of[n->id]);
    put(o, ": ");
    put_type(o, &n->type);
    put(o, " = ");
    put_quoted(o, n->attr->name.name);
    put(o, "\n");
}

static void
put_return(struct text_out *o, const struct graph *g, const struct names *names, int depth)
{
    if (!g->noutputs)
        return;
    indent(o, depth);
    put(o, "return ");
    for (int i = 0; i < g->noutputs; i++) {
        put(o, i ? ", " : "");
        put_value(o, names, g->outputs[i].node);
        if (g->outputs[i].name) {
            put(o, " ");
            put_quoted(o, g->outputs[i].name);
        }
    }
    put(o, "\n");
}

static void
put_named_lines(struct text_out *o, const struct graph *g, const struct names *names, int depth, bool places)
{
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_VAR)
            put_var(o, names, g->nodes[i], depth);
    for (int i = 0; i < g->count; i++)
        if (names->of[i] && g->nodes[i]->op != OP_VAR && g->nodes[i]->op != OP_INPUT)
            put_node(o, g, names, g->nodes[i], depth, places);
    put_return(o, g, names, depth);
}

static void
put_lines(struct text_out *o, const struct graph *g, int depth, bool places)
{
    struct names names = name_nodes(g, o->arena, true);
    put_named_lines(o, g, &names, depth, places);
}

static void
put_inputs(struct text_out *o, const struct graph *g, const struct names *names)
{
    for (int i = 0; i < g->ninputs; i++) {
        const struct node *n = g->inputs[i];
        put(o, i ? ", " : "");
        put(o, names->of[n->id]);
        put(o, ": ");
        put_type(o, &n->type);
        if (strcmp(names->of[n->id], n->attr->name.name)) {
            put(o, " = ");
            put_quoted(o, n->attr->name.name);
        }
    }
}

static void
put_name(struct text_out *o, const char *name)
{
    bool plain = *name && !isdigit((unsigned char)*name);
    for (const char *p = name; *p; p++)
        plain &= is_name_char(*p, false);
    if (plain)
        put(o, name);
    else
        put_quoted(o, name);
}

static bool
is_planned(const struct graph *g)
{
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->storage)
            return true;
    return false;
}

char *
graph_text(const struct graph *g, struct arena *arena, bool places)
{
    struct text_out o = {.arena = arena};
    struct names names = name_nodes(g, arena, false);
    put(&o, "graph ");
    put_name(&o, g->name);
    put(&o, "(");
    put_inputs(&o, g, &names);
    put(&o, ")");
    if (g->max_rows)
        putf(&o, " rows=%" PRId64, g->max_rows);
    if (is_planned(g))
        putf(&o, " arena=%" PRId64 " live=%" PRId64, g->arena_bytes, g->live_bytes);
    put(&o, " {\n");
    put_named_lines(&o, g, &names, 1, places);
    put(&o, "}\n");
    return o.text;
}

const char **
graph_names(const struct graph *g, struct arena *arena, bool body)
{
    struct names names = name_nodes(g, arena, body);
    struct text_out o = {.arena = arena};
    for (int i = 0; i < g->count; i++)
        if (!names.of[i]) {
            o = (struct text_out){.arena = arena};
            put_value(&o, &names, g->nodes[i]);
            names.of[i] = o.text;
        }
    return names.of;
}

const char *
node_attr_text(const struct node *n, struct arena *arena)
{
    struct text_out o = {.arena = arena};
    put(&o, "");
    put_attr(&o, n);
    return o.text[0] == ' ' ? o.text + 1 : o.text;
}
