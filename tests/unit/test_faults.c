/* Every allocation of ours made to fail in turn, and every write, sync and rename, over a training with --save, an evaluation and a
 * prediction of a small model: the program ends with 3 and a message, loses no memory, and leaves the old checkpoint as it was.
 * The program's main is linked into this one with these functions wrapped (CMakeLists.txt); each run is a child of its own. */
#define _GNU_SOURCE
#include "tests/unit/command_run.h"
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define LEAKS __lsan_do_recoverable_leak_check()
#endif
#endif
#ifndef LEAKS
#define LEAKS 0
#endif

int nnc_main(int argc, char **argv); /* frontend/cli/main.c */

/* ---- faults ---- */

enum kind { ALLOCATIONS, FILES };
static struct {
    enum kind kind;
    bool counting, lasts;  /* lasts: it and all after it fail */
    int64_t at;            /* which one fails, from 1; 0: none */
    int error;
} fault;
static atomic_long calls;

static bool
fails(enum kind kind)
{
    if (!fault.counting || fault.kind != kind)
        return false;
    int64_t n = atomic_fetch_add(&calls, 1) + 1;
    bool now = fault.at && (fault.lasts ? n >= fault.at : n == fault.at);
    if (now)
        errno = fault.error;
    return now;
}

#define WRAP(kind, result, none, name, parameters, arguments)   \
    result __real_##name parameters;                            \
    result __wrap_##name parameters;                            \
    result __wrap_##name parameters { return fails(kind) ? none : __real_##name arguments; }
