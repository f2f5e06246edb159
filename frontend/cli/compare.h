/* compare: what the files of the command share. */
#ifndef NNC_FRONTEND_CLI_COMPARE_H
#define NNC_FRONTEND_CLI_COMPARE_H
#include "frontend/cli/cli.h"
#include "frontend/cli/effects.h"
#include "runtime/text.h"

/* What is switched at a time: one difference, or several that make no sense without each other. */
struct unit {
    const int *members;         /* of the differences */
    int count;
    const char *fault;          /* why it cannot be switched; NULL: it can */
    const char *name, *a, *b, *place_a, *place_b;
    struct effect *effects;     /* one a measure */
};

/* One side with at most one unit from the other. */
struct variant {
    bool from_b;                /* the side */
    struct session s;           /* checked; without data */
    struct session judged;      /* the same under the judge: its evaluation is what is used */
    bool own_judge;             /* the first file's loss cannot be computed there: its own one judges */
    uint64_t digest;            /* of all that decides about a training but the seed */
    const int *jobs;            /* one a run */
};

/* A training that is done once, whoever wants its result. */
struct job {
    int variant;
    int64_t seed;
    uint64_t digest;
};

struct comparison {
    struct cli *cli;
    const char *name_a, *name_b, *judge;
    const char *path_b;         /* the second file; NULL: two conventions */
    int runs;
    struct session a, b;        /* as they are */
    struct difference *differences;
    int ndifferences;
    struct merged *merged;      /* of two files */
    struct unit *units;
    int nunits;
    struct variant *variants;   /* a, b, then for each unit a with it from b, and b with it from a */
    int nvariants;
    struct job *jobs;
    int njobs;
    bool on_valid;              /* the valid data judge; else the training data */
    int measures;               /* the loss, then the metrics */
    const char **measure_names; /* "valid_loss", ... */
    double *values;             /* [job * measures + measure]; NaN: it could not be judged, or the loss was not finite */
    bool *diverged;             /* by job */
    struct effect *sides[3];    /* of a, of b, of b - a; one a measure */
};

/* The trainings of all jobs, on as many processors as there are; fills values and diverged. Which process does which changes no bit. False if one
 * failed, and then it has told why: |out_status| is the exit code. compare_runs.c */
bool compare_run(struct comparison *c, int *out_status);
double compare_value(const struct comparison *c, int variant, int run, int measure);

/* Prints what came out in the format that the options ask for. compare_print.c */
void compare_print(const struct comparison *c);
/* What it comes to for a measure, in words. In the arena. */
const char *compare_verdict(const struct comparison *c, int measure);
/* What stands before and behind the contents of a page. The end prints it and frees |t|. */
void compare_page_begin(struct text *t, const struct comparison *c);
void compare_page_end(struct text *t, struct diag *diag);
/* |text| between quotation marks, for JSON. */
void print_json_text(const char *text);

/* -- two modes (compare_modes.c) -- */

struct mode_side {
    enum mode mode;
    /* May change the lowered graph of a training step before the passes run (not in eager mode, which runs it as it is built): what tests plant a
     * difference with. NULL: it is as it is. */
    void (*edit)(void *context, struct graph *g);
    void *context;
};

/* Where two modes first differ in a bit. */
struct mode_difference {
    bool found;
    int64_t step, epoch;        /* from 1 */
    int64_t steps;              /* compared */
    int values, variables;      /* compared in each */
    const struct node *node;    /* of the lowered graph; NULL: a variable, the loss or an evaluation */
    const char *name;           /* of that one */
    int64_t element;            /* the first that differs */
    double a, b;                /* its values */
};

/* Trains |s| in both modes side by side, from the same bits, and compares every value of every step: first with all nodes of the lowered graph
 * as outputs, then, each as it is really run, the loss, the variables, and in the end the evaluation. Reports and returns false if that fails. */
bool modes_compare(struct session *s, const struct mode_side sides[2], struct mode_difference *out);
int compare_modes(struct cli *cli);
#endif
