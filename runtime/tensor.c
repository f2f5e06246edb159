#include "runtime/tensor.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* From here on a tensor has huge pages where the kernel gives them: a page fault of 4 KiB costs as much as reading its numbers. */
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 2 * HUGE_PAGE };

/* Only advice: without huge pages the memory is as good. */
static void *
allocate(size_t size)
{
    if (size < HUGE_FROM)
        return aligned_alloc(64, size);
    size = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    void *p = aligned_alloc(HUGE_PAGE, size);
    if (p)
        madvise(p, size, MADV_HUGEPAGE);
    return p;
}

struct tensor
tensor_blank(const struct type *type)
{
    struct tensor t = {.type = *type};
    int64_t bytes = type_bytes(type, 0);
    if (bytes < 0 || bytes > INT64_MAX - HUGE_PAGE)
        return t;
    t.data = allocate(((size_t)bytes + 64) & ~(size_t)63);
    return t;
}

struct tensor
tensor_new(const struct type *type)
{
    struct tensor t = tensor_blank(type);
    if (t.data)
        memset(t.data, 0, ((size_t)tensor_bytes(&t) + 64) & ~(size_t)63);
    return t;
}

void
tensor_free(struct tensor *t)
{
    free(t->data);
    t->data = NULL;
}

struct type
type_at(const struct type *t, int64_t rows)
{
    struct type concrete = *t;
    for (int i = 0; i < t->rank; i++)
        concrete.dim[i] = dim_at(t->dim[i], rows);
    return concrete;
}
