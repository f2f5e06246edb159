/* series: windows and shift: rows beside rows before or after them. What was fitted on the series holds for its windows. */
#include "runtime/data/functions.h"
#include <string.h>

/* Argument 0, with rows. */
static const struct tensor *
series(struct data_call *c)
{
    if (!arg_kind(c, 0, DATA_TENSOR))
        return NULL;
    const struct tensor *t = c->args[0].value.tensor;
    if (t->type.rank && t->type.rank < RANK_MAX)
        return t;
    arg_wrong(c, 0, "a tensor with rows, of at most 7 axes");
    return NULL;
}

static bool
enough_rows(struct data_call *c, const struct tensor *t, int64_t taken)
{
    if (taken < t->type.dim[0])
        return true;
    diag_report(c->context->diag, SERIES_SHORT, c->place, c->name, (long long)taken, (long long)t->type.dim[0]);
    return false;
}

static int64_t
row_bytes(const struct tensor *t)
{
    return type_span(&t->type, 1, t->type.rank, 0) * (int64_t)elem_size((enum elem)t->type.elem);
}

/* |rows| rows of |t| from |from| on, as result |k|. */
static bool
give_rows(struct data_call *c, const struct tensor *t, int64_t from, int64_t rows, int k)
{
    struct type type = t->type;
    type.dim[0] = rows;
    struct tensor *r = data_pool_new(&c->context->pool, &type, c->place, c->context->diag);
    if (!r)
        return false;
    memcpy(r->data, (const char *)t->data + from * row_bytes(t), (size_t)(rows * row_bytes(t)));
    c->out[k] = data_of_tensor(r);
    c->out[k].fit = c->args[0].value.fit;
    return true;
}

bool
data_fn_windows(struct data_call *c)
{
    const struct tensor *t = series(c);
    int64_t length, ahead;
    if (!t || !arg_whole(c, 1, 1, INT32_MAX, &length) || !arg_whole(c, 2, 0, INT32_MAX, &ahead) ||
        !enough_rows(c, t, length - 1 + ahead))
        return false;
    const int64_t rows = t->type.dim[0] - (length - 1 + ahead), bytes = row_bytes(t);
    struct type type = {.elem = t->type.elem, .rank = (uint8_t)(t->type.rank + 1), .dim = {rows, length}};
    memcpy(type.dim + 2, t->type.dim + 1, sizeof *type.dim * (size_t)(t->type.rank - 1));
    struct tensor *r = data_pool_new(&c->context->pool, &type, c->place, c->context->diag);
    if (!r)
        return false;
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)r->data + i * length * bytes, (const char *)t->data + i * bytes, (size_t)(length * bytes));
    c->out[0] = data_of_tensor(r);
    c->out[0].fit = c->args[0].value.fit;
    return give_rows(c, t, length - 1 + ahead, rows, 1);
}

bool
data_fn_shift(struct data_call *c)
{
    const struct tensor *t = series(c);
    int64_t k;
    if (!t || !arg_whole(c, 1, -INT32_MAX, INT32_MAX, &k) || !enough_rows(c, t, k < 0 ? -k : k))
        return false;
    const int64_t rows = t->type.dim[0] - (k < 0 ? -k : k);
    return give_rows(c, t, k < 0 ? -k : 0, rows, 0) && give_rows(c, t, k < 0 ? 0 : k, rows, 1);
}
