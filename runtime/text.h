/* text: a growing text. Unlike a stream into memory it knows for certain whether anything was lost. */
#ifndef NNC_RUNTIME_TEXT_H
#define NNC_RUNTIME_TEXT_H
#include <stdbool.h>
#include <stddef.h>

/* Zeroed: empty. The owner frees |data|. */
struct text {
    char *data;         /* ended by a NUL; NULL while empty */
    size_t size, room;
    bool failed;        /* memory was short: later additions do nothing */
};

void text_bytes(struct text *t, const void *bytes, size_t size);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
