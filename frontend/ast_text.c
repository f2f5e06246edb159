/* ast_text: a tree as text again, in one spelling: two texts are equal if the trees are, whatever their layout and comments. */
#include "frontend/sources.h"
#include "runtime/number_text.h"
#include "runtime/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How tightly an expression holds together, as the grammar has it. */
enum level { LEVEL_COND, LEVEL_OR, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_SUM, LEVEL_PRODUCT, LEVEL_MATMUL, LEVEL_MINUS, LEVEL_POWER, LEVEL_CALL };

static const struct operator {
    int op;
    const char *text;
    enum level level;
} operators[] = {
    {AST_OR, "or", LEVEL_OR}, {AST_AND, "and", LEVEL_AND}, {AST_NOT, "not ", LEVEL_NOT},
    {AST_EQ, "==", LEVEL_COMPARE}, {AST_NE, "!=", LEVEL_COMPARE}, {AST_LE, "<=", LEVEL_COMPARE}, {AST_GE, ">=", LEVEL_COMPARE},
    {'<', "<", LEVEL_COMPARE}, {'>', ">", LEVEL_COMPARE}, {'+', "+", LEVEL_SUM}, {'-', "-", LEVEL_SUM}, {'*', "*", LEVEL_PRODUCT},
    {'/', "/", LEVEL_PRODUCT}, {AST_FLOORDIV, "//", LEVEL_PRODUCT}, {'@', "@", LEVEL_MATMUL}, {'^', "^", LEVEL_POWER},
    {AST_FUNCTION, "function", LEVEL_CALL}, {AST_LAYER, "layer", LEVEL_CALL}, {AST_INITIALIZER, "initializer", LEVEL_CALL},
    {AST_SCHEDULE, "schedule", LEVEL_CALL}, {AST_OPTIMIZER, "optimizer", LEVEL_CALL},
};

static const struct operator *
operator_of(int op)
{
    size_t i = 0;
    while (i + 1 < sizeof operators / sizeof *operators && operators[i].op != op)
        i++;
    return &operators[i];
}

static void put(struct text *t, const struct ast *a, enum level around);

static void
put_word(struct text *t, const char *word)
{
    text_bytes(t, word, strlen(word));
}

static void
put_number(struct text *t, const struct ast *a)
{
    char digits[NUMBER_TEXT];
    if (a->is_whole)
        text_printf(t, "%lld", (long long)a->whole);
    else
        text_bytes(t, digits, (size_t)number_text_f64(a->number, digits));
}

static void
put_string(struct text *t, const char *s)
{
    put_word(t, "\"");
    for (; *s; s++) {
        const char *escaped = *s == '\n' ? "\\n" : *s == '\t' ? "\\t" : *s == '"' ? "\\\"" : *s == '\\' ? "\\\\" : NULL;
        text_bytes(t, escaped ? escaped : s, escaped ? 2 : 1);
    }
    put_word(t, "\"");
}

/* Arguments, parameters, items: commas between them but where a word stands. */
static void
put_args(struct text *t, const struct ast_arg *args, int count)
{
    for (int i = 0; i < count; i++) {
        const struct ast_arg *a = &args[i];
        if (a->word)
            text_printf(t, i ? " %s " : "%s ", a->word);
        else if (i)
            put_word(t, ", ");
        if (a->name)
            put_word(t, a->name);
        if (a->type) {
            put_word(t, ": ");
            put(t, a->type, LEVEL_COND);
        }
        if (a->value && (a->name || a->type))
            put_word(t, " = ");
        if (a->value)
            put(t, a->value, LEVEL_COND);
    }
}

static void
put_binary(struct text *t, const struct ast *a, enum level around)
{
    const struct operator *o = operator_of(a->op);
    bool right = o->level == LEVEL_POWER, neither = o->level == LEVEL_COMPARE;
    if (o->level < around)
        put_word(t, "(");
    put(t, a->child[0], right || neither ? o->level + 1 : o->level);
    text_printf(t, " %s ", o->text);
    put(t, a->child[1], right ? o->level : o->level + 1);
    if (o->level < around)
        put_word(t, ")");
}

static void
put_unary(struct text *t, const struct ast *a, enum level around)
{
    enum level own = a->op == AST_NOT ? LEVEL_NOT : LEVEL_MINUS;
    put_word(t, own < around ? "(" : "");
    put_word(t, operator_of(a->op)->text);
    put(t, a->child[0], own);
    put_word(t, own < around ? ")" : "");
}

static void
put_cond(struct text *t, const struct ast *a, enum level around)
{
    put_word(t, around > LEVEL_COND ? "(" : "");
    put(t, a->child[0], LEVEL_OR);
    put_word(t, " ? ");
    put(t, a->child[1], LEVEL_COND);
    put_word(t, " : ");
    put(t, a->child[2], LEVEL_COND);
    put_word(t, around > LEVEL_COND ? ")" : "");
}

