/* Help, the manual page and the completions of shells name exactly the options that each command takes. */
#include "frontend/cli/options.h"
#include "ir/arena.h"
#include "tests/unit/golden_text.h"
#include "tests/unit/run_program.h"

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
enum kind { FLAG, TEXT, EMPTY, COUNT, POSITIVE, CHOICE, REPEAT };
static const struct row {
    const char *name, *value;
    enum kind kind;
    unsigned groups;
} rows[] = {
#define OPTION(field, name, value, kind, groups, help) {name, value, kind, groups},
#include "frontend/cli/options.def"
#undef OPTION
};
enum { ROWS = sizeof rows / sizeof *rows };

/* A text that grows; end() gives it to the caller. */
struct words {
    FILE *out;
    char *text;
    size_t size;
};

static void
begin(struct words *w)
{
    w->text = NULL;
    w->out = open_memstream(&w->text, &w->size);
    cr_assert(w->out);
}

static char *
end(struct words *w)
{
    fclose(w->out);
    return w->text;
}

/* "--a --b " of the rows of these groups. */
static char *
expected(unsigned groups)
{
    struct words w;
    begin(&w);
    for (int i = 0; i < ROWS; i++)
        if (rows[i].groups & groups)
            fprintf(w.out, "%s ", rows[i].name);
    return end(&w);
}

/* The words that stand behind each |mark| in the bytes before |stop|, up to one of |ends|; backslashes are left out. */
static char *
found(const char *text, const char *stop, const char *mark, const char *before, const char *ends)
{
    struct words w;
    begin(&w);
    for (const char *p = text; (p = strstr(p, mark)) && p < stop; p++) {
        const char *word = p + strlen(before);
        for (size_t n = strcspn(word, ends); n > 0; n--, word++)
            if (*word != '\\')
                putc(*word, w.out);
        putc(' ', w.out);
    }
    return end(&w);
}

static void
expect_words(char *have, char *want, const char *where, const char *command)
{
    cr_expect(!strcmp(have, want), "%s, %s:\n%s\nin the tables:\n%s", where, command, have, want);
    free(have);
    free(want);
}

static char *
written(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", NNC_SHARE, name);
    char *text = golden_read(path);
    cr_assert(text, "%s is missing", path);
    return text;
}

Test(help, names_the_options_of_each_command)
{
    struct run r;
    run_init(&r);
    for (int i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        cr_assert_eq(run_nnc(&r, "help %s", c->name), 0, "%s", r.text);
        expect_words(found(r.text, r.text + strlen(r.text), "\n  --", "\n  ", " \n"), expected(c->groups), "help", c->name);
        char *first = r.text;
        r.text = NULL;
        cr_assert_eq(run_nnc(&r, "%s --help", c->name), 0, "%s", r.text);
        cr_expect_str_eq(first, r.text, "%s", c->name);
        free(first);
    }
    cr_assert_eq(run_nnc(&r, "help"), 0);
    for (int i = 0; i < command_count; i++) {
        char line[128];
        snprintf(line, sizeof line, "\n  %-8s %-10s %s\n", commands[i].name, commands[i].operand, commands[i].help);
        cr_expect(strstr(r.text, line), "%s", commands[i].name);
    }
    run_end(&r);
}

/* Whether the command takes the option; what it then says besides is counted as a fault. */
static bool
takes(const struct command *c, const struct row *o, struct arena *arena)
{
    struct options out;
    struct diag diag;
    char name[64], value[64];
    snprintf(name, sizeof name, "%s", o->name);
    snprintf(value, sizeof value, "%.*s", o->kind == CHOICE ? (int)strcspn(o->value, "|") : 1, o->kind == CHOICE ? o->value : "1");
    char operand[] = "operand", *words[] = {operand, name, value};
    diag_init(&diag, arena);
    bool ok = options_parse(c, o->kind == FLAG ? 2 : 3, words, arena, &out, &diag);
    cr_expect(ok == !diag.first && (ok || strstr(diag.first->message, "unknown option")), "%s %s: %s", c->name, o->name,
              diag.first ? diag.first->message : "refused without a word");
    return ok;
}

Test(help, commands_take_their_own_options_only)
{
    static const struct row none = {"--no-such-option", NULL, FLAG, 0};
    struct arena arena;
    arena_init(&arena, NULL);
    for (int i = 0; i < command_count; i++) {
        cr_expect(!takes(&commands[i], &none, &arena), "%s", commands[i].name);
        for (int k = 0; k < ROWS; k++) {
            unsigned groups = 0; /* of all options of this name; each command has at most one of them */
            int same = 0;
            for (int l = 0; l < ROWS; l++)
                if (!strcmp(rows[l].name, rows[k].name)) {
                    groups |= rows[l].groups;
                    same += (rows[l].groups & commands[i].groups) != 0;
                }
            cr_expect(same <= 1, "%s has %d options %s", commands[i].name, same, rows[k].name);
            bool own = rows[k].groups & commands[i].groups, other = !own && groups & commands[i].groups;
            if (!other)
                cr_expect_eq(takes(&commands[i], &rows[k], &arena), own, "%s %s", commands[i].name, rows[k].name);
        }
    }
    arena_free(&arena);
}

