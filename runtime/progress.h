/* progress: what a training shows of itself: a line an epoch, and on a terminal a bar in between. */
#ifndef NNC_RUNTIME_PROGRESS_H
#define NNC_RUNTIME_PROGRESS_H
#include "runtime/train.h"
#include <stdio.h>
#include <time.h>

struct progress {
    FILE *out;                  /* the caller's */
    const struct model_info *model;
    int columns;                /* width of the terminal; 0: it is none, and there is no bar */
    struct timespec shown;      /* when the bar was last drawn */
    int64_t first_rows;         /* of the epoch: done when its clock began (a resumed one begins inside) */
    int64_t epoch;              /* that first_rows belongs to */
    bool drawn;                 /* a bar stands on the last line */
};

/* For struct train_callbacks, with a struct progress as context: the bar, at most ten times a second, and the epoch's line,
 * which takes its place. */
void progress_step(void *context, const struct train_report *report);
void progress_epoch(void *context, const struct train_report *report);
/* Leaves the terminal with an empty last line, before something else is written. */
void progress_clear(struct progress *p);

enum { PROGRESS_TEXT = 1024 };
/* "epoch 3/10  loss 0.0123  valid_loss 0.0140  valid_r 0.98  1.2 s" */
char *progress_line(const struct model_info *model, const struct train_report *report, char text[PROGRESS_TEXT]);
/* "epoch 3/10 [===>   ] 45%  loss 0.0123  4123 rows/s  1:23 left", at most |columns| characters. |first_rows|: see struct
 * progress. */
char *progress_bar(const struct train_report *report, int64_t first_rows, int columns, char text[PROGRESS_TEXT]);
#endif
