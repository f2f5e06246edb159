/* kernel_move: elements change places; scatter_add adds those that meet. */
#include "runtime/kernel_impl.h"
#include <string.h>

/* About how many nanoseconds a byte takes that is read and written in its order; out of order about four times as many. */
static const double BYTE_NS = 0.05, SCATTERED_NS = 0.2;

struct copy_run {
    char *out;
    const char *in;
    size_t bytes;
};

static void
copy_part(void *context, int part, int parts)
{
    const struct copy_run *r = context;
    enum { LINE = 64 };
    int64_t lines = (int64_t)((r->bytes + LINE - 1) / LINE);
    size_t first = (size_t)threads_begin(lines, part, parts) * LINE, end = (size_t)threads_begin(lines, part + 1, parts) * LINE;
    memcpy(r->out + first, r->in + first, (end < r->bytes ? end : r->bytes) - first);
}

static void
copy(void *out, const void *in, size_t bytes, struct threads *t)
{
    struct copy_run r = {out, in, bytes};
    threads_run(t, threads_parts(t, BYTE_NS * (double)bytes, (int64_t)bytes / 64), copy_part, &r);
}

bool
kernel_RESHAPE(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    if (out->data != in[0]->data)
        copy(out->data, in[0]->data, dense_bytes(&out->type), k->threads);
    return true;
}

bool
kernel_UPDATE(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    if (out->data != in[1]->data)
        copy(out->data, in[1]->data, dense_bytes(&out->type), k->threads);
    return true;
}

/* out[j][i] = in[i][j] of |rows| x |columns| elements in tiles that stay in cache. |step|: elements between rows. */
#define FLIP(T)                                                                                                        \
    static void flip_##T(void *o, const void *x, int64_t rows, int64_t columns, int64_t in_step, int64_t out_step)     \
    {                                                                                                                  \
        enum { TILE = 16 };                                                                                            \
        T *out = o;                                                                                                    \
        const T *in = x;                                                                                               \
        for (int64_t i0 = 0; i0 < rows; i0 += TILE)                                                                    \
            for (int64_t j0 = 0; j0 < columns; j0 += TILE) {                                                           \
                int64_t i1 = rows - i0 < TILE ? rows : i0 + TILE, j1 = columns - j0 < TILE ? columns : j0 + TILE;      \
                for (int64_t j = j0; j < j1; j++)                                                                      \
                    for (int64_t i = i0; i < i1; i++)                                                                  \
                        out[j * out_step + i] = in[i * in_step + j];                                                   \
            }                                                                                                          \
    }
FLIP(uint8_t)
FLIP(uint32_t)
FLIP(uint64_t)
typedef void flip_fn(void *out, const void *in, int64_t rows, int64_t columns, int64_t in_step, int64_t out_step);

static flip_fn *
flip_of(size_t size)
{
    return size == 1 ? flip_uint8_t : size == 4 ? flip_uint32_t : flip_uint64_t;
}

/* Result axes with their extents and the operand's strides; neighbours that lie together in both become one. */
struct view {
    int rank;
    int64_t extent[RANK_MAX], in[RANK_MAX], out[RANK_MAX];
};

static void
view_transposed(struct view *v, const struct type *in, const int8_t *perm)
{
    int64_t stride[RANK_MAX], step = 1;
    for (int i = in->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= in->dim[i];
    }
    v->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        int64_t extent = in->dim[perm[i]], s = stride[perm[i]];
        if (extent == 1)
            continue;
        if (v->rank && v->in[v->rank - 1] == s * extent) {
            v->extent[v->rank - 1] *= extent;
            v->in[v->rank - 1] = s;
        } else {
            v->extent[v->rank] = extent;
            v->in[v->rank++] = s;
        }
    }
    step = 1;
    for (int i = v->rank - 1; i >= 0; i--) {
        v->out[i] = step;
        step *= v->extent[i];
    }
}

/* One combination of the outer axes after the other: |skip| marks the axes that the inner loop does. */
static bool
view_next(const struct view *v, uint32_t skip, int64_t *index, int64_t *in, int64_t *out)
{
    for (int i = v->rank - 1; i >= 0; i--) {
        if (skip >> i & 1)
            continue;
        *in += v->in[i];
        *out += v->out[i];
        if (++index[i] < v->extent[i])
            return true;
        *in -= v->in[i] * v->extent[i];
        *out -= v->out[i] * v->extent[i];
        index[i] = 0;
    }
    return false;
}

