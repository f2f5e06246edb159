/* check_report: messages of the checker. An error inside a definition is reported at the user's call. */
#include "frontend/check.h"
#include <stdio.h>

struct place
user_place(const struct checker *c, struct place inner)
{
    for (const struct frame *f = c->frame; f && f->def; f = f->caller)
        inner = f->place;
    return inner;
}

void
note_inner(struct checker *c, struct place inner)
{
    struct place outer = user_place(c, inner);
    if (c->frame && c->frame->def && memcmp(&outer, &inner, sizeof inner))
        diag_report(c->diag, NOTE_HERE, inner, c->frame->def->name);
}

const char *
value_text(struct checker *c, const struct value *v)
{
    char text[TYPE_TEXT];
    switch (v->kind) {
    case VALUE_ERROR: return "an error";
    case VALUE_NUMBER: number_show(v->number, text); break;
    case VALUE_ROWS: dim_text(v->rows, text, sizeof text); break;
    case VALUE_TENSOR: type_text(&v->node->type, ", ", text); break;
    case VALUE_FUNCTION:
        return v->function->def ? v->function->def->name : builtin_name(v->function->builtin);
    case VALUE_LIST: return "a list";
    case VALUE_TEXT: return arena_printf(c->arena, "\"%s\"", v->text);
    }
    return arena_text(c->arena, text, strlen(text));
}

/* The beginning of line |line|, from 1. */
static const char *
line_of(const struct source *s, int line)
{
    const char *p = s->text;
    for (; line > 1 && *p; p++)
        line -= *p == '\n';
    return p;
}

/* The characters of the source that |at| spans, at most 60 bytes. */
static const char *
span_text(struct checker *c, struct place at)
{
    const char *line = line_of(&c->sources->source[at.file - 1], at.line), *p = line;
    for (int column = 1; column < at.column && *p && *p != '\n'; p++)
        column += (p[1] & 0xc0) != 0x80;
    size_t length = strcspn(p, "\r\n");
    return arena_text(c->arena, p, length < (size_t)at.length ? length : at.length < 60 ? (size_t)at.length : 60);
}

/* The texts that messages quote: names and short calls; of other expressions what stands in the file. */
const char *
expression_text(struct checker *c, const struct ast *e)
{
    if (!e)
        return "";
    switch (e->kind) {
    case AST_NAME: return e->text;
    case AST_FIELD: return arena_printf(c->arena, "%s.%s", expression_text(c, e->child[0]), e->text);
    case AST_CALL: return arena_printf(c->arena, "%s(...)", expression_text(c, e->child[0]));
    case AST_INDEX: return arena_printf(c->arena, "%s[...]", expression_text(c, e->child[0]));
    default: return span_text(c, e->place);
    }
}

/* Where the statement that begins at |p| ends: at the end of the line, a comment, a semicolon or the brace around it. */
static const char *
statement_end(const char *p)
{
    int depth = 0;
    for (bool quoted = false; *p && *p != '\n' && *p != '\r'; p++) {
        quoted ^= *p == '"';
        if (quoted)
            continue;
        depth += (*p == '(' || *p == '[' || *p == '{') - (*p == ')' || *p == ']' || *p == '}');
        if (depth < 0 || *p == '#' || (*p == ';' && !depth))
            break;
    }
    return p;
}

const char *
statement_text(struct checker *c, struct place at)
{
    const char *p = line_of(&c->sources->source[at.file - 1], at.line);
    for (int column = 1; column < at.column && *p && *p != '\n'; p++)
        column += (p[1] & 0xc0) != 0x80;
    size_t length = (size_t)(statement_end(p) - p);
    while (length && (p[length - 1] == ' ' || p[length - 1] == '\t'))
        length--;
    return arena_text(c->arena, p, length);
}

bool
mentions(const struct ast *e, const char *name)
{
    if (!e)
        return false;
    bool found = e->kind == AST_NAME && e->text == name;
    for (int i = 0; i < 3; i++)
        found = found || mentions(e->child[i], name);
    for (int i = 0; i < e->nargs; i++)
        found = found || mentions(e->args[i].value, name);
    return found;
}
