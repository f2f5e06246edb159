/* bench_print: what bench found, as text with bars, JSON, CSV or a page of HTML. */
#include "frontend/cli/bench.h"
#include <stdarg.h>
#include <string.h>

enum { COLUMNS_MAX = 12, ROWS_MAX = 40, BAR = 24 };

/* Texts in rows and columns. The first column stands at the left, the others at the right; a column with the title BARS
 * holds shares from 0 to 1. */
struct table {
    struct arena *arena;
    const char *title;
    const char *head[COLUMNS_MAX];
    const char *cell[ROWS_MAX][COLUMNS_MAX];
    double share[ROWS_MAX];
    int columns, rows, at;
};
static const char BARS[] = "";

static struct table
table_new(struct arena *arena, const char *title, int columns, const char *const *head)
{
    struct table t = {.arena = arena, .title = title, .columns = columns};
    for (int i = 0; i < columns; i++)
        t.head[i] = head[i];
    return t;
}

static bool
add_row(struct table *t)
{
    t->at = 0;
    return t->rows++ < ROWS_MAX - 1;
}

static void
add_text(struct table *t, const char *text)
{
    t->cell[t->rows - 1][t->at++] = text;
}

/* Three significant digits; "-" for what is not known. */
static void
add_number(struct table *t, double x, const char *unit)
{
    double size = fabs(x);
    int digits = size >= 99.95 || x == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
    add_text(t, isnan(x) ? "-" : arena_printf(t->arena, "%.*f%s", digits, x, unit));
}

/* Marked where the processor ran slower than at its best. */
static void
add_time(struct table *t, double x, bool disturbed)
{
    add_number(t, x, disturbed ? "*" : "");
}

static void
add_share(struct table *t, double x)
{
    t->share[t->rows - 1] = x;
    add_text(t, BARS);
}

static void
add_bytes(struct table *t, int64_t bytes)
{
    double x = (double)bytes;
    if (bytes < 1 << 20)
        add_number(t, x / 1024, " KiB");
    else
        add_number(t, x / (1 << 20), " MiB");
}

/* ---- tables ---- */

static struct table
modes_table(const struct bench *b)
{
    static const char *const head[] = {"mode", "a step, us", BARS, "middle 80 %", "first step, ms", "compiled in, ms",
                                       "from disk, ms", "kernels", "moved", "arena", "peak memory"};
    struct table t = table_new(b->s->arena, "Modes", 11, head);
    double most = 0;
    for (int i = 0; i < BENCH_MODES; i++)
        if (b->mode[i].measured)
            most = fmax(most, b->mode[i].step);
    for (int i = 0; i < BENCH_MODES; i++) {
        const struct bench_mode *m = &b->mode[i];
        if (!m->measured || !add_row(&t))
            continue;
        add_text(&t, m->name);
        add_time(&t, m->step, m->disturbed);
        add_share(&t, m->step / most);
        add_text(&t, arena_printf(t.arena, "%.3g-%.3g", m->low, m->high));
        add_number(&t, m->first_step_ms, "");
        add_number(&t, m->compile_ms, "");
        add_number(&t, m->warm_ms, "");
        add_text(&t, arena_printf(t.arena, "%lld", (long long)m->kernels));
        add_bytes(&t, m->moved_bytes);
        add_bytes(&t, m->arena_bytes);
        add_bytes(&t, m->peak_rss);
    }
    return t;
}

/* GFLOP/s of a step's contractions over the whole step. */
static double
mode_rate(const struct bench *b, const struct bench_mode *m)
{
    return b->flop > 0 ? b->flop / m->step / 1e3 : NAN;
}

