/* graph_json: a graph as JSON, one node a line. */
#include "frontend/cli/graph_view.h"
#include "passes/check.h"
#include <inttypes.h>

static void
put_text(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 32)
            fprintf(out, "\\u%04x", *p);
        else
            putc(*p, out);
    putc('"', out);
}

static void
put_field(FILE *out, const char *name, const char *text)
{
    fprintf(out, ", \"%s\": ", name);
    put_text(out, text);
}

static void
put_place(FILE *out, const char *name, const struct place *p)
{
    if (p->line)
        fprintf(out, ", \"%s\": [%d, %d, %d]", name, p->file, p->line, p->column);
}

static void
put_storage(FILE *out, const struct node *n)
{
    static const char *const kinds[] = {[STORAGE_ARENA] = "arena", [STORAGE_VAR] = "variable", [STORAGE_INPUT] = "input", [STORAGE_CONST] = "constant"};
    if (n->storage != STORAGE_NONE)
        fprintf(out, ", \"storage\": \"%s\", \"offset\": %" PRId64, kinds[n->storage], n->offset);
}

static void put_nodes(FILE *out, const struct graph *g, const char *const *names, struct arena *arena, bool body, int depth);

static void
put_outputs(FILE *out, const struct graph *g, const char *const *names)
{
    fprintf(out, "\"outputs\": [");
    for (int i = 0; i < g->noutputs; i++) {
        fprintf(out, "%s{\"value\": ", i ? ", " : "");
        put_text(out, names[g->outputs[i].node->id]);
        if (g->outputs[i].name)
            put_field(out, "name", g->outputs[i].name);
        putc('}', out);
    }
    putc(']', out);
}

static void
put_node(FILE *out, const struct node *n, const char *const *names, struct arena *arena, int depth)
{
    char type[TYPE_TEXT];
    fprintf(out, "%*s{\"value\": ", depth, "");
    put_text(out, names[n->id]);
    put_field(out, "op", op_info[n->op].text);
    fprintf(out, ", \"operands\": [");
    for (int k = 0; k < n->nin; k++) {
        fprintf(out, "%s", k ? ", " : "");
        put_text(out, names[n->in[k]->id]);
    }
    putc(']', out);
    const char *attr = op_info[n->op].attrs == ATTRS_NAME ? n->attr->name.name : node_attr_text(n, arena);
    if (*attr)
        put_field(out, op_info[n->op].attrs == ATTRS_NAME ? "name" : "attributes", attr);
    put_field(out, "type", type_text(&n->type, ",", type));
    put_storage(out, n);
    put_place(out, "place", &n->place);
    put_place(out, "in", &n->inner);
    if (op_info[n->op].attrs == ATTRS_BODY && n->body) {
        fprintf(out, ", \"body\": {\"nodes\": [\n");
        const char **inside = graph_names(n->body, arena, true);
        put_nodes(out, n->body, inside, arena, true, depth + 2);
        fprintf(out, "%*s], ", depth, "");
        put_outputs(out, n->body, inside);
        putc('}', out);
    }
    putc('}', out);
}

static void
put_nodes(FILE *out, const struct graph *g, const char *const *names, struct arena *arena, bool body, int depth)
{
    bool first = true;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        if (node_is_number(n) || (body && n->op == OP_INPUT))
            continue;
        fprintf(out, "%s", first ? "" : ",\n");
        first = false;
        put_node(out, n, names, arena, depth);
    }
    fprintf(out, "\n");
}

void
graph_json(FILE *out, const struct graph *g, struct arena *arena)
{
    const char **names = graph_names(g, arena, false);
    fprintf(out, "{\"name\": ");
    put_text(out, g->name);
    if (graph_is_planned(g))
        fprintf(out, ", \"rows\": %" PRId64 ", \"arena_bytes\": %" PRId64 ", \"live_bytes\": %" PRId64, g->max_rows, g->arena_bytes, g->live_bytes);
    fprintf(out, ",\n \"nodes\": [\n");
    put_nodes(out, g, names, arena, false, 2);
    fprintf(out, " ],\n ");
    put_outputs(out, g, names);
    fprintf(out, "}\n");
}
