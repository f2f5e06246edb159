/* walk: goes over a dense domain in blocks of consecutive elements, and gives for each operand that is smaller than the domain (broadcast)
 * where its elements for the block lie: in place, as one scalar, or expanded into a buffer. */
#ifndef NNC_RUNTIME_WALK_H
#define NNC_RUNTIME_WALK_H
#include "ir/types.h"

enum { WALK_BLOCK = 512 };   /* of one operation */
/* Elements of an operand's buffer for blocks of at most |block|: a fill writes up to 16 beyond the block. */
#define WALK_BUFFER(block) ((block) * 3 / 2 + 16)

enum walk_way {
    WALK_POINT,     /* in place */
    WALK_PATTERN,   /* a row, repeated in the buffer */
    WALK_FILL       /* an element a row, repeated along it in the buffer */
};

struct walk_operand {
    int64_t stride[RANK_MAX];   /* in elements, of the merged axes; 0: broadcast */
    uint8_t size;               /* bytes of an element */
    uint8_t step;               /* of the row kernel that reads it: 0 or 1 */
    uint8_t way;                /* enum walk_way */
};

struct walk {
    int rank;                   /* of the merged domain, at least 1 */
    int64_t extent[RANK_MAX];
    int64_t count;              /* elements of the domain */
    int64_t chunk;              /* elements of the innermost axis in a block, or */
    int64_t rows;               /* rows of it, if more than 1 */
    int noperands;
    struct walk_operand *operand;
};

/* The state of one pass. */
struct walk_at {
    int64_t index[RANK_MAX];    /* of the block's first element */
    int64_t start, n;           /* the block: elements [start, start + n) of the domain */
    int64_t end;                /* no block goes further */
};

/* Prepares a walk over |domain| with operands of types |in|, all concrete, into w->operand[n], which is the caller's. Blocks have about |block| elements,
 * or half as many more: short rows go several to a block, a row that is not much longer is one. */
void walk_make(struct walk *w, const struct type *domain, int n, const struct type *const *in, int64_t block);
/* Begins a pass over the elements [first, end), multiples of walk_unit or the whole domain's end. */
void walk_start(const struct walk *w, struct walk_at *at, int64_t first, int64_t end);
/* Where a pass may begin. */
static inline int64_t
walk_unit(const struct walk *w)
{
    return w->rows > 1 ? w->extent[w->rank - 1] : 1;
}
/* The next block; false at the end. */
bool walk_next(const struct walk *w, struct walk_at *at);
/* Whether the elements of operand |o| lie in the same place for each block of a pass: a row that is repeated. */
bool walk_is_still(const struct walk *w, int o);
/* Where the elements of operand |o| for the block lie. |buffer|: WALK_BUFFER elements; |expanded|: what the buffer holds, -1 at first. */
const void *walk_operand(const struct walk *w, const struct walk_at *at, int o, const void *base, void *buffer, int64_t *expanded);
#endif
