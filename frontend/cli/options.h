/* options: the command line, from the tables commands.def and options.def. */
#ifndef NNC_FRONTEND_CLI_OPTIONS_H
#define NNC_FRONTEND_CLI_OPTIONS_H
#include "ir/diag.h"
#include <stdio.h>

/* EVERY: of each command. ALL: of those that have a model. The others: of the commands whose rows name them. */
enum option_group {
    GROUP_EVERY = 1, GROUP_ALL = 2, GROUP_TRAIN = 4, GROUP_RUN = 8, GROUP_WEIGHTS = 16, GROUP_FORMAT = 32, GROUP_PREDICT = 64, GROUP_DUMP = 128,
    GROUP_OPT = 256, GROUP_FMT = 512, GROUP_BENCH = 1024, GROUP_COMPARE = 2048
};

struct texts {
    const char **text;
    int count;
};

struct options {
#define FLAG bool
#define TEXT const char *
#define EMPTY const char *
#define COUNT int64_t
#define POSITIVE int64_t
#define CHOICE const char *
#define REPEAT struct texts
#define OPTION(field, name, value, kind, groups, help) kind field;
#include "frontend/cli/options.def"
#undef OPTION
#undef FLAG
#undef TEXT
#undef EMPTY
#undef COUNT
#undef POSITIVE
#undef CHOICE
#undef REPEAT
    const char *operand;        /* FILE; NULL if none was given */
    const char *other;          /* a second FILE, for commands that take two; NULL if none was given */
};

struct cli;
struct command {
    const char *name, *operand, *help;
    unsigned groups;
    int (*run)(struct cli *cli); /* gives the exit code; what it reported to cli->diag counts if that is worse */
};
extern const struct command commands[];
extern const int command_count;

/* Reads the words after the command's. Counts that were not given are -1. Reports (exit 2) and returns false if they are wrong. */
bool options_parse(const struct command *command, int count, char **words, struct arena *arena, struct options *out, struct diag *diag);
/* The command of that name, or NULL after a message with the nearest one. */
const struct command *command_find(const char *name, struct diag *diag);
void print_help(FILE *out);
void print_command_help(const struct command *command, FILE *out);
#endif
