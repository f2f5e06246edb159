/* check_train: the train section, and the optimiser typed for each weight. */
#include "frontend/check.h"
#include "frontend/words.h"
#include "passes/pass.h"
#include <math.h>

struct section {
    struct checker *c;
    struct train_settings *t;
    const struct ast *statement;
};

static bool
number_of(struct checker *c, const struct ast_arg *a, struct number *out)
{
    struct value v = evaluate(c, a->value);
    if (v.kind == VALUE_NUMBER) {
        *out = v.number;
        return true;
    }
    if (v.kind != VALUE_ERROR)
        report(c, NUMBER_EXPECTED, a->place, c->frame->word, value_text(c, &v));
    return false;
}

/* The one argument of a statement, as a number. */
static bool
single(const struct section *s, struct number *out)
{
    s->c->frame->word = s->statement->text;
    if (s->statement->nargs != 1 || s->statement->args[0].name || !s->statement->args[0].value) {
        report(s->c, ONE_ARGUMENT, s->statement->place, s->statement->text);
        return false;
    }
    return number_of(s->c, &s->statement->args[0], out);
}

static void
whole(const struct section *s, int64_t least, int64_t *out)
{
    struct number n;
    if (!single(s, &n))
        return;
    if (!n.is_whole || n.is_bool || n.whole < least || n.whole > INT32_MAX) {
        struct value v = value_number(n);
        report(s->c, COUNT_EXPECTED, s->statement->args[0].place, s->statement->text, (long long)least,
               value_text(s->c, &v));
        return;
    }
    *out = n.whole;
}

static void
truth(const struct section *s, bool *out)
{
    struct number n;
    if (!single(s, &n))
        return;
    if (!n.is_bool && !(n.is_whole && (n.whole == 0 || n.whole == 1))) {
        struct value v = value_number(n);
        report(s->c, TRUTH_EXPECTED, s->statement->args[0].place, s->statement->text, value_text(s->c, &v));
        return;
    }
    *out = number_is_true(n);
}

static void run_batch(const struct section *s) { whole(s, 1, &s->t->batch); }
static void run_eval_batch(const struct section *s) { whole(s, 1, &s->t->eval_batch); }
static void run_epochs(const struct section *s) { whole(s, 0, &s->t->epochs); }
static void run_shuffle(const struct section *s) { truth(s, &s->t->shuffle); }
static void run_drop_last(const struct section *s) { truth(s, &s->t->drop_last); }
static void run_train_metrics(const struct section *s) { truth(s, &s->t->train_metrics); }

static void
run_seed(const struct section *s)
{
    struct number n;
    if (!single(s, &n))
        return;
    if (!n.is_whole || n.whole < 0) {
        struct value v = value_number(n);
        report(s->c, COUNT_EXPECTED, s->statement->args[0].place, "seed", 0LL, value_text(s->c, &v));
        return;
    }
    s->t->seed = n.whole;
}

static void
run_clip(const struct section *s)
{
    static const char *const names[] = {"norm", "global_norm", "value"};
    double *const to[] = {&s->t->clip_norm[CLIP_OWN], &s->t->clip_norm[CLIP_ALL], &s->t->clip_value};
    s->c->frame->word = "clip";
    s->t->clip_place = s->statement->place;
    for (int i = 0; i < s->statement->nargs; i++) {
        const struct ast_arg *a = &s->statement->args[i];
        int k = 0;
        while (k < 3 && (!a->name || strcmp(a->name, names[k])))
            k++;
        struct number n;
        if (k == 3 || !a->value)
            report(s->c, CLIP_FORM, a->place);
        else if (number_of(s->c, a, &n)) {
            if (n.real > 0 && n.real < INFINITY)
                *to[k] = n.real;
            else
                report(s->c, CLIP_FORM, a->place);
        }
    }
    if (!s->statement->nargs)
        report(s->c, CLIP_FORM, s->statement->place);
}

/* -- stop, folds, runs ----------------------------------------------------------------------------- */

