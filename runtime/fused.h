/* fused: a FUSED node that is prepared for its types. kernel_fused.c makes it, fused_run.c runs it. */
#ifndef NNC_RUNTIME_FUSED_H
#define NNC_RUNTIME_FUSED_H
#include "runtime/kernel_impl.h"

/* A slot is where the elements of one value lie for the current block. */
enum slot_kind {
    SLOT_DIRECT,    /* an operand with the domain's size: moves along */
    SLOT_FIXED,     /* a number */
    SLOT_EXPAND,    /* a smaller value: walk_operand */
    SLOT_BUFFER,    /* computed here, kept for the block only */
    SLOT_RESULT     /* computed here, lies in the result's memory (or in a buffer first: see bind_results) */
};

struct slot {
    char *at;
    int64_t row;    /* in a block of columns: elements from a row to the next */
    uint8_t kind, size, step;
    int source;     /* DIRECT, FIXED, EXPAND: the body node; RESULT: the result */
    int walk;       /* EXPAND: operand of the walk */
    int buffer;     /* -1: none */
};

struct block_op {
    row_fn *fn;
    uint8_t nin, step[3];
    int in[3], out;
};

struct early {          /* computed once, in front of the blocks */
    struct map_plan map;
    int in[3], out;     /* body nodes */
};

struct early_reduce {
    struct reduce_plan plan;
    int in, result;
};

struct feed {
    struct reduce_plan plan;
    int slot, result;
    size_t scratch;
};

struct late_copy {      /* a small value that is a result: kept aside, since the result may lie on an operand that is still read */
    int source, result;
    size_t bytes, offset;
};

struct full_result {
    int slot, result, op;   /* op: position of the operation that computes it */
    bool deferred;
};

struct buffer {
    uint8_t size;
    bool free;
    size_t offset;
};

/* What a thread has for itself. */
struct lane {
    struct slot *slots;
    bool *whole;            /* of each operation: one call does a block of columns; else a call a row */
    int64_t *expanded;
    struct reduce_feed *feeds;
};

/* How the domain is cut up for threads: in rows, multiples of |unit| elements, or, where reductions run down the rows, in columns. */
struct cut {
    int parts;
    int64_t unit;
    int64_t columns;        /* of all parts; 0: cut in rows */
    int64_t strip;          /* the most columns of a block */
};

struct fused {
    struct prepared head;
    const struct graph *body;
    const struct isa *isa;
    int64_t rows, count;    /* N; elements of the domain */
    struct type domain;
    struct type *type;      /* of each body node, concrete */
    char **base;            /* of each body node that lies in memory */
    size_t *offset;         /* of the early ones in the scratch memory; 0: it lies elsewhere */
    int *slot_of;           /* of each body node, -1: none yet */
    int *last_use;          /* of each body node: the last body node that reads it */
    int *last_read;         /* of each operand: the last block operation that reads it */
    struct slot *slots;
    struct block_op *ops;
    struct early *earlies;
    struct early_reduce *early_reduces;
    struct feed *feeds;
    struct late_copy *copies;
    struct full_result *fulls;
    struct buffer *buffers;
    struct lane *lanes;     /* one a part */
    struct cut cut;
    struct walk walk;
    int nslots, nops, nearlies, nearly_reduces, nfeeds, ncopies, nfulls, nbuffers;
    size_t fixed_bytes;     /* of the scratch memory: early values */
    size_t lane_bytes;      /* of it: the buffers of a part */
    size_t passing;         /* of it: what early operations need for a while, behind the buffers of all parts */
    double cost;            /* nanoseconds an element of the domain */
};

/* The run function of head. fused_run.c */
void fused_run(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k);
#endif
