#include "runtime/data/npy.h"
#include "runtime/save_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
enum { HEADER_MAX = 1 << 20 };

/* What npy_write calls the element types. */
static const char *const written[ELEM_COUNT] = {
    [ELEM_F32] = "<f4", [ELEM_F64] = "<f8", [ELEM_I32] = "<i4", [ELEM_I64] = "<i8", [ELEM_U8] = "|u1", [ELEM_BOOL] = "|b1",
};

/* ---- the header ---- */

struct npy {
    struct data_source *source;
    char *text;              /* the dictionary, NUL-terminated */
    int64_t text_at;         /* its offset */
    const char *p;           /* in the dictionary */
    unsigned seen;           /* keys */
    struct array_layout layout;
};

/* What stands at |p|, cut and printable. */
static bool
fail_here(struct npy *f, const char *expected)
{
    char found[24];
    int n = 0;
    for (; n < 16 && f->p[n]; n++)
        found[n] = f->p[n] >= ' ' && f->p[n] <= '~' ? f->p[n] : '?';
    found[n] = 0;
    const char *text = n ? arena_printf(f->source->diag->arena, "\"%s\"", found) : "the header's end";
    return source_fail(f->source, f->text_at + (f->p - f->text), expected, text);
}

static void
blanks(struct npy *f)
{
    f->p += strspn(f->p, " \t\r\n");
}

static bool
take(struct npy *f, const char *text)
{
    blanks(f);
    size_t n = strlen(text);
    if (strncmp(f->p, text, n) != 0)
        return false;
    f->p += n;
    return true;
}

/* A quoted text of at most |size| - 1 characters. */
static bool
quoted(struct npy *f, char *out, size_t size)
{
    blanks(f);
    char quote = *f->p;
    const char *end = quote == '\'' || quote == '"' ? strchr(f->p + 1, quote) : NULL;
    if (!end || (size_t)(end - f->p) > size)
        return false;
    size_t n = (size_t)(end - f->p - 1);
    memcpy(out, f->p + 1, n);
    out[n] = 0;
    f->p = end + 1;
    return true;
}

static bool
read_descr(struct npy *f)
{
    blanks(f);
    const char *start = f->p;
    char text[16];
    const char *expected = "an element type f2, f4, f8, i1 to i8, u1 to u8 or b1";
    if (!quoted(f, text, sizeof text))
        return fail_here(f, expected);
    const char *name = text + (text[0] && strchr("<>=|", text[0]) ? 1 : 0);
    f->layout.swapped = text[0] == '>';
    f->layout.kind = array_kind(name);
    if (f->layout.kind)
        return true;
    f->p = start;
    if (*name == 'O')
        expected = "numbers (object arrays are not read)";
    return fail_here(f, expected);
}

static bool
read_order(struct npy *f)
{
    f->layout.fortran = take(f, "True");
    return f->layout.fortran || take(f, "False") || fail_here(f, "True or False");
}

static bool
read_dimension(struct npy *f)
{
    blanks(f);
    const char *start = f->p;
    int64_t dim = 0;
    for (; *f->p >= '0' && *f->p <= '9'; f->p++)
        if (__builtin_mul_overflow(dim, (int64_t)10, &dim) || __builtin_add_overflow(dim, (int64_t)(*f->p - '0'), &dim)) {
            f->p = start;
            return fail_here(f, "a dimension below 2^63");
        }
    if (f->p == start)
        return fail_here(f, "a dimension, 0 or more");
    if (*f->p == 'L') /* written by Python 2 */
        f->p++;
    if (f->layout.type.rank == RANK_MAX) {
        f->p = start;
        return fail_here(f, "at most 8 dimensions");
    }
    f->layout.type.dim[f->layout.type.rank++] = dim;
    return true;
}

