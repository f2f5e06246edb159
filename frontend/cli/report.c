#define _GNU_SOURCE /* fileno, posix_spawnp */
#include "frontend/cli/report.h"
#include "frontend/cli/svg.h"
#include "runtime/save_file.h"
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POINTS_MAX = 2000, CLASSES_MAX = 100, PICTURE_NODES_MAX = 300 };
enum norm { NORM_WEIGHT, NORM_GRADIENT, NORM_UPDATE, NORMS };
extern char **environ;

/* The numbers of one epoch: loss, lr, metrics, valid loss, valid metrics, then NORMS norms for each variable. */
struct report_epoch {
    int64_t run, fold, epoch;
    double *value;
};

static int
values_before_norms(const struct report *r)
{
    return 3 + 2 * r->s->info.nmetrics;
}

static bool
is_weight(const struct report *r, int var)
{
    return r->s->info.vars[var].kind == VARIABLE_WEIGHT && elem_is_float((enum elem)r->s->info.vars[var].type.elem);
}

static double
element(const struct tensor *t, int64_t i)
{
    return t->type.elem == ELEM_F64 ? ((const double *)t->data)[i] : t->type.elem == ELEM_F32 ? ((const float *)t->data)[i]
         : t->type.elem == ELEM_I32 ? ((const int32_t *)t->data)[i] : t->type.elem == ELEM_I64 ? (double)((const int64_t *)t->data)[i]
                                                                                               : ((const uint8_t *)t->data)[i];
}

static void
failed(struct report *r)
{
    if (!r->failed)
        diag_report(r->s->diag, OUT_OF_MEMORY, (struct place){0});
    r->failed = true;
}

/* ---- gradients: what a step gives besides its results, so that it costs no second look at them ---- */

static void
show_gradients(void *context, struct graph *g, struct node *const *gradients)
{
    const struct report *r = context;
    for (int i = 0; i < r->s->model->nlayer_vars; i++) {
        struct node *x = gradients[i];
        if (!x)
            continue;
        struct node *squares = graph_add2(g, OP_MUL, x, x);
        r->gradient[i] = g->noutputs;
        graph_output(g, "gradient", x->type.rank ? graph_reduce(g, OP_SUM, squares, (1u << x->type.rank) - 1, false) : squares);
    }
}

void
report_step(struct report *r)
{
    for (int i = 0; r->page && i < r->s->model->nlayer_vars; i++)
        if (r->gradient[i]) {
            struct tensor t = program_output(r->program, r->gradient[i], 1);
            r->squares[i] += element(&t, 0);
        }
    r->steps++;
}

static void
forget_steps(struct report *r)
{
    r->steps = 0;
    if (r->page)
        memset(r->squares, 0, sizeof *r->squares * (size_t)r->s->info.nvars);
}

/* ---- from epoch to epoch ---- */

static void
undo_report(void *report)
{
    report_close(report);
}

bool
report_open(struct report *r, struct session *s, bool several)
{
    *r = (struct report){.s = s, .page = s->cli->options.report, .events_folder = s->cli->options.tensorboard, .several = several};
    arena_guard(s->arena, &r->undo, undo_report, r);
    if (!r->page)
        return true;
    r->gradient = ARENA_ARRAY(s->arena, int, s->info.nvars + 1);
    r->squares = ARENA_ARRAY(s->arena, double, s->info.nvars + 1);
    s->lowered = show_gradients;
    s->lowered_context = r;
    return save_file_probe(r->page, 1 << 16, s->diag);
}

static void
keep_weights(struct report *r)
{
    const struct model_info *m = &r->s->info;
    if (!r->before)
        r->before = calloc((size_t)m->nvars + 1, sizeof *r->before);
    for (int i = 0; r->before && i < m->nvars; i++) {
        if (!is_weight(r, i))
            continue;
        int64_t n = tensor_count(&m->values[i]);
        if (!r->before[i] && !(r->before[i] = calloc((size_t)n + 1, sizeof *r->before[i])))
            failed(r);
        for (int64_t k = 0; r->before[i] && k < n; k++)
            r->before[i][k] = element(&m->values[i], k);
    }
    if (!r->before)
        failed(r);
}