Test(help, manual_page)
{
    char *page = written("man/man1/nnc.1"), *all = strstr(page, "\n.SH OPTIONS OF ALL COMMANDS\n");
    cr_assert(all);
    for (int i = 0; i < command_count; i++) {
        char title[64];
        snprintf(title, sizeof title, "\n.SS nnc %s ", commands[i].name);
        char *section = strstr(page, title);
        cr_assert(section, "%s", title);
        char *next = strstr(section + 1, "\n.SS "), *stop = next && next < all ? next : all;
        expect_words(found(section, stop, "\n.B \\-", "\n.B ", " \n"), expected(commands[i].groups & ~(unsigned)(GROUP_EVERY | GROUP_ALL)), "man",
                     commands[i].name);
    }
    char *stop = strstr(all + 1, "\n.SH ");
    cr_assert(stop);
    expect_words(found(all, stop, "\n.B \\-", "\n.B ", " \n"), expected(GROUP_EVERY), "man", "all commands");
    cr_assert(!strncmp(stop, "\n.SH OPTIONS OF COMMANDS THAT HAVE A MODEL\nAll but fmt, new, models, help:\n", 70));
    char *behind = strstr(stop + 1, "\n.SH ");
    expect_words(found(stop, behind, "\n.B \\-", "\n.B ", " \n"), expected(GROUP_ALL), "man", "commands with a model");
    free(page);
}

/* zsh's file as text: one _arguments for each command. */
Test(help, zsh_completion)
{
    char *text = written("zsh/site-functions/_nnc");
    for (int i = 0; i < command_count; i++) {
        char title[64], described[64];
        snprintf(title, sizeof title, "\n        %s) _arguments ", commands[i].name);
        snprintf(described, sizeof described, "\n        '%s:", commands[i].name);
        char *section = strstr(text, title);
        cr_assert(section && strstr(text, described), "%s", commands[i].name);
        char *stop = strstr(section, " ;;\n"), *lines = found(section, stop, "\n            '", "\n            '", "[");
        struct words w;
        begin(&w); /* an option that may be repeated is marked by a star */
        for (char *p = lines; *p; p++)
            if (*p != '*')
                putc(*p, w.out);
        free(lines);
        expect_words(end(&w), expected(commands[i].groups), "zsh", commands[i].name);
        char *second = strstr(section, " '3::FILE:_files'");
        cr_expect_eq(second && second < stop, strchr(commands[i].operand, ' ') != NULL, "%s completes its operands", commands[i].name);
    }
    free(text);
}

/* What bash completes at the end of `nnc WORDS`: the words of COMPREPLY, each with a space behind it. */
static char *
bash_words(const char *words, int at)
{
    char command[2048];
    snprintf(command, sizeof command,
             "bash --norc -c '. \"%s/bash-completion/completions/nnc\"; COMP_WORDS=(nnc %s); COMP_CWORD=%d; _nnc; "
             "printf \"%%s \" \"${COMPREPLY[@]}\"'",
             NNC_SHARE, words, at);
    FILE *p = popen(command, "r");
    cr_assert(p);
    struct words w;
    begin(&w);
    for (int c; (c = getc(p)) != EOF;)
        putc(c, w.out);
    cr_assert(!pclose(p), "%s", command);
    return end(&w);
}

Test(help, bash_completion, .timeout = 60)
{
    struct words w;
    if (system("bash --version >/dev/null 2>&1"))
        cr_skip_test("bash is missing");
    begin(&w);
    for (int i = 0; i < command_count; i++)
        fprintf(w.out, "%s ", commands[i].name);
    expect_words(bash_words("\"\"", 1), end(&w), "bash", "the commands");
    for (int i = 0; i < command_count; i++) {
        char words[128];
        snprintf(words, sizeof words, "%s --", commands[i].name);
        expect_words(bash_words(words, 2), expected(commands[i].groups), "bash", commands[i].name);
        for (int k = 0; k < ROWS; k++) {
            if (rows[k].kind != CHOICE || !(rows[k].groups & commands[i].groups))
                continue;
            snprintf(words, sizeof words, "%s %s \"\"", commands[i].name, rows[k].name);
            begin(&w);
            for (const char *p = rows[k].value; *p; p++)
                putc(*p == '|' ? ' ' : *p, w.out);
            putc(' ', w.out);
            expect_words(bash_words(words, 3), end(&w), words, commands[i].name);
        }
    }
}
