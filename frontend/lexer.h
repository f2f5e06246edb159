/* lexer: what lex.l defines. flex's own header would bring its macros along. */
#ifndef NNC_FRONTEND_LEXER_H
#define NNC_FRONTEND_LEXER_H
#include "frontend/parse.h"
#include "frontend/reader.h"

/* A scanner over |text|, which it writes to and which two NUL bytes close, for |r|. Returns 0 if memory is short. */
int lexer_begin(struct reader *r, char *text, size_t length);
void lexer_end(struct reader *r);
/* The next token's kind: TOKEN_YYEOF at the end, TOKEN_NNC_YYerror for a fault that is reported already. |scanner| is
 * r->scanner. */
int nnc_lex(NNC_YYSTYPE *value, struct place *place, void *scanner);
#endif
