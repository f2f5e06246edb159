/* scale: minmax and standardize, by column: over axis 0, each place of the other axes on its own.
 *
 * A column without spread is only moved, to 0: its divisor is 1. */
#include "runtime/data/functions.h"
#include <string.h>

/* a op b, element by element; NULL if a or b is NULL or they do not fit. */
static const struct tensor *
map2(struct data_call *c, enum op op, const struct tensor *a, const struct tensor *b)
{
    return a && b ? data_apply(c->context, op, 2, (const struct tensor *const[]){a, b}, NULL, NULL, c->place) : NULL;
}

static const struct tensor *
over_rows(struct data_call *c, enum op op, const struct tensor *t)
{
    return t ? data_reduce(c->context, op, t, 1, false, c->place) : NULL;
}

/* The tensor that is measured, in f64, with rows: `fit`, or x itself. */
static const struct tensor *
measured(struct data_call *c)
{
    int i = c->args[1].value.kind != DATA_NONE;
    const struct data_argument *a = &c->args[i];
    if (!arg_kind(c, 0, DATA_TENSOR) || !arg_kind(c, i, DATA_TENSOR))
        return NULL;
    if (!a->value.tensor->type.rank || !a->value.tensor->type.dim[0]) {
        arg_wrong(c, i, "a tensor with rows");
        return NULL;
    }
    return data_cast(c->context, a->value.tensor, ELEM_F64, a->place);
}

static const double *
copied(struct data_call *c, const struct tensor *t)
{
    double *values = ARENA_ARRAY(c->context->arena, double, tensor_count(t) + 1);
    memcpy(values, t->data, (size_t)tensor_bytes(t));
    return values;
}

/* (x - middle) / spread, with 1 for a spread of 0. */
static bool
scaled(struct data_call *c, enum data_fit_kind kind, const struct tensor *middle, const struct tensor *spread)
{
    if (!middle || !spread)
        return false;
    double *s = spread->data;
    for (int64_t i = 0, n = tensor_count(spread); i < n; i++)
        s[i] = s[i] == 0 ? 1 : s[i];
    struct data_fit *fit = ARENA_NEW(c->context->arena, struct data_fit);
    *fit = (struct data_fit){.kind = kind, .before = c->args[0].value.fit, .type = middle->type, .middle = copied(c, middle),
                             .spread = copied(c, spread)};
    if (tensor_count(middle) == 1)
        fit->type = type_scalar(ELEM_F64);
    return data_fit_one(c->context, fit, &c->args[0].value, c->args[0].place, &c->out[0]);
}

bool
data_fn_minmax(struct data_call *c)
{
    const struct tensor *f = measured(c), *low = over_rows(c, OP_MIN_OVER, f), *high = over_rows(c, OP_MAX_OVER, f);
    return scaled(c, FIT_MINMAX, low, map2(c, OP_SUB, high, low));
}

bool
data_fn_standardize(struct data_call *c)
{
    const struct tensor *f = measured(c), *mean = over_rows(c, OP_MEAN, f), *away = map2(c, OP_SUB, f, mean);
    const struct tensor *variance = over_rows(c, OP_MEAN, map2(c, OP_MUL, away, away));
    const struct tensor *deviation = variance ? data_apply(c->context, OP_SQRT, 1, &variance, NULL, NULL, c->place) : NULL;
    return scaled(c, FIT_STANDARDIZE, mean, deviation);
}