bool
report_start(struct report *r, int64_t run, int64_t fold, const struct program *program)
{
    char name[64] = "";
    r->program = program;
    forget_steps(r);
    r->resumed = r->s->cli->options.resume;
    if (r->page)
        keep_weights(r);
    if (!r->events_folder)
        return true;
    if (r->several)
        snprintf(name, sizeof name, "/run%" PRId64 "-fold%" PRId64, run, fold);
    return event_file_close(&r->events, r->s->diag) &&
           event_file_open(&r->events, arena_printf(r->s->arena, "%s%s", r->events_folder, name), r->s->diag);
}

static void
add_events(struct report *r, const struct train_report *t)
{
    const struct model_info *m = &r->s->info;
    char tag[300];
    event_file_scalar(&r->events, "loss", t->epoch, t->loss);
    for (int i = 0; t->trained && i < m->nmetrics; i++)
        event_file_scalar(&r->events, m->metrics[i], t->epoch, t->trained->metrics[i]);
    if (t->valid)
        event_file_scalar(&r->events, "valid_loss", t->epoch, t->valid->loss);
    for (int i = 0; t->valid && i < m->nmetrics; i++) {
        snprintf(tag, sizeof tag, "valid_%s", m->metrics[i]);
        event_file_scalar(&r->events, tag, t->epoch, t->valid->metrics[i]);
    }
    if (t->lr)
        event_file_scalar(&r->events, "lr", t->epoch, *t->lr);
    event_file_flush(&r->events, r->s->diag);
}

static void
norms_of(const struct report *r, int var, double *out)
{
    const struct tensor *t = &r->s->info.values[var];
    int64_t n = tensor_count(t);
    double sum = 0, moved = 0;
    for (int64_t k = 0; k < n; k++) {
        double v = element(t, k), d = v - r->before[var][k];
        sum += v * v;
        moved += d * d;
    }
    out[NORM_WEIGHT] = sqrt(sum);
    out[NORM_GRADIENT] = r->gradient[var] ? sqrt(r->squares[var] / (double)r->steps) : NAN;
    out[NORM_UPDATE] = r->resumed ? NAN : sqrt(moved);
}

void
report_epoch(struct report *r, const struct train_report *t)
{
    const struct model_info *m = &r->s->info;
    add_events(r, t);
    if (!r->page || r->failed)
        return;
    if (r->count == r->room) {
        int64_t room = r->room ? 2 * r->room : 64;
        struct report_epoch *more = realloc(r->epochs, sizeof *more * (size_t)room);
        if (!more) {
            failed(r);
            return;
        }
        r->epochs = more;
        r->room = room;
    }
    double *v = calloc((size_t)(values_before_norms(r) + NORMS * m->nvars), sizeof *v);
    if (!v) {
        failed(r);
        return;
    }
    v[0] = t->loss;
    v[1] = t->lr ? *t->lr : NAN;
    v[2] = t->valid && m->has_loss ? t->valid->loss : NAN;
    for (int i = 0; i < m->nmetrics; i++) {
        v[3 + i] = t->trained ? t->trained->metrics[i] : NAN;
        v[3 + m->nmetrics + i] = t->valid ? t->valid->metrics[i] : NAN;
    }
    for (int i = 0; i < m->nvars; i++)
        if (is_weight(r, i))
            norms_of(r, i, v + values_before_norms(r) + NORMS * i);
    r->resumed = false;
    forget_steps(r);
    r->epochs[r->count++] = (struct report_epoch){t->run, t->fold, t->epoch, v};
    keep_weights(r);
}

/* ---- what the last training predicts ---- */

static void
plot_classes(struct report *r, const struct tensor *p, const char *name, const struct tensor *y)
{
    int64_t rows = p->type.dim[0], width = p->type.rank == 2 ? p->type.dim[1] : 1;
    int classes = (int)(width > 1 ? width : 2);
    int64_t *count = calloc((size_t)classes * (size_t)classes, sizeof *count);
    if (!count) {
        failed(r);
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t best = 0, is = (int64_t)element(y, i);
        for (int64_t k = 1; k < width; k++)
            if (element(p, i * width + k) > element(p, i * width + best))
                best = k;
        if (width == 1)
            best = element(p, i) > 0.5;
        if (is >= 0 && is < classes)
            count[is * classes + best]++;
    }
    char title[300];
    snprintf(title, sizeof title, "Which class is taken for which: %s on the valid data", name);
    svg_matrix(&r->last, title, "target", "predicted", count, classes);
    free(count);
}

