#include "frontend/tokens.h"
#include "frontend/lexer.h"
#include "frontend/tree.h"
#include "frontend/utf8.h"
#include <string.h>

static const int CONTINUING[] = {
    '+', '-', '*', '/', '@', '^', '<', '>', '=', '?', ':', ',', '.', TOKEN_FLOORDIV, TOKEN_EQ, TOKEN_NE, TOKEN_LE, TOKEN_GE,
    TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_COUNT,
};

bool
tokens_continue_line(int kind)
{
    for (size_t i = 0; i < sizeof CONTINUING / sizeof *CONTINUING; i++)
        if (CONTINUING[i] == kind)
            return true;
    return false;
}

bool
tokens_is_comparison(int kind)
{
    return kind == '<' || kind == '>' || kind == TOKEN_EQ || kind == TOKEN_NE || kind == TOKEN_LE || kind == TOKEN_GE;
}

const struct opening *
tokens_unclosed(const struct reader *r)
{
    return r->nopen && r->open[r->nopen - 1].kind != '{' ? &r->open[r->nopen - 1] : NULL;
}

void
tokens_recover(struct reader *r)
{
    /* A fault at the beginning of a line inside brackets: the bracket was not closed, and here the next statement begins. */
    if (r->last_place.line > r->before_place.line)
        while (tokens_unclosed(r))
            r->nopen--;
    r->recovering = true;
}

void
tokens_recovered(struct reader *r)
{
    r->recovering = false;
}

static void
hold(struct reader *r, const struct token *t)
{
    *r->room = *t;
    r->held = r->room;
}

static void
read_raw(struct reader *r, struct token *t)
{
    t->kind = nnc_lex(&t->value, &t->place, r->scanner);
    if (t->kind == TOKEN_YYEOF) {
        r->at = r->length;
        r->size = 0;
        t->place = (struct place){r->file, r->line, r->column, 1};
    }
    if (t->kind != TOKEN_NEWLINE)
        r->line_begun = true;
    t->at = r->at;
    t->size = r->size;
}

/* The next token, where several newlines are one and none stands before { and else. */
static void
read_token(struct reader *r, struct token *t)
{
    if (r->held) {
        *t = *r->held;
        r->held = NULL;
        return;
    }
    read_raw(r, t);
    while (t->kind == TOKEN_NEWLINE && (tokens_unclosed(r) || tokens_continue_line(r->last)))
        read_raw(r, t);
    if (t->kind != TOKEN_NEWLINE)
        return;
    struct token next;
    do
        read_raw(r, &next);
    while (next.kind == TOKEN_NEWLINE);
    if (next.kind == '{' || next.kind == TOKEN_ELSE)
        *t = next;
    else
        hold(r, &next);
}

/* A brace or the end of the file ends the statement before it, whatever brackets are open. Turns |t| into a fault, which |t|
 * itself follows, unless the statement is known to be faulty. */
static void
give_up_brackets(struct reader *r, struct token *t)
{
    const struct opening open = *tokens_unclosed(r);
    while (tokens_unclosed(r))
        r->nopen--;
    if (r->recovering)
        return;
    if (!r->silent)
        diag_report(r->diag, BRACKET_OPEN, open.place, open.kind);
    reader_failed(r);
    hold(r, t);
    t->kind = TOKEN_NNC_YYerror;
}

/* The end of the file closes the braces that are open, so that what was read becomes a tree. */
static void
close_braces(struct reader *r, struct token *t)
{
    if (!r->silent) {
        diag_report(r->diag, BRACKET_OPEN, r->open[r->nopen - 1].place, '{');
        reader_failed(r);
        r->silent = true;
    }
    hold(r, t);
    t->kind = '}';
}

static void
keep_brackets(struct reader *r, const struct token *t)
{
    r->unopened = false;
    if (t->kind == '(' || t->kind == '[' || t->kind == '{') {
        if (r->nopen == NESTING_MAX)
            tree_too_deep(r, t->place);
        else
            r->open[r->nopen++] = (struct opening){t->kind, t->place};
    } else if (t->kind == ')' || t->kind == ']') {
        if (tokens_unclosed(r))
            r->nopen--;
    } else if (t->kind == '}') {
        r->unopened = !r->nopen;
        if (r->nopen)
            r->nopen--;
    }
}

int
tokens_next(NNC_YYSTYPE *value, struct place *place, struct reader *r)
{
    struct token t = {.kind = TOKEN_YYEOF, .place = r->last_place};
    if (!r->stop)
        read_token(r, &t);
    if ((t.kind == '{' || t.kind == '}' || t.kind == TOKEN_YYEOF) && tokens_unclosed(r))
        give_up_brackets(r, &t);
    if (t.kind == TOKEN_YYEOF && r->nopen)
        close_braces(r, &t);
    keep_brackets(r, &t);
    r->before = r->last;
    r->before_place = r->last_place;
    r->last = t.kind == ';' ? TOKEN_NEWLINE : t.kind;
    r->last_place = t.place;
    r->at = t.at;
    r->size = t.size;
    if (t.kind == TOKEN_NNC_YYerror)
        tokens_recover(r);
    *value = t.value;
    *place = t.place;
    return r->stop ? TOKEN_YYEOF : r->last;
}

static void
begin(struct reader *r, struct sources *s, int file, struct diag *diag)
{
    struct source *source = &s->source[file - 1];
    r->sources = s;
    r->arena = s->arena;
    r->diag = diag;
    r->file = file;
    r->line = r->column = 1;
    r->room = ARENA_NEW(r->arena, struct token);
    r->length = source->length;
    r->base = source->own ? source->own : memcpy(arena_alloc(r->arena, r->length + 2), source->text, r->length);
    if (!lexer_begin(r, r->base, r->length))
        longjmp(r->no_memory, 1);
}

/* Apart, because the jump comes back here. */
static bool
run(struct reader *r, struct sources *s, int file, struct diag *diag, reader_body *body, void *context)
{
    if (setjmp(r->no_memory))
        return false;
    begin(r, s, file, diag);
    body(r, context);
    return true;
}

bool
reader_run(struct reader *r, struct sources *s, int file, struct diag *diag, reader_body *body, void *context)
{
    jmp_buf *outer = s->arena->oom;
    struct arena_undo *undo = s->arena->undo;
    s->arena->oom = &r->no_memory;
    s->arena->undo = NULL;
    bool ran = run(r, s, file, diag, body, context);
    lexer_end(r);
    s->arena->oom = outer;
    s->arena->undo = undo;
    if (!ran && outer)
        arena_fail(s->arena);
    if (!ran)
        diag_report(diag, OUT_OF_MEMORY, ((struct place){.file = file, .line = 1, .column = 1, .length = 1}));
    return ran;
}

void
reader_failed(struct reader *r)
{
    if (++r->failures == READ_ERRORS_MAX)
        r->silent = r->stop = true;
}

const char *
reader_shown(struct reader *r)
{
    enum { SHOWN = 40 };
    const char *text = r->base + r->at, *end = text + r->size, *at = text;
    for (int i = 0; i < SHOWN && at < end; i++) {
        int step = utf8_step(at, end);
        at += step ? step : 1;
    }
    return arena_printf(r->arena, "%.*s%s", (int)(at - text), text, at < end ? "..." : "");
}
