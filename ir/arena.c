#include "ir/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *older;
    size_t size; /* of the whole block */
};

enum { BLOCK_HEAD = (sizeof(struct arena_block) + 15) / 16 * 16, FIRST_BLOCK = 16 << 10 };

void
arena_init(struct arena *a, jmp_buf *oom)
{
    *a = (struct arena){.oom = oom};
}

void
arena_keep(struct arena *a, const struct arena_undo *undo)
{
    struct arena_undo **at = &a->undo;
    while (*at && *at != undo)
        at = &(*at)->older;
    if (*at)
        *at = undo->older;
}

void
arena_guard(struct arena *a, struct arena_undo *undo, void (*run)(void *context), void *context)
{
    arena_keep(a, undo); /* it may be there already */
    *undo = (struct arena_undo){run, context, a->undo};
    a->undo = undo;
}

void *
arena_fail(struct arena *a)
{
    if (!a->oom)
        return NULL;
    for (struct arena_undo *u; (u = a->undo);) {
        a->undo = u->older;
        u->run(u->context);
    }
    longjmp(*a->oom, 1);
}

static int
add_block(struct arena *a, size_t size)
{
    size_t want = a->block ? a->block->size * 2 : FIRST_BLOCK;
    if (want > (size_t)64 << 20)
        want = (size_t)64 << 20;
    if (size > SIZE_MAX / 2)
        return 0;
    if (want < size + BLOCK_HEAD)
        want = size + BLOCK_HEAD;
    struct arena_block *b = malloc(want);
    if (!b)
        return 0;
    b->older = a->block;
    b->size = want;
    a->block = b;
    a->at = (char *)b + BLOCK_HEAD;
    a->end = (char *)b + want;
    return 1;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return arena_fail(a);
    size = (size + 15) & ~(size_t)15;
    if (size > (size_t)(a->end - a->at) && !add_block(a, size))
        return arena_fail(a);
    void *p = a->at;
    a->at += size;
    return memset(p, 0, size);
}

char *
arena_text(struct arena *a, const char *text, size_t count)
{
    char *copy = arena_alloc(a, count + 1);
    return copy ? memcpy(copy, text, count) : NULL;
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void *
arena_grow(struct arena *a, void *old, size_t size, size_t count, int *cap)
{
    int more = *cap ? *cap * 2 : 8;
    void *p = arena_alloc(a, size * (size_t)more);
    if (p && count)
        memcpy(p, old, size * count);
    if (p)
        *cap = more;
    return p;
}

void
arena_reset(struct arena *a)
{
    if (!a->block)
        return;
    for (struct arena_block *b = a->block->older, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    a->block->older = NULL;
    a->at = (char *)a->block + BLOCK_HEAD;
}

void
arena_free(struct arena *a)
{
    for (struct arena_block *b = a->block, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    arena_init(a, a->oom);
}
