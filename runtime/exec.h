/* exec: graph mode. Walks a planned graph, a kernel a node. */
#ifndef NNC_RUNTIME_EXEC_H
#define NNC_RUNTIME_EXEC_H
#include "runtime/kernels.h"

/* The address of a planned value; NULL for constants of rank 0, which have none, and for values without storage. */
void *value_address(const struct node *n, void *arena, void *const *inputs, const struct tensor *vars);

struct exec;
/* Prepares |g|, which plan has run on and which must outlive the exec. |vars|: a tensor a variable of the module, updated in place by exec_run.
 * |threads| run large kernels, and nothing else meanwhile; NULL: the calling thread alone. NULL and a report if memory is short. */
struct exec *exec_new_threads(const struct graph *g, struct tensor *vars, enum gemm gemm, struct threads *threads, struct diag *diag);
/* The same on the calling thread alone. */
struct exec *exec_new(const struct graph *g, struct tensor *vars, enum gemm gemm, struct diag *diag);
/* Runs it on |rows| rows, at most g->max_rows. inputs[i]: dense data of input i of the graph (numbers of rank 0 likewise). Allocates nothing but in
 * the first call. Returns false if memory is short. */
bool exec_run(struct exec *e, void *const *inputs, int64_t rows);
/* Output |index| of the graph after a run, valid until the next. */
struct tensor exec_output(const struct exec *e, int index);
/* Where the time of steps goes: nanoseconds, added up, each kernel's with about one reading of the clock in it. */
struct kernel_times {
    double contractions, others;
    double memory;          /* eager mode: giving out memory */
    int64_t count;          /* readings of the clock in each of these numbers */
    int64_t readings;       /* in all */
};
/* From now on the kernels are timed; NULL: no longer. */
void exec_watch(struct exec *e, struct kernel_times *times);
double kernel_clock(void);  /* nanoseconds */
/* The memory that value_address calls the arena. */
void *exec_arena(const struct exec *e);
/* How large it is: g->arena_bytes, and what results take that nobody reads. */
int64_t exec_bytes(const struct exec *e);
void exec_free(struct exec *e);
#endif
