#include "runtime/walk.h"
#include <assert.h>
#include <string.h>

/* Drops axes of size 1 and merges neighbours that every operand steps through alike. */
static void
merge(struct walk *w)
{
    int rank = 0;
    for (int i = 0; i < w->rank; i++) {
        if (w->extent[i] == 1)
            continue;
        bool joins = rank > 0;
        for (int o = 0; joins && o < w->noperands; o++)
            joins = w->operand[o].stride[rank - 1] == w->operand[o].stride[i] * w->extent[i];
        if (joins)
            w->extent[rank - 1] *= w->extent[i];
        else
            w->extent[rank++] = w->extent[i];
        for (int o = 0; o < w->noperands; o++)
            w->operand[o].stride[rank - 1] = w->operand[o].stride[i];
    }
    if (!rank) {
        w->extent[0] = 1;
        for (int o = 0; o < w->noperands; o++)
            w->operand[o].stride[0] = 0;
        rank = 1;
    }
    w->rank = rank;
}

static void
set_strides(struct walk_operand *o, const struct type *t, const struct type *domain)
{
    *o = (struct walk_operand){.size = (uint8_t)elem_size(t->elem)};
    int64_t stride = 1;
    for (int i = t->rank - 1, d = domain->rank - 1; i >= 0; i--, d--) {
        o->stride[d] = t->dim[i] == 1 ? 0 : stride;
        stride *= t->dim[i];
    }
}

/* Short rows go several to a block, long ones in pieces of equal size. */
static void
choose_blocks(struct walk *w, int64_t block)
{
    int64_t inner = w->extent[w->rank - 1];
    w->rows = 1;
    w->chunk = inner;
    if (inner > 0 && inner <= block / 2 && w->rank > 1) {
        int64_t rows = block / inner, all = w->extent[w->rank - 2];
        w->rows = rows < all ? rows : all;
    } else if (inner > block * 3 / 2)
        w->chunk = block;
}

static void
choose_way(struct walk *w, struct walk_operand *o)
{
    int64_t inner = o->stride[w->rank - 1];
    o->step = inner != 0;
    o->way = WALK_POINT;
    if (w->rows == 1)
        return;
    int64_t outer = o->stride[w->rank - 2];
    if (outer == inner * w->extent[w->rank - 1])
        return;
    /* A dense operand that has the inner axis either goes on with the next one or is broadcast along it. */
    assert(!inner || !outer);
    o->step = 1;
    o->way = inner ? WALK_PATTERN : WALK_FILL;
}

void
walk_make(struct walk *w, const struct type *domain, int n, const struct type *const *in, int64_t block)
{
    w->rank = domain->rank;
    w->count = type_count(domain, 0);
    w->noperands = n;
    for (int i = 0; i < domain->rank; i++)
        w->extent[i] = domain->dim[i];
    for (int o = 0; o < n; o++)
        set_strides(&w->operand[o], in[o], domain);
    merge(w);
    choose_blocks(w, block);
    for (int o = 0; o < n; o++)
        choose_way(w, &w->operand[o]);
}

void
walk_start(const struct walk *w, struct walk_at *at, int64_t first, int64_t end)
{
    *at = (struct walk_at){.start = first, .end = end};
    for (int i = w->rank - 1; i > 0 && first > 0; i--) {
        at->index[i] = first % w->extent[i];
        first /= w->extent[i];
    }
    at->index[0] = first;
}

/* Moves index[axis] by |step|, with carry; a step never jumps over the end of its axis. */
static void
advance(const struct walk *w, struct walk_at *at, int axis, int64_t step)
{
    for (at->index[axis] += step; at->index[axis] >= w->extent[axis] && axis > 0; at->index[axis]++)
        at->index[axis--] = 0;
}

bool
walk_next(const struct walk *w, struct walk_at *at)
{
    int last = w->rank - 1;
    int64_t inner = w->extent[last];
    if (at->n) {
        if (w->rows > 1)
            advance(w, at, last - 1, at->n / inner);
        else
            advance(w, at, last, at->n);
    }
    at->start += at->n;
    int64_t left = at->end - at->start;
    if (left <= 0)
        return false;
    if (w->rows > 1) {
        int64_t rows = w->extent[last - 1] - at->index[last - 1];
        at->n = (rows < w->rows ? rows : w->rows) * inner;
    } else {
        int64_t n = inner - at->index[last];
        at->n = n < w->chunk ? n : w->chunk;
    }
    at->n = at->n < left ? at->n : left;
    return true;
}

/* The first |inner| elements, repeated |rows| times. */
static void
repeat(char *buffer, const char *from, int64_t bytes, int64_t rows)
{
    memcpy(buffer, from, (size_t)bytes);
    int64_t have = bytes, want = bytes * rows;
    for (; have < want; have *= 2)
        memcpy(buffer + have, buffer, (size_t)(want - have < have ? want - have : have));
}

/* Each of |rows| elements |inner| times. Whole groups of 16 are written; what goes beyond a row, the next row overwrites. */
#define FILL(T)                                                                                   \
    static void fill_##T(void *buffer, const void *from, int64_t stride, int64_t rows, int64_t inner) \
    {                                                                                             \
        T *to = buffer;                                                                           \
        const T *x = from;                                                                        \
        for (int64_t r = 0; r < rows; r++, to += inner) {                                         \
            T value = x[r * stride];                                                              \
            for (int64_t j = 0; j < inner; j += 16)                                               \
                for (int i = 0; i < 16; i++)                                                      \
                    to[j + i] = value;                                                            \
        }                                                                                         \
    }
FILL(uint8_t)
FILL(uint32_t)
FILL(uint64_t)

bool
walk_is_still(const struct walk *w, int o)
{
    const struct walk_operand *op = &w->operand[o];
    bool still = op->way == WALK_PATTERN;
    for (int i = 0; i < w->rank - 1; i++)
        still &= !op->stride[i];
    return still;
}

const void *
walk_operand(const struct walk *w, const struct walk_at *at, int o, const void *base, void *buffer, int64_t *expanded)
{
    const struct walk_operand *op = &w->operand[o];
    int64_t offset = 0;
    for (int i = 0; i < w->rank; i++)
        offset += at->index[i] * op->stride[i];
    const char *from = (const char *)base + offset * op->size;
    if (op->way == WALK_POINT)
        return from;
    int64_t inner = w->extent[w->rank - 1], rows = at->n / inner, stride = op->stride[w->rank - 2];
    if (op->way == WALK_PATTERN) {
        if (*expanded != offset)
            repeat(buffer, from, inner * op->size, w->rows);
        *expanded = offset;
    } else
        (op->size == 1 ? fill_uint8_t : op->size == 4 ? fill_uint32_t : fill_uint64_t)(buffer, from, stride, rows, inner);
    return buffer;
}
