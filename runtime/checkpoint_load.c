/* checkpoint: the reading side. */
#include "runtime/checkpoint.h"
#include "runtime/digest.h"
#include "runtime/safetensors.h"
#include "runtime/version.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_MAX = 20 };

struct loading {
    struct safetensors file;
    const struct model_info *model;
    enum checkpoint_use use;
    const struct checkpoint_names *names;
    struct diag *diag;
    bool ours;              /* made by nnc: has digests and a position */
    bool damaged;           /* the previous generation is worth a try */
    bool *used;             /* by entry of the file */
};

/* Whole numbers are written as an optional - and digits, reals as 16 hexadecimal digits of their bits. */
static bool
parse(const char *text, int base, uint64_t *out)
{
    if (!text)
        return false;
    bool negative = base == 10 && *text == '-';
    const char *at = text + negative;
    char *end;
    if (strspn(at, base == 10 ? "0123456789" : "0123456789abcdef") != strlen(at) || !*at)
        return false;
    errno = 0;
    *out = strtoull(at, &end, base);
    if (negative)
        *out = -*out;
    return !errno && !*end;
}

static bool
take_number(struct loading *l, const char *key, int base, uint64_t *out)
{
    if (parse(safetensors_text(&l->file, key), base, out))
        return true;
    l->damaged = true;
    diag_subject(l->diag, CHECKPOINT_ENTRY, l->file.path, key);
    return false;
}

static bool
has_our_texts(const struct safetensors *s)
{
    for (int i = 0; i < s->ntexts; i++)
        if (!strncmp(s->texts[i].key, "nnc.", 4))
            return true;
    return false;
}

static bool
header_is_whole(struct loading *l)
{
    const size_t prefix = strlen(CHECKPOINT_PREFIX), size = (size_t)l->file.header_size;
    char hex[DIGEST_TEXT];
    const char *digest = l->file.header + prefix;
    if (size > prefix + 16 && !memcmp(l->file.header, CHECKPOINT_PREFIX, prefix)
        && !memcmp(digest, digest_hex(digest_bytes(0, digest + 16, size - prefix - 16), hex), 16))
        return true;
    l->damaged = true;
    diag_subject(l->diag, CHECKPOINT_HEADER_DIGEST, l->file.path);
    return false;
}

/* A newer format may protect itself in another way: the versions come before the digest. */
static bool
versions_fit(struct loading *l)
{
    uint64_t format, contract;
    if (!take_number(l, "nnc.format", 10, &format) || !take_number(l, "nnc.contract", 10, &contract))
        return false;
    if (format > CHECKPOINT_VERSION || contract > NUMERICS_VERSION) {
        const char *version = safetensors_text(&l->file, "nnc.version");
        diag_subject(l->diag, CHECKPOINT_NEWER, l->file.path, version ? version : "?", (long long)format,
                     (long long)contract, NNC_VERSION, CHECKPOINT_VERSION, NUMERICS_VERSION);
        return false;
    }
    if (!header_is_whole(l))
        return false;
    if (l->use == CHECKPOINT_RESUME && contract != NUMERICS_VERSION) {
        diag_subject(l->diag, CHECKPOINT_OLDER, l->file.path, (long long)contract, NUMERICS_VERSION);
        return false;
    }
    return true;
}

static const struct checkpoint_name *
name_of(const struct loading *l, const struct variable *v)
{
    for (int i = 0; l->names && i < l->names->count; i++)
        if (!strcmp(l->names->pair[i].ours, v->name))
            return &l->names->pair[i];
    return NULL;
}

/* How the file calls |v|. */
static const char *
name_in_file(const struct loading *l, const struct variable *v)
{
    const struct checkpoint_name *name = name_of(l, v);
    return name ? name->theirs : v->name;
}

/* Which axis of the file's tensor is axis |i| of |v|. */
static int
axis_in_file(const struct checkpoint_name *name, int i)
{
    return name && name->turned ? name->axes[i] : i;
}

/* Whether the file must have |v|, or may: files of others need not know the states of our layers. */
static bool
is_needed(const struct loading *l, const struct variable *v)
{
    return v->kind != VARIABLE_FITTED &&
           (l->use == CHECKPOINT_RESUME || v->kind == VARIABLE_WEIGHT || (v->kind == VARIABLE_STATE && l->ours));
}

static bool
is_wanted(const struct loading *l, const struct variable *v)
{
    return v->kind != VARIABLE_FITTED && (l->use == CHECKPOINT_RESUME || v->kind != VARIABLE_OPTIMIZER);
}

static bool
entry_fits(const struct loading *l, const struct variable *v, const struct safetensors_entry *e)
{
    bool elem_fits = l->use == CHECKPOINT_RESUME ? safetensors_elem_of((enum elem)v->type.elem) == e->elem
                                                 : safetensors_converts(e->elem, (enum elem)v->type.elem);
    bool fits = elem_fits && e->rank == v->type.rank;
    for (int i = 0; fits && i < v->type.rank; i++)
        fits = e->dim[axis_in_file(name_of(l, v), i)] == v->type.dim[i];
    return fits;
}

