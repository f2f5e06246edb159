/* product: a contraction on its way to code; shared by emit_matmul.c (which kernel), emit_tile.c (register tiles),
 * emit_pack.c (operands in another order) and emit_tail.c (what is done to a tile before it is stored). */
#ifndef NNC_CODEGEN_PRODUCT_H
#define NNC_CODEGEN_PRODUCT_H
#include "codegen/emit.h"

enum { ROWS_MAX = 24, VECTORS_MAX = 8 };

struct tail;

/* The vectors of the tile before, on which the tail is still to be done, the places of their first elements in c, and how many
 * there are; in memory. */
struct queue {
    LLVMValueRef vectors, places, count;
};

/* One contraction out of the batch, in elements: c[m, n] = X[m, k] Y[k, n], one number of X broadcast to each row of a
 * tile, neighbouring numbers of Y in its lanes. */
struct product {
    struct gen *g;
    enum elem elem;
    struct size m, n, k;                /* rows of X, lanes of Y, length of the chains */
    struct size x_row, x_k, y_lane, y_k, c_row;  /* the lanes of c lie side by side */
    LLVMValueRef x, y, c;
    int lanes, vectors, rows;           /* of a tile */
    LLVMValueRef panel;                 /* of |block| by a tile's lanes; NULL: Y is read in place */
    int64_t scratch;                    /* bytes */
    LLVMValueRef memory;                /* which |scratch| stands for */
    LLVMValueRef some;                  /* rows that are copied */
    bool x_copied;                      /* X begins with the block of k */
    int64_t block;                      /* of k; 0: all of it at once */
    LLVMValueRef first, length;         /* of k, in the block that is being emitted */
    bool whole_chains;                  /* there is one block */
    bool prefetch;                      /* Y's rows ahead of their use */
    LLVMValueRef row_begin, row_end;    /* the rows and lanes of c that are computed */
    LLVMValueRef lane_begin, lane_end;
    LLVMValueRef k_begin, k_end;        /* the links of its chains */
    LLVMValueRef chain;                 /* where parts that share the chains tell each other; NULL: all of the chains are computed */
    struct tail *tail;                  /* NULL: none */
    bool later;                         /* the tail waits in a queue: emit_later.c */
    struct queue queue;
};

/* The part of a product that is being emitted. */
struct piece {
    int vectors;
    LLVMValueRef mask[VECTORS_MAX];     /* NULL: all lanes */
    LLVMValueRef lane;                  /* the first lane */
};

LLVMValueRef times(struct gen *g, LLVMValueRef index, struct size stride);
LLVMValueRef moved(struct product *p, LLVMValueRef base, LLVMValueRef index, struct size stride);
/* Registers of the machine, and how many of them hold a tile's accumulators. */
int registers(const struct gen *g);
int accumulators(const struct gen *g);

/* emit_matmul.c: the pieces of lanes, one after the other; |count| of a piece's lanes exist. */
typedef void piece_fn(struct product *p, struct piece *q, LLVMValueRef count);
void constant_lanes(struct product *p, piece_fn *emit);
/* A loop over blocks of k; it sets p->first and p->length, and ends with loop_end. */
void begin_block(struct product *p, struct loop *l);

/* emit_big.c */
bool is_big(const struct product *p);
void big_prepare(struct product *p);
void emit_big(struct product *p);

/* emit_tile.c */
/* Whether the part that is being emitted has the last of its chains' links. */
LLVMValueRef chains_end(struct product *p);
void emit_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows);
void emit_rows(struct product *p, const struct piece *q);
/* c of one column: a row a lane, at most COLUMN_ROWS at a time. */
enum { COLUMN_ROWS = 32 };
void emit_column(struct product *p);

/* emit_pack.c: to[c * to_row + r] = from[r * from_row + c]. */
void transpose(struct gen *g, enum elem e, LLVMValueRef from, LLVMValueRef from_row, LLVMValueRef to, LLVMValueRef to_row,
               LLVMValueRef rows, LLVMValueRef columns);
/* Copies |count| lanes of a block of k into the panel. */
void fill_panel(struct product *p, const struct piece *q, LLVMValueRef count);

/* emit_tail.c: what is done to a tile before it is stored. */
void tail_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows,
               LLVMValueRef acc[ROWS_MAX][VECTORS_MAX]);
/* emit_matmul.c: whether the product |n| is made of tiles that are complete at once, on which |tail| can be done; the code of
 * o->product with |tail|, that of node |n|. */
bool matmul_takes_tail(struct gen *g, const struct node *n, const struct node *tail);
void matmul_with_tail(struct gen *g, const struct node *n, const struct operands *o, struct tail *tail);
/* emit_later.c: tails that are done while the next tile is multiplied. */
bool is_later(struct gen *g, const struct node *product, const struct node *tail);
void queue_open(struct product *p);
void queue_put(struct product *p, const struct piece *q, LLVMValueRef row, int rows, LLVMValueRef acc[ROWS_MAX][VECTORS_MAX]);
/* Directly behind the values that loop |l| over k carries: some of the queue, all of it until |l| ends. */
void queue_turn(struct product *p, const struct loop *l);
void queue_close(struct product *p);
/* emit_tail.c: brings the tail's operands at |place| into the first cache. */
void tail_prefetch(struct product *p, LLVMValueRef place);
void prefetch(struct gen *g, LLVMValueRef address);
/* emit_tile.c: how many rows belong together: a tile's. */
int64_t tile_rows(const struct product *p);
/* Whether parts of it are rows. */
bool matmul_cuts_rows(struct gen *g, const struct node *n, const struct node *tail);
/* emit_tail.c: whether |tail| has sums over the rows; whether all values that it sums are results of it, too. */
bool tail_has_sums(const struct node *tail);
bool tail_keeps_summed(const struct node *tail);
/* emit_matmul.c: calls code_chain_wait or code_chain_next. */
void call_chain(struct gen *g, const char *name, LLVMValueRef chain);
#endif
