/* lives: where the values of an eager step lie. */
#ifndef NNC_FRONTEND_CLI_LIVES_H
#define NNC_FRONTEND_CLI_LIVES_H
#include "ir/graph.h"

enum { LIFE_NEW = -1 };

/* Of a node's value, by its index. Nodes that share the memory of another (RESHAPE, STOP, UPDATE) count as that one. */
struct life {
    int place;      /* LIFE_NEW: memory of its own; a node: that one's memory, in place; -2 - v: that of variable v */
    int ends;       /* the first of the values that nobody reads after this node; -1: none */
    int next;       /* the next of these */
};

/* What the graph of a finished step says of the next one, whose nodes will be the same: lowering a model gives equal graphs. In |arena|; NULL if
 * memory is short. */
struct life *lives_of(const struct graph *g, struct arena *arena);
#endif
