/* history: what a training leaves for spreadsheets: a row an epoch, a row a step. */
#ifndef NNC_RUNTIME_HISTORY_H
#define NNC_RUNTIME_HISTORY_H
#include "runtime/evaluate.h"
#include <stdio.h>

/* A CSV file that grows; closed and zeroed: a file that nobody asked for, to which all calls are allowed and do nothing. */
struct table_file {
    FILE *file;
    const char *path;       /* the caller's */
};

/* What epoch rows show. */
struct epoch_row {
    int64_t run, fold, epoch, step;
    double loss;
    const struct evaluation *trained; /* metrics of the training set; NULL: not asked for */
    const struct evaluation *valid; /* NULL: there is no valid set */
    const double *lr;               /* NULL: the optimiser has none */
    double seconds;
};

enum history_columns { HISTORY_VALID = 1, HISTORY_LR = 2, HISTORY_SECONDS = 4, HISTORY_TRAINED = 8 };

/* Whose rows follow, and which rows of an existing file stay. */
struct table_start {
    bool goes_on;           /* rows of an existing file stay as far as the rest says; else it begins anew */
    int64_t last;           /* epochs or steps that this training has done: its later rows are dropped, and all that follow */
    bool several;           /* the file holds the trainings of several models, in the order of folds and of runs in a fold */
    int64_t run, fold;
    bool finished;          /* this one adds no rows: those of the models after it stay */
};

/* Opens PATH for `run,fold,epoch,step,loss,NAME...,valid_loss,valid_NAME...,lr,seconds`; columns that the model or the run does
 * not have are left out. Reports (exit 3) and returns false if it cannot be written. */
bool history_open(struct table_file *t, const char *path, const struct model_info *model, unsigned columns,
                  const struct table_start *start, struct diag *diag);
void history_add(struct table_file *t, const struct model_info *model, unsigned columns, const struct epoch_row *row);

/* Opens PATH for `step,loss`, with `run,fold` in front if there are several models. */
bool steps_open(struct table_file *t, const char *path, const struct table_start *start, struct diag *diag);
void steps_add(struct table_file *t, const struct table_start *start, int64_t step, enum elem elem, double loss);

/* Gives what was added to the system. Reports (exit 3) and returns false if anything was not written. */
bool table_flush(struct table_file *t, struct diag *diag);
bool table_close(struct table_file *t, struct diag *diag);
#endif
