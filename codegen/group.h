/* group: an elementwise node, a reduction or a FUSED node as items and outputs; for emit_fused.c and emit_tail.c. */
#ifndef NNC_CODEGEN_GROUP_H
#define NNC_CODEGEN_GROUP_H
#include "codegen/emit.h"

struct output {
    int item;
    const struct node *reduce;  /* NULL: none */
    const struct type *type;
    LLVMValueRef address;       /* NULL: nobody reads it */
    bool done;
};

struct group {
    const struct node *node;
    const struct operands *operands;    /* NULL: only the form is wanted */
    struct item *items;         /* item.array of an INPUT: the number of the operand */
    int nitems;
    const struct type **types;  /* of the items */
    struct output *outputs;
    int noutputs;
};

void group_make(struct gen *g, struct group *gr, const struct node *n, const struct operands *o);
/* The array of a result over |domain|: the reduced axes have stride 0. */
void output_array(struct array *a, const struct output *o, const struct type *domain);
struct size reduced_count(const struct output *o, const struct type *domain);
/* Sets `needed` of the items that the outputs with an address need. */
void group_mark(struct group *gr);
/* emit_tail.c: about how many instructions an item takes. */
int item_cost(const struct item *it);
#endif