WRAP(ALLOCATIONS, void *, NULL, malloc, (size_t n), (n))
WRAP(ALLOCATIONS, void *, NULL, calloc, (size_t n, size_t size), (n, size))
WRAP(ALLOCATIONS, void *, NULL, realloc, (void *p, size_t n), (p, n))
WRAP(ALLOCATIONS, void *, NULL, aligned_alloc, (size_t a, size_t n), (a, n))
WRAP(ALLOCATIONS, char *, NULL, strdup, (const char *s), (s))
WRAP(ALLOCATIONS, char *, NULL, strndup, (const char *s, size_t n), (s, n))
WRAP(ALLOCATIONS, int, -1, vasprintf, (char **out, const char *format, va_list a), (out, format, a))
WRAP(FILES, ssize_t, -1, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(FILES, int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(FILES, int, -1, close, (int fd), (fd))
WRAP(FILES, int, -1, fallocate, (int fd, int mode, off_t from, off_t n), (fd, mode, from, n))

int __wrap_fsync(int fd);
int
__wrap_fsync(int fd) /* it takes no time here */
{
    return fails(FILES) ? -1 : 0;
}

int __wrap_asprintf(char **out, const char *format, ...);
int
__wrap_asprintf(char **out, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = __wrap_vasprintf(out, format, list);
    va_end(list);
    return n;
}

/* ---- runs ---- */

/* Runs main with the words of |line| in a child, its outputs in OUT and ERR; gives the exit status, or -signal. |*out_calls|: how many
 * calls there were. */
static int
run_main(const char *line, long *out_calls)
{
    char copy[512], *words[32] = {"nnc"}, *save = NULL;
    int n = 1, status, pipe_ends[2];
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    cr_assert(!pipe(pipe_ends));
    pid_t pid = fork();
    if (!pid) {
        dup2(open("OUT", O_WRONLY | O_CREAT | O_TRUNC, 0666), 1);
        dup2(open("ERR", O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
        fault.counting = true;
        int code = nnc_main(n, words);
        fault.counting = false;
        long made = calls;
        if (__real_write(pipe_ends[1], &made, sizeof made) != sizeof made || LEAKS)
            code = 99;
        _exit(code);
    }
    __real_close(pipe_ends[1]);
    long made = 0;
    if (read(pipe_ends[0], &made, sizeof made) != sizeof made)
        made = -1;
    __real_close(pipe_ends[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (out_calls)
        *out_calls = made;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
no_leftovers(int64_t i)
{
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d)); )
        cr_expect(!strstr(e->d_name, ".tmp."), "%ld: %s", (long)i, e->d_name);
    closedir(d);
}

/* Whether the checkpoint is a whole one. */
static bool
is_whole(const char *path)
{
    char line[200];
    typeof(fault) saved = fault;
    fault.at = 0;
    snprintf(line, sizeof line, "eval m.nn --mode graph --weights %s", path);
    bool whole = !run_main(line, NULL);
    fault = saved;
    return whole;
}

/* Makes call after call of |line| fail, each alone and with all after it. A run that did without what failed must have done all of its
 * work: |product| is then what it is without a fault. Else it ends with 3, and |kept| is a whole checkpoint, the old one or a newer. */
static void
fail_each(enum kind kind, int error, const char *line, const char *kept, const char *product)
{
    long count = 0;
    fault = (typeof(fault)){.kind = kind, .error = error};
    unlink("OLD");
    cr_assert_eq(rename(kept, "OLD"), 0);
    cr_assert_eq(link("OLD", kept), 0);
    cr_assert_eq(run_main(line, &count), 0, "%s: %s", line, file_bytes("ERR", NULL));
    cr_assert_eq(rename(product, "WANTED"), 0);
    cr_assert(count > 0 && count < 5000, "%ld", count);
    for (long i = 1, bad = 0; i <= 2 * count && bad < 20; i++) {
        unlink(kept);
        unlink(product);
        cr_assert_eq(link("OLD", kept), 0);
        fault.at = (i + 1) / 2;
        fault.lasts = i % 2 == 0;
        int status = run_main(line, NULL);
        const char *said = file_bytes("ERR", NULL);
        bool whole = status == 0 ? files_equal(product, "WANTED") : files_equal(kept, "OLD") || is_whole(kept);
        bool good = (status == 0 || (status == 3 && *said)) && whole;
        cr_expect(good, "call %ld of %ld%s of %s: exit %d, files %s: %s", (long)fault.at, count, fault.lasts ? " and all after it" : "", line, status,
                  whole ? "whole" : "damaged", said);
        bad += !good;
        no_leftovers(fault.at);
    }
    fault.at = 0;
}

TestSuite(faults, .init = scratch_enter, .fini = scratch_leave, .timeout = 300);

static void
begin_model(void)
{
    static const char rows[] = "a,b,c\n1,2,3\n4,5,6\n";
    file_put("p2.csv", rows, sizeof rows - 1);
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "stop patience = 9, restore = best");
    cr_assert_eq(run_main("train m.nn --mode graph --save w.safetensors --quiet", NULL), 0, "%s", file_bytes("ERR", NULL));
}

Test(faults, allocations_of_a_training_in_graph_mode)
{
    begin_model();
    fail_each(ALLOCATIONS, ENOMEM, "train m.nn --mode graph --threads 2 --resume w.safetensors --epochs 4 --save w.safetensors "
              "--history h.csv --history-no-time --steps s.csv", "w.safetensors", "w.safetensors");
}

Test(faults, allocations_of_a_training_in_eager_mode)
{
    begin_model();
    fail_each(ALLOCATIONS, ENOMEM, "train m.nn --mode eager --epochs 3 --save w.safetensors --report r.html", "w.safetensors", "w.safetensors");
}

Test(faults, allocations_of_runs)
{
    put_model("m.nn", "dropout(tanh(dense(x, 4)), 0.5)", "adam()", "runs 2");
    cr_assert_eq(run_main("train m.nn --mode graph --follow keras --save w.safetensors --quiet", NULL), 0, "%s", file_bytes("ERR", NULL));
    fail_each(ALLOCATIONS, ENOMEM, "train m.nn --mode graph --follow keras --epochs 1 --save w.safetensors --quiet", "w.run1.safetensors",
              "w.run2.safetensors");
}

Test(faults, allocations_of_a_prediction)
{
    begin_model();
    fail_each(ALLOCATIONS, ENOMEM, "predict m.nn --mode graph --weights w.safetensors --output p=p.npy", "w.safetensors", "p.npy");
    fail_each(ALLOCATIONS, ENOMEM, "predict m.nn --mode eager --weights w.safetensors --raw --input x=p2.csv --output p=p.npy", "w.safetensors", "p.npy");
}

/* A model without weights, whose output is what was read. */
Test(faults, allocations_of_the_data_block)
{
    static const char text[] =
        "data {\n    t = csv(\"t.csv\")\n    c = one_hot(category(t[\"k\"]), 3)\n    w = words(t[\"w\"], vocabulary = 9, length = 2)\n"
        "    s = safetensors(\"w.safetensors\", \"h.w\")\n    a = standardize(concat([t.columns(0:1), reshape(npy(\"a.npy\")[0:8], [8, 1]), f64(w), c], axis = 1))\n"
        "    z, y = windows(a[:, 0] + s[0, 0], length = 1, ahead = 1)\n    r = numpy_random(1)\n    p = permutation(r, 8)\n"
        "    split x = a[p], k = t[\"k\"] into train, valid by 0.5, seed = 3, stratify = t[\"k\"]\n}\n"
        "model m {\n    input x: f32[N, 7]\n    target k: i32[N]\n    output p = x\n}\n";
    static const char rows[] = "v,k,w\n1,0,a b\n2,1,a\n3,0,b b b\n4,1,c\n5,0,\n6,1,d e\n7,0,a\n8,1,b\n";
    begin_model();
    file_put("t.csv", rows, sizeof rows - 1);
    cr_assert_eq(run_main("predict m.nn --mode graph --weights w.safetensors --on train --output p=a.npy", NULL), 0, "%s", file_bytes("ERR", NULL));
    file_put("d.nn", text, sizeof text - 1);
    fail_each(ALLOCATIONS, ENOMEM, "predict d.nn --mode graph --on train --output p=p.npy", "w.safetensors", "p.npy");
}

/* Row 59: the disk is full at the seventh epoch, and the checkpoint of the sixth stays. */
Test(faults, a_disk_that_fills)
{
    long six = 0;
    begin_model();
    fault = (typeof(fault)){.kind = FILES, .error = ENOSPC};
    cr_assert_eq(run_main("train m.nn --mode graph --threads 1 --epochs 6 --save six.safetensors --quiet", &six), 0);
    fault.at = six; /* the last few of those calls are no saves: as many calls later the seventh save has begun */
    fault.lasts = true;
    cr_assert_eq(run_main("train m.nn --mode graph --threads 1 --epochs 9 --save w.safetensors --quiet", NULL), 3);
    cr_expect(files_equal("w.safetensors", "six.safetensors"));
    char *said = file_bytes("ERR", NULL), *note = strstr(said, "\n=="); /* LeakSanitizer's own about threads; a leak changes the status */
    if (note)
        note[1] = 0;
    golden_compare(NNC_SOURCE_DIR "/tests/golden/commands/59_full.txt", said);
    fault.at = 0;
}

Test(faults, writes_of_a_training)
{
    begin_model();
    fail_each(FILES, ENOSPC, "train m.nn --mode graph --epochs 3 --save w.safetensors --history h.csv --history-no-time", "w.safetensors", "w.safetensors");
    fail_each(FILES, EIO, "predict m.nn --mode graph --weights w.safetensors --output p=p.npy", "w.safetensors", "p.npy");
}
