/* data_split: split x, y into train, valid by 0.2, seed = 7, stratify = y. */
#include "frontend/data_run.h"
#include "runtime/data/deal.h"
#include <stdlib.h>
#include <string.h>

struct split {
    struct data_run *r;
    const struct ast *ast;
    struct data_set all;       /* what is split */
    double by;
    const struct ast_arg *seed_at, *stratify_at;
    uint32_t seed;
    struct data_value stratify;
};

static bool
fail_form(const struct split *s, struct place place)
{
    diag_report(s->r->diag, SPLIT_FORM, place);
    return false;
}

/* ---- the statement ---- */

static bool
is_name(const struct ast_arg *a, const char *word, const char *text)
{
    return (word ? a->word && !strcmp(a->word, word) : !a->word) && !a->name && a->value && a->value->kind == AST_NAME &&
           !strcmp(a->value->text, text);
}

static bool
take_fraction(struct split *s, const struct ast_arg *a)
{
    struct data_value v;
    if (!a->word || strcmp(a->word, "by") || a->name || !a->value)
        return fail_form(s, a->place);
    if (!data_eval(s->r, a->value, &v))
        return false;
    if (v.kind == DATA_NUMBER && v.number.real > 0 && v.number.real < 1) {
        s->by = v.number.real;
        return true;
    }
    diag_report(s->r->diag, SPLIT_FRACTION, a->value->place, data_describe(&v, s->r->env->arena));
    return false;
}

static bool
take_seed(struct split *s, const struct ast_arg *a)
{
    struct data_value v;
    if (!data_eval(s->r, a->value, &v))
        return false;
    if (v.kind != DATA_NUMBER || !v.number.is_whole || v.number.is_bool || v.number.whole < 0 || v.number.whole > UINT32_MAX) {
        diag_report(s->r->diag, SPLIT_SEED, a->value->place, data_describe(&v, s->r->env->arena));
        return false;
    }
    s->seed = (uint32_t)v.number.whole;
    s->seed_at = a;
    return true;
}

static bool
take_option(struct split *s, const struct ast_arg *a)
{
    bool seed = a->name && !strcmp(a->name, "seed"), stratify = a->name && !strcmp(a->name, "stratify");
    if (a->word || !a->value || (!seed && !stratify) || (seed && s->seed_at) || (stratify && s->stratify_at))
        return fail_form(s, a->place);
    if (seed)
        return take_seed(s, a);
    s->stratify_at = a;
    return data_eval(s->r, a->value, &s->stratify);
}

/* What is split, then into train, valid, then by, then the options. */
static bool
take_arguments(struct split *s)
{
    const struct ast_arg *a = s->ast->args, *end = a + s->ast->nargs;
    bool good = true;
    for (; a < end && !a->word; a++)
        good &= data_bind_input(s->r, "split", &s->all, a);
    if (end - a < 3 || !s->all.count || !is_name(a, "into", "train") || !is_name(a + 1, NULL, "valid"))
        return good ? fail_form(s, a < end ? a->place : s->ast->place) : false;
    good &= take_fraction(s, a + 2);
    for (a += 3; a < end; a++)
        good &= take_option(s, a);
    return good;
}

/* ---- the rows ---- */

/* The rows of the train set, then those of the valid set; NULL on failure. */
static const struct tensor *
dealt_rows(struct split *s, int64_t valid)
{
    const int64_t rows = s->all.rows;
    struct diag *diag = s->r->diag;
    struct type type = {.elem = ELEM_I64, .rank = 1, .dim = {rows}};
    struct tensor *order = data_pool_new(&s->r->context->pool, &type, s->ast->place, diag);
    int64_t *classes = order && s->stratify_at ? calloc((size_t)rows + 1, sizeof *classes) : NULL;
    if (!order)
        return NULL;
    for (int64_t i = 0; i < rows; i++)
        ((int64_t *)order->data)[i] = i;
    enum deal outcome = DEAL_OK;
    if (s->stratify_at && (!classes || !data_classes(&s->stratify, classes)))
        outcome = DEAL_MEMORY;
    else if (s->seed_at)
        outcome = split_deal(rows, valid, classes, s->seed, order->data);
    free(classes);
    if (outcome == DEAL_MEMORY)
        diag_report(diag, OUT_OF_MEMORY, s->ast->place);
    else if (outcome == DEAL_FEW)
        diag_report(diag, SPLIT_CLASSES, s->stratify_at->place, (long long)(rows - valid), (long long)valid);
    return outcome == DEAL_OK ? order : NULL;
}

