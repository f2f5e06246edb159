/* texts: a set of texts that have numbers, and the words of a text. */
#ifndef NNC_RUNTIME_DATA_TEXTS_H
#define NNC_RUNTIME_DATA_TEXTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_item {
    const char *text;      /* not the set's; need not be closed by a NUL */
    size_t length;
    int64_t times;         /* how often texts_add met it */
};

struct texts {
    struct text_item *items; /* by number */
    int64_t count, room;
    int64_t *slots;        /* a number or -1 each; open addressing */
    uint64_t mask;         /* slots - 1 */
};

/* The number of the text, a new one if the set does not have it; -1 if memory is short. A zeroed set is empty. */
int64_t texts_add(struct texts *s, const char *text, size_t length);
/* The number, or -1. */
int64_t texts_find(const struct texts *s, const char *text, size_t length);
/* The set of |n| different texts, numbered in order. False if memory is short; to be freed in any case. */
bool texts_of(struct texts *s, const char *const *texts, int64_t n);
void texts_free(struct texts *s);

/* The next word of a text, whose words ASCII blanks separate; |*at| moves behind it. False at the end. */
bool word_next(const char **at, const char **out_word, int64_t *out_length);
#endif
