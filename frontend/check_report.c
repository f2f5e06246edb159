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
    if (c->frame && c->frame->def)
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

/* The texts that messages quote: names and short calls; other expressions are not named. */
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
    default: return "this";
    }
}

const char *
line_text(struct checker *c, struct place at)
{
    const struct source *s = &c->sources->source[at.file - 1];
    const char *p = s->text, *end = s->text + s->length;
    for (int line = 1; line < at.line && p < end; p++)
        line += *p == '\n';
    const char *stop = p;
    while (stop < end && *stop != '\n')
        stop++;
    while (p < stop && (*p == ' ' || *p == '\t'))
        p++;
    while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r'))
        stop--;
    return arena_text(c->arena, p, (size_t)(stop - p));
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
