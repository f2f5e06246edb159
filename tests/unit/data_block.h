/* data_block: what the tests of data blocks share: where a block is run, and looks at what it gave. */
#ifndef NNC_TESTS_DATA_BLOCK_H
#define NNC_TESTS_DATA_BLOCK_H
#include "frontend/data.h"
#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;
static struct diag diag;
static struct sources sources;
static struct data_result result;

static const struct data_value *
named(const char *name)
{
    const struct data_value *v = data_name_find(&result, source_name(&sources, name, strlen(name)));
    cr_assert(v, "%s is not bound", name);
    return v;
}

static const struct data_binding *
bound(const struct data_set *s, const char *name)
{
    const struct data_binding *b = data_set_find(s, source_name(&sources, name, strlen(name)));
    cr_assert(b, "%s is not bound", name);
    return b;
}

static double
element(const struct tensor *t, int64_t i)
{
    switch (t->type.elem) {
    case ELEM_F32: return ((float *)t->data)[i];
    case ELEM_F64: return ((double *)t->data)[i];
    case ELEM_I32: return ((int32_t *)t->data)[i];
    case ELEM_I64: return (double)((int64_t *)t->data)[i];
    default: return ((uint8_t *)t->data)[i];
    }
}
#endif
