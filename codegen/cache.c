/* cache: object files on disk, a file an object, named after its key. What is damaged, foreign or cut short is not used and
 * written anew; whatever goes wrong, the code is made as if there were no cache. */
#include "codegen/code.h"
#include "codegen/module.h"
#include "runtime/digest.h"
#include "runtime/version.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

enum { FORMAT = 1, NAME = 2 * (DIGEST_TEXT - 1) + 1, TEMPORARY_SECONDS = 3600 };
static const int64_t CACHE_LIMIT = INT64_C(512) << 20;
static const char MAGIC[8] = "nnccode";

struct header {
    char magic[8];
    uint64_t format;
    uint64_t key[2];
    uint64_t size;              /* of the object behind the header */
    uint64_t digest;            /* of the object */
};

/* ---- the key ---- */

static void
add(struct code_key *key, const void *bytes, size_t size)
{
    key->half[0] = digest_bytes(key->half[0], bytes, size);
    key->half[1] = digest_bytes(key->half[1] ^ UINT64_C(0x5bd1e995a5a5a5a5), bytes, size);
}

static void
add_number(struct code_key *key, int64_t n)
{
    add(key, &n, sizeof n);
}

/* What the code generator asks of the CPU: its model and its features. Never what differs between the cores of one. */
static void
add_cpu(struct code_key *key)
{
#if defined(__x86_64__)
    static const struct leaf { uint32_t number, sub; bool eax, ebx; } leaves[] = {
        {1, 0, true, false}, {7, 0, true, true}, {7, 1, true, true}, {13, 1, true, false}, {0x14, 0, false, true},
        {0x19, 0, false, true}, {0x24, 0, false, true}, {0x80000001, 0, false, false}, {0x80000008, 0, false, true}};
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        uint32_t a = 0, b = 0, c = 0, d = 0;
        __get_cpuid_count(leaves[i].number, leaves[i].sub, &a, &b, &c, &d);
        uint32_t words[4] = {leaves[i].eax ? a : 0, leaves[i].ebx ? b : 0, c, d};
        if (leaves[i].number == 0x80000008)
            words[2] = words[3] = 0; /* numbers of cores */
        add(key, words, sizeof words);
    }
    uint32_t low, high, a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE) {
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0)); /* which registers the system saves */
        add_number(key, (int64_t)((uint64_t)high << 32 | low));
    }
#elif defined(__linux__)
    static const char *const files[] = {"/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"};
    char text[32] = "";
    int fd = open(files[0], O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text);
        add(key, text, n > 0 ? (size_t)n : 0);
        close(fd);
    }
    add_number(key, (int64_t)getauxval(AT_HWCAP));
    add_number(key, (int64_t)getauxval(AT_HWCAP2));
#endif
}

/* The module's bytes stand for its build, its LLVM, and the tile parameters in it. */
static bool
add_module(struct code_key *key)
{
    char path[PATH_MAX + 64];
    struct stat about;
    if (!codegen_module_path(path, sizeof path))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && !fstat(fd, &about) && about.st_size > 0;
    size_t size = ok ? (size_t)about.st_size : 0;
    void *bytes = ok ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (bytes == MAP_FAILED)
        return false;
    add(key, bytes, size);
    munmap(bytes, size);
    return true;
}

static void
add_graph(struct code_key *key, const struct graph *g, struct arena *scratch)
{
    const char *text = graph_text(g, scratch, false);
    add(key, text, strlen(text));
    for (int i = 0; i < g->count; i++) {
        /* Which variable is meant the text says by its name only, and the places of RESHAPEs of constants not at all. */
        const struct node *n = g->nodes[i];
        int64_t numbers[] = {n->storage, n->offset, n->op == OP_VAR || n->op == OP_INPUT ? n->attr->name.index : 0};
        add(key, numbers, sizeof numbers);
    }
}

bool
code_key(const struct code_graphs *graphs, const struct code_options *options, struct arena *scratch, struct code_key *out)
{
    *out = (struct code_key){{FORMAT, ~(uint64_t)NUMERICS_VERSION}};
    if (!add_module(out))
        return false;
    add(out, NNC_VERSION, sizeof NNC_VERSION);
    add(out, NNC_LLVM, sizeof NNC_LLVM);
    add_cpu(out);
    add_number(out, options->gemm);
    add_number(out, options->vector_width);
    add_number(out, options->llvm_passes);
    add_number(out, options->cut_small);
    for (int i = 0; i < graphs->count; i++)
        add_graph(out, graphs->graph[i], scratch);
    return true;
}

/* ---- the folder ---- */

/* Objects are run: nobody but the user may have been able to write them. */
static bool
is_private(int fd, mode_t kind)
{
    struct stat about;
    return !fstat(fd, &about) && (about.st_mode & S_IFMT) == kind && about.st_uid == geteuid() && !(about.st_mode & 077);
}

static bool
cache_path(char path[PATH_MAX])
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (base && base[0] == '/') /* others are to be ignored, says the XDG specification */
        length = snprintf(path, PATH_MAX, "%s", base);
    else if (home && home[0] == '/')
        length = snprintf(path, PATH_MAX, "%s/.cache", home);
    else
        return false;
    return length > 0 && length < PATH_MAX - 8;
}

int
cache_folder(void)
{
    char path[PATH_MAX];
    if (!cache_path(path))
        return -1;
    if (mkdir(path, 0700) && errno != EEXIST)
        return -1;
    strcat(path, "/nnc");
    if (mkdir(path, 0700) && errno != EEXIST)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || is_private(fd, S_IFDIR))
        return fd;
    close(fd);
    return -1;
}

