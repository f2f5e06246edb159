/* functions: the table of the data block's functions, and what their C functions share.
 *
 * A function is a row of functions.def and a C function of type data_fn named data_fn_NAME. Elementwise operations and
 * reductions of ir/ops.def that are callable need no row. */
#ifndef NNC_RUNTIME_DATA_FUNCTIONS_H
#define NNC_RUNTIME_DATA_FUNCTIONS_H
#include "runtime/data/fit.h"

enum { DATA_PARAMETERS_MAX = 12, DATA_RESULTS_MAX = 4 };

struct data_argument {
    const char *name; /* of the parameter */
    struct place place;
    struct data_value value; /* DATA_NONE: not given, and no default */
    const char *words;       /* "a|b": these names stand for themselves as strings; NULL: none do */
};

struct data_call {
    struct data_context *context;
    const char *name;                       /* of the function, for messages */
    struct place place;
    const struct data_argument *args;       /* one a parameter, in order */
    int nargs;
    struct data_value out[DATA_RESULTS_MAX]; /* the results */
};

/* Computes c->out from c->args. False if something was reported. */
typedef bool data_fn(struct data_call *c);

struct data_function {
    const char *name;
    int results;
    const char *parameters; /* "r, shape, loc = 0": names, defaults */
    const char *help;
    data_fn *run;           /* NULL: an operation of ir/ops.def, data_run_op */
    enum op op;
    enum elem elem;         /* of OP_CAST */
};

#define DATA_FUNCTION(name, results, parameters, help) data_fn data_fn_##name;
#include "runtime/data/functions.def"
#undef DATA_FUNCTION

/* The function of that name; false if there is none. */
bool data_function_find(const char *name, struct data_function *out);
/* The names of all functions, for messages about misspelt ones; |*out_count| of them in |arena|. */
const char *const *data_function_names(struct arena *arena, int *out_count);
bool data_function_run(const struct data_function *f, struct data_call *c);

/* A parameter of the text |*at|, which moves on to the next one; false at its end. The name and the default value
 * (DATA_NONE for `none`) come in |arena|; |*out_required|: there is no default. */
bool data_parameter(const char **at, struct data_argument *out, bool *out_required, struct arena *arena);

/* Reports the first cell of |t| that is no number, if there is one: "FILE:LINE:FIELD"; returns false. */
bool data_text_fault(const struct data_text *t, struct data_context *c);
/* A cell that is a number, with blanks around it or not. */
bool data_text_number(const struct data_text *t, int64_t row, double *out);
/* t["name"], a column as a tensor or as text. */
bool data_table_column(struct data_context *c, const struct data_table *t, const char *name, struct place place,
                       struct data_value *out);

/* ---- arguments: each reports what was expected and found, and returns false, if argument |i| is something else ---- */
bool arg_kind(struct data_call *c, int i, enum data_kind kind);
/* Reports that argument |i| is not what |expected| says; returns false. */
bool arg_wrong(struct data_call *c, int i, const char *expected);
/* A tensor, or a number as a tensor of rank 0; NULL on failure. */
const struct tensor *arg_tensor(struct data_call *c, int i);
/* Texts: a column of text, or numbers [rows] as their shortest texts; NULL on failure. */
const struct data_text *arg_text(struct data_call *c, int i);
bool arg_whole(struct data_call *c, int i, int64_t low, int64_t high, int64_t *out);
bool arg_real(struct data_call *c, int i, double *out);
bool arg_bool(struct data_call *c, int i, bool *out);
/* A list of dimensions, or one number; |*out_open| (may be NULL: none allowed) is the axis that is -1, else -1. */
bool arg_shape(struct data_call *c, int i, enum elem elem, struct type *out, int *out_open);
/* An axis of |rank|; negative ones count from the end. */
bool arg_axis(struct data_call *c, int i, int rank, int *out);
/* An axis, a list of them, or none given: all |rank|. */
bool arg_axes(struct data_call *c, int i, int rank, uint32_t *out);
/* A new tensor for result 0; NULL on failure. */
struct tensor *data_result(struct data_call *c, const struct type *type);

/* ---- operations: apply.c, index.c ---- */

/* Runs one operation of the graph on dense tensors. NULL and a report if they do not fit. |given|, |attr|: as in
 * graph_add. */
const struct tensor *data_apply(struct data_context *c, enum op op, int n, const struct tensor *const *in,
                                const struct attr *attr, const struct type *given, struct place place);
const struct tensor *data_cast(struct data_context *c, const struct tensor *t, enum elem elem, struct place place);
const struct tensor *data_reshape(struct data_context *c, const struct tensor *t, const struct type *type,
                                  struct place place);
/* A number as a tensor of rank 0, rounded once to |elem|. */
const struct tensor *data_scalar(struct data_context *c, struct number n, enum elem elem, struct place place);
/* An elementwise operation on tensors and numbers: whole tensors are computed in i64 (in f64 where a fraction, a
 * division or a function that has no whole values meets them), a number takes the tensor's element type. At least one
 * operand is a tensor. */
bool data_map(struct data_context *c, enum op op, int n, const struct data_value *in, struct place place,
              struct data_value *out);
/* What data_map gives where one operand is a tensor of bytes or coded and the others are numbers: coded. Sets |*out_done| if that is
 * so; false after a report. */
bool data_map_codes(struct data_context *c, enum op op, int n, const struct data_value *in, struct place place,
                    struct data_value *out, bool *out_done);
/* Makes a coded tensor a plain one; other values stay as they are. */
bool data_decode(struct data_context *c, struct data_value *v, struct place place);
/* out[i] = table[codes[i]] for elements of |size| bytes. */
void data_look_up(const uint8_t *codes, int64_t n, const void *table, size_t size, void *out);
/* A reduction over the axes of the set |axes|; sums and products of whole tensors in i64, means in f64. */
const struct tensor *data_reduce(struct data_context *c, enum op op, const struct tensor *t, uint32_t axes, bool keep,
                                 struct place place);
/* x[i, a:b, ...] of a tensor, coded or not, which gives one of the same kind: |n| indices, each a DATA_NUMBER or a DATA_RANGE; one DATA_TENSOR of whole numbers picks rows. */
bool data_index(struct data_context *c, const struct data_value *x, int n, const struct data_argument *index, struct place place,
                struct data_value *out);
/* What a function without a C function of its own does: MAP, REDUCE and the casts. */
bool data_run_op(const struct data_function *f, struct data_call *c);
#endif