struct transpose_run {
    const struct view *view;
    char *out;
    const char *in;
    size_t size;
};

/* The part's places of the result's first axis. */
static void
transpose_part(void *context, int part, int parts)
{
    const struct transpose_run *r = context;
    struct view v = *r->view;
    int last = v.rank - 1, unit = last; /* unit: the result's axis along which the operand is contiguous */
    while (unit > 0 && v.in[unit] != 1)
        unit--;
    int64_t first = threads_begin(v.extent[0], part, parts), index[RANK_MAX] = {0}, bytes = (int64_t)r->size;
    int64_t from = first * v.in[0], to = first * v.out[0];
    v.extent[0] = threads_begin(v.extent[0], part + 1, parts) - first;
    uint32_t skip = 1u << last | 1u << unit;
    do {
        char *o = r->out + to * bytes;
        const char *x = r->in + from * bytes;
        if (unit == last)
            memcpy(o, x, (size_t)(v.extent[last] * bytes));
        else
            flip_of(r->size)(o, x, v.extent[last], v.extent[unit], v.in[last], v.out[unit]);
    } while (view_next(&v, skip, index, &from, &to));
}

bool
kernel_TRANSPOSE(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct view v;
    if (!dense_count(&out->type))
        return true;
    view_transposed(&v, &in[0]->type, n->attr->perm.perm);
    if (v.rank < 2) {
        copy(out->data, in[0]->data, dense_bytes(&out->type), k->threads);
        return true;
    }
    struct transpose_run r = {&v, out->data, in[0]->data, elem_size(out->type.elem)};
    double cost = SCATTERED_NS * (double)dense_bytes(&out->type);
    threads_run(k->threads, threads_parts(k->threads, cost, v.extent[0]), transpose_part, &r);
    return true;
}

/* Copies a block of |extent| between two dense tensors of |rank| axes, of which it starts at in_start and out_start. */
static void
copy_block(const struct type *in, const char *x, const int64_t *in_start, const struct type *out, char *o, const int64_t *out_start,
           const int64_t *extent)
{
    struct view v = {.rank = in->rank};
    int64_t size = (int64_t)elem_size(in->elem), from = 0, to = 0, in_step = 1, out_step = 1, index[RANK_MAX] = {0}, run = 1;
    for (int i = in->rank - 1; i >= 0; i--) {
        v.extent[i] = extent[i];
        v.in[i] = in_step;
        v.out[i] = out_step;
        from += in_start[i] * in_step;
        to += out_start[i] * out_step;
        in_step *= in->dim[i];
        out_step *= out->dim[i];
        if (!extent[i])
            return;
    }
    /* The inner axes that are whole in both are one run with the axis before them. */
    uint32_t skip = 0;
    for (int i = in->rank - 1; i >= 0; i--) {
        run *= extent[i];
        skip |= 1u << i;
        if (extent[i] != in->dim[i] || extent[i] != out->dim[i])
            break;
    }
    do
        memcpy(o + to * size, x + from * size, (size_t)(run * size));
    while (view_next(&v, skip, index, &from, &to));
}

bool
kernel_SLICE(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    int64_t start[RANK_MAX], zero[RANK_MAX] = {0};
    for (int i = 0; i < out->type.rank; i++)
        start[i] = dim_at(n->attr->slice.start[i], k->rows);
    copy_block(&in[0]->type, in[0]->data, start, &out->type, out->data, zero, out->type.dim);
    return true;
}

bool
kernel_PAD(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    int64_t start[RANK_MAX], zero[RANK_MAX] = {0};
    for (int i = 0; i < out->type.rank; i++)
        start[i] = dim_at(n->attr->slice.start[i], k->rows);
    memset(out->data, 0, dense_bytes(&out->type));
    copy_block(&in[0]->type, in[0]->data, zero, &out->type, out->data, start, in[0]->type.dim);
    return true;
}