/* An argument that is a bare name: what it means is known later, or it is one of a few words. NULL after a report. */
static const char *
name_of(const struct section *s, const struct ast_arg *a, enum diag_code form, const char *text)
{
    if (a->value && a->value->kind == AST_NAME)
        return a->value->text;
    diag_add(s->c->diag, form, user_place(s->c, a->place), NULL, "%s", text);
    return NULL;
}

static bool
whole_argument(const struct section *s, const struct ast_arg *a, const char *what, int64_t least, int64_t most, int64_t *out)
{
    struct number n;
    s->c->frame->word = what;
    if (!a->value || !number_of(s->c, a, &n))
        return false;
    if (n.is_whole && !n.is_bool && n.whole >= least && n.whole <= most) {
        *out = n.whole;
        return true;
    }
    struct value v = value_number(n);
    report(s->c, COUNT_EXPECTED, a->place, what, (long long)least, value_text(s->c, &v));
    return false;
}

static bool
is_named(const struct ast_arg *a, const char *name)
{
    return a->name && !strcmp(a->name, name);
}

/* stop patience = 5, on = valid_loss, restore = best, goal = min */
static void
run_stop(const struct section *s)
{
    struct early_stop *stop = &s->t->early;
    stop->place = s->statement->place;
    for (int i = 0; i < s->statement->nargs; i++) {
        const struct ast_arg *a = &s->statement->args[i];
        const char *word = NULL;
        bool ok = true;
        if (is_named(a, "patience")) {
            whole_argument(s, a, "patience", 1, INT32_MAX, &stop->patience);
            continue;
        }
        if (is_named(a, "on") || is_named(a, "restore") || is_named(a, "goal")) {
            word = name_of(s, a, DIAG_STOP_FORM, DIAG_TEXT_STOP_FORM);
            if (!word)
                continue;
        }
        if (is_named(a, "on")) {
            stop->on = word;
            stop->place = a->value->place;
        } else if (is_named(a, "restore")) {
            ok = !strcmp(word, "best") || !strcmp(word, "last");
            stop->restore = !strcmp(word, "best");
        } else if (is_named(a, "goal")) {
            ok = !strcmp(word, "min") || !strcmp(word, "max");
            stop->goal = !strcmp(word, "min") ? GOAL_MIN : GOAL_MAX;
        } else
            ok = false;
        if (!ok)
            report(s->c, STOP_FORM, a->place);
    }
    if (!stop->patience && !s->c->diag->errors)
        report(s->c, STOP_FORM, s->statement->place);
}

/* folds 10, stratify = y, seed = 7 */
static void
run_folds(const struct section *s)
{
    s->t->folds_place = s->statement->place;
    for (int i = 0; i < s->statement->nargs; i++) {
        const struct ast_arg *a = &s->statement->args[i];
        if (!a->name && !i)
            whole_argument(s, a, "folds", 2, INT32_MAX, &s->t->folds);
        else if (is_named(a, "seed"))
            whole_argument(s, a, "seed", 0, UINT32_MAX, &s->t->fold_seed);
        else if (is_named(a, "stratify")) {
            s->t->stratify = name_of(s, a, DIAG_FOLDS_FORM, DIAG_TEXT_FOLDS_FORM);
            s->t->stratify_place = a->value ? a->value->place : a->place;
        } else
            report(s->c, FOLDS_FORM, a->place);
    }
    if (!s->t->folds && !s->c->diag->errors)
        report(s->c, FOLDS_FORM, s->statement->place);
}

static void run_runs(const struct section *s) { whole(s, 1, &s->t->runs); }

/* -- the optimiser --------------------------------------------------------------------------------- */

