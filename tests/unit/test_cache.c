/* cache: objects come back whole or not at all; nobody else's are taken; writers do not meet; the oldest go first. And code
 * from the cache has the bits of fresh code, in a process that has not loaded LLVM. */
#include "codegen/code.h"
#include "passes/pass.h"
#include "runtime/kernels.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 48 };

static char base[64];

static void
make_base(void)
{
    strcpy(base, "/tmp/nnc-test-cache-XXXXXX");
    cr_assert(mkdtemp(base));
    setenv("XDG_CACHE_HOME", base, 1);
}

static void
drop_base(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    cr_assert_eq(system(command), 0);
}

static const struct code_key key = {{0x0123456789abcdef, 0xfedcba9876543210}};
static const char *const NAME = "0123456789abcdeffedcba9876543210";

static struct code_object
object_of(size_t size, unsigned seed)
{
    struct code_object o = {malloc(size), size};
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)o.bytes)[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
    return o;
}

static void
write_object(int folder, const struct code_key *k, const struct code_object *o)
{
    cache_write(folder, k, o, INT64_C(1) << 30);
}

static bool
reads_back(int folder, const struct code_key *k, const struct code_object *wanted)
{
    struct code_object got;
    if (!cache_read(folder, k, &got))
        return false;
    bool same = got.size == wanted->size && !memcmp(got.bytes, wanted->bytes, got.size);
    cr_assert(same, "the cache gave something else");
    free(got.bytes);
    return true;
}

