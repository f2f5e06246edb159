/* evaluate: losses, metrics and outputs over a whole set, in batches. */
#ifndef NNC_RUNTIME_EVALUATE_H
#define NNC_RUNTIME_EVALUATE_H
#include "runtime/program.h"

/* Rows of data: a dense tensor for each input of the model, in its order, with |rows| in front. Data is NULL where the
 * caller has none (targets, in prediction). */
struct data_set_view {
    const struct tensor *inputs;
    int64_t rows;
};

enum evaluate_want {
    EVALUATE_LOSS = 1,
    EVALUATE_METRICS = 2,
    EVALUATE_OUTPUTS = 4        /* keep the model's outputs in `values` */
};

/* Results; zero-initialised before the first use, then used again for sets of the same size without allocating. */
struct evaluation {
    double loss;                /* mean over the rows, rounded to the loss' element type; NaN if it was not asked for */
    double *metrics;            /* a number a metric of the model; NULL if they were not asked for */
    /* a tensor an evaluation output, gathered over the batches; data is NULL where it was not needed */
    struct tensor *values;
    int nvalues;
    int64_t rows;               /* that the memory is for */
};

/* Evaluates |set| in batches of |batch| rows, the last one smaller. Reports and returns false if memory is short or the
 * program fails, or if an output has no dimension to be gathered along. */
bool evaluate_set(const struct model_info *model, const struct program *program, const struct data_set_view *set,
                  int64_t batch, const struct step_numbers *numbers, unsigned want, struct evaluation *e, struct diag *diag);
void evaluation_free(struct evaluation *e);

/* Bytes of one row of an input, whose first dimension is N. */
size_t input_row_bytes(const struct model_value *input);
/* The addresses of row |row| of each input. */
void set_rows_at(const struct model_info *model, const struct data_set_view *set, int64_t row, void **out_inputs);
#endif
