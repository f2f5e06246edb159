/* report: what a training leaves to be looked at: --report, a page that needs nothing else, and --tensorboard. */
#ifndef NNC_FRONTEND_CLI_REPORT_H
#define NNC_FRONTEND_CLI_REPORT_H
#include "frontend/cli/trainings.h"
#include "runtime/tensorboard.h"
#include "runtime/text.h"

struct report_epoch;

struct report {
    struct session *s;
    const char *page, *events_folder;   /* NULL: not asked for */
    bool several;
    struct event_file events;
    struct report_epoch *epochs;
    int64_t count, room;
    double **before;                    /* by variable: weights before the epoch; NULL for others */
    struct text last;                   /* plots of what the last training predicts */
    bool resumed;                       /* the next epoch is the first after a resumption: the weights before it are unknown */
    const struct program *program;      /* of the present training */
    int *gradient;                      /* by variable: the output of a step that is its gradient's sum of squares; 0: none */
    double *squares;                    /* by variable: these sums, summed over the steps of the epoch */
    int64_t steps;                      /* of the epoch, as far as they were seen */
    bool failed;
    struct arena_undo undo;
};

/* Looks whether what was asked for can be written. */
bool report_open(struct report *r, struct session *s, bool several);
/* For struct trainings and its callbacks. */
bool report_start(struct report *r, int64_t run, int64_t fold, const struct program *program);
void report_step(struct report *r);
void report_epoch(struct report *r, const struct train_report *t);
void report_end(struct report *r, const struct evaluation *valid, const struct set *set);
/* Writes the page; reports (exit 3) and returns false if that fails. */
bool report_write(struct report *r);
void report_close(struct report *r);
#endif