static bool
read_shape(struct npy *f)
{
    if (!take(f, "("))
        return fail_here(f, "a tuple of dimensions");
    while (!take(f, ")")) {
        if (!read_dimension(f))
            return false;
        if (!take(f, ",") && (blanks(f), *f->p != ')'))
            return fail_here(f, "',' or ')'");
    }
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct npy *f);
} keys[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
enum { KEYS = sizeof keys / sizeof *keys };

static bool
read_entry(struct npy *f)
{
    blanks(f);
    const char *start = f->p;
    char name[16] = "";
    int k = 0;
    if (quoted(f, name, sizeof name))
        while (k < KEYS && strcmp(keys[k].name, name) != 0)
            k++;
    if (!*name || k == KEYS || f->seen >> k & 1) {
        f->p = start;
        return fail_here(f, "'descr', 'fortran_order' and 'shape', each once");
    }
    f->seen |= 1u << k;
    return take(f, ":") ? keys[k].read(f) : fail_here(f, "':'");
}

static bool
read_dictionary(struct npy *f)
{
    f->p = f->text;
    if (!take(f, "{"))
        return fail_here(f, "a dictionary");
    while (!take(f, "}")) {
        if (!read_entry(f))
            return false;
        if (!take(f, ",") && (blanks(f), *f->p != '}'))
            return fail_here(f, "',' or '}'");
    }
    if (f->seen != (1u << KEYS) - 1)
        return fail_here(f, "'descr', 'fortran_order' and 'shape'");
    blanks(f);
    return f->p == f->text + (f->source->at - f->text_at) || fail_here(f, "the header's end");
}

/* Magic, version, length and dictionary. */
static bool
read_header(struct npy *f)
{
    struct data_source *s = f->source;
    struct arena *arena = s->diag->arena;
    unsigned char head[12] = {0};
    if (s->size >= 0 && s->size < 10)
        return source_fail(s, 0, "an .npy file", arena_printf(arena, "%lld bytes", (long long)s->size));
    if (!source_exact(s, head, 10))
        return false;
    if (memcmp(head, magic, sizeof magic) != 0)
        return source_fail(s, 0, "the magic bytes of an .npy file: 93 4e 55 4d 50 59",
                           head[0] == 0x1f && head[1] == 0x8b
                               ? GZIP_FOUND
                               : arena_printf(arena, "%02x %02x %02x %02x %02x %02x", head[0], head[1], head[2], head[3], head[4], head[5]));
    if (head[6] < 1 || head[6] > 3)
        return source_fail(s, 6, "version 1, 2 or 3", arena_printf(arena, "version %d", head[6]));
    if (head[6] > 1 && !source_exact(s, head + 10, 2))
        return false;
    int64_t length = head[8] | head[9] << 8 | (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    int64_t most = s->limit - s->at < HEADER_MAX ? s->limit - s->at : HEADER_MAX;
    if (length > most)
        return source_fail(s, 8, arena_printf(arena, "a header of at most %lld bytes", (long long)most),
                           arena_printf(arena, "%lld", (long long)length));
    f->text_at = s->at;
    f->text = calloc(1, (size_t)length + 1);
    if (!f->text) {
        diag_subject(s->diag, OUT_OF_MEMORY, s->name);
        return false;
    }
    return source_exact(s, f->text, length) && read_dictionary(f);
}

/* ---- all ---- */

bool
npy_read_source(struct data_source *s, struct tensor *out)
{
    struct npy f = {.source = s};
    *out = (struct tensor){.data = NULL};
    bool good = read_header(&f);
    if (good) {
        f.layout.type.elem = f.layout.kind->elem;
        good = array_read(s, &f.layout, f.text_at, out);
    }
    free(f.text);
    return good;
}

bool
npy_read(const char *path, struct tensor *out, struct diag *diag)
{
    struct data_source s;
    *out = (struct tensor){.data = NULL};
    if (!source_open(&s, path, NULL, diag))
        return false;
    bool good = npy_read_source(&s, out);
    source_close(&s);
    return good;
}

/* ---- writing ---- */

bool
npy_write(const char *path, const struct tensor *t, struct diag *diag)
{
    char head[512];
    int n = snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (", written[t->type.elem]);
    for (int i = 0; i < t->type.rank; i++)
        n += snprintf(head + n, sizeof head - (size_t)n, "%s%lld", i ? ", " : "", (long long)t->type.dim[i]);
    n += snprintf(head + n, sizeof head - (size_t)n, "%s), }", t->type.rank == 1 ? "," : "");
    while ((n + 11) % 64) /* the data begin at a multiple of 64 */
        head[n++] = ' ';
    head[n++] = '\n';
    const unsigned char version[4] = {1, 0, (unsigned char)n, (unsigned char)(n >> 8)};
    struct save_file f;
    save_file_sweep(path);
    if (!save_file_begin(&f, path, diag))
        return false;
    save_file_write(&f, magic, sizeof magic);
    save_file_write(&f, version, sizeof version);
    save_file_write(&f, head, (size_t)n);
    save_file_write(&f, t->data, (size_t)tensor_bytes(t));
    return save_file_commit(&f, false, diag);
}
