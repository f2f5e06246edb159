/* check: a file from its text to templates: definitions, constants, sections. */
#include "frontend/check.h"
#include "frontend/words.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* -- definitions ----------------------------------------------------------------------------------- */

static struct definition *
define(struct checker *c, const struct ast *s, int file)
{
    const char *name = s->names[0].text;
    struct definition **bucket = &c->definitions[((uintptr_t)name >> 4) % 256];
    for (struct definition *d = *bucket; d; d = d->next)
        if (d->name == name && d->file == file) {
            diag_report(c->diag, DECLARED_TWICE, s->names[0].place, name);
            diag_report(c->diag, NOTE_FIRST_HERE, d->ast->names[0].place);
            return d;
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
        diag_report(c->diag, COMPILER_PARAMETERS, s->names[0].place, name,
                    s->op == AST_INITIALIZER ? "shape" : s->op == AST_SCHEDULE ? "step, epoch" : "p, g");
    return d;
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

/* -- constants and --set --------------------------------------------------------------------------- */

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
        int first = name_map_get(&c->const_index, a->name);
        if (first >= 0) {
            diag_report(c->diag, DECLARED_TWICE, a->place, a->name);
            diag_report(c->diag, NOTE_FIRST_HERE, c->x->consts[first].place);
        }
        for (int k = 0; k < c->nsettings; k++)
            if (!strcmp(c->settings[k].name, a->name)) {
                c->settings[k].used = true;
                const struct ast *set = set_expression(c, &c->settings[k]);
                e = set ? set : e;
            }
        struct value v = evaluate(c, e);
        if (v.kind != VALUE_NUMBER && v.kind != VALUE_ERROR)
            report(c, NUMBER_EXPECTED, a->place, a->name, value_text(c, &v));
        *ARENA_PUSH(c->arena, c->x->consts, c->x->nconsts, c->x->consts_cap) = (struct const_value){a->name, v.number,
            a->place, v.kind != VALUE_NUMBER};
        if (first < 0)
            name_map_set(&c->const_index, c->arena, a->name, c->x->nconsts - 1);
    }
}

static void
unused_settings(struct checker *c)
{
    const char *names[256];
    int n = 0;
    for (int i = 0; i < c->x->nconsts && n < 256; i++)
        names[n++] = c->x->consts[i].name;
    const char *train[64];
    for (int i = train_words(train, 64) - 1; i >= 0 && n < 256; i--)
        names[n++] = arena_printf(c->arena, "train.%s", train[i]);
    for (int i = 0; i < c->nsettings; i++)
        if (!c->settings[i].used) {
            diag_subject(c->diag, UNKNOWN_SETTING, c->x->path, c->settings[i].name);
            const char *near = nearest_name(c->settings[i].name, names, n);
            if (near)
                diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
        }
}

static bool
is_word(const struct ast *s, const char *word)
{
    return s->kind == AST_WORD && !strcmp(s->text, word);
}

/* -- sections -------------------------------------------------------------------------------------- */

static bool
is_defined(const struct checker *c, const char *name)
{
    const struct definition *d = c->definitions[((uintptr_t)name >> 4) % 256];
    while (d && d->name != name)
        d = d->next;
    return d;
}

/* Of the other convention of a mixture what is taken, and the helpers that only it has. */
static bool
definition_holds(const struct checker *c, const char *name)
{
    return convention_holds(c, name) || (c->reading == READING_OTHER && !is_defined(c, name) && !builtin_find(name));
}

/* A constant of the other convention that the first one has too is the first one's. */
static bool
const_holds(const struct checker *c, const struct ast *s)
{
    for (int i = 0; c->reading != READING_OWN && i < s->nargs; i++)
        if (s->args[i].name && name_map_get(&c->const_index, s->args[i].name) >= 0)
            return false;
    return true;
}

/* The definitions and facts of a convention's file, whose definitions hide the prelude's. */
static void
load_convention(struct checker *c, int file)
{
    struct ast_file tree = parse_file(c->sources, file, c->diag);
    for (int i = 0; tree.block && i < tree.block->nbody; i++) {
        const struct ast *s = tree.block->body[i];
        if (s->kind == AST_DEFINITION) {
            if (definition_holds(c, s->names[0].text))
                define(c, s, file);
        } else if (s->kind == AST_SECTION && !strcmp(s->text, "convention"))
            run_convention(c, s);
        else if (!is_word(s, "const"))
            diag_report(c->diag, CONVENTION_ONLY, s->place);
    }
    for (int i = 0; tree.block && i < tree.block->nbody; i++)
        if (is_word(tree.block->body[i], "const") && const_holds(c, tree.block->body[i]))
            run_const(c, tree.block->body[i]);
}

