/* Each allocation of a training fails in turn: it ends with a report, leaves no half-written file and keeps nothing open.
 * Not under the sanitizers, which have an allocator of their own. */
#define _GNU_SOURCE
#include "tests/unit/linear_program.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
static long left = -1; /* allocations until the one that fails; below 0: none does */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool
fails(void)
{
    if (left < 0 || left-- > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }

static int
entries(const char *folder)
{
    int count = 0;
    DIR *d = opendir(folder);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static bool
explain(void *context, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double loss)
{
    return false;
}

TestSuite(train_memory, .init = scratch_enter, .fini = scratch_leave);

Test(train_memory, each_allocation_fails_in_turn)
{
    static struct linear l;
    static struct linear_set set, valid;
    linear_set_init(&set, 10);
    linear_set_init(&valid, 5);
    const struct train_callbacks callbacks = {.on_bad_loss = explain};
    struct train_options o = {.epochs = 2, .batch = 4, .shuffle = true, .save = "first"};
    linear_init(&l);
    cr_assert_eq(train_run(&l.model, &l.program, &set.view, &valid.view, &o, NULL, NULL, &l.diag), STATUS_OK);
    o = (struct train_options){.epochs = 4, .batch = 4, .shuffle = true, .save = "w", .resume = "first", .history = "h",
                               .steps = "s"};
    int status = -1, handles = entries("/proc/self/fd"), succeeded = 0;
    for (int n = 0; n < 1000 && succeeded < 3; n++) {
        linear_init(&l);
        (void)!arena_alloc(&l.arena, 1); /* the messages' own memory is there */
        left = n;
        status = train_run(&l.model, &l.program, &set.view, &valid.view, &o, &callbacks, NULL, &l.diag);
        bool failed = left < 0;
        left = -1;
        succeeded += status == STATUS_OK && !failed;
        cr_assert(status == STATUS_OK || status == STATUS_MACHINE || (status == STATUS_INPUT && linear_said(&l, "JSON")),
                  "allocation %d: %d %s", n, status, l.diag.first ? l.diag.first->message : "");
        cr_assert((status == STATUS_OK) == !l.diag.first);
        cr_assert_eq(entries("/proc/self/fd"), handles, "allocation %d: a file is left open", n);
        /* ., .., first, w, both .prev, h, s */
        cr_assert_leq(entries("."), 8, "allocation %d: a file is left behind", n);
        if (!access("w", F_OK)) {
            struct linear check = {0};
            linear_init(&check);
            cr_assert(checkpoint_load("w", &check.model, CHECKPOINT_RESUME, NULL, &check.diag), "allocation %d", n);
            linear_free(&check);
        }
        unlink("w");
        unlink("w.prev");
    }
    cr_assert_eq(succeeded, 3);
}
#endif
