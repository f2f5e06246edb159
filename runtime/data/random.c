/* random: the functions that make and use generators of random numbers. */
#include "runtime/data/functions.h"
#include <string.h>

static struct numpy_random *
new_generator(struct data_call *c)
{
    struct numpy_random *r = ARENA_NEW(c->context->arena, struct numpy_random);
    c->out[0] = (struct data_value){.kind = DATA_GENERATOR, .generator = r};
    return r;
}

bool
data_fn_numpy_random(struct data_call *c)
{
    int64_t seed;
    if (!arg_whole(c, 0, 0, UINT32_MAX, &seed))
        return false;
    numpy_random_seed(new_generator(c), (uint32_t)seed);
    return true;
}

bool
data_fn_numpy_rng(struct data_call *c)
{
    int64_t seed;
    if (!arg_whole(c, 0, 0, INT64_MAX, &seed))
        return false;
    numpy_rng_seed(new_generator(c), (uint64_t)seed);
    return true;
}

typedef void draw_fn(struct numpy_random *r, double a, double b, double *out, int64_t n);

static bool
draw(struct data_call *c, draw_fn *fn)
{
    struct type type;
    double a, b;
    if (!arg_kind(c, 0, DATA_GENERATOR) || !arg_shape(c, 1, ELEM_F64, &type, NULL) || !arg_real(c, 2, &a) ||
        !arg_real(c, 3, &b))
        return false;
    struct tensor *t = data_result(c, &type);
    if (t)
        fn(c->args[0].value.generator, a, b, t->data, tensor_count(t));
    return t != NULL;
}

bool
data_fn_normal(struct data_call *c)
{
    return draw(c, numpy_normal);
}

bool
data_fn_uniform(struct data_call *c)
{
    return draw(c, numpy_uniform);
}

bool
data_fn_integers(struct data_call *c)
{
    struct type type;
    int64_t low, high;
    if (!arg_kind(c, 0, DATA_GENERATOR) || !arg_whole(c, 1, INT64_MIN, INT64_MAX - 1, &low) ||
        !arg_whole(c, 2, low + 1, INT64_MAX, &high) || !arg_shape(c, 3, ELEM_I64, &type, NULL))
        return false;
    struct tensor *t = data_result(c, &type);
    if (t)
        numpy_integers(c->args[0].value.generator, low, high, t->data, tensor_count(t));
    return t != NULL;
}

/* A new vector of |n| whole numbers as the result. */
static struct tensor *
whole_vector(struct data_call *c, int64_t n)
{
    return data_result(c, &(struct type){.elem = ELEM_I64, .rank = 1, .dim = {n}});
}

bool
data_fn_permutation(struct data_call *c)
{
    int64_t n;
    if (!arg_kind(c, 0, DATA_GENERATOR) || !arg_whole(c, 1, 0, INT64_MAX, &n))
        return false;
    struct tensor *t = whole_vector(c, n);
    if (t)
        numpy_permutation(c->args[0].value.generator, t->data, n);
    return t != NULL;
}

bool
data_fn_shuffle(struct data_call *c)
{
    const struct tensor *x = arg_kind(c, 0, DATA_GENERATOR) ? arg_tensor(c, 1) : NULL;
    if (!x || (!x->type.rank && !arg_kind(c, 1, DATA_TENSOR)))
        return false;
    struct data_argument order = {.place = c->place};
    struct tensor *t = whole_vector(c, x->type.rank ? x->type.dim[0] : 0);
    if (!t)
        return false;
    numpy_permutation(c->args[0].value.generator, t->data, t->type.dim[0]);
    order.value = data_of_tensor(t);
    if (!data_index(c->context, &(struct data_value){.kind = DATA_TENSOR, .tensor = x}, 1, &order, c->place, &c->out[0]))
        return false;
    c->out[0].fit = c->args[1].value.fit;
    return true;
}

bool
data_fn_choice(struct data_call *c)
{
    int64_t n, k;
    bool replace;
    if (!arg_kind(c, 0, DATA_GENERATOR) || !arg_whole(c, 1, 1, INT64_MAX, &n) || !arg_bool(c, 3, &replace) ||
        !arg_whole(c, 2, 0, replace ? INT64_MAX : n, &k))
        return false;
    struct tensor *t = whole_vector(c, k);
    if (!t)
        return false;
    if (replace)
        numpy_integers(c->args[0].value.generator, 0, n, t->data, k);
    else if (!numpy_choice(c->args[0].value.generator, n, k, t->data)) {
        diag_report(c->context->diag, OUT_OF_MEMORY, c->place);
        return false;
    }
    return true;
}
