#define _GNU_SOURCE /* asprintf, fallocate */
#include "runtime/save_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
path_with(const char *path, const char *ending)
{
    char *text;
    return asprintf(&text, "%s%s", path, ending) < 0 ? NULL : text;
}

static char *
folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static bool
report(const char *path, int error, struct diag *diag)
{
    diag_subject(diag, FILE_NOT_WRITTEN, path, strerror(error));
    return false;
}

/* Write bits are looked at themselves, since to root every file is writable. */
static bool
target_fits(const char *path, struct diag *diag)
{
    struct stat s;
    if (lstat(path, &s))
        return errno == ENOENT || report(path, errno, diag);
    const char *kind = S_ISDIR(s.st_mode) ? "a directory"
                     : S_ISLNK(s.st_mode) ? "a symbolic link"
                     : !S_ISREG(s.st_mode) ? "no regular file"
                     : !(s.st_mode & 0222) || access(path, W_OK) ? "read-only" : NULL;
    if (kind)
        diag_subject(diag, FILE_NOT_REPLACED, path, kind);
    return !kind;
}

static bool
folder_fits(const char *path, struct diag *diag)
{
    char *folder = folder_of(path);
    struct stat s;
    bool fits = folder && !stat(folder, &s);
    if (!fits)
        report(path, folder ? errno : ENOMEM, diag);
    else if (!(s.st_mode & 0222)) {
        diag_subject(diag, FOLDER_READ_ONLY, path);
        fits = false;
    }
    free(folder);
    return fits;
}

bool
save_file_probe(const char *path, int64_t bytes, struct diag *diag)
{
    struct save_file f;
    if (!target_fits(path, diag) || !folder_fits(path, diag) || !save_file_begin(&f, path, diag))
        return false;
    /* File systems that cannot reserve are given one byte at least. */
    if (bytes > 0 && fallocate(f.fd, 0, 0, bytes) && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
        f.error = errno;
    save_file_write(&f, "", 1);
    int error = f.error;
    save_file_abandon(&f);
    return !error || report(path, error, diag);
}

/* The number behind NAME.tmp. of a file of that folder, if its process is gone; else 0. */
static pid_t
dead_owner(const char *file, const char *name)
{
    size_t n = strlen(name);
    char *end;
    if (strncmp(file, name, n) || strncmp(file + n, ".tmp.", 5))
        return 0;
    errno = 0;
    long pid = strtol(file + n + 5, &end, 10);
    bool gone = end > file + n + 5 && !*end && !errno && pid > 0 && pid <= INT_MAX && kill((pid_t)pid, 0) && errno == ESRCH;
    return gone ? (pid_t)pid : 0;
}

void
save_file_sweep(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = folder_of(path);
    DIR *d = folder ? opendir(folder) : NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (dead_owner(e->d_name, name))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    free(folder);
}

bool
save_file_begin(struct save_file *f, const char *path, struct diag *diag)
{
    char ending[32];
    snprintf(ending, sizeof ending, ".tmp.%ld", (long)getpid());
    *f = (struct save_file){.path = path, .temporary = path_with(path, ending), .fd = -1};
    if (f->temporary) {
        unlink(f->temporary); /* of a process of this number that was killed */
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (f->fd < 0) {
        int error = f->temporary ? errno : ENOMEM;
        free(f->temporary);
        return report(path, error, diag);
    }
    return true;
}

void
save_file_write(struct save_file *f, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size && !f->error) {
        ssize_t n = write(f->fd, at, size);
        if (n < 0 && errno != EINTR)
            f->error = errno;
        else if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static bool
sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    if (fd < 0)
        return false;
    bool done = !fsync(fd) || errno == EINVAL; /* some file systems do not sync folders */
    close(fd);
    return done;
}

/* A second name for what PATH names now. Where links are impossible there is no previous generation, and PATH is never
 * missing. */
static void
keep_previous(const char *path)
{
    char *previous = path_with(path, ".prev");
    if (previous) {
        unlink(previous);
        (void)!link(path, previous);
    }
    free(previous);
}

bool
save_file_commit(struct save_file *f, bool keep, struct diag *diag)
{
    if (!f->error && fsync(f->fd))
        f->error = errno;
    if (close(f->fd) && !f->error)
        f->error = errno;
    f->fd = -1;
    if (!f->error && keep)
        keep_previous(f->path);
    if (!f->error && rename(f->temporary, f->path))
        f->error = errno;
    if (!f->error && !sync_folder(f->path))
        f->error = errno;
    int error = f->error;
    save_file_abandon(f);
    return !error || report(f->path, error, diag);
}

void
save_file_abandon(struct save_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary)
        unlink(f->temporary); /* gone already if it was given its name */
    free(f->temporary);
    f->temporary = NULL;
}

/* Whether |fd| is still the file of that name: its last owner may have removed it while we waited to open it. */
static bool
still_named(int fd, const char *name)
{
    struct stat a, b;
    return !fstat(fd, &a) && !stat(name, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Opens and locks the file; -1 and a report if that fails. */
static int
take_lock(const char *name, const char *path, struct diag *diag)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        report(path, errno, diag);
        return -1;
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!fcntl(fd, F_SETLK, &lock))
        return fd;
    struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(fd, F_GETLK, &other);
    diag_subject(diag, FILE_LOCKED, path, (long)other.l_pid);
    close(fd);
    return -1;
}

bool
save_file_lock(struct save_lock *lock, const char *path, struct diag *diag)
{
    *lock = (struct save_lock){.name = path_with(path, ".lock")};
    if (!lock->name)
        return report(path, ENOMEM, diag);
    while ((lock->fd = take_lock(lock->name, path, diag)) >= 0 && !still_named(lock->fd, lock->name))
        close(lock->fd);
    if (lock->fd < 0) {
        free(lock->name);
        lock->name = NULL;
    } else
        save_file_sweep(path);
    return lock->name;
}

void
save_file_unlock(struct save_lock *lock)
{
    if (!lock->name)
        return;
    unlink(lock->name);
    free(lock->name);
    close(lock->fd);
    lock->name = NULL;
}
