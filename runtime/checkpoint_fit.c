#include "runtime/checkpoint_fit.h"
#include "runtime/digest.h"
#include "runtime/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What belongs to a kind: its name, numbers of its text, tensors. */
static const struct form {
    const char *name;
    bool vocabulary, length, scale, texts;
} forms[] = {
    [FIT_MINMAX] = {"minmax", false, false, true, false}, [FIT_STANDARDIZE] = {"standardize", false, false, true, false},
    [FIT_CATEGORY] = {"category", false, false, false, true}, [FIT_WORDS] = {"words", true, true, false, true},
    [FIT_ONE_HOT] = {"one_hot", false, true, false, false},
};
enum { FORMS = sizeof forms / sizeof *forms, STEPS_MAX = 64 };

/* ---- writing ---- */

int
checkpoint_keeps(const struct data_fit *fit)
{
    int n = 1;
    for (; fit; fit = fit->before)
        n += (forms[fit->kind].scale ? 2 : 0) + (forms[fit->kind].texts ? 1 : 0);
    return n;
}

static int
steps(const struct data_fit *fit)
{
    int n = 0;
    for (; fit; fit = fit->before)
        n++;
    return n;
}

static const char *
steps_text(const struct data_fit *fit, struct arena *arena)
{
    const struct form *f = &forms[fit->kind];
    const char *text = arena_printf(arena, "%s%s%s", fit->before ? steps_text(fit->before, arena) : "", fit->before ? ", " : "", f->name);
    if (f->vocabulary)
        text = arena_printf(arena, "%s %lld", text, (long long)fit->vocabulary);
    return f->length ? arena_printf(arena, "%s %lld", text, (long long)fit->length) : text;
}

static struct tensor
joined_texts(const struct data_fit *fit, struct arena *arena)
{
    size_t size = 0;
    for (int64_t i = 0; i < fit->ntexts; i++)
        size += strlen(fit->texts[i]) + 1;
    char *all = ARENA_ARRAY(arena, char, size + 1), *at = all;
    for (int64_t i = 0; i < fit->ntexts; i++)
        at = stpcpy(at, fit->texts[i]) + 1;
    return (struct tensor){.type = {.elem = ELEM_U8, .rank = 1, .dim = {(int64_t)size}}, .data = all};
}

void
checkpoint_keep(const char *input, const struct data_fit *fit, struct arena *arena, struct model_kept *out)
{
    *out++ = (struct model_kept){.name = arena_printf(arena, "nnc.fit/%s", input), .text = fit ? steps_text(fit, arena) : ""};
    for (int i = steps(fit); fit; fit = fit->before, i--) {
        const char *base = arena_printf(arena, "nnc/fit/%s/%d", input, i);
        if (forms[fit->kind].scale) {
            *out++ = (struct model_kept){arena_printf(arena, "%s/middle", base), NULL, {fit->type, (void *)fit->middle}};
            *out++ = (struct model_kept){arena_printf(arena, "%s/spread", base), NULL, {fit->type, (void *)fit->spread}};
        }
        if (forms[fit->kind].texts)
            *out++ = (struct model_kept){arena_printf(arena, "%s/texts", base), NULL, joined_texts(fit, arena)};
    }
}

/* ---- reading ---- */

struct reading {
    struct safetensors file;
    const char *input;
    struct arena *arena;
    struct diag *diag;
};

static bool
fault(struct reading *r)
{
    diag_subject(r->diag, CHECKPOINT_FIT, r->file.path, r->input);
    return false;
}

