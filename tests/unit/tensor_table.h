/* tensor_table: the tensors of a safetensors file, for tests. */
#ifndef NNC_TESTS_TENSOR_TABLE_H
#define NNC_TESTS_TENSOR_TABLE_H
#include "ir/arena.h"
#include "runtime/safetensors.h"
#include <criterion/criterion.h>
#include <stdlib.h>

struct table {
    struct arena arena;
    struct diag diag;
    struct safetensors file;
};

static inline void
table_open(struct table *t, const char *path)
{
    arena_init(&t->arena, NULL);
    diag_init(&t->diag, &t->arena);
    cr_assert(safetensors_open(&t->file, path, &t->diag), "%s", path);
}

static inline void
table_close(struct table *t)
{
    safetensors_close(&t->file);
    arena_free(&t->arena);
}

/* To be freed by the caller. */
static inline float *
table_read(struct table *t, const struct safetensors_entry *e)
{
    float *values = malloc((size_t)e->bytes + 1);
    cr_assert(values && safetensors_read(&t->file, e, ELEM_F32, values, NULL, &t->diag));
    return values;
}
#endif
