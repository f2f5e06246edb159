/* gradient: what the walk (gradient.c) and the derivative rules (gradient_rules.c) share. */
#ifndef NNC_PASSES_GRADIENT_H
#define NNC_PASSES_GRADIENT_H
#include "passes/pass.h"

/* A gradient on its way is a node that *broadcasts* to the type of its value: the gradient of a sum over everything stays a
 * number until an operation needs all elements. Its element type is the value's. */
struct derivation;

/* Builds what node |n| hands on to its operands, given the gradient |g| of its value, and passes each to derivation_give. */
typedef void derivative_fn(struct derivation *d, struct node *n, struct node *g);
extern derivative_fn *const derivative_of[OP_COUNT];
/* The rule of operations without a derivative; nothing flows through them. */
derivative_fn derivative_none;

/* The graph to build in. */
struct graph *derivation_graph(const struct derivation *d);
/* Whether operand |i| of |n| leads to something whose gradient is wanted; others need not be given any. */
bool derivation_wants(const struct derivation *d, const struct node *n, int i);
/* Hands |g|, which broadcasts to the type of |n|, to operand |i| of |n|. If the operand was broadcast to that type, |g| is
 * summed back to the operand's shape here, for all rules. */
void derivation_give(struct derivation *d, struct node *n, int i, struct node *g);
/* The same for a gradient that broadcasts to the type of the operand itself. */
void derivation_give_shaped(struct derivation *d, struct node *n, int i, struct node *g);
#endif
