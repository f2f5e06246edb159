/* text: what the printer and the reader of the text form share. Private to ir/. */
#ifndef NNC_IR_TEXT_H
#define NNC_IR_TEXT_H
#include "ir/graph.h"

enum { TEXT_NUMBER = 48 };

/* The shortest decimal text that is read back to the same bits, as f32 if |single|; "nan", "inf", "-inf", "-0" too. */
char *text_number(double value, bool single, char buffer[TEXT_NUMBER]);
/* The value of a decimal text in C's form, rounded once to f32 or f64. Does not depend on the locale. */
double text_to_number(const char *text, bool single);
/* Words of the text form that no input may be named: true, nan, return, ... */
bool text_word(const char *text, size_t length);

/* A text that is read from its front. */
struct reader {
    struct arena *arena;
    struct diag *diag;
    struct module *module;
    const char *text, *at, *end; /* |at|: what is left */
    int file;
    bool failed;
};

struct place scan_place(const struct reader *r, const char *at);
/* What stands at |at|, for a message. */
const char *scan_found(const struct reader *r, const char *at);
/* Reports the first fault, with the arguments of its text; the rest of the text is not looked at. */
#define FAULT(r, where, code, ...)                                                                       \
    ((r)->failed ? (void)0 : diag_report((r)->diag, code, scan_place((r), (where)), ##__VA_ARGS__),        \
     (r)->failed = true, (r)->at = (r)->end, (void)0)
void scan_fault(struct reader *r, const char *what);

bool scan_is_name(char c);
void scan_space(struct reader *r); /* and comments */
/* The next character that is no space; 0 at the end. */
char scan_next(struct reader *r);
/* Takes |text| if it stands next; a word only if it does not go on. */
bool scan_accept(struct reader *r, const char *text);
void scan_expect(struct reader *r, const char *text);
/* |prefix| characters and a run of name characters; "" and a fault if there is none. */
const char *scan_name(struct reader *r, int prefix, const char *what);
const char *scan_quoted(struct reader *r);
bool scan_at_number(struct reader *r);
/* Takes what looks like a number, "-inf" included. */
const char *scan_number_piece(struct reader *r);
double scan_real(struct reader *r, bool single);
uint64_t scan_unsigned(struct reader *r, uint64_t max);
int64_t scan_whole(struct reader *r, int64_t min, int64_t max);
int64_t scan_dim(struct reader *r);
struct type scan_type(struct reader *r);
#endif
