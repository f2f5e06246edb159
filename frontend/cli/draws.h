/* draws: what the random streams of a convention give a run: initial values, dropout masks. Without such a convention there is nothing here and
 * every call succeeds. */
#ifndef NNC_FRONTEND_CLI_DRAWS_H
#define NNC_FRONTEND_CLI_DRAWS_H
#include "frontend/model.h"
#include "runtime/program.h"

struct draws {
    const struct model *model;
    struct streams *streams;    /* NULL: all random numbers are nnc's own */
    void **init, **step;        /* a buffer for each draw of the templates, in their order */
    int64_t rows;               /* that the step's buffers are for */
};

/* Opens the streams that |facts| name, for |seed|, with a site for each place that draws, and fills the initial draws. |rows|: the largest training
 * batch; 0: no training. Reports and returns false if memory is short. */
bool draws_open(struct draws *d, const struct model *m, const struct facts *facts, int64_t seed, int64_t rows, struct arena *arena, struct diag *diag);
/* The draws of the next training step on |rows| rows. False if memory is short. */
bool draws_step(struct draws *d, int64_t rows);
/* |p| with the draws made before each training step; |p| itself where there are none. The result owns |p|. */
struct program draws_program(struct draws *d, struct program p, struct arena *arena);
/* The program that draws_program was given, if |p| is its result; else |p|. */
const struct program *draws_inner(const struct program *p);
void draws_close(struct draws *d);
#endif
