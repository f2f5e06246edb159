/* graph_dot: a graph drawn by graphviz.
 *
 * A line of the .nn file is a cluster in each phase. A group is a box with the lines of its body, in the names of the graph. Edges carry
 * shapes. What would only draw lines across the picture stands in the labels: numbers, states of the optimiser, and updates, as the variable behind
 * the line that gives its new value. Inputs and weights are drawn once for each cluster that reads them.
 * Of a large graph each cluster is one box, which tells what it holds: graphviz would need minutes for all nodes, and nobody reads the outcome. */
#include "frontend/cli/graph_view.h"
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum phase { FORWARD, BACKWARD, UPDATE };
/* Nodes from which on a cluster is one box. Lines of a group's body that are shown. Operations and leaves that a box names. */
enum { LARGE = 600, BODY_LINES = 24, BOX_OPS = 4, BOX_LEAVES = 4 };

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
    /* By node id: */
    uint8_t *phase;
    int *cluster;               /* -1: in none */
    const struct node **update; /* the UPDATE that is told in the label of the value's writer */
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

/* ---- what is drawn ---- */

static bool
is_leaf(const struct node *n)
{
    return n->op == OP_INPUT || n->op == OP_VAR;
}

/* Whether a label has a line with the value, behind which an update is told. */
static bool
has_line(const struct node *n)
{
    return !node_is_number(n) && !is_leaf(n) && n->op != OP_UPDATE;
}

static void
find_updates(struct drawing *d)
{
    d->update = ARENA_ARRAY(d->arena, const struct node *, d->g->count + 1);
    for (int i = 0; i < d->g->count; i++) {
        const struct node *n = d->g->nodes[i];
        if (n->op == OP_UPDATE && has_line(n->in[1]) && !d->update[n->in[1]->id])
            d->update[n->in[1]->id] = n;
    }
}

static bool
is_told(const struct drawing *d, const struct node *n)
{
    return n->op == OP_UPDATE && d->update[n->in[1]->id] == n;
}

static bool
is_drawn(const struct drawing *d, const struct node *n)
{
    return !node_is_number(n) && !is_leaf(n) && n->op != OP_RESULT && !is_told(d, n);
}

/* The node that is drawn for the writer of a value. */
static const struct node *
drawn_writer(const struct drawing *d, const struct node *n)
{
    while (n->op == OP_RESULT || is_told(d, n))
        n = n->op == OP_RESULT ? n->in[0] : n->in[1];
    return n;
}

static bool
is_optimizer_state(const struct drawing *d, const struct node *n)
{
    const struct module *m = d->model->module;
    for (int i = 0; n->op == OP_VAR && i < m->nvars; i++)
        if (!strcmp(m->vars[i].name, n->attr->name.name))
            return m->vars[i].kind == VARIABLE_OPTIMIZER;
    return false;
}

