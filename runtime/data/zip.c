#include "runtime/data/zip.h"
#include "runtime/data/source.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, COMMENT_MAX = 65535, NAME_MAX_BYTES = 1024 };

struct reader {
    struct zip *zip;
    struct diag *diag;
    struct data_source source; /* for messages alone */
    int64_t directory, directory_size, count;
};

static uint64_t
number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static bool
fail(struct reader *r, int64_t offset, const char *expected, const char *found)
{
    return source_fail(&r->source, offset, expected, found);
}

/* |size| bytes at |offset|, which must lie in the file. */
static bool
read_at(struct reader *r, int64_t offset, void *out, int64_t size, const char *what)
{
    if (offset < 0 || size > r->zip->size || offset > r->zip->size - size)
        return fail(r, offset < 0 ? 0 : offset, what, "the file's end");
    for (int64_t done = 0; done < size;) {
        ssize_t n = pread(r->zip->fd, (char *)out + done, (size_t)(size - done), offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            diag_subject(r->diag, FILE_NOT_READ, r->zip->name, strerror(errno));
            return false;
        }
        if (!n)
            return fail(r, offset + done, what, "the file's end");
        done += n;
    }
    return true;
}

/* ---- the end of the archive ---- */

/* Where the end record begins: the last one whose comment reaches to the file's end. */
static bool
find_end(struct reader *r, int64_t *out_at, unsigned char end[END_SIZE])
{
    int64_t size = r->zip->size < END_SIZE + COMMENT_MAX ? r->zip->size : END_SIZE + COMMENT_MAX;
    unsigned char *tail = malloc((size_t)size + 1);
    bool found = false;
    if (!tail) {
        diag_subject(r->diag, OUT_OF_MEMORY, r->zip->name);
        return false;
    }
    if (!read_at(r, r->zip->size - size, tail, size, "a zip archive")) {
        free(tail);
        return false;
    }
    for (int64_t at = size - END_SIZE; at >= 0 && !found; at--)
        if (!memcmp(tail + at, "PK\5\6", 4) && at + END_SIZE + (int64_t)number(tail + at + 20, 2) == size) {
            found = true;
            memcpy(end, tail + at, END_SIZE);
            *out_at = r->zip->size - size + at;
        }
    free(tail);
    return found || fail(r, r->zip->size, "the end record of a zip archive", "the file's end");
}

/* The larger numbers of an archive that has them; |*at| becomes the place of the first end record. */
static bool
read_end64(struct reader *r, int64_t *at)
{
    unsigned char locator[LOCATOR_SIZE], end[END64_SIZE];
    if (!read_at(r, *at - LOCATOR_SIZE, locator, LOCATOR_SIZE, "a zip64 locator"))
        return false;
    uint64_t offset = number(locator + 8, 8);
    if (memcmp(locator, "PK\6\7", 4) || offset > (uint64_t)(*at - LOCATOR_SIZE))
        return fail(r, *at - LOCATOR_SIZE, "a zip64 locator", "something else");
    if (!read_at(r, (int64_t)offset, end, END64_SIZE, "a zip64 end record"))
        return false;
    if (memcmp(end, "PK\6\6", 4) || number(end + 4, 8) + 12 + offset != (uint64_t)(*at - LOCATOR_SIZE))
        return fail(r, (int64_t)offset, "a zip64 end record", "something else");
    if (number(end + 24, 8) != number(end + 32, 8) || number(end + 32, 8) > INT32_MAX || number(end + 40, 8) > INT64_MAX ||
        number(end + 48, 8) > INT64_MAX)
        return fail(r, (int64_t)offset + 24, "sizes of a directory in this file", "larger ones");
    r->count = (int64_t)number(end + 32, 8);
    r->directory_size = (int64_t)number(end + 40, 8);
    r->directory = (int64_t)number(end + 48, 8);
    *at = (int64_t)offset;
    return true;
}

static bool
read_end(struct reader *r)
{
    unsigned char end[END_SIZE];
    int64_t at = 0;
    if (!find_end(r, &at, end))
        return false;
    if (number(end + 4, 4) || number(end + 8, 2) != number(end + 10, 2))
        return fail(r, at + 4, "an archive in one file", "one part of several");
    r->count = (int64_t)number(end + 10, 2);
    r->directory_size = (int64_t)number(end + 12, 4);
    r->directory = (int64_t)number(end + 16, 4);
    if ((r->count == 0xffff || r->directory_size == 0xffffffff || r->directory == 0xffffffff) && !read_end64(r, &at))
        return false;
    if (r->directory_size > at || r->directory != at - r->directory_size)
        return fail(r, at, "the directory right before the end record", "another place");
    if (r->count > r->directory_size / CENTRAL_SIZE)
        return fail(r, at, "a directory of the size announced", "fewer bytes");
    return true;
}

