#include "frontend/sources.h"
#include "frontend/utf8.h"
#include <string.h>

enum { WIDTH = 120, TAB = 4 };

static const struct {
    const char *name, *color;
} SEVERITIES[] = {
    [SEVERITY_ERROR] = {"error", "\033[1;31m"},
    [SEVERITY_WARNING] = {"warning", "\033[1;35m"},
    [SEVERITY_HELP] = {"help", "\033[1;32m"},
    [SEVERITY_NOTE] = {"note", "\033[1;36m"},
};

struct renderer {
    const struct sources *sources;
    FILE *out;
    bool color;
};

static const char *
paint(const struct renderer *r, const char *code)
{
    return r->color ? code : "";
}

/* Line |number| of a source, without its end. False if the source has none such. */
static bool
find_line(const struct source *s, int number, const char **out_from, const char **out_to)
{
    const char *at = s->text, *end = s->text + s->length;
    for (int line = 1; line < number; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            return false;
        at++;
    }
    const char *to = memchr(at, '\n', (size_t)(end - at));
    to = to ? to : end;
    if (to > at && to[-1] == '\r')
        to--;
    *out_from = at;
    *out_to = to;
    return true;
}

/* The character at |at| as it is shown, in |text|, and its width in columns of the terminal, which stands at column |shown|:
 * tabs are blanks, and what a terminal would not show is escaped. Returns the bytes that it has in the source. */
static int
show_character(const char *at, const char *end, int shown, char text[8], int *out_width)
{
    int step = utf8_step(at, end);
    unsigned char byte = (unsigned char)*at;
    if (byte == '\t')
        *out_width = snprintf(text, 8, "%*s", TAB - shown % TAB, "");
    else if (!step || byte < ' ' || byte == 0x7f)
        *out_width = snprintf(text, 8, "\\x%02x", byte);
    else {
        memcpy(text, at, (size_t)step);
        text[step] = '\0';
        *out_width = 1;
    }
    return step ? step : 1;
}

/* Where the caret stands on the line as shown. */
static void
caret_columns(const char *at, const char *end, struct place place, int *out_from, int *out_to)
{
    int shown = 0, column = 1, width;
    char text[8];
    *out_from = -1;
    for (; at < end && column < place.column + place.length; column++) {
        if (column == place.column)
            *out_from = shown;
        at += show_character(at, end, shown, text, &width);
        shown += width;
    }
    if (*out_from < 0) /* behind the line's end */
        *out_from = shown++;
    *out_to = shown > *out_from ? shown : *out_from + 1;
}

/* The part of the line from column |from| to |to| of what is shown. */
static void
show_part(FILE *out, const char *at, const char *end, int from, int to)
{
    int shown = 0, width;
    char text[8];
    while (at < end && shown < to) {
        at += show_character(at, end, shown, text, &width);
        if (shown >= from)
            fputs(text, out);
        else if (shown + width > from)
            fprintf(out, "%*s", shown + width - from, "");
        shown += width;
    }
    if (at < end)
        fputs("...", out);
}

/* The line of the source and the caret under it. */
static void
show_source(const struct renderer *r, struct place place)
{
    const char *at, *end;
    int from, to;
    if (!find_line(&r->sources->source[place.file - 1], place.line, &at, &end))
        return;
    caret_columns(at, end, place, &from, &to);
    /* A long line is cut to what stands around the caret. */
    int start = from > WIDTH * 3 / 4 ? from - WIDTH / 2 : 0;
    const char *dots = start ? "..." : "";
    int caret_end = to < start + WIDTH ? to : start + WIDTH;
    fprintf(r->out, "%5d | %s", place.line, dots);
    show_part(r->out, at, end, start, start + WIDTH);
    fprintf(r->out, "\n      | %*s%s^", from - start + (int)strlen(dots), "", paint(r, SEVERITIES[SEVERITY_ERROR].color));
    for (int i = from + 1; i < caret_end; i++)
        putc('~', r->out);
    fprintf(r->out, "%s\n", paint(r, "\033[0m"));
}

static bool
has_source(const struct renderer *r, struct place place)
{
    return place.file >= 1 && place.file <= r->sources->count;
}

/* Whether users wrote the text: it was read from a file. */
static bool
is_users(const struct renderer *r, struct place place)
{
    return has_source(r, place) && r->sources->source[place.file - 1].own;
}

/* "m.nn:4:6: error: " and returns its width. */
static int
show_label(const struct renderer *r, const struct diagnostic *d, bool note)
{
    char subject[512] = "nnc";
    if (has_source(r, d->place))
        snprintf(subject, sizeof subject, "%s:%d:%d", r->sources->source[d->place.file - 1].path, d->place.line,
                 d->place.column);
    else if (d->subject)
        snprintf(subject, sizeof subject, "%s", d->subject);
    bool bare = d->severity == SEVERITY_HELP || (note && !has_source(r, d->place) && !d->subject);
    const char *name = SEVERITIES[d->severity].name;
    int width = 0;
    if (note && (bare || !is_users(r, d->place)))
        width += fprintf(r->out, "  ");
    fputs(paint(r, "\033[1m"), r->out);
    if (!bare)
        width += fprintf(r->out, "%s: ", subject);
    fputs(paint(r, SEVERITIES[d->severity].color), r->out);
    width += fprintf(r->out, "%s: ", name);
    fputs(paint(r, "\033[0m"), r->out);
    return width;
}

/* The message; its further lines stand under its first. */
static void
show_message(const struct renderer *r, const char *text, int width)
{
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        fprintf(r->out, "%.*s\n%*s", (int)(end - text), text, width, "");
    fprintf(r->out, "%s\n", text);
}

void
render_diag(const struct diag *d, const struct sources *s, FILE *out, bool color)
{
    struct renderer r = {s, out, color};
    for (const struct diagnostic *m = d->first; m; m = m->next) {
        bool note = m->severity == SEVERITY_HELP || m->severity == SEVERITY_NOTE;
        show_message(&r, m->message, show_label(&r, m, note));
        if (!note && has_source(&r, m->place))
            show_source(&r, m->place);
    }
    int more = d->errors - DIAG_ERRORS_MAX;
    if (more > 0)
        fprintf(out, "%d more error%s\n", more, more > 1 ? "s" : "");
}
