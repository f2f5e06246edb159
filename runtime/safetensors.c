#include "runtime/safetensors.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The header's limits. A value costs the JSON reader about 100 bytes, so that VALUES_MAX keeps it to 50 MB. */
enum { HEADER_MAX = 100000000, VALUES_MAX = 500000, DEPTH_MAX = 4 };

static const struct {
    const char *name;
    int size;
} elems[SAFETENSORS_COUNT] = {
#define ELEM(id, text, bytes) [SAFETENSORS_##id] = {text, bytes},
#include "runtime/safetensors.def"
#undef ELEM
};

const char *
safetensors_elem_name(enum safetensors_elem e)
{
    return elems[e].name;
}


static bool
out_of_memory(const struct safetensors *s, struct diag *diag)
{
    diag_subject(diag, OUT_OF_MEMORY, s->path);
    return false;
}

static bool
damaged(const struct safetensors *s, struct diag *diag, const char *what, const char *name)
{
    diag_subject(diag, SAFETENSORS_BAD, s->path, name, what);
    return false;
}

int
safetensors_elem_size(enum safetensors_elem e)
{
    return elems[e].size;
}

bool
safetensors_bytes(const struct safetensors *s, int64_t offset, void *out, int64_t size, struct diag *diag)
{
    for (char *at = out; size > 0; ) {
        ssize_t n = pread(s->fd, at, size < INT_MAX ? (size_t)size : INT_MAX, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            diag_subject(diag, FILE_NOT_READ, s->path, n < 0 ? strerror(errno) : "the file became shorter");
            return false;
        }
        at += n;
        offset += n;
        size -= n;
    }
    return true;
}

/* Opens a regular file and gives its size; never waits for a writer of a pipe. */
static bool
open_file(struct safetensors *s, int64_t *out_size, struct diag *diag)
{
    struct stat st;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0 || fstat(s->fd, &st)) {
        diag_subject(diag, FILE_NOT_READ, s->path, strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        diag_subject(diag, FILE_NOT_READ, s->path, S_ISDIR(st.st_mode) ? "it is a directory" : "it is no regular file");
        return false;
    }
    *out_size = st.st_size;
    return true;
}

static bool
read_header(struct safetensors *s, int64_t file_size, struct diag *diag)
{
    uint64_t size;
    if (file_size < 8) {
        diag_subject(diag, SAFETENSORS_SHORT, s->path, (long long)file_size);
        return false;
    }
    if (!safetensors_bytes(s, 0, &size, 8, diag))
        return false;
    if (size < 2 || size > HEADER_MAX || (int64_t)size > file_size - 8) {
        diag_subject(diag, SAFETENSORS_HEADER_SIZE, s->path, (unsigned long long)size, (long long)file_size);
        return false;
    }
    s->header_size = (int64_t)size;
    s->body = 8 + s->header_size;
    s->header = malloc(size + 1);
    if (!s->header)
        return out_of_memory(s, diag);
    s->header[size] = 0;
    return safetensors_bytes(s, 8, s->header, s->header_size, diag);
}

/* What bounds the JSON reader's memory and recursion: counts values and nesting outside of strings. */
static bool
header_fits(const struct safetensors *s, struct diag *diag)
{
    bool text = false;
    int64_t values = 0, depth = 0;
    const char *fault = s->header[0] == '{' ? NULL : "it does not begin with {";
    int64_t i = 0;
    for (; i < s->header_size && !fault; i++) {
        unsigned char c = (unsigned char)s->header[i];
        if (c < 0x20 && (text || (c != '\t' && c != '\n' && c != '\r')))
            fault = "control character";
        else if (text && c == '\\')
            i++;
        else if (c == '"')
            text = !text;
        else if (!text && (c == '{' || c == '['))
            fault = ++depth > DEPTH_MAX ? "nested too deeply" : NULL;
        else if (!text && (c == '}' || c == ']'))
            depth--;
        values += !text && (c == ',' || c == ':');
        if (values > VALUES_MAX)
            fault = "too many values";
    }
    if (fault)
        diag_subject(diag, SAFETENSORS_JSON, s->path, (long long)i + 8, fault);
    return !fault;
}

