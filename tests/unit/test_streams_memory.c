/* Each allocation of the streams fails in turn and is reported; after the first step there is none. Not under the
 * sanitizers, which have an allocator of their own. */
#define _GNU_SOURCE
#include "runtime/streams/streams.h"
#include <criterion/criterion.h>
#include <stdlib.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
static long left = -1, made; /* allocations until the one that fails; below 0: none does. |made|: all so far */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool
fails(void)
{
    made++;
    return left >= 0 && left-- <= 0;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }

enum { SITES = 40, COUNT = 600, ROWS = 50 };
static double values[COUNT];

static bool
draw_all(struct streams *s)
{
    static const struct stream_draw draws[] = {
        {.law = STREAM_UNIFORM, .elem = ELEM_F32, .count = COUNT, .b = 1},
        {.law = STREAM_TRUNCATED, .elem = ELEM_F64, .count = COUNT, .b = 1, .low = -2, .high = 2},
        {.law = STREAM_ORTHOGONAL, .elem = ELEM_F32, .count = COUNT, .a = 1, .rows = 20},
    };
    bool done = true;
    for (int i = 0; i < 3; i++)
        done = done && stream_draw(s, i, &draws[i], values);
    return done;
}

static bool
step(struct streams *s)
{
    struct stream_draw keep = {.law = STREAM_KEEP, .elem = ELEM_BOOL, .count = COUNT, .a = 0.5};
    return stream_draw(s, 3, &keep, values);
}

static bool
whole_run(const char *weights, const char *order, const char *steps)
{
    int64_t rows[ROWS];
    struct streams *s = streams_open(
        (const int[]){stream_convention_find(weights), stream_convention_find(order), stream_convention_find(steps)}, 1);
    bool done = s;
    for (int i = 0; done && i < SITES; i++)
        done = stream_site(s, i < 3 ? STREAM_SITE_WEIGHT : STREAM_SITE_STEP, (uint64_t)i);
    done = done && draw_all(s);
    if (done)
        stream_epoch(s, true);
    done = done && stream_order(s, ROWS, rows) && step(s);
    long before = made;
    done = done && step(s) && step(s);
    cr_assert(!done || made == before, "a step allocates");
    streams_close(s);
    return done;
}

Test(streams_memory, each_allocation_may_fail)
{
    static const char *const runs[][3] = {{"torch", "torch", "torch"}, {"keras_tf", "keras_tf", "keras_tf"},
                                          {"nnc", "nnc", "nnc"}, {"nnc", "keras_tf", "torch"}, {"torch", "nnc", "keras_tf"}};
    for (unsigned r = 0; r < sizeof runs / sizeof *runs; r++) {
        cr_assert(whole_run(runs[r][0], runs[r][1], runs[r][2]));
        long before = made;
        whole_run(runs[r][0], runs[r][1], runs[r][2]);
        long count = made - before;
        cr_assert(count > 3);
        for (long k = 0; k < count; k++) {
            left = k;
            bool done = whole_run(runs[r][0], runs[r][1], runs[r][2]);
            left = -1;
            cr_assert(!done, "run %u succeeds without allocation %ld", r, k);
        }
    }
}
#endif