static struct table
parts_table(const struct bench *b)
{
    static const char *const head[] = {"where a step goes, us", "making the graph", "dispatch", "memory", "contractions",
                                       "other kernels", "drawing the batch", "GFLOP/s", "of the peak"};
    struct table t = table_new(b->s->arena, "Parts", 9, head);
    for (int i = 0; i < BENCH_MODES; i++) {
        const struct bench_mode *m = &b->mode[i];
        if (!m->measured || !add_row(&t))
            continue;
        add_text(&t, m->name);
        add_number(&t, m->graph, "");
        add_number(&t, m->dispatch, "");
        add_number(&t, m->memory, "");
        add_number(&t, m->contractions, "");
        add_number(&t, m->others, isnan(m->contractions) ? " in all" : "");
        add_number(&t, m->data, "");
        add_number(&t, mode_rate(b, m), "");
        add_number(&t, 100 * mode_rate(b, m) / (b->peak * b->threads), " %");
    }
    return t;
}

static double
product_flop(const struct bench_product *p)
{
    return 2.0 * (double)p->batch * (double)p->m * (double)p->n * (double)p->k;
}

static const char *
product_name(const struct bench *b, const struct bench_product *p)
{
    const char *batch = p->batch > 1 ? arena_printf(b->s->arena, "%lld x ", (long long)p->batch) : "";
    return arena_printf(b->s->arena, "%s[%lld,%lld]%s @ [%lld,%lld]%s", batch, (long long)(p->transpose_a ? p->k : p->m),
                        (long long)(p->transpose_a ? p->m : p->k), p->transpose_a ? "^T" : "",
                        (long long)(p->transpose_b ? p->n : p->k), (long long)(p->transpose_b ? p->k : p->n), p->transpose_b ? "^T" : "");
}

static struct table
products_table(const struct bench *b)
{
    static const char *const head[] = {"contraction, machine code", "in a step", "us", "GFLOP/s", "of the peak", BARS,
                                       "OpenBLAS, us", "times as fast"};
    struct table t = table_new(b->s->arena, "Contractions", 8, head);
    for (int i = 0; i < b->nproducts; i++) {
        const struct bench_product *p = &b->product[i];
        double rate = product_flop(p) / p->time / 1e3;
        if (isnan(p->time) || !add_row(&t))
            continue;
        add_text(&t, product_name(b, p));
        add_text(&t, arena_printf(t.arena, "%d", p->count));
        add_time(&t, p->time, p->disturbed);
        add_number(&t, rate, "");
        add_number(&t, 100 * rate / b->peak, " %");
        add_share(&t, fmin(1, rate / b->peak));
        add_number(&t, p->blas, "");
        add_number(&t, p->blas / p->time, "");
    }
    return t;
}

static struct table
passes_table(const struct bench *b)
{
    static const char *const head[] = {"worth of a pass in machine code", "us a step", "of a step"};
    struct table t = table_new(b->s->arena, "Passes", 3, head);
    for (int i = 0; i < b->npasses; i++) {
        if (isnan(b->pass[i].gain) || !add_row(&t))
            continue;
        add_text(&t, pass_info[b->pass[i].pass].name);
        add_time(&t, b->pass[i].gain, b->passes_disturbed);
        add_number(&t, 100 * b->pass[i].gain / b->mode[BENCH_JIT].step, " %");
    }
    return t;
}

/* ---- text ---- */

/* Columns on the screen: characters of UTF-8. */
static int
width_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void
put_bar(FILE *out, double share, bool blocks)
{
    int length = (int)(share * BAR + 0.5);
    for (int i = 0; i < BAR; i++)
        fputs(i >= length && (i || share <= 0) ? " " : blocks ? "\u2588" : "#", out);
}

static void
print_table(FILE *out, const struct table *t, bool blocks)
{
    int width[COLUMNS_MAX];
    if (!t->rows)
        return;
    for (int k = 0; k < t->columns; k++) {
        width[k] = width_of(t->head[k]);
        for (int i = 0; i < t->rows; i++)
            if (width_of(t->cell[i][k]) > width[k])
                width[k] = width_of(t->cell[i][k]);
    }
    for (int i = -1; i < t->rows; i++) {
        for (int k = 0; k < t->columns; k++) {
            const char *text = i < 0 ? t->head[k] : t->cell[i][k];
            int space = width[k] - width_of(text);
            fputs(k ? "  " : "", out);
            if (t->head[k] == BARS && i >= 0)
                put_bar(out, t->share[i], blocks);
            else if (t->head[k] == BARS)
                fprintf(out, "%*s", BAR, "");
            else
                fprintf(out, "%*s%s%*s", k ? space : 0, "", text, k || k == t->columns - 1 ? 0 : space, "");
        }
        fputc('\n', out);
    }
    fputc('\n', out);
}

