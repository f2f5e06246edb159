/* data: the statements of the data block. */
#include "frontend/data.h"
#include "frontend/data_run.h"
#include "frontend/words.h"
#include <string.h>

/* ---- the result ---- */

const struct data_binding *
data_set_find(const struct data_set *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (s->bindings[i].name == name)
            return &s->bindings[i];
    return NULL;
}

static struct data_name *
find_name(const struct data_result *r, const char *name)
{
    for (int i = 0; i < r->nnames; i++)
        if (r->names[i].name == name)
            return &r->names[i];
    return NULL;
}

const struct data_value *
data_name_value(const struct data_result *r, const char *name)
{
    struct data_name *n = find_name(r, name);
    return n ? &n->value : NULL;
}

const struct data_value *
data_name_find(struct data_result *r, const char *name)
{
    struct data_name *n = find_name(r, name);
    return n && data_decode(&r->context, &n->value, n->place) ? &n->value : NULL;
}

void
data_free(struct data_result *r)
{
    data_pool_free(&r->context.pool);
    kernel_context_free(&r->context.kernels);
}

static void
bind_name(struct data_run *r, const struct ast_name *name, struct data_value value)
{
    struct data_name *n = find_name(r->out, name->text);
    if (!n)
        n = ARENA_PUSH(r->env->arena, r->out->names, r->out->nnames, r->out->names_cap);
    *n = (struct data_name){name->text, value, name->place};
}

/* Frees the tensors that no name and no set reaches. */
static void
free_unreachable(struct data_result *r)
{
    data_pool_begin(&r->context.pool);
    for (int i = 0; i < r->nnames; i++)
        data_pool_keep(&r->names[i].value);
    for (int s = 0; s < 2; s++) {
        const struct data_set *set = s ? &r->valid : &r->train;
        for (int i = 0; i < set->count; i++) {
            data_pool_keep_memory(&r->context.pool, set->bindings[i].value.data);
            if (set->bindings[i].table)
                data_pool_keep_memory(&r->context.pool, set->bindings[i].table->data);
            if (set->bindings[i].origin)
                data_pool_keep_memory(&r->context.pool, set->bindings[i].origin->data);
        }
    }
    data_pool_sweep(&r->context.pool);
}

/* ---- train and valid ---- */

/* The first binding of |set| tells the number of rows. */
static bool
rows_agree(struct data_run *r, const char *word, const struct data_set *set, const struct data_binding *b)
{
    const struct data_binding *first = set->bindings;
    if (!set->count || b->value.type.dim[0] == first->value.type.dim[0])
        return true;
    diag_report(r->diag, DATA_ROWS_DIFFER, b->place, word, first->name, (long long)first->value.type.dim[0], b->name,
                (long long)b->value.type.dim[0]);
    diag_report(r->diag, NOTE_DECLARED, first->place, first->name);
    return false;
}

/* The name of an input: given, or that of the value. */
static const char *
input_name(struct data_run *r, const char *word, const struct ast_arg *a)
{
    if (a->name)
        return a->name;
    if (a->value && a->value->kind == AST_NAME)
        return a->value->text;
    diag_report(r->diag, DATA_INPUT_NAME, a->place, word);
    diag_report(r->diag, DATA_INPUT_NAME_HELP, a->place, word);
    return NULL;
}

bool
data_bind_input(struct data_run *r, const char *word, struct data_set *set, const struct ast_arg *a)
{
    const char *name = input_name(r, word, a);
    struct data_value v;
    if (!name || !a->value || !data_eval_coded(r, a->value, &v))
        return false;
    const struct data_binding *earlier = data_set_find(set, name);
    if (earlier) {
        diag_report(r->diag, DATA_INPUT_TWICE, a->place, word, name);
        diag_report(r->diag, NOTE_DECLARED, earlier->place, name);
        return false;
    }
    if (v.kind == DATA_TEXT) {
        data_text_fault(v.text, r->context);
        diag_report(r->diag, NOTE_USED_HERE, a->value->place, name);
        return false;
    }
    bool coded = v.kind == DATA_CODED;
    if ((v.kind != DATA_TENSOR && !coded) || !data_type(&v).rank) {
        diag_report(r->diag, DATA_INPUT_KIND, a->value->place, word, name, data_describe(&v, r->env->arena));
        return false;
    }
    struct data_binding b = {.name = name, .value = coded ? *v.coded.codes : *v.tensor, .table = coded ? v.coded.table : NULL,
                             .place = a->place, .fit = v.fit};
    if (!rows_agree(r, word, set, &b))
        return false;
    set->rows = b.value.type.dim[0];
    *ARENA_PUSH(r->env->arena, set->bindings, set->count, set->cap) = b;
    return true;
}

