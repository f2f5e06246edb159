/* compare_print: the differences and what they do, as text, as JSON and as a page that needs nothing else. */
#include "frontend/cli/compare.h"
#include "frontend/cli/svg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 36 };         /* characters of a text in the table; the whole of it stands in JSON and HTML */
/* Of significance: of twenty comparisons of what differs by chance alone, at most one is to say otherwise. */
static const double LEVEL = 0.02;

/* -- in words ---------------------------------------------------------------------------------------------------------------------- */

static bool
significant(const struct effect *e)
{
    return e->p < LEVEL;
}

/* Whether there is a gap to have a share of: 0 lies outside of its interval. */
static bool
has_gap(const struct comparison *c, int m)
{
    const struct effect *gap = &c->sides[2][m];
    return fabs(gap->mean) > (isnan(gap->half) ? 0 : gap->half);
}

/* In percent, and never -0. */
static double
percent(double share)
{
    return fabs(share) < 0.0005 ? 0 : 100 * share;
}

static const char *
means_of(const struct comparison *c, const struct unit *u)
{
    const struct difference *d = &c->differences[u->members[0]];
    return u->count == 1 && d->means ? d->means : u->name;
}

static const char *
values_of(const struct comparison *c, const struct unit *u)
{
    bool texts = c->differences[u->members[0]].kind == DIFFERS_STATEMENT;
    return texts ? arena_printf(c->cli->arena, "%s (%s) against %s (%s)", u->a, u->place_a, u->b, u->place_b)
                 : arena_printf(c->cli->arena, "%s is %s under %s and %s under %s", u->name, u->a, c->name_a, u->b, c->name_b);
}

/* The units, or those with a significant effect alone; the largest effect in front. */
static int
sorted_units(const struct comparison *c, int m, bool all, const struct unit **out)
{
    int n = 0;
    for (int i = 0; i < c->nunits; i++) {
        if (!all && !significant(&c->units[i].effects[m]))
            continue;
        int k = n++;
        for (; k > 0 && fabs(out[k - 1]->effects[m].mean) < fabs(c->units[i].effects[m].mean); k--)
            out[k] = out[k - 1];
        out[k] = &c->units[i];
    }
    return n;
}

const char *
compare_verdict(const struct comparison *c, int m)
{
    struct arena *arena = c->cli->arena;
    const char *measure = c->measure_names[m], *text = "";
    const struct effect *gap = &c->sides[2][m];
    const struct unit **list = ARENA_ARRAY(arena, const struct unit *, c->nunits + 1);
    int n = sorted_units(c, m, false, list), small = 0;
    if (isnan(gap->mean))
        return arena_printf(arena, "%s is not there for both sides: it cannot be judged, or a training went to infinity.", measure);
    if (c->runs < 2)
        return "One run says nothing about chance: give --runs 2 or more.";
    if (!significant(gap))
        text = arena_printf(arena, "The two do not differ significantly in %s.", measure);
    else if (!n)
        return arena_printf(arena, "No single difference is a significant cause of the gap in %s.", measure);
    for (int i = 0; i < n; i++) {
        const struct effect *e = &list[i]->effects[m];
        const char *space = *text ? " " : "";
        if (!significant(gap))
            text = arena_printf(arena, "%s But %s changes it by %+.4g: %s.", text, means_of(c, list[i]), e->mean, values_of(c, list[i]));
        else if (i && fabs(e->share) < EFFECT_SMALL)
            small++;
        else
            text = arena_printf(arena, e->share > 0 ? "%s%sThe cause of %.0f %% of the gap in %s is %s: %s."
                                                    : "%s%sAgainst it, with %.0f %% of the gap in %s, works %s: %s.",
                                text, space, 100 * fabs(e->share), measure, means_of(c, list[i]), values_of(c, list[i]));
    }
    return small ? arena_printf(arena, "%s %d more differ%s significantly, by less than 1 %% of the gap.", text, small, small == 1 ? "s" : "") : text;
}

/* -- text -------------------------------------------------------------------------------------------------------------------------- */

