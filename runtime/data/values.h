/* values: what names of a data block stand for, and the memory of its tensors.
 *
 * Tensors are never changed once they are made, so values share them. Everything else lies in the arena of the block. */
#ifndef NNC_RUNTIME_DATA_VALUES_H
#define NNC_RUNTIME_DATA_VALUES_H
#include "ir/diag.h"
#include "runtime/data/number.h"
#include "runtime/data/numpy_random.h"
#include "runtime/data/source.h"
#include "runtime/kernels.h"

enum data_kind {
    DATA_NONE,      /* an argument that was not given */
    DATA_NUMBER,
    DATA_TENSOR,
    DATA_CODED,     /* a tensor too, as bytes and a table */
    DATA_STRING,    /* "text" in the file */
    DATA_TEXT,      /* a column of cells */
    DATA_TABLE,
    DATA_GENERATOR,
    DATA_LIST,      /* [a, b, ...] */
    DATA_RANGE      /* a:b as an argument or index */
};

/* A column of text cells, as a file has them. The memory is the pool's. */
struct data_text {
    const struct tensor *bytes; /* u8: the cells one after another, each closed by a NUL */
    const struct tensor *start; /* i64[rows]: where each begins */
    const struct data_table *table; /* whose column it is, for messages; NULL: none */
    int column;
};

static inline int64_t
data_text_rows(const struct data_text *t)
{
    return t->start->type.dim[0];
}

static inline const char *
data_text_cell(const struct data_text *t, int64_t row)
{
    return (const char *)t->bytes->data + ((const int64_t *)t->start->data)[row];
}

/* What a csv or tsv file holds. Columns whose cells are all numbers lie side by side in blocks of rows, the others are text. */
struct data_column {
    const char *name;      /* NULL without a header */
    int number;            /* its place among the columns of numbers; -1: text */
    struct data_text text; /* of a column of text */
};

struct data_table {
    const char *file;
    char decimal;          /* '.' or ',' */
    struct data_column *columns;
    int ncolumns, nnumbers;
    int64_t rows, block_rows;
    const struct tensor **blocks; /* f64[block_rows, nnumbers] each; the last one has the rest of the rows */
    int nblocks;
    int64_t first_line;    /* of the file, from 1, where row 0 stands */
    const struct tensor *lines; /* i64[rows]: the line of each row; NULL: a row a line from first_line on */
};

/* A tensor of at most 256 different values, such as what is computed of the bytes of images: element i is table[codes[i]]. So
 * computing costs 256 elements, and memory a byte each (coded.c). */
struct data_coded {
    const struct tensor *codes; /* u8, with the tensor's dimensions */
    const struct tensor *table; /* [256], with its element type */
};

/* What minmax, standardize, category, words and one_hot did to a value, so that it can be done to other values and undone.
 * The memory is the block's arena; it outlives the values. */
enum data_fit_kind { FIT_MINMAX, FIT_STANDARDIZE, FIT_CATEGORY, FIT_WORDS, FIT_ONE_HOT };

struct data_fit {
    enum data_fit_kind kind;
    const struct data_fit *before; /* what was done before this; NULL: nothing */
    /* minmax and standardize: (x - middle) / spread, by column */
    struct type type;      /* f64, of a row: [] for a column alone, [D] for D columns */
    const double *middle, *spread;
    /* category: the classes by number; words: the words from number 2 on */
    const char *const *texts;
    int64_t ntexts;
    int64_t vocabulary;    /* words: numbers from here on are 1 */
    int64_t length;        /* words: of a row; one_hot: depth */
};

struct data_value {
    enum data_kind kind;
    const struct data_fit *fit; /* of a tensor; NULL: none. What only moves or picks rows keeps it */
    union {
        struct number number;
        const struct tensor *tensor;
        struct data_coded coded;
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

/* Of a tensor, coded or not. */
struct type data_type(const struct data_value *v);
/* What a value is, for messages: "a tensor f64[7000, 10]", "the number 3"; in |arena|. */
const char *data_describe(const struct data_value *v, struct arena *arena);
/* The names of kinds, for messages: "a tensor". */
const char *data_kind_name(enum data_kind kind);

/* The tensors of a data block. Those that no name reaches are freed after each statement: data_pool_begin,
 * data_pool_keep for each value that stays, data_pool_sweep. */
struct data_pool {
    struct data_held *first;
};
/* Memory for a tensor, zeroed or to be written whole. NULL and a report at |place| if its size overflows or memory is short. */
struct tensor *data_pool_new(struct data_pool *p, const struct type *type, struct place place, struct diag *diag);
struct tensor *data_pool_blank(struct data_pool *p, const struct type *type, struct place place, struct diag *diag);
/* Takes a tensor that tensor_new made; on failure it is freed. */
struct tensor *data_pool_adopt(struct data_pool *p, struct tensor *t, struct place place, struct diag *diag);
void data_pool_begin(struct data_pool *p);
void data_pool_keep(const struct data_value *v);
/* The same for the tensor whose data |memory| points into. */
void data_pool_keep_memory(struct data_pool *p, const void *memory);
void data_pool_sweep(struct data_pool *p);
/* Frees a tensor that nothing else holds, before the end of the statement. */
void data_pool_drop(struct data_pool *p, const struct tensor *t);
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
    struct data_watch watch; /* who is told how far the reading of a file is */
};
#endif
