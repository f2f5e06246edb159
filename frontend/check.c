/* check: a file from its text to templates: definitions, constants, sections. */
#include "frontend/check.h"

/* -- definitions ------------------------------------------------------------------------------------------------------------------ */

static void
define(struct checker *c, const struct ast *s, int file)
{
    const char *name = s->names[0].text;
    struct definition **bucket = &c->definitions[((uintptr_t)name >> 4) % 256];
    for (struct definition *d = *bucket; d; d = d->next)
        if (d->name == name && d->file == file) {
            diag_report(c->diag, DECLARED_TWICE, s->names[0].place, name);
            diag_report(c->diag, NOTE_FIRST_HERE, d->ast->names[0].place);
            return;
        }
    for (int i = 0; i < s->nargs; i++)
        for (int k = 0; k < i; k++)
            if (s->args[k].name == s->args[i].name) {
                diag_report(c->diag, DECLARED_TWICE, s->args[i].place, s->args[i].name);
                diag_report(c->diag, NOTE_FIRST_HERE, s->args[k].place);
            }
    struct definition *d = ARENA_NEW(c->arena, struct definition);
    *d = (struct definition){.name = name, .kind = s->op, .ast = s, .file = file, .next = *bucket};
    *bucket = d;
    if (s->nargs < compiler_parameters(s->op))
        diag_report(c->diag, COMPILER_PARAMETERS, s->names[0].place, name, s->op == AST_INITIALIZER ? "shape" : s->op == AST_SCHEDULE ? "step, epoch" : "p, g");
}

static bool
load_prelude(struct checker *c)
{
    int file = source_add(c->sources, "nnc.nn", prelude_nnc, prelude_nnc_length);
    struct ast_file tree = parse_file(c->sources, file, c->diag);
    for (int i = 0; tree.block && i < tree.block->nbody; i++)
        if (tree.block->body[i]->kind == AST_DEFINITION)
            define(c, tree.block->body[i], file);
    return tree.block && !c->diag->errors;
}

/* -- constants and --set -------------------------------------------------------------------------------------------------------------- */

/* The value of --set NAME=VALUE, as an expression of its own source. */
static const struct ast *
set_expression(struct checker *c, struct setting *set)
{
    char *text = arena_printf(c->arena, "const x = %s\n", set->value);
    int file = source_add(c->sources, arena_printf(c->arena, "--set %s=%s", set->name, set->value), text, strlen(text));
    struct ast_file tree = parse_file(c->sources, file, c->diag);
    const struct ast *s = tree.block && tree.block->nbody == 1 ? tree.block->body[0] : NULL;
    return s && s->kind == AST_WORD && s->nargs == 1 ? s->args[0].value : NULL;
}

static void
run_const(struct checker *c, const struct ast *s)
{
    for (int i = 0; i < s->nargs; i++) {
        const struct ast_arg *a = &s->args[i];
        if (!a->name || !a->value || a->type) {
            diag_report(c->diag, NAME_VALUE_EXPECTED, a->place, s->text, s->text);
            continue;
        }
        const struct ast *e = a->value;
        for (int k = 0; k < c->x->nconsts; k++)
            if (c->x->consts[k].name == a->name) {
                diag_report(c->diag, DECLARED_TWICE, a->place, a->name);
                diag_report(c->diag, NOTE_FIRST_HERE, c->x->consts[k].place);
            }
        for (int k = 0; k < c->nsettings; k++)
            if (!strcmp(c->settings[k].name, a->name)) {
                c->settings[k].used = true;
                const struct ast *set = set_expression(c, &c->settings[k]);
                e = set ? set : e;
            }
        struct value v = evaluate(c, e);
        if (v.kind == VALUE_NUMBER)
            *ARENA_PUSH(c->arena, c->x->consts, c->x->nconsts, c->x->consts_cap) = (struct const_value){a->name, v.number, a->place};
        else if (v.kind != VALUE_ERROR)
            report(c, NUMBER_EXPECTED, a->place, a->name, value_text(c, &v));
    }
}

static void
unused_settings(struct checker *c)
{
    const char *names[256];
    int n = 0;
    for (int i = 0; i < c->x->nconsts && n < 256; i++)
        names[n++] = c->x->consts[i].name;
    static const char *const train[] = {"train.optimizer", "train.batch", "train.eval_batch", "train.epochs", "train.shuffle", "train.drop_last",
                                        "train.train_metrics", "train.clip", "train.seed"};
    for (size_t i = 0; i < sizeof train / sizeof *train && n < 256; i++)
        names[n++] = train[i];
    for (int i = 0; i < c->nsettings; i++)
        if (!c->settings[i].used) {
            diag_subject(c->diag, UNKNOWN_SETTING, c->x->path, c->settings[i].name);
            const char *near = nearest_name(c->settings[i].name, names, n);
            if (near)
                diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
        }
}

