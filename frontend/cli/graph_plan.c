/* graph_plan: where values lie and when, as a table and as a picture. */
#include "frontend/cli/graph_view.h"
#include "passes/live.h"
#include <inttypes.h>

/* The group or node that writes the value. */
static const struct node *
writer(const struct node *n)
{
    return n->op == OP_RESULT ? n->in[0] : n;
}

static const char *
position_name(const struct graph *g, const char *const *names, int position)
{
    return position >= g->count ? "end" : names[position];
}

void
plan_table(FILE *out, const struct graph *g, struct arena *arena)
{
    const char **names = graph_names(g, arena, false);
    struct live l = live_values(g, arena);
    int peak = live_peak(g, &l, arena);
    int64_t bytes = 0;
    for (int i = 0; i < l.count; i++)
        bytes += l.values[i].bytes;
    fprintf(out, "# %d values, %" PRId64 " bytes, in an arena of %" PRId64 "; at most %" PRId64 " live at once, at %s\n", l.count, bytes,
            g->arena_bytes, g->live_bytes, position_name(g, names, peak));
    fprintf(out, "# %-8s %-14s %12s %12s   %-8s %-8s %s\n", "value", "op", "bytes", "offset", "written", "last use", "place");
    for (int i = 0; i < l.count; i++) {
        const struct live_value *v = &l.values[i];
        const struct place *p = &v->node->place;
        fprintf(out, "# %-8s %-14s %12" PRId64 " %12" PRId64 "   %-8s %-8s ", names[v->node->id], op_info[writer(v->node)->op].text, v->bytes,
                v->offset, names[v->first], position_name(g, names, v->last));
        if (p->line)
            fprintf(out, "%d:%d", p->line, p->column);
        fprintf(out, "%s\n", v->first <= peak && peak <= v->last ? " *" : "");
    }
}

/* ---- the picture ---- */

enum { WIDTH = 1200, HEIGHT = 640, LEFT = 90, TOP = 50, BOTTOM = 40, RIGHT = 20 };

static const char *
colour(const struct node *n)
{
    switch ((enum op_class)op_info[writer(n)->op].class) {
    case CLASS_CONTRACT: return "#f59e0b";
    case CLASS_GROUP: return "#3b82f6";
    case CLASS_REDUCE: return "#10b981";
    case CLASS_MOVE: return "#a78bfa";
    case CLASS_RANDOM: return "#f472b6";
    default: return "#94a3b8";
    }
}

/* By position: how many kernels run up to it. */
static int *
kernel_times(const struct graph *g, struct arena *arena)
{
    int *time = ARENA_ARRAY(arena, int, g->count + 2);
    for (int i = 0; i <= g->count; i++)
        time[i + 1] = time[i] + (i < g->count && node_runs(g->nodes[i]));
    return time;
}

static void
put_axes(FILE *out, const struct graph *g, int kernels)
{
    fprintf(out, "<text x=\"%d\" y=\"24\" font-size=\"15\">%s: arena of %.2f MB over %d kernels, %" PRId64 " rows</text>\n", LEFT, g->name,
            (double)g->arena_bytes / 1e6, kernels, g->max_rows);
    for (int i = 0; i <= 4; i++) {
        double y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - i / 4.0), x = LEFT + (WIDTH - LEFT - RIGHT) * i / 4.0;
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.2f MB</text><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n",
                LEFT - 6, y + 4, (double)g->arena_bytes * i / 4e6, x, HEIGHT - BOTTOM + 18, kernels * i / 4);
        fprintf(out, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e2e8f0\"/>\n", LEFT, WIDTH - RIGHT, y, y);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">kernels, in their order</text>\n", (LEFT + WIDTH) / 2, HEIGHT - 6);
}

void
plan_svg(FILE *out, const struct graph *g, struct arena *arena)
{
    const char **names = graph_names(g, arena, false);
    struct live l = live_values(g, arena);
    const int *time = kernel_times(g, arena);
    int kernels = time[g->count], peak = live_peak(g, &l, arena);
    double across = (double)(WIDTH - LEFT - RIGHT) / (kernels ? kernels : 1), up = (double)(HEIGHT - TOP - BOTTOM) / (g->arena_bytes ? (double)g->arena_bytes : 1);
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"Helvetica, sans-serif\" font-size=\"11\">\n"
                 "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", WIDTH, HEIGHT);
    put_axes(out, g, kernels);
    for (int i = 0; i < l.count; i++) {
        const struct live_value *v = &l.values[i];
        double x = LEFT + across * time[v->first], y = HEIGHT - BOTTOM - up * (double)(v->offset + v->bytes);
        double w = across * (time[v->last < g->count ? v->last + 1 : g->count] - time[v->first]), h = up * (double)v->bytes;
        char type[TYPE_TEXT];
        w = w < 1 ? 1 : w;
        h = h < 0.5 ? 0.5 : h;
        fprintf(out, "<rect x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\" fill=\"%s\" fill-opacity=\"0.55\" stroke=\"#334155\" stroke-width=\"0.5\">"
                     "<title>%s: %s %s, %" PRId64 " bytes at %" PRId64 ", line %d</title></rect>\n", x, y, w, h, colour(v->node), names[v->node->id],
                op_info[writer(v->node)->op].text, type_text(&v->node->type, ",", type), v->bytes, v->offset, v->node->place.line);
        if (w > 95 && h > 12)
            fprintf(out, "<text x=\"%.1f\" y=\"%.2f\">%s %s</text>\n", x + 4, y + h / 2 + 4, names[v->node->id], type);
    }
    double x = LEFT + across * (time[peak] + 0.5);
    fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#dc2626\" stroke-dasharray=\"4 3\"/>"
                 "<text x=\"%.1f\" y=\"%d\" fill=\"#dc2626\" text-anchor=\"middle\">peak: %.2f MB live</text>\n</svg>\n",
            x, x, TOP - 6, HEIGHT - BOTTOM, x, TOP - 10, (double)g->live_bytes / 1e6);
}