static void
optimizer_names(struct checker *c, const char *name)
{
    const char *names[64];
    int n = 0;
    for (int i = 0; i < 256; i++)
        for (const struct definition *d = c->definitions[i]; d && n < 64; d = d->next)
            if (d->kind == AST_OPTIMIZER)
                names[n++] = d->name;
    const char *near = nearest_name(name, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

static const struct closure *
find_optimizer(struct checker *c, const struct ast *s)
{
    const struct ast *e = s->nargs == 1 && !s->args[0].name ? s->args[0].value : NULL;
    const struct ast *callee = e && e->kind == AST_CALL ? e->child[0] : e;
    if (!callee || callee->kind != AST_NAME) {
        report(c, OPTIMIZER_EXPECTED, s->place);
        return NULL;
    }
    const struct definition *def = definition_find(c, callee->text);
    if (!def || def->kind != AST_OPTIMIZER) {
        report(c, NO_OPTIMIZER_NAMED, callee->place, callee->text);
        optimizer_names(c, callee->text);
        return NULL;
    }
    struct value v = evaluate(c, e);
    return v.kind == VALUE_FUNCTION ? v.function : NULL;
}

static int
count_states(const struct ast *s)
{
    int n = s && s->kind == AST_WORD && !strcmp(s->text, "state");
    for (int i = 0; s && i < 3; i++)
        n += count_states(s->child[i]);
    for (int i = 0; s && i < s->nbody; i++)
        n += count_states(s->body[i]);
    return n;
}

/* What conditions on numbers of the step were made of leads nowhere. */
static void
drop_unused(struct graph *g)
{
    bool *keep = ARENA_ARRAY(g->arena, bool, g->count + 1);
    for (int i = 0; i < g->noutputs; i++)
        keep[g->outputs[i].node->id] = true;
    for (int i = g->count - 1; i >= 0; i--) {
        keep[i] |= g->nodes[i]->op == OP_INPUT;
        for (int k = 0; keep[i] && k < g->nodes[i]->nin; k++)
            keep[g->nodes[i]->in[k]->id] = true;
    }
    graph_sweep(g, keep);
}

/* Types the definition for weights of |type|. */
static struct optimizer_template *
type_optimizer(struct checker *c, const struct closure *f, const struct type *type, struct place at)
{
    struct optimizer_template *t = ARENA_NEW(c->arena, struct optimizer_template);
    int states = count_states(f->def->ast->child[0]);
    *t = (struct optimizer_template){.type = *type, .update = graph_new(c->arena, f->def->name),
                                     .states = graph_new(c->arena, f->def->name),
                                     .names = ARENA_ARRAY(c->arena, const char *, states + 1),
                                         .types = ARENA_ARRAY(c->arena, struct type, states + 1)};
    struct saved s = begin_graph(c, t->update, FOR_OPTIMIZER);
    c->optimizer = t;
    graph_input(t->states, "p", type);
    struct node *p = graph_input(t->update, "p", type), *g = graph_input(t->update, "g", type);
    struct type number = type_scalar(ELEM_I64);
    c->step = graph_input(t->update, "step", &number);
    c->epoch = graph_input(t->update, "epoch", &number);
    graph_input(t->update, "squares", type);
    graph_input(t->update, "sizes", type);
    struct argument *args = ARENA_ARRAY(c->arena, struct argument, f->nargs + 2);
    args[0] = (struct argument){.value = value_tensor(p), .place = at};
    args[1] = (struct argument){.value = value_tensor(g), .place = at};
    for (int i = 0; i < f->nargs; i++)
        args[i + 2] = f->args[i];
    int errors = c->diag->errors;
    struct frame *frame = run_definition(c, f->def, args, f->nargs + 2, NULL, at);
    end_graph(c, &s);
    c->optimizer = NULL;
    if (c->diag->errors > errors || !frame)
        return NULL;
    const struct binding *new_p = find_binding(frame, f->def->ast->args[0].name);
    graph_output(t->update, "p", new_p->value.node);
    for (int i = 0; i < t->nstates; i++)
        graph_output(t->update, t->names[i], find_binding(frame, t->names[i])->value.node);
    for (int i = 0; i < frame->nbindings; i++)
        if (!strcmp(frame->bindings[i].name, "lr")) {
            s = begin_graph(c, t->update, FOR_OPTIMIZER);
            struct value rate = frame->bindings[i].value;
            if (rate.kind == VALUE_NUMBER || rate.is_number) {
                graph_output(t->update, "lr", value_node(c, &rate, ELEM_F64, at));
                t->has_rate = true;
            }
            end_graph(c, &s);
            break;
        }
    drop_unused(t->update);
    return t;
}

/* The prelude's function |name| of |args| is the output of |graph|, whose inputs they are. */
static bool
type_function(struct checker *c, struct graph *graph, const char *name, const struct argument *args, int nargs, const struct type *type)
{
    const struct definition *def = definition_find(c, source_name(c->sources, name, strlen(name)));
    int errors = c->diag->errors;
    struct saved s = begin_graph(c, graph, FOR_OPTIMIZER);
    struct value v = def->kind == AST_FUNCTION ? call_definition(c, def, args, nargs, NULL, args[0].place) : value_error();
    end_graph(c, &s);
    if (v.kind == VALUE_TENSOR && type_equal(&v.node->type, type)) {
        graph_output(graph, name, v.node);
        drop_unused(graph);
        return true;
    }
    if (c->diag->errors == errors)
        report(c, CLIP_RESULT, args[0].place, name);
    return false;
}

/* What clips gradients of |t|'s type. */
static bool
type_clip(struct checker *c, const struct train_settings *s, struct optimizer_template *t)
{
    struct type number = type_scalar((enum elem)t->type.elem);
    t->length = graph_new(c->arena, "length_squared");
    struct argument g = {.value = value_tensor(graph_input(t->length, "g", &t->type)), .place = s->clip_place};
    graph_input(t->length, "squares", &t->type);
    bool ok = type_function(c, t->length, "length_squared", &g, 1, &number);
    for (int k = 0; ok && k < CLIPS; k++) {
        if (!(s->clip_norm[k] > 0))
            continue;
        t->factor[k] = graph_new(c->arena, "clip_factor");
        struct argument args[] = {
            {.value = value_tensor(graph_input(t->factor[k], "norm", &number)), .place = s->clip_place},
            {.value = value_number((struct number){.real = s->clip_norm[k]}), .place = s->clip_place},
        };
        ok = type_function(c, t->factor[k], "clip_factor", args, 2, &number);
    }
    return ok;
}

static void
type_clips(struct checker *c, const struct train_settings *s)
{
    const struct model *m = &c->x->model;
    bool clips = s->clip_norm[CLIP_OWN] > 0 || s->clip_norm[CLIP_ALL] > 0 || s->clip_value > 0;
    for (int i = 0; clips && m->optimizers && i < m->nlayer_vars; i++)
        if (m->optimizers[i] && !m->optimizers[i]->length && !type_clip(c, s, m->optimizers[i]))
            return;
}

static void
run_optimizer_word(const struct section *s)
{
    struct checker *c = s->c;
    struct model *m = &c->x->model;
    s->t->has_optimizer = true;
    const struct closure *f = find_optimizer(c, s->statement);
    if (!f || !m->train || !m->trained)
        return;
    s->t->optimizer = f->def->name;
    m->optimizer_place = s->statement->place;
    m->optimizers = ARENA_ARRAY(c->arena, struct optimizer_template *, m->nlayer_vars + 1);
    m->first_state = ARENA_ARRAY(c->arena, int, m->nlayer_vars + 1);
    struct place at = s->statement->args[0].value->place;
    struct name_map by_type = {0}; /* the first weight of a type */
    char text[TYPE_TEXT];
    for (int i = 0; i < m->nlayer_vars; i++) {
        if (!m->trained[i])
            continue;
        const struct type *type = &m->module->vars[i].type;
        const char *key = type_text(type, ",", text);
        key = source_name(c->sources, key, strlen(key));
        int known = name_map_get(&by_type, key);
        struct optimizer_template *t = known >= 0 ? m->optimizers[known] : type_optimizer(c, f, type, at);
        if (!t)
            return;
        if (!by_type.count && t->update->outputs[0].node == t->update->inputs[0])
            report(c, OPTIMIZER_UPDATES_NOTHING, at, f->def->name);
        name_map_set(&by_type, c->arena, key, i);
        m->optimizers[i] = t;
        m->first_state[i] = m->module->nvars;
        for (int k = 0; k < t->nstates; k++)
            make_variable(c, arena_printf(c->arena, "%s/%s/%s", f->def->name, m->module->vars[i].name, t->names[k]),
                          &t->types[k], VARIABLE_OPTIMIZER, at);
    }
}

/* -- the section ----------------------------------------------------------------------------------- */

static const struct word {
    const char *word;
    void (*run)(const struct section *s);
} words[] = {
    {"optimizer", run_optimizer_word}, {"batch", run_batch}, {"eval_batch", run_eval_batch}, {"epochs", run_epochs},
        {"shuffle", run_shuffle},
    {"drop_last", run_drop_last}, {"train_metrics", run_train_metrics}, {"clip", run_clip}, {"seed", run_seed},
    {"stop", run_stop}, {"folds", run_folds}, {"runs", run_runs},
};

int
train_words(const char **out, int max)
{
    int n = 0;
    for (; n < (int)(sizeof words / sizeof *words) && n < max; n++)
        out[n] = words[n].word;
    return n;
}

static void
run_statement(struct checker *c, struct train_settings *t, const struct ast *s)
{
    struct section section = {c, t, s};
    const char *names[16];
    int n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        names[n++] = words[i].word;
        if (s->kind == AST_WORD && !strcmp(words[i].word, s->text)) {
            words[i].run(&section);
            return;
        }
    }
    if (s->kind != AST_WORD) {
        report(c, STATEMENT_MISPLACED, s->place);
        return;
    }
    report(c, UNKNOWN_STATEMENT, s->place, s->text);
    const char *near = nearest_name(s->text, names, n);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

/* --set train.NAME=VALUE: the statement NAME VALUE, read from a source of its own, in place of the file's. */
static struct ast *
replacement(struct checker *c, const char *word)
{
    struct ast *found = NULL;
    for (int i = 0; i < c->nsettings; i++) {
        struct setting *set = &c->settings[i];
        if (strncmp(set->name, "train.", 6) || strcmp(set->name + 6, word))
            continue;
        set->used = true;
        char *text = arena_printf(c->arena, "%s %s\n", word, set->value);
        int file = source_add(c->sources, arena_printf(c->arena, "--set %s=%s", set->name, set->value), text, strlen(text));
        struct ast_file tree = parse_file(c->sources, file, c->diag);
        found = tree.block && tree.block->nbody == 1 ? tree.block->body[0] : NULL;
    }
    return found;
}

void
check_train(struct checker *c, const struct ast *section)
{
    struct train_settings *t = &c->x->train;
    struct frame *f = ARENA_NEW(c->arena, struct frame);
    *f = (struct frame){.iteration = "", .elem = ELEM_F32};
    c->frame = f;
    c->graph = graph_new(c->arena, "train");
    c->step = c->epoch = c->seed = NULL;
    c->vars = NULL;
    c->vars_size = 0;
    c->purpose = FOR_OPTIMIZER;
    path_restore(c, 0);
    const struct ast *block = section ? section->child[0] : NULL;
    t->place = section ? section->place : c->x->model.place;
    for (int i = 0; block && i < block->nbody; i++) {
        const struct ast *s = block->body[i];
        for (int k = 0; k < i; k++)
            if (s->kind == AST_WORD && block->body[k]->kind == AST_WORD && block->body[k]->text == s->text) {
                report(c, DECLARED_TWICE, s->place, s->text);
                diag_report(c->diag, NOTE_FIRST_HERE, block->body[k]->place);
            }
        struct ast *set = s->kind == AST_WORD ? replacement(c, s->text) : NULL;
        run_statement(c, t, set ? set : s);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) { /* what --set names and the section does not have */
        bool there = false;
        for (int k = 0; block && k < block->nbody; k++)
            there |= block->body[k]->kind == AST_WORD && !strcmp(block->body[k]->text, words[i].word);
        struct ast *set = there ? NULL : replacement(c, words[i].word);
        if (set)
            run_statement(c, t, set);
    }
    type_clips(c, t);
    if (!t->eval_batch)
        t->eval_batch = c->x->facts.valid_batch == VALID_BATCH_WHOLE ? INT32_MAX : t->batch;
}
