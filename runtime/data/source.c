#define _GNU_SOURCE
#include "runtime/data/source.h"
#include "runtime/tensor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#ifdef NNC_DEFLATE
#include <libdeflate.h>
#endif

enum { PIECE = 1 << 16 };
static const int64_t FREE_OUTPUT = (int64_t)64 << 20, RATIO_MAX = 500;

enum packing { PLAIN, GZIP, DEFLATE, UNPACKED };

struct source_state {
    int fd;
    bool owns_fd, ended;      /* ended: all was given and checked */
    enum packing packing;
    int64_t offset, left;     /* place in the file, bytes not yet read; of a member: of the member */
    int64_t file_size;        /* of the part that is read */
    struct stat opened;
    uint32_t crc, expected_crc;
    bool between;             /* GZIP: at the end of a part; another one may follow */
    z_stream z;
    struct tensor unpacked;   /* UNPACKED: all that the gzip file holds, u8 */
    struct data_watch watch;
    struct timespec start, shown;
    bool was_shown;
    unsigned char in[PIECE];
};

bool
source_fail(const struct data_source *s, int64_t offset, const char *expected, const char *found)
{
    const char *subject = arena_printf(s->diag->arena, "%s:%lld", s->name, (long long)offset);
    diag_subject(s->diag, NPY_FORMAT, subject, expected, found);
    return false;
}

static bool
fail_reading(const char *name, const char *why, struct diag *diag)
{
    diag_subject(diag, FILE_NOT_READ, name, why);
    return false;
}

/* ---- opening ---- */

static bool
ends_in_gz(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && !strcmp(name + n - 3, ".gz");
}

/* zlib's number for the format: 16 + 15 bits of window for gzip, -15 for none at all. */
static bool
begin(struct data_source *s, struct source_state *st)
{
    s->state = st;
    s->at = 0;
    clock_gettime(CLOCK_MONOTONIC, &st->start);
    if (st->packing == PLAIN || st->packing == UNPACKED || inflateInit2(&st->z, st->packing == GZIP ? 31 : -15) == Z_OK)
        return true;
    diag_subject(s->diag, OUT_OF_MEMORY, s->name);
    st->packing = PLAIN; /* nothing to end */
    source_close(s);
    return false;
}

#ifdef NNC_DEFLATE
static bool
read_at(int fd, void *out, int64_t size, int64_t offset)
{
    for (int64_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)out + done, (size_t)(size - done), offset + done);
        if (n <= 0 && (n == 0 || errno != EINTR))
            return false;
        done += n > 0 ? n : 0;
    }
    return true;
}

/* One gzip part of |size| bytes, which is to fill |out|. */
static bool
unpack(struct tensor *out, const void *packed, size_t size)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t room = (size_t)tensor_bytes(out), used = 0, got = 0;
    bool good = d && libdeflate_gzip_decompress_ex(d, packed, size, out->data, room, &used, &got) == LIBDEFLATE_SUCCESS && used == size && got == room;
    libdeflate_free_decompressor(d);
    return good;
}

/* libdeflate is twice as fast as zlib, but knows only whole buffers: files that are small and say at their end how much they hold
 * are decompressed at once. All others, and all that turn out to be damaged, are zlib's, which also says what is wrong. */
static void
unpack_small(struct source_state *st)
{
    unsigned char end[4];
    char *packed = NULL;
    if (st->file_size < 18 || st->file_size > FREE_OUTPUT || !read_at(st->fd, end, 4, st->file_size - 4))
        return;
    const struct type type = {.elem = ELEM_U8, .rank = 1, .dim = {(int64_t)end[3] << 24 | end[2] << 16 | end[1] << 8 | end[0]}};
    if (type.dim[0] > FREE_OUTPUT)
        return;
    st->unpacked = tensor_blank(&type);
    if (st->unpacked.data && (packed = malloc((size_t)st->file_size)) && read_at(st->fd, packed, st->file_size, 0) &&
        unpack(&st->unpacked, packed, (size_t)st->file_size)) {
        st->packing = UNPACKED;
        st->left = 0;
    } else
        tensor_free(&st->unpacked);
    free(packed);
}
#else
static void
unpack_small(struct source_state *st)
{
}
#endif

static int
open_regular(const char *name, const struct data_watch *watch, struct stat *out, struct diag *diag)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe without a writer must not block */
    if (fd < 0 || fstat(fd, out)) {
        fail_reading(name, errno == ENXIO ? "a socket; a file is expected" : strerror(errno), diag);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (S_ISREG(out->st_mode)) {
        if (watch && watch->opened)
            watch->opened(watch->context, name, out);
        return fd;
    }
    fail_reading(name, S_ISDIR(out->st_mode) ? "a directory; a file is expected" : "a pipe or a device; a file is expected", diag);
    close(fd);
    return -1;
}

