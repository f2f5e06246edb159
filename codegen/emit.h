/* emit: what the files of the code generator share. Nothing outside codegen/ includes it.
 *
 * A planned graph becomes one LLVM module: `step` calls an internal function a kernel (equal kernels share one) and holds
 * the arithmetic of rank 0 itself. Values in registers: numbers as they are, bool as i1; in memory bool is a byte, 0 or
 * 1. A "lane count" of 1 means a scalar. */
#ifndef NNC_CODEGEN_EMIT_H
#define NNC_CODEGEN_EMIT_H
#include "codegen/codegen.h"
#include "codegen/llvm_compat.h"

/* factor * N^power * columns^columns elements, N being the rows of the call and columns another number that the call of a
 * shared kernel brings (emit_share.c). */
struct size {
    int64_t factor;
    int power, columns;
};

/* What a kernel can be cut into: |count| places, of which |unit| belong together. No sum crosses a border between two
 * parts. No places: nothing. All of it takes about |ps| picoseconds on one thread. */
struct work {
    struct size count, ps;
    int64_t unit;
};

struct kernel; /* emit_kernel.c: an internal function and the node it was made for */

struct gen {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    const struct graph *graph;
    const char *entry, *prefix; /* the name of its function; what the names of its kernels begin with */
    const struct code_options *options;
    struct arena *arena;        /* scratch of this compilation */
    struct diag *diag;
    bool failed;                /* a report was made; emission goes on to its end, the module is dropped */
    int width;                  /* f32 lanes of a register */
    bool masks;                 /* masked loads and stores cost nothing: AVX-512 */
    LLVMTypeRef nothing, i1, i8, i32, i64, pointer;
    LLVMTypeRef elem[ELEM_COUNT];
    LLVMAttributeRef attributes[8];
    int nattributes;
    /* The function that is being emitted. */
    LLVMValueRef function;
    LLVMValueRef rows, columns; /* i64: what struct size counts in */
    int64_t likely_columns;
    const struct node *node;    /* for names */
    /* `step` only. */
    LLVMValueRef args, arena_base, inputs, vars, kernels;
    LLVMValueRef places;        /* memory for the addresses of a call */
    LLVMValueRef *consts;       /* globals by node id; NULL: not made yet */
    const struct node **tail, **product; /* emit.c: by node id */
    struct kernel *functions;
    int count;                  /* of opaque constants */
};

/* build.c: small pieces of IR */
LLVMTypeRef vector_of(LLVMTypeRef t, int lanes);
LLVMValueRef whole(struct gen *g, int64_t value);                       /* an i64 constant */
LLVMValueRef splat(struct gen *g, LLVMValueRef scalar, int lanes);
LLVMValueRef number(struct gen *g, enum elem e, double real, int64_t value, int lanes); /* a constant: real for floats */
/* Overloaded by the first operand's type. */
LLVMValueRef intrinsic(struct gen *g, const char *name, int count, LLVMValueRef *operands);
/* The same for one that gives nothing. */
void intrinsic_void(struct gen *g, const char *name, LLVMTypeRef overload, int count, LLVMValueRef *operands);
LLVMTypeRef memory_type(struct gen *g, enum elem e);
LLVMValueRef element(struct gen *g, LLVMValueRef base, enum elem e, LLVMValueRef index); /* the address of base[index] */
/* |mask| is NULL or <lanes x i1>; lanes outside it are read as zero and not written. */
LLVMValueRef load(struct gen *g, enum elem e, LLVMValueRef address, int lanes, LLVMValueRef mask);
void store(struct gen *g, enum elem e, LLVMValueRef address, LLVMValueRef value, int lanes, LLVMValueRef mask);
/* The mask of lanes i with i < count. */
LLVMValueRef lanes_below(struct gen *g, LLVMValueRef count, int lanes);
LLVMBasicBlockRef block(struct gen *g, const char *part);               /* "fused.12.part" at the end of the function */
/* What was being emitted when another function began. */
struct function_state {
    LLVMValueRef function, rows, columns;
    LLVMBasicBlockRef block;
    LLVMMetadataRef place;
};
/* An internal function of the module; g->rows and g->columns are the caller's to set. */
struct function_state function_begin(struct gen *g, const char *name, LLVMTypeRef type);
void function_end(struct gen *g, const struct function_state *back);
/* Calls a function of runtime.def, which returns an i32. */
LLVMValueRef call_runtime(struct gen *g, const char *name, int count, LLVMValueRef *operands);
void copy_bytes(struct gen *g, LLVMValueRef to, LLVMValueRef from, LLVMValueRef bytes);
void zero_bytes(struct gen *g, LLVMValueRef to, LLVMValueRef bytes);

