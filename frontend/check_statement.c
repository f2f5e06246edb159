/* check_statement: the statements of definitions and of the model. */
#include "frontend/check.h"
#include "frontend/words.h"

/* run in all, with those of repeats and calls: what is more would not be ended in seconds */
enum { STATEMENTS_MAX = 500000 };

static void
run_bind(struct checker *c, const struct ast *s)
{
    if (s->nnames > 1) {
        report(c, SEVERAL_NAMES, s->place);
        return;
    }
    struct value v = evaluate_bound(c, s->names[0].text, s->child[0]);
    int var = v.kind == VALUE_TENSOR && v.node->op == OP_VAR ? v.node->attr->name.index : -1;
    struct binding *b = bind_name(c, s->names[0].text, v, s->names[0].place);
    if (var >= 0 && c->x->model.module && c->x->model.module->vars[var].kind == VARIABLE_STATE)
        b->var = var;
}

static void
run_return(struct checker *c, const struct ast *s)
{
    struct frame *f = c->frame;
    if (!f->def || s->nargs != 1 || !s->args[0].value) {
        report(c, RETURN_ONE, s->place);
        return;
    }
    f->result = evaluate_bound(c, "return", s->args[0].value);
    f->returned = true;
}

/* require CONDITION: false is the caller's fault. */
static void
run_require(struct checker *c, const struct ast *s)
{
    if (s->nargs != 1 || !s->args[0].value) {
        report(c, ONE_ARGUMENT, s->place, s->text);
        return;
    }
    const struct ast *e = s->args[0].value;
    struct value v = evaluate(c, e);
    bool truth;
    if (v.kind == VALUE_TENSOR && v.node->type.rank == 0) /* of a number that changes with the step: a schedule's rate */
        return;
    if (!value_truth(c, &v, &truth, s->place) || truth)
        return;
    report(c, REQUIRE_FAILED, s->place, c->frame->def ? c->frame->def->name : "model", statement_text(c, s->place));
    for (int i = 0; i < c->frame->nbindings; i++) {
        const struct binding *b = &c->frame->bindings[i];
        if (b->value.kind == VALUE_NUMBER && mentions(e, b->name))
            diag_report(c->diag, NOTE_VALUE, (struct place){0}, b->name, value_text(c, &b->value));
    }
    c->frame->returned = true; /* what follows relies on it */
    c->frame->result = value_error();
}

/* warn CONDITION, "text": true is no fault, but hardly meant. */
static void
run_warn(struct checker *c, const struct ast *s)
{
    bool formed = s->nargs == 2 && s->args[0].value && !s->args[0].name && s->args[1].value &&
        s->args[1].value->kind == AST_STRING;
    if (!formed) {
        report(c, WARN_FORM, s->place);
        return;
    }
    struct value v = evaluate(c, s->args[0].value);
    bool truth;
    if (v.kind == VALUE_TENSOR && v.node->type.rank == 0) /* known when a batch comes */
        return;
    if (!value_truth(c, &v, &truth, s->place) || !truth)
        return;
    struct place at = user_place(c, s->place);
    for (const struct diagnostic *d = c->diag->first; d; d = d->next) /* training and evaluation say the same */
        if (d->code == DIAG_WARNED && !memcmp(&d->place, &at, sizeof at))
            return;
    report(c, WARNED, s->place, c->frame->def ? c->frame->def->name : c->x->model.name, s->args[1].value->text);
}

/* Names that |block| binds directly, ifs and repeats included: marks the bindings of |f| from |first| on that it does not
 * bind. */
static bool
block_binds(const struct ast *block, const char *name)
{
    if (!block)
        return false;
    if (block->kind == AST_IF)
        return block_binds(block->child[1], name) || block_binds(block->child[2], name);
    for (int i = 0; i < block->nbody; i++) {
        const struct ast *s = block->body[i];
        if (s->kind == AST_BIND)
            for (int k = 0; k < s->nnames; k++)
                if (s->names[k].text == name)
                    return true;
        if (s->kind == AST_IF && block_binds(s, name))
            return true;
        if (s->kind == AST_REPEAT && block_binds(s->child[1], name))
            return true;
        if (s->kind == AST_WORD)
            for (int k = 0; k < s->nargs; k++)
                if (s->args[k].name == name)
                    return true;
    }
    return false;
}

static void
run_if(struct checker *c, const struct ast *s)
{
    struct value cond = evaluate(c, s->child[0]);
    bool truth;
    if (!value_truth(c, &cond, &truth, s->child[0]->place))
        return;
    struct frame *f = c->frame;
    int first = f->nbindings;
    const struct ast *taken = s->child[truth ? 1 : 2], *other = s->child[truth ? 2 : 1];
    if (taken && taken->kind == AST_IF)
        run_if(c, taken);
    else if (taken)
        run_block(c, taken);
    for (int i = first; i < f->nbindings; i++) {
        int k = f->bindings[i].hidden;
        while (k >= 0 && (k >= first || f->bindings[k].partial))
            k = f->bindings[k].hidden;
        f->bindings[i].partial |= k < 0 && !block_binds(other, f->bindings[i].name);
    }
}

