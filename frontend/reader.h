/* reader: what lexer, token filter, parser and formatter of one file share. Private to lex.l, tokens.c, parse.y, tree.c and
 * fmt.c. */
#ifndef NNC_FRONTEND_READER_H
#define NNC_FRONTEND_READER_H
#include "frontend/sources.h"

enum {
    NESTING_MAX = 256,       /* brackets, blocks, depth of the tree: so that walks over it may recurse */
    NAME_BYTES_MAX = 255,
    READ_ERRORS_MAX = 100,   /* after so many the rest of the file is not read */
    READ_NODES_MAX = 1 << 18 /* nodes of the tree, and comments, of one file */
};

/* Values of tokens and of unfinished lists. */
struct number {
    double number;
    int64_t whole;
    bool is_whole;
};
struct arg_list {
    struct ast_arg *at;
    int count, cap;
};
struct name_list {
    struct ast_name *at;
    int count, cap;
};
struct node_list {
    struct ast **at;
    int count, cap;
};

/* A bracket or brace that is not closed yet. */
struct opening {
    int kind; /* ( [ or { */
    struct place place;
};

struct reader {
    struct sources *sources;
    struct arena *arena;
    struct diag *diag;
    int file;
    jmp_buf no_memory;
    int failures;
    bool silent;           /* nothing more is reported */
    bool stop;             /* nothing more is read */

    /* lexer */
    void *scanner;
    char *base;            /* the text as it is scanned */
    size_t length;
    int32_t line, column;  /* of the next character */
    size_t at, size;       /* bytes of the last token in |base| */
    bool line_begun;       /* a token stands before on this line */
    struct ast_comment *comments;
    int ncomments, comments_cap;

    /* filter */
    struct opening open[NESTING_MAX];
    int nopen;
    bool unopened;         /* the last token is a brace that closes nothing */
    int before, last;      /* the kinds of the last two tokens that the parser got */
    struct place before_place, last_place;
    bool recovering;       /* the rest of a faulty statement is being skipped */
    struct token *held;    /* the next token if it was read ahead, else NULL; it is |room| */
    struct token *room;

    /* parser */
    struct ast *root;
    int nodes;
};

typedef void reader_body(struct reader *r, void *context);
/* Points the zeroed |r| to source number |file| and calls |body|, whose tokens come from it; errors go to |diag|, nodes and
 * texts to the arena of |s|. If the arena has no more memory, |body| is left, the text is as it was before, and the failure
 * goes on as the arena demands: to its jump buffer, or it is reported and false returned. */
bool reader_run(struct reader *r, struct sources *s, int file, struct diag *diag, reader_body *body, void *context);
/* Counts one more fault; to be called after each report. Too many stop the reading. */
void reader_failed(struct reader *r);
/* The last token as users see it, cut to 40 characters. */
const char *reader_shown(struct reader *r);
/* The reserved word of a token kind, or NULL. */
const char *reserved_word(int kind);
#endif
