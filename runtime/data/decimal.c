#define _GNU_SOURCE
#include "runtime/data/decimal.h"
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const double exact_power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t whole_power[] = {
    1ull, 10ull, 100ull, 1000ull, 10000ull, 100000ull, 1000000ull, 10000000ull, 100000000ull, 1000000000ull, 10000000000ull,
    100000000000ull, 1000000000000ull, 10000000000000ull, 100000000000000ull, 1000000000000000ull, 10000000000000000ull,
    100000000000000000ull, 1000000000000000000ull, 10000000000000000000ull};

struct digits {
    const char *from, *end;
    bool negative;
    uint64_t whole;       /* all digits as one number, modulo 2^64 */
    int64_t count;        /* of digits, with leading zeros */
    int64_t exponent;     /* of ten */
};

static inline bool
is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline const char *
take_digits(const char *p, uint64_t *whole)
{
    uint64_t w = *whole;
    for (; is_digit(*p); p++)
        w = w * 10 + (uint64_t)(*p - '0');
    *whole = w;
    return p;
}

/* The exponent, if there is a whole one; its sign and size cannot overflow. */
static const char *
take_exponent(const char *p, int64_t *exponent)
{
    const char *d = p + 1 + (p[1] == '-' || p[1] == '+');
    int64_t e = 0;
    if (!is_digit(*d))
        return p;
    for (; is_digit(*d); d++)
        e = e < 100000 ? e * 10 + (*d - '0') : e;
    *exponent += p[1] == '-' ? -e : e;
    return d;
}

static inline bool
take_number(const char *p, char point, struct digits *d)
{
    d->from = p;
    d->negative = *p == '-';
    d->whole = 0;
    p += *p == '-' || *p == '+';
    const char *start = p;
    p = take_digits(p, &d->whole);
    d->count = p - start;
    d->exponent = 0;
    if (*p == point) {
        start = p + 1;
        p = take_digits(start, &d->whole);
        d->exponent = start - p;
        d->count += p - start;
    }
    if (!d->count)
        return false;
    if ((*p | 32) == 'e')
        p = take_exponent(p, &d->exponent);
    d->end = p;
    return true;
}

/* |w| / |divisor|, w > 0, rounded to the nearest, ties to even: the quotient of w * 2^(64 + shift) has 64 bits or more. */
static double
quotient(uint64_t w, uint64_t divisor)
{
    const int shift = __builtin_clzll(w);
    const unsigned __int128 dividend = (unsigned __int128)(w << shift) << 64, q = dividend / divisor;
    const uint64_t high = (uint64_t)(q >> 64);
    const int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)q), drop = bits - 53;
    uint64_t kept = (uint64_t)(q >> drop);
    const unsigned __int128 rest = q & (((unsigned __int128)1 << drop) - 1), half = (unsigned __int128)1 << (drop - 1);
    const bool more = rest > half || (rest == half && q * divisor != dividend);
    kept += more || (rest == half && kept & 1);
    const uint64_t exponent = (uint64_t)(drop - 64 - shift + 1075 - 1); /* a carry out of |kept| raises it */
    const uint64_t word = (exponent << 52) + kept;
    double v;
    memcpy(&v, &word, sizeof v);
    return v;
}

/* Whatever the shorter ways do not cover. */
static const char *
by_library(const struct digits *d, char point, double *out)
{
    char text[DECIMAL_MAX + 1], *end;
    size_t n = (size_t)(d->end - d->from);
    if (n > DECIMAL_MAX)
        return NULL;
    memcpy(text, d->from, n);
    text[n] = 0;
    char *p = memchr(text, point, n);
    if (p)
        *p = '.';
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return NULL;
    *out = strtod_l(text, &end, c);
    freelocale(c);
    return isfinite(*out) && end == text + n ? d->end : NULL;
}

const char *
decimal_read(const char *at, char point, double *out)
{
    struct digits d;
    double v;
    if (!take_number(at, point, &d))
        return NULL;
    if (d.count > 19)
        return by_library(&d, point, out);
    if (d.whole <= (uint64_t)1 << 53 && d.exponent >= -22 && d.exponent <= 22)
        v = d.exponent < 0 ? (double)d.whole / exact_power[-d.exponent] : (double)d.whole * exact_power[d.exponent];
    else if (d.exponent <= 0 && d.exponent >= -19)
        v = quotient(d.whole, whole_power[-d.exponent]);
    else
        return by_library(&d, point, out);
    *out = d.negative ? -v : v;
    return d.end;
}
