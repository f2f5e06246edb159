/* early_stop: ends a training some epochs after its best one. */
#ifndef NNC_RUNTIME_EARLY_STOP_H
#define NNC_RUNTIME_EARLY_STOP_H
#include "runtime/checkpoint.h"
#include "runtime/evaluate.h"

enum stop_goal { GOAL_BY_NAME, GOAL_MIN, GOAL_MAX };

struct early_stop {
    int64_t patience;           /* epochs without a better one after which training ends; 0: never */
    const char *on;             /* what is watched: "loss", "valid_loss", "valid_NAME", or a metric of the training set */
    enum stop_goal goal;        /* GOAL_BY_NAME: what ends in "loss" is to fall, all else to rise */
    struct place place;         /* what messages about |on| point at; zeros: nothing */
    bool restore;               /* at the end the weights are those of the best epoch, else those of the last */
};

/* What can be watched: the training's loss, and metrics of the two sets; NULL where there are none. */
struct stop_sources {
    const struct model_info *model;
    double loss;
    const struct evaluation *trained, *valid;
};

/* The value that |stop| watches; false if there is none of that name. NULL metrics are not read: with |out| NULL it is only asked
 * whether the name exists, given that |trained| and |valid| are sets. */
bool stop_value(const struct early_stop *stop, const struct stop_sources *from, double *out);
/* Takes the value after epoch |at->epoch| into |at->best| and |at->best_epoch|; true if it is the best so far. NaN never is. */
bool stop_improves(const struct early_stop *stop, double value, struct checkpoint_position *at);
/* Whether the training ends here. It depends on |at| alone, so that a resumed one ends where the other did. */
bool stop_now(const struct early_stop *stop, const struct checkpoint_position *at);
#endif