/* |text| in a column: cut to |width| characters, of which UTF-8 has more bytes. */
static void
print_cell(const char *text, int width)
{
    int count = 0, cut = 0;
    size_t end = 0;
    for (const char *p = text; *p; p++)
        count += (*p & 0xc0) != 0x80;
    for (int k = 0; text[end]; end++) {
        k += (text[end] & 0xc0) != 0x80;
        if (k > (count > width ? width - 3 : width))
            break;
        cut = k;
    }
    printf("%.*s%s%*s  ", (int)end, text, count > width ? "..." : "", width - cut - (count > width ? 3 : 0), "");
}

static int
width_of(const char *text, int width)
{
    int n = (int)strlen(text);
    return n > CELL_MAX ? CELL_MAX : n > width ? n : width;
}

static void
print_row(const struct comparison *c, const struct unit *u, const int width[3], int m)
{
    const struct effect *e = &u->effects[m];
    print_cell(u->name, width[0]);
    print_cell(u->a, width[1]);
    print_cell(u->b, width[2]);
    if (u->fault)
        printf("cannot be switched alone: %s\n", u->fault);
    else if (isnan(e->mean))
        printf("%12s\n", "-");
    else {
        printf("%+12.4g ", e->mean);
        if (c->runs > 1)
            printf("%10.2g ", e->half);
        else
            printf("%10s ", "-");
        if (has_gap(c, m))
            printf("%7.1f %% ", percent(e->share));
        else
            printf("%9s ", "-");
        if (c->runs > 1)
            printf("%9.2g\n", e->p);
        else
            printf("%9s\n", "-");
    }
}

static void
print_table(const struct comparison *c, int m)
{
    const struct effect *a = &c->sides[0][m], *b = &c->sides[1][m], *gap = &c->sides[2][m];
    double smaller = fmin(a->mean, b->mean);
    int width[3] = {width_of("difference", 0), width_of(c->name_a, 0), width_of(c->name_b, 0)};
    printf("\n%s: %s %.6g, %s %.6g; gap %+.6g", c->measure_names[m], c->name_a, a->mean, c->name_b, b->mean, gap->mean);
    if (c->runs > 1)
        printf(" +- %.2g", gap->half);
    printf(smaller > 0 ? " (%.0f %%)\n" : "\n", 100 * fabs(gap->mean) / smaller);
    for (int i = 0; i < c->nunits; i++) {
        width[0] = width_of(c->units[i].name, width[0]);
        width[1] = width_of(c->units[i].a, width[1]);
        width[2] = width_of(c->units[i].b, width[2]);
    }
    print_cell("difference", width[0]);
    print_cell(c->name_a, width[1]);
    print_cell(c->name_b, width[2]);
    printf("%12s %10s %9s %9s\n", "effect", "+- (95 %)", "share", "p (Holm)");
    const struct unit **list = ARENA_ARRAY(c->cli->arena, const struct unit *, c->nunits + 1);
    int n = sorted_units(c, m, true, list);
    for (int i = 0; i < n; i++)
        print_row(c, list[i], width, m);
    printf("%s\n", compare_verdict(c, m));
}

static int
count_diverged(const struct comparison *c)
{
    int n = 0;
    for (int i = 0; i < c->njobs; i++)
        n += c->diverged[i];
    return n;
}

static void
print_text(const struct comparison *c)
{
    int diverged = count_diverged(c);
    printf("%d runs of each, judged under %s on the %s data; %d trainings\n", c->runs, c->judge, c->on_valid ? "valid" : "training", c->njobs);
    if (diverged)
        printf("%d trainings ended with a loss that is not finite.\n", diverged);
    if (c->nvariants && c->variants[1].own_judge)
        printf("%s is judged by its own loss: that of %s cannot be computed there.\n", c->name_b, c->name_a);
    if (!c->nunits)
        printf("There is no difference between the two.\n");
    for (int m = 0; m < c->measures; m++)
        print_table(c, m);
}

/* -- JSON -------------------------------------------------------------------------------------------------------------------------- */