/* Steps after which |m| has made up for its compilation against |than|; NAN: never. */
static double
pays_off(const struct bench_mode *m, double compile_ms, const struct bench_mode *than)
{
    double gain = than->step - m->step, cost = 1e3 * (compile_ms - than->compile_ms);
    if (!m->measured || !than->measured || isnan(compile_ms) || gain <= 0)
        return NAN;
    return cost > 0 ? ceil(cost / gain) : 0;
}

static const char *
summary(const struct bench *b)
{
    struct arena *a = b->s->arena;
    const struct bench_mode *e = &b->mode[BENCH_EAGER], *g = &b->mode[BENCH_GRAPH], *j = &b->mode[BENCH_JIT];
    char *text = arena_printf(a, "Graph mode takes %.2f of an eager step's time", g->step / e->step);
    if (j->measured)
        text = arena_printf(a, "%s, machine code %.2f of a graph step's", text, j->step / g->step);
    double fastest = fmin(e->step, fmin(g->step, j->measured ? j->step : g->step)), cold = pays_off(j, j->compile_ms, g), warm = pays_off(j, j->warm_ms, g);
    if (!isnan(cold))
        text = arena_printf(a, "%s; compiling has paid off after %.0f steps", text, cold);
    if (!isnan(cold) && !isnan(warm))
        text = arena_printf(a, "%s, after %.0f with the code on disk", text, warm);
    if (b->flop > 0)
        text = arena_printf(a, "%s. A step's contractions are %.3g MFLOP: %.3g GFLOP/s in the fastest mode, of %.3g that %s",
                            text, b->flop / 1e6, b->flop / 1e3 / fastest, b->peak * b->threads,
                            b->threads == 1 ? "a core multiplies and adds" : arena_printf(a, "%d cores multiply and add", b->threads));
    return arena_printf(a, "%s. %s", text, b->equal ? "All modes give the same weights and losses, to the last bit."
                                                    : "THE MODES DO NOT GIVE THE SAME WEIGHTS AND LOSSES.");
}

/* What the probes between the pieces said; NULL: nothing. */
static const char *
speed_note(const struct bench *b)
{
    int slow = 0, all = 0;
    bool disturbed = b->passes_disturbed;
    for (int i = 0; i < BENCH_MODES; i++)
        if (b->mode[i].measured) {
            slow += b->mode[i].slow;
            all += b->mode[i].pieces;
            disturbed |= b->mode[i].disturbed;
        }
    for (int i = 0; i < b->nproducts; i++)
        disturbed |= b->product[i].disturbed;
    const char *text = !slow ? "" : arena_printf(b->s->arena, "%d of %d pieces of steps are left out: the processor was over %.0f %% slower than at "
                                                 "its best, or shared. ", slow, all, 100 * (BENCH_SLOW - 1));
    if (disturbed)
        text = arena_printf(b->s->arena, "%s* measured while the processor was slower than at its best, or shared.", text);
    return *text ? text : NULL;
}

static void
print_text(const struct bench *b, FILE *out, bool terminal)
{
    struct table tables[] = {modes_table(b), parts_table(b), products_table(b), passes_table(b)};
    fprintf(out, "%s: %lld rows a step, %d thread%s\n\n", b->s->model->name, (long long)b->rows, b->threads, b->threads > 1 ? "s" : "");
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        print_table(out, &tables[i], terminal);
    fprintf(out, "%s\n", summary(b));
    if (speed_note(b))
        fprintf(out, "%s\n", speed_note(b));
}

/* ---- JSON and CSV ---- */

static void
put_json(FILE *out, const char *before, const char *key, double x)
{
    if (isfinite(x))
        fprintf(out, "%s\"%s\": %.6g", before, key, x);
    else
        fprintf(out, "%s\"%s\": null", before, key);
}