/* Makes |b|'s value those |rows| of it: in place if they lie together, else a copy. */
static bool
take_rows(struct data_context *c, const struct tensor *rows, struct data_binding *b)
{
    const int64_t *row = rows->data, n = rows->type.dim[0];
    int64_t i = 1;
    while (i < n && row[i] == row[0] + i)
        i++;
    b->origin = rows;
    if (i == n) {
        b->value.type.dim[0] = 1;
        b->value.data = (char *)b->value.data + row[0] * tensor_bytes(&b->value);
        b->value.type.dim[0] = n;
        return true;
    }
    const struct tensor *in[2] = {&b->value, rows}, *taken = data_apply(c, OP_GATHER, 2, in, NULL, NULL, b->place);
    if (taken)
        b->value = *taken;
    return taken;
}

/* Rows |from| to below |to| of |order|, of all that is split, into |set|. */
static bool
bind_rows(struct split *s, struct data_set *set, const char *word, const struct tensor *order, int64_t from, int64_t to)
{
    struct data_context *c = s->r->context;
    struct type type = {.elem = ELEM_I64, .rank = 1, .dim = {to - from}};
    struct tensor *rows = data_pool_new(&c->pool, &type, s->ast->place, s->r->diag);
    if (!rows)
        return false;
    memcpy(rows->data, (const int64_t *)order->data + from, (size_t)tensor_bytes(rows));
    for (int i = 0; i < s->all.count; i++) {
        struct data_binding b = s->all.bindings[i];
        const struct data_binding *earlier = data_set_find(set, b.name);
        if (earlier) {
            diag_report(s->r->diag, DATA_INPUT_TWICE, b.place, word, b.name);
            diag_report(s->r->diag, NOTE_DECLARED, earlier->place, b.name);
            return false;
        }
        if (!take_rows(c, rows, &b))
            return false;
        if (set->count && set->rows != to - from) {
            diag_report(s->r->diag, DATA_ROWS_DIFFER, b.place, word, set->bindings[0].name, (long long)set->rows, b.name, (long long)(to - from));
            return false;
        }
        set->rows = to - from;
        *ARENA_PUSH(s->r->env->arena, set->bindings, set->count, set->cap) = b;
    }
    return true;
}

static bool
options_fit(struct split *s)
{
    if (!s->stratify_at)
        return true;
    if (!s->seed_at) {
        diag_report(s->r->diag, SPLIT_STRATIFY_SEED, s->stratify_at->place);
        return false;
    }
    if (data_classable(&s->stratify, s->all.rows))
        return true;
    diag_report(s->r->diag, SPLIT_STRATIFY, s->stratify_at->value->place, (long long)s->all.rows,
                data_describe(&s->stratify, s->r->env->arena));
    return false;
}

bool
data_run_split(struct data_run *r, const struct ast *ast)
{
    struct split s = {.r = r, .ast = ast};
    char text[NUMBER_TEXT];
    if (!take_arguments(&s) || !options_fit(&s))
        return false;
    int64_t valid = split_rows(s.all.rows, s.by);
    if (!valid || valid >= s.all.rows) {
        number_text_f64(s.by, text);
        diag_report(r->diag, SPLIT_EMPTY, ast->place, text, (long long)s.all.rows, valid ? "train" : "valid");
        return false;
    }
    const struct tensor *order = dealt_rows(&s, valid);
    return order && bind_rows(&s, &r->out->train, "train", order, 0, s.all.rows - valid) &&
           bind_rows(&s, &r->out->valid, "valid", order, s.all.rows - valid, s.all.rows);
}