void
print_json_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            printf("\\u%04x", (unsigned char)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void
json_text(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    print_json_text(text);
    printf(", ");
}

static void
json_number(const char *name, double x, const char *behind)
{
    if (isfinite(x))
        printf("\"%s\": %.9g%s", name, x, behind);
    else
        printf("\"%s\": null%s", name, behind);
}

static void
json_unit(const struct comparison *c, const struct unit *u, int m)
{
    static const char *const kinds[] = {"fact", "definition", "default", "statement"};
    const struct effect *e = &u->effects[m];
    printf("{");
    json_text("name", u->name);
    json_text("kind", kinds[c->differences[u->members[0]].kind]);
    json_text("a", u->a);
    json_text("b", u->b);
    json_text("place_a", u->place_a);
    json_text("place_b", u->place_b);
    if (u->fault)
        json_text("fault", u->fault);
    json_number("effect", e->mean, ", ");
    json_number("low", e->mean - e->half, ", ");
    json_number("high", e->mean + e->half, ", ");
    json_number("share", e->share, ", ");
    json_number("p", e->p, ", ");
    printf("\"significant\": %s}", significant(e) ? "true" : "false");
}

static void
print_json(const struct comparison *c)
{
    printf("{");
    json_text("a", c->name_a);
    json_text("b", c->name_b);
    json_text("judge", c->judge);
    printf("\"runs\": %d, \"trainings\": %d, \"not_finite\": %d", c->runs, c->njobs, count_diverged(c));
    for (int m = 0; m < c->measures; m++) {
        printf(",\n");
        print_json_text(c->measure_names[m]);
        printf(": {");
        json_number("a", c->sides[0][m].mean, ", ");
        json_number("b", c->sides[1][m].mean, ", ");
        json_number("gap", c->sides[2][m].mean, ", ");
        json_number("low", c->sides[2][m].mean - c->sides[2][m].half, ", ");
        json_number("high", c->sides[2][m].mean + c->sides[2][m].half, ", ");
        json_number("p", c->sides[2][m].p, ", ");
        printf("\"significant\": %s, ", significant(&c->sides[2][m]) ? "true" : "false");
        json_text("verdict", compare_verdict(c, m));
        printf("\"differences\": [");
        for (int i = 0; i < c->nunits; i++) {
            printf(i ? ",\n  " : "\n  ");
            json_unit(c, &c->units[i], m);
        }
        printf("]}");
    }
    printf("}\n");
}

/* -- HTML -------------------------------------------------------------------------------------------------------------------------- */

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>nnc compare</title><style>\n"
    "body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; background: #fff }\n"
    "table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25em .6em; border-bottom: 1px solid #ddd; vertical-align: top }\n"
    "td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums } td.s { font-weight: bold }\n"
    "code { font-size: 90%; overflow-wrap: anywhere } small { color: #666 } .verdict { font-size: 110%; background: #f4f4f0; padding: .6em .8em }\n"
    ".bar { fill: #9ab } .strong { fill: #c60 } .whisker { stroke: #222 } .axis { stroke: #999 }\n"
    "</style></head><body>\n";

/* The effect as a bar from 0, with its interval, in the scale of |largest|. */
static void
html_bar(struct text *t, const struct effect *e, double largest)
{
    double scale = largest > 0 ? 95 / largest : 0, end = 100 + scale * e->mean, half = isnan(e->half) ? 0 : scale * e->half;
    text_printf(t, "<svg width=\"200\" height=\"16\" role=\"img\"><line class=\"axis\" x1=\"100\" x2=\"100\" y1=\"0\" y2=\"16\"/>"
                   "<rect class=\"%s\" x=\"%.1f\" y=\"3\" width=\"%.1f\" height=\"10\"/><line class=\"whisker\" x1=\"%.1f\" x2=\"%.1f\" y1=\"8\" y2=\"8\"/></svg>",
                significant(e) ? "strong" : "bar", fmin(100, end), fabs(end - 100), fmax(0, end - half), fmin(200, end + half));
}

static void
html_cell(struct text *t, const char *text, const char *place)
{
    text_printf(t, "<td><code>");
    html_text(t, text);
    text_printf(t, "</code>");
    if (strcmp(text, place)) {
        text_printf(t, "<br><small>");
        html_text(t, place);
        text_printf(t, "</small>");
    }
    text_printf(t, "</td>");
}

static void
html_row(struct text *t, const struct comparison *c, const struct unit *u, int m, double largest)
{
    const struct effect *e = &u->effects[m];
    text_printf(t, "<tr><td class=\"%s\">", significant(e) ? "s" : "");
    html_text(t, u->name);
    if (strcmp(means_of(c, u), u->name)) {
        text_printf(t, "<br><small>");
        html_text(t, means_of(c, u));
        text_printf(t, "</small>");
    }
    text_printf(t, "</td>");
    html_cell(t, u->a, u->place_a);
    html_cell(t, u->b, u->place_b);
    if (u->fault || isnan(e->mean)) {
        text_printf(t, "<td colspan=\"5\">");
        html_text(t, u->fault ? "cannot be switched alone: " : "-");
        html_text(t, u->fault ? u->fault : "");
        text_printf(t, "</td></tr>\n");
        return;
    }
    text_printf(t, "<td class=\"n\">%+.4g</td><td class=\"n\">&#177; %.2g</td><td>", e->mean, e->half);
    html_bar(t, e, largest);
    text_printf(t, has_gap(c, m) ? "</td><td class=\"n\">%.1f %%</td>" : "</td><td class=\"n\">-</td>", percent(e->share));
    text_printf(t, "<td class=\"n\">%.2g</td></tr>\n", e->p);
}

static void
html_measure(struct text *t, const struct comparison *c, int m)
{
    const struct effect *gap = &c->sides[2][m];
    double largest = 0;
    for (int i = 0; i < c->nunits; i++) {
        const struct effect *e = &c->units[i].effects[m];
        largest = fmax(largest, fabs(e->mean) + (isnan(e->half) ? 0 : e->half));
    }
    text_printf(t, "<h2>%s</h2>\n<p>", c->measure_names[m]);
    html_text(t, c->name_a);
    text_printf(t, " %.6g, ", c->sides[0][m].mean);
    html_text(t, c->name_b);
    text_printf(t, " %.6g; gap %+.6g &#177; %.2g (p = %.2g)</p>\n<p class=\"verdict\">", c->sides[1][m].mean, gap->mean, gap->half, gap->p);
    html_text(t, compare_verdict(c, m));
    text_printf(t, "</p>\n<table><tr><th>difference</th><th>");
    html_text(t, c->name_a);
    text_printf(t, "</th><th>");
    html_text(t, c->name_b);
    text_printf(t, "</th><th class=\"n\">effect</th><th class=\"n\">95 %%</th><th></th><th class=\"n\">share</th><th class=\"n\">p (Holm)</th></tr>\n");
    const struct unit **list = ARENA_ARRAY(c->cli->arena, const struct unit *, c->nunits + 1);
    int n = sorted_units(c, m, true, list);
    for (int i = 0; i < n; i++)
        html_row(t, c, list[i], m, largest);
    text_printf(t, "</table>\n");
}

void
compare_page_begin(struct text *t, const struct comparison *c)
{
    text_printf(t, "%s<h1>", page_head);
    html_text(t, c->name_a);
    text_printf(t, " and ");
    html_text(t, c->name_b);
    text_printf(t, "</h1>\n");
}

void
compare_page_end(struct text *t, struct diag *diag)
{
    text_printf(t, "</body></html>\n");
    if (t->failed)
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    else
        fwrite(t->data, 1, t->size, stdout);
    free(t->data);
}

static void
print_html(const struct comparison *c)
{
    struct text t = {0};
    compare_page_begin(&t, c);
    text_printf(&t, "<p>");
    html_text(&t, c->path_b ? "Two files, " : c->cli->options.operand);
    text_printf(&t, c->path_b ? "" : ", ");
    text_printf(&t, "%d runs of each, judged under ", c->runs);
    html_text(&t, c->judge);
    text_printf(&t, " on the %s data; %d trainings, %d of them not finite. An effect is the mean of what a difference does to the first side and of "
                    "what taking it back does to the second.</p>\n", c->on_valid ? "valid" : "training", c->njobs, count_diverged(c));
    for (int m = 0; m < c->measures; m++)
        html_measure(&t, c, m);
    compare_page_end(&t, c->cli->diag);
}

void
compare_print(const struct comparison *c)
{
    const char *format = c->cli->options.compare_format;
    if (format && !strcmp(format, "json"))
        print_json(c);
    else if (format && !strcmp(format, "html"))
        print_html(c);
    else
        print_text(c);
}
