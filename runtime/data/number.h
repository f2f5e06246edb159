/* number: a number that is known while a file is compiled: whole, real or a truth value. */
#ifndef NNC_RUNTIME_DATA_NUMBER_H
#define NNC_RUNTIME_DATA_NUMBER_H
#include "runtime/number_text.h"

struct number {
    bool is_whole; /* whole numbers and truth values */
    bool is_bool;  /* then whole is 0 or 1 */
    int64_t whole; /* if is_whole */
    double real;   /* the value as f64, always */
};

static inline struct number
number_of_whole(int64_t v)
{
    return (struct number){.is_whole = true, .whole = v, .real = (double)v};
}

static inline struct number
number_of_real(double v)
{
    return (struct number){.real = v};
}

static inline struct number
number_of_bool(bool v)
{
    return (struct number){.is_whole = true, .is_bool = true, .whole = v, .real = v};
}

/* As a condition: all but zero is true. */
static inline bool
number_is_true(struct number n)
{
    return n.is_whole ? n.whole != 0 : n.real != 0;
}

/* The shortest text that reads back to the same number, for messages: "3", "0.1", "true"; returns |buffer|. */
char *number_show(struct number n, char buffer[NUMBER_TEXT]);
#endif
