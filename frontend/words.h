/* words: the words of the language by kind, each from the table that gives it its meaning. For the editors' grammars. */
#ifndef NNC_FRONTEND_WORDS_H
#define NNC_FRONTEND_WORDS_H
#include "ir/arena.h"

enum words {
    WORDS_RESERVED,     /* lex.l */
    WORDS_SECTIONS,     /* of a file: data, model, train, ..., const, include, follow */
    WORDS_STATEMENTS,   /* of definitions, the model, train and the data block */
    WORDS_TYPES,        /* element types, as types and casts */
    WORDS_PRIMITIVES,   /* builtins.c and ops.def */
    WORDS_PRELUDE,      /* prelude/nnc.nn */
    WORDS_DATA,         /* functions of the data block */
    WORDS_COUNT
};
enum { WORDS_MAX = 512 };

/* Stores at most |max| words of a kind, each once, and gives their number. The texts live as long as |arena|. */
int words_of(enum words kind, struct arena *arena, const char **out, int max);

/* Between the files: what their tables hold. */
int reserved_words(const char **out, int max);          /* lex.l */
int section_words(const char **out, int max);           /* check.c */
int model_words(const char **out, int max);             /* check_statement.c */
int train_words(const char **out, int max);             /* check_train.c */
int data_words(const char **out, int max);              /* data.c */
#endif