/* -- sections -------------------------------------------------------------------------------------------------------------------------- */

static void
run_follow(struct checker *c, const struct ast *s, const char *forced)
{
    const char *name = s && s->nargs == 1 && s->args[0].value && s->args[0].value->kind == AST_NAME ? s->args[0].value->text : NULL;
    struct place at = s ? s->place : (struct place){0};
    if (s && !name) {
        diag_report(c->diag, FOLLOW_FORM, at);
        return;
    }
    if (forced)
        name = forced;
    if (!name)
        return;
    if (strcmp(name, "nnc") && strcmp(name, "keras")) {
        if (forced)
            diag_subject(c->diag, FOLLOW_UNKNOWN, "--follow", name);
        else
            diag_report(c->diag, FOLLOW_UNKNOWN, s->args[0].place, name);
        return;
    }
    c->x->follow = name;
}

/* Finds the one section of that word. */
static const struct ast *
find_section(struct checker *c, const char *word)
{
    const struct ast *found = NULL;
    for (int i = 0; i < c->x->tree.block->nbody; i++) {
        const struct ast *s = c->x->tree.block->body[i];
        if (s->kind != AST_SECTION || strcmp(s->text, word))
            continue;
        if (found) {
            diag_report(c->diag, DECLARED_TWICE, s->place, word);
            diag_report(c->diag, NOTE_FIRST_HERE, found->place);
        }
        found = s;
    }
    return found;
}

static void
run_top(struct checker *c, const char *follow)
{
    static const char *const words[] = {"const", "follow", "include", "data", "model", "train", "convention"};
    const struct ast *block = c->x->tree.block, *follow_statement = NULL;
    for (int i = 0; i < block->nbody; i++) {
        const struct ast *s = block->body[i];
        if (s->kind == AST_DEFINITION)
            define(c, s, c->x->file);
        else if (s->kind == AST_SECTION) {
            if (strcmp(s->text, "data") && strcmp(s->text, "model") && strcmp(s->text, "train"))
                diag_report(c->diag, UNKNOWN_SECTION, s->place, s->text);
        } else if (s->kind == AST_WORD && !strcmp(s->text, "const"))
            ;
        else if (s->kind == AST_WORD && !strcmp(s->text, "follow"))
            follow_statement = s;
        else if (s->kind == AST_WORD && !strcmp(s->text, "include"))
            diag_report(c->diag, NO_INCLUDE, s->place);
        else if (s->kind == AST_WORD) {
            diag_report(c->diag, UNKNOWN_STATEMENT, s->place, s->text);
            const char *near = nearest_name(s->text, words, 7);
            if (near)
                diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
        } else
            diag_report(c->diag, STATEMENT_MISPLACED, s->place);
    }
    run_follow(c, follow_statement, follow);
    for (int i = 0; i < block->nbody; i++)
        if (block->body[i]->kind == AST_WORD && !strcmp(block->body[i]->text, "const"))
            run_const(c, block->body[i]);
}

struct experiment *
experiment_check(struct arena *arena, struct sources *sources, const char *path, const char *follow, struct setting *settings,
                 int nsettings, struct diag *diag)
{
    struct checker *c = ARENA_NEW(arena, struct checker);
    struct experiment *x = ARENA_NEW(arena, struct experiment);
    *c = (struct checker){.arena = arena, .sources = sources, .diag = diag, .x = x, .settings = settings, .nsettings = nsettings};
    const char *slash = strrchr(path, '/');
    *x = (struct experiment){.arena = arena, .sources = sources, .path = path, .follow = "nnc",
                             .folder = slash ? arena_text(arena, path, (size_t)(slash - path + 1)) : ""};
    x->train = (struct train_settings){.batch = 32, .epochs = 1, .shuffle = true};
    if (!(x->file = source_read(sources, path, diag)) || !load_prelude(c))
        return NULL;
    x->tree = parse_file(sources, x->file, diag);
    if (!x->tree.block)
        return NULL;
    struct frame *f = ARENA_NEW(arena, struct frame);
    *f = (struct frame){.iteration = "", .elem = ELEM_F32};
    c->frame = f;
    c->graph = graph_new(arena, "file");
    c->purpose = FOR_INIT;
    run_top(c, follow);
    x->data = find_section(c, "data");
    const struct ast *model = find_section(c, "model"), *train = find_section(c, "train");
    if (!model && !diag->errors)
        diag_subject(diag, NO_MODEL, path);
    int before = diag->errors;
    if (model) {
        x->has_model = true;
        check_model(c, model);
    }
    if (diag->errors == before || !model)
        check_train(c, train);
    if (!diag->errors)
        unused_settings(c);
    return x;
}
