/* explain: what passes and plans tell the user before anything runs. */
#ifndef NNC_FRONTEND_CLI_EXPLAIN_H
#define NNC_FRONTEND_CLI_EXPLAIN_H
#include "frontend/cli/cli.h"

/* The graph of a training step (of a model without loss: of evaluation) for batches of |rows|, before any pass. explain.c */
struct graph *session_graph(const struct session *s, int64_t rows);
/* Prints on the standard error what each pass does to it, and why neighbouring kernels are two. explain.c */
bool explain_passes(const struct session *s, int64_t rows);
/* --check-passes: runs the step's graph before and after each pass on the first |rows| rows of the train data and on edge values.
 * Reports (exit 70) and returns false if a bit changes. explain.c */
bool check_passes(const struct session *s, int64_t rows);

/* Bytes that a training takes besides the data. */
struct memory_need {
    int64_t weights, states, optimizer; /* variables by kind */
    int64_t values;                     /* graph mode, machine code: the arenas of a step and of an evaluation; eager: all values of the larger of them */
    const struct graph *step;           /* planned, but for eager mode */
};
/* For batches of |rows| and evaluation by |eval_rows| (0: none) in the mode of the options. Reports and returns false if that
 * cannot be told. memory.c */
bool memory_need(const struct session *s, int64_t rows, int64_t eval_rows, struct memory_need *out);
int64_t memory_total(const struct memory_need *need);
/* Prints the table of `nnc check`. memory.c */
void memory_print(const struct session *s, const struct memory_need *need, int64_t rows);
/* Holds the need against --max-memory: reports (exit 3), with the values of the peak, and returns false if it is more. memory.c */
bool memory_allowed(const struct session *s, int64_t rows, int64_t eval_rows);
/* The same for what |what|, which |file| asks for, needs: |variables| and the |values| bytes of |g|. True without --max-memory. */
bool memory_held(struct cli *cli, const char *file, const char *what, const struct graph *g, int64_t variables, int64_t values);
/* "1.5 MiB" in |arena|. */
const char *bytes_text(int64_t bytes, struct arena *arena);
#endif
