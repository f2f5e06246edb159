/* graph_dot: a graph drawn by graphviz. Numbers of rank 0 stand in the labels of their users; a group is a box with the lines of its
 * body; edges carry shapes. */
#include "frontend/cli/graph_view.h"
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum phase { FORWARD, BACKWARD, UPDATE };
/* From here on edges are straight and layers of nodes are not moved about for minutes. Lines of a group's body that are shown. */
enum { LARGE = 600, BODY_LINES = 24 };

static const struct {
    const char *name, *fill, *line;
} looks[] = {
    [FORWARD] = {"forward", "#dbeafe", "#2563eb"},
    [BACKWARD] = {"backward", "#fee2d5", "#c2410c"},
    [UPDATE] = {"update", "#dcfce7", "#15803d"},
};

struct drawing {
    FILE *out;
    const struct graph *g;
    const struct model *model;
    struct arena *arena;
    const char **names;
    uint8_t *phase;     /* by node id */
};

extern char **environ;

/* ---- phases ---- */

static void
mark_ancestors(const struct graph *g, bool *marks)
{
    for (int i = g->count - 1; i >= 0; i--)
        for (int k = 0; marks[i] && k < g->nodes[i]->nin; k++)
            marks[g->nodes[i]->in[k]->id] = true;
}

/* What an output needs is forward; what else an update by the optimiser needs is backward; the rest are states of layers. */
static void
find_phases(struct drawing *d)
{
    const struct graph *g = d->g;
    bool *forward = ARENA_ARRAY(d->arena, bool, g->count + 1), *before_update = ARENA_ARRAY(d->arena, bool, g->count + 1);
    const struct place *optimizer = &d->model->optimizer_place;
    d->phase = ARENA_ARRAY(d->arena, uint8_t, g->count + 1);
    for (int i = 0; i < g->noutputs; i++)
        forward[g->outputs[i].node->id] = true;
    mark_ancestors(g, forward);
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        bool update = optimizer->line && n->place.line == optimizer->line && n->place.file == optimizer->file;
        d->phase[i] = !forward[i] && update ? UPDATE : FORWARD;
        before_update[i] = d->phase[i] == UPDATE;
    }
    mark_ancestors(g, before_update);
    for (int i = 0; i < g->count; i++)
        if (before_update[i] && !forward[i] && d->phase[i] == FORWARD)
            d->phase[i] = BACKWARD;
}

/* ---- nodes ---- */

static void
put_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || *text == '{' || *text == '}' || *text == '<' || *text == '>' || *text == '|')
            putc('\\', out);
        putc(*text, out);
    }
}

/* The line of a node: "%a = mul $0, 0.9". */
static void
put_line(FILE *out, const struct node *n, const char *const *names, struct arena *arena)
{
    fprintf(out, "%s = %s", names[n->id], op_info[n->op].text);
    for (int k = 0; k < n->nin; k++) {
        fprintf(out, "%s", k ? ", " : " ");
        put_escaped(out, names[n->in[k]->id]);
    }
    if (op_info[n->op].attrs != ATTRS_VALUE && op_info[n->op].attrs != ATTRS_NAME) {
        const char *attr = node_attr_text(n, arena);
        fprintf(out, "%s", *attr ? " " : "");
        put_escaped(out, attr);
    }
}

static void
put_group(const struct drawing *d, const struct node *n)
{
    const char **inside = graph_names(n->body, d->arena, true);
    int lines = 0, left = 0;
    char type[TYPE_TEXT];
    fprintf(d->out, "%s = fused : %s\\l", d->names[n->id], type_text(&n->type, ",", type));
    for (int i = 0; i < n->body->count; i++) {
        const struct node *inner = n->body->nodes[i];
        if (inner->op == OP_INPUT || node_is_number(inner))
            continue;
        if (lines++ >= BODY_LINES) {
            left++;
            continue;
        }
        fprintf(d->out, "   ");
        put_line(d->out, inner, inside, d->arena);
        fprintf(d->out, "\\l");
    }
    if (left)
        fprintf(d->out, "   and %d more\\l", left);
}

