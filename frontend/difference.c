/* difference: what two conventions do differently for one file. */
#include "frontend/check.h"
#include <stdlib.h>

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
add(struct found *f, const struct difference *d)
{
    for (int i = 0; i < f->count; i++)
        if (!strcmp(f->list[i].name, d->name))
            return;
    *ARENA_PUSH(f->arena, f->list, f->count, f->cap) = *d;
}

/* Where a fact is said: "keras.nn:7"; "nnc" if the convention's file is silent about it. */
static const char *
fact_place(const struct experiment *x, int line, struct arena *arena)
{
    const char *slash = strrchr(x->follow, '/'), *file = slash ? slash + 1 : x->follow;
    return line ? arena_printf(arena, "%s%s:%d", file, strchr(file, '.') ? "" : ".nn", line) : "nnc";
}

static void
add_facts(struct found *f, const struct experiment *a, const struct experiment *b)
{
    const char *name, *in_a, *in_b;
    int line_a, line_b;
    for (int i = 0; fact_row(&a->facts, i, &name, &in_a, &line_a) && fact_row(&b->facts, i, &name, &in_b, &line_b); i++)
        if (strcmp(in_a, in_b))
            add(f, &(struct difference){.kind = DIFFERS_FACT, .name = name, .a = in_a, .b = in_b, .place_a = fact_place(a, line_a, f->arena),
                                        .place_b = fact_place(b, line_b, f->arena), .means = fact_means(i)});
}

static bool
same_text(const struct ast *a, const struct ast *b, struct arena *arena)
{
    return (!a && !b) || (a && b && !strcmp(ast_text(a, arena), ast_text(b, arena)));
}

/* Whether two definitions are the same but for what stands behind the = of parameters. */
static bool
same_but_defaults(const struct ast *a, const struct ast *b, struct arena *arena)
{
    bool same = a->op == b->op && a->nargs == b->nargs && same_text(a->child[0], b->child[0], arena);
    for (int i = 0; same && i < a->nargs; i++)
        same = a->args[i].name == b->args[i].name && !a->args[i].value == !b->args[i].value &&
               same_text(a->args[i].type, b->args[i].type, arena);
    return same;
}

static void
add_defaults(struct found *f, const struct difference *whole, const struct ast *a, const struct ast *b)
{
    for (int i = 0; i < a->nargs; i++) {
        const struct ast_arg *in_a = &a->args[i], *in_b = &b->args[i];
        if (same_text(in_a->value, in_b->value, f->arena))
            continue;
        struct difference d = *whole;
        d.kind = DIFFERS_DEFAULT;
        d.name = arena_printf(f->arena, "%s.%s", whole->name, in_a->name);
        d.a = ast_text(in_a->value, f->arena);
        d.b = ast_text(in_b->value, f->arena);
        d.definition = whole->name;
        d.parameter = in_a->name;
        d.value_a = in_a->value;
        d.value_b = in_b->value;
        add(f, &d);
    }
}

/* What both see of a name. A name that the other one does not have is a helper of what does differ. */
static void
add_name(struct found *f, const char *name, const struct experiment *a, const struct experiment *b)
{
    const struct definition *in_a = visible(a, name), *in_b = visible(b, name);
    bool used = (in_a && in_a->used) || (in_b && in_b->used), both = (in_a && in_b) || builtin_find(name);
    if (!used || !both)
        return;
    const char *place_a = origin(a, in_a, f->arena), *place_b = origin(b, in_b, f->arena);
    struct difference d = {.kind = DIFFERS_DEFINITION, .name = name, .a = place_a, .b = place_b, .place_a = place_a, .place_b = place_b};
    if (in_a && in_b && same_but_defaults(in_a->ast, in_b->ast, f->arena))
        add_defaults(f, &d, in_a->ast, in_b->ast);
    else
        add(f, &d);
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
    add_facts(&f, a, b);
    int facts = f.count;
    for (int i = 0; i < 256; i++) {
        for (const struct definition *d = a->definitions[i]; d; d = d->next)
            add_name(&f, d->name, a, b);
        for (const struct definition *d = b->definitions[i]; d; d = d->next)
            add_name(&f, d->name, a, b);
    }
    if (f.count > facts)
        qsort(f.list + facts, (size_t)(f.count - facts), sizeof *f.list, by_name);
    *out = f.list;
    return f.count;
}
