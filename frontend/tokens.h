/* tokens: the filter between lexer and parser. It hands out a newline only where it ends a statement, keeps the list of open
 * brackets, and leads the parser out of faulty statements. */
#ifndef NNC_FRONTEND_TOKENS_H
#define NNC_FRONTEND_TOKENS_H
#include "frontend/parse.h"

/* The parser's yylex. */
int tokens_next(NNC_YYSTYPE *value, struct place *place, struct reader *r);
/* A fault was reported: newlines inside brackets end nothing until the statement's brackets are closed or a brace comes. */
void tokens_recover(struct reader *r);
/* The parser has found its way again. */
void tokens_recovered(struct reader *r);
/* The innermost bracket, ( or [, that is open; NULL if none. */
const struct opening *tokens_unclosed(const struct reader *r);
bool tokens_is_comparison(int kind);
/* Whether a newline after |kind| ends no statement: operators, comma, = ? : */
bool tokens_continue_line(int kind);
#endif
