/* ast: a .nn file as a tree, as it stands in the text. What names mean is the checker's affair.
 *
 * Everything lives in one arena. Names are interned: equal names are equal pointers (sources.h, source_name). */
#ifndef NNC_FRONTEND_AST_H
#define NNC_FRONTEND_AST_H
#include "ir/diag.h"

enum ast_kind {
    /* expressions */
    AST_NUMBER,    /* number, whole */
    AST_STRING,    /* text */
    AST_BOOL,      /* whole: 0 or 1 */
    AST_NAME,      /* text */
    AST_ELLIPSIS,  /* ... in a list of dimensions */
    AST_LIST,      /* [a, b, ...]: args */
    AST_UNARY,     /* op child[0]: '-' or AST_NOT */
    AST_BINARY,    /* child[0] op child[1] */
    AST_COND,      /* child[0] ? child[1] : child[2] */
    AST_CALL,      /* child[0](args) */
    AST_INDEX,     /* child[0][args]; also element types: f32[N, 10] */
    AST_FIELD,     /* child[0].text */
    AST_RANGE,     /* child[0] : child[1], each may be NULL; in indices and arguments */
    AST_COUNT,     /* child[0] .. child[1] of repeat, both included */
    /* statements */
    AST_BLOCK,     /* body: statements in order */
    AST_BIND,      /* names = child[0]; one name, or several: x, y = windows(...) */
    AST_WORD,      /* text args: every statement that begins with a word which is not reserved */
    AST_IF,        /* child[0] condition, child[1] block, child[2] block, AST_IF or NULL */
    AST_REPEAT,    /* repeat names[0] in child[0] (AST_COUNT) child[1] (block) */
    AST_SCAN,      /* scan names[0] in child[0] [reversed: whole = 1] carry args child[1] (block) as names[1..] */
    AST_YIELD,     /* yield args */
    AST_RETURN,    /* return args */
    AST_SECTION,   /* text (data, model, train, convention) [names[0]] child[0] (block): WORD NAME? { ... } */
    AST_DEFINITION /* op: AST_FUNCTION ... AST_OPTIMIZER; names[0]; args are the parameters; child[0] block */
};

/* Operators and definition words, in `op`. One-character operators are that character. */
enum ast_op {
    AST_OR = 256, AST_AND, AST_NOT, AST_EQ, AST_NE, AST_LE, AST_GE, AST_FLOORDIV,
    AST_FUNCTION, AST_LAYER, AST_INITIALIZER, AST_SCHEDULE, AST_OPTIMIZER
};

/* One argument or parameter: `value`, `name = value`, `name: type`, `name: type = value`.
 * In statements a word may stand before one: split x, c into train, valid by 0.2 (word = "into", word = "by").
 * A range among the arguments of a call, t.columns(0:4), is an AST_RANGE value; `a:b` with a name first is read as name: type. */
struct ast_arg {
    const char *word;      /* NULL if a comma or nothing stood before */
    const char *name;      /* NULL if none */
    struct ast *type;      /* NULL if none */
    struct ast *value;     /* NULL if none */
    struct place place;    /* of the whole argument's first token (the name, if there is one) */
};

struct ast_name {
    const char *text;
    struct place place;
};

struct ast {
    enum ast_kind kind;
    int op;
    struct place place;    /* the token that carries the caret: the operator, the called name, the first token */
    const char *text;
    double number;         /* AST_NUMBER: its value */
    int64_t whole;         /* AST_NUMBER: its value if is_whole */
    bool is_whole;         /* AST_NUMBER without point and exponent, in range of i64 */
    struct ast *child[3];
    struct ast_arg *args;
    int nargs;
    struct ast_name *names;
    int nnames;
    struct ast **body;     /* AST_BLOCK */
    int nbody;
    int32_t end_line;      /* AST_BLOCK: the line of its closing brace; for the layout */
    int id;                /* numbers the tree's nodes of one file, from 0 */
    int depth;             /* of the tree below, at most 256: walks may recurse */
};

/* A comment with its place, for fmt; in the order of the text. |alone|: nothing stands before it on its line. */
struct ast_comment {
    struct place place;
    const char *text;      /* with its # */
    bool alone;
};

struct ast_file {
    struct ast *block;     /* the statements of the file; NULL if it could not be read at all */
    struct ast_comment *comments;
    int ncomments;
    int nodes;               /* ids are below this */
    struct sources *sources; /* where the text lies, for the layout */
    int file;                /* its number there */
};
#endif
