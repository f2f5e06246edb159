/* graph: nodes in SSA form, the builder that appends them, and the module that holds the graphs of one model.
 *
 * Nodes live in their graph's arena; no node is freed alone. Operands are defined before their uses. */
#ifndef NNC_IR_GRAPH_H
#define NNC_IR_GRAPH_H
#include "ir/arena.h"
#include "ir/diag.h"
#include "ir/types.h"

enum op {
#define OP(id, ...) OP_##id,
#include "ir/ops.def"
#undef OP
    OP_COUNT
};

enum op_class {
    CLASS_LEAF, CLASS_MAP, CLASS_CAST, CLASS_REDUCE, CLASS_CONTRACT, CLASS_MOVE, CLASS_RANDOM, CLASS_GROUP, CLASS_EFFECT
};
enum op_attrs {
    ATTRS_NONE, ATTRS_NAME, ATTRS_VALUE, ATTRS_AXES, ATTRS_MATMUL, ATTRS_PERM, ATTRS_SLICE, ATTRS_AXIS, ATTRS_STREAM,
    ATTRS_BODY, ATTRS_CONV
};
enum op_flags { OP_CALLABLE = 1, OP_COMMUTES = 2, OP_BOOLEAN = 4, OP_TAIL = 8 };
/* Sets of element types, bits 1 << enum elem. */
enum op_types { TYPES_FLT = 0x3, TYPES_WHOLE = 0x1c, TYPES_NUM = 0x1f, TYPES_BOOL = 0x20, TYPES_ALL = 0x3f };

struct op_info {
    const char *text;
    uint8_t class, attrs, types, flags;
    int8_t nin; /* -1: any number */
};
extern const struct op_info op_info[OP_COUNT];
/* OP_COUNT if there is no operation of that name. */
enum op op_from_text(const char *text, size_t length);

/* Attributes, by op_info.attrs. Nodes point to them and do not own them: they outlive the graph (the typed tree's, static
 * ones) or lie in the graph's arena. */
struct attr {
    union {
        /* NAME: of the input and its index in the graph, or of the variable and its index in the module */
        struct { const char *name; int index; } name;
        /* VALUE: rank 0: real (f32, f64) or whole; else data, dense */
        struct { double real; int64_t whole; const void *data; } value;
        /* AXES: bit i: axis i is reduced; keep: it stays with size 1 */
        struct { uint32_t axes; bool keep; } axes;
        /* MATMUL: the last two axes of that operand are read exchanged */
        struct { bool transpose_a, transpose_b; } matmul;
        /* PERM: result axis i is operand axis perm[i] */
        struct { int8_t perm[RANK_MAX]; } perm;
        /* SLICE: [start, stop) of each axis, numbers or multiples of N. PAD: start zeros before and stop behind each axis */
        struct { int64_t start[RANK_MAX], stop[RANK_MAX]; } slice;
        /* AXIS: of CONCAT, SORT, ...; index of RESULT */
        struct { int axis; } axis;
        /* CONV: of each axis between rows and channels; before and after: zeros around the images */
        struct { int64_t stride[2], dilation[2], before[2], after[2]; } conv;
        /* STREAM: number of the stream; the range, or mean and deviation */
        struct { uint64_t stream; double from, to; } stream;
    };
};

/* Where plan put a value. */
enum storage {
    STORAGE_NONE,     /* not planned, or inside a body */
    STORAGE_ARENA,    /* offset bytes into the arena */
    STORAGE_VAR,      /* the memory of variable `offset` (index in the module) */
    STORAGE_INPUT,    /* the caller's buffer of input `offset` (its index in the graph) */
    STORAGE_CONST     /* the attribute's value */
};

struct graph;
struct remarks;
struct node {
    uint16_t op;            /* enum op */
    uint16_t nin;
    int32_t id;             /* position in the graph's list */
    struct type type;
    struct node **in;
    const struct attr *attr;
    struct graph *body;     /* GROUP: its inputs are INPUT nodes in the order of the operands, its outputs the results */
    struct place place;     /* in the user's file */
    struct place inner;     /* the line of the definition that made it, if it is another one */
    uint8_t storage;        /* enum storage, set by plan */
    int64_t offset;
    void *data;             /* of the mode that runs the graph; eager: its struct tensor */
    struct node *mark;      /* scratch of the pass that runs */
};

/* Limits of a FUSED node: operands and results together, and all nodes of its body. fuse keeps them, verify checks them. */
enum { FUSED_VALUES_MAX = 24, FUSED_NODES_MAX = 64 };

struct graph_output {
    const char *name;
    struct node *node;
};

struct graph {
    struct arena *arena;
    const char *name;       /* "sine.train" */
    struct node **nodes;
    int count, cap;
    struct node **inputs;   /* the INPUT nodes in order */
    int ninputs, inputs_cap;
    struct graph_output *outputs;
    int noutputs, outputs_cap;
    struct node **consts;   /* the CONST nodes of rank 0, shared by graph_number */
    int nconsts, consts_cap;
    struct place place, inner; /* given to the nodes that are built next */
    /* Eager mode: called for each node as soon as it is built. A failure is recorded by the hook's owner. */
    void (*on_node)(void *context, struct node *n);
    void *on_node_context;
    struct remarks *remarks; /* where passes write what they did (passes/explain.h); NULL: nobody asks */
    /* Set by plan. */
    int64_t max_rows;       /* rows of the largest batch; an input of plan */
    int64_t arena_bytes;    /* size of the arena at max_rows */
    int64_t live_bytes;     /* largest sum of the values that live at once */
};