static inline struct size size_fixed(int64_t n) { return (struct size){.factor = n}; }
struct size size_of_dim(int64_t dim);
struct size size_times(struct size a, struct size b);
bool size_equal(struct size a, struct size b);
struct size size_span(const struct type *t, int from, int to);
static inline bool size_constant(struct size s) { return (s.power == 0 && s.columns == 0) || s.factor == 0; }
static inline bool size_is(struct size s, int64_t n) { return s.factor == n && size_constant(s); }
/* The dimension, in the type of a shared kernel's node, of |unit| times columns. */
static inline int64_t columns_dim(int64_t unit) { return INT64_MIN + unit; }
LLVMValueRef size_value(struct gen *g, struct size s);                  /* i64 */
/* The elements of |s| for the greatest number of rows: what kernels are chosen for. */
int64_t likely(const struct gen *g, struct size s);
LLVMValueRef least(struct gen *g, LLVMValueRef a, LLVMValueRef b);      /* of two i64 */
/* Goes on in a new block if |condition|; end_if with what this returns ends that. A condition that is certain needs no
 * block, and gives NULL. */
LLVMBasicBlockRef begin_if(struct gen *g, LLVMValueRef condition);
void end_if(struct gen *g, LLVMBasicBlockRef other);

/* for (index = start; index < bound; index += step), at least one turn. A loop that has exactly one turn for certain is
 * no loop. */
struct loop {
    bool real;
    LLVMBasicBlockRef before, body, skip;
    LLVMValueRef index, bound;
    int64_t step;
};
void loop_begin(struct gen *g, struct loop *l, LLVMValueRef start, LLVMValueRef bound, int64_t step);
/* The same where there may be no turn; such a loop carries nothing. */
void loop_begin_guarded(struct gen *g, struct loop *l, LLVMValueRef start, LLVMValueRef bound, int64_t step);
/* A value that is carried around: |start| in the first turn. Directly after loop_begin; loop_next gives its value for the
 * next turn, which is also its value behind the loop. */
LLVMValueRef loop_carry(struct gen *g, const struct loop *l, LLVMValueRef start);
void loop_next(struct gen *g, const struct loop *l, LLVMValueRef carried, LLVMValueRef next);
void loop_end(struct gen *g, struct loop *l);

/* emit_map.c: the bodies of math.def on scalars or vectors. |e| is the element type of the last operand. */
LLVMValueRef emit_map(struct gen *g, enum op op, enum elem e, const LLVMValueRef *in, int lanes);
LLVMValueRef emit_cast(struct gen *g, enum elem from, enum elem to, LLVMValueRef value, int lanes);

/* nest.c: loops over a common shape (the domain), in which items compute values from arrays. */
enum axis_kind {
    AXIS_OUT,   /* an axis of the results */
    AXIS_SEQ,   /* reduced one element after the other */
    AXIS_LANE   /* reduced in 16 lanes */
};
enum { REDUCE_LANES = 16, NEST_ARRAYS = 64 };

/* An array that a nest reads or writes: element at coordinates x lies at base[sum of x[i] * stride[i]]. */
struct array {
    LLVMValueRef base;
    bool is_index;              /* no array: its elements are their own positions */
    enum elem elem;
    struct size stride[RANK_MAX];
    LLVMValueRef at[RANK_MAX + 1];  /* of the nest: address (or position) inside its loops */
};

/* A value at each point of the domain. */
struct item {
    enum op op;                 /* INPUT: an element of array `array`; RANDOM_UNIFORM: the number at that position */
    const struct node *node;    /* CONST, ROWS, CAST, RANDOM_UNIFORM: for the attribute and types */
    struct stream *stream;      /* RANDOM_UNIFORM */
    enum elem elem;
    int nin, *in;               /* items */
    int array;
    bool needed, vector, wanted;
    unsigned axes;              /* it depends on */
    int level;                  /* in this many loops */
    LLVMValueRef value, wide;   /* its value; a scalar that vectors use: all lanes */
};

/* The value of an item that is no array's element, from the values of its operands. */
LLVMValueRef item_operation(struct gen *g, const struct item *items, const struct item *it, const LLVMValueRef *in, int lanes);

struct result {
    int item, array;
    enum op reduce;             /* OP_COUNT: none */
    struct size count;          /* of the elements of a mean */
    LLVMValueRef part, lanes;   /* of the nest: the reduction over the loops inside; the 16 lanes so far */
};

struct nest {
    int rank;
    struct size dim[RANK_MAX];
    uint8_t kind[RANK_MAX];
    struct item *items;
    int nitems;
    struct array *arrays;
    int narrays;
    struct result *results;
    int nresults;
    LLVMValueRef begin, end;    /* of the outermost loop, those turns only; NULL: all */
    /* Set by nest_emit. */
    int order[RANK_MAX], nloops, out_loops; /* axes from the outermost loop in */
    int vector_loop;            /* 1..nloops; 0: none */
    int lanes, now;             /* of the vector loop; of the code that is being emitted */
    LLVMValueRef mask;          /* of the turn that is being emitted */
    bool empty;                 /* reductions over nothing */
    LLVMValueRef index[RANK_MAX + 1];
    LLVMValueRef start[RANK_MAX + 1], bound[RANK_MAX + 1];
};
/* What its outermost loop can be cut into, if that is one over an axis of the results; not how long it takes. Of a nest that
 * is not emitted afterwards; needs no addresses. */
