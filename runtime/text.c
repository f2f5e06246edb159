#include "runtime/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for |more| bytes and a NUL. */
static bool
reserve(struct text *t, size_t more)
{
    if (!t->failed && t->room - t->size <= more) {
        size_t room = 2 * t->room + more + 64;
        char *data = realloc(t->data, room);
        t->failed = !data;
        if (data) {
            t->data = data;
            t->room = room;
        }
    }
    return !t->failed;
}

void
text_bytes(struct text *t, const void *bytes, size_t size)
{
    if (!reserve(t, size))
        return;
    memcpy(t->data + t->size, bytes, size);
    t->size += size;
    t->data[t->size] = 0;
}

void
text_printf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    t->failed |= n < 0;
    if (n >= 0 && reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->size, (size_t)n + 1, format, again);
        t->size += (size_t)n;
    }
    va_end(again);
}