static void
put_whole(FILE *out, const char *key, int64_t x)
{
    fprintf(out, ", \"%s\": %lld", key, (long long)x);
}

static void
print_json_mode(FILE *out, const struct bench *b, const struct bench_mode *m, const char *before)
{
    fprintf(out, "%s\"%s\": {", before, m->name);
    put_json(out, "", "step_us", m->step);
    put_json(out, ", ", "step_us_low", m->low);
    put_json(out, ", ", "step_us_high", m->high);
    put_json(out, ", ", "first_step_ms", m->first_step_ms);
    put_json(out, ", ", "compile_ms", m->compile_ms);
    put_json(out, ", ", "compile_warm_ms", m->warm_ms);
    put_whole(out, "nodes", m->nodes);
    put_whole(out, "kernels", m->kernels);
    put_whole(out, "kernels_unfused", m->kernels_unfused);
    put_whole(out, "moved_bytes", m->moved_bytes);
    put_whole(out, "live_bytes", m->live_bytes);
    put_whole(out, "arena_bytes", m->arena_bytes);
    put_whole(out, "peak_rss", m->peak_rss);
    put_json(out, ", \"parts_us\": {", "graph", m->graph);
    put_json(out, ", ", "dispatch", m->dispatch);
    put_json(out, ", ", "memory", m->memory);
    put_json(out, ", ", "contractions", m->contractions);
    put_json(out, ", ", "kernels", m->others);
    put_json(out, ", ", "data", m->data);
    put_json(out, "}, ", "gflops", mode_rate(b, m));
    put_json(out, ", ", "of_peak", mode_rate(b, m) / (b->peak * b->threads));
    put_whole(out, "pieces", m->pieces);
    put_whole(out, "slow_pieces", m->slow);
    fprintf(out, ", \"disturbed\": %s", m->disturbed ? "true" : "false");
    const struct bench_mode *than = &b->mode[m == &b->mode[BENCH_JIT] ? BENCH_GRAPH : BENCH_EAGER];
    put_json(out, ", ", "pays_off_steps", pays_off(m, m->compile_ms, than));
    fprintf(out, "}");
}

static void
print_json(const struct bench *b, FILE *out)
{
    fprintf(out, "{\"equal\": %s, \"rows\": %lld, \"modes\": {", b->equal ? "true" : "false", (long long)b->rows);
    bool first = true;
    for (int i = BENCH_EAGER; i <= BENCH_JIT; i++)
        if (b->mode[i].measured) {
            print_json_mode(out, b, &b->mode[i], first ? "\n  " : ",\n  ");
            first = false;
        }
    fprintf(out, "},\n \"openblas\": {");
    if (b->mode[BENCH_BLAS].measured)
        print_json_mode(out, b, &b->mode[BENCH_BLAS], "\n  ");
    fprintf(out, "},\n \"contractions\": {");
    put_json(out, "", "flop", b->flop);
    put_json(out, ", ", "peak_gflops", b->peak);
    put_whole(out, "threads", b->threads);
    fprintf(out, ", \"shapes\": [");
    for (int i = 0; i < b->nproducts; i++) {
        const struct bench_product *p = &b->product[i];
        fprintf(out,
                "%s{\"batch\": %lld, \"m\": %lld, \"n\": %lld, \"k\": %lld, \"transpose_a\": %s, "
                "\"transpose_b\": %s, \"count\": %d",
                i ? ",\n  " : "\n  ", (long long)p->batch, (long long)p->m, (long long)p->n, (long long)p->k,
                p->transpose_a ? "true" : "false",
                p->transpose_b ? "true" : "false", p->count);
        put_json(out, ", ", "us", p->time);
        put_json(out, ", ", "openblas_us", p->blas);
        put_json(out, ", ", "gflops", product_flop(p) / p->time / 1e3);
        fprintf(out, ", \"disturbed\": %s}", p->disturbed ? "true" : "false");
    }
    fprintf(out, "]},\n \"passes_disturbed\": %s, \"passes_us\": {", b->passes_disturbed ? "true" : "false");
    for (int i = 0; i < b->npasses; i++)
        put_json(out, i ? ", " : "", pass_info[b->pass[i].pass].name, b->pass[i].gain);
    fprintf(out, "}}\n");
}

