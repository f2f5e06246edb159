#include "runtime/data/texts.h"
#include <stdlib.h>
#include <string.h>

/* FNV-1a, with a last mixing. */
static uint64_t
hash(const char *text, size_t length)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3;
    return h ^ h >> 32;
}

/* The slot that holds the text, or the free one where it belongs. */
static uint64_t
slot_of(const struct texts *s, const char *text, size_t length)
{
    uint64_t at = hash(text, length) & s->mask;
    for (;; at = (at + 1) & s->mask) {
        int64_t k = s->slots[at];
        if (k < 0 || (s->items[k].length == length && !memcmp(s->items[k].text, text, length)))
            return at;
    }
}

static bool
grow(struct texts *s)
{
    int64_t room = s->room ? 2 * s->room : 64; /* half of the slots at most are taken */
    struct text_item *items = realloc(s->items, (size_t)room * sizeof *items);
    if (!items)
        return false;
    s->items = items;
    int64_t *slots = malloc((size_t)room * 2 * sizeof *slots);
    if (!slots)
        return false;
    free(s->slots);
    s->slots = slots;
    s->room = room;
    s->mask = (uint64_t)room * 2 - 1;
    memset(slots, 0xff, (size_t)room * 2 * sizeof *slots);
    for (int64_t k = 0; k < s->count; k++)
        s->slots[slot_of(s, items[k].text, items[k].length)] = k;
    return true;
}

int64_t
texts_add(struct texts *s, const char *text, size_t length)
{
    if (s->count == s->room && !grow(s))
        return -1;
    uint64_t at = slot_of(s, text, length);
    if (s->slots[at] < 0) {
        s->slots[at] = s->count;
        s->items[s->count++] = (struct text_item){text, length, 0};
    }
    s->items[s->slots[at]].times++;
    return s->slots[at];
}

int64_t
texts_find(const struct texts *s, const char *text, size_t length)
{
    return s->count ? s->slots[slot_of(s, text, length)] : -1;
}

bool
texts_of(struct texts *s, const char *const *texts, int64_t n)
{
    *s = (struct texts){0};
    for (int64_t i = 0; i < n; i++)
        if (texts_add(s, texts[i], strlen(texts[i])) < 0)
            return false;
    return true;
}

void
texts_free(struct texts *s)
{
    free(s->items);
    free(s->slots);
    *s = (struct texts){0};
}

bool
word_next(const char **at, const char **out_word, int64_t *out_length)
{
    static const char blanks[] = " \t\n\v\f\r";
    const char *p = *at + strspn(*at, blanks);
    *out_word = p;
    *out_length = (int64_t)strcspn(p, blanks);
    *at = p + *out_length;
    return *out_length > 0;
}