static void
run_repeat(struct checker *c, const struct ast *s)
{
    struct value from = evaluate(c, s->child[0]->child[0]), to = evaluate(c, s->child[0]->child[1]);
    int64_t a, b;
    if (!value_count(c, &from, "a bound of repeat", &a, s->place) || !value_count(c, &to, "a bound of repeat", &b, s->place))
        return;
    if (b - a > 100000) {
        report(c, REPEAT_TOO_LONG, s->place, (long long)(b - a + 1));
        return;
    }
    struct frame *f = c->frame;
    const char *outer = f->iteration;
    int errors = c->diag->errors;
    for (int64_t i = a, k = 1; i <= b && c->diag->errors == errors && !f->returned; i++, k++) {
        f->iteration = arena_printf(c->arena, "%s[%lld]", outer, (long long)k);
        bind_name(c, s->names[0].text, value_whole(i), s->names[0].place);
        run_block(c, s->child[1]);
    }
    f->iteration = outer;
}

static bool
named_value(struct checker *c, const struct ast *s, const struct ast_arg **out)
{
    if (s->nargs == 1 && s->args[0].name && s->args[0].value && !s->args[0].type) {
        *out = &s->args[0];
        return true;
    }
    report(c, NAME_VALUE_EXPECTED, s->place, s->text, s->text);
    return false;
}

static void
run_state_word(struct checker *c, const struct ast *s)
{
    const struct ast_arg *a;
    if (named_value(c, s, &a))
        run_state(c, a);
}

static void
run_update_word(struct checker *c, const struct ast *s)
{
    const struct ast_arg *a;
    if (named_value(c, s, &a))
        run_update(c, a);
}

static const struct word {
    const char *word;
    bool model_only;
    void (*run)(struct checker *c, const struct ast *s);
} words[] = {
    {"state", false, run_state_word}, {"update", false, run_update_word}, {"require", false, run_require},
    {"warn", false, run_warn},
    {"input", true, run_input},       {"target", true, run_input},        {"output", true, run_output},
    {"loss", true, run_loss},         {"penalty", true, run_loss},        {"metric", true, run_metric},
};

int
model_words(const char **out, int max)
{
    int n = 0;
    for (; n < (int)(sizeof words / sizeof *words) && n < max; n++)
        out[n] = words[n].word;
    return n;
}

static void
run_word(struct checker *c, const struct ast *s)
{
    const char *names[16];
    int n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        names[n++] = words[i].word;
        if (strcmp(words[i].word, s->text))
            continue;
        if (words[i].model_only && c->frame->def)
            report(c, WORD_MISPLACED, s->place, s->text);
        else
            words[i].run(c, s);
        return;
    }
    report(c, UNKNOWN_STATEMENT, s->place, s->text);
    const char *near = nearest_name(s->text, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

/* Whether the judge of a mixture sees a statement of the model: a loss, a penalty, a metric, and what depends on a target. */
static bool
is_judged(struct checker *c, const struct ast *s)
{
    if (!c->judge || c->judge->holds || c->frame->def || c->purpose != FOR_MODEL)
        return false;
    if (s->kind == AST_WORD)
        return !strcmp(s->text, "loss") || !strcmp(s->text, "penalty") || !strcmp(s->text, "metric");
    if (s->kind != AST_BIND || s->nnames != 1)
        return false;
    bool depends = false;
    const struct model *m = &c->x->model;
    for (int i = 0; i < m->ninputs; i++)
        depends |= m->is_target[i] && mentions(s->child[0], m->inputs[i].name);
    for (int i = 0; i < c->judged.cap && !depends; i++)
        depends = c->judged.name[i] && mentions(s->child[0], c->judged.name[i]);
    if (depends)
        name_map_set(&c->judged, c->arena, s->names[0].text, 1);
    return depends;
}

static void run_one(struct checker *c, const struct ast *s);

static void
run_statement(struct checker *c, const struct ast *s)
{
    bool judged = is_judged(c, s);
    if (judged)
        judge_swap(c);
    run_one(c, s);
    if (judged)
        judge_swap(c);
}

static void
run_one(struct checker *c, const struct ast *s)
{
    if (++c->statements > STATEMENTS_MAX) {
        if (c->statements == STATEMENTS_MAX + 1)
            report(c, TOO_MANY_STATEMENTS, s->place, STATEMENTS_MAX);
        c->frame->returned = true;
        c->frame->result = value_error();
        return;
    }
    switch (s->kind) {
    case AST_BIND: run_bind(c, s); break;
    case AST_WORD: run_word(c, s); break;
    case AST_IF: run_if(c, s); break;
    case AST_REPEAT: run_repeat(c, s); break;
    case AST_RETURN: run_return(c, s); break;
    case AST_SCAN:
    case AST_YIELD: report(c, NO_SCAN, s->place); break;
    default: report(c, STATEMENT_MISPLACED, s->place); break;
    }
}

void
run_block(struct checker *c, const struct ast *block)
{
    for (int i = 0; i < block->nbody && !c->frame->returned; i++)
        run_statement(c, block->body[i]);
}