static bool
parse_header(struct safetensors *s, struct diag *diag)
{
    const char *end = s->header;
    /* the NUL is part: nothing else may follow */
    cJSON *root = cJSON_ParseWithLengthOpts(s->header, (size_t)s->header_size + 1, &end, 1);
    s->tree = root;
    if (!cJSON_IsObject(root)) {
        diag_subject(diag, SAFETENSORS_JSON, s->path, (long long)(end ? end - s->header : 0) + 8, "no JSON object");
        return false;
    }
    return true;
}

/* A whole number in [0, 2^53]. */
static bool
whole(const cJSON *item, int64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > 9007199254740992.0)
        return false;
    *out = (int64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static const char *
take_shape(const cJSON *shape, struct safetensors_entry *e, int64_t *out_count)
{
    if (!cJSON_IsArray(shape))
        return "shape is no list";
    int64_t count = 1;
    bool empty = false;
    for (const cJSON *d = shape->child; d; d = d->next) {
        if (e->rank == RANK_MAX)
            return "more than 8 dimensions";
        int64_t *dim = &e->dim[e->rank++];
        if (!whole(d, dim))
            return "a dimension is no whole number";
        empty |= *dim == 0;
        if (*dim && __builtin_mul_overflow(count, *dim, &count))
            return "size over 2^63";
    }
    *out_count = empty ? 0 : count;
    return NULL;
}

static const char *
take_elem(const cJSON *item, struct safetensors_entry *e)
{
    for (int k = 0; cJSON_IsString(item) && k < SAFETENSORS_COUNT; k++)
        if (!strcmp(item->valuestring, elems[k].name)) {
            e->elem = (enum safetensors_elem)k;
            return NULL;
        }
    return "dtype is none that nnc reads";
}

static const char *
take_entry(const cJSON *item, struct safetensors_entry *e)
{
    const cJSON *dtype = NULL, *shape = NULL, *offsets = NULL;
    for (const cJSON *c = item->child; c && cJSON_IsObject(item); c = c->next) {
        const cJSON **slot = !strcmp(c->string, "dtype") ? &dtype : !strcmp(c->string, "shape") ? &shape
                           : !strcmp(c->string, "data_offsets") ? &offsets : NULL;
        if (!slot || *slot)
            return "unknown or doubled key";
        *slot = c;
    }
    if (!dtype || !shape || !offsets)
        return "dtype, shape or data_offsets is missing";
    int64_t count, bytes, to;
    const char *fault = take_elem(dtype, e);
    if (!fault)
        fault = take_shape(shape, e, &count);
    if (fault)
        return fault;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || !whole(offsets->child, &e->from)
        || !whole(offsets->child->next, &to))
        return "data_offsets are no two whole numbers";
    e->bytes = to - e->from;
    if (__builtin_mul_overflow(count, elems[e->elem].size, &bytes) || e->bytes != bytes)
        return "data_offsets do not fit the shape";
    return NULL;
}

static bool
plain_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return *name;
}

static bool
take_texts(struct safetensors *s, const cJSON *meta, struct diag *diag)
{
    if (s->texts || !cJSON_IsObject(meta))
        return damaged(s, diag, s->texts ? "doubled" : "no object", "__metadata__");
    int count = cJSON_GetArraySize(meta);
    s->texts = calloc((size_t)count + 1, sizeof *s->texts);
    if (!s->texts)
        return out_of_memory(s, diag);
    for (const cJSON *c = meta->child; c; c = c->next) {
        if (!cJSON_IsString(c))
            return damaged(s, diag, "a value is no string", "__metadata__");
        s->texts[s->ntexts++] = (struct safetensors_text){c->string, c->valuestring};
    }
    return true;
}