/* Two that may be missing, with something between. */
static void
put_pair(struct text *t, const struct ast *a, const char *between)
{
    if (a->child[0])
        put(t, a->child[0], LEVEL_OR);
    put_word(t, between);
    if (a->child[1])
        put(t, a->child[1], LEVEL_OR);
}

static void
put_names(struct text *t, const struct ast_name *names, int count)
{
    for (int i = 0; i < count; i++)
        text_printf(t, i ? ", %s" : "%s", names[i].text);
}

static void
put_block(struct text *t, const struct ast *a)
{
    put_word(t, "{ ");
    for (int i = 0; i < a->nbody; i++) {
        put_word(t, i ? "; " : "");
        put(t, a->body[i], LEVEL_COND);
    }
    put_word(t, " }");
}

static void
put_if(struct text *t, const struct ast *a)
{
    put_word(t, "if ");
    put(t, a->child[0], LEVEL_COND);
    put_word(t, " ");
    put(t, a->child[1], LEVEL_COND);
    if (a->child[2]) {
        put_word(t, " else ");
        put(t, a->child[2], LEVEL_COND);
    }
}

static void
put_loop(struct text *t, const struct ast *a)
{
    text_printf(t, a->kind == AST_SCAN ? "scan %s in " : "repeat %s in ", a->names[0].text);
    put(t, a->child[0], LEVEL_COND);
    if (a->kind == AST_SCAN) {
        put_word(t, a->whole ? " reversed carry " : " carry ");
        put_args(t, a->args, a->nargs);
    }
    put_word(t, " ");
    put(t, a->child[1], LEVEL_COND);
    put_word(t, a->nnames > 1 ? " as " : "");
    put_names(t, a->names + 1, a->nnames - 1);
}

static void
put_definition(struct text *t, const struct ast *a)
{
    text_printf(t, "%s %s(", operator_of(a->op)->text, a->names[0].text);
    put_args(t, a->args, a->nargs);
    put_word(t, ") ");
    put(t, a->child[0], LEVEL_COND);
}

/* A word with what follows it; nothing in brackets. */
static void
put_statement(struct text *t, const char *word, const struct ast *a)
{
    put_word(t, word);
    put_word(t, a->nargs ? " " : "");
    put_args(t, a->args, a->nargs);
}

static void
put_called(struct text *t, const struct ast *a, const char *open, const char *close)
{
    if (a->child[0])
        put(t, a->child[0], LEVEL_CALL);
    put_word(t, open);
    put_args(t, a->args, a->nargs);
    put_word(t, close);
}

/* Recursion is bounded: the parser makes no tree that is deeper than 256. */
static void
put(struct text *t, const struct ast *a, enum level around)
{
    switch (a->kind) {
    case AST_NUMBER: put_number(t, a); break;
    case AST_STRING: put_string(t, a->text); break;
    case AST_BOOL: put_word(t, a->whole ? "true" : "false"); break;
    case AST_NAME: put_word(t, a->text); break;
    case AST_ELLIPSIS: put_word(t, "..."); break;
    case AST_LIST:
    case AST_INDEX: put_called(t, a, "[", "]"); break;
    case AST_CALL: put_called(t, a, "(", ")"); break;
    case AST_UNARY: put_unary(t, a, around); break;
    case AST_BINARY: put_binary(t, a, around); break;
    case AST_COND: put_cond(t, a, around); break;
    case AST_FIELD:
        put(t, a->child[0], LEVEL_CALL);
        text_printf(t, ".%s", a->text);
        break;
    case AST_RANGE: put_pair(t, a, ":"); break;
    case AST_COUNT: put_pair(t, a, ".."); break;
    case AST_BLOCK: put_block(t, a); break;
    case AST_BIND:
        put_names(t, a->names, a->nnames);
        put_word(t, " = ");
        put(t, a->child[0], LEVEL_COND);
        break;
    case AST_WORD: put_statement(t, a->text, a); break;
    case AST_IF: put_if(t, a); break;
    case AST_REPEAT:
    case AST_SCAN: put_loop(t, a); break;
    case AST_YIELD: put_statement(t, "yield", a); break;
    case AST_RETURN: put_statement(t, "return", a); break;
    case AST_SECTION:
        text_printf(t, a->nnames ? "%s %s " : "%s ", a->text, a->nnames ? a->names[0].text : "");
        put(t, a->child[0], LEVEL_COND);
        break;
    case AST_DEFINITION: put_definition(t, a); break;
    }
}

const char *
ast_text(const struct ast *a, struct arena *arena)
{
    struct text t = {0};
    put(&t, a, LEVEL_COND);
    const char *out = t.failed ? NULL : arena_text(arena, t.data ? t.data : "", t.size);
    free(t.data);
    if (!out && arena->oom)
        longjmp(*arena->oom, 1);
    return out;
}
