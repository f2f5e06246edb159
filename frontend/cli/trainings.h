/* trainings: the one training of a file, or those of its folds and runs, on one program. */
#ifndef NNC_FRONTEND_CLI_TRAININGS_H
#define NNC_FRONTEND_CLI_TRAININGS_H
#include "frontend/cli/cli.h"

/* Who is told what happens. All but |options| may be NULL or zeroed. */
struct trainings {
    struct train_options options;   /* of all; seed, run, fold, the paths and |follows| are set for each */
    struct train_callbacks callbacks;
    /* Before each training, with its run and fold, from 1, and its program; false (reported) ends them all. */
    bool (*on_start)(void *context, int64_t run, int64_t fold, const struct program *program);
    /* After each, with the evaluation of the valid set by its final weights (NULL without one) and the rows of that set. */
    void (*on_end)(void *context, int64_t run, int64_t fold, const struct evaluation *valid, const struct set *set);
    bool quiet;                     /* nothing is said about where a training was stopped early */
};

/* Trains, and prints what came out where there are several. Gives the exit code. */
int trainings_run(struct session *s, const struct trainings *t);

/* Values of several trainings of one fold, and what their mean is worth. ensemble.c */
struct ensemble {
    int64_t rows, members;
    int count;                      /* of the values */
    double **sum;                   /* real values: sums over the members; NULL for others */
    void **kept;                    /* other values: the first member's */
    bool differs;                   /* such a value is not the same for all members */
};
bool ensemble_add(struct ensemble *e, const struct model_info *model, const struct evaluation *values, struct diag *diag);
/* The loss and the metrics of the mean; NaN for what does not follow from the values: a loss that does not come from the model's
 * outputs alone. Penalties on weights are left out. Reports and returns false if memory is short. */
bool ensemble_judge(struct ensemble *e, struct session *s, struct program *program, const struct set *valid, double *out_loss,
                    double *out_metrics);
void ensemble_free(struct ensemble *e);
#endif
