#include "runtime/data/npy.h"
#include "runtime/save_file.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
enum { HEADER_MAX = 1 << 20, CHUNK = 1 << 16 };

/* ---- element types ---- */

/* Converts |n| elements in the machine's byte order. Returns n, or the index of one that has no place in the result. */
typedef int64_t convert_fn(const unsigned char *from, int64_t n, void *to);

#define CONVERT(name, from_type, to_type)                           \
    static int64_t name(const unsigned char *from, int64_t n, void *to) \
    {                                                               \
        to_type *out = to;                                          \
        for (int64_t i = 0; i < n; i++) {                           \
            from_type v;                                            \
            memcpy(&v, from + i * (int64_t)sizeof v, sizeof v);     \
            out[i] = (to_type)v;                                    \
        }                                                           \
        return n;                                                   \
    }
CONVERT(from_f4, float, double)
CONVERT(from_f8, double, double)
CONVERT(from_i1, int8_t, int32_t)
CONVERT(from_i2, int16_t, int32_t)
CONVERT(from_i4, int32_t, int32_t)
CONVERT(from_i8, int64_t, int64_t)
CONVERT(from_u1, uint8_t, uint8_t)
CONVERT(from_u2, uint16_t, int32_t)
CONVERT(from_u4, uint32_t, int64_t)

static int64_t
from_u8(const unsigned char *from, int64_t n, void *to)
{
    from_i8(from, n, to);
    for (int64_t i = 0; i < n; i++)
        if (((const int64_t *)to)[i] < 0) /* 2^63 and up */
            return i;
    return n;
}

static int64_t
from_b1(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = from[i] != 0;
    return n;
}

/* IEEE 754 binary16. */
static double
half(unsigned bits)
{
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023, v;
    if (exponent == 31)
        v = fraction != 0 ? NAN : INFINITY;
    else
        v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -v : v;
}

static int64_t
from_f2(const unsigned char *from, int64_t n, void *to)
{
    for (int64_t i = 0; i < n; i++)
        ((double *)to)[i] = half((unsigned)from[2 * i] | (unsigned)from[2 * i + 1] << 8);
    return n;
}

static const struct npy_kind {
    char name[3];
    uint8_t size, elem;
    convert_fn *convert;
} kinds[] = {
    {"f2", 2, ELEM_F64, from_f2}, {"f4", 4, ELEM_F64, from_f4}, {"f8", 8, ELEM_F64, from_f8}, {"i1", 1, ELEM_I32, from_i1},
    {"i2", 2, ELEM_I32, from_i2}, {"i4", 4, ELEM_I32, from_i4}, {"i8", 8, ELEM_I64, from_i8}, {"u1", 1, ELEM_U8, from_u1},
    {"u2", 2, ELEM_I32, from_u2}, {"u4", 4, ELEM_I64, from_u4}, {"u8", 8, ELEM_I64, from_u8}, {"b1", 1, ELEM_BOOL, from_b1},
};
/* What npy_write calls the element types. */
static const char *const written[ELEM_COUNT] = {
    [ELEM_F32] = "<f4", [ELEM_F64] = "<f8", [ELEM_I32] = "<i4", [ELEM_I64] = "<i8", [ELEM_U8] = "|u1", [ELEM_BOOL] = "|b1",
};

/* ---- the header ---- */

struct npy {
    const char *path;
    struct diag *diag;
    int fd;
    int64_t size, at;        /* of the file; bytes read */
    char *text;              /* the dictionary, NUL-terminated */
    int64_t text_at;         /* its offset */
    const char *p;           /* in the dictionary */
    const struct npy_kind *kind;
    bool swapped, fortran;
    unsigned seen;           /* keys */
    struct type type;
};

static bool
fail(struct npy *f, int64_t offset, const char *expected, const char *found)
{
    const char *subject = arena_printf(f->diag->arena, "%s:%lld", f->path, (long long)offset);
    diag_subject(f->diag, NPY_FORMAT, subject, expected, found);
    return false;
}

/* What stands at |p|, cut and printable. */
static bool
fail_here(struct npy *f, const char *expected)
{
    char found[24];
    int n = 0;
    for (; n < 16 && f->p[n]; n++)
        found[n] = f->p[n] >= ' ' && f->p[n] <= '~' ? f->p[n] : '?';
    found[n] = 0;
    const char *text = n ? arena_printf(f->diag->arena, "\"%s\"", found) : "the header's end";
    return fail(f, f->text_at + (f->p - f->text), expected, text);
}

static bool
read_all(struct npy *f, void *bytes, int64_t size)
{
    for (int64_t done = 0; done < size;) {
        ssize_t n = read(f->fd, (char *)bytes + done, (size_t)(size - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            diag_subject(f->diag, FILE_NOT_READ, f->path, strerror(errno));
            return false;
        }
        if (!n)
            return fail(f, f->at, "more data", "the file's end");
        done += n;
        f->at += n;
    }
    return true;
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
    f->swapped = text[0] == '>';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].name, name)) {
            f->kind = &kinds[i];
            return true;
        }
    f->p = start;
    if (*name == 'O')
        expected = "numbers (object arrays are not read)";
    return fail_here(f, expected);
}

static bool
read_order(struct npy *f)
{
    f->fortran = take(f, "True");
    return f->fortran || take(f, "False") || fail_here(f, "True or False");
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
    if (f->type.rank == RANK_MAX) {
        f->p = start;
        return fail_here(f, "at most 8 dimensions");
    }
    f->type.dim[f->type.rank++] = dim;
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
    return f->p == f->text + (f->at - f->text_at) || fail_here(f, "the header's end");
}

