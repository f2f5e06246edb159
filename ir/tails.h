/* tails: values that may be computed where they are used. */
#ifndef NNC_IR_TAILS_H
#define NNC_IR_TAILS_H
#include "ir/graph.h"

/* By node id: the elementwise node that alone uses the value of a contraction or of random numbers and has its shape; NULL if
 * there is none. Code may compute such a value there, a part at a time and without memory; so plan keeps the operands of
 * such a node until then. In |a|: code is made in a thread, while others allocate in the arena of |g|. */
const struct node **find_tails(const struct graph *g, struct arena *a);
#endif
