/* number: arithmetic on numbers that are known while a file is compiled (language.md, Numbers and types).
 *
 * Whole numbers are computed in i64, and what does not fit is an error; all others in f64, with the bits that the
 * running program would give (subnormal numbers are flushed). Truth values count as 0 and 1 in arithmetic; every
 * number but 0 is true in conditions. */
#ifndef NNC_FRONTEND_NUMBER_H
#define NNC_FRONTEND_NUMBER_H
#include "ir/graph.h"
#include "runtime/data/number.h"

/* |op|: a binary operator of the grammar: one of + - * / ^ < > or AST_FLOORDIV, AST_EQ, AST_NE, AST_LE, AST_GE,
 * AST_AND, AST_OR. `/` gives a real number, `//` and `^` of whole numbers (the exponent not negative) a whole one.
 * Reports at |place| and returns false where the result does not fit, a whole number is divided by zero with `//`, or
 * |op| has no meaning for numbers (@). */
bool number_binary(int op, struct number a, struct number b, struct number *out, struct place place, struct diag *diag);
/* '-' or AST_NOT. */
bool number_unary(int op, struct number a, struct number *out, struct place place, struct diag *diag);
/* An operation of class MAP on |n| numbers. min, max, abs, sign of whole numbers are whole; floor and round give a
 * whole number where it fits; where picks; comparisons give truth values; all else is real. False if |op| is no MAP,
 * |n| is not its number of operands, or abs overflows. */
bool number_map(enum op op, int n, const struct number *in, struct number *out);
#endif