static void
plot_residuals(struct report *r, const struct tensor *p, const char *name, const struct tensor *y, const char *target)
{
    int64_t all = tensor_count(p), each = all > POINTS_MAX ? (all + POINTS_MAX - 1) / POINTS_MAX : 1, n = 0;
    double *v = calloc(2 * (size_t)(all / each + 1), sizeof *v);
    if (!v) {
        failed(r);
        return;
    }
    double *w = v + all / each + 1;
    for (int64_t i = 0; i < all && n <= all / each; i += each) {
        v[n] = element(y, i);
        w[n++] = element(p, i);
    }
    char title[300];
    struct svg_line line = {NULL, 0, v, w, n};
    snprintf(title, sizeof title, "%s against %s on the valid data", name, target);
    svg_chart(&r->last, title, target, &line, 1, true, true);
    for (int64_t i = 0; i < n; i++)
        w[i] -= v[i];
    snprintf(title, sizeof title, "%s - %s against %s", name, target, target);
    svg_chart(&r->last, title, target, &line, 1, true, false);
    free(v);
}

/* Pairs each output with the first target that it can be compared to. */
void
report_end(struct report *r, const struct evaluation *valid, const struct set *set)
{
    const struct session *s = r->s;
    if (!r->page || !valid)
        return;
    free(r->last.data);
    r->last = (struct text){0};
    for (int o = 0; o < s->info.nshown && o < valid->nvalues; o++) {
        const struct tensor *p = &valid->values[o];
        if (!p->data || !elem_is_float((enum elem)p->type.elem) || p->type.rank < 1 || p->type.rank > 2 || p->type.dim[0] != valid->rows)
            continue;
        for (int i = 0; i < s->info.ninputs; i++) {
            const struct tensor *y = &set->inputs[i];
            if (!s->model->is_target[i] || !y->data)
                continue;
            bool real = elem_is_float((enum elem)y->type.elem);
            int64_t width = p->type.rank == 2 ? p->type.dim[1] : 1;
            if (!real && y->type.rank == 1 && width <= CLASSES_MAX)
                plot_classes(r, p, s->info.outputs[o].name, y);
            else if (real && tensor_count(y) == tensor_count(p))
                plot_residuals(r, p, s->info.outputs[o].name, y, s->info.inputs[i].name);
            else
                continue;
            break;
        }
    }
}

/* ---- the page ---- */

