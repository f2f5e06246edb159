/* check_binding: names bound by a text, and the paths that they make: h.w, x.2, x[1]. */
#include "frontend/check.h"

enum { FEW_BINDINGS = 8 };

struct binding *
find_binding(struct frame *f, const char *name)
{
    if (f->latest.cap) {
        int i = name_map_get(&f->latest, name);
        return i >= 0 ? &f->bindings[i] : NULL;
    }
    for (int i = f->nbindings - 1; i >= 0; i--)
        if (f->bindings[i].name == name)
            return &f->bindings[i];
    return NULL;
}

struct binding *
bind_name(struct checker *c, const char *name, struct value v, struct place at)
{
    struct frame *f = c->frame;
    const struct binding *old = find_binding(f, name);
    int hidden = old ? (int)(old - f->bindings) : -1;
    struct binding *b = ARENA_PUSH(c->arena, f->bindings, f->nbindings, f->bindings_cap);
    *b = (struct binding){.name = name, .value = v, .place = at, .hidden = hidden, .var = -1};
    if (f->latest.cap)
        name_map_set(&f->latest, c->arena, name, f->nbindings - 1);
    else if (f->nbindings > FEW_BINDINGS)
        for (int i = 0; i < f->nbindings; i++)
            name_map_set(&f->latest, c->arena, f->bindings[i].name, i);
    return b;
}

/* -- paths ----------------------------------------------------------------------------------------- */

int
count_name(struct checker *c, struct name_map *counts, const char *name)
{
    int k = name_map_get(counts, name);
    name_map_set(counts, c->arena, name, k < 0 ? 1 : k + 1);
    return k < 0 ? 1 : k + 1;
}

int
path_push(struct checker *c, const char *element)
{
    int length = c->path_length, more = (int)strlen(element) + 2;
    if (length + more > c->path_cap) {
        int cap = (length + more) * 2;
        char *path = arena_alloc(c->arena, (size_t)cap);
        if (length)
            memcpy(path, c->path, (size_t)length);
        c->path = path;
        c->path_cap = cap;
    }
    if (length)
        c->path[c->path_length++] = '.';
    memcpy(c->path + c->path_length, element, strlen(element) + 1);
    c->path_length += (int)strlen(element);
    return length;
}

void
path_restore(struct checker *c, int length)
{
    c->path_length = length;
    if (c->path)
        c->path[length] = 0;
}

struct naming
open_binding(struct checker *c, const char *name, const struct ast *rhs)
{
    struct naming saved = {c->path_length, c->several, c->layer_counts, c->draws};
    struct frame *f = c->frame;
    const char *key = *f->iteration ? arena_printf(c->arena, "%s%s", name, f->iteration) : name;
    key = source_name(c->sources, key, strlen(key));
    int k = count_name(c, &f->counts, key);
    path_push(c, k == 1 ? key : arena_printf(c->arena, "%s.%d", key, k));
    c->several = count_layer_calls(c, rhs) > 1;
    c->layer_counts = (struct name_map){0};
    c->draws = 0;
    return saved;
}

void
close_binding(struct checker *c, const struct naming *saved)
{
    path_restore(c, saved->length);
    c->several = saved->several;
    c->layer_counts = saved->counts;
    c->draws = saved->draws;
}

struct value
evaluate_bound(struct checker *c, const char *name, const struct ast *rhs)
{
    struct naming saved = open_binding(c, name, rhs);
    struct value v = evaluate(c, rhs);
    close_binding(c, &saved);
    return v;
}
