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
    const struct evaluation *valid; /* NULL: there is no valid set */
    const double *lr;               /* NULL: the optimiser has none */
    double seconds;
};

enum history_columns { HISTORY_VALID = 1, HISTORY_LR = 2, HISTORY_SECONDS = 4 };

/* Opens PATH for `run,fold,epoch,step,loss,valid_loss,valid_NAME...,lr,seconds`; columns that the model or the run does not
 * have are left out. |epochs_done| > 0 or |steps_done| > 0: a training is resumed; rows of an existing file of the same
 * columns up to there are kept, all later ones are dropped. Otherwise the file begins anew. Reports (exit 3) and returns
 * false if it cannot be written. */
bool history_open(struct table_file *t, const char *path, const struct model_info *model, unsigned columns,
                  int64_t epochs_done, struct diag *diag);
void history_add(struct table_file *t, const struct model_info *model, unsigned columns, const struct epoch_row *row);

/* Opens PATH for `step,loss`. */
bool steps_open(struct table_file *t, const char *path, int64_t steps_done, struct diag *diag);
void steps_add(struct table_file *t, int64_t step, enum elem elem, double loss);

/* Gives what was added to the system. Reports (exit 3) and returns false if anything was not written. */
bool table_flush(struct table_file *t, struct diag *diag);
bool table_close(struct table_file *t, struct diag *diag);
#endif
