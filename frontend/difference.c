/* difference: what two conventions do differently for one file. */
#define _GNU_SOURCE
#include "frontend/check.h"
#include <stdio.h>
#include <stdlib.h>

/* The definition in the canonical layout, without comments. NULL if memory is short. The caller frees it. */
static char *
definition_text(const struct experiment *x, const struct definition *d)
{
    char *text = NULL;
    size_t size = 0;
    struct ast *body[1] = {(struct ast *)(uintptr_t)d->ast}; /* is only read */
    struct ast block = {.kind = AST_BLOCK, .body = body, .nbody = 1};
    struct ast_file file = {.block = &block, .sources = x->sources, .file = d->file};
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    ast_format(&file, out);
    fclose(out);
    return text;
}

static bool
same_text(const struct experiment *a, const struct definition *in_a, const struct experiment *b, const struct definition *in_b)
{
    char *text_a = definition_text(a, in_a), *text_b = definition_text(b, in_b);
    bool same = text_a && text_b && !strcmp(text_a, text_b);
    free(text_a);
    free(text_b);
    return same;
}

/* Without taking it for used. */
static const struct definition *
visible(const struct experiment *x, const char *name)
{
    const struct definition *d = x->definitions[((uintptr_t)name >> 4) % 256];
    while (d && d->name != name)
        d = d->next;
    return d;
}

static const char *
origin(const struct experiment *x, const struct definition *d, struct arena *arena)
{
    return d ? arena_printf(arena, "%s:%d", x->sources->source[d->file - 1].path, (int)d->ast->names[0].place.line) : "built in";
}

struct found {
    struct arena *arena;
    struct difference *list;
    int count, cap;
};

static void
add_fact(void *context, const char *name, const char *a, const char *b)
{
    struct found *f = context;
    *ARENA_PUSH(f->arena, f->list, f->count, f->cap) = (struct difference){name, a, b, true};
}

static bool
is_found(const struct found *f, const char *name)
{
    for (int i = 0; i < f->count; i++)
        if (!strcmp(f->list[i].name, name))
            return true;
    return false;
}

/* What both see of a name. A name that the other one does not have is a helper of what does differ. */
static void
add_definition(struct found *f, const char *name, const struct experiment *a, const struct experiment *b)
{
    const struct definition *in_a = visible(a, name), *in_b = visible(b, name);
    bool used = (in_a && in_a->used) || (in_b && in_b->used), both = (in_a && in_b) || builtin_find(name);
    if (used && both && !is_found(f, name) && !(in_a && in_b && same_text(a, in_a, b, in_b)))
        *ARENA_PUSH(f->arena, f->list, f->count, f->cap) =
            (struct difference){name, origin(a, in_a, f->arena), origin(b, in_b, f->arena), false};
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct difference *)a)->name, ((const struct difference *)b)->name);
}

int
experiment_differences(const struct experiment *a, const struct experiment *b, struct arena *arena, struct difference **out)
{
    struct found f = {.arena = arena};
    facts_differ(&a->facts, &b->facts, add_fact, &f);
    int facts = f.count;
    for (int i = 0; i < 256; i++) {
        for (const struct definition *d = a->definitions[i]; d; d = d->next)
            add_definition(&f, d->name, a, b);
        for (const struct definition *d = b->definitions[i]; d; d = d->next)
            add_definition(&f, d->name, a, b);
    }
    if (f.count > facts)
        qsort(f.list + facts, (size_t)(f.count - facts), sizeof *f.list, by_name);
    *out = f.list;
    return f.count;
}