static void
unknown_convention(struct checker *c, const char *name, struct place at, bool forced)
{
    static const char *const names[] = {"nnc", "keras", "torch"};
    if (forced)
        diag_subject(c->diag, FOLLOW_UNKNOWN, "--follow", name);
    else
        diag_report(c->diag, FOLLOW_UNKNOWN, at, name);
    const char *near = nearest_name(name, names, 3);
    if (near)
        diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

/* follow keras, or follow "mine.nn"; --follow takes either. */
static void
run_follow(struct checker *c, const struct ast *s, const char *forced)
{
    const struct ast *e = s && s->nargs == 1 && !s->args[0].name ? s->args[0].value : NULL;
    if (s && (!e || (e->kind != AST_NAME && e->kind != AST_STRING))) {
        diag_report(c->diag, FOLLOW_FORM, s->place);
        return;
    }
    const char *name = forced ? forced : e ? e->text : NULL, *text;
    size_t length;
    if (!name || !strcmp(name, "nnc")) /* the prelude alone */
        return;
    size_t end = strlen(name);
    bool is_file = forced ? end > 3 && !strcmp(name + end - 3, ".nn") : e->kind == AST_STRING;
    if (is_file) {
        const char *path = forced || name[0] == '/' ? name : arena_printf(c->arena, "%s%s", source_folder(c->sources, s->place.file, c->arena), name);
        int file = source_read(c->sources, path, c->diag);
        if (file)
            load_convention(c, file);
    } else if (convention_text(name, &text, &length))
        load_convention(c, source_add(c->sources, arena_printf(c->arena, "%s.nn", name), text, length));
    else {
        unknown_convention(c, name, e ? e->place : (struct place){0}, forced);
        return;
    }
    if (c->reading == READING_OWN)
        c->x->follow = name;
}

/* A definition with one default of the other convention. */
static void
take_default(struct checker *c, const struct taken *t)
{
    struct definition *d = c->definitions[((uintptr_t)t->name >> 4) % 256];
    while (d && d->name != t->name)
        d = d->next;
    if (!d)
        return;
    struct ast *copy = ARENA_NEW(c->arena, struct ast);
    *copy = *d->ast;
    copy->args = ARENA_ARRAY(c->arena, struct ast_arg, copy->nargs + 1);
    memcpy(copy->args, d->ast->args, sizeof *copy->args * (size_t)copy->nargs);
    for (int i = 0; i < copy->nargs; i++)
        if (copy->args[i].name == t->parameter)
            copy->args[i].value = (struct ast *)(uintptr_t)t->value; /* is only read */
    d->ast = copy;
}

/* The convention, and what a mixture takes from another one. */
static void
run_conventions(struct checker *c, const struct ast *s, const char *forced)
{
    run_follow(c, s, forced);
    if (c->mixture && c->mixture->other) {
        c->reading = READING_OTHER;
        run_follow(c, s, c->mixture->other);
        c->reading = READING_OWN;
    }
    for (int i = 0; c->mixture && i < c->mixture->ntaken; i++)
        if (c->mixture->taken[i].parameter)
            take_default(c, &c->mixture->taken[i]);
}

/* -- the judge of a mixture ------------------------------------------------------------------------ */

void
judge_swap(struct checker *c)
{
    struct definition *definitions[256];
    struct facts facts = c->x->facts;
    memcpy(definitions, c->definitions, sizeof definitions);
    memcpy(c->definitions, c->judge->definitions, sizeof definitions);
    memcpy(c->judge->definitions, definitions, sizeof definitions);
    c->x->facts = c->judge->facts;
    c->judge->facts = facts;
    c->judge->holds = !c->judge->holds;
}

/* A copy of a definition in front of the others of its name. */
static void
add_definition(struct checker *c, const struct definition *d)
{
    struct definition *copy = ARENA_NEW(c->arena, struct definition), **bucket = &c->definitions[((uintptr_t)d->name >> 4) % 256];
    *copy = *d;
    copy->next = *bucket;
    *bucket = copy;
}

/* The user's own definitions hold under the judge, too; where two files are compared, those of the first one. */
static void
add_own_definitions(struct checker *c)
{
    struct definition *const *others = c->judge->definitions;
    for (int i = 0; i < 256; i++)
        for (const struct definition *d = others[i]; d; d = d->next)
            if (d->own)
                add_definition(c, d);
    const struct ast *block = c->mixture->judge_block;
    for (int i = 0; block && i < block->nbody; i++)
        if (block->body[i]->kind == AST_DEFINITION) {
            const struct ast *s = block->body[i];
            add_definition(c, &(struct definition){.name = s->names[0].text, .kind = s->op, .ast = s, .file = s->place.file, .own = true});
        }
}

/* Makes the judge's tables and leaves the file's in place. */
static void
make_judge(struct checker *c)
{
    if (!c->mixture || !c->mixture->judge)
        return;
    c->judge = ARENA_NEW(c->arena, struct judge);
    facts_default(&c->judge->facts);
    judge_swap(c);
    c->reading = READING_JUDGE;
    if (load_prelude(c))
        run_follow(c, NULL, c->mixture->judge);
    c->reading = READING_OWN;
    add_own_definitions(c);
    if (c->x->facts.loss_shapes == LOSS_SHAPES_ERROR)
        c->x->facts.loss_shapes = LOSS_SHAPES_SQUEEZE;
    judge_swap(c);
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

/* -- includes -------------------------------------------------------------------------------------- */

/* The files that are being included, the innermost first. */
struct including {
    const struct including *outer;
    const char *real;
};

static void run_definitions(struct checker *c, const struct ast *block, int file, const char *path,
                            const struct including *outer);

/* The real path of an included file: below the folder of the file that is checked, and none of those around it. NULL after a
 * message. */
static const char *
include_path(struct checker *c, const struct ast *s, const char *from, const char *name, const struct including *outer)
{
    char root[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(from, '/');
    const char *path = name[0] == '/' ? name : arena_printf(c->arena, "%.*s%s", slash ? (int)(slash - from + 1) : 0, from,
                                                            name);
    if (!realpath(*c->x->folder ? c->x->folder : ".", root) || !realpath(path, real)) {
        diag_report(c->diag, INCLUDE_MISSING, s->place, name, strerror(errno));
        return NULL;
    }
    size_t length = strlen(root);
    if (length > 1 && (strncmp(real, root, length) || real[length] != '/')) {
        diag_report(c->diag, INCLUDE_OUTSIDE, s->place, name);
        return NULL;
    }
    for (const struct including *i = outer; i; i = i->outer)
        if (!strcmp(i->real, real)) {
            diag_report(c->diag, INCLUDE_CYCLE, s->place, name);
            return NULL;
        }
    return path;
}

static void
run_include(struct checker *c, const struct ast *s, const char *from, const struct including *outer)
{
    const struct ast *e = s->nargs == 1 && !s->args[0].name ? s->args[0].value : NULL;
    if (!e || e->kind != AST_STRING) {
        diag_report(c->diag, INCLUDE_FORM, s->place);
        return;
    }
    const char *path = include_path(c, s, from, e->text, outer);
    if (!path)
        return;
    for (int i = 0; i < c->sources->count; i++) /* included before: once is enough */
        if (!strcmp(c->sources->source[i].path, path))
            return;
    int file = source_read(c->sources, path, c->diag);
    struct ast_file tree = file ? parse_file(c->sources, file, c->diag) : (struct ast_file){0};
    if (!tree.block) {
        diag_report(c->diag, NOTE_INCLUDED, s->place);
        return;
    }
    for (int i = 0; i < tree.block->nbody; i++)
        if (tree.block->body[i]->kind != AST_DEFINITION && !is_word(tree.block->body[i], "const") &&
            !is_word(tree.block->body[i], "include"))
            diag_report(c->diag, INCLUDE_ONLY, tree.block->body[i]->place);
    run_definitions(c, tree.block, file, path, outer);
}

/* Includes first, so that a file's own definitions hide theirs; then definitions, then constants, which may call them. */
static void
run_definitions(struct checker *c, const struct ast *block, int file, const char *path, const struct including *outer)
{
    char real[PATH_MAX];
    struct including here = {outer, realpath(path, real) ? real : path};
    for (int i = 0; i < block->nbody; i++)
        if (is_word(block->body[i], "include"))
            run_include(c, block->body[i], path, &here);
    for (int i = 0; i < block->nbody; i++)
        if (block->body[i]->kind == AST_DEFINITION)
            define(c, block->body[i], file)->own = true;
    for (int i = 0; i < block->nbody; i++)
        if (is_word(block->body[i], "const"))
            run_const(c, block->body[i]);
}

/* the last three are sections */
static const char *const words[] = {"const", "follow", "include", "data", "model", "train"};

int
section_words(const char **out, int max)
{
    int n = 0;
    for (; n < (int)(sizeof words / sizeof *words) && n < max; n++)
        out[n] = words[n];
    return n;
}

static void
run_top(struct checker *c, const char *follow)
{
    static const char *const *sections = words + 3;
    const struct ast *block = c->x->tree.block, *follow_statement = NULL;
    for (int i = 0; i < block->nbody; i++) {
        const struct ast *s = block->body[i];
        const char *near = NULL;
        if (s->kind == AST_DEFINITION || is_word(s, "const") || is_word(s, "include"))
            continue;
        if (is_word(s, "follow")) {
            if (follow_statement) {
                diag_report(c->diag, DECLARED_TWICE, s->place, s->text);
                diag_report(c->diag, NOTE_FIRST_HERE, follow_statement->place);
            }
            follow_statement = s;
        } else if (s->kind == AST_SECTION) {
            if (strcmp(s->text, "data") && strcmp(s->text, "model") && strcmp(s->text, "train")) {
                diag_report(c->diag, UNKNOWN_SECTION, s->place, s->text);
                near = nearest_name(s->text, sections, 3);
            }
        } else if (s->kind == AST_WORD) {
            diag_report(c->diag, UNKNOWN_STATEMENT, s->place, s->text);
            near = nearest_name(s->text, words, 6);
        } else
            diag_report(c->diag, STATEMENT_MISPLACED, s->place);
        if (near)
            diag_report(c->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    }
    run_conventions(c, follow_statement, follow);
    run_definitions(c, block, c->x->file, c->x->path, NULL);
    make_judge(c);
}

struct experiment *
experiment_check(struct arena *arena, struct sources *sources, const char *path, const char *follow,
                 struct setting *settings,
                 int nsettings, struct diag *diag)
{
    return experiment_check_mixed(arena, sources, path, follow, NULL, settings, nsettings, diag);
}

struct experiment *
experiment_check_mixed(struct arena *arena, struct sources *sources, const char *path, const char *follow,
                       const struct mixture *mixture,
                       struct setting *settings, int nsettings, struct diag *diag)
{
    struct checker *c = ARENA_NEW(arena, struct checker);
    struct experiment *x = ARENA_NEW(arena, struct experiment);
    *c = (struct checker){.arena = arena, .sources = sources, .diag = diag, .x = x, .settings = settings,
                          .nsettings = nsettings,
                          .mixture = mixture};
    const char *slash = strrchr(path, '/');
    *x = (struct experiment){.arena = arena, .sources = sources, .path = path, .follow = "nnc",
                             .folder = slash ? arena_text(arena, path, (size_t)(slash - path + 1)) : ""};
    x->definitions = c->definitions;
    x->train = (struct train_settings){.batch = 32, .epochs = 1};
    facts_default(&x->facts);
    const struct ast_file *before = mixture ? mixture->file : NULL;
    if (!(x->file = before ? before->file : source_read(sources, path, diag)) || !load_prelude(c))
        return NULL;
    x->tree = before ? *before : parse_file(sources, x->file, diag);
    if (!x->tree.block)
        return NULL;
    struct frame *f = ARENA_NEW(arena, struct frame);
    *f = (struct frame){.iteration = "", .elem = ELEM_F32};
    c->frame = f;
    c->graph = graph_new(arena, "file");
    c->purpose = FOR_INIT;
    run_top(c, follow);
    x->train.shuffle = x->facts.shuffle;
    x->data = find_section(c, "data");
    const struct ast *model = find_section(c, "model"), *train = find_section(c, "train");
    if (!model && !diag->errors)
        diag_report(diag, NO_MODEL, ((struct place){x->file, 1, 1, 1}));
    if (model) {
        x->has_model = true;
        check_model(c, model);
    }
    x->train_block = train ? train->child[0] : NULL;
    check_train(c, train); /* of a faulty model, too: all errors are told at once */
    if (!diag->errors)
        unused_settings(c);
    return x;
}