/* Whether operand |k| has an edge. A number that scales a tensor has none. */
static bool
has_edge(const struct drawing *d, const struct node *n, int k)
{
    const struct node *in = n->in[k];
    if (node_is_number(in) || (n->op == OP_UPDATE && k == 0) || is_optimizer_state(d, in) || (!in->type.rank && n->type.rank))
        return false;
    for (int j = 0; j < k; j++)
        if (n->in[j] == in)
            return false;
    return true;
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

/* The line of a node: "%a = mul %3, 0.9". */
static void
put_line(FILE *out, const struct node *n, const char *const *names, struct arena *arena)
{
    put_escaped(out, names[n->id]);
    fprintf(out, " = %s", op_info[n->op].text);
    for (int k = 0; k < n->nin; k++) {
        fprintf(out, "%s", k ? ", " : " ");
        put_escaped(out, names[n->in[k]->id]);
    }
    if (op_info[n->op].attrs != ATTRS_VALUE && op_info[n->op].attrs != ATTRS_NAME && op_info[n->op].attrs != ATTRS_STREAM) {
        const char *attr = node_attr_text(n, arena);
        fprintf(out, "%s", *attr ? " " : "");
        put_escaped(out, attr);
    }
}

static void
put_update(const struct drawing *d, const struct node *value)
{
    const struct node *update = d->update[value->id];
    if (!update)
        return;
    fprintf(d->out, " \342\206\222 "); /* an arrow */
    put_escaped(d->out, update->in[0]->attr->name.name);
}

/* The names in a group's body: operands and results are called as outside. */
static const char **
names_inside(const struct drawing *d, const struct node *n)
{
    const char **inside = graph_names(n->body, d->arena, true);
    for (int i = 0; i < n->body->ninputs; i++)
        inside[n->body->inputs[i]->id] = d->names[n->in[i]->id];
    if (n->body->noutputs == 1)
        inside[n->body->outputs[0].node->id] = d->names[n->id];
    return inside;
}

static void
put_group(const struct drawing *d, const struct node *n)
{
    const char **inside = names_inside(d, n);
    const struct node **value = ARENA_ARRAY(d->arena, const struct node *, n->body->count + 1); /* of body nodes that are results */
    int lines = 0, left = 0;
    char type[TYPE_TEXT];
    for (int i = n->id + 1; i < d->g->count; i++) {
        const struct node *r = d->g->nodes[i];
        if (r->op != OP_RESULT || r->in[0] != n)
            continue;
        value[n->body->outputs[r->attr->axis.axis].node->id] = r;
        inside[n->body->outputs[r->attr->axis.axis].node->id] = d->names[r->id];
    }
    if (n->body->noutputs == 1)
        value[n->body->outputs[0].node->id] = n;
    fprintf(d->out, "fused : %s\\l", type_text(&n->body->outputs[0].node->type, ",", type));
    for (int i = 0; i < n->body->count; i++) {
        const struct node *inner = n->body->nodes[i];
        if (inner->op == OP_INPUT || node_is_number(inner))
            continue;
        if (lines >= BODY_LINES && !value[i]) {
            left++;
            continue;
        }
        lines++;
        fprintf(d->out, "   ");
        put_line(d->out, inner, inside, d->arena);
        if (value[i])
            put_update(d, value[i]);
        fprintf(d->out, "\\l");
    }
    if (left)
        fprintf(d->out, "   and %d more\\l", left);
}

static void
put_node(const struct drawing *d, const struct node *n)
{
    enum phase p = (enum phase)d->phase[n->id];
    fprintf(d->out, "    n%d [shape=box, style=\"filled%s\", fillcolor=\"%s\", color=\"%s\", penwidth=%s, label=\"", n->id,
            n->op == OP_FUSED ? "" : ",rounded", looks[p].fill, looks[p].line, n->op == OP_FUSED ? "2" : "1");
    if (n->op == OP_FUSED)
        put_group(d, n);
    else if (n->op == OP_UPDATE) {
        fprintf(d->out, "%s \342\206\222 ", d->names[n->in[1]->id]);
        put_escaped(d->out, n->in[0]->attr->name.name);
    } else {
        put_line(d->out, n, d->names, d->arena);
        put_update(d, n);
    }
    fprintf(d->out, "\"];\n");
}

/* The inputs and weights that the nodes of cluster |c| read. */
static void
put_leaves(const struct drawing *d, int c)
{
    bool *done = ARENA_ARRAY(d->arena, bool, d->g->count + 1);
    for (int i = 0; i < d->g->count; i++) {
        const struct node *n = d->g->nodes[i];
        for (int k = 0; d->cluster[i] == c && is_drawn(d, n) && k < n->nin; k++) {
            const struct node *in = n->in[k];
            if (!is_leaf(in) || !has_edge(d, n, k) || done[in->id])
                continue;
            char type[TYPE_TEXT];
            done[in->id] = true;
            fprintf(d->out, "    v%d_%d [shape=%s, style=filled, fillcolor=\"%s\", label=\"", in->id, c + 1, in->op == OP_VAR ? "cylinder" : "ellipse",
                    in->op == OP_VAR ? "#fef9c3" : "#f1f5f9");
            put_escaped(d->out, in->attr->name.name);
            fprintf(d->out, "\\n%s\"];\n", type_text(&in->type, ",", type));
        }
    }
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
same_cluster(const struct drawing *d, const struct node *a, const struct node *b)
{
    return d->phase[a->id] == d->phase[b->id] && a->place.line == b->place.line && a->place.file == b->place.file;
}

/* "h: line 12, forward" and the colours. */
static void
put_title(const struct drawing *d, const struct node *first)
{
    enum phase p = (enum phase)d->phase[first->id];
    const char *layer = layer_name(d, first->place.file, first->place.line);
    put_escaped(d->out, layer && p != UPDATE ? layer : "");
    fprintf(d->out, "%sline %d, %s", layer && p != UPDATE ? ": " : "", first->place.line, looks[p].name);
}

static void
put_cluster(const struct drawing *d, int c, const struct node *first)
{
    enum phase p = (enum phase)d->phase[first->id];
    fprintf(d->out, "  subgraph cluster_%d {\n    label=\"", c);
    put_title(d, first);
    fprintf(d->out, "\"; color=\"%s\"; fontcolor=\"%s\"; style=rounded;\n", looks[p].line, looks[p].line);
    for (int k = first->id; k < d->g->count; k++)
        if (d->cluster[k] == c && is_drawn(d, d->g->nodes[k]))
            put_node(d, d->g->nodes[k]);
    put_leaves(d, c);
    fprintf(d->out, "  }\n");
}

/* The inputs and weights that cluster |c| reads, the first few by name. */
static void
put_box_leaves(const struct drawing *d, int c)
{
    bool *done = ARENA_ARRAY(d->arena, bool, d->g->count + 1);
    int count = 0;
    for (int i = 0; i < d->g->count; i++)
        for (int k = 0; d->cluster[i] == c && k < d->g->nodes[i]->nin; k++) {
            const struct node *in = d->g->nodes[i]->in[k];
            if (!is_leaf(in) || !has_edge(d, d->g->nodes[i], k) || done[in->id])
                continue;
            done[in->id] = true;
            if (++count > BOX_LEAVES)
                continue;
            fprintf(d->out, "%s", count == 1 ? "\\lof " : ", ");
            put_escaped(d->out, in->attr->name.name);
        }
    if (count > BOX_LEAVES)
        fprintf(d->out, " and %d more", count - BOX_LEAVES);
}

/* A cluster as one box: what it is, how many nodes of which operations it holds, the most frequent ones first, and what it reads. */
static void
put_box(const struct drawing *d, int c, const struct node *first)
{
    enum phase p = (enum phase)d->phase[first->id];
    int of[OP_COUNT] = {0}, count = 0, left;
    for (int k = first->id; k < d->g->count; k++)
        if (d->cluster[k] == c) {
            of[d->g->nodes[k]->op]++;
            count++;
        }
    fprintf(d->out, "  c%d [shape=box, style=\"filled,rounded\", fillcolor=\"%s\", color=\"%s\", label=\"", c, looks[p].fill, looks[p].line);
    put_title(d, first);
    fprintf(d->out, "\\l%d nodes: ", count);
    left = count;
    for (int i = 0; left && i < BOX_OPS; i++) {
        int most = 0;
        for (int op = 0; op < OP_COUNT; op++)
            most = of[op] > of[most] ? op : most;
        fprintf(d->out, "%s%d %s", i ? ", " : "", of[most], op_info[most].text);
        left -= of[most];
        of[most] = 0;
    }
    fprintf(d->out, "%s", left ? ", ..." : "");
    put_box_leaves(d, c);
    fprintf(d->out, "\\l\"];\n");
}

static bool
is_large(const struct drawing *d)
{
    return d->g->count > LARGE;
}

static void
put_clusters(const struct drawing *d)
{
    int clusters = 0;
    for (int i = 0; i < d->g->count; i++)
        d->cluster[i] = -1;
    for (int i = 0; i < d->g->count; i++) {
        const struct node *n = d->g->nodes[i];
        if (d->cluster[i] >= 0 || !is_drawn(d, n) || !n->place.line)
            continue;
        for (int k = i; k < d->g->count; k++)
            if (is_drawn(d, d->g->nodes[k]) && same_cluster(d, n, d->g->nodes[k]))
                d->cluster[k] = clusters;
        (is_large(d) ? put_box : put_cluster)(d, clusters++, n);
    }
    for (int i = 0; i < d->g->count; i++)
        if (d->cluster[i] < 0 && is_drawn(d, d->g->nodes[i]))
            put_node(d, d->g->nodes[i]);
    if (!is_large(d)) /* else operands stand in labels only */
        put_leaves(d, -1);
}

/* ---- edges ---- */

static void
put_edges(const struct drawing *d, const struct node *n)
{
    for (int k = 0; k < n->nin; k++) {
        const struct node *in = n->in[k], *from = drawn_writer(d, in);
        char type[TYPE_TEXT];
        if (!has_edge(d, n, k))
            continue;
        if (is_leaf(from)) { /* whose shape stands in its label */
            fprintf(d->out, "  v%d_%d -> n%d;\n", from->id, d->cluster[n->id] + 1, n->id);
            continue;
        }
        fprintf(d->out, "  n%d -> n%d [label=\"%s%s%s\"];\n", from->id, n->id, in->op == OP_RESULT ? d->names[in->id] : "",
                in->op == OP_RESULT ? " " : "", type_text(&in->type, ",", type));
    }
}

/* The name of what stands for |n|: its box, or itself. */
static const char *
vertex(const struct drawing *d, const struct node *n)
{
    bool box = is_large(d) && d->cluster[n->id] >= 0;
    return arena_printf(d->arena, "%c%d", box ? 'c' : 'n', box ? d->cluster[n->id] : n->id);
}

static bool
same_vertex(const struct drawing *d, const struct node *a, const struct node *b)
{
    return a == b || (d->cluster[a->id] >= 0 && d->cluster[a->id] == d->cluster[b->id]);
}

/* The edges that end in the box of |n|, one from each other vertex, with the shape of the first value that goes along it. |value|: scratch, by
 * id of a writer. */
static void
put_edges_into(const struct drawing *d, const struct node *n, const struct node **value)
{
    const struct graph *g = d->g;
    char type[TYPE_TEXT];
    memset(value, 0, sizeof *value * (size_t)g->count);
    for (int i = 0; i < g->count; i++)
        for (int k = 0; is_drawn(d, g->nodes[i]) && same_vertex(d, g->nodes[i], n) && k < g->nodes[i]->nin; k++) {
            const struct node *from = drawn_writer(d, g->nodes[i]->in[k]);
            if (is_drawn(d, from) && !same_vertex(d, from, n) && has_edge(d, g->nodes[i], k) && !value[from->id])
                value[from->id] = g->nodes[i]->in[k];
        }
    for (int f = 0; f < g->count; f++) {
        int more = 0;
        for (int o = f + 1; value[f] && o < g->count; o++)
            if (value[o] && same_vertex(d, g->nodes[f], g->nodes[o])) {
                more++;
                value[o] = NULL;
            }
        if (value[f])
            fprintf(d->out, "  %s -> %s [label=\"%s%s\"];\n", vertex(d, g->nodes[f]), vertex(d, n), type_text(&value[f]->type, ",", type),
                    more ? arena_printf(d->arena, " and %d more", more) : "");
    }
}

static void
put_box_edges(const struct drawing *d)
{
    const struct graph *g = d->g;
    const struct node **value = ARENA_ARRAY(d->arena, const struct node *, g->count + 1);
    bool *done = ARENA_ARRAY(d->arena, bool, g->count + 1); /* by cluster */
    for (int i = 0; i < g->count; i++) {
        if (!is_drawn(d, g->nodes[i]) || (d->cluster[i] >= 0 && done[d->cluster[i]]))
            continue;
        if (d->cluster[i] >= 0)
            done[d->cluster[i]] = true;
        put_edges_into(d, g->nodes[i], value);
    }
}

static void
put_outputs(const struct drawing *d)
{
    for (int i = 0; i < d->g->noutputs; i++) {
        const struct node *n = d->g->outputs[i].node, *from = drawn_writer(d, n);
        bool in_label = node_is_number(n) || is_leaf(from);
        char type[TYPE_TEXT];
        fprintf(d->out, "  o%d [shape=ellipse, style=\"filled,bold\", fillcolor=white, label=\"", i);
        put_escaped(d->out, d->g->outputs[i].name ? d->g->outputs[i].name : "output");
        if (in_label) {
            fprintf(d->out, " = ");
            put_escaped(d->out, d->names[n->id]);
        }
        fprintf(d->out, "\"];\n");
        if (!in_label)
            fprintf(d->out, "  %s -> o%d [label=\"%s\"];\n", vertex(d, from), i, type_text(&n->type, ",", type));
    }
}

void
graph_dot(FILE *out, const struct graph *g, const struct model *m, struct arena *arena)
{
    struct drawing d = {.out = out, .g = g, .model = m, .arena = arena, .names = graph_names(g, arena, false)};
    d.cluster = ARENA_ARRAY(arena, int, g->count + 1);
    find_phases(&d);
    find_updates(&d);
    fprintf(out, "digraph \"");
    put_escaped(out, g->name);
    fprintf(out, "\" {\n  graph [fontname=\"Helvetica\", newrank=true, ranksep=0.4, nodesep=0.2];\n");
    if (is_large(&d))
        fprintf(out, "  nslimit=1; nslimit1=1; splines=line;\n  label=\"%d nodes: each line of the file is a box; the format text, with --places, shows the nodes\"; labelloc=t;\n", g->count);
    fprintf(out, "  node [fontname=\"Helvetica\", fontsize=10, margin=\"0.08,0.04\", height=0.3];\n"
                 "  edge [fontname=\"Helvetica\", fontsize=8, color=\"#64748b\", fontcolor=\"#475569\", arrowsize=0.6];\n");
    put_clusters(&d);
    for (int i = 0; !is_large(&d) && i < g->count; i++)
        if (is_drawn(&d, g->nodes[i]))
            put_edges(&d, g->nodes[i]);
    if (is_large(&d))
        put_box_edges(&d);
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
