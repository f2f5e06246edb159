/* types: element types and shapes. */
#ifndef NNC_IR_TYPES_H
#define NNC_IR_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elem { ELEM_F32, ELEM_F64, ELEM_I32, ELEM_I64, ELEM_U8, ELEM_BOOL, ELEM_COUNT };
enum { RANK_MAX = 8 };

/* A dimension: at least 0, or -k for k times N, where N is the number of rows of the batch. */
struct type {
    uint8_t elem, rank;
    int64_t dim[RANK_MAX]; /* unused ones are 0 */
};

enum { DIM_N = -1 };

const char *elem_name(enum elem e);                     /* "f32" */
bool elem_from_name(const char *name, size_t length, enum elem *out_elem);
size_t elem_size(enum elem e);                          /* bytes; bool is one byte, 0 or 1 */
static inline bool elem_is_float(enum elem e) { return e == ELEM_F32 || e == ELEM_F64; }

bool type_equal(const struct type *a, const struct type *b);
bool type_same_shape(const struct type *a, const struct type *b);
struct type type_scalar(enum elem e);
/* Whether any dimension depends on N. */
bool type_has_rows(const struct type *t);
static inline int64_t dim_at(int64_t dim, int64_t rows) { return dim >= 0 ? dim : -dim * rows; }
/* Number of elements for |rows| rows; -1 if it does not fit in 2^63 - 1. */
int64_t type_count(const struct type *t, int64_t rows);
/* The number of elements of the dimensions from |from| up to, not including, |to|. */
int64_t type_span(const struct type *t, int from, int to, int64_t rows);
int64_t type_bytes(const struct type *t, int64_t rows);

enum { TYPE_TEXT = 256 };
/* "f32[N, 10]" into |buffer|; returns |buffer|. |separator| is ", " for messages and "," for IR text. */
char *type_text(const struct type *t, const char *separator, char buffer[TYPE_TEXT]);
/* "N", "2N" or "10"; returns the length. */
int dim_text(int64_t dim, char *buffer, size_t size);
#endif