static void
put_node(const struct drawing *d, const struct node *n)
{
    enum phase p = (enum phase)d->phase[n->id];
    fprintf(d->out, "    n%d [", n->id);
    if (n->op == OP_INPUT || n->op == OP_VAR) {
        fprintf(d->out, "shape=%s, style=filled, fillcolor=\"%s\", label=\"", n->op == OP_VAR ? "cylinder" : "ellipse",
                n->op == OP_VAR ? "#fef9c3" : "#f1f5f9");
        put_escaped(d->out, n->attr->name.name);
        char type[TYPE_TEXT];
        fprintf(d->out, "\\n%s\"];\n", type_text(&n->type, ",", type));
        return;
    }
    fprintf(d->out, "shape=box, style=\"filled%s\", fillcolor=\"%s\", color=\"%s\", penwidth=%s, label=\"", n->op == OP_FUSED ? "" : ",rounded",
            looks[p].fill, looks[p].line, n->op == OP_FUSED ? "2" : "1");
    if (n->op == OP_FUSED)
        put_group(d, n);
    else if (n->op == OP_UPDATE) {
        fprintf(d->out, "update\\n");
        put_escaped(d->out, n->in[0]->attr->name.name);
    }
    else
        put_line(d->out, n, d->names, d->arena);
    fprintf(d->out, "\"];\n");
}

/* ---- clusters ---- */

/* The names of the layers that line |line| of the file calls: those at the greatest depth that they share, "h". */
static const char *
layer_name(const struct drawing *d, int file, int line)
{
    const char *name = NULL;
    for (int i = 0; i < d->model->nlayers; i++) {
        const struct layer_row *r = &d->model->layers[i];
        if (r->place.file != file || r->place.line != line)
            continue;
        size_t length = strcspn(r->path, ".");
        if (!name || !strncmp(name, r->path, length))
            name = arena_text(d->arena, r->path, length);
    }
    return name;
}

static bool
is_drawn(const struct node *n)
{
    return !node_is_number(n) && n->op != OP_RESULT;
}

static void
put_clusters(const struct drawing *d)
{
    bool *done = ARENA_ARRAY(d->arena, bool, d->g->count + 1);
    int clusters = 0;
    for (int i = 0; i < d->g->count; i++) {
        const struct node *n = d->g->nodes[i];
        if (done[i] || !is_drawn(n) || n->op == OP_INPUT || n->op == OP_VAR || !n->place.line)
            continue;
        enum phase p = (enum phase)d->phase[i];
        const char *layer = layer_name(d, n->place.file, n->place.line);
        fprintf(d->out, "  subgraph cluster_%d {\n    label=\"", clusters++);
        put_escaped(d->out, layer && p != UPDATE ? layer : "");
        fprintf(d->out, "%sline %d, %s\"; color=\"%s\"; fontcolor=\"%s\"; style=rounded;\n", layer && p != UPDATE ? ": " : "", n->place.line,
                looks[p].name, looks[p].line, looks[p].line);
        for (int k = i; k < d->g->count; k++) {
            const struct node *m = d->g->nodes[k];
            if (done[k] || !is_drawn(m) || m->op == OP_INPUT || m->op == OP_VAR || d->phase[k] != p ||
                m->place.line != n->place.line || m->place.file != n->place.file)
                continue;
            done[k] = true;
            put_node(d, m);
        }
        fprintf(d->out, "  }\n");
    }
    for (int i = 0; i < d->g->count; i++)
        if (!done[i] && is_drawn(d->g->nodes[i]))
            put_node(d, d->g->nodes[i]);
}

/* ---- edges ---- */

