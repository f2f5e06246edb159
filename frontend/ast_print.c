#include "frontend/sources.h"

struct printer {
    FILE *out;
    bool places;
};

static const char *const KIND_NAMES[] = {
    [AST_NUMBER] = "number", [AST_STRING] = "string", [AST_BOOL] = "bool", [AST_NAME] = "name", [AST_ELLIPSIS] = "...",
    [AST_LIST] = "list", [AST_UNARY] = "unary", [AST_BINARY] = "binary", [AST_COND] = "cond", [AST_CALL] = "call",
    [AST_INDEX] = "index", [AST_FIELD] = "field", [AST_RANGE] = "range", [AST_COUNT] = "count", [AST_BLOCK] = "block",
    [AST_BIND] = "bind", [AST_WORD] = "word", [AST_IF] = "if", [AST_REPEAT] = "repeat", [AST_SCAN] = "scan",
    [AST_YIELD] = "yield", [AST_RETURN] = "return", [AST_SECTION] = "section", [AST_DEFINITION] = "definition",
};

static const struct {
    int op;
    const char *name;
} OP_NAMES[] = {
    {AST_OR, "or"}, {AST_AND, "and"}, {AST_NOT, "not"}, {AST_EQ, "=="}, {AST_NE, "!="}, {AST_LE, "<="}, {AST_GE, ">="},
    {AST_FLOORDIV, "//"}, {AST_FUNCTION, "function"}, {AST_LAYER, "layer"}, {AST_INITIALIZER, "initializer"},
    {AST_SCHEDULE, "schedule"}, {AST_OPTIMIZER, "optimizer"},
};

static void
print_op(struct printer *p, int op)
{
    for (size_t i = 0; i < sizeof OP_NAMES / sizeof *OP_NAMES; i++)
        if (OP_NAMES[i].op == op)
            fprintf(p->out, " %s", OP_NAMES[i].name);
    if (op > 0 && op < 128)
        fprintf(p->out, " %c", op);
}

/* A text as it could stand in a file, on one line. */
static void
print_quoted(FILE *out, const char *text)
{
    fputs(" \"", out);
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\t')
            fputs("\\t", out);
        else {
            if (*text == '"' || *text == '\\')
                putc('\\', out);
            putc(*text, out);
        }
    }
    putc('"', out);
}

static void
indent(struct printer *p, int level)
{
    fprintf(p->out, "%*s", 2 * level, "");
}

static void
end_line(struct printer *p, struct place place)
{
    if (p->places)
        fprintf(p->out, " @%d:%d+%d", place.line, place.column, place.length);
    putc('\n', p->out);
}

/* What stands on the node's own line. */
static void
print_head(struct printer *p, const struct ast *a)
{
    fputs(KIND_NAMES[a->kind], p->out);
    print_op(p, a->op);
    if (a->kind == AST_NUMBER && a->is_whole)
        fprintf(p->out, " %lld", (long long)a->whole);
    else if (a->kind == AST_NUMBER)
        fprintf(p->out, " %.17g", a->number);
    else if (a->kind == AST_BOOL)
        fputs(a->whole ? " true" : " false", p->out);
    else if (a->kind == AST_STRING)
        print_quoted(p->out, a->text);
    else if (a->text)
        fprintf(p->out, " %s", a->text);
    if (a->kind == AST_SCAN && a->whole)
        fputs(" reversed", p->out);
    for (int i = 0; i < a->nnames; i++)
        fprintf(p->out, " %s", a->names[i].text);
    end_line(p, a->place);
}

/* Recursion is bounded: the parser makes no tree that is deeper than 256. */
static void
print_node(struct printer *p, const struct ast *a, int level)
{
    indent(p, level);
    if (!a) {
        fputs("none\n", p->out);
        return;
    }
    print_head(p, a);
    int children = a->child[2] ? 3 : a->child[1] ? 2 : a->child[0] ? 1 : 0;
    for (int i = 0; i < children; i++)
        print_node(p, a->child[i], level + 1);
    for (int i = 0; i < a->nargs; i++) {
        const struct ast_arg *arg = &a->args[i];
        indent(p, level + 1);
        fputs("arg", p->out);
        if (arg->word)
            fprintf(p->out, " %s", arg->word);
        if (arg->name)
            fprintf(p->out, " %s%s", arg->name, arg->value ? " =" : "");
        end_line(p, arg->place);
        if (arg->type) {
            indent(p, level + 2);
            fputs("type\n", p->out);
            print_node(p, arg->type, level + 3);
        }
        if (arg->value)
            print_node(p, arg->value, level + 2);
    }
    for (int i = 0; i < a->nbody; i++)
        print_node(p, a->body[i], level + 1);
}

void
ast_print(const struct ast_file *file, FILE *out, bool places)
{
    struct printer p = {out, places};
    print_node(&p, file->block, 0);
}
