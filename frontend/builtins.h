/* builtins: what the files of the primitives share. */
#ifndef NNC_FRONTEND_BUILTINS_H
#define NNC_FRONTEND_BUILTINS_H
#include "frontend/check.h"

enum { PARAMETERS_MAX = 6 };

struct call {
    struct checker *c;
    const struct builtin *b;
    const struct argument *arg[PARAMETERS_MAX]; /* NULL: not given */
    struct place at;
};
typedef struct value builtin_fn(const struct call *x);

struct builtin {
    const char *name;
    const char *parameters[PARAMETERS_MAX];
    int required;
    builtin_fn *run;
    enum op op;
    bool layer;
};

/* The place of argument |i|, or of the call. */
struct place argument_place(const struct call *x, int i);
/* Argument |i| as a tensor of the present graph; numbers become f32 constants. NULL (reported) if it is none. */
struct node *argument_tensor(const struct call *x, int i);
/* Argument |i| as an axis, which may be counted from the end; false (reported) if there is none such. */
bool argument_axis(const struct call *x, int i, int rank, int64_t *out);
/* The value of a new node; an error if an operand is NULL or the types do not fit. |attr| is copied. */
struct value call_node(const struct call *x, enum op op, int nin, struct node *const *in, const struct attr *attr,
                       const struct type *given);

/* Argument |i| as a number known at compile time, |otherwise| if it was not given. */
bool argument_real(const struct call *x, int i, double otherwise, double *out);

/* builtins_constant.c */
builtin_fn builtin_zeros, builtin_ones, builtin_zeros_like, builtin_tensor;
builtin_fn builtin_shape_of, builtin_rank, builtin_axes_of, builtin_count, builtin_fan_in, builtin_fan_out;
builtin_fn builtin_f32, builtin_f64, builtin_i32, builtin_i64, builtin_u8, builtin_bool; /* casts */

/* builtins_random.c */
builtin_fn builtin_random, builtin_keep, builtin_logits_of, builtin_has_logits, builtin_size_of, builtin_squares, builtin_sizes;

/* builtins_data.c */
builtin_fn builtin_inverse;

/* builtins_array.c */
builtin_fn builtin_along;   /* sort, argsort, cumsum, flip */
builtin_fn builtin_slice, builtin_conv, builtin_qr;
#endif
