/* program: the three modes. Each gives a struct program (runtime/program.h) for the training loop. */
#ifndef NNC_FRONTEND_CLI_PROGRAM_H
#define NNC_FRONTEND_CLI_PROGRAM_H
#include "codegen/codegen.h"
#include "frontend/model.h"
#include "runtime/program.h"

enum mode { MODE_EAGER, MODE_GRAPH, MODE_JIT };

typedef void lowered_fn(void *context, struct graph *g, struct node *const *gradients);

struct program_options {
    enum mode mode;
    enum gemm gemm;
    struct threads *threads;    /* for large kernels; outlive the program; NULL: one thread */
    uint32_t without;           /* passes left out, bits 1 << enum pass */
    int64_t train_rows;         /* the largest batch of train_step; 0: it is not called */
    int64_t eval_rows;          /* likewise for eval_step */
    bool outputs_only;          /* evaluation computes the model's outputs and no loss */
    struct code_options code;
    bool wait;                  /* for machine code, before the first step; else graph mode runs until it is there */
    /* Is called with the graph of a training step as it was lowered, and the gradients that lower_train gives: before its passes, or, in eager
     * mode, which has run it then, at the end of each step. May add nodes and make values outputs, in eager mode the same ones each time. NULL: none. */
    lowered_fn *lowered;
    void *lowered_context;
    bool no_cache;              /* machine code is neither taken from disk nor left there */
    const char *const *files;   /* names of the sources, for debuggers: struct code_graphs */
    int nfiles;
};

/* Makes the program for |m|; |values| is a tensor a variable, updated in place. Reports and returns false on failure. */
bool program_new(const struct model *m, const struct train_settings *t, struct tensor *values, const struct program_options *options,
                 struct arena *arena, struct program *out, struct diag *diag);

/* Output |index| of the training graph after a train_step on |rows| rows, valid until the next call of the program. Its data is NULL where the
 * optimised graph has nothing but a variable or an input for it. */
struct tensor program_output(const struct program *p, int index, int64_t rows);
/* Loads OpenBLAS with the kernels that fit the CPU. Reports and returns false if it is not there. */
bool program_load_blas(struct diag *diag);
struct kernel_times;
/* From now on the parts of |p|'s steps are timed (runtime/exec.h); NULL: no longer. False if contractions cannot be told from other kernels: all of
 * machine code is one of these. */
bool program_watch(const struct program *p, struct kernel_times *times);
/* Bytes of the memory that |p| has for values: the arenas of its graphs; in eager mode what its steps took, the first of which is the largest. */
int64_t program_memory(const struct program *p);

/* -- eager.c: a graph that runs while it is built ---------------------------------------------------------------------------------- */

struct eager;
struct eager *eager_new(const struct model *m, const struct train_settings *t, struct tensor *values, enum gemm gemm, struct arena *arena);
void eager_free(struct eager *e);
/* From now on large kernels are cut up for |threads|, which outlive |e|. */
void eager_threads(struct eager *e, struct threads *threads);
/* Runs what |build| adds to the empty graph, node by node; then the variables get their new values. Inputs are taken from |inputs| by their
 * index. Returns false, without a report, if memory was short. The values of nodes live until the next run. */
typedef void eager_build(void *context, struct graph *g);
bool eager_run(struct eager *e, void *const *inputs, int64_t rows, eager_build *build, void *context);
/* The value of a node of the step. */
const struct tensor *eager_value(const struct node *n);
double eager_number(const struct node *n);
/* From now on the first node whose value is not finite is remembered. */
void eager_watch(struct eager *e);
const struct node *eager_first_bad(const struct eager *e);
/* |lowered|: as in struct program_options. */
void eager_lowered(struct eager *e, lowered_fn *lowered, void *context);
/* Output |index| of the graph of the last step. */
struct tensor eager_output(const struct eager *e, int index);
void eager_times(struct eager *e, struct kernel_times *times);
int64_t eager_memory(const struct eager *e);
/* What a value of |bytes| takes in it. */
int64_t eager_value_bytes(int64_t bytes);

bool eager_train_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss);
bool eager_eval_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss, const struct tensor **out_values);
bool eager_metrics(void *self, const struct tensor *values, int64_t rows, double *out_metrics);
/* Fills the variables with their initial values for |seed|; |draws|: what a convention's streams gave the template's draws (draws.h). */
bool eager_initialize(struct eager *e, int64_t seed, void *const *draws, struct diag *diag);
void eager_outputs_only(struct eager *e);
const double *eager_rate(const struct eager *e);
/* The address list of a template's inputs: the model's, then step, epoch, seed, and the draws of a convention's streams. */
void **program_inputs(const struct model *m, void *const *inputs, const struct step_numbers *numbers, void **buffer);
#endif
