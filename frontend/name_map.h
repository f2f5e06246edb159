/* name_map: from interned names (equal names are equal pointers) to small numbers. Grows in an arena. */
#ifndef NNC_FRONTEND_NAME_MAP_H
#define NNC_FRONTEND_NAME_MAP_H
#include "ir/arena.h"
#include <stdint.h>

struct name_map {
    const char **name;  /* open addressing; NULL: free */
    int *value;
    int count, cap;     /* cap: a power of two */
};

static inline int
name_map_slot(const struct name_map *m, const char *name)
{
    unsigned at = (unsigned)((uintptr_t)name >> 4) * 0x9e3779b1u & (unsigned)(m->cap - 1);
    while (m->name[at] && m->name[at] != name)
        at = (at + 1) & (unsigned)(m->cap - 1);
    return (int)at;
}

/* The number of |name|, or -1. */
static inline int
name_map_get(const struct name_map *m, const char *name)
{
    int at = m->cap ? name_map_slot(m, name) : -1;
    return at >= 0 && m->name[at] ? m->value[at] : -1;
}

static inline void
name_map_set(struct name_map *m, struct arena *a, const char *name, int value)
{
    if (m->count * 2 >= m->cap) {
        struct name_map new = {.cap = m->cap ? m->cap * 2 : 32};
        new.name = ARENA_ARRAY(a, const char *, new.cap);
        new.value = ARENA_ARRAY(a, int, new.cap);
        for (int i = 0; i < m->cap; i++)
            if (m->name[i]) {
                int at = name_map_slot(&new, m->name[i]);
                new.name[at] = m->name[i];
                new.value[at] = m->value[i];
                new.count++;
            }
        *m = new;
    }
    int at = name_map_slot(m, name);
    m->count += !m->name[at];
    m->name[at] = name;
    m->value[at] = value;
}
#endif