bool
source_open(struct data_source *s, const char *name, const struct data_watch *watch, struct diag *diag)
{
    struct stat opened;
    *s = (struct data_source){.name = name, .diag = diag};
    int fd = open_regular(name, watch, &opened, diag);
    if (fd < 0)
        return false;
    struct source_state *st = calloc(1, sizeof *st);
    if (!st) {
        diag_subject(diag, OUT_OF_MEMORY, name);
        close(fd);
        return false;
    }
    st->fd = fd;
    st->owns_fd = true;
    st->opened = opened;
    st->left = st->file_size = opened.st_size;
    st->packing = ends_in_gz(name) ? GZIP : PLAIN;
    st->watch = watch ? *watch : (struct data_watch){0};
    s->size = s->limit = opened.st_size;
    if (st->packing == GZIP) {
        s->size = -1;
        s->limit = opened.st_size > FREE_OUTPUT / RATIO_MAX ? opened.st_size * RATIO_MAX : FREE_OUTPUT;
        unpack_small(st);
    }
    return begin(s, st);
}

bool
source_open_member(struct data_source *s, const char *name, int fd, int64_t offset, int64_t packed, int64_t size, uint32_t crc,
                   bool deflated, struct diag *diag)
{
    *s = (struct data_source){.name = name, .diag = diag, .size = size, .limit = size};
    if (size > FREE_OUTPUT && size / RATIO_MAX > packed)
        return source_fail(s, 0, arena_printf(diag->arena, "at most %lld times the %lld compressed bytes", (long long)RATIO_MAX, (long long)packed),
                           arena_printf(diag->arena, "%lld bytes announced", (long long)size));
    struct source_state *st = calloc(1, sizeof *st);
    if (!st) {
        diag_subject(diag, OUT_OF_MEMORY, name);
        return false;
    }
    st->fd = fd;
    st->offset = offset;
    st->left = st->file_size = packed;
    st->expected_crc = crc;
    st->packing = deflated ? DEFLATE : PLAIN;
    if (fstat(fd, &st->opened)) {
        free(st);
        return fail_reading(name, strerror(errno), diag);
    }
    return begin(s, st);
}

/* ---- reading ---- */

static double
seconds_since(const struct timespec *from, const struct timespec *now)
{
    return (double)(now->tv_sec - from->tv_sec) + 1e-9 * (double)(now->tv_nsec - from->tv_nsec);
}

static void
show_progress(struct data_source *s, bool finished)
{
    struct source_state *st = s->state;
    struct timespec now;
    if (!st->watch.call || (finished && !st->was_shown))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!finished && (seconds_since(&st->start, &now) < 1 || seconds_since(&st->shown, &now) < 0.1))
        return;
    struct data_progress p = {s->name, st->file_size - st->left, st->file_size, seconds_since(&st->start, &now), finished};
    st->watch.call(st->watch.context, &p);
    st->shown = now;
    st->was_shown = true;
}

void
source_close(struct data_source *s)
{
    struct source_state *st = s->state;
    if (!st)
        return;
    show_progress(s, true);
    if (st->packing == GZIP || st->packing == DEFLATE)
        inflateEnd(&st->z);
    if (st->owns_fd)
        close(st->fd);
    tensor_free(&st->unpacked);
    free(st);
    s->state = NULL;
}

/* Up to |size| bytes of the file itself; 0 at the end of the part. */
static bool
read_raw(struct data_source *s, void *out, int64_t size, int64_t *out_got)
{
    struct source_state *st = s->state;
    ssize_t n = 0;
    size = size < st->left ? size : st->left;
    while (size) {
        n = pread(st->fd, out, (size_t)size, st->offset);
        if (n >= 0)
            break;
        if (errno != EINTR)
            return fail_reading(s->name, strerror(errno), s->diag);
    }
    if (size && !n)
        return source_fail(s, s->at, "more data", "the file's end");
    st->offset += n;
    st->left -= n;
    *out_got = n;
    show_progress(s, false);
    return true;
}

static bool
fail_packed(struct data_source *s)
{
    struct source_state *st = s->state;
    int64_t offset = st->file_size - st->left - st->z.avail_in;
    return source_fail(s, offset, st->packing == GZIP ? "gzip data" : "deflated data", st->z.msg ? st->z.msg : "the file's end");
}

/* One call of inflate, with input. Sets |*out_end| at the end of all parts. */
static bool
inflate_more(struct data_source *s, bool *out_end)
{
    struct source_state *st = s->state;
    z_stream *z = &st->z;
    int64_t got = 0;
    if (!z->avail_in) {
        if (!read_raw(s, st->in, PIECE, &got))
            return false;
        z->next_in = st->in;
        z->avail_in = (unsigned)got;
    }
    if (st->between) { /* nothing, or another part */
        *out_end = !z->avail_in;
        if (*out_end)
            return true;
        inflateReset(z);
        st->between = false;
    }
    if (!z->avail_in)
        return fail_packed(s);
    int status = inflate(z, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
        st->between = st->packing == GZIP;
        *out_end = st->packing == DEFLATE;
        return true;
    }
    if (status == Z_MEM_ERROR) {
        diag_subject(s->diag, OUT_OF_MEMORY, s->name);
        return false;
    }
    return status == Z_OK || status == Z_BUF_ERROR || fail_packed(s);
}

