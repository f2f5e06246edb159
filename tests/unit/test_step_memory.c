/* After its first step a training asks for no memory any more, in any mode and any thread, also where the last batch of an epoch is smaller and a
 * new order is drawn; and no page is ever writable and executable. Not under the sanitizers, which have an allocator of their own. */
#define _GNU_SOURCE
#include "frontend/cli/bench.h"
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
static atomic_long asked;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) { asked++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { asked++; return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { asked++; return __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) { asked++; return __libc_memalign(alignment, size); }
int posix_memalign(void **out, size_t alignment, size_t size) { asked++; return (*out = __libc_memalign(alignment, size)) ? 0 : 12; }

/* Large enough for threads; 300 = 2 * 128 + 44 rows an epoch. */
static const char *const MODEL =
    "data {\n    r = numpy_random(5)\n    x = normal(r, [300, 200])\n    train x = x, c = argmax(x[:, 0:5], axis = 1)\n}\n"
    "model wave {\n    input x: f32[N, 200]\n    target c: i32[N]\n    h = dropout(relu(batch_norm(dense(x, 256))), 0.3)\n"
    "    output z = dense(tanh(dense(h, 64)), 5)\n    loss softmax_cross_entropy(z, c)\n}\n"
    "train {\n    optimizer adam(lr = 1e-3)\n    batch 128\n    shuffle true\n}\n";

/* Pages with code that no file holds; fails if one can be written as well. */
static int
code_pages(void)
{
    char line[512];
    int found = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        char rights[8];
        int end = 0;
        unsigned long inode;
        cr_assert_eq(sscanf(line, "%*x-%*x %7s %*x %*s %lu%n", rights, &inode, &end), 2, "%s", line);
        cr_expect_not(rights[1] == 'w' && rights[2] == 'x', "%s", line);
        found += rights[2] == 'x' && !inode && !strchr(line, '[');
    }
    fclose(f);
    return found;
}

/* Allocations of 30 steps behind the |first| ones. */
static long
allocations(const char *mode, int threads, int first)
{
    char path[] = P_tmpdir "/nnc-step-memory-XXXXXX";
    struct arena arena;
    struct diag diag;
    struct cli cli = {.arena = &arena, .diag = &diag};
    struct session s;
    struct feeder f;
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, MODEL, strlen(MODEL)) == (ssize_t)strlen(MODEL));
    close(fd);
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&cli.sources, &arena);
    cli.options.operand = path;
    cli.options.epochs = -1;
    cli.options.threads = threads;
    unsigned before = float_enter();
    cr_assert(session_open(&s, &cli) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL));
    bench_options(&s, mode, "nnc", false);
    long count = -1;
    if (feeder_open(&f, &s)) {
        cr_assert(feeder_steps(&f, first, false));
        asked = 0;
        cr_assert(feeder_steps(&f, 30, false));
        count = asked;
        cr_expect_eq(code_pages() > 0, !strcmp(mode, "jit"));
        feeder_close(&f);
    }
    session_close(&s);
    float_leave(before);
    arena_free(&arena);
    unlink(path);
    return count;
}

Test(step_memory, graph_mode)
{
    for (int threads = 1; threads <= 3; threads++)
        cr_expect_eq(allocations("graph", threads, 1), 0, "%d threads", threads);
}

/* The second step takes what the first one needed in one piece. */
Test(step_memory, eager_mode)
{
    for (int threads = 1; threads <= 3; threads++)
        cr_expect_eq(allocations("eager", threads, 2), 0, "%d threads", threads);
}

Test(step_memory, machine_code)
{
    for (int threads = 1; threads <= 3; threads++) {
        long count = allocations("jit", threads, 1);
        if (count < 0)
            cr_skip_test("built without LLVM");
        cr_expect_eq(count, 0, "%d threads", threads);
    }
}
#endif
