#include "frontend/sources.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOURCE_MAX = 64 << 20, PIECE = 1 << 20 };

/* Names by open addressing; at most half full. */
struct name_table {
    const char **slot;
    size_t size, count; /* size: a power of two */
};

void
sources_init(struct sources *s, struct arena *arena)
{
    *s = (struct sources){.arena = arena};
}

static int
add_source(struct sources *s, struct source source)
{
    if (source.length >= 3 && !memcmp(source.text, "\xef\xbb\xbf", 3)) {
        source.text += 3;
        source.length -= 3;
        if (source.own)
            source.own += 3;
    }
    if (s->count == s->cap) {
        struct source *grown = arena_grow(s->arena, s->source, sizeof *grown, (size_t)s->count, &s->cap);
        if (!grown)
            return 0;
        s->source = grown;
    }
    s->source[s->count++] = source;
    return s->count;
}

int
source_add(struct sources *s, const char *path, const char *text, size_t length)
{
    return add_source(s, (struct source){.path = path, .text = text, .length = length});
}

/* The bytes of a file as they come: a device or a pipe tells no size beforehand. */
struct piece {
    struct piece *next;
    size_t length, room;
    char text[];
};

static struct piece *
new_piece(struct arena *a, size_t room)
{
    struct piece *p = arena_alloc(a, sizeof *p + room + 2);
    if (p)
        p->room = room;
    return p;
}

static char *
join(struct arena *a, const struct piece *first, size_t length)
{
    char *text = arena_alloc(a, length + 2), *to = text;
    for (const struct piece *p = first; text && p; p = p->next)
        to = (char *)memcpy(to, p->text, p->length) + p->length;
    return text;
}

/* Reads |fd| to its end; NULL and reported if it is too large or cannot be read. */
static char *
read_text(struct sources *s, const char *path, int fd, off_t expected, struct diag *diag, size_t *out_length)
{
    struct piece *first = new_piece(s->arena, expected > 0 ? (size_t)expected + 1 : PIECE), *last = first;
    size_t length = 0;
    for (; last; ) {
        ssize_t n = read(fd, last->text + last->length, last->room - last->length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            diag_subject(diag, SOURCE_READ, path, strerror(errno));
            return NULL;
        }
        if (!n)
            break;
        last->length += (size_t)n;
        length += (size_t)n;
        if (length > SOURCE_MAX) {
            diag_subject(diag, SOURCE_LARGE, path);
            return NULL;
        }
        if (last->length == last->room)
            last = last->next = new_piece(s->arena, PIECE);
    }
    *out_length = length;
    return !last ? NULL : first->next && first->next->length ? join(s->arena, first, length) : first->text;
}

static bool
is_utf16(const char *text, size_t length)
{
    const unsigned char *t = (const unsigned char *)text;
    if (length < 2)
        return false;
    if ((t[0] == 0xff && t[1] == 0xfe) || (t[0] == 0xfe && t[1] == 0xff))
        return true;
    return length >= 4 && ((t[0] && !t[1] && t[2] && !t[3]) || (!t[0] && t[1] && !t[2] && t[3]));
}

/* Reads what |fd| is open on, if it is something that has a text. */
static char *
read_open(struct sources *s, const char *path, int fd, struct diag *diag, size_t *out_length)
{
    struct stat st;
    if (fstat(fd, &st)) {
        diag_subject(diag, SOURCE_READ, path, strerror(errno));
        return NULL;
    }
    if (S_ISDIR(st.st_mode)) {
        diag_subject(diag, SOURCE_DIRECTORY, path);
        return NULL;
    }
    if (S_ISREG(st.st_mode) && st.st_size > SOURCE_MAX) {
        diag_subject(diag, SOURCE_LARGE, path);
        return NULL;
    }
    return read_text(s, path, fd, S_ISREG(st.st_mode) ? st.st_size : 0, diag, out_length);
}

/* The number of what |fd| is open on; 0 if it is refused, which is reported, or if memory is short, which is not. */
static int
take_open(struct sources *s, const char *path, int fd, struct diag *diag)
{
    size_t length = 0;
    char *text = read_open(s, path, fd, diag, &length), *name = arena_text(s->arena, path, strlen(path));
    if (!text || !name)
        return 0;
    if (is_utf16(text, length)) {
        diag_subject(diag, SOURCE_UTF16, path);
        return 0;
    }
    return add_source(s, (struct source){.path = name, .text = text, .length = length, .own = text});
}

int
source_read(struct sources *s, const char *path, struct diag *diag)
{
    /* From here to the close nothing may jump out: a failed allocation is NULL. */
    jmp_buf *outer = s->arena->oom;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        diag_subject(diag, SOURCE_OPEN, path, strerror(errno));
        return 0;
    }
    int errors = diag->errors;
    s->arena->oom = NULL;
    int file = take_open(s, path, fd, diag);
    s->arena->oom = outer;
    close(fd);
    if (file || diag->errors > errors)
        return file;
    if (outer)
        arena_fail(s->arena);
    diag_subject(diag, OUT_OF_MEMORY, path);
    return 0;
}

static size_t
hash_text(const char *text, size_t length)
{
    uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3;
    return (size_t)(h ^ h >> 32);
}

/* The slot that holds the name, or the empty one where it belongs. */
static const char **
find_slot(const struct name_table *t, const char *text, size_t length)
{
    size_t i = hash_text(text, length) & (t->size - 1);
    while (t->slot[i] && (strncmp(t->slot[i], text, length) || t->slot[i][length]))
        i = (i + 1) & (t->size - 1);
    return &t->slot[i];
}

static void
grow_names(struct sources *s)
{
    struct name_table old = *s->names, *t = s->names;
    t->size = old.size ? old.size * 2 : 256;
    t->slot = ARENA_ARRAY(s->arena, const char *, t->size);
    for (size_t i = 0; i < old.size; i++)
        if (old.slot[i])
            *find_slot(t, old.slot[i], strlen(old.slot[i])) = old.slot[i];
}

const char *
source_folder(const struct sources *s, int file, struct arena *arena)
{
    const char *path = s->source[file - 1].path, *slash = strrchr(path, '/');
    return slash ? arena_text(arena, path, (size_t)(slash - path + 1)) : "";
}

const char *
source_name(struct sources *s, const char *text, size_t length)
{
    if (!s->names)
        s->names = ARENA_NEW(s->arena, struct name_table);
    if (s->names->count * 2 >= s->names->size)
        grow_names(s);
    const char **slot = find_slot(s->names, text, length);
    if (!*slot) {
        *slot = arena_text(s->arena, text, length);
        s->names->count++;
    }
    return *slot;
}
