/* nnc-manual: writes the manual page and the completions of shells from commands.def and options.def; run by the build.
 *
 *     nnc-manual man|bash|zsh */
#include "frontend/cli/options.h"
#include <string.h>

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

static const struct { const char *name, *operand, *help; unsigned groups; } all[] = {
#define COMMAND(id, operand, groups, help) {#id, operand, help, (groups) | GROUP_EVERY},
#include "frontend/cli/commands.def"
#undef COMMAND
};
enum { COMMANDS = sizeof all / sizeof *all };

enum kind { FLAG, TEXT, EMPTY, COUNT, POSITIVE, CHOICE, REPEAT };
static const struct { const char *name, *value, *help; enum kind kind; unsigned groups; } options[] = {
#define OPTION(field, name, value, kind, groups, help) {name, value, help, kind, groups},
#include "frontend/cli/options.def"
#undef OPTION
};
enum { OPTIONS = sizeof options / sizeof *options };

/* ---- the manual page ---- */

/* Text for troff: no hyphen becomes a dash, no line begins a request. */
static void
put_troff(const char *text)
{
    if (*text == '.' || *text == '\'')
        printf("\\&");
    for (; *text; text++) {
        if (*text == '-' || *text == '\\')
            printf(*text == '-' ? "\\-" : "\\e");
        else
            putchar(*text);
    }
}

static void
put_options(unsigned groups)
{
    for (int i = 0; i < OPTIONS; i++) {
        if (!(options[i].groups & groups))
            continue;
        printf(".TP\n.B ");
        put_troff(options[i].name);
        if (options[i].value) {
            printf(" \\fI");
            put_troff(options[i].value);
            printf("\\fR");
        }
        printf("\n");
        put_troff(options[i].help);
        printf("\n");
    }
}

static void
write_man(void)
{
    printf(".TH NNC 1 \"\" \"nnc " NNC_VERSION "\" \"User Commands\"\n.SH NAME\nnnc \\- compiles and runs descriptions of neural networks\n"
           ".SH SYNOPSIS\n.B nnc\n.I COMMAND FILE\n[options]\n.SH DESCRIPTION\nA .nn file describes a model, its data and its training. "
           "nnc checks it, trains it, evaluates it and predicts with it; the results do not depend on how it is run.\n.SH COMMANDS\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf(".SS nnc %s ", all[i].name);
        put_troff(all[i].operand);
        printf("\n");
        put_troff(all[i].help);
        printf(".\n");
        put_options(all[i].groups & ~(unsigned)(GROUP_EVERY | GROUP_ALL));
    }
    printf(".SH OPTIONS OF ALL COMMANDS\n");
    put_options(GROUP_EVERY);
    printf(".SH OPTIONS OF COMMANDS THAT HAVE A MODEL\nAll but");
    const char *between = " ";
    for (int i = 0; i < COMMANDS; i++)
        if (!(all[i].groups & GROUP_ALL)) {
            printf("%s%s", between, all[i].name);
            between = ", ";
        }
    printf(":\n");
    put_options(GROUP_ALL);
    printf(".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nthe model, the data or a file is at fault; the message says where\n.TP\n.B 2\n"
           "wrong command line\n.TP\n.B 3\nthe machine failed: disk full, out of memory\n.TP\n.B 70\na fault of nnc itself\n.TP\n"
           ".B 130, 143, 129\nended by Ctrl\\-C, SIGTERM or SIGHUP after the current step was done and saved\n");
}

/* ---- completions ---- */

static void
put_choices(const char *value, const char *between)
{
    for (; *value; value++) {
        if (*value == '|')
            fputs(between, stdout);
        else
            putchar(*value);
    }
}

static void
write_bash(void)
{
    printf("# bash completion of nnc\n_nnc() {\n    local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" words\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"");
    for (int i = 0; i < COMMANDS; i++)
        printf("%s%s", i ? " " : "", all[i].name);
    printf("\" -- \"$cur\"))\n        return\n    fi\n    case \"${COMP_WORDS[1]} $prev\" in\n");
    for (int i = 0; i < COMMANDS; i++)
        for (int k = 0; k < OPTIONS; k++)
            if (options[k].kind == CHOICE && options[k].groups & all[i].groups) {
                printf("        \"%s %s\") COMPREPLY=($(compgen -W \"", all[i].name, options[k].name);
                put_choices(options[k].value, " ");
                printf("\" -- \"$cur\")); return ;;\n");
            }
    printf("    esac\n    if [[ \"$cur\" != -* ]]; then\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n        return\n    fi\n"
           "    case \"${COMP_WORDS[1]}\" in\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf("        %s) words=\"", all[i].name);
        for (int k = 0; k < OPTIONS; k++)
            if (options[k].groups & all[i].groups)
                printf("%s ", options[k].name);
        printf("\" ;;\n");
    }
    printf("    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o filenames -F _nnc nnc\n");
}

/* Text inside '...[...]' of _arguments. */
static void
put_zsh(const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            putchar('\\');
        if (*text == '\'')
            fputs("'\\'", stdout);
        putchar(*text);
    }
}

static void
write_zsh(void)
{
    printf("#compdef nnc\n_nnc() {\n    local -a commands\n    commands=(\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf("        '%s:", all[i].name);
        put_zsh(all[i].help);
        printf("'\n");
    }
    printf("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n    case $words[2] in\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf("        %s) _arguments '2:%.*s:_files'", all[i].name, all[i].operand[0] == '[' ? 0 : (int)strcspn(all[i].operand, " "), all[i].operand);
        if (strchr(all[i].operand, ' '))
            printf(" '3::FILE:_files'"); /* may be left out */
        for (int k = 0; k < OPTIONS; k++) {
            if (!(options[k].groups & all[i].groups))
                continue;
            printf(" \\\n            '%s%s[", options[k].kind == REPEAT ? "*" : "", options[k].name);
            put_zsh(options[k].help);
            printf("]");
            if (options[k].kind == CHOICE) {
                printf(":value:(");
                put_choices(options[k].value, " ");
                printf(")");
            } else if (options[k].value) {
                printf(":");
                put_zsh(options[k].value);
                printf(":_files");
            }
            printf("'");
        }
        printf(" ;;\n");
    }
    printf("    esac\n}\n_nnc \"$@\"\n");
}

int
main(int argc, char **argv)
{
    static const struct { const char *name; void (*write)(void); } kinds[] = {{"man", write_man}, {"bash", write_bash}, {"zsh", write_zsh}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (argc == 2 && !strcmp(argv[1], kinds[i].name)) {
            kinds[i].write();
            return fflush(stdout) || ferror(stdout) ? 3 : 0;
        }
    fprintf(stderr, "usage: nnc-manual man|bash|zsh\n");
    return 2;
}