/* ---- entries ---- */

/* The zip64 numbers that stand in an extra field for those of |values| that are 0xffffffff, in order. */
static bool
read_extra64(const unsigned char *extra, int64_t size, uint64_t *const *values, int n)
{
    int wanted = 0;
    for (int i = 0; i < n; i++)
        wanted += *values[i] == 0xffffffff;
    for (int64_t at = 0; wanted && at + 4 <= size;) {
        int64_t length = (int64_t)number(extra + at + 2, 2);
        if (length > size - at - 4)
            return false;
        if (number(extra + at, 2) == 1) {
            if (length < 8 * wanted)
                return false;
            const unsigned char *p = extra + at + 4;
            for (int i = 0; i < n; i++)
                if (*values[i] == 0xffffffff) {
                    *values[i] = number(p, 8);
                    p += 8;
                }
            return true;
        }
        at += 4 + length;
    }
    return !wanted;
}

/* Neither absolute nor upwards, in the manner of any system. */
static bool
name_is_safe(const char *name, size_t length)
{
    if (!length || memchr(name, 0, length) || memchr(name, '\\', length) || memchr(name, ':', length) || *name == '/')
        return false;
    for (const char *p = name;; p++) {
        if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
            return false;
        p = strchr(p, '/');
        if (!p)
            return true;
    }
}

/* In quotes, cut to 40 characters. */
static const char *
printable(struct reader *r, const void *name, int64_t n)
{
    const unsigned char *bytes = name;
    char text[44] = "\"";
    int at = 1;
    for (int64_t i = 0; i < n && at < 41; i++)
        text[at++] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '?';
    text[at++] = '"';
    text[at] = 0;
    return arena_text(r->diag->arena, text, (size_t)at);
}

static const char *
name_of(struct reader *r, const struct zip_entry *e)
{
    return printable(r, e->name, (int64_t)strlen(e->name));
}

/* The entry's own header, which must say what the directory says. Fills in where the bytes are. */
static bool
read_local(struct reader *r, struct zip_entry *e, unsigned flags, unsigned method)
{
    unsigned char head[LOCAL_SIZE], name[NAME_MAX_BYTES], extra[512];
    if (!read_at(r, e->local, head, LOCAL_SIZE, "a member's header"))
        return false;
    if (memcmp(head, "PK\3\4", 4))
        return fail(r, e->local, "a member's header", "something else");
    int64_t name_size = (int64_t)number(head + 26, 2), extra_size = (int64_t)number(head + 28, 2);
    if (number(head + 6, 2) != flags || number(head + 8, 2) != method || name_size != (int64_t)strlen(e->name) ||
        extra_size > (int64_t)sizeof extra)
        return fail(r, e->local, "the same as in the directory", "another member");
    if (!read_at(r, e->local + LOCAL_SIZE, name, name_size, "a member's name") ||
        !read_at(r, e->local + LOCAL_SIZE + name_size, extra, extra_size, "a member's header"))
        return false;
    uint64_t packed = number(head + 18, 4), size = number(head + 22, 4);
    bool later = flags >> 3 & 1; /* crc and sizes stand behind the data */
    if (memcmp(name, e->name, (size_t)name_size) || !read_extra64(extra, extra_size, (uint64_t *const[]){&size, &packed}, 2) ||
        (!later && (packed != (uint64_t)e->packed || size != (uint64_t)e->size || number(head + 14, 4) != e->crc)))
        return fail(r, e->local, "the name, the sizes and the checksum that the directory has",
                    arena_printf(r->diag->arena, "others than those of %s", name_of(r, e)));
    e->data = e->local + LOCAL_SIZE + name_size + extra_size;
    if (e->packed > r->directory - e->data || e->data > r->directory)
        return fail(r, e->local, "a member that ends before the directory", "a longer one");
    return true;
}