bool
kernel_CONCAT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    int64_t start[RANK_MAX] = {0}, zero[RANK_MAX] = {0};
    int axis = n->attr->axis.axis;
    for (int i = 0; i < n->nin; i++) {
        copy_block(&in[i]->type, in[i]->data, zero, &out->type, out->data, start, in[i]->type.dim);
        start[axis] += in[i]->type.dim[axis];
    }
    return true;
}

static int64_t
index_at(const struct tensor *t, int64_t i)
{
    switch ((enum elem)t->type.elem) {
    case ELEM_I32: return ((const int32_t *)t->data)[i];
    case ELEM_I64: return ((const int64_t *)t->data)[i];
    default: return ((const uint8_t *)t->data)[i];
    }
}

/* Rows of a table of |rows| rows, and tensors of one of them for each index. */
struct rows_run {
    const struct tensor *index;
    const char *in;
    char *out;
    int64_t rows, width;
    size_t bytes;       /* of a row */
    row_fn *add;
};

/* The part's indices. An index out of range gives a row of zeros: the data were checked before, this only keeps memory safe. */
static void
gather_part(void *context, int part, int parts)
{
    const struct rows_run *r = context;
    int64_t count = dense_count(&r->index->type), end = threads_begin(count, part + 1, parts);
    for (int64_t i = threads_begin(count, part, parts); i < end; i++) {
        int64_t row = index_at(r->index, i);
        char *to = r->out + (size_t)i * r->bytes;
        if (row >= 0 && row < r->rows)
            memcpy(to, r->in + (size_t)row * r->bytes, r->bytes);
        else
            memset(to, 0, r->bytes);
    }
}

bool
kernel_GATHER(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    const struct type *table = &in[0]->type;
    struct rows_run r = {.index = in[1], .in = in[0]->data, .out = out->data, .rows = table->dim[0]};
    r.bytes = (size_t)type_span(table, 1, table->rank, 0) * elem_size(table->elem);
    double cost = SCATTERED_NS * (double)dense_bytes(&out->type);
    threads_run(k->threads, threads_parts(k->threads, cost, dense_count(&r.index->type)), gather_part, &r);
    return true;
}

/* The part's rows of the table: it looks at all indices and adds those that meet them. */
static void
scatter_part(void *context, int part, int parts)
{
    const struct rows_run *r = context;
    int64_t count = dense_count(&r->index->type), first = threads_begin(r->rows, part, parts), end = threads_begin(r->rows, part + 1, parts);
    const char *from = r->in;
    memset(r->out + (size_t)first * r->bytes, 0, (size_t)(end - first) * r->bytes);
    for (int64_t i = 0; i < count; i++, from += r->bytes) {
        int64_t row = index_at(r->index, i);
        if (row < first || row >= end)
            continue;
        char *to = r->out + (size_t)row * r->bytes;
        r->add(to, (const void *const[]){to, from}, (const uint8_t[]){1, 1}, r->width);
    }
}

bool
kernel_SCATTER_ADD(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct rows_run r = {.index = in[0], .in = in[1]->data, .out = out->data, .rows = out->type.dim[0]};
    r.width = type_span(&out->type, 1, out->type.rank, 0);
    r.bytes = (size_t)r.width * elem_size(out->type.elem);
    r.add = kernel_isa(k)->row[OP_ADD][out->type.elem];
    double cost = SCATTERED_NS * (double)(dense_bytes(&out->type) + dense_bytes(&in[1]->type));
    threads_run(k->threads, threads_parts(k->threads, cost, r.rows), scatter_part, &r);
    return true;
}

bool
kernel_ONE_HOT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    int64_t count = dense_count(&in[0]->type), depth = out->type.dim[out->type.rank - 1];
    size_t size = elem_size(out->type.elem);
    static const int64_t whole = 1;
    static const uint8_t step = 1;
    char one[8];
    kernel_isa(k)->cast[ELEM_I64][out->type.elem](one, (const void *const[]){&whole}, &step, 1);
    memset(out->data, 0, dense_bytes(&out->type));
    for (int64_t i = 0; i < count; i++) {
        int64_t at = index_at(in[0], i);
        if (at >= 0 && at < depth)
            memcpy((char *)out->data + (size_t)(i * depth + at) * size, one, size);
    }
    return true;
}
