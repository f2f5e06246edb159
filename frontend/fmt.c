/* fmt: the canonical layout. It works on the tokens, so that nothing but blanks, newlines and semicolons can change: four
 * columns a block, one statement a line, one blank between tokens or none. What users decide stays: where a statement in
 * brackets is broken, single blank lines, and whether a block of one statement stands on one line. Comments keep their text
 * and their lines. */
#include "frontend/lexer.h"
#include "frontend/tokens.h"
#include <string.h>

enum { INDENT = 4 };

/* What a token is to its neighbours. */
enum role {
    ROLE_OTHER,
    ROLE_WORD,   /* a statement's word, or one between its arguments: what follows is an expression */
    ROLE_END,    /* ends an expression: what follows goes on with it */
    ROLE_PREFIX, /* the minus before an operand */
    ROLE_TIGHT   /* no blanks around: a range's colon */
};

/* A token or a comment. */
struct piece {
    int kind;
    bool comment, alone;
    const char *text;
    int length;
    int line;
    int newlines;  /* before it in the source */
    bool separate; /* a semicolon stood before it */
};

struct piece_list {
    struct piece *at;
    int count, cap;
};

struct bracket {
    int kind;  /* ( [ {; 'i' for an index */
    int conds; /* ? whose : is still to come */
    bool on_one_line;
};

struct layout {
    FILE *out;
    const struct piece *piece;
    int count;
    struct bracket bracket[NESTING_MAX + 1]; /* [0]: the file */
    int depth, level;                        /* of brackets; of blocks that are broken into lines */
    bool at_start;                           /* of a statement */
    enum role before;
};

/* Puts the comments that stand before |place| into the list. */
static void
take_comments(struct reader *r, struct piece_list *list, int *taken, const struct place *before)
{
    for (; *taken < r->ncomments; ++*taken) {
        const struct ast_comment *c = &r->comments[*taken];
        if (before && (c->place.line > before->line || (c->place.line == before->line && c->place.column > before->column)))
            break;
        size_t length = strlen(c->text);
        while (length && strchr(" \t\r", c->text[length - 1]))
            length--;
        *ARENA_PUSH(r->arena, list->at, list->count, list->cap) = (struct piece){
            .comment = true, .alone = c->alone, .text = c->text, .length = (int)length, .line = c->place.line};
    }
}

/* All tokens and comments in their order. */
static void
read_pieces(struct reader *r, void *context)
{
    struct piece_list *list = context;
    bool separate = false;
    int taken = 0;
    for (struct token t; (t.kind = nnc_lex(&t.value, &t.place, r->scanner)) != TOKEN_YYEOF;) {
        r->line_begun |= t.kind != TOKEN_NEWLINE;
        take_comments(r, list, &taken, &t.place);
        if (t.kind == ';')
            separate = true;
        if (t.kind == ';' || t.kind == TOKEN_NEWLINE)
            continue;
        *ARENA_PUSH(r->arena, list->at, list->count, list->cap) = (struct piece){
            .kind = t.kind, .text = r->base + r->at, .length = (int)r->size, .line = t.place.line, .separate = separate};
        separate = false;
    }
    take_comments(r, list, &taken, NULL);
    for (int i = 0; i < list->count; i++)
        list->at[i].newlines = list->at[i].line - (i ? list->at[i - 1].line : list->at[i].line);
}

static struct bracket *
top(struct layout *l)
{
    return &l->bracket[l->depth];
}

static bool
in_brackets(const struct layout *l)
{
    return l->bracket[l->depth].kind == '(' || l->bracket[l->depth].kind == '[' || l->bracket[l->depth].kind == 'i';
}

/* Whether the block that opens at |i| is to stay on one line: it stood on one and has one statement and no block inside. */
static bool
fits_line(const struct layout *l, int i)
{
    for (int at = i + 1; at < l->count; at++) {
        const struct piece *p = &l->piece[at];
        if (p->comment || p->newlines || p->kind == '{')
            return false;
        if (p->kind == '}')
            return true;
        if (p->separate)
            return false;
    }
    return false;
}

static enum role
role_of(struct layout *l, int i)
{
    const struct piece *p = &l->piece[i];
    int next = i + 1 < l->count ? l->piece[i + 1].kind : 0;
    switch (p->kind) {
    case TOKEN_NAME:
        if (l->at_start)
            return next == '=' || next == ',' ? ROLE_END : ROLE_WORD;
        return l->before == ROLE_END ? ROLE_WORD : ROLE_END;
    case TOKEN_NUMBER:
    case TOKEN_STRING:
    case TOKEN_TRUE:
    case TOKEN_FALSE:
    case TOKEN_ELLIPSIS:
    case ')':
    case ']':
        return ROLE_END;
    case '-':
        return l->before == ROLE_END ? ROLE_OTHER : ROLE_PREFIX;
    case TOKEN_COUNT:
    case TOKEN_ORDINAL:
    case '.':
        return ROLE_TIGHT;
    case ':':
        if (top(l)->conds)
            return ROLE_OTHER;
        /* name: type, or the colon of a range */
        return top(l)->kind != 'i' && i && l->piece[i - 1].kind == TOKEN_NAME ? ROLE_OTHER : ROLE_TIGHT;
    default:
        return ROLE_OTHER;
    }
}

