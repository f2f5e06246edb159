/* verify: shared by verify.c and verify_storage.c. Private to ir/. */
#ifndef NNC_IR_VERIFY_H
#define NNC_IR_VERIFY_H
#include "ir/graph.h"

struct check {
    const struct graph *g;
    struct diag *diag;
    bool body;              /* of a fused node */
    struct node **updates;  /* by node id of a VAR: its UPDATE */
    struct node ***results; /* by node id of a FUSED with several results: its RESULT nodes by index */
};

/* Reports a fault at |n| (NULL: of the graph) and returns false. */
bool verify_fault(const struct check *c, const struct node *n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool verify_storage(const struct check *c);
#endif
