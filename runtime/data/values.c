#include "runtime/data/values.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- kinds ---- */

const char *
data_kind_name(enum data_kind kind)
{
    static const char *const names[] = {
        [DATA_NONE] = "nothing",        [DATA_NUMBER] = "a number",       [DATA_TENSOR] = "a tensor",
        [DATA_CODED] = "a tensor",      [DATA_STRING] = "a string",       [DATA_TEXT] = "a column of text", [DATA_TABLE] = "a table",
        [DATA_GENERATOR] = "a generator of random numbers", [DATA_LIST] = "a list", [DATA_RANGE] = "a range",
    };
    return names[kind];
}

struct type
data_type(const struct data_value *v)
{
    if (v->kind == DATA_TENSOR)
        return v->tensor->type;
    struct type type = v->coded.codes->type;
    type.elem = v->coded.table->type.elem;
    return type;
}

const char *
data_describe(const struct data_value *v, struct arena *arena)
{
    char text[TYPE_TEXT];
    struct type type;
    switch (v->kind) {
    case DATA_NUMBER:
        return arena_printf(arena, "the number %s", number_show(v->number, text));
    case DATA_TENSOR:
    case DATA_CODED:
        type = data_type(v);
        return arena_printf(arena, "a tensor %s", type_text(&type, ", ", text));
    case DATA_STRING:
        return arena_printf(arena, "the string \"%.40s\"", v->string);
    case DATA_LIST:
        return arena_printf(arena, "a list of %d", v->list.count);
    default:
        return data_kind_name(v->kind);
    }
}

/* ---- memory ---- */

struct data_held {
    struct tensor tensor; /* first: a value points to it */
    struct data_held *next;
    bool kept;
};

/* "3.0 TB" */
static const char *
size_text(double bytes, char buffer[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    int u = 0;
    for (; bytes >= 1000 && u < 6; u++)
        bytes /= 1000;
    snprintf(buffer, 32, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return buffer;
}

struct tensor *
data_pool_adopt(struct data_pool *p, struct tensor *t, struct place place, struct diag *diag)
{
    struct data_held *h = calloc(1, sizeof *h);
    if (!h) {
        tensor_free(t);
        diag_report(diag, OUT_OF_MEMORY, place);
        return NULL;
    }
    *h = (struct data_held){.tensor = *t, .next = p->first};
    p->first = h;
    return &h->tensor;
}

static struct tensor *
pool_add(struct data_pool *p, const struct type *type, struct tensor (*make)(const struct type *), struct place place, struct diag *diag)
{
    char text[TYPE_TEXT], size[32];
    int64_t bytes = type_bytes(type, 0);
    if (bytes < 0) {
        diag_report(diag, DATA_SIZE, place, type_text(type, ", ", text));
        return NULL;
    }
    struct tensor t = make(type);
    if (!t.data) {
        diag_report(diag, DATA_MEMORY, place, type_text(type, ", ", text), size_text((double)bytes, size));
        return NULL;
    }
    return data_pool_adopt(p, &t, place, diag);
}

struct tensor *
data_pool_new(struct data_pool *p, const struct type *type, struct place place, struct diag *diag)
{
    return pool_add(p, type, tensor_new, place, diag);
}

struct tensor *
data_pool_blank(struct data_pool *p, const struct type *type, struct place place, struct diag *diag)
{
    return pool_add(p, type, tensor_blank, place, diag);
}

void
data_pool_begin(struct data_pool *p)
{
    for (struct data_held *h = p->first; h; h = h->next)
        h->kept = false;
}

static void
keep(const struct tensor *t)
{
    if (t)
        ((struct data_held *)t)->kept = true;
}

static void
keep_text(const struct data_text *t)
{
    keep(t->bytes);
    keep(t->start);
    if (t->table)
        keep(t->table->lines);
}

static void
keep_table(const struct data_table *t)
{
    keep(t->lines);
    for (int i = 0; i < t->nblocks; i++)
        keep(t->blocks[i]);
    for (int i = 0; i < t->ncolumns; i++)
        keep_text(&t->columns[i].text);
}

void
data_pool_keep(const struct data_value *v)
{
    if (v->kind == DATA_TENSOR)
        keep(v->tensor);
    else if (v->kind == DATA_CODED)
        keep(v->coded.codes), keep(v->coded.table);
    else if (v->kind == DATA_TEXT)
        keep_text(v->text);
    else if (v->kind == DATA_TABLE)
        keep_table(v->table);
    for (int i = 0; v->kind == DATA_LIST && i < v->list.count; i++)
        data_pool_keep(&v->list.items[i]);
}

void
data_pool_keep_memory(struct data_pool *p, const void *memory)
{
    for (struct data_held *h = p->first; h; h = h->next) {
        uintptr_t from = (uintptr_t)h->tensor.data, at = (uintptr_t)memory;
        h->kept |= at == from || (at > from && at - from < (uintptr_t)tensor_bytes(&h->tensor));
    }
}

void
data_pool_sweep(struct data_pool *p)
{
    for (struct data_held **at = &p->first, *h; (h = *at);) {
        if (h->kept) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        tensor_free(&h->tensor);
        free(h);
    }
}

void
data_pool_drop(struct data_pool *p, const struct tensor *t)
{
    struct data_held **at = &p->first, *h = (struct data_held *)t;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    tensor_free(&h->tensor);
    free(h);
}

void
data_pool_free(struct data_pool *p)
{
    data_pool_begin(p);
    data_pool_sweep(p);
}

/* ---- files ---- */

static const char *
last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *
joined(const char *folder, const char *name, struct arena *arena)
{
    if (!folder || !*folder || *name == '/')
        return name;
    return arena_printf(arena, folder[strlen(folder) - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
}

const char *
data_path(const struct data_files *f, const char *name, struct arena *arena)
{
    for (int i = f->noptions - 1; i >= 0; i--) { /* the last one wins */
        const char *equals = strchr(f->options[i], '=');
        size_t length = equals ? (size_t)(equals - f->options[i]) : 0;
        if (!equals)
            continue;
        if ((strlen(name) == length && !memcmp(name, f->options[i], length)) ||
            (strlen(last_part(name)) == length && !memcmp(last_part(name), f->options[i], length)))
            return equals + 1;
    }
    for (int i = 0; i < f->noptions; i++) {
        struct stat s;
        if (strchr(f->options[i], '='))
            continue;
        const char *path = joined(f->options[i], name, arena);
        if (!stat(path, &s))
            return path;
    }
    return joined(f->folder, name, arena);
}