/* A graph without nodes in |arena|, which must have a jump buffer: nothing here returns NULL. */
struct graph *graph_new(struct arena *arena, const char *name);

/* Infers the type of |op| on operands of types |in|. |given| is the wanted type, of the operations that need one: leaves,
 * CAST, RESHAPE, BROADCAST, SCATTER_ADD, ONE_HOT, RANDOM, FUSED, RESULT. With |diag| NULL nothing is reported. Returns false
 * and reports at |place| if they do not fit. shape.c */
bool op_infer(enum op op, int nin, const struct type *const *in, const struct attr *attr, const struct type *given,
              struct type *out_type, struct place place, struct diag *diag);

/* Whether the attributes are there and name axes that the operands have; op_infer needs that. shape.c */
bool attr_fits(enum op op, int nin, const struct type *const *in, const struct attr *attr);

/* Appends a node. The operands must fit: the checker has seen to that, and it is asserted. |in| is copied, |attr| is not. */
struct node *graph_add(struct graph *g, enum op op, int nin, struct node *const *in, const struct attr *attr,
                       const struct type *given);
struct node *graph_add1(struct graph *g, enum op op, struct node *a);
struct node *graph_add2(struct graph *g, enum op op, struct node *a, struct node *b);
struct node *graph_add3(struct graph *g, enum op op, struct node *a, struct node *b, struct node *c);
/* A constant of rank 0; a whole number for whole elements. One node a value and graph, always in front of its first use. */
struct node *graph_number(struct graph *g, enum elem e, double value);
struct node *graph_whole(struct graph *g, enum elem e, int64_t value);
struct node *graph_input(struct graph *g, const char *name, const struct type *type);
/* Once a variable and graph. */
struct node *graph_var(struct graph *g, const char *name, int index, const struct type *type);
struct node *graph_cast(struct graph *g, struct node *a, enum elem e);            /* a itself if it has that type */
struct node *graph_reshape(struct graph *g, struct node *a, const struct type *type); /* likewise; element type of a */
struct node *graph_broadcast(struct graph *g, struct node *a, const struct type *shape); /* likewise */
struct node *graph_reduce(struct graph *g, enum op op, struct node *a, uint32_t axes, bool keep);
struct node *graph_matmul(struct graph *g, struct node *a, struct node *b, bool transpose_a, bool transpose_b);
struct node *graph_transpose(struct graph *g, struct node *a, const int8_t *perm);
void graph_output(struct graph *g, const char *name, struct node *n);
/* A copy of |attr| in the graph's arena. */
struct attr *graph_attr(struct graph *g, struct attr attr);
/* Whether attributes of |kind| are equal. |type|: of the node for VALUE, of its operand for PERM and SLICE; unused by the
 * others. */
bool attr_equal(enum op_attrs kind, const struct type *type, const struct attr *a, const struct attr *b);
static inline bool node_is_number(const struct node *n) { return n->op == OP_CONST && n->type.rank == 0; }
/* Value of a constant of rank 0. */
double node_number(const struct node *n);

/* The text of a graph in |arena|, which module_read reads back to the same graph; with the places of its nodes if |places|.
 * ir/README.md describes the form. print.c */
char *graph_text(const struct graph *g, struct arena *arena, bool places);
/* The name of each node in that text, by id, as operands are written: inputs, %variables, %numbers, constants of rank 0 as they stand.
 * |body|: as in the body of a group. */
const char **graph_names(const struct graph *g, struct arena *arena, bool body);
/* "{axis=[0]}", "[1, 2, 3]" or "". */
const char *node_attr_text(const struct node *n, struct arena *arena);
struct module;
/* Reads all graphs in |text|; |file| is the source number for places of messages. Types are checked as the builder's are;
 * what only graph_verify checks (bodies, updates, storage) is not. NULL and a report at the first fault. read.c */
struct module *module_read(struct arena *arena, const char *text, size_t length, int file, struct diag *diag);

/* Checks SSA order, types, attributes, updates, storage. Reports INTERNAL and returns false at the first fault. verify.c */
bool graph_verify(const struct graph *g, struct diag *diag);

/* A variable: a weight, a state of a layer or of the optimiser, or what was fitted on data, which `inverse` undoes: it comes from the
 * data or from what a checkpoint keeps of them, and never changes. */
enum variable_kind { VARIABLE_WEIGHT, VARIABLE_STATE, VARIABLE_OPTIMIZER, VARIABLE_FITTED };
struct variable {
    const char *name;       /* "h.w", "adam/h.w/m" */
    struct type type;
    enum variable_kind kind;
    struct place place;
};

struct module {
    struct arena *arena;
    const char *name;
    struct variable *vars;
    int nvars, vars_cap;
    struct graph **graphs;
    int ngraphs, graphs_cap;
};
#endif
