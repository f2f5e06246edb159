/* fits: what the data block fitted, into checkpoints, into the variables of `inverse`, and onto raw inputs. */
#include "frontend/cli/cli.h"
#include "runtime/checkpoint_fit.h"
#include "runtime/data/csv.h"
#include "runtime/data/functions.h"
#include "runtime/data/npy.h"
#include <string.h>

/* What `train`, else `valid`, gives to that input; NULL: nothing. */
static const struct data_binding *
binding_of(const struct session *s, const char *input)
{
    const struct data_set *sets[] = {&s->data.train, &s->data.valid};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < sets[k]->count; i++)
            if (!strcmp(sets[k]->bindings[i].name, input))
                return &sets[k]->bindings[i];
    return NULL;
}

void
session_keep(struct session *s)
{
    struct model_info *m = &s->info;
    int n = 0;
    for (int i = 0; i < m->ninputs; i++) {
        const struct data_binding *b = binding_of(s, m->inputs[i].name);
        n += b ? checkpoint_keeps(b->fit) : 0;
    }
    struct model_kept *kept = ARENA_ARRAY(s->arena, struct model_kept, n + 1);
    m->kept = kept;
    m->nkept = n;
    for (int i = 0; i < m->ninputs; i++) {
        const struct data_binding *b = binding_of(s, m->inputs[i].name);
        if (!b)
            continue;
        checkpoint_keep(b->name, b->fit, s->arena, kept);
        kept += checkpoint_keeps(b->fit);
    }
}

/* -- inverse --------------------------------------------------------------------------------------------------------------------------- */

/* x * spread + middle undoes |fit| and those before it. */
static bool
fill(struct session *s, const struct inverse *v, const struct data_fit *fit)
{
    struct tensor *middle = &s->info.values[v->middle], *spread = &s->info.values[v->spread];
    double *m = middle->data, *f = spread->data;
    char text[2][TYPE_TEXT];
    const struct type *row = &middle->type;
    int64_t count = tensor_count(middle);
    for (int64_t i = 0; i < count; i++)
        m[i] = 0, f[i] = 1;
    for (; fit; fit = fit->before) {
        int skip = row->rank - fit->type.rank;
        int64_t n = type_count(&fit->type, 0);
        if (skip < 0 || memcmp(row->dim + skip, fit->type.dim, sizeof *row->dim * fit->type.rank)) {
            diag_report(s->diag, FIT_COLUMNS, v->place, fit->kind == FIT_MINMAX ? "minmax" : "standardize",
                        type_text(&fit->type, ", ", text[0]), type_text(row, ", ", text[1]));
            return false;
        }
        for (int64_t i = 0; i < count; i++) {
            m[i] = m[i] * fit->spread[i % n] + fit->middle[i % n];
            f[i] *= fit->spread[i % n];
        }
    }
    return true;
}

/* The fit that |v| undoes: the data's, else the checkpoint's. |*out_known|: one of them speaks of it. */
static bool
find_fit(struct session *s, const struct inverse *v, const char *weights, const struct data_fit **out, bool *out_known)
{
    const char *input = s->info.inputs[v->input].name;
    const struct data_binding *b = s->data_ran ? binding_of(s, input) : NULL;
    *out = b ? b->fit : NULL;
    *out_known = b;
    return b || !weights || checkpoint_fit(weights, input, s->arena, out, out_known, s->diag);
}

bool
session_inverse(struct session *s, const char *weights)
{
    for (int i = 0; i < s->model->ninverses; i++) {
        const struct inverse *v = &s->model->inverses[i];
        const char *input = s->info.inputs[v->input].name;
        const struct data_fit *fit;
        bool known;
        if (!find_fit(s, v, weights, &fit, &known))
            return false;
        if (!known && !v->shown) /* only metrics need it, and there are none without data */
            continue;
        if (!known || !fit || !data_fit_undoable(fit)) {
            diag_report(s->diag, INVERSE_NOTHING, v->place, input);
            if (known && fit)
                diag_report(s->diag, INVERSE_OTHERS, (struct place){0});
            return false;
        }
        if (!fill(s, v, fit))
            return false;
    }
    return true;
}

/* -- inputs of predict ----------------------------------------------------------------------------------------------------------------- */

static bool
ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), e = strlen(ending);
    return n > e && !strcmp(text + n - e, ending);
}

