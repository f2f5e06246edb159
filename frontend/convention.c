/* convention: whose defaults hold: a prelude file that holds what differs, and a block of facts that are no functions. */
#include "frontend/check.h"
#include <stddef.h>

enum fact_kind { FACT_CHOICE, FACT_BOOL, FACT_NAME };

/* The facts, with the words that each may take; the first stands for 0. */
static const struct fact {
    const char *name;
    enum fact_kind kind;
    size_t offset;
    const char *words[4];
    const char *means;
} fact_rows[] = {
    {"loss_shapes", FACT_CHOICE, offsetof(struct facts, loss_shapes), {"error", "squeeze", "broadcast", NULL},
     "the broadcast of the loss, [N] against [N, 1]"},
    {"epoch_loss", FACT_CHOICE, offsetof(struct facts, epoch_loss), {"by_sample", "by_batch", NULL}, "how the loss of an epoch is averaged"},
    {"valid_penalty", FACT_CHOICE, offsetof(struct facts, valid_penalty), {"include", "omit", NULL}, "penalties in valid_loss"},
    {"valid_batch", FACT_CHOICE, offsetof(struct facts, valid_batch), {"batch", "whole", NULL}, "how many rows are evaluated at once"},
    {"shuffle", FACT_BOOL, offsetof(struct facts, shuffle), {NULL}, "whether the rows are shuffled"},
    {"shuffle_order", FACT_NAME, offsetof(struct facts, shuffle_order), {NULL}, "the random stream of the order of rows"},
    {"random", FACT_NAME, offsetof(struct facts, random), {NULL}, "the random stream of initial weights"},
    {"dropout_stream", FACT_NAME, offsetof(struct facts, dropout_stream), {NULL}, "the random stream of dropout"},
    {"logits_shortcut", FACT_BOOL, offsetof(struct facts, logits_shortcut), {NULL}, "the loss's way around softmax or sigmoid to the logits"},
};
enum { FACTS = sizeof fact_rows / sizeof *fact_rows };
_Static_assert(FACTS <= sizeof ((struct facts *)0)->line / sizeof (int), "struct facts has a line for each");

void
facts_default(struct facts *f)
{
    *f = (struct facts){.shuffle = true, .shuffle_order = "nnc", .random = "nnc", .dropout_stream = "nnc"};
}

static bool
set_fact(struct checker *c, const struct fact *row, const struct ast *value)
{
    void *field = (char *)&c->x->facts + row->offset;
    const char *word = value->kind == AST_NAME ? value->text : NULL;
    if (row->kind == FACT_BOOL && value->kind == AST_BOOL) {
        *(bool *)field = value->whole != 0;
        return true;
    }
    if (row->kind == FACT_NAME && word && stream_convention_find(word) >= 0) {
        *(const char **)field = word;
        return true;
    }
    for (int i = 0; row->kind == FACT_CHOICE && word && row->words[i]; i++)
        if (!strcmp(row->words[i], word)) {
            *(int *)field = i;
            return true;
        }
    return false;
}

static const char *
fact_word(const struct fact *row, const struct facts *f)
{
    const void *field = (const char *)f + row->offset;
    if (row->kind == FACT_BOOL)
        return *(const bool *)field ? "true" : "false";
    return row->kind == FACT_NAME ? *(const char *const *)field : row->words[*(const int *)field];
}

bool
fact_row(const struct facts *f, int i, const char **out_name, const char **out_value, int *out_line)
{
    if (i >= FACTS)
        return false;
    *out_name = fact_rows[i].name;
    *out_value = fact_word(&fact_rows[i], f);
    *out_line = f->line[i];
    return true;
}

const char *
fact_means(int i)
{
    return fact_rows[i].means;
}

static void
run_fact(struct checker *c, const struct ast *s)
{
    const char *names[FACTS];
    for (int i = 0; i < FACTS; i++) {
        names[i] = fact_rows[i].name;
        if (s->kind != AST_WORD || strcmp(fact_rows[i].name, s->text))
            continue;
        if (s->nargs != 1 || !s->args[0].value || !set_fact(c, &fact_rows[i], s->args[0].value))
            diag_report(c->diag, FACT_VALUE, s->place, s->text, expression_text(c, s->nargs ? s->args[0].value : NULL));
        c->x->facts.line[i] = s->place.line;
        return;
    }
    if (s->kind != AST_WORD) {
        diag_report(c->diag, STATEMENT_MISPLACED, s->place);
        return;
    }
    diag_report(c->diag, UNKNOWN_STATEMENT, s->place, s->text);
    const char *near = nearest_name(s->text, names, FACTS);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

void
run_convention(struct checker *c, const struct ast *section)
{
    for (int i = 0; i < section->child[0]->nbody; i++) {
        const struct ast *s = section->child[0]->body[i];
        if (!s->text || convention_holds(c, s->text))
            run_fact(c, s);
    }
}

bool
convention_holds(const struct checker *c, const char *name)
{
    bool taken = false;
    if (c->reading == READING_JUDGE)
        return true;
    for (int i = 0; c->mixture && i < c->mixture->ntaken; i++)
        taken |= !c->mixture->taken[i].parameter && !strcmp(c->mixture->taken[i].name, name);
    return taken == (c->reading == READING_OTHER);
}

bool
convention_text(const char *name, const char **out_text, size_t *out_length)
{
    static const struct { const char *name; const char *text; const unsigned *length; } built_in[] = {
        {"keras", prelude_keras, &prelude_keras_length}, {"torch", prelude_torch, &prelude_torch_length}};
    for (int i = 0; i < 2; i++)
        if (!strcmp(name, built_in[i].name)) {
            *out_text = built_in[i].text;
            *out_length = *built_in[i].length;
            return true;
        }
    return false;
}
