/* reading: the line that shows how far the reading of a long data file is; files that are changed afterwards. */
#include "frontend/cli/cli.h"
#include "runtime/digest.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *
last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void
show(void *context, const struct data_progress *p)
{
    const bool terminal = isatty(STDERR_FILENO);
    const double rate = p->seconds > 0 ? (double)p->done / p->seconds * 1e-6 : 0;
    if (!p->finished && !terminal)
        return;
    if (terminal)
        fputs("\r\033[K", stderr);
    if (p->finished)
        fprintf(stderr, "read %s: %.1f MB in %.1f s\n", last_part(p->name), (double)p->done * 1e-6, p->seconds);
    else
        fprintf(stderr, "reading %s: %d%%, %.0f MB/s", last_part(p->name), p->size ? (int)(100 * (double)p->done / (double)p->size) : 100, rate);
    fflush(stderr);
}

/* ---- what was read, and whether it is still what it was ---- */

struct read_file {
    const char *name;
    int64_t size;
    struct timespec changed;    /* when its bytes were last changed */
    uint64_t digest;            /* of its bytes; 0: they could not be read */
    struct read_file *next;
};

static void
note_opened(void *context, const char *name, const struct stat *file)
{
    struct session *s = context;
    struct read_file *f = ARENA_NEW(s->arena, struct read_file);
    *f = (struct read_file){arena_text(s->arena, name, strlen(name)), file->st_size, file->st_mtim, 0, s->read_files};
    s->read_files = f;
}

static uint64_t
file_digest(const char *name)
{
    enum { PIECE = 1 << 20 };
    FILE *f = fopen(name, "re");
    void *piece = f ? malloc(PIECE) : NULL;
    uint64_t h = 0;
    for (size_t n; piece && (n = fread(piece, 1, PIECE, f)) > 0;)
        h = digest_bytes(h, piece, n);
    if (f)
        fclose(f);
    free(piece);
    return h;
}

void
reading_remember(struct session *s)
{
    for (struct read_file *f = s->read_files; f; f = f->next)
        f->digest = file_digest(f->name);
}

/* A file that is gone was not changed: what it held is in memory. */
bool
reading_unchanged(struct session *s, int64_t epoch)
{
    bool same = true;
    for (struct read_file *f = s->read_files; f; f = f->next) {
        struct stat now;
        if (stat(f->name, &now) || (now.st_size == f->size && now.st_mtim.tv_sec == f->changed.tv_sec && now.st_mtim.tv_nsec == f->changed.tv_nsec))
            continue;
        const char *what = now.st_size == f->size ? arena_printf(s->arena, "%lld other bytes", (long long)f->size)
                         : arena_printf(s->arena, "%lld bytes, before %lld", (long long)now.st_size, (long long)f->size);
        f->changed = now.st_mtim; /* touched, if it holds the same: not looked at again */
        if (now.st_size == f->size && file_digest(f->name) == f->digest)
            continue;
        diag_subject(s->diag, DATA_CHANGED_SINCE, f->name, (long long)epoch, what);
        same = false;
    }
    return same;
}

struct data_watch
reading_watch(struct session *s)
{
    return (struct data_watch){.opened = note_opened, .call = s->cli->options.quiet ? NULL : show, .context = s};
}
