/* nnc-editors FOLDER: writes what editors need to colour .nn files, from the tables of the language: nn.vim and ftdetect.vim
 * (for Vim), nn.tmLanguage.json (a TextMate grammar, as VS Code and others take it), and nn.dict (a fuzzer's words). Run by
 * the build. */
#include "frontend/words.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How a kind of word is called in Vim and in TextMate. */
static const struct {
    const char *vim, *vim_group, *textmate;
} kinds[WORDS_COUNT] = {
    [WORDS_RESERVED] = {"nnReserved", "Keyword", "keyword.control.nn"},
    [WORDS_SECTIONS] = {"nnSection", "Structure", "storage.type.nn"},
    [WORDS_STATEMENTS] = {"nnStatement", "Statement", "keyword.other.nn"},
    [WORDS_TYPES] = {"nnType", "Type", "support.type.nn"},
    [WORDS_PRIMITIVES] = {"nnPrimitive", "Function", "support.function.primitive.nn"},
    [WORDS_PRELUDE] = {"nnPrelude", "Identifier", "support.function.prelude.nn"},
    [WORDS_DATA] = {"nnData", "Special", "support.function.data.nn"},
};

/* Sections and statements begin a line, or stand after { or ;: their words are free as names elsewhere. */
static int
leads(enum words kind)
{
    return kind == WORDS_SECTIONS || kind == WORDS_STATEMENTS;
}

static void
write_words(FILE *out, enum words kind, const char *between)
{
    const char *words[WORDS_MAX];
    struct arena arena;
    arena_init(&arena, NULL);
    int n = words_of(kind, &arena, words, WORDS_MAX);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s%s", i ? between : "", words[i]);
    arena_free(&arena);
}

static void
write_vim(FILE *out)
{
    fprintf(out, "\" Vim syntax file of .nn, the language of nnc. Written by nnc-editors from the tables of the language.\n"
                 "if exists(\"b:current_syntax\")\n  finish\nendif\n");
    for (int k = WORDS_COUNT - 1; k >= 0; k--) { /* what comes later wins */
        if (leads((enum words)k)) {
            fprintf(out, "syntax match %s /\\%%(^\\|[{;]\\)\\s*\\zs\\%%(", kinds[k].vim);
            write_words(out, (enum words)k, "\\|");
            fprintf(out, "\\)\\>\\%%(\\s*[=(.]\\)\\@!/\n");
        } else {
            fprintf(out, "syntax keyword %s ", kinds[k].vim);
            write_words(out, (enum words)k, " ");
            fprintf(out, "\n");
        }
    }
    fprintf(out, "syntax match nnNumber "
                 "/\\<\\d\\+\\%%(\\.\\d\\+\\)\\?\\%%([eE][-+]\\?\\d\\+\\)\\?\\>"
                 "\\|\\%%(\\w\\|\\.\\)\\@<!\\.\\d\\+\\%%([eE][-+]\\?\\d\\+\\)\\?/\n"
                 "syntax region nnString start=/\"/ skip=/\\\\./ end=/\"/ oneline\n"
                 "syntax match nnComment /#.*$/\n"
                 "syntax match nnDimension /\\<N\\>/\n"
                 "highlight default link nnNumber Number\nhighlight default link nnString String\n"
                 "highlight default link nnComment Comment\nhighlight default link nnDimension Constant\n");
    for (int k = 0; k < WORDS_COUNT; k++)
        fprintf(out, "highlight default link %s %s\n", kinds[k].vim, kinds[k].vim_group);
    fprintf(out, "let b:current_syntax = \"nn\"\n");
}

static void
write_detection(FILE *out)
{
    fprintf(out, "\" Which files are .nn files of nnc.\nautocmd BufRead,BufNewFile *.nn setfiletype nn\n");
}

static void
write_textmate(FILE *out)
{
    fprintf(out, "{\n  \"name\": \"nn\",\n  \"scopeName\": \"source.nn\",\n  \"fileTypes\": [\"nn\"],\n  \"patterns\": [\n"
                 "    {\"name\": \"comment.line.number-sign.nn\", \"match\": \"#.*$\"},\n"
                 "    {\"name\": \"string.quoted.double.nn\", \"begin\": \"\\\"\", \"end\": \"\\\"|$\", \"patterns\": "
                 "[{\"name\": \"constant.character.escape.nn\", \"match\": \"\\\\\\\\.\"}]},\n"
                 "    {\"name\": \"constant.numeric.nn\", \"match\": "
                 "\"(?<![\\\\w.])(\\\\d+(\\\\.\\\\d+)?|\\\\.\\\\d+)([eE][-+]?\\\\d+)?\\\\b\"},\n");
    for (int k = 0; k < WORDS_COUNT; k++) {
        fprintf(out, "    {\"name\": \"%s\", \"match\": \"%s(", kinds[k].textmate,
                leads((enum words)k) ? "(?:^|(?<=[{;]))\\\\s*\\\\b" : "\\\\b");
        write_words(out, (enum words)k, "|");
        fprintf(out, ")\\\\b%s\"},\n", leads((enum words)k) ? "(?!\\\\s*[=(.])" : "");
    }
    fprintf(out, "    {\"name\": \"constant.language.nn\", \"match\": \"\\\\bN\\\\b\"}\n  ]\n}\n");
}

static void
write_dictionary(FILE *out)
{
    for (int k = 0; k < WORDS_COUNT; k++) {
        fprintf(out, "\"");
        write_words(out, (enum words)k, "\"\n\"");
        fprintf(out, "\"\n");
    }
}

static int
write_file(const char *folder, const char *name, void (*write)(FILE *))
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    if (out)
        write(out);
    if (!out || ferror(out) || fclose(out)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: nnc-editors FOLDER\n");
        return 2;
    }
    return write_file(argv[1], "nn.vim", write_vim) | write_file(argv[1], "ftdetect.vim",
                                                                 write_detection) | write_file(argv[1],
        "nn.tmLanguage.json", write_textmate) |
           write_file(argv[1], "nn.dict", write_dictionary);
}
