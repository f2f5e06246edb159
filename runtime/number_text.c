/* number_text: Steele and White's free-format algorithm ("How to print floating-point numbers accurately", 1990) with the
 * fixed-up estimate of Burger and Dybvig (1996), on integers of any length that the exponents of binary64 can ask for. */
#include "runtime/number_text.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* 2^1076 * 10 and 2^55 * 10^324 have less than 40 words. */
enum { BIG_WORDS = 40, DIGITS = 20 };
struct big {
    int count; /* words in use, the highest is not 0 */
    uint32_t word[BIG_WORDS];
};

static struct big
big_shifted(uint64_t value, int shift)
{
    struct big b = {0};
    int at = shift / 32, bits = shift % 32;
    uint64_t low = value << bits, high = bits ? value >> (64 - bits) : 0;
    b.word[at] = (uint32_t)low;
    b.word[at + 1] = (uint32_t)(low >> 32);
    b.word[at + 2] = (uint32_t)high;
    for (b.count = at + 3; b.count && !b.word[b.count - 1]; )
        b.count--;
    return b;
}

static void
big_scale(struct big *b, uint32_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < b->count; i++) {
        carry += (uint64_t)b->word[i] * factor;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry)
        b->word[b->count++] = (uint32_t)carry;
}

static void
big_power10(struct big *b, int power)
{
    for (; power >= 9; power -= 9)
        big_scale(b, 1000000000);
    for (; power > 0; power--)
        big_scale(b, 10);
}

static int
big_compare(const struct big *a, const struct big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (int i = a->count; i-- > 0; )
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

static struct big
big_sum(const struct big *a, const struct big *b)
{
    struct big c; /* not zeroed: this is called for each digit, and few words are used */
    uint64_t carry = 0;
    c.count = a->count > b->count ? a->count : b->count;
    for (int i = 0; i < c.count; i++) {
        carry += (uint64_t)(i < a->count ? a->word[i] : 0) + (i < b->count ? b->word[i] : 0);
        c.word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry)
        c.word[c.count++] = (uint32_t)carry;
    return c;
}

/* a -= b, where b is not larger. */
static void
big_subtract(struct big *a, const struct big *b)
{
    int64_t borrow = 0;
    for (int i = 0; i < a->count; i++) {
        borrow += (int64_t)a->word[i] - (i < b->count ? b->word[i] : 0);
        a->word[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
    while (a->count && !a->word[a->count - 1])
        a->count--;
}

/* The value r / s and how far the neighbours' midpoints are away: above / s and below / s. */
struct span {
    struct big r, s, above, below;
    bool closed; /* a midpoint itself reads back to the number (ties go to even) */
};

static bool
reaches_above(const struct span *v)
{
    struct big end = big_sum(&v->r, &v->above);
    int order = big_compare(&end, &v->s);
    return v->closed ? order >= 0 : order > 0;
}

static bool
reaches_below(const struct span *v)
{
    int order = big_compare(&v->r, &v->below);
    return v->closed ? order <= 0 : order < 0;
}

static void
times10(struct span *v)
{
    big_scale(&v->r, 10);
    big_scale(&v->above, 10);
    big_scale(&v->below, 10);
}

/* Scales |v| so that it lies in [1/10, 1) and is ready for its first digit; returns the power of ten taken out. */
static int
scale(struct span *v, int log2)
{
    int power = (int)ceil(log2 * 0.30102999566398120 - 1e-10); /* right, or one too small */
    if (power >= 0)
        big_power10(&v->s, power);
    else {
        big_power10(&v->r, -power);
        big_power10(&v->above, -power);
        big_power10(&v->below, -power);
    }
    if (reaches_above(v))
        return power + 1;
    times10(v);
    return power;
}

static int
next_digit(struct span *v)
{
    int digit = 0;
    for (; big_compare(&v->r, &v->s) >= 0; digit++)
        big_subtract(&v->r, &v->s);
    return digit;
}

static int
digits_of(struct span *v, char digits[DIGITS])
{
    for (int n = 0;; times10(v)) {
        int digit = next_digit(v);
        bool low = reaches_below(v), high = reaches_above(v);
        if (low || high) {
            struct big twice = big_sum(&v->r, &v->r);
            int half = big_compare(&twice, &v->s);
            bool up = !low || (high && (half > 0 || (half == 0 && digit % 2)));
            digits[n++] = (char)('0' + digit + up);
            return n;
        }
        digits[n++] = (char)('0' + digit);
    }
}

/* 0.DIGITS * 10^power as text. */
static int
layout(const char *digits, int n, int power, bool negative, char *out)
{
    char *at = out;
    if (negative)
        *at++ = '-';
    if (power <= -4 || power > 16) {
        *at++ = digits[0];
        if (n > 1)
            *at++ = '.';
        for (int i = 1; i < n; i++)
            *at++ = digits[i];
        at += sprintf(at, "e%d", power - 1);
    } else if (power <= 0) {
        at += sprintf(at, "0.%.*s", -power, "0000");
        for (int i = 0; i < n; i++)
            *at++ = digits[i];
    } else {
        for (int i = 0; i < (n > power ? n : power); i++) {
            if (i == power)
                *at++ = '.';
            *at++ = i < n ? digits[i] : '0';
        }
    }
    *at = 0;
    return (int)(at - out);
}

/* fraction * 2^exponent; |boundary|: the neighbour below is only half as far away as the one above. */
static int
finite_text(uint64_t fraction, int exponent, bool boundary, bool negative, char *out)
{
    int extra = boundary ? 2 : 1, up = exponent > 0 ? exponent : 0, down = exponent < 0 ? -exponent : 0;
    struct span v = {.r = big_shifted(fraction, up + extra), .s = big_shifted(1, down + extra),
                     .above = big_shifted(1, up + extra - 1), .below = big_shifted(1, up), .closed = fraction % 2 == 0};
    char digits[DIGITS];
    int power = scale(&v, 63 - __builtin_clzll(fraction) + exponent);
    int n = digits_of(&v, digits);
    return layout(digits, n, power, negative, out);
}

/* A number of a format with |mantissa| stored bits of the fraction and |bias|. */
static int
bits_text(uint64_t fraction, int exponent, bool negative, int mantissa, int bias, char *out)
{
    if (exponent == 2 * bias + 1)
        return sprintf(out, "%s", fraction ? "nan" : negative ? "-inf" : "inf");
    if (!fraction && !exponent)
        return sprintf(out, "%s", negative ? "-0" : "0");
    bool boundary = !fraction && exponent > 1;
    if (exponent)
        fraction |= (uint64_t)1 << mantissa;
    return finite_text(fraction, (exponent ? exponent : 1) - bias - mantissa, boundary, negative, out);
}

int
number_text_f32(float x, char buffer[NUMBER_TEXT])
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits_text(bits & 0x7fffff, (int)(bits >> 23 & 0xff), bits >> 31, 23, 127, buffer);
}

int
number_text_f64(double x, char buffer[NUMBER_TEXT])
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits_text(bits & 0xfffffffffffff, (int)(bits >> 52 & 0x7ff), bits >> 63, 52, 1023, buffer);
}

double
number_round(enum elem e, double x)
{
    return e == ELEM_F32 ? (double)(float)x : x;
}

int
number_text(enum elem e, double x, char buffer[NUMBER_TEXT])
{
    return e == ELEM_F32 ? number_text_f32((float)x, buffer) : number_text_f64(x, buffer);
}
