/* program: what the training loop runs. Each mode makes one; the loop knows neither modes nor graphs. */
#ifndef NNC_RUNTIME_PROGRAM_H
#define NNC_RUNTIME_PROGRAM_H
#include "ir/graph.h"
#include "runtime/tensor.h"

/* The numbers of one call. */
struct step_numbers {
    int64_t step;   /* steps done before this one, from 0 */
    int64_t epoch;  /* epochs done before this one, from 0 */
    int64_t seed;
};

/* The inputs of a call: one dense batch for each input of the model, in its order, aligned to its element only (it may lie
 * inside the caller's data set, which is not to be changed). NULL for an input that the caller does not have: a target, in
 * prediction. Calls come from one thread, with round to nearest, FTZ and DAZ set. */
struct program {
    void *self;
    /* One training step on |rows| rows. Stores the loss of the weights before the step. Updates the variables. Returns
     * false if it cannot: after a report, or without one where memory was short. A loss that is not finite is no failure: the caller sees it. */
    bool (*train_step)(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss);
    /* Evaluation without updates: stores the loss (if the model has one) and, for each evaluation output, a pointer to its
     * value, which lies in the program and is valid until its next call. */
    bool (*eval_step)(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss,
                      const struct tensor **out_values);
    /* Metrics of a whole set: |values| are the gathered evaluation outputs, |rows| rows; stores a number a metric. NULL
     * without metrics. */
    bool (*metrics)(void *self, const struct tensor *values, int64_t rows, double *out_metrics);
    /* Where train_step stores the learning rate that it used; NULL if the optimiser has none. The same in all modes. */
    const double *lr;
    void (*destroy)(void *self);
};

/* What a model looks like to the training loop and the checkpoint. Owned by the caller of the loop. */
struct model_value {
    const char *name;
    struct type type;       /* with N */
};
/* What a checkpoint keeps of the data besides: a text of the metadata or a tensor. Its memory is another's. */
struct model_kept {
    const char *name;       /* "nnc.fit/x" of a text, "nnc/fit/x/1/middle" of a tensor */
    const char *text;       /* NULL: a tensor */
    struct tensor value;
};
struct model_info {
    const char *name;
    int ninputs;
    const struct model_value *inputs;     /* inputs and targets, in order */
    int noutputs;
    /* what eval_step gives: the model's outputs first, then what metrics need besides */
    const struct model_value *outputs;
    int nshown;                           /* of them, the model's outputs */
    int nmetrics;
    const char *const *metrics;           /* names */
    const enum elem *metric_elems;        /* element types of the metrics; NULL: all f32 */
    bool has_loss;
    enum elem loss_elem;                  /* f32 or f64 */
    /* of all that decides about the course of a training but data and seed: the IR's text without places */
    uint64_t digest;
    int nvars;
    const struct variable *vars;          /* ir/graph.h */
    struct tensor *values;                /* a tensor a variable: the weights and states themselves */
    /* NULL, or the weights and layer states of the best epoch so far, which `stop` restores: a tensor a variable, whose
     * data is NULL for the optimiser's */
    struct tensor *best;
    int nkept;
    const struct model_kept *kept;        /* what the data block fitted (checkpoint_fit.h) */
};
#endif
