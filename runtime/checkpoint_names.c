/* checkpoint_names: --names: how a file of another program calls our weights. */
#include "runtime/checkpoint.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_BYTES_MAX = 16 << 20 };

/* The text of a file, ended by a NUL; NULL after a report. The caller frees it. */
static char *
read_text(const char *path, struct diag *diag)
{
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(NAMES_BYTES_MAX + 1) : NULL;
    if (!text) {
        int error = f ? ENOMEM : errno;
        if (f)
            fclose(f);
        diag_subject(diag, FILE_NOT_READ, path, strerror(error));
        return NULL;
    }
    errno = 0;
    size_t n = fread(text, 1, NAMES_BYTES_MAX, f);
    int error = ferror(f) ? errno : n == NAMES_BYTES_MAX ? EFBIG : 0;
    fclose(f);
    text[n] = 0;
    if (!error)
        return text;
    diag_subject(diag, FILE_NOT_READ, path, strerror(error));
    free(text);
    return NULL;
}

static const struct variable *
find_variable(const struct model_info *model, const char *name)
{
    for (int i = 0; i < model->nvars; i++)
        if (!strcmp(model->vars[i].name, name))
            return &model->vars[i];
    return NULL;
}

/* A list that holds each axis of |v| once. */
static bool
take_axes(const cJSON *list, const struct variable *v, struct checkpoint_name *out)
{
    unsigned seen = 0;
    int n = 0;
    const cJSON *item;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != v->type.rank)
        return false;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsNumber(item) || item->valuedouble != item->valueint || item->valueint < 0 || item->valueint >= v->type.rank)
            return false;
        out->axes[n++] = (uint8_t)item->valueint;
        seen |= 1u << item->valueint;
    }
    out->turned = true;
    return seen == (1u << v->type.rank) - 1;
}

static bool
take_pair(const cJSON *item, const char *path, const struct model_info *model, struct checkpoint_names *out, struct arena *arena,
          struct diag *diag)
{
    const char *ours = item->string;
    const cJSON *name = cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "name") : item,
                *axes = cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "axes") : NULL;
    const struct variable *v = find_variable(model, ours);
    struct checkpoint_name *pair = &out->pair[out->count];
    if (!cJSON_IsString(name)) {
        diag_subject(diag, NAMES_FORM, path);
        return false;
    }
    if (!v) {
        diag_subject(diag, NAMES_UNKNOWN, path, arena_text(arena, ours, strlen(ours)));
        return false;
    }
    for (int i = 0; i < out->count; i++)
        if (!strcmp(out->pair[i].ours, ours)) {
            diag_subject(diag, NAMES_TWICE, path, out->pair[i].ours);
            return false;
        }
    *pair = (struct checkpoint_name){.ours = v->name, .theirs = arena_text(arena, name->valuestring, strlen(name->valuestring))};
    if (axes && !take_axes(axes, v, pair)) {
        diag_subject(diag, NAMES_AXES, path, v->name, v->type.rank);
        return false;
    }
    out->count++;
    return true;
}

bool
checkpoint_names_read(const char *path, const struct model_info *model, struct arena *arena, struct checkpoint_names *out,
                      struct diag *diag)
{
    *out = (struct checkpoint_names){0};
    char *text = read_text(path, diag);
    if (!text)
        return false;
    cJSON *tree = cJSON_ParseWithOpts(text, NULL, true);
    free(text);
    bool ok = cJSON_IsObject(tree);
    if (!ok)
        diag_subject(diag, NAMES_FORM, path);
    else
        out->pair = arena_alloc(arena, sizeof *out->pair * ((size_t)cJSON_GetArraySize(tree) + 1));
    if (ok && !out->pair) {
        diag_subject(diag, OUT_OF_MEMORY, path);
        ok = false;
    }
    for (const cJSON *item = ok ? tree->child : NULL; item && ok; item = item->next)
        ok = take_pair(item, path, model, out, arena, diag);
    cJSON_Delete(tree);
    return ok;
}
