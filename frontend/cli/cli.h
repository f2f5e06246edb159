/* cli: what the commands share. */
#ifndef NNC_FRONTEND_CLI_CLI_H
#define NNC_FRONTEND_CLI_CLI_H
#include "frontend/cli/draws.h"
#include "frontend/cli/options.h"
#include "frontend/cli/program.h"
#include "frontend/data.h"
#include "runtime/train.h"

struct cli {
    struct arena *arena;
    struct diag *diag;
    struct sources sources;
    struct options options;
};

/* One .nn file on its way through a command. */
struct session {
    struct cli *cli;
    struct arena *arena;
    struct diag *diag;
    struct experiment *x;
    const struct model *model;
    struct data_result data;
    bool data_ran;
    struct read_file *read_files;   /* those that the data block opened, the last one first */
    struct set {
        struct tensor *inputs;      /* a tensor an input of the model; data is NULL where there is none */
        struct data_set_view view;
        bool exists;
    } train, valid, given;          /* given: by --input */
    struct data_result *results;    /* while --input is read */
    int nresults;
    struct arena_undo undo;
    struct draws draws;             /* of a convention's streams */
    struct model_info info;         /* with the variables' tensors */
    int64_t seed;
    struct checkpoint_position at;  /* of the weights that were loaded; zeros if there are none, or not nnc's */
    struct threads *threads;        /* of --threads; session_program makes them, session_close frees them */
    lowered_fn *lowered;            /* of its programs: struct program_options */
    void *lowered_context;
};

enum needs { NEEDS_TRAIN = 1, NEEDS_VALID = 2, TARGETS_OPTIONAL = 4 };

/* Checks the file with the options of the command line. False if there were errors. */
bool session_open(struct session *s, struct cli *cli);
/* The same for another file and convention (NULL: the file's), mixed as |mixture| says (NULL: not). */
bool session_open_mixed(struct session *s, struct cli *cli, const char *path, const char *follow, const struct mixture *mixture);
/* Runs the data block and converts what it binds. A set that |needs| names must be there. */
bool session_data(struct session *s, unsigned needs);
/* Whether there is an optimizer, a loss and a weight; a message if not. */
bool session_trains(struct session *s);
/* Makes the variables with their initial values for the seed; loads |weights| (NULL: none) over them. */
bool session_variables(struct session *s, const char *weights);
/* The values of the variables that session_variables made, once more: initial ones for s->seed, and |weights| over them. */
bool session_initialize(struct session *s, const char *weights);
/* session_variables with --weights, which a model that has weights needs. eval.c */
bool session_weights(struct session *s);
/* The numbers of an evaluation of the weights that were loaded. eval.c */
struct step_numbers session_numbers(const struct session *s);
/* What the command line says about a program; what it is for is the caller's to add. */
bool session_program_options(struct session *s, struct program_options *o);
/* The program for --mode; its owner destroys it before session_close. */
bool session_program(struct session *s, int64_t train_rows, int64_t eval_rows, bool outputs_only, struct program *out);
void session_close(struct session *s);
/* What --input gives for the inputs, NAME=VALUE each, as a set. */
bool session_inputs(struct session *s, const struct texts *inputs, struct set *out);

/* -- fits.c: what the data block fitted -- */

/* What the data block fitted becomes what checkpoints keep. */
void session_keep(struct session *s);
/* Gives the variables of `inverse` their values: of the data if they were read, else of |weights| (may be NULL). */
bool session_inverse(struct session *s, const char *weights);
/* The value of |text|, NAME=FILE or NAME=EXPRESSION of the data block, into |b|, whose name and place are known; with --raw what was fitted on
 * that input is done to it. The memory is |r|'s, to be freed with data_free in any case. */
bool session_input(struct session *s, const char *text, struct data_binding *b, struct data_result *r);

#define COMMAND(id, ...) int command_##id(struct cli *cli);
#include "frontend/cli/commands.def"
#undef COMMAND

/* Whether the option or the machine's build asks for that mode; reports (exit 2) where it cannot be had. */
bool chosen_mode(const struct cli *cli, enum mode *out);
/* The set of passes that --without names, and layout with --gemm openblas. */
bool chosen_without(const struct cli *cli, uint32_t *out);
enum gemm chosen_gemm(const struct cli *cli);
struct code_options chosen_code(const struct cli *cli);

/* -- reading.c -- */

/* Shows on the standard error how far the reading of a data file is, if that takes over a second (nothing with --quiet), and notes the file. */
struct data_watch reading_watch(struct session *s);
/* Reads the files that were noted once more, for what they hold. */
void reading_remember(struct session *s);
/* Whether they hold it still, at the end of that epoch: looks at sizes and times first. Reports (exit 1) those that do not. */
bool reading_unchanged(struct session *s, int64_t epoch);
bool use_color(const struct options *o, int descriptor);
#endif
