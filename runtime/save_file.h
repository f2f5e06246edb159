/* save_file: files that are written whole or not at all. */
#ifndef NNC_RUNTIME_SAVE_FILE_H
#define NNC_RUNTIME_SAVE_FILE_H
#include "ir/diag.h"
#include <stddef.h>

/* A file on its way: PATH.tmp.PID in the folder of PATH. */
struct save_file {
    const char *path;   /* the caller's */
    char *temporary;
    int fd;
    int error;          /* errno of the first failure; later writes do nothing */
};

struct save_lock {
    char *name;         /* PATH.lock; NULL: not locked */
    int fd;
};

/* Removes PATH.tmp.PID of processes that are gone: killed while they saved. */
void save_file_sweep(const char *path);

/* Looks, before long work, whether PATH can be written: that it is a regular file or nothing, that it and its folder are
 * writable, and that |bytes| bytes have room. Leaves nothing behind. Reports (exit 3) and returns false if not. */
bool save_file_probe(const char *path, int64_t bytes, struct diag *diag);

/* Begin; then any number of writes; then commit or abandon, exactly once. After a failed begin, neither. Begin and commit
 * report. */
bool save_file_begin(struct save_file *f, const char *path, struct diag *diag);
void save_file_write(struct save_file *f, const void *bytes, size_t size);
/* Syncs and closes the file and gives it its name; with |keep| what had the name before is PATH.prev afterwards. On failure
 * the temporary file is removed and PATH is as it was. */
bool save_file_commit(struct save_file *f, bool keep, struct diag *diag);
void save_file_abandon(struct save_file *f);

/* Takes PATH.lock, so that no two processes save to one path; reports the other's number (exit 3) and returns false if it is
 * taken. The lock dies with the process, and what it left is taken over and removed. */
bool save_file_lock(struct save_lock *lock, const char *path, struct diag *diag);
/* Does nothing for a zeroed lock. */
void save_file_unlock(struct save_lock *lock);
#endif
