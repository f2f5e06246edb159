/* decimal: numbers in text, rounded correctly, whatever the locale. */
#ifndef NNC_RUNTIME_DATA_DECIMAL_H
#define NNC_RUNTIME_DATA_DECIMAL_H
#include <stdbool.h>

enum { DECIMAL_MAX = 1000 }; /* characters of a number */

/* Reads a number that begins at |at|: a sign or none, digits with |point| among them or none, an exponent or none. Gives its
 * end, or NULL if there is none, it has over DECIMAL_MAX characters or it is out of range. The text ends in a character that
 * belongs to no number, such as NUL. */
const char *decimal_read(const char *at, char point, double *out);
#endif