static void
file_name(const struct code_key *key, char name[NAME])
{
    digest_hex(key->half[0], name);
    digest_hex(key->half[1], name + DIGEST_TEXT - 1);
}

/* ---- reading ---- */

static bool
read_all(int fd, void *out, size_t size)
{
    for (char *at = out; size;) {
        ssize_t n = read(fd, at, size);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return true;
}

static bool
read_file(int fd, const struct code_key *key, struct code_object *out)
{
    struct header h;
    struct stat about;
    if (!is_private(fd, S_IFREG) || fstat(fd, &about) || !read_all(fd, &h, sizeof h) ||
        memcmp(h.magic, MAGIC, sizeof MAGIC) ||
        h.format != FORMAT || h.key[0] != key->half[0] || h.key[1] != key->half[1] ||
        about.st_size < (off_t)sizeof h || h.size != (uint64_t)about.st_size - sizeof h || h.size > INT32_MAX)
        return false;
    out->size = h.size;
    out->bytes = malloc(out->size + 1);
    if (out->bytes && read_all(fd, out->bytes, out->size) && digest_bytes(0, out->bytes, out->size) == h.digest)
        return true;
    free(out->bytes);
    return false;
}

bool
cache_read(int folder, const struct code_key *key, struct code_object *out)
{
    char name[NAME];
    file_name(key, name);
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = read_file(fd, key, out);
    if (ok)
        futimens(fd, NULL); /* the time of last use, by which the oldest are removed */
    close(fd);
    return ok;
}

/* ---- writing ---- */

static bool
write_all(int fd, const void *bytes, size_t size)
{
    for (const char *at = bytes; size;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return true;
}

struct file {
    struct timespec used;
    int64_t size;
    char name[NAME];
};

static int
older(const void *a, const void *b)
{
    const struct timespec *x = &((const struct file *)a)->used, *y = &((const struct file *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Removes what a killed process left behind. */
static void
clear_temporary(int folder, const char *name, const struct stat *about)
{
    if (!strncmp(name, "new.", 4) && time(NULL) - about->st_mtime > TEMPORARY_SECONDS)
        unlinkat(folder, name, 0);
}

/* The objects of the folder in |*out|, of malloc. Returns their number. */
static int
list_files(DIR *stream, int folder, struct file **out, int64_t *total)
{
    int count = 0, cap = 0;
    *total = 0;
    *out = NULL;
    for (struct dirent *d; (d = readdir(stream));) {
        struct stat about;
        if (fstatat(folder, d->d_name, &about, AT_SYMLINK_NOFOLLOW) || !S_ISREG(about.st_mode))
            continue;
        if (strlen(d->d_name) != NAME - 1) {
            clear_temporary(folder, d->d_name, &about);
            continue;
        }
        if (count == cap) {
            struct file *more = realloc(*out, sizeof *more * (size_t)(cap = 2 * cap + 64));
            if (!more)
                break;
            *out = more;
        }
        (*out)[count] = (struct file){.used = about.st_mtim, .size = about.st_size};
        memcpy((*out)[count++].name, d->d_name, NAME);
        *total += about.st_size;
    }
    return count;
}

/* Down to three quarters of the limit, so that it is not done at every write. */
static void
trim(int folder, int64_t limit)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct file *files;
    int64_t total;
    int count = list_files(stream, folder, &files, &total);
    if (total > limit) {
        qsort(files, (size_t)count, sizeof *files, older);
        for (int i = 0; i < count && total > limit / 4 * 3; i++)
            if (!unlinkat(folder, files[i].name, 0))
                total -= files[i].size;
    }
    free(files);
    closedir(stream);
}

void
cache_write(int folder, const struct code_key *key, const struct code_object *object, int64_t limit)
{
    char name[NAME], temporary[NAME + 64];
    struct timespec now;
    struct header h = {.format = FORMAT, .key = {key->half[0], key->half[1]}, .size = object->size,
                       .digest = digest_bytes(0, object->bytes, object->size)};
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    file_name(key, name);
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(temporary, sizeof temporary, "new.%s.%ld.%lx%09ld", name, (long)getpid(), (unsigned long)now.tv_sec,
             now.tv_nsec);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    /* Not synced: the digest finds a file that a power failure cut. */
    bool ok = write_all(fd, &h, sizeof h) && write_all(fd, object->bytes, object->size);
    ok = !close(fd) && ok;
    if (!ok || renameat(folder, temporary, folder, name))
        unlinkat(folder, temporary, 0);
    else
        trim(folder, limit);
}

/* ---- code ---- */

struct code *
code_load(const struct code_key *key, const struct code_graphs *graphs, struct diag *diag)
{
    struct code_object object;
    int folder = cache_folder();
    if (folder < 0)
        return NULL;
    bool found = cache_read(folder, key, &object);
    close(folder);
    if (!found)
        return NULL;
    struct code *c = code_from_object(&object, graphs, diag);
    free(object.bytes);
    return c;
}

struct code *
code_compile_and_save(const struct codegen *gen, const struct code_key *key, const struct code_graphs *graphs,
                      const struct code_options *options, struct diag *diag)
{
    struct code_object object;
    if (!code_allowed(diag) || !gen->object(graphs, options, &object, diag))
        return NULL;
    struct code *c = code_from_object(&object, graphs, diag);
    int folder = c ? cache_folder() : -1;
    if (folder >= 0) {
        cache_write(folder, key, &object, CACHE_LIMIT);
        close(folder);
    }
    free(object.bytes);
    return c;
}
