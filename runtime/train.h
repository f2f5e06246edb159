/* train: the training loop: epochs over batches, evaluation, histories, checkpoints. It knows programs, not modes. */
#ifndef NNC_RUNTIME_TRAIN_H
#define NNC_RUNTIME_TRAIN_H
#include "runtime/checkpoint.h"
#include "runtime/early_stop.h"
#include "runtime/evaluate.h"
#include "runtime/streams/streams.h"
#include <signal.h>

/* What lies beside the files of a training, for a signal handler that ends the process in its midst. The loop writes it. */
struct train_traces {
    volatile sig_atomic_t saving;   /* a file is on its way under another name: not now */
    _Atomic(const char *) lock;     /* a file to be removed; NULL: none */
};

struct train_options {
    int64_t epochs;             /* counted from the beginning, also when resuming; 0 saves the variables as they are */
    int64_t batch;              /* at least 1 */
    int64_t eval_batch;         /* 0: batch */
    bool shuffle;               /* a new order each epoch. A batch that holds the whole set is in the set's own order */
    struct streams *streams;    /* of a convention: give the order of rows, and what the program draws; NULL: nnc's own order */
    int streams_variable;       /* the variable that holds their state between steps: u8, of kind OPTIMIZER */
    bool drop_last;             /* leave out the last, smaller batch of an epoch */
    bool loss_by_batch;         /* the epoch's loss is the mean over the steps, not over their rows */
    int64_t seed;               /* of the orders and of the program's streams; a resumed training has its own */
    bool train_metrics;         /* metrics of the training set after each epoch too */
    struct early_stop early;
    int64_t run, fold;          /* for the history; 0: 1 */
    bool several;               /* one of several trainings whose rows share the files; with |follows|, not the first one */
    bool follows;
    const char *save;           /* a checkpoint after each epoch and at the end; NULL: none */
    const char *resume;         /* a checkpoint to go on from; NULL: from the variables as they are */
    const char *history;        /* CSV file of epochs; NULL: none */
    bool history_no_time;
    const char *steps;          /* CSV file of steps; NULL: none */
    const volatile sig_atomic_t *stop; /* becomes the number of a signal when the training is to end; NULL: never */
    struct train_traces *traces; /* NULL: nobody looks */
};

/* How far a training is, for those who show it. */
struct train_report {
    int64_t epoch, epochs;      /* from 1 */
    int64_t step;               /* done, from the beginning */
    int64_t rows_done, rows;    /* of this epoch */
    int64_t run, fold;
    double loss;                /* mean over the epoch so far */
    const struct evaluation *trained; /* after an epoch with train_metrics; else NULL */
    const struct evaluation *valid; /* after an epoch with a valid set; else NULL */
    const double *lr;           /* NULL: none */
    double seconds;             /* since the epoch's (or the resumed part's) first step */
};

struct train_callbacks {
    void *context;
    /* All may be NULL. After each step: */
    void (*on_step)(void *context, const struct train_report *report);
    /* After each epoch, its evaluation and its checkpoint; false (reported) ends the training: */
    bool (*on_epoch)(void *context, const struct train_report *report);
    /* A step gave a loss that is not finite. The variables are those from before the step (a copy is kept for that from the
     * epoch's start on, and its steps are done again). To report the error and its cause, and return true; false: the loop
     * reports the step alone. */
    bool (*on_bad_loss)(void *context, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double loss);
};

/* How a training ended. */
struct train_result {
    int64_t epoch, step;        /* done */
    double loss;                /* of the last epoch; NaN if none was done */
    bool stopped;               /* by options->early */
    double best;                /* what that watched, in epoch |best_epoch|; 0: there was none */
    int64_t best_epoch;
    bool restored;              /* the variables are those of that epoch */
};

/* Trains |program|'s model on |train|; |valid| may be NULL. The variables hold the result. Gives STATUS_OK, the status of
 * what was reported to |diag|, or, ended by a signal, 128 + its number after the current step was finished and saved. A
 * failure loses nothing that was saved before. |out_result| may be NULL. */
int train_run(const struct model_info *model, struct program *program, const struct data_set_view *train,
              const struct data_set_view *valid, const struct train_options *options,
              const struct train_callbacks *callbacks, struct train_result *out_result, struct diag *diag);
#endif
