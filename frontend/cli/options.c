#include "frontend/cli/options.h"
#include "frontend/cli/cli.h"
#include "frontend/sources.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVERY GROUP_EVERY
#define ALL GROUP_ALL
#define TRAIN GROUP_TRAIN
#define RUN GROUP_RUN
#define WEIGHTS GROUP_WEIGHTS
#define FORMAT GROUP_FORMAT
#define PREDICT GROUP_PREDICT
#define DUMP GROUP_DUMP
#define OPT GROUP_OPT
#define FMT GROUP_FMT
#define BENCH GROUP_BENCH
#define COMPARE GROUP_COMPARE

const struct command commands[] = {
#define COMMAND(id, operand, groups, help) {#id, operand, help, (groups) | EVERY, command_##id},
#include "frontend/cli/commands.def"
#undef COMMAND
};
const int command_count = sizeof commands / sizeof *commands;

enum kind { FLAG, TEXT, EMPTY, COUNT, POSITIVE, CHOICE, REPEAT };

static const struct option {
    const char *name, *value, *help;
    enum kind kind;
    unsigned groups;
    size_t offset;
} options[] = {
#define OPTION(field, name, value, kind, groups, help) {name, value, help, kind, groups, offsetof(struct options, field)},
#include "frontend/cli/options.def"
#undef OPTION
};
enum { OPTIONS = sizeof options / sizeof *options };

static const struct option *
find(const char *name, size_t length, unsigned groups)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length) && options[i].groups & groups)
            return &options[i];
    return NULL;
}

static void
unknown(const char *word, unsigned groups, struct diag *diag)
{
    const char *names[OPTIONS];
    int n = 0;
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].groups & groups)
            names[n++] = options[i].name;
    diag_subject(diag, OPTION_UNKNOWN, "nnc", word);
    const char *near = nearest_name(word, names, n);
    if (near)
        diag_report(diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

/* One of the words of "a|b|c". */
static bool
choose(const struct option *o, const char *value, struct arena *arena, const char **out, struct diag *diag)
{
    const char *names[8];
    int n = 0;
    for (const char *p = o->value; *p; n++) {
        size_t length = strcspn(p, "|");
        names[n] = arena_text(arena, p, length);
        p += length + (p[length] == '|');
    }
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], value)) {
            *out = names[i];
            return true;
        }
    diag_subject(diag, OPTION_CHOICE, o->name, o->value, value);
    const char *near = nearest_name(value, names, n);
    if (near)
        diag_report(diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    return false;
}

static bool
count(const struct option *o, const char *value, int64_t *out, struct diag *diag)
{
    char *end;
    errno = 0;
    const long long least = o->kind == POSITIVE, most = INT32_MAX;
    long long n = strtoll(value, &end, 10);
    if (*end || end == value || errno || n < least || n > most) {
        diag_subject(diag, OPTION_COUNT, o->name, least, most, value);
        return false;
    }
    *out = n;
    return true;
}

static bool
store(const struct option *o, const char *value, struct arena *arena, struct options *out, struct diag *diag)
{
    void *field = (char *)out + o->offset;
    switch (o->kind) {
    case FLAG: *(bool *)field = true; return true;
    case TEXT:
    case EMPTY: *(const char **)field = value; return true;
    case COUNT:
    case POSITIVE: return count(o, value, field, diag);
    case CHOICE: return choose(o, value, arena, field, diag);
    case REPEAT: {
        struct texts *t = field;
        const char **more = ARENA_ARRAY(arena, const char *, t->count + 1);
        if (t->count)
            memcpy(more, t->text, sizeof *more * (size_t)t->count);
        more[t->count++] = value;
        t->text = more;
        return true;
    }
    }
    return false;
}

bool
options_parse(const struct command *command, int n, char **words, struct arena *arena, struct options *out, struct diag *diag)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind == COUNT || options[i].kind == POSITIVE)
            *(int64_t *)((char *)out + options[i].offset) = -1;
    bool ok = true, only_operands = false, unknown_option = false;
    for (int i = 0; i < n; i++) {
        const char *word = words[i];
        if (only_operands || word[0] != '-' || !word[1]) {
            bool two = strchr(command->operand, ' ');
            if (out->operand && (!two || out->other) && !unknown_option) { /* whose value it may be */
                diag_subject(diag, OPERAND_EXTRA, "nnc", word);
                ok = false;
            }
            *(out->operand && two ? &out->other : &out->operand) = word;
            continue;
        }
        if (!strcmp(word, "--")) {
            only_operands = true;
            continue;
        }
        size_t length = strcspn(word, "=");
        const struct option *o = find(word, length, command->groups);
        if (!o) {
            unknown(arena_text(arena, word, length), command->groups, diag);
            ok = false;
            unknown_option = true;
            continue;
        }
        const char *value = word[length] ? word + length + 1 : NULL;
        if (o->kind == FLAG) {
            if (value)
                diag_subject(diag, OPTION_NO_VALUE, o->name);
        } else if (!value && i + 1 < n)
            value = words[++i];
        if (o->kind != FLAG && (!value || (!*value && o->kind != EMPTY))) {
            diag_subject(diag, OPTION_VALUE, o->name, o->value);
            ok = false;
            continue;
        }
        ok &= store(o, value, arena, out, diag);
    }
    if (ok && !out->help && !out->operand && command->operand[0] != '[') {
        diag_subject(diag, OPERAND_MISSING, "nnc", command->name, command->operand);
        ok = false;
    }
    return ok && !diag->errors;
}

const struct command *
command_find(const char *name, struct diag *diag)
{
    const char *names[32];
    int n = 0;
    for (int i = 0; i < command_count; i++) {
        if (!strcmp(commands[i].name, name))
            return &commands[i];
        names[n++] = commands[i].name;
    }
    diag_subject(diag, COMMAND_UNKNOWN, "nnc", name);
    const char *near = nearest_name(name, names, n);
    if (near)
        diag_report(diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    return NULL;
}

void
print_help(FILE *out)
{
    fprintf(out, "nnc compiles a description of a neural network, its data and its training, and runs it.\n\nusage: nnc COMMAND FILE [options]\n\ncommands:\n");
    for (int i = 0; i < command_count; i++)
        fprintf(out, "  %-8s %-10s %s\n", commands[i].name, commands[i].operand, commands[i].help);
    fprintf(out, "\n`nnc help COMMAND` shows the options of a command.\n");
}

void
print_command_help(const struct command *command, FILE *out)
{
    fprintf(out, "usage: nnc %s %s [options]\n\n%s\n\noptions:\n", command->name, command->operand, command->help);
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].groups & command->groups) {
            char left[64];
            snprintf(left, sizeof left, "%s%s%s", options[i].name, options[i].value ? " " : "", options[i].value ? options[i].value : "");
            fprintf(out, "  %-28s %s\n", left, options[i].help);
        }
}

bool
use_color(const struct options *o, int descriptor)
{
    if (o->color && strcmp(o->color, "auto"))
        return !strcmp(o->color, "always");
    const char *none = getenv("NO_COLOR");
    return isatty(descriptor) && !(none && *none);
}