static const char style[] =
    ":root{--ink:#1f2430;--soft:#667;--back:#fff;--grid:#e3e5ea;--card:#f7f8fa}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e8ee;--soft:#9aa2b1;--back:#16181d;--grid:#33373f;--card:#1e2128}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:860px;margin:2em auto;padding:0 1em}\n"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse}td,th{padding:.2em .9em .2em 0;text-align:left;"
    "border-bottom:1px solid var(--grid)}td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "svg{width:100%;height:auto;background:var(--card);border-radius:8px;margin:.6em 0}svg text{font:12px system-ui,sans-serif;fill:var(--soft)}"
    "svg .title{font-size:14px;fill:var(--ink)}.grid{stroke:var(--grid)}.line{fill:none;stroke-width:1.6;stroke:currentColor}"
    ".dot{fill:currentColor;fill-opacity:.55}.right{fill:#2a9d58}.wrong{fill:#d1495b}pre{overflow:auto;background:var(--card);padding:1em}\n"
    ".picture svg{background:#fff}.picture svg text{fill:#000}\n"
    ".c0{color:#2f6fde}.c1{color:#e07b28}.c2{color:#2a9d58}.c3{color:#b04fc4}.c4{color:#c9a227}.c5{color:#d1495b}.c6{color:#28a3b3}.c7{color:#888}\n";

/* Adds the curve of value |index| for each training; |name| stands once. */
static int
add_curves(const struct report *r, int index, const char *name, int color, struct svg_line *lines, double *room, int64_t *used)
{
    int n = 0;
    for (int64_t i = 0; i < r->count; ) {
        const struct report_epoch *first = &r->epochs[i];
        struct svg_line l = {n ? NULL : name, color, room + *used, NULL, 0};
        int64_t end = i;
        while (end < r->count && r->epochs[end].run == first->run && r->epochs[end].fold == first->fold)
            end++;
        l.count = end - i;
        double *x = room + *used, *y = x + l.count;
        l.y = y;
        *used += 2 * l.count;
        bool any = false;
        for (int64_t k = 0; k < l.count; k++) {
            x[k] = (double)r->epochs[i + k].epoch;
            y[k] = r->epochs[i + k].value[index];
            any |= isfinite(y[k]);
        }
        if (any)
            lines[n++] = l;
        i = end;
    }
    return n;
}

struct curve {
    int index;
    const char *name;
};

static void
put_curves(struct report *r, struct text *out, const char *title, const struct curve *curves, int count)
{
    struct svg_line *lines = calloc((size_t)(r->count * count) + 1, sizeof *lines);
    double *room = calloc((size_t)(2 * r->count * count) + 1, sizeof *room);
    int64_t used = 0;
    int n = 0;
    for (int i = 0; lines && room && i < count; i++)
        n += add_curves(r, curves[i].index, curves[i].name, i, lines + n, room, &used);
    if (!lines || !room)
        out->failed = true;
    else if (n)
        svg_chart(out, title, "epoch", lines, n, false, false);
    free(lines);
    free(room);
}

static void
put_all_curves(struct report *r, struct text *out)
{
    const struct model_info *m = &r->s->info;
    struct curve *c = ARENA_ARRAY(r->s->arena, struct curve, m->nvars + 3);
    c[0] = (struct curve){0, "loss"};
    c[1] = (struct curve){2, "valid_loss"};
    put_curves(r, out, "Loss", c, 2);
    for (int i = 0; i < m->nmetrics; i++) {
        c[0] = (struct curve){3 + i, m->metrics[i]};
        c[1] = (struct curve){3 + m->nmetrics + i, arena_printf(r->s->arena, "valid_%s", m->metrics[i])};
        put_curves(r, out, m->metrics[i], c, 2);
    }
    c[0] = (struct curve){1, "lr"};
    put_curves(r, out, "Learning rate", c, 1);
    text_printf(out, "<h2>Weights and gradients over time</h2><p>Euclidean norms: of each weight after an epoch; of the loss's gradient by it, before "
                     "clipping (the root of the mean square over the epoch's steps); of what the epoch added to it.</p>\n");
    static const char *const titles[NORMS] = {"Weights", "Gradients", "Updates"};
    for (int what = 0; what < NORMS; what++) {
        int n = 0;
        for (int i = 0; i <= m->nvars; i++) {
            if (n == SVG_COLORS || (i == m->nvars && n)) {
                put_curves(r, out, titles[what], c, n);
                n = 0;
            }
            if (i < m->nvars && is_weight(r, i))
                c[n++] = (struct curve){values_before_norms(r) + NORMS * i + what, m->vars[i].name};
        }
    }
}

static void
put_layers(const struct report *r, struct text *out)
{
    const struct model *m = r->s->model;
    char type[TYPE_TEXT];
    text_printf(out, "<h2>Model</h2><table><tr><th>name<th>layer<th>result<th>numbers</tr>\n");
    for (int i = 0; i < m->nlayers; i++) {
        text_printf(out, "<tr><td style=\"padding-left:%dem\">", m->layers[i].depth);
        html_text(out, m->layers[i].path);
        text_printf(out, "<td>");
        html_text(out, m->layers[i].layer);
        text_printf(out, "<td>");
        html_text(out, type_text(&m->layers[i].type, ", ", type));
        text_printf(out, "<td class=n>%" PRId64 "</tr>\n", m->layers[i].weights);
    }
    text_printf(out, "</table>\n");
}

static void
put_dot(const struct graph *g, FILE *f)
{
    char type[TYPE_TEXT];
    fprintf(f, "digraph g { node [shape=box, fontname=\"sans-serif\", fontsize=11]; rankdir=TB;\n");
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        if (node_is_number(n))
            continue;
        const char *name = n->op == OP_INPUT || n->op == OP_VAR ? n->attr->name.name : op_info[n->op].text;
        fprintf(f, "n%d [label=\"%s\\n%s\"%s];\n", i, name, type_text(&n->type, ", ", type), n->op == OP_VAR ? ", style=filled, fillcolor=\"#e8eefc\"" : "");
        for (int k = 0; k < n->nin; k++)
            if (!node_is_number(n->in[k]))
                fprintf(f, "n%d -> n%d;\n", n->in[k]->id, i);
    }
    fprintf(f, "}\n");
}