/* A table is all its columns; one of text is that column. */
static bool
table_value(struct data_context *c, const struct data_table *t, struct place place, struct data_value *out)
{
    struct data_argument args[2] = {
        {"t", place, {.kind = DATA_TABLE, .table = t}, NULL}, {"range", place, {.kind = DATA_RANGE}, NULL}};
    if (t->ncolumns == 1)
        args[1].value = data_of_number(number_of_whole(0));
    struct data_call call = {.context = c, .name = "columns", .place = place, .args = args, .nargs = 2};
    bool good = t->ncolumns == 1 ? data_fn_column(&call) : data_fn_columns(&call);
    *out = call.out[0];
    return good;
}

static bool
read_csv(struct data_context *c, const char *path, bool tabs, struct data_value *out)
{
    const struct csv_format format = {.header = true, .quotes = !tabs, .separator = tabs ? '\t' : ',', .decimal = '.', .missing = MISSING_ERROR};
    struct data_table *t = ARENA_NEW(c->arena, struct data_table);
    *out = (struct data_value){.kind = DATA_TABLE, .table = t};
    return csv_read(c, path, &format, t);
}

static bool
read_npy(struct data_context *c, const char *path, struct place place, struct data_value *out)
{
    struct tensor t, *held = npy_read(path, &t, c->diag) ? data_pool_adopt(&c->pool, &t, place, c->diag) : NULL;
    *out = held ? data_of_tensor(held) : (struct data_value){0};
    return held;
}

/* An expression of the data block: |text| is NAME=EXPRESSION, a statement of it. */
static bool
evaluate(struct session *s, const char *text, const struct data_env *env, struct data_result *r, struct data_value *out)
{
    struct sources *sources = &s->cli->sources;
    struct ast_file tree = parse_file(sources, source_add(sources, "--input", text, strlen(text)), s->diag);
    if (s->diag->errors || !tree.block || tree.block->nbody != 1 || tree.block->body[0]->kind != AST_BIND) {
        if (!s->diag->errors)
            diag_subject(s->diag, NAME_FILE_FORM, "--input", text);
        return false;
    }
    const struct ast section = {.kind = AST_SECTION, .child = {tree.block}};
    if (!data_run(&section, env, r, s->diag))
        return false;
    *out = r->names[0].value;
    return true;
}

/* What stands behind NAME=: a file of numbers, or an expression. */
static bool
read_value(struct session *s, const char *text, const char *value, struct place place, const struct data_env *env, struct data_result *r,
           struct data_value *out)
{
    struct data_context *c = &r->context;
    bool good;
    *c = (struct data_context){.arena = s->arena, .diag = s->diag, .files = env->files, .watch = env->watch};
    if (ends_in(value, ".csv") || ends_in(value, ".csv.gz"))
        good = read_csv(c, value, false, out);
    else if (ends_in(value, ".tsv") || ends_in(value, ".tsv.gz"))
        good = read_csv(c, value, true, out);
    else if (strchr(value, '(') && !ends_in(value, ".npy") && !ends_in(value, ".npy.gz"))
        good = evaluate(s, text, env, r, out);
    else
        good = read_npy(c, value, place, out);
    return good && (out->kind != DATA_TABLE || table_value(c, out->table, place, out));
}

/* Does to |*value| what was fitted on the input, as the checkpoint keeps it. */
static bool
apply_fit(struct session *s, struct data_context *c, const char *weights, const struct data_binding *b, struct data_value *value)
{
    const struct data_fit *fit;
    bool kept;
    if (!checkpoint_fit(weights, b->name, s->arena, &fit, &kept, s->diag))
        return false;
    if (!kept) {
        diag_subject(s->diag, RAW_NOTHING_KEPT, weights, b->name);
        diag_report(s->diag, RAW_NOTHING_KEPT_HELP, (struct place){0});
        return false;
    }
    return !fit || data_fit_apply(c, fit, value, b->place, value);
}

bool
session_input(struct session *s, const char *text, struct data_binding *b, struct data_result *r)
{
    const struct options *o = &s->cli->options;
    const char *value = strchr(text, '=') + 1;
    const struct data_env env = {.arena = s->arena, .sources = &s->cli->sources, .consts = s->x->consts, .nconsts = s->x->nconsts,
                                 .watch = reading_watch(s)};
    struct data_value v = {0};
    unsigned before = float_enter();
    bool good = read_value(s, text, value, b->place, &env, r, &v) && (!o->raw || apply_fit(s, &r->context, o->weights, b, &v));
    float_leave(before);
    if (!good)
        return false;
    if (v.kind == DATA_TEXT)
        return data_text_fault(v.text, &r->context);
    if (v.kind != DATA_TENSOR || !v.tensor->type.rank) {
        diag_report(s->diag, DATA_INPUT_KIND, b->place, "--input", b->name, data_describe(&v, s->arena));
        return false;
    }
    b->value = *v.tensor;
    return true;
}
