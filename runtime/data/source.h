/* source: the bytes of a data file in order, plain, gzip'd, or a member of a zip archive. read(), never mmap: a file that
 * shrinks meanwhile is an error, not a signal. */
#ifndef NNC_RUNTIME_DATA_SOURCE_H
#define NNC_RUNTIME_DATA_SOURCE_H
#include "ir/diag.h"
#include <time.h>

/* How far the reading of a file is. */
struct data_progress {
    const char *name;      /* of the file */
    int64_t done, size;    /* bytes of the file as it lies on the disk */
    double seconds;        /* since it was opened */
    bool finished;         /* the last call; comes only after others */
};
/* Called at most ten times a second, from the first second on, and once more at the end. */
typedef void data_progress_fn(void *context, const struct data_progress *progress);

struct stat;
struct data_watch {
    /* Each file that is opened, before it is read; |name| lives as long as what is read. NULL: nobody asks. */
    void (*opened)(void *context, const char *name, const struct stat *file);
    data_progress_fn *call; /* NULL: nobody watches */
    void *context;
};

struct data_source {
    const char *name;      /* for messages; the caller's */
    struct diag *diag;
    int64_t size;          /* bytes that it gives; -1: not known before its end */
    int64_t limit;         /* it never gives more, and no reader needs to take memory for more */
    int64_t at;            /* bytes given so far */
    struct source_state *state;
};

/* Opens the regular file |name|; a name that ends in .gz is that of a gzip file. A compressed file gives at most
 * max(64 MiB, 500 times its size). Reports and returns false if it cannot be read. |name| must outlive |s|. */
bool source_open(struct data_source *s, const char *name, const struct data_watch *watch, struct diag *diag);
/* |packed| bytes from |offset| on of the open file |fd|, deflated or plain, which give |size| bytes whose CRC-32 is |crc|. The
 * file descriptor stays the caller's. */
bool source_open_member(struct data_source *s, const char *name, int fd, int64_t offset, int64_t packed, int64_t size,
                        uint32_t crc, bool deflated, struct diag *diag);
/* Gives |size| bytes, or fewer at the end, in |*out_got|. Reports and returns false if the file cannot be read or is damaged;
 * at the end also if it was changed since it was opened. */
bool source_some(struct data_source *s, void *out, int64_t size, int64_t *out_got);
/* All of |size| bytes, else a report. */
bool source_exact(struct data_source *s, void *out, int64_t size);
/* That nothing follows. */
bool source_end(struct data_source *s);
void source_close(struct data_source *s);

/* The open file |name|, which the caller closes; a .gz file decompressed, in memory, within the limits above. -1 after a
 * report. |*out_size|: its size. For formats that are read out of order. */
int source_descriptor(const char *name, const struct data_watch *watch, int64_t *out_size, struct diag *diag);

/* What a reader found that expected something else, in a file without .gz. */
#define GZIP_FOUND "gzip data; the name of such a file ends in .gz"
/* "NAME:OFFSET: error: expected ..., found ..."; returns false. */
bool source_fail(const struct data_source *s, int64_t offset, const char *expected, const char *found);
#endif