static void
put_edges(const struct drawing *d, const struct node *n)
{
    for (int k = 0; k < n->nin; k++) {
        const struct node *in = n->in[k], *from = in->op == OP_RESULT ? in->in[0] : in;
        bool seen = node_is_number(in) || (n->op == OP_UPDATE && k == 0); /* that one is in the label */
        for (int j = 0; j < k; j++)
            seen |= n->in[j] == in;
        if (seen)
            continue;
        char type[TYPE_TEXT];
        fprintf(d->out, "  n%d -> n%d [label=\"%s%s%s\"];\n", from->id, n->id, in->op == OP_RESULT ? d->names[in->id] : "",
                in->op == OP_RESULT ? " " : "", type_text(&in->type, ",", type));
    }
}

static void
put_outputs(const struct drawing *d)
{
    for (int i = 0; i < d->g->noutputs; i++) {
        const struct node *n = d->g->outputs[i].node, *from = n->op == OP_RESULT ? n->in[0] : n;
        char type[TYPE_TEXT];
        fprintf(d->out, "  o%d [shape=ellipse, style=\"filled,bold\", fillcolor=white, label=\"", i);
        put_escaped(d->out, d->g->outputs[i].name ? d->g->outputs[i].name : "output");
        if (node_is_number(n)) {
            fprintf(d->out, " = ");
            put_escaped(d->out, d->names[n->id]);
        }
        fprintf(d->out, "\"];\n");
        if (!node_is_number(n))
            fprintf(d->out, "  n%d -> o%d [label=\"%s\"];\n", from->id, i, type_text(&n->type, ",", type));
    }
}

void
graph_dot(FILE *out, const struct graph *g, const struct model *m, struct arena *arena)
{
    struct drawing d = {out, g, m, arena, graph_names(g, arena, false), NULL};
    find_phases(&d);
    fprintf(out, "digraph \"");
    put_escaped(out, g->name);
    fprintf(out, "\" {\n  graph [fontname=\"Helvetica\", ranksep=0.4, nodesep=0.2%s];\n",
            g->count > LARGE ? ", splines=line, nslimit=2, nslimit1=2, mclimit=0.2" : "");
    fprintf(out, "  node [fontname=\"Helvetica\", fontsize=10, margin=\"0.08,0.04\", height=0.3];\n"
                 "  edge [fontname=\"Helvetica\", fontsize=8, color=\"#64748b\", fontcolor=\"#475569\", arrowsize=0.6];\n");
    put_clusters(&d);
    for (int i = 0; i < g->count; i++)
        if (is_drawn(g->nodes[i]))
            put_edges(&d, g->nodes[i]);
    put_outputs(&d);
    fprintf(out, "}\n");
}

/* ---- the program dot ---- */

static bool
run_dot(FILE *text, struct diag *diag)
{
    char *const words[] = {"dot", "-Tsvg", NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0, failed = posix_spawn_file_actions_init(&actions);
    if (!failed) {
        posix_spawn_file_actions_adddup2(&actions, fileno(text), STDIN_FILENO);
        failed = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (!failed && waitpid(child, &status, 0) < 0)
        failed = errno;
    if (failed)
        diag_subject(diag, NO_DOT, "--format svg", strerror(failed));
    else if (!WIFEXITED(status) || WEXITSTATUS(status))
        diag_subject(diag, DOT_FAILED, "--format svg");
    return !failed && !status;
}

bool
graph_svg(const struct graph *g, const struct model *m, struct arena *arena, struct diag *diag)
{
    FILE *text = tmpfile();
    if (!text) {
        diag_subject(diag, NO_DOT, "--format svg", strerror(errno));
        return false;
    }
    graph_dot(text, g, m, arena);
    bool ok = !fflush(text) && !ferror(text);
    if (!ok)
        diag_subject(diag, NO_DOT, "--format svg", strerror(errno));
    rewind(text);
    fflush(stdout);
    ok = ok && run_dot(text, diag);
    fclose(text);
    return ok;
}