/* Magic, version, length and dictionary. */
static bool
read_header(struct npy *f)
{
    unsigned char head[12] = {0};
    if (f->size < 10)
        return fail(f, 0, "an .npy file", arena_printf(f->diag->arena, "%lld bytes", (long long)f->size));
    if (!read_all(f, head, 10))
        return false;
    if (memcmp(head, magic, sizeof magic) != 0)
        return fail(f, 0, "the magic bytes \\x93NUMPY of an .npy file", "others");
    if (head[6] < 1 || head[6] > 3)
        return fail(f, 6, "version 1, 2 or 3", arena_printf(f->diag->arena, "version %d", head[6]));
    if (head[6] > 1 && (f->size < 12 || !read_all(f, head + 10, 2)))
        return f->size >= 12 ? false : fail(f, 10, "a header", "the file's end");
    int64_t length = head[8] | head[9] << 8 | (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    if (length > f->size - f->at || length > HEADER_MAX)
        return fail(f, 8, arena_printf(f->diag->arena, "a header of at most %lld bytes",
                                       (long long)(f->size - f->at < HEADER_MAX ? f->size - f->at : HEADER_MAX)),
                    arena_printf(f->diag->arena, "%lld", (long long)length));
    f->text_at = f->at;
    f->text = calloc(1, (size_t)length + 1);
    if (!f->text) {
        diag_subject(f->diag, OUT_OF_MEMORY, f->path);
        return false;
    }
    return read_all(f, f->text, length) && read_dictionary(f);
}

/* ---- the data ---- */

/* That the array is exactly what is left of the file. */
static bool
sizes_fit(struct npy *f)
{
    f->type.elem = f->kind->elem;
    char text[TYPE_TEXT];
    int64_t count = type_count(&f->type, 0), bytes, left = f->size - f->at;
    type_text(&f->type, ", ", text);
    if (count < 0 || __builtin_mul_overflow(count, (int64_t)f->kind->size, &bytes) || type_bytes(&f->type, 0) < 0)
        return fail(f, f->text_at, "a size below 2^63", text);
    if (bytes == left)
        return true;
    return fail(f, bytes < left ? f->at + bytes : f->size,
                arena_printf(f->diag->arena, "%lld bytes of data for %s of %s", (long long)bytes, strchr(text, '['),
                             f->kind->name),
                arena_printf(f->diag->arena, "%lld", (long long)left));
}

static void
swap_bytes(unsigned char *at, int64_t n, int size)
{
    for (int64_t i = 0; i < n; i++, at += size)
        for (int a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char t = at[a];
            at[a] = at[b];
            at[b] = t;
        }
}

/* Places elements that come with the first axis moving fastest. |index| counts the axes on from call to call. */
static void
scatter(const struct type *type, int64_t *index, const char *from, int64_t n, char *to)
{
    const size_t size = elem_size(type->elem);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int k = 0; k < type->rank; k++)
            at = at * type->dim[k] + index[k];
        memcpy(to + (size_t)at * size, from + (size_t)i * size, size);
        for (int k = 0; k < type->rank && ++index[k] == type->dim[k]; k++)
            index[k] = 0;
    }
}

static bool
read_data(struct npy *f, struct tensor *out)
{
    unsigned char chunk[CHUNK];
    char converted[CHUNK * sizeof(double)];
    int64_t index[RANK_MAX] = {0}, count = tensor_count(out), step = CHUNK / f->kind->size;
    for (int64_t done = 0, n; done < count; done += n) {
        n = count - done < step ? count - done : step;
        int64_t offset = f->at;
        if (!read_all(f, chunk, n * f->kind->size))
            return false;
        if (f->swapped)
            swap_bytes(chunk, n, f->kind->size);
        bool direct = !f->fortran || out->type.rank < 2;
        void *to = direct ? (char *)out->data + (size_t)done * elem_size(out->type.elem) : converted;
        int64_t fits = f->kind->convert(chunk, n, to);
        if (fits < n)
            return fail(f, offset + fits * f->kind->size, "whole numbers below 2^63", "a larger one");
        if (!direct)
            scatter(&out->type, index, converted, n, out->data);
    }
    return true;
}

static bool
read_file(struct npy *f, struct tensor *out)
{
    struct stat s;
    if (fstat(f->fd, &s)) {
        diag_subject(f->diag, FILE_NOT_READ, f->path, strerror(errno));
        return false;
    }
    if (!S_ISREG(s.st_mode)) {
        diag_subject(f->diag, FILE_NOT_READ, f->path, S_ISDIR(s.st_mode) ? "a directory" : "a pipe or a device");
        return false;
    }
    f->size = s.st_size;
    if (!read_header(f) || !sizes_fit(f))
        return false;
    *out = tensor_new(&f->type);
    if (!out->data) {
        diag_subject(f->diag, OUT_OF_MEMORY, f->path);
        return false;
    }
    if (read_data(f, out))
        return true;
    tensor_free(out);
    return false;
}

bool
npy_read(const char *path, struct tensor *out, struct diag *diag)
{
    struct npy f = {.path = path, .diag = diag};
    *out = (struct tensor){.data = NULL};
    f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe without a writer must not block */
    if (f.fd < 0) {
        diag_subject(diag, FILE_NOT_READ, path, strerror(errno));
        return false;
    }
    bool done = read_file(&f, out);
    free(f.text);
    close(f.fd);
    return done;
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
    if (!save_file_begin(&f, path, diag))
        return false;
    save_file_write(&f, magic, sizeof magic);
    save_file_write(&f, version, sizeof version);
    save_file_write(&f, head, (size_t)n);
    save_file_write(&f, t->data, (size_t)tensor_bytes(t));
    return save_file_commit(&f, false, diag);
}
