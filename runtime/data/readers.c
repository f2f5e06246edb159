/* readers: the functions that read arrays of files: npy, npz, idx, safetensors, bytes. csv and tsv: table.c. */
#include "runtime/data/npy.h"
#include "runtime/data/readers.h"
#include "runtime/data/zip.h"
#include "runtime/safetensors.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- what they share ---- */

const char *
read_path(struct data_call *c)
{
    return arg_kind(c, 0, DATA_STRING) ? data_path(&c->context->files, c->args[0].value.string, c->context->arena) : NULL;
}

bool
read_failed(struct data_call *c, const char *path)
{
    const struct data_argument *about = &c->args[c->nargs - 1];
    diag_report(c->context->diag, NOTE_READ_HERE, c->args[0].place);
    if (access(path, F_OK)) {
        if (about->value.kind == DATA_STRING)
            diag_report(c->context->diag, DATA_ABOUT, (struct place){0}, about->value.string);
        diag_report(c->context->diag, DATA_WHERE, (struct place){0}, c->args[0].value.string);
    }
    return false;
}

/* The tensor |t| of the file |path|, if |good|, as the result. */
static bool
give(struct data_call *c, const char *path, bool good, struct tensor *t)
{
    if (!good)
        return read_failed(c, path);
    const struct tensor *kept = data_pool_adopt(&c->context->pool, t, c->place, c->context->diag);
    if (kept)
        c->out[0] = data_of_tensor(kept);
    return kept != NULL;
}

/* Opens the file of argument 0, reads it whole and closes it. */
static bool
read_stream(struct data_call *c, bool (*read)(struct data_source *s, struct tensor *out))
{
    struct data_source s;
    struct tensor t = {.data = NULL};
    const char *path = read_path(c);
    if (!path)
        return false;
    bool good = source_open(&s, path, &c->context->watch, c->context->diag);
    if (good) {
        good = read(&s, &t);
        source_close(&s);
    }
    return give(c, path, good, &t);
}

bool
data_fn_npy(struct data_call *c)
{
    return read_stream(c, npy_read_source);
}

/* ---- idx ---- */

static const struct {
    unsigned char code;
    const char *kind;
} idx_kinds[] = {{8, "u1"}, {9, "i1"}, {11, "i2"}, {12, "i4"}, {13, "f4"}, {14, "f8"}};

bool
idx_read(struct data_source *s, struct tensor *out)
{
    unsigned char head[4], dim[4];
    struct array_layout l = {.swapped = true};
    struct arena *arena = s->diag->arena;
    *out = (struct tensor){.data = NULL};
    if (!source_exact(s, head, 4))
        return false;
    for (size_t i = 0; i < sizeof idx_kinds / sizeof *idx_kinds; i++)
        if (idx_kinds[i].code == head[2])
            l.kind = array_kind(idx_kinds[i].kind);
    if (head[0] || head[1] || !l.kind || head[3] > RANK_MAX)
        return source_fail(s, 0, "the magic number of an IDX file: 00 00, an element type 08 to 0e, at most 8 dimensions",
                           head[0] == 0x1f && head[1] == 0x8b ? GZIP_FOUND
                           : arena_printf(arena, "%02x %02x %02x %02x", head[0], head[1], head[2], head[3]));
    l.type.elem = l.kind->elem;
    for (int i = 0; i < head[3]; i++) {
        if (!source_exact(s, dim, 4))
            return false;
        l.type.dim[l.type.rank++] = (int64_t)dim[0] << 24 | dim[1] << 16 | dim[2] << 8 | dim[3];
    }
    return array_read(s, &l, 4, out);
}

bool
data_fn_idx(struct data_call *c)
{
    return read_stream(c, idx_read);
}

/* ---- bytes ---- */

bool
bytes_read(struct data_source *s, struct tensor *out)
{
    struct type type = {.elem = ELEM_U8, .rank = 1, .dim = {s->size}};
    int64_t room = s->size >= 0 ? s->size : (int64_t)1 << 16, got;
    *out = (struct tensor){.data = NULL};
    for (;;) { /* once, unless the size is not known */
        type.dim[0] = room;
        struct tensor t = tensor_new(&type);
        if (!t.data) {
            tensor_free(out);
            diag_subject(s->diag, OUT_OF_MEMORY, s->name);
            return false;
        }
        if (out->data)
            memcpy(t.data, out->data, (size_t)s->at);
        tensor_free(out);
        *out = t;
        if (!source_some(s, (char *)t.data + s->at, room - s->at, &got)) {
            tensor_free(out);
            return false;
        }
        if (s->at < room || s->size >= 0)
            break;
        room = 2 * room < s->limit ? 2 * room : s->limit + 1;
    }
    out->type.dim[0] = s->at;
    if (s->size < 0 || source_end(s))
        return true;
    tensor_free(out);
    return false;
}

