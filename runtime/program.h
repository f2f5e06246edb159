/* program: what the training loop runs. Each mode makes one; the loop knows neither modes nor graphs. */
#ifndef NNC_RUNTIME_PROGRAM_H
#define NNC_RUNTIME_PROGRAM_H
#include "ir/diag.h"
#include "runtime/tensor.h"

/* The numbers of one call. */
struct step_numbers {
    int64_t step;   /* steps done before this one, from 0 */
    int64_t epoch;  /* epochs done before this one, from 0 */
    int64_t seed;
};

/* A value that a program gives: named in the order of `outputs`; data lies in the program and is valid until its next call. */
struct program {
    void *self;
    /* One training step on |rows| rows: |inputs| points to one dense batch for each input of the model, in its order. Stores the loss.
     * Updates the variables. Returns false and reports if it cannot (memory). */
    bool (*train_step)(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss);
    /* Evaluation without updates: stores the loss (if the model has one) and, for each evaluation output, a pointer to its value. */
    bool (*eval_step)(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss,
                      const struct tensor **out_values);
    /* Metrics of a whole set: |values| are the gathered evaluation outputs, |rows| rows; stores a number a metric. */
    bool (*metrics)(void *self, const struct tensor *values, int64_t rows, double *out_metrics);
    void (*destroy)(void *self);
};

/* What a model looks like to the training loop and the checkpoint. Owned by the caller of the loop. */
struct model_value {
    const char *name;
    struct type type;       /* with N */
};
struct model_info {
    const char *name;
    int ninputs;
    const struct model_value *inputs;     /* inputs and targets, in order */
    int noutputs;
    const struct model_value *outputs;    /* what eval_step gives: the model's outputs first, then what metrics need besides */
    int nshown;                           /* of them, the model's outputs */
    int nmetrics;
    const char *const *metrics;           /* names */
    bool has_loss;
    int nvars;
    const struct variable *vars;          /* ir/graph.h */
    struct tensor *values;                /* a tensor a variable: the weights and states themselves */
};
#endif