/* The tensor nnc/fit/INPUT/STEP/WHAT, of that element type, with one byte more than it has. */
static void *
read_values(struct reading *r, int step, const char *what, enum safetensors_elem elem, struct type *out_type, int64_t *out_bytes)
{
    char hex[DIGEST_TEXT];
    uint64_t digest;
    const char *name = arena_printf(r->arena, "nnc/fit/%s/%d/%s", r->input, step, what);
    const struct safetensors_entry *e = safetensors_find(&r->file, name);
    const char *wanted = safetensors_text(&r->file, arena_printf(r->arena, "nnc.digest/%s", name));
    if (!e || e->elem != elem || !wanted) {
        fault(r);
        return NULL;
    }
    char *values = ARENA_ARRAY(r->arena, char, e->bytes + 1);
    *out_type = (struct type){.elem = (uint8_t)safetensors_nearest(elem), .rank = (uint8_t)e->rank};
    memcpy(out_type->dim, e->dim, sizeof e->dim[0] * (size_t)e->rank);
    *out_bytes = e->bytes;
    if (!safetensors_read(&r->file, e, (enum elem)out_type->elem, values, &digest, r->diag))
        return NULL;
    if (!strcmp(wanted, digest_hex(digest, hex)))
        return values;
    diag_subject(r->diag, CHECKPOINT_TENSOR_DIGEST, r->file.path, name);
    return NULL;
}

static bool
read_scale(struct reading *r, int step, struct data_fit *fit)
{
    struct type type;
    int64_t bytes;
    fit->middle = read_values(r, step, "middle", SAFETENSORS_F64, &fit->type, &bytes);
    fit->spread = fit->middle ? read_values(r, step, "spread", SAFETENSORS_F64, &type, &bytes) : NULL;
    return fit->spread && (type_equal(&type, &fit->type) || fault(r));
}

static bool
read_texts(struct reading *r, int step, struct data_fit *fit)
{
    struct type type;
    int64_t bytes;
    const char *all = read_values(r, step, "texts", SAFETENSORS_U8, &type, &bytes);
    if (!all || (bytes && all[bytes - 1]))
        return all && fault(r);
    for (int64_t i = 0; i < bytes; i++)
        fit->ntexts += !all[i];
    const char **texts = ARENA_ARRAY(r->arena, const char *, fit->ntexts + 1);
    for (int64_t i = 0; i < fit->ntexts; all += strlen(all) + 1)
        texts[i++] = all;
    fit->texts = texts;
    return true;
}

/* A whole number from 1 on behind a blank. */
static bool
take_whole(const char **at, int64_t *out)
{
    char *end;
    if (**at != ' ' || (*at)[1] < '1' || (*at)[1] > '9')
        return false;
    *out = strtoll(*at + 1, &end, 10);
    *at = end;
    return *out < INT64_C(1) << 31;
}

/* One step of the text, which |*at| passes. */
static bool
take_step(struct reading *r, const char **at, int step, struct data_fit *fit)
{
    size_t length = strcspn(*at, " ,");
    int kind = 0;
    while (kind < FORMS && (strlen(forms[kind].name) != length || strncmp(forms[kind].name, *at, length)))
        kind++;
    if (kind == FORMS)
        return fault(r);
    *at += length;
    fit->kind = (enum data_fit_kind)kind;
    const struct form *f = &forms[kind];
    if ((f->vocabulary && !take_whole(at, &fit->vocabulary)) || (f->length && !take_whole(at, &fit->length)))
        return fault(r);
    return (!f->scale || read_scale(r, step, fit)) && (!f->texts || read_texts(r, step, fit));
}

static bool
take_steps(struct reading *r, const char *text, const struct data_fit **out)
{
    *out = NULL;
    for (int step = 1; *text; step++) {
        struct data_fit *fit = ARENA_NEW(r->arena, struct data_fit);
        *fit = (struct data_fit){.before = *out};
        if (step > STEPS_MAX || !take_step(r, &text, step, fit))
            return step > STEPS_MAX ? fault(r) : false;
        *out = fit;
        if (*text && (strncmp(text, ", ", 2) || !text[2]))
            return fault(r);
        text += *text ? 2 : 0;
    }
    return true;
}

bool
checkpoint_fit(const char *path, const char *input, struct arena *arena, const struct data_fit **out, bool *out_kept, struct diag *diag)
{
    struct reading r = {.input = input, .arena = arena, .diag = diag};
    *out = NULL;
    *out_kept = false;
    if (!safetensors_open(&r.file, path, diag))
        return false;
    const char *text = safetensors_text(&r.file, arena_printf(arena, "nnc.fit/%s", input));
    *out_kept = text != NULL;
    bool good = !text || take_steps(&r, text, out);
    safetensors_close(&r.file);
    return good;
}
