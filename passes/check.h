/* check: runs the graph before and after a pass, and compares every bit. */
#ifndef NNC_PASSES_CHECK_H
#define NNC_PASSES_CHECK_H
#include "passes/pass.h"
#include "runtime/kernels.h"

/* What graphs are run on: one array an input of the graph, and the variables by their index in the module. */
struct check_values {
    void *const *inputs;
    const struct tensor *vars;
    int nvars;
    int64_t rows;
    enum gemm gemm;
};

struct pass_check;
/* Runs |g|, on the values that are given and on edge values (0, -0, infinities, NaN, the largest, the smallest, alone and mixed) in
 * the place of all floats among them, and keeps what comes out. A graph that is not planned is run node by node, each
 * value in memory of its own. In the arena of |g| but for the values. NULL and a report if memory is short. */
struct pass_check *pass_check_new(struct graph *g, const struct check_values *values, struct diag *diag);
/* Verifies |g|, which the pass |name| has changed since, and runs it. Reports and returns false if a bit differs: the
 * message names the pass. */
bool pass_check_graph(struct pass_check *c, const char *name, struct graph *g, struct diag *diag);
void pass_check_free(struct pass_check *c);

/* Runs the passes as passes_run, with a check after each. */
bool passes_check(struct graph *g, uint32_t without, const struct check_values *values, struct diag *diag);

/* Runs a graph that is not planned, node by node; |vars| get their new values. Stores copies of the outputs, which are the caller's. Reports and
 * returns false if memory is short. */
bool graph_interpret(const struct graph *g, void *const *inputs, struct tensor *vars, int64_t rows, enum gemm gemm,
                     struct tensor *out_outputs, struct diag *diag);
/* The bytes of values that graph_interpret holds at its end; INT64_MAX / 2 or more if they are too many to count. */
int64_t graph_interpret_bytes(const struct graph *g, int64_t rows);
/* Whether plan has been here. */
bool graph_is_planned(const struct graph *g);
#endif