/* Tensors that nobody asks for: nnc's own and, for weights, states of optimisers. */
static bool
is_passed_over(const struct loading *l, const char *name)
{
    return !strncmp(name, "nnc/", 4) || (l->use == CHECKPOINT_WEIGHTS && strchr(name, '/'));
}

struct misfits {
    int missing, extra, different;
    int optimizer;          /* of the missing ones */
};

/* Goes over what does not fit: counts it, or, with |show|, reports a row each. */
static struct misfits
compare(struct loading *l, bool show)
{
    struct misfits m = {0};
    char theirs[TYPE_TEXT], ours[TYPE_TEXT];
    const char *path = l->file.path;
#define SHOW(...) \
    (show && m.missing + m.extra + m.different <= TABLE_MAX ? (void)diag_subject(l->diag, __VA_ARGS__) : (void)0)
    for (int i = 0; i < l->model->nvars; i++) {
        const struct variable *v = &l->model->vars[i];
        const char *name = name_in_file(l, v);
        const struct safetensors_entry *e = is_wanted(l, v) ? safetensors_find(&l->file, name) : NULL;
        if (e)
            l->used[e - l->file.entries] = true;
        if (e ? entry_fits(l, v, e) : !is_needed(l, v))
            continue;
        m.missing += !e;
        m.different += e != NULL;
        m.optimizer += !e && v->kind == VARIABLE_OPTIMIZER;
        type_text(&v->type, ", ", ours);
        if (e)
            SHOW(CHECKPOINT_OTHER_TYPE, path, name, safetensors_type_text(e, theirs), ours);
        else
            SHOW(CHECKPOINT_MISSING, path, name, ours);
    }
    for (int i = 0; i < l->file.count; i++) {
        const struct safetensors_entry *e = &l->file.entries[i];
        if (l->used[i] || is_passed_over(l, e->name))
            continue;
        m.extra++;
        SHOW(CHECKPOINT_EXTRA, path, e->name, safetensors_type_text(e, theirs));
    }
#undef SHOW
    return m;
}

static bool
tensors_fit(struct loading *l)
{
    l->used = calloc((size_t)l->file.count + 1, 1);
    if (!l->used) {
        diag_subject(l->diag, OUT_OF_MEMORY, l->file.path);
        return false;
    }
    struct misfits m = compare(l, false);
    int all = m.missing + m.extra + m.different;
    if (all && m.optimizer == all) {
        diag_subject(l->diag, CHECKPOINT_NO_OPTIMIZER, l->file.path);
        diag_subject(l->diag, CHECKPOINT_USE_INIT, l->file.path, l->file.path);
    } else if (all) {
        diag_subject(l->diag, CHECKPOINT_MISFIT, l->file.path, m.missing, m.extra, m.different);
        compare(l, true);
        if (all > TABLE_MAX)
            diag_subject(l->diag, CHECKPOINT_MORE, l->file.path, all - TABLE_MAX);
    }
    return !all;
}

static bool
digest_fits(struct loading *l, const char *name, uint64_t digest)
{
    char key[1024], hex[DIGEST_TEXT];
    snprintf(key, sizeof key, "nnc.digest/%s", name);
    const char *wanted = safetensors_text(&l->file, key);
    if (wanted && !strcmp(wanted, digest_hex(digest, hex)))
        return true;
    l->damaged = true;
    diag_subject(l->diag, CHECKPOINT_TENSOR_DIGEST, l->file.path, name);
    return false;
}

/* The elements of |t|, which lie as the file has them, as |t| has them. */
static bool
turn(struct loading *l, const struct checkpoint_name *name, const struct tensor *t)
{
    size_t size = elem_size((enum elem)t->type.elem), bytes = (size_t)tensor_bytes(t);
    int rank = t->type.rank;
    int64_t step[RANK_MAX], at[RANK_MAX] = {0}, from = 0, count = tensor_count(t);
    char *file = malloc(bytes + 1), *to = t->data;
    if (!file) {
        diag_subject(l->diag, OUT_OF_MEMORY, l->file.path);
        return false;
    }
    memcpy(file, t->data, bytes);
    for (int i = 0; i < rank; i++) { /* how far apart neighbours along our axis i lie in the file */
        step[i] = 1;
        for (int k = 0; k < rank; k++)
            if (name->axes[k] > name->axes[i])
                step[i] *= t->type.dim[k];
    }
    for (int64_t n = 0; n < count; n++, to += size) {
        memcpy(to, file + (size_t)from * size, size);
        for (int i = rank - 1; i >= 0; i--) {
            from += step[i];
            if (++at[i] < t->type.dim[i])
                break;
            from -= step[i] * at[i];
            at[i] = 0;
        }
    }
    free(file);
    return true;
}

