/* live: what a planned graph has in its arena, and when. For tables, pictures and messages; plan itself knows it before there are places. */
#ifndef NNC_PASSES_LIVE_H
#define NNC_PASSES_LIVE_H
#include "ir/graph.h"

/* A value in the arena. Positions are those in the list: from that of its writer to that of its last reader; g->count: the end. Values that take memory
 * over from each other begin where the one before ends. */
struct live_value {
    const struct node *node;    /* with RESULT nodes for the results of a group */
    int64_t bytes, offset;      /* at max_rows */
    int first, last;
};

struct live {
    struct live_value *values;  /* in the order of their writers */
    int count;
    int *of;                    /* by node id: the value that it is or names; -1: none in the arena */
};

struct live live_values(const struct graph *g, struct arena *arena);
/* The position at which the most bytes live. Memory that is taken over there counts once. */
int live_peak(const struct graph *g, const struct live *l, struct arena *arena);
/* Whether |n| runs code in a planned graph: no leaf, no result, no name of memory that another node wrote. */
bool node_runs(const struct node *n);
#endif
