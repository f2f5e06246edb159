/* explain: what the passes tell about what they did, for --explain. */
#ifndef NNC_PASSES_EXPLAIN_H
#define NNC_PASSES_EXPLAIN_H
#include "passes/pass.h"

/* A line of a pass. */
struct remark {
    enum pass pass;
    const char *text;
};

/* Asked for by setting g->remarks; in the arena of the graph. */
struct remarks {
    struct remark *list;
    int count, cap;
    enum pass pass; /* the one that runs */
};

/* Adds a line to the remarks of |g|, if they are asked for. */
void explain(struct graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