static bool
take_items(struct safetensors *s, struct diag *diag)
{
    const cJSON *root = s->tree;
    s->entries = calloc((size_t)cJSON_GetArraySize(root) + 1, sizeof *s->entries);
    if (!s->entries)
        return out_of_memory(s, diag);
    for (const cJSON *c = root->child; c; c = c->next) {
        if (!strcmp(c->string, "__metadata__")) {
            if (!take_texts(s, c, diag))
                return false;
            continue;
        }
        if (!plain_name(c->string))
            return damaged(s, diag, "bad name", "a tensor");
        struct safetensors_entry *e = &s->entries[s->count++];
        e->name = c->string;
        const char *fault = take_entry(c, e);
        if (fault)
            return damaged(s, diag, fault, e->name);
    }
    return true;
}

static int
by_place(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_entry *)a)->name, ((const struct safetensors_entry *)b)->name);
}

static int
by_key(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_text *)a)->key, ((const struct safetensors_text *)b)->key);
}

/* The tensors cover the rest of the file without holes. */
static bool
covers(struct safetensors *s, int64_t file_size, struct diag *diag)
{
    int64_t at = 0, size = file_size - s->body;
    qsort(s->entries, (size_t)s->count, sizeof *s->entries, by_place);
    for (int i = 0; i < s->count; i++) {
        const struct safetensors_entry *e = &s->entries[i];
        if (e->from != at)
            return damaged(s, diag, e->from < at ? "its data overlap another tensor's" : "there is a hole before its data",
                           e->name);
        at += e->bytes;
        if (at > size)
            return damaged(s, diag, "the file ends before its data do", e->name);
    }
    if (at != size)
        diag_subject(diag, SAFETENSORS_TRAILING, s->path, (long long)(size - at));
    return at == size;
}

static bool
sort_names(struct safetensors *s, struct diag *diag)
{
    qsort(s->entries, (size_t)s->count, sizeof *s->entries, by_name);
    for (int i = 1; i < s->count; i++)
        if (!by_name(&s->entries[i - 1], &s->entries[i]))
            return damaged(s, diag, "there are two of this name", s->entries[i].name);
    if (s->texts)
        qsort(s->texts, (size_t)s->ntexts, sizeof *s->texts, by_key);
    for (int i = 1; i < s->ntexts; i++)
        if (!by_key(&s->texts[i - 1], &s->texts[i]))
            return damaged(s, diag, "a key is doubled", "__metadata__");
    return true;
}

static bool
read_all(struct safetensors *s, int64_t size, struct diag *diag)
{
    if (read_header(s, size, diag) && header_fits(s, diag) && parse_header(s, diag) && take_items(s, diag) && covers(s, size, diag) &&
        sort_names(s, diag))
        return true;
    safetensors_close(s);
    return false;
}

static void
undo(void *file)
{
    safetensors_close(file);
}

static void
guard(struct safetensors *s, struct diag *diag)
{
    s->arena = diag->arena;
    arena_guard(s->arena, &s->undo, undo, s);
}

bool
safetensors_open(struct safetensors *s, const char *path, struct diag *diag)
{
    *s = (struct safetensors){.path = path, .fd = -1};
    guard(s, diag);
    int64_t size;
    if (open_file(s, &size, diag))
        return read_all(s, size, diag);
    safetensors_close(s);
    return false;
}

bool
safetensors_open_descriptor(struct safetensors *s, const char *path, int fd, int64_t size, struct diag *diag)
{
    *s = (struct safetensors){.path = path, .fd = fd};
    guard(s, diag);
    return read_all(s, size, diag);
}

void
safetensors_close(struct safetensors *s)
{
    if (s->arena)
        arena_keep(s->arena, &s->undo);
    if (s->fd >= 0)
        close(s->fd);
    free(s->header);
    free(s->entries);
    free(s->texts);
    cJSON_Delete(s->tree);
    *s = (struct safetensors){.fd = -1};
}

const struct safetensors_entry *
safetensors_find(const struct safetensors *s, const char *name)
{
    struct safetensors_entry key = {.name = name};
    return bsearch(&key, s->entries, (size_t)s->count, sizeof key, by_name);
}

const char *
safetensors_text(const struct safetensors *s, const char *key)
{
    struct safetensors_text wanted = {.key = key};
    const struct safetensors_text *t = NULL;
    if (s->texts)
        t = bsearch(&wanted, s->texts, (size_t)s->ntexts, sizeof wanted, by_key);
    return t ? t->value : NULL;
}