static bool
bind_inputs(struct data_run *r, const struct ast *s, struct data_set *set)
{
    bool good = true;
    if (!s->nargs) {
        diag_report(r->diag, DATA_INPUT_NAME, s->place, s->text);
        diag_report(r->diag, DATA_INPUT_NAME_HELP, s->place, s->text);
        return false;
    }
    for (int i = 0; i < s->nargs; i++)
        good &= data_bind_input(r, s->text, set, &s->args[i]);
    return good;
}

static bool
run_train(struct data_run *r, const struct ast *s)
{
    return bind_inputs(r, s, &r->out->train);
}

static bool
run_valid(struct data_run *r, const struct ast *s)
{
    return bind_inputs(r, s, &r->out->valid);
}

/* ---- statements ---- */

static const struct {
    const char *word;
    bool (*run)(struct data_run *r, const struct ast *s);
} words[] = {{"train", run_train}, {"valid", run_valid}, {"split", data_run_split}};

int
data_words(const char **out, int max)
{
    int n = 0;
    for (; n < (int)(sizeof words / sizeof *words) && n < max; n++)
        out[n] = words[n].word;
    return n;
}
enum { WORDS = sizeof words / sizeof *words };

static bool
run_word(struct data_run *r, const struct ast *s)
{
    const char *names[WORDS];
    for (int i = 0; i < WORDS; i++) {
        names[i] = words[i].word;
        if (!strcmp(words[i].word, s->text))
            return words[i].run(r, s);
    }
    diag_report(r->diag, DATA_WORD, s->place, s->text);
    const char *near = nearest_name(s->text, names, WORDS);
    if (near)
        diag_report(r->diag, DATA_NEAREST, s->place, near);
    return false;
}

static bool
run_bind(struct data_run *r, const struct ast *s)
{
    struct data_value v[DATA_RESULTS_MAX];
    if (s->nnames > DATA_RESULTS_MAX) {
        diag_report(r->diag, DATA_NAMES, s->place, s->nnames, DATA_RESULTS_MAX);
        return false;
    }
    if (s->nnames > 1 && s->child[0]->kind != AST_CALL) {
        diag_report(r->diag, DATA_NAMES, s->child[0]->place, s->nnames, 1);
        return false;
    }
    bool good = s->nnames > 1 ? data_eval_call(r, s->child[0], s->nnames, v) : data_eval_coded(r, s->child[0], v);
    for (int i = 0; i < s->nnames; i++) /* a name without a value is known, and its uses report nothing more */
        bind_name(r, &s->names[i], good ? v[i] : (struct data_value){.kind = DATA_NONE});
    return good;
}

static bool run_block(struct data_run *r, const struct ast *block);

static bool
run_if(struct data_run *r, const struct ast *s)
{
    bool yes;
    if (!data_condition(r, s->child[0], &yes))
        return false;
    if (yes)
        return run_block(r, s->child[1]);
    return !s->child[2] || (s->child[2]->kind == AST_IF ? run_if(r, s->child[2]) : run_block(r, s->child[2]));
}

static bool
run_repeat(struct data_run *r, const struct ast *s)
{
    int64_t from, to;
    const struct ast *count = s->child[0];
    if (!data_whole(r, count->child[0], &from) || !data_whole(r, count->child[1], &to))
        return false;
    for (int64_t i = from; i <= to; i++) {
        bind_name(r, &s->names[0], data_of_number(number_of_whole(i)));
        if (!run_block(r, s->child[1])) /* its faults are those of the next time, too */
            return false;
        if (i == INT64_MAX)
            break;
    }
    return true;
}

static bool
run_statement(struct data_run *r, const struct ast *s)
{
    switch (s->kind) {
    case AST_BIND: return run_bind(r, s);
    case AST_WORD: return run_word(r, s);
    case AST_IF: return run_if(r, s);
    case AST_REPEAT: return run_repeat(r, s);
    default: diag_report(r->diag, DATA_STATEMENT, s->place); return false;
    }
}

static bool
run_block(struct data_run *r, const struct ast *block)
{
    bool good = true;
    const struct data_env *env = r->env;
    for (int i = 0; i < block->nbody; i++) {
        int file = block->body[i]->place.file;
        bool other = env->file && file && file != env->file;
        r->context->files.folder = other ? source_folder(env->sources, file, env->arena) : env->files.folder;
        good &= run_statement(r, block->body[i]);
        free_unreachable(r->out);
    }
    return good;
}

bool
data_run(const struct ast *section, const struct data_env *env, struct data_result *out, struct diag *diag)
{
    *out = (struct data_result){.context = {.arena = env->arena, .diag = diag, .files = env->files, .watch = env->watch}};
    if (!section)
        return true;
    struct data_run r = {.env = env, .out = out, .context = &out->context, .diag = diag};
    unsigned before = float_enter();
    bool good = run_block(&r, section->child[0]);
    float_leave(before);
    return good;
}
