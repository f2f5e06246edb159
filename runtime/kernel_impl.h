/* kernel_impl: what the kernel files share. Outside of them use kernels.h. */
#ifndef NNC_RUNTIME_KERNEL_IMPL_H
#define NNC_RUNTIME_KERNEL_IMPL_H
#include "runtime/isa.h"
#include "runtime/threads.h"
#include "runtime/walk.h"

/* As kernel_run. */
typedef bool kernel_fn(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k);

/* A kernel bound to concrete types: what a node and N decide is decided once, run() has only the data to look at. */
struct prepared {
    /* |k| has |scratch| bytes of scratch memory and the threads that the kernel was prepared for. */
    void (*run)(struct prepared *p, const struct tensor *const *in, struct tensor *out, struct kernel_context *k);
    size_t scratch;     /* bytes, aligned to 64 */
};
/* |in| and |out| have the concrete types at k->rows; |out| is one tensor, or one a result. In |arena|; NULL if memory is short. */
typedef struct prepared *prepare_fn(const struct node *n, const struct tensor *const *in, const struct tensor *out, struct kernel_context *k,
                                    struct arena *arena);

#define KERNEL_LEAF(id) kernel_leaf
#define KERNEL_MAP(id) kernel_map
#define KERNEL_CAST(id) kernel_map
#define KERNEL_REDUCE(id) kernel_reduce
#define KERNEL_CONTRACT(id) kernel_##id
#define KERNEL_MOVE(id) kernel_##id
#define KERNEL_RANDOM(id) kernel_random
#define KERNEL_GROUP(id) kernel_##id
#define KERNEL_EFFECT(id) kernel_##id
kernel_fn kernel_leaf, kernel_map, kernel_reduce, kernel_random;
kernel_fn kernel_MATMUL, kernel_RESHAPE, kernel_BROADCAST, kernel_TRANSPOSE, kernel_SLICE, kernel_PAD, kernel_CONCAT, kernel_GATHER,
    kernel_SCATTER_ADD, kernel_ONE_HOT, kernel_UPDATE, kernel_FUSED, kernel_RESULT, kernel_CONV, kernel_CONV_INPUT, kernel_CONV_WEIGHT,
    kernel_QR, kernel_SORT, kernel_ARGSORT, kernel_PERMUTE, kernel_FLIP, kernel_CUMSUM;
prepare_fn prepare_map, prepare_reduce, prepare_FUSED;

extern kernel_fn *const kernel_of[OP_COUNT];
/* NULL: the operation has none, its kernel is run as it is. */
prepare_fn *prepare_of(enum op op);

/* At least |bytes| of k->scratch, aligned to 64; NULL if memory is short. */
void *kernel_scratch(struct kernel_context *k, size_t bytes);
static inline const struct isa *
kernel_isa(struct kernel_context *k)
{
    if (!k->isa)
        k->isa = isa_host();
    return k->isa;
}

/* Elements of a concrete type that exists, so that nothing can overflow. */
static inline int64_t
dense_count(const struct type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}
static inline size_t
dense_bytes(const struct type *t)
{
    return (size_t)dense_count(t) * elem_size(t->elem);
}
static inline size_t
round64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* The row function of a MAP, CAST or BROADCAST node with operands and results of these element types. */
row_fn *row_of(const struct isa *isa, enum op op, const struct type *last_in, const struct type *out);

/* About how many nanoseconds an element of it takes where the data lie in the second cache. */
double row_cost(enum op op, enum elem elem);

/* Bytes of an expanded operand of one elementwise operation. */
enum { MAP_BUFFER = (WALK_BUFFER(WALK_BLOCK) * 8 + 63) & ~63 };

/* One elementwise operation with broadcasting. */
struct map_plan {
    row_fn *fn;
    int nin, parts;         /* parts: for threads */
    uint8_t step[3];
    bool flat;              /* each operand is a scalar or has the result's elements */
    int64_t count;          /* of the result */
    size_t out_size;        /* bytes of an element of it */
    size_t in_size[3];      /* and of the operands */
    struct walk walk;
    struct walk_operand operand[3];
};
/* |in| and |out| are concrete. The plan must not be copied afterwards. */
void map_plan_make(struct map_plan *p, row_fn *fn, int nin, const struct type *const *in, const struct type *out);
/* Cuts it up for |t|, if it is large enough; |cost|: nanoseconds an element. */
void map_plan_cut(struct map_plan *p, double cost, const struct threads *t);
static inline size_t
map_plan_scratch(const struct map_plan *p)
{
    return p->flat ? 0 : (size_t)(p->nin * p->parts) * MAP_BUFFER;
}
void map_plan_run(const struct map_plan *p, void *out, const void *const *in, char *scratch, struct threads *t);

/* A reduction: the trailing run of reduced axes first, then every other reduced axis, the last first. */
struct reduce_stage {
    bool trailing;
    int64_t outer, length, inner;   /* [outer, length, inner] becomes [outer, inner] */
};
struct reduce_plan {
    const struct reduce_fns *fns;
    size_t size;                    /* bytes of an element */
    int nstages;
    struct reduce_stage stage[RANK_MAX];
    int64_t in_count, out_count;
    row_fn *divide;                 /* mean: by |divisor| */
    union { float f32; double f64; } divisor;
};
void reduce_plan_make(struct reduce_plan *p, enum op op, const struct type *in, uint32_t axes, const struct isa *isa);
size_t reduce_plan_scratch(const struct reduce_plan *p);
void reduce_plan_run(const struct reduce_plan *p, void *out, const void *x, char *scratch, struct threads *t);

/* The same reduction, or a part of its outputs, fed block by block, in ascending order, with the same bits. */
struct reduce_feed {
    const struct reduce_plan *plan;
    struct reduce_stage stage;  /* the first one, of this part */
    char *to;           /* without stages: the elements themselves */
    int64_t inside;     /* position in the current group of length * inner elements */
    char *current;      /* where the current group goes */
    _Alignas(16) char lanes[REDUCE_LANES_BYTES]; /* as the arena that holds it */
};
int64_t reduce_feed_unit(const struct reduce_plan *p);
/* A part is fed the elements [first, end), where a whole number of outputs begins and ends (multiples of reduce_feed_unit).
 * The values of the first stage go to |out| or, if there are more stages, to |scratch|. */
void reduce_start(struct reduce_feed *f, const struct reduce_plan *p, void *out, char *scratch, int64_t first, int64_t end);
void reduce_next(struct reduce_feed *f, const void *x, int64_t n);
/* Of a reduction down the rows that is fed in pieces of whole rows: the next piece begins; and |rows| whole rows at once. */
void reduce_resume(struct reduce_feed *f);
void reduce_rows(struct reduce_feed *f, const void *x, int64_t rows);
void reduce_end(struct reduce_feed *f);
/* The stages that follow the first one, and the mean's division, when all parts have ended. */
void reduce_finish(const struct reduce_plan *p, void *out, char *scratch, struct threads *t);

/* The value of a CONST node of rank 0, or of ROWS, as its element type, in 8 bytes. */
void scalar_store(const struct node *n, int64_t rows, void *out);
#endif
