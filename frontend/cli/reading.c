/* reading: the line that shows how far the reading of a long data file is. */
#include "frontend/cli/cli.h"
#include <string.h>
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

struct data_watch
reading_watch(const struct cli *cli)
{
    return (struct data_watch){cli->options.quiet ? NULL : show, NULL};
}