static bool
read_inflated(struct data_source *s, void *out, int64_t size, int64_t *out_got)
{
    z_stream *z = &s->state->z;
    bool end = s->state->ended;
    *out_got = 0;
    while (*out_got < size && !end) {
        unsigned piece = (unsigned)(size - *out_got < 1 << 30 ? size - *out_got : 1 << 30);
        z->next_out = (unsigned char *)out + *out_got;
        z->avail_out = piece;
        if (!inflate_more(s, &end))
            return false;
        *out_got += piece - z->avail_out;
    }
    s->state->ended = end;
    return true;
}

static bool
read_unpacked(struct data_source *s, void *out, int64_t size, int64_t *out_got)
{
    const struct tensor *all = &s->state->unpacked;
    int64_t left = tensor_bytes(all) - s->at;
    *out_got = size < left ? size : left;
    memcpy(out, (const char *)all->data + s->at, (size_t)*out_got);
    return true;
}

/* Of a file: that it is the one that was opened. */
static bool
unchanged(struct data_source *s)
{
    struct source_state *st = s->state;
    struct stat now;
    if (fstat(st->fd, &now))
        return fail_reading(s->name, strerror(errno), s->diag);
    if (now.st_size == st->opened.st_size && now.st_mtim.tv_sec == st->opened.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == st->opened.st_mtim.tv_nsec)
        return true;
    diag_subject(s->diag, DATA_CHANGED, s->name);
    return false;
}

static bool
check_end(struct data_source *s)
{
    struct source_state *st = s->state;
    if (!st->owns_fd && st->packing == DEFLATE && (st->left || st->z.avail_in))
        return source_fail(s, s->at, "the end of the deflated data", "more");
    if (!st->owns_fd && s->at != s->size)
        return source_fail(s, s->at, arena_printf(s->diag->arena, "the %lld bytes announced", (long long)s->size), "fewer");
    if (!st->owns_fd && st->crc != st->expected_crc)
        return source_fail(s, s->at, arena_printf(s->diag->arena, "CRC-32 %08x", (unsigned)st->expected_crc),
                           arena_printf(s->diag->arena, "%08x", (unsigned)st->crc));
    return unchanged(s);
}

static bool
fail_limit(struct data_source *s)
{
    struct source_state *st = s->state;
    if (!st->owns_fd)
        return source_fail(s, s->at, arena_printf(s->diag->arena, "the %lld bytes announced", (long long)s->size), "more");
    return source_fail(s, s->at, arena_printf(s->diag->arena, "at most %lld bytes from a compressed file of %lld", (long long)s->limit,
                                              (long long)st->file_size), "more; decompress it first if that is right");
}

static bool (*const read_packed[])(struct data_source *s, void *out, int64_t size, int64_t *out_got) = {
    [PLAIN] = read_raw, [GZIP] = read_inflated, [DEFLATE] = read_inflated, [UNPACKED] = read_unpacked};

bool
source_some(struct data_source *s, void *out, int64_t size, int64_t *out_got)
{
    struct source_state *st = s->state;
    int64_t total = 0;
    for (int64_t got = 1; total < size && got; total += got) {
        char *to = (char *)out + total;
        if (!read_packed[st->packing](s, to, size - total, &got))
            return false;
        if (!st->owns_fd)
            st->crc = (uint32_t)crc32_z(st->crc, (unsigned char *)to, (size_t)got);
        s->at += got;
        if (s->at > s->limit)
            return fail_limit(s);
    }
    *out_got = total;
    return total == size || check_end(s);
}

bool
source_exact(struct data_source *s, void *out, int64_t size)
{
    int64_t got;
    if (!source_some(s, out, size, &got))
        return false;
    return got == size || source_fail(s, s->at, "more data", "the file's end");
}

bool
source_end(struct data_source *s)
{
    char more;
    int64_t got, at = s->at;
    if (!source_some(s, &more, 1, &got))
        return false;
    return !got || source_fail(s, at, "the file's end", "more data");
}

/* ---- out of order ---- */

static bool
copy_to(struct data_source *s, int fd)
{
    unsigned char piece[PIECE];
    int64_t got;
    do {
        if (!source_some(s, piece, PIECE, &got))
            return false;
        for (int64_t done = 0; done < got;) {
            ssize_t n = write(fd, piece + done, (size_t)(got - done));
            if (n < 0 && errno != EINTR)
                return fail_reading(s->name, strerror(errno), s->diag);
            done += n > 0 ? n : 0;
        }
    } while (got);
    return true;
}

int
source_descriptor(const char *name, const struct data_watch *watch, int64_t *out_size, struct diag *diag)
{
    struct data_source s;
    struct stat opened;
    if (!ends_in_gz(name)) {
        int fd = open_regular(name, watch, &opened, diag);
        *out_size = opened.st_size;
        return fd;
    }
    if (!source_open(&s, name, watch, diag))
        return -1;
    int fd = memfd_create("data", MFD_CLOEXEC);
    bool good = fd >= 0 ? copy_to(&s, fd) : fail_reading(name, strerror(errno), diag);
    *out_size = s.at;
    source_close(&s);
    if (!good && fd >= 0)
        close(fd);
    return good ? fd : -1;
}
