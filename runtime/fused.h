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

/* Where the rows that part 0 does not compute lie until they are reduced (see cut). */
enum feed_way {
    FEED_STORED,    /* in the memory of a result */
    FEED_KEPT,      /* in scratch memory, where their operation writes them */
    FEED_COPIED     /* in scratch memory, copied from an operand */
};

struct feed {
    struct reduce_plan plan;
    int slot, result;
    size_t scratch;
    enum feed_way way;
    bool again;     /* its rows are kept by a feed in front of it */
    int stored;     /* FEED_STORED: the result */
    size_t kept;    /* else: their place in the scratch memory */
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
    int *moving, *expanding;    /* the slots that go on with each block: by its elements, through the walk */
    int nmoving, nexpanding;
    int64_t *expanded;
    struct reduce_feed *feeds;
};

/* How the domain is cut up for threads: in multiples of |unit| elements.
 *
 * Where a reduction runs down the rows, its order is from the first row to the last: part 0 reduces its rows as it computes them; each other one keeps its
 * own and reduces them when the part before it is done. So that what is kept stays in cache, there are rounds. (Columns as parts were
 * three times slower than one thread: rows of less than a page that belong to two processors in turn are fetched ahead by both.) */
struct cut {
    int parts;
    int64_t unit;
    int64_t columns;        /* of the reductions down the rows; 0: there are none, or one part */
    int64_t round;          /* elements of a round, a multiple of |unit| */
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
    struct lane **lanes;    /* one a part */
    struct cut cut;
    struct walk walk;
    int nslots, nops, nearlies, nearly_reduces, nfeeds, ncopies, nfulls, nbuffers;
    size_t fixed_bytes;     /* of the scratch memory: early values */
    size_t lane_bytes;      /* of it: the buffers of a part */
    size_t passing;         /* of it: what early operations need for a while, behind the buffers of all parts */
    double cost;            /* nanoseconds an element of the domain */
    int64_t columns;        /* of the reductions, if all run down the rows and each block has whole rows; else 0 */
};

/* Where part |part| of a round that has |count| elements begins; it ends where the next begins. */
static inline int64_t
cut_begin(const struct cut *c, int64_t count, int part)
{
    int64_t begin = threads_begin((count + c->unit - 1) / c->unit, part, c->parts) * c->unit;
    return begin < count ? begin : count;
}

/* The run function of head. fused_run.c */
void fused_run(struct prepared *head, const struct tensor *const *in, struct tensor *out, struct kernel_context *k);
#endif
