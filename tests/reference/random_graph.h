/* random_graph: graphs drawn from a seed, over all operations of ops.def, as training steps look: a loss of rank 0, the
 * gradients of all weights, updates of weights and states. The same seed gives the same graph on every machine. */
#ifndef NNC_TESTS_RANDOM_GRAPH_H
#define NNC_TESTS_RANDOM_GRAPH_H
#include "ir/graph.h"
#include "runtime/tensor.h"

enum { RANDOM_ROWS = 33 }; /* of the largest batch */

struct random_graph {
    struct graph *g;        /* max_rows is set */
    struct variable *vars;  /* of its module */
    int nvars;
};

/* Builds the graph of |seed| in |arena|. |only|: nothing but this operation, a few times, on inputs of all types, and no
 * loss; OP_COUNT: all operations. |on_node| may be NULL. */
struct random_graph random_graph_new(struct arena *arena, uint64_t seed, enum op only,
                                     void (*on_node)(void *context, struct node *n), void *context);

/* Fills |t| from a seed. Floats lie in [-2, 2); if |special|, every eighth is NaN, infinite, a zero, very large or very
 * small. */
void random_fill(struct tensor *t, uint64_t seed, bool special);
#endif