/* Reads the tensor |name| as variable |v| into |out|. */
static bool
read_tensor(struct loading *l, const char *name, const struct variable *v, const struct tensor *out)
{
    const struct safetensors_entry *e = safetensors_find(&l->file, name);
    uint64_t digest;
    int64_t element;
    if (!safetensors_read(&l->file, e, (enum elem)v->type.elem, out->data, &digest, l->diag)
        || (l->ours && !digest_fits(l, name, digest)))
        return false;
    const struct checkpoint_name *named = name_of(l, v);
    if (named && named->turned && !turn(l, named, out))
        return false;
    const char *fault = checkpoint_fault(v, out, &element);
    if (fault)
        diag_subject(l->diag, CHECKPOINT_NOT_FINITE, l->file.path, name, fault, (long long)element);
    return !fault;
}

/* To go on, a variable of which the file has the best epoch's value too is read as it is now. |*out_best|: it has. */
static bool
read_variable(struct loading *l, int i, bool *out_best)
{
    const struct variable *v = &l->model->vars[i];
    const struct tensor *value = &l->model->values[i], *best = l->model->best ? &l->model->best[i] : NULL;
    const char *name = name_in_file(l, v);
    char now[1024];
    snprintf(now, sizeof now, CHECKPOINT_NOW "%s", name);
    const struct safetensors_entry *e = l->use == CHECKPOINT_RESUME ? safetensors_find(&l->file, now) : NULL;
    if (!e)
        return !safetensors_find(&l->file, name) || read_tensor(l, name, v, value);
    if (!entry_fits(l, v, e)) {
        l->damaged = true;
        diag_subject(l->diag, CHECKPOINT_ENTRY, l->file.path, now);
        return false;
    }
    *out_best = true;
    return (!best || !best->data || read_tensor(l, name, v, best)) && read_tensor(l, now, v, value);
}

static bool
read_position(struct loading *l, struct checkpoint_position *out)
{
    struct checkpoint_position at = {0};
    uint64_t model;
    for (int i = 0; i < POSITION_FIELDS; i++) {
        uint64_t bits;
        if (!take_number(l, position_fields[i].key, position_fields[i].kind == POSITION_WHOLE ? 10 : 16, &bits))
            return false;
        memcpy((char *)&at + position_fields[i].offset, &bits, sizeof bits);
    }
    if (!take_number(l, "nnc.model", 16, &model))
        return false;
    if (l->use == CHECKPOINT_RESUME && model != checkpoint_model_digest(l->model))
        diag_subject(l->diag, CHECKPOINT_MODEL_CHANGED, l->file.path);
    *out = at;
    return true;
}

static bool
load(struct loading *l, struct checkpoint_position *out_at)
{
    l->ours = has_our_texts(&l->file);
    if (l->ours && !versions_fit(l))
        return false;
    if (!l->ours && l->use == CHECKPOINT_RESUME) {
        diag_subject(l->diag, CHECKPOINT_NO_POSITION, l->file.path);
        diag_subject(l->diag, CHECKPOINT_USE_INIT, l->file.path, l->file.path);
        return false;
    }
    if (!tensors_fit(l) || (l->ours && !read_position(l, out_at)))
        return false;
    bool best = false;
    for (int i = 0; i < l->model->nvars; i++)
        if (is_wanted(l, &l->model->vars[i]) && !read_variable(l, i, &best))
            return false;
    if (l->model->best && !best)
        out_at->best_epoch = 0; /* made without `restore = best`: the best is looked for from here on */
    return true;
}

static void
offer_previous(const char *path, struct diag *diag)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s.prev", path) < (int)sizeof name && !access(name, R_OK))
        diag_subject(diag, CHECKPOINT_PREVIOUS, path, path);
}

static bool
load_file(struct loading *l, const char *path, struct checkpoint_position *out_at)
{
    struct checkpoint_position unused, *at = out_at ? out_at : &unused;
    *at = (struct checkpoint_position){0};
    bool opened = safetensors_open(&l->file, path, l->diag);
    bool loaded = opened && load(l, at);
    if (!opened || l->damaged)
        offer_previous(path, l->diag);
    if (opened)
        safetensors_close(&l->file);
    free(l->used);
    return loaded;
}

bool
checkpoint_load(const char *path, const struct model_info *model, enum checkpoint_use use,
                struct checkpoint_position *out_at, struct diag *diag)
{
    return load_file(&(struct loading){.model = model, .use = use, .diag = diag}, path, out_at);
}

bool
checkpoint_load_named(const char *path, const struct model_info *model, const struct checkpoint_names *names,
                      struct diag *diag)
{
    return load_file(&(struct loading){.model = model, .use = CHECKPOINT_WEIGHTS, .names = names, .diag = diag}, path, NULL);
}