/* The picture that `dot` draws, if it is installed; false otherwise. */
static bool
put_picture(const struct graph *g, struct text *out)
{
    FILE *from = tmpfile(), *to = tmpfile();
    bool drawn = false;
    posix_spawn_file_actions_t actions;
    if (from && to && g->count <= PICTURE_NODES_MAX && !posix_spawn_file_actions_init(&actions)) {
        char *const words[] = {"dot", "-Tsvg", NULL};
        pid_t child;
        int status = -1;
        put_dot(g, from);
        rewind(from);
        posix_spawn_file_actions_adddup2(&actions, fileno(from), STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, fileno(to), STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        drawn = !posix_spawnp(&child, "dot", &actions, NULL, words, environ) && waitpid(child, &status, 0) == child && !status;
        posix_spawn_file_actions_destroy(&actions);
    }
    char block[4096];
    if (drawn) {
        bool started = false;
        fseek(to, 0, SEEK_SET);
        text_printf(out, "<div class=picture>");
        while (fgets(block, sizeof block, to)) { /* without the XML head, which a page cannot hold */
            started |= !strncmp(block, "<svg", 4);
            if (started)
                text_printf(out, "%s", block);
        }
        text_printf(out, "</div>\n");
    }
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    return drawn;
}

static void
put_graph(const struct report *r, struct text *out)
{
    struct session *s = r->s;
    text_printf(out, "<h2>Graph</h2><p>The model in evaluation, before optimisation.</p>\n");
    if (put_picture(s->model->eval, out))
        return;
    text_printf(out, "<pre>");
    html_text(out, graph_text(s->model->eval, s->arena, false));
    text_printf(out, "</pre>\n");
}

static void
put_summary(const struct report *r, struct text *out)
{
    const struct session *s = r->s;
    text_printf(out, "<table><tr><td>file<td>");
    html_text(out, s->x->path);
    text_printf(out, "</tr><tr><td>training rows<td class=n>%" PRId64 "</tr>", s->train.view.rows);
    if (s->x->train.folds) /* each row is valid in one fold */
        text_printf(out, "<tr><td>folds<td class=n>%" PRId64 "</tr>", s->x->train.folds);
    else
        text_printf(out, "<tr><td>valid rows<td class=n>%" PRId64 "</tr>", s->valid.exists ? s->valid.view.rows : 0);
    text_printf(out, "<tr><td>batch<td class=n>%" PRId64 "</tr><tr><td>epochs<td class=n>%" PRId64 "</tr>", s->x->train.batch, s->x->train.epochs);
    text_printf(out, "<tr><td>optimizer<td>");
    html_text(out, s->x->train.optimizer);
    text_printf(out, "</tr></table>\n");
}

bool
report_write(struct report *r)
{
    if (!r->page || r->failed)
        return !r->failed;
    struct text text = {0}, *out = &text;
    text_printf(out, "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>");
    html_text(out, r->s->info.name);
    text_printf(out, "</title><style>\n%s</style>\n<h1>", style);
    html_text(out, r->s->info.name);
    text_printf(out, "</h1>\n");
    put_summary(r, out);
    text_printf(out, "<h2>Training</h2>\n");
    if (!r->count)
        text_printf(out, "<p>No epoch was trained.</p>\n");
    put_all_curves(r, out);
    if (r->last.size) {
        text_printf(out, "<h2>Predictions</h2>\n");
        text_bytes(out, r->last.data, r->last.size);
    }
    put_layers(r, out);
    put_graph(r, out);
    text_printf(out, "</html>\n");
    bool ok = !text.failed && !r->last.failed;
    if (!ok)
        failed(r);
    struct save_file f;
    ok = ok && save_file_begin(&f, r->page, r->s->diag);
    if (ok) {
        save_file_write(&f, text.data, text.size);
        ok = save_file_commit(&f, false, r->s->diag);
    }
    free(text.data);
    return ok;
}

void
report_close(struct report *r)
{
    arena_keep(r->s->arena, &r->undo);
    for (int64_t i = 0; i < r->count; i++)
        free(r->epochs[i].value);
    for (int i = 0; r->before && i < r->s->info.nvars; i++)
        free(r->before[i]);
    free(r->epochs);
    free(r->before);
    free(r->last.data);
    event_file_close(&r->events, r->s->diag);
}