static void
put_field(FILE *out, double x)
{
    if (isfinite(x))
        fprintf(out, ",%.6g", x);
    else
        fputc(',', out);
}

static void
print_csv(const struct bench *b, FILE *out)
{
    fprintf(out,
            "mode,step_us,step_us_low,step_us_high,first_step_ms,compile_ms,compile_warm_ms,nodes,kernels,kernels_unfused,"
            "moved_bytes,live_bytes,arena_bytes,peak_rss,graph_us,dispatch_us,memory_us,contractions_us,kernels_us,"
            "data_us,pieces,slow_pieces,disturbed,equal\n");
    for (int i = 0; i < BENCH_MODES; i++) {
        const struct bench_mode *m = &b->mode[i];
        if (!m->measured)
            continue;
        const double times[] = {m->step, m->low, m->high, m->first_step_ms, m->compile_ms, m->warm_ms};
        const int64_t counts[] = {m->nodes, m->kernels, m->kernels_unfused, m->moved_bytes, m->live_bytes, m->arena_bytes,
                                  m->peak_rss};
        const double parts[] = {m->graph, m->dispatch, m->memory, m->contractions, m->others, m->data};
        fprintf(out, "%s", strcmp(m->gemm, "openblas") ? m->name : "openblas");
        for (int k = 0; k < 6; k++)
            put_field(out, times[k]);
        for (int k = 0; k < 7; k++)
            fprintf(out, ",%lld", (long long)counts[k]);
        for (int k = 0; k < 6; k++)
            put_field(out, parts[k]);
        fprintf(out, ",%d,%d,%s", m->pieces, m->slow, m->disturbed ? "true" : "false");
        fprintf(out, ",%s\n", m->digest == b->mode[BENCH_EAGER].digest ? "true" : "false");
    }
}

/* ---- HTML ---- */

static void
put_html(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        default: fputc(*text, out);
        }
}

static void
print_html_table(FILE *out, const struct table *t)
{
    if (!t->rows)
        return;
    fprintf(out, "<h2>%s</h2>\n<table>\n", t->title);
    for (int i = -1; i < t->rows; i++) {
        fputs("<tr>", out);
        for (int k = 0; k < t->columns; k++) {
            fputs(i < 0 ? "<th>" : "<td>", out);
            if (t->head[k] == BARS && i >= 0)
                fprintf(out, "<div style=\"width:%.0fpx\"></div>", 200 * t->share[i]);
            else
                put_html(out, i < 0 ? t->head[k] : t->cell[i][k]);
            fputs(i < 0 ? "</th>" : "</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void
print_html(const struct bench *b, FILE *out)
{
    struct table tables[] = {modes_table(b), parts_table(b), products_table(b), passes_table(b)};
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>nnc bench: %s</title>\n<style>\n"
            "body { font: 15px/1.4 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222 }\n"
            "table { border-collapse: collapse }\n"
            "th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #ddd }\ntd { white-space: nowrap }\n"
            "th:first-child, td:first-child { text-align: left }\n"
            "td div { height: 1em; min-width: 1px; background: #47a }\n"
            "</style>\n</head>\n<body>\n<h1>%s: %lld rows a step, %d thread%s</h1>\n<p>", b->s->model->name, b->s->model->name,
            (long long)b->rows, b->threads, b->threads > 1 ? "s" : "");
    put_html(out, summary(b));
    fputs("</p>\n", out);
    if (speed_note(b)) {
        fputs("<p>", out);
        put_html(out, speed_note(b));
        fputs("</p>\n", out);
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        print_html_table(out, &tables[i]);
    fputs("</body>\n</html>\n", out);
}

void
bench_print(const struct bench *b, FILE *out, const char *format, bool terminal)
{
    if (!strcmp(format, "json"))
        print_json(b, out);
    else if (!strcmp(format, "csv"))
        print_csv(b, out);
    else if (!strcmp(format, "html"))
        print_html(b, out);
    else
        print_text(b, out, terminal);
}