/* The entry at |p| of the directory, of which |left| bytes are left, at |at| of the file. Gives its size; 0 on failure. */
static int64_t
read_entry(struct reader *r, const unsigned char *p, int64_t left, int64_t at, struct zip_entry *e)
{
    if (left < CENTRAL_SIZE || memcmp(p, "PK\1\2", 4))
        return fail(r, at, "an entry of the directory", "something else");
    unsigned flags = (unsigned)number(p + 8, 2), method = (unsigned)number(p + 10, 2);
    int64_t name_size = (int64_t)number(p + 28, 2), extra_size = (int64_t)number(p + 30, 2), note_size = (int64_t)number(p + 32, 2);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4), local = number(p + 42, 4);
    if (name_size + extra_size + note_size > left - CENTRAL_SIZE)
        return fail(r, at, "an entry in the directory", "one that reaches beyond it");
    if (name_size > NAME_MAX_BYTES)
        return fail(r, at, "a name of at most 1024 bytes", "a longer one");
    e->name = arena_text(r->diag->arena, (const char *)p + CENTRAL_SIZE, (size_t)name_size);
    if (!name_is_safe(e->name, (size_t)name_size))
        return fail(r, at, "a member's name without .., \\, : and a leading /", printable(r, p + CENTRAL_SIZE, name_size));
    if (flags & (1 | 1 << 6 | 1 << 13))
        return fail(r, at, "members that are not encrypted", printable(r, p + CENTRAL_SIZE, name_size));
    if (method && method != 8)
        return fail(r, at, "members that are stored or deflated", arena_printf(r->diag->arena, "method %u", method));
    if (!read_extra64(p + CENTRAL_SIZE + name_size, extra_size, (uint64_t *const[]){&size, &packed, &local}, 3) || size > INT64_MAX ||
        packed > (uint64_t)r->zip->size || local > (uint64_t)r->zip->size || (!method && packed != size))
        return fail(r, at, arena_printf(r->diag->arena, "sizes that fit the file's %lld bytes", (long long)r->zip->size),
                    arena_printf(r->diag->arena, "%llu bytes packed as %llu for %s", (unsigned long long)size,
                                 (unsigned long long)packed, name_of(r, e)));
    e->crc = (uint32_t)number(p + 16, 4);
    e->packed = (int64_t)packed;
    e->size = (int64_t)size;
    e->local = (int64_t)local;
    e->deflated = method == 8;
    return read_local(r, e, flags, method) ? CENTRAL_SIZE + name_size + extra_size + note_size : 0;
}

static int
by_place(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    return x->local < y->local ? -1 : x->local > y->local;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp((*(const struct zip_entry *const *)a)->name, (*(const struct zip_entry *const *)b)->name);
}

static bool
check_entries(struct reader *r)
{
    struct zip *z = r->zip;
    qsort(z->entries, (size_t)z->count, sizeof *z->entries, by_place);
    for (int i = 1; i < z->count; i++)
        if (z->entries[i - 1].data + z->entries[i - 1].packed > z->entries[i].local)
            return fail(r, z->entries[i].local, "members that do not overlap",
                        arena_printf(r->diag->arena, "%s in the place of %s", name_of(r, &z->entries[i]),
                                     name_of(r, &z->entries[i - 1])));
    const struct zip_entry **sorted = ARENA_ARRAY(r->diag->arena, const struct zip_entry *, z->count + 1);
    for (int i = 0; i < z->count; i++)
        sorted[i] = &z->entries[i];
    qsort(sorted, (size_t)z->count, sizeof *sorted, by_name);
    for (int i = 1; i < z->count; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            return fail(r, sorted[i]->local, "members of different names",
                        arena_printf(r->diag->arena, "%s twice", name_of(r, sorted[i])));
    return true;
}

static bool
read_directory(struct reader *r, const unsigned char *bytes)
{
    int64_t at = 0, used;
    for (int64_t i = 0; i < r->count; i++, at += used) {
        used = read_entry(r, bytes + at, r->directory_size - at, r->directory + at, &r->zip->entries[i]);
        if (!used)
            return false;
        r->zip->count++;
    }
    if (at != r->directory_size)
        return fail(r, r->directory + at, "the directory's end", "more bytes");
    return check_entries(r);
}

bool
zip_open(struct zip *z, const char *name, int fd, int64_t size, struct diag *diag)
{
    struct reader r = {.zip = z, .diag = diag, .source = {.name = name, .diag = diag}};
    *z = (struct zip){.name = name, .fd = fd, .size = size};
    if (!read_end(&r))
        return false;
    z->entries = ARENA_ARRAY(diag->arena, struct zip_entry, r.count + 1);
    unsigned char *bytes = malloc((size_t)r.directory_size + 1);
    if (!bytes) {
        diag_subject(diag, OUT_OF_MEMORY, name);
        return false;
    }
    bool good = read_at(&r, r.directory, bytes, r.directory_size, "the directory") && read_directory(&r, bytes);
    free(bytes);
    return good;
}
