/* scale: minmax and standardize, by column: over axis 0, each place of the other axes on its own.
 *
 * A column without spread is only moved, to 0: its divisor is 1. */
#include "runtime/data/functions.h"

/* a op b, element by element; NULL if a or b is NULL or they do not fit. */
static const struct tensor *
map2(struct data_call *c, enum op op, const struct tensor *a, const struct tensor *b)
{
    return a && b ? data_apply(c->context, op, 2, (const struct tensor *const[]){a, b}, NULL, NULL, c->place) : NULL;
}

static const struct tensor *
over_rows(struct data_call *c, enum op op, const struct tensor *t)
{
    return t ? data_reduce(c->context, op, t, 1, true, c->place) : NULL;
}

/* The tensor of argument |i| in f64, with rows. */
static const struct tensor *
columns(struct data_call *c, int i)
{
    const struct data_argument *a = &c->args[i];
    if (!arg_kind(c, i, DATA_TENSOR))
        return NULL;
    if (!a->value.tensor->type.rank || !a->value.tensor->type.dim[0]) {
        arg_wrong(c, i, "a tensor with rows");
        return NULL;
    }
    return data_cast(c->context, a->value.tensor, ELEM_F64, a->place);
}

/* The tensor whose columns are measured: `fit`, or x itself. */
static const struct tensor *
fitted(struct data_call *c, const struct tensor *x)
{
    return !x || c->args[1].value.kind == DATA_NONE ? x : columns(c, 1);
}

/* (x - middle) / spread, with 1 for a spread of 0. */
static bool
scaled(struct data_call *c, const struct tensor *x, const struct tensor *middle, struct tensor *spread)
{
    double *s = spread->data;
    for (int64_t i = 0, n = tensor_count(spread); i < n; i++)
        s[i] = s[i] == 0 ? 1 : s[i];
    const struct tensor *r = map2(c, OP_DIV, map2(c, OP_SUB, x, middle), spread);
    if (r)
        c->out[0] = data_of_tensor(r);
    return r != NULL;
}

bool
data_fn_minmax(struct data_call *c)
{
    const struct tensor *x = columns(c, 0), *f = fitted(c, x);
    const struct tensor *low = over_rows(c, OP_MIN_OVER, f), *high = over_rows(c, OP_MAX_OVER, f);
    const struct tensor *spread = map2(c, OP_SUB, high, low);
    return spread && scaled(c, x, low, (struct tensor *)spread);
}

bool
data_fn_standardize(struct data_call *c)
{
    const struct tensor *x = columns(c, 0), *f = fitted(c, x);
    const struct tensor *mean = over_rows(c, OP_MEAN, f), *away = map2(c, OP_SUB, f, mean);
    const struct tensor *variance = over_rows(c, OP_MEAN, map2(c, OP_MUL, away, away));
    const struct tensor *deviation = variance ? data_apply(c->context, OP_SQRT, 1, &variance, NULL, NULL, c->place) : NULL;
    return deviation && scaled(c, x, mean, (struct tensor *)deviation);
}