struct work nest_work(struct gen *g, struct nest *n);
void nest_emit(struct gen *g, struct nest *n);
/* Sets `needed` of the items that the results need. */
void nest_mark(struct nest *n);
/* Strides of a dense array of |t| that is broadcast to |shape|, aligned at the last axis. */
void array_dense(struct array *a, const struct type *t, const struct type *shape);

/* emit_reduce.c */
LLVMValueRef reduce_start(struct gen *g, enum op reduce, enum elem e, int lanes);
LLVMValueRef reduce_step(struct gen *g, enum op reduce, enum elem e, LLVMValueRef acc, LLVMValueRef value, int lanes);
/* Lane i of the result is lane (i + amount) mod 16 of |lanes|. */
LLVMValueRef reduce_rotate(struct gen *g, LLVMValueRef lanes, LLVMValueRef amount);
LLVMValueRef reduce_tree(struct gen *g, enum op reduce, enum elem e, LLVMValueRef lanes);
LLVMValueRef reduce_finish(struct gen *g, const struct result *r, enum elem e, LLVMValueRef total, int lanes);
/* The kinds of the axes of an operand of type |t| whose axes |axes| are reduced. */
void reduce_kinds(const struct type *t, uint32_t axes, uint8_t kind[RANK_MAX]);

enum { FACTORS = 3 };
/* Emitters of kernels. out[i] is the address of result i (NULL: nobody reads it), in[i] that of operand i. */
struct operands {
    LLVMValueRef *out, *in;
    LLVMValueRef scratch;       /* of a contraction that needs some */
    LLVMValueRef begin, end;    /* the places of its work to be computed; NULL: all */
    LLVMValueRef chain;         /* struct code_chain *, beside begin */
    const struct node *product; /* a contraction or random numbers, computed as operand |at|; NULL: none */
    int at;
    LLVMValueRef factors[FACTORS]; /* its operands, and where it lies itself or the number of the random stream; NULL */
};
typedef void emit_fn(struct gen *g, const struct node *n, const struct operands *o);
emit_fn emit_group;     /* MAP, CAST, BROADCAST, REDUCE, FUSED: emit_fused.c */
emit_fn emit_arg;       /* ARGMAX, ARGMIN: emit_reduce.c */
emit_fn emit_matmul;
struct work group_work(struct gen *g, const struct node *n, const struct operands *o);
/* |tail|: the node that is its tail; NULL: none. */
struct work matmul_work(struct gen *g, const struct node *n, const struct node *tail);
int64_t matmul_scratch(struct gen *g, const struct node *n, const struct node *tail); /* bytes that emit_matmul needs */
/* A contraction and the elementwise node that takes its value, where they fit each other: emit_tail.c. */
bool tail_fits(struct gen *g, const struct node *product, const struct node *n, int at);
emit_fn emit_tail;
emit_fn emit_transpose, emit_slice, emit_pad, emit_concat, emit_gather, emit_scatter_add, emit_one_hot;

/* emit_random.c: numbers in lanes; |lanes| a turn of the vector loop, from a position that is a multiple of 4. */
int random_lanes(const struct gen *g);
bool random_in_lanes(const struct gen *g, const struct node *n);
/* |from|: seed, step and the stream's number (NULL: that of |n|) by address. */
struct stream *random_stream(struct gen *g, const struct node *n, const LLVMValueRef from[3]);
LLVMValueRef random_value(struct gen *g, const struct node *n, const struct stream *s, LLVMValueRef index);
/* Whether group |n| can compute its operand |at|, random numbers, itself. */
bool random_fits(struct gen *g, const struct node *random, const struct node *n, int at);
emit_fn emit_uniform;

/* emit_kernel.c: calls the kernel of |n|. */
void call_kernel(struct gen *g, const struct node *n, int nout, const struct operands *o);
/* How many addresses the calls of |g| have at most, and N. */
int kernel_places(const struct graph *g);

/* emit_share.c: a node as its kernel is emitted. */
struct shared {
    const struct node *node;
    struct operands operands;
    bool counted;               /* its types have a dimension that the call brings: */
    struct size columns;
};
struct shared share_node(struct gen *g, const struct node *n, const struct operands *o);

/* emit.c */
emit_fn *kernel_emitter(enum op op);    /* NULL: none */
/* Leaves `step` with false if a runtime function did. */
void check_call(struct gen *g, LLVMValueRef done);
/* The whole graph. Reports and returns false if a node cannot be compiled. */
bool emit_graph(struct gen *g);

#endif