/* Whether a blank stands between the last token and |p| on one line. */
static bool
blank_between(struct layout *l, const struct piece *last, const struct piece *p, enum role role)
{
    if (last->kind == '(' || last->kind == '[' || l->before == ROLE_PREFIX || l->before == ROLE_TIGHT)
        return false;
    if (role == ROLE_TIGHT)
        return last->kind == ',';
    if (p->kind == ')' || p->kind == ']' || p->kind == ',')
        return false;
    if (p->kind == '(' || p->kind == '[')
        return l->before != ROLE_END;
    if (p->kind == ':')
        return top(l)->conds > 0;
    return true;
}

static void
break_line(struct layout *l, int lines, int level)
{
    fputs(lines > 1 ? "\n\n" : "\n", l->out);
    fprintf(l->out, "%*s", level * INDENT, "");
}

/* What stands between |last| and |p|: a newline, a blank, or nothing. */
static void
put_gap(struct layout *l, int i, enum role role)
{
    const struct piece *p = &l->piece[i], *last = &l->piece[i - 1];
    int lines = p->newlines > 1 ? 2 : 1;
    bool closes = p->kind == ')' || p->kind == ']';
    if (p->comment && !p->alone)
        fputs("  ", l->out);
    else if (p->kind == '}' && last->kind == '{' && !last->comment)
        return;
    else if (p->kind == '}' && !top(l)->on_one_line)
        break_line(l, 1, l->level - 1);
    else if (last->kind == '{' && !last->comment && top(l)->on_one_line)
        putc(' ', l->out);
    else if (last->kind == '{' && !last->comment)
        break_line(l, 1, l->level);
    else if (in_brackets(l) || (!l->at_start && !p->comment)) {
        bool opens = (p->kind == '{' || p->kind == TOKEN_ELSE) && !last->comment;
        if (p->newlines && !opens)
            break_line(l, 1, l->level + (!closes && p->kind != '{' && p->kind != TOKEN_ELSE));
        else if (blank_between(l, last, p, role))
            putc(' ', l->out);
    } else
        break_line(l, lines, l->level + (!l->at_start && p->comment));
}

/* Whether |p| begins a statement: it stands behind a semicolon, or on a line of its own where a newline counts. */
static bool
begins_statement(const struct layout *l, int i, int last_kind)
{
    const struct piece *p = &l->piece[i];
    if (in_brackets(l) || p->kind == '{' || p->kind == TOKEN_ELSE || p->kind == '}')
        return false;
    if (last_kind == '{' || !last_kind || p->separate)
        return true;
    bool newline = false;
    for (int at = i; at > 0 && !newline; at--) {
        newline = l->piece[at].newlines > 0;
        if (!l->piece[at - 1].comment)
            break;
    }
    return newline && !tokens_continue_line(last_kind);
}

/* Keeps the brackets; called after the token was written. */
static void
pass_token(struct layout *l, int i, enum role role)
{
    int kind = l->piece[i].kind;
    if (kind == '?')
        top(l)->conds++;
    else if (kind == ':' && top(l)->conds)
        top(l)->conds--;
    else if (kind == '(' || kind == '[' || kind == '{') {
        bool index = kind == '[' && l->before == ROLE_END, one = kind == '{' && fits_line(l, i);
        l->bracket[++l->depth] = (struct bracket){index ? 'i' : kind, 0, one};
        l->level += kind == '{' && !one;
    } else if (kind == ')' || kind == ']' || kind == '}') {
        l->level -= kind == '}' && !top(l)->on_one_line;
        l->depth--;
    }
    l->before = role;
}

static void
put_all(struct layout *l)
{
    int last_kind = 0; /* of the last token that is no comment */
    for (int i = 0; i < l->count; i++) {
        const struct piece *p = &l->piece[i];
        enum role role = ROLE_OTHER;
        if (p->comment)
            l->at_start = !in_brackets(l) && !tokens_continue_line(last_kind);
        else if ((l->at_start = begins_statement(l, i, last_kind)))
            l->before = ROLE_OTHER, top(l)->conds = 0;
        if (!p->comment)
            role = role_of(l, i);
        if (i)
            put_gap(l, i, role);
        fwrite(p->text, 1, (size_t)p->length, l->out);
        if (p->comment)
            continue;
        pass_token(l, i, role);
        last_kind = p->kind;
    }
    if (l->count)
        putc('\n', l->out);
}

void
ast_format(const struct ast_file *file, FILE *out)
{
    struct reader r = {0};
    struct piece_list list = {0};
    struct diag ignored; /* the file was parsed: there is nothing to report but want of memory */
    diag_init(&ignored, file->sources->arena);
    if (!reader_run(&r, file->sources, file->file, &ignored, read_pieces, &list))
        return;
    struct layout l = {.out = out, .piece = list.at, .count = list.count};
    put_all(&l);
}
