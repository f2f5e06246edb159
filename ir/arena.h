/* arena: memory that is freed as a whole. One owner; no free of single objects. */
#ifndef NNC_IR_ARENA_H
#define NNC_IR_ARENA_H
#include <setjmp.h>
#include <stddef.h>

struct arena_block;
/* What is given back before a failed allocation jumps away from those who hold it. */
struct arena_undo {
    void (*run)(void *context);
    void *context;
    struct arena_undo *older;
};
struct arena {
    struct arena_block *block; /* newest first */
    char *at, *end;            /* free part of the newest block */
    jmp_buf *oom;              /* where a failed allocation jumps to; without it the call returns NULL */
    struct arena_undo *undo;   /* newest first */
};

/* An arena without memory; |oom| may be NULL. The jump buffer must outlive every allocation. */
void arena_init(struct arena *a, jmp_buf *oom);
/* From here to arena_keep, run(context) is called where an allocation jumps: whoever holds memory or files besides, while the arena may
 * jump, is between the two. |undo| is the caller's. arena_keep of what is not there does nothing. */
void arena_guard(struct arena *a, struct arena_undo *undo, void (*run)(void *context), void *context);
void arena_keep(struct arena *a, const struct arena_undo *undo);
/* What a failed allocation does: undoes and jumps; returns NULL without a jump buffer. */
void *arena_fail(struct arena *a);
/* |size| zeroed bytes, aligned to 16. Never NULL when the arena has a jump buffer. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of |count| bytes of |text| with a closing NUL. */
char *arena_text(struct arena *a, const char *text, size_t count);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forgets everything but keeps the newest block, so that a step which needs no more than the one before allocates nothing.
 * */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_alloc((a), sizeof(type) * (size_t)(count)))
/* Makes room for one more element of a growing array in an arena; amortised, the old copy stays in the arena. */
#define ARENA_PUSH(a, array, count, cap)                                                                      \
    ((count) < (cap) ? (void)0                                                                                \
                     : (void)((array) = arena_grow((a), (array), sizeof *(array), (size_t)(count), &(cap))),  \
     &(array)[(count)++])
void *arena_grow(struct arena *a, void *old, size_t size, size_t count, int *cap);
#endif