/* Puts |size| bytes in place of the entry. */
static void
overwrite(int folder, const char *bytes, size_t size)
{
    int fd = openat(folder, NAME, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

Test(cache, damage)
{
    make_base();
    int folder = cache_folder();
    cr_assert(folder >= 0);
    struct code_object o = object_of(300, 1);
    char whole[HEADER + 300], bad[HEADER + 301] = {0};
    cr_assert(!reads_back(folder, &key, &o));
    write_object(folder, &key, &o);
    cr_assert(reads_back(folder, &key, &o));
    int fd = openat(folder, NAME, O_RDONLY);
    cr_assert_eq(read(fd, whole, sizeof whole), (ssize_t)sizeof whole);
    close(fd);
    for (size_t i = 0; i < sizeof whole; i++) {
        memcpy(bad, whole, sizeof whole);
        bad[i] ^= (char)(1 << i % 8);
        overwrite(folder, bad, sizeof whole);
        cr_assert(!reads_back(folder, &key, &o), "byte %zu changed", i);
        overwrite(folder, whole, i);
        cr_assert(!reads_back(folder, &key, &o), "cut to %zu bytes", i);
    }
    memcpy(bad, whole, sizeof whole);
    overwrite(folder, bad, sizeof bad);
    cr_assert(!reads_back(folder, &key, &o), "a byte too many");
    write_object(folder, &key, &o); /* is replaced */
    cr_assert(reads_back(folder, &key, &o));
    /* Another key's entry under this name. */
    struct code_key other = {{1, 2}};
    write_object(folder, &other, &o);
    cr_assert(!renameat(folder, "00000000000000010000000000000002", folder, NAME));
    cr_assert(!reads_back(folder, &key, &o));
    free(o.bytes);
    close(folder);
    drop_base();
}

Test(cache, only_private_places_are_trusted)
{
    make_base();
    char path[96];
    snprintf(path, sizeof path, "%s/nnc", base);
    int folder = cache_folder();
    struct code_object o = object_of(100, 2);
    struct stat about;
    cr_assert(folder >= 0 && !fstat(folder, &about) && (about.st_mode & 0777) == 0700);
    write_object(folder, &key, &o);
    cr_assert(!fstatat(folder, NAME, &about, 0) && (about.st_mode & 0777) == 0600);
    cr_assert(!fchmodat(folder, NAME, 0620, 0));
    cr_assert(!reads_back(folder, &key, &o), "a file that the group can write");
    cr_assert(!unlinkat(folder, NAME, 0));
    cr_assert(!symlinkat("/dev/zero", folder, NAME));
    cr_assert(!reads_back(folder, &key, &o), "a link");
    cr_assert(!unlinkat(folder, NAME, 0) && !mkfifoat(folder, NAME, 0600));
    cr_assert(!reads_back(folder, &key, &o), "a pipe");
    close(folder);
    cr_assert(!chmod(path, 0777));
    cr_assert_eq(cache_folder(), -1, "a folder that all can write");
    cr_assert(!chmod(path, 0700));
    if (!geteuid()) {
        cr_assert(!chown(path, 1234, (gid_t)-1));
        cr_assert_eq(cache_folder(), -1, "another's folder");
    }
    char moved[96];
    snprintf(moved, sizeof moved, "%s/moved", base);
    cr_assert(!rename(path, moved) && !symlink(moved, path));
    cr_assert_eq(cache_folder(), -1, "a link to a folder");
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", base, 1);
    folder = cache_folder();
    snprintf(path, sizeof path, "%s/.cache/nnc", base);
    cr_assert(folder >= 0 && !access(path, F_OK));
    close(folder);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/proc/nowhere", 1);
    cr_assert_eq(cache_folder(), -1);
    unsetenv("HOME");
    cr_assert_eq(cache_folder(), -1);
    free(o.bytes);
    drop_base();
}

/* Eight processes write and read one entry; whoever reads it gets it whole. */
Test(cache, simultaneous_writers)
{
    enum { PROCESSES = 8, ROUNDS = 200 };
    make_base();
    struct code_object o = object_of(20000, 3);
    pid_t child[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        if (!(child[i] = fork())) {
            int folder = cache_folder(), hits = 0;
            for (int k = 0; k < ROUNDS; k++) {
                struct code_object got;
                if (k % 2)
                    write_object(folder, &key, &o);
                else if (cache_read(folder, &key, &got)) {
                    hits++;
                    if (got.size != o.size || memcmp(got.bytes, o.bytes, o.size))
                        _exit(1);
                    free(got.bytes);
                } else if (k)
                    _exit(2); /* it was there once, and is never gone */
            }
            _exit(hits ? 0 : 3);
        }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        cr_assert_eq(waitpid(child[i], &status, 0), child[i]);
        cr_assert_eq(status, 0, "process %d: %x", i, (unsigned)status);
    }
    int folder = cache_folder(), files = 0;
    DIR *d = fdopendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        files += e->d_name[0] != '.';
    cr_assert_eq(files, 1, "temporary files are left");
    closedir(d);
    free(o.bytes);
    drop_base();
}

Test(cache, the_oldest_go_first)
{
    enum { COUNT = 10, SIZE = 1000 - HEADER };
    make_base();
    int folder = cache_folder();
    struct code_object o = object_of(SIZE, 4);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct code_key k = {{7, i}};
        char name[40];
        write_object(folder, &k, &o);
        snprintf(name, sizeof name, "0000000000000007%016llx", (unsigned long long)i);
        struct timespec times[2] = {{.tv_sec = 1000 + (time_t)i}, {.tv_sec = 1000 + (time_t)i}};
        cr_assert(!utimensat(folder, name, times, 0));
    }
    int stale = openat(folder, "new.killed", O_CREAT | O_WRONLY, 0600);
    cr_assert(stale >= 0 && !futimens(stale, (struct timespec[2]){{.tv_sec = 5}, {.tv_sec = 5}}));
    close(stale);
    cr_assert(reads_back(folder, &(struct code_key){{7, 0}}, &o)); /* used now: the youngest */
    cache_write(folder, &(struct code_key){{7, COUNT}}, &o, 8000);
    for (uint64_t i = 0; i <= COUNT; i++)
        cr_expect_eq(reads_back(folder, &(struct code_key){{7, i}}, &o), i == 0 || i > 5, "entry %d", (int)i);
    cr_expect(faccessat(folder, "new.killed", F_OK, 0), "a killed process' file stays");
    free(o.bytes);
    close(folder);
    drop_base();
}

/* ---- code ---- */

static const char *const TEXT = "graph g.train(x: f32[N,20]) {\n  var %w: f32[20,7] = \"w\"\n"
                                "  %1 = matmul x, %w : f32[N,7]\n  %2 = exp %1 : f32[N,7]\n"
                                "  %3 = sum %2 {axis=[0]} : f32[7]\n  return %2 \"a\", %3 \"b\"\n}\n";

static struct graph *
planned(struct arena *arena, struct diag *diag)
{
    struct module *m = module_read(arena, TEXT, strlen(TEXT), 1, diag);
    m->graphs[0]->max_rows = 33;
    cr_assert(passes_run(m->graphs[0], 0, PASS_PLAN, true, diag));
    return m->graphs[0];
}

/* The graph's outputs for some numbers. */
static void
run(const struct graph *g, const struct code *code, float out[34 * 7])
{
    float x[33 * 20], w[20 * 7];
    char *arena = aligned_alloc(64, (size_t)(g->arena_bytes + 63) / 64 * 64);
    for (int i = 0; i < 33 * 20; i++)
        x[i] = (float)(i * 37 % 101) / 64 - 0.7f;
    for (int i = 0; i < 20 * 7; i++)
        w[i] = (float)(i * 53 % 89) / 128 - 0.3f;
    struct kernel_context kernels = {.rows = 33};
    unsigned before = float_enter();
    cr_assert(code_function(code, 0)(&(struct code_args){arena, (void *[]){x}, (void *[]){w}, 33, &kernels}));
    float_leave(before);
    memcpy(out, arena + g->outputs[0].node->offset, 33 * 7 * sizeof *out);
    memcpy(out + 33 * 7, arena + g->outputs[1].node->offset, 7 * sizeof *out);
    kernel_context_free(&kernels);
    free(arena);
}

static bool
llvm_is_loaded(void)
{
    char line[1024];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        found |= strstr(line, "LLVM") || strstr(line, "nnc-codegen");
    fclose(f);
    return found;
}

/* Takes the code from the cache, in a process of its own: 0 if it gives |wanted|. */
static int
warm(const float *wanted, size_t size)
{
    pid_t child = fork();
    if (!child) {
        struct arena arena;
        struct diag diag;
        struct code_options options = {0};
        struct code_key k;
        float got[34 * 7];
        arena_init(&arena, NULL);
        diag_init(&diag, &arena);
        const struct graph *g = planned(&arena, &diag);
        struct code_graphs graphs = {.graph = &g, .count = 1};
        struct code *code = code_key(&graphs, &options, &arena, &k) ? code_load(&k, &graphs, &diag) : NULL;
        if (!code)
            _exit(1);
        run(g, code, got);
        _exit(memcmp(got, wanted, size) ? 2 : llvm_is_loaded() ? 3 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

Test(cache, warm_code_has_the_bits_of_fresh_code)
{
    struct arena arena;
    struct diag diag;
    struct codegen gen;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    make_base();
    const struct graph *g = planned(&arena, &diag);
    struct code_graphs graphs = {.graph = &g, .count = 1};
    struct code_options options = {0}, others[] = {{.gemm = GEMM_OPENBLAS}, {.vector_width = 8}, {.llvm_passes = true}};
    struct code_key k, other;
    if (!code_key(&graphs, &options, &arena, &k)) {
        drop_base();
        cr_skip_test("built without LLVM");
    }
    cr_assert(!code_load(&k, &graphs, &diag));
    float fresh[34 * 7] = {0};
    cr_assert_eq(warm(fresh, sizeof fresh), 1, "there is nothing yet");
    pid_t child = fork(); /* so that this process and the later ones have no LLVM */
    if (!child) {
        struct code *code = codegen_load(&gen, &diag) ? code_compile_and_save(&gen, &k, &graphs, &options, &diag) : NULL;
        if (!code || !llvm_is_loaded())
            _exit(1);
        run(g, code, fresh);
        float again[34 * 7];
        struct code *loaded = code_load(&k, &graphs, &diag);
        if (!loaded)
            _exit(2);
        run(g, loaded, again);
        int fd = open(base, O_RDONLY | O_DIRECTORY), out = openat(fd, "bits", O_WRONLY | O_CREAT, 0600);
        _exit(memcmp(fresh, again, sizeof fresh) || write(out, fresh, sizeof fresh) != sizeof fresh ? 3 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
    int fd = open(base, O_RDONLY | O_DIRECTORY), in = openat(fd, "bits", O_RDONLY);
    cr_assert_eq(read(in, fresh, sizeof fresh), (ssize_t)sizeof fresh);
    cr_assert(fresh[0] > 0);
    cr_assert_eq(warm(fresh, sizeof fresh), 0);
    /* Whatever decides about the code is part of its name. */
    for (int i = 0; i < 3; i++) {
        cr_assert(code_key(&graphs, &others[i], &arena, &other) && memcmp(&other, &k, sizeof k), "options %d", i);
        cr_assert(!code_load(&other, &graphs, &diag));
    }
    struct graph *changed = planned(&arena, &diag);
    const struct graph *c = changed;
    struct code_graphs changed_graphs = {.graph = &c, .count = 1};
    cr_assert(code_key(&changed_graphs, &options, &arena, &other) && !memcmp(&other, &k, sizeof k));
    changed->outputs[0].node->offset += 64;
    cr_assert(code_key(&changed_graphs, &options, &arena, &other) && memcmp(&other, &k, sizeof k), "storage");
    close(in);
    close(fd);
    drop_base();
    arena_free(&arena);
}
