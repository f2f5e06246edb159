/* data: runs the data block of a file and converts what it binds to the types of a model's inputs. */
#ifndef NNC_FRONTEND_DATA_H
#define NNC_FRONTEND_DATA_H
#include "frontend/sources.h"
#include "runtime/data/values.h"

struct const_value; /* model.h */

struct data_env {
    struct arena *arena;             /* small things of the result; it has a jump buffer and outlives the result */
    struct sources *sources;
    struct data_files files;         /* the folder of the .nn file, and --data */
    int file;                        /* number of the .nn file: a statement of another one reads from that one's folder; 0: all from files.folder */
    const struct const_value *consts; /* the file's const numbers */
    int nconsts;
    struct data_watch watch;         /* who is told how far the reading of a file is; zeroed: nobody */
};

/* What `train` or `valid` gives to one input of the model: with rows, element types as computed. */
struct data_binding {
    const char *name; /* interned */
    struct tensor value; /* the memory is the result's */
    const struct tensor *table; /* of a coded value (data_coded): `value` holds the codes; NULL: it is plain */
    struct place place;
    /* What minmax, standardize, category, words or one_hot did to the value: data_fit_apply (runtime/data/fit.h) does it to raw
     * inputs of `predict --raw`, data_fit_undo undoes it for `inverse`. NULL: nothing. A checkpoint keeps its fields: for minmax
     * and standardize `middle` and `spread` of `type`; for category and words `texts`, words also `vocabulary` and `length`; for
     * one_hot `length`; and those of `before`. The memory is the result's arena. */
    const struct data_fit *fit;
    const struct tensor *origin; /* i64[rows]: the rows of the block's value that split dealt to this set; NULL: its own order */
};

struct data_set {
    struct data_binding *bindings;
    int count, cap;
    int64_t rows;     /* of each binding; 0 without bindings */
};

/* A name of the block with its last value. */
struct data_name {
    const char *name; /* interned */
    struct data_value value;
    struct place place;
};

struct data_result {
    struct data_set train, valid;
    struct data_name *names;
    int nnames, names_cap;
    struct data_context context; /* owns the tensors */
};

/* Runs the statements of |section|, an AST_SECTION `data`, in order. |out| is to be freed with data_free in any case.
 * Goes on after a faulty statement, so that all faults are reported; false if there was one. |section| NULL: an empty
 * result. */
bool data_run(const struct ast *section, const struct data_env *env, struct data_result *out, struct diag *diag);
void data_free(struct data_result *r);
/* The binding of |name| in a set, or NULL. |name| is interned. */
const struct data_binding *data_set_find(const struct data_set *s, const char *name);
/* The value of a name of the block, which is no coded one from here on; NULL: there is none, or a report that memory is short. */
const struct data_value *data_name_find(struct data_result *r, const char *name);

/* The values of |b| as a model's input of type |wanted|, whose first dimension is N (data_convert.c): f64 and whole
 * numbers are rounded once to f32, real numbers become whole numbers if they are whole, subnormal numbers become zeros
 * of their sign. |out| is new, the caller frees it. Reports and returns false if the shape differs in another axis
 * than the first, a value does not fit (with its row), or memory is short. */
bool data_convert(const struct data_binding *b, const struct type *wanted, struct tensor *out, struct diag *diag);
/* That the whole numbers of |t|, which data_convert made of |b|, lie in [0, bound): they are used as indices. Reports
 * the first that does not. */
bool data_bounded(const struct data_binding *b, const struct tensor *t, int64_t bound, struct diag *diag);
#endif