bool
data_fn_bytes(struct data_call *c)
{
    return read_stream(c, bytes_read);
}

/* ---- npz ---- */

static const struct zip_entry *
find_member(struct data_call *c, const struct zip *z, const char *member)
{
    const char *with = arena_printf(c->context->arena, "%s.npy", member), *names = "";
    for (int i = 0; i < z->count; i++) {
        if (!strcmp(z->entries[i].name, with) || !strcmp(z->entries[i].name, member))
            return &z->entries[i];
        if (i < 10)
            names = arena_printf(c->context->arena, "%s%s\"%s\"", names, i ? ", " : "", z->entries[i].name);
    }
    diag_subject(c->context->diag, DATA_MEMBER, z->name, member, *names ? names : "nothing");
    return NULL;
}

bool
npz_read(const struct zip *z, const struct zip_entry *e, struct tensor *out, struct diag *diag)
{
    struct data_source s;
    const char *name = arena_printf(diag->arena, "%s/%s", z->name, e->name);
    *out = (struct tensor){.data = NULL};
    if (!source_open_member(&s, name, z->fd, e->data, e->packed, e->size, e->crc, e->deflated, diag))
        return false;
    bool good = npy_read_source(&s, out);
    source_close(&s);
    return good;
}

bool
data_fn_npz(struct data_call *c)
{
    struct zip z;
    struct tensor t = {.data = NULL};
    int64_t size;
    struct diag *diag = c->context->diag;
    const char *path = read_path(c);
    if (!path || !arg_kind(c, 1, DATA_STRING))
        return false;
    int fd = source_descriptor(path, &c->context->watch, &size, diag);
    const struct zip_entry *e = fd >= 0 && zip_open(&z, path, fd, size, diag) ? find_member(c, &z, c->args[1].value.string) : NULL;
    bool good = e && npz_read(&z, e, &t, diag);
    if (fd >= 0)
        close(fd);
    return give(c, path, good, &t);
}

/* ---- safetensors ---- */

static bool
read_tensor(struct data_call *c, const struct safetensors *s, const char *name, struct tensor *out)
{
    struct diag *diag = c->context->diag;
    const struct safetensors_entry *e = safetensors_find(s, name);
    if (!e) {
        const char *names = "";
        for (int i = 0; i < s->count && i < 10; i++)
            names = arena_printf(c->context->arena, "%s%s\"%s\"", names, i ? ", " : "", s->entries[i].name);
        diag_subject(diag, DATA_MEMBER, s->path, name, *names ? names : "nothing");
        return false;
    }
    enum elem elem = safetensors_nearest(e->elem);
    if (elem == ELEM_COUNT) {
        diag_subject(diag, DATA_MEMBER_TYPE, s->path, name, safetensors_elem_name(e->elem));
        return false;
    }
    struct type type = {.elem = elem == ELEM_F32 ? ELEM_F64 : (uint8_t)elem, .rank = (uint8_t)e->rank};
    memcpy(type.dim, e->dim, sizeof type.dim);
    *out = tensor_new(&type);
    if (!out->data) {
        diag_subject(diag, OUT_OF_MEMORY, s->path);
        return false;
    }
    return safetensors_read(s, e, (enum elem)type.elem, out->data, NULL, diag);
}

bool
data_fn_safetensors(struct data_call *c)
{
    struct safetensors s;
    struct tensor t = {.data = NULL};
    int64_t size;
    struct diag *diag = c->context->diag;
    const char *path = read_path(c);
    if (!path || !arg_kind(c, 1, DATA_STRING))
        return false;
    int fd = source_descriptor(path, &c->context->watch, &size, diag);
    bool good = fd >= 0 && safetensors_open_descriptor(&s, path, fd, size, diag);
    if (good) {
        good = read_tensor(c, &s, c->args[1].value.string, &t);
        safetensors_close(&s);
    }
    if (!good)
        tensor_free(&t);
    return give(c, path, good, &t);
}
