/* values: what names of a data block stand for, and the memory of its tensors.
 *
 * Tensors are never changed once they are made, so values share them. Everything else lies in the arena of the block. */
#ifndef NNC_RUNTIME_DATA_VALUES_H
#define NNC_RUNTIME_DATA_VALUES_H
#include "ir/diag.h"
#include "runtime/data/number.h"
#include "runtime/data/numpy_random.h"
#include "runtime/kernels.h"

enum data_kind {
    DATA_NONE,      /* an argument that was not given */
    DATA_NUMBER,
    DATA_TENSOR,
    DATA_STRING,    /* "text" in the file */
    DATA_TEXT,      /* a column of cells */
    DATA_TABLE,
    DATA_GENERATOR,
    DATA_LIST,      /* [a, b, ...] */
    DATA_RANGE      /* a:b as an argument or index */
};

/* A column of text cells, as a file has them. */
struct data_text {
    const char *const *cells; /* NUL-terminated */
    int64_t rows;
};

struct data_table {
    const char *file;
    const char *const *names; /* of the columns; NULL without a header */
    const struct data_text *columns;
    int ncolumns;
};

struct data_value {
    enum data_kind kind;
    union {
        struct number number;
        const struct tensor *tensor;
        const char *string;
        const struct data_text *text;
        const struct data_table *table;
        struct numpy_random *generator; /* shared: each draw moves the stream of all its names */
        struct { const struct data_value *items; int count; } list;
        struct { bool has_from, has_to; int64_t from, to; } range;
    };
};

static inline struct data_value
data_of_tensor(const struct tensor *t)
{
    return (struct data_value){.kind = DATA_TENSOR, .tensor = t};
}

static inline struct data_value
data_of_number(struct number n)
{
    return (struct data_value){.kind = DATA_NUMBER, .number = n};
}

/* What a value is, for messages: "a tensor f64[7000, 10]", "the number 3"; in |arena|. */
const char *data_describe(const struct data_value *v, struct arena *arena);
/* The names of kinds, for messages: "a tensor". */
const char *data_kind_name(enum data_kind kind);

/* The tensors of a data block. Those that no name reaches are freed after each statement: data_pool_begin,
 * data_pool_keep for each value that stays, data_pool_sweep. */
struct data_pool {
    struct data_held *first;
};
/* Zeroed memory for a tensor. NULL and a report at |place| if its size overflows or memory is short. */
struct tensor *data_pool_new(struct data_pool *p, const struct type *type, struct place place, struct diag *diag);
/* Takes a tensor that tensor_new made; on failure it is freed. */
struct tensor *data_pool_adopt(struct data_pool *p, struct tensor *t, struct place place, struct diag *diag);
void data_pool_begin(struct data_pool *p);
void data_pool_keep(const struct data_value *v);
/* The same for the tensor whose data are |memory|. */
void data_pool_keep_memory(struct data_pool *p, const void *memory);
void data_pool_sweep(struct data_pool *p);
void data_pool_free(struct data_pool *p);

/* Where the files of a data block are: data_path. */
struct data_files {
    const char *folder;         /* of the .nn file; "" or NULL: the working folder */
    const char *const *options; /* what --data said, in order: "DIR" or "FILE=PATH" */
    int noptions;
};
/* The path of the file that the block calls |name|: FILE=PATH if it names the file (by its whole name or the part
 * behind the last slash), else the first DIR that has it, else relative to the .nn file. In |arena|. */
const char *data_path(const struct data_files *f, const char *name, struct arena *arena);

/* What functions of the data block share. */
struct data_context {
    struct arena *arena;
    struct diag *diag;
    struct data_pool pool;
    struct kernel_context kernels;
    struct data_files files;
};
#endif
