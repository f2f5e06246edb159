/* pass: graph in, graph out. A pass is one function in one file and a row of passes.def. */
#ifndef NNC_PASSES_PASS_H
#define NNC_PASSES_PASS_H
#include "ir/graph.h"

enum pass {
#define PASS(id, name, optional, help) PASS_##id,
#include "passes/passes.def"
#undef PASS
    PASS_COUNT,
    PASS_ROUND_LAST = PASS_DCE /* the passes up to this one are repeated until none finds anything */
};

#define PASS(id, name, optional, help) bool pass_##name(struct graph *g, struct diag *diag);
#include "passes/passes.def"
#undef PASS

struct pass_info {
    const char *name, *help;
    bool (*run)(struct graph *g, struct diag *diag); /* true if the graph changed */
    bool optional;                                   /* --without may name it */
};
extern const struct pass_info pass_info[PASS_COUNT];
enum pass pass_from_name(const char *name); /* PASS_COUNT if there is none */

/* Runs the default pipeline, passes.def in its order and its first part in rounds, without those in the set |without| (bit 1 <<
 * enum pass), up to and including |last|; of the rounds, the first one if they hold it. g->max_rows must be set. In debug builds and
 * where |verify| is set the verifier runs after each. False and a report if it finds a fault. */
bool passes_run(struct graph *g, uint32_t without, enum pass last, bool verify, struct diag *diag);
/* The same with |watch| called after each pass that changed something; false if it gives false. */
typedef bool pass_watch_fn(void *context, enum pass p, struct graph *g, struct diag *diag);
bool passes_run_watched(struct graph *g, uint32_t without, enum pass last, pass_watch_fn *watch, void *context, struct diag *diag);

/* Builds the nodes of d loss / d wrt[i] into out[i] (NULL where the loss does not depend on it), in the graph of |loss|. The
 * loss has rank 0. Gradients of a value with several uses are summed left to right in the order of its uses (numerics.md,
 * item 5). Works while the graph is run by its hook. gradient.c */
void gradient(struct graph *g, struct node *loss, int count, struct node *const *wrt, struct node **out);
/* The same with a given gradient of |root|, which may have any shape. */
void gradient_from(struct graph *g, struct node *root, struct node *seed, int count, struct node *const *wrt,
                   struct node **out);

/* What several passes ask. pass.c: how many nodes and outputs use each node, by node id; in the arena of |g|. */
int *count_uses(const struct graph *g);
/* Gives each node its position in the list as its id. */
void graph_renumber(struct graph *g);
/* What a rule does with |n|, whose operands are replaced already: gives another node of the same type, made by the builder or met
 * before, which is looked at in turn; NULL to keep |n|. It may change operands and attributes of |n|. rewrite.c */
typedef struct node *rewrite_fn(struct graph *g, struct node *n, void *context);
/* Walks the list in order and makes it anew with what |rule| gives in place of each node. Inputs and variables must be kept. */
void graph_rewrite(struct graph *g, rewrite_fn *rule, void *context);
/* Drops the nodes that |keep| (by id) does not hold, and renumbers. Inputs must be kept. */
void graph_sweep(struct graph *g, const bool *keep);
#endif
