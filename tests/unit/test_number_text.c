#include "runtime/number_text.h"
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
next_random(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s ^ *s >> 29;
}

/* Digits without sign, point, leading and trailing zeros and exponent. */
static int
significant(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') {
            zeros = *text == '0' ? zeros + 1 : 0;
            count += count || *text != '0';
        }
    return count - (count ? zeros : 0);
}

/* By trying: the fewest digits of printf that read back; at a power of two a shorter one may lie on the wide side. */
static void
check_f64(double x)
{
    char ours[NUMBER_TEXT], theirs[64];
    int length = number_text_f64(x, ours), p = 1;
    cr_assert_eq((size_t)length, strlen(ours));
    double back = strtod(ours, NULL);
    cr_assert(!memcmp(&back, &x, sizeof x), "%a is written as %s, which is %a", x, ours, back);
    for (; p < 17 && (snprintf(theirs, sizeof theirs, "%.*e", p - 1, x), strtod(theirs, NULL) != x); p++)
        ;
    snprintf(theirs, sizeof theirs, "%.*e", p - 1, x);
    int exponent;
    if (x == 0 || fabs(frexp(x, &exponent)) == 0.5)
        cr_assert_leq(significant(ours), p);
    else {
        cr_assert_eq(significant(ours), significant(theirs), "%s against %s", ours, theirs);
        cr_assert_eq(strtod(ours, NULL), strtod(theirs, NULL));
        char padded[64];
        snprintf(padded, sizeof padded, "%.*e", p - 1, strtod(ours, NULL));
        cr_assert_str_eq(padded, theirs, "%s is not the nearest: %s", ours, theirs);
    }
}

static void
check_f32(float x)
{
    char ours[NUMBER_TEXT], theirs[64];
    number_text_f32(x, ours);
    float back = strtof(ours, NULL);
    cr_assert(!memcmp(&back, &x, sizeof x), "%a is written as %s, which is %a", x, ours, back);
    int p = 1, exponent;
    for (; p < 9 && (snprintf(theirs, sizeof theirs, "%.*e", p - 1, x), strtof(theirs, NULL) != x); p++)
        ;
    snprintf(theirs, sizeof theirs, "%.*e", p - 1, x);
    if (x == 0 || fabsf(frexpf(x, &exponent)) == 0.5f)
        cr_assert_leq(significant(ours), p);
    else {
        cr_assert_eq(significant(ours), significant(theirs), "%s against %s", ours, theirs);
        double mine = strtod(ours, NULL), other = strtod(theirs, NULL); /* the decimals themselves, not what they round to */
        cr_assert_eq(mine, other, "%s is not the nearest: %s", ours, theirs);
    }
}

Test(number_text, layouts)
{
    static const struct { double x; const char *text; } rows[] = {
        {0, "0"}, {-0.0, "-0"}, {1, "1"}, {-3, "-3"}, {0.1, "0.1"}, {123456.789, "123456.789"}, {0.0001, "0.0001"},
        {0.00001, "1e-5"},
        {1e15, "1000000000000000"}, {9007199254740993.0, "9007199254740992"}, {1e16, "1e16"}, {-1.5e300, "-1.5e300"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e308"}, {DBL_MIN, "2.2250738585072014e-308"}, {1e23, "1e23"}, {9.5e-3, "0.0095"},
        {0.3, "0.3"},
        {INFINITY, "inf"}, {-INFINITY, "-inf"}, {NAN, "nan"}, {100, "100"},
        {0x1p-1022 - 0x1p-1074, "2.225073858507201e-308"},
    };
    char text[NUMBER_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        number_text_f64(rows[i].x, text);
        cr_expect_str_eq(text, rows[i].text);
    }
    number_text_f32(0.1f, text);
    cr_expect_str_eq(text, "0.1");
    number_text_f32(FLT_MAX, text);
    cr_expect_str_eq(text, "3.4028235e38");
    number_text_f32(16777216, text);
    cr_expect_str_eq(text, "16777216");
    number_text(ELEM_F32, (double)0.7f, text);
    cr_expect_str_eq(text, "0.7");
    number_text(ELEM_F64, (double)0.7f, text);
    cr_expect_str_eq(text, "0.699999988079071");
    cr_expect_eq(number_round(ELEM_F32, 0.1), (double)0.1f);
    cr_expect_eq(number_round(ELEM_F64, 0.1), 0.1);
}

Test(number_text, random_bits_are_shortest_and_read_back)
{
    uint64_t s = 1;
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = next_random(&s);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            check_f64(x);
        uint32_t half = (uint32_t)(bits >> 16);
        float y;
        memcpy(&y, &half, sizeof y);
        if (isfinite(y))
            check_f32(y);
        check_f32((float)(next_random(&s) % 1000000) / 1000.0f);
    }
}

Test(number_text, powers_of_two_and_ten_and_their_neighbours)
{
    for (int e = -1074; e < 1024; e++) {
        double x = ldexp(1, e);
        check_f64(x);
        check_f64(nextafter(x, 0));
        check_f64(nextafter(x, INFINITY) < INFINITY ? nextafter(x, INFINITY) : x);
    }
    for (int e = -149; e < 128; e++) {
        float x = ldexpf(1, e);
        check_f32(x);
        check_f32(nextafterf(x, 0));
        check_f32(nextafterf(x, INFINITY));
    }
    for (int e = -307; e < 308; e++) {
        char text[32];
        snprintf(text, sizeof text, "1e%d", e);
        double x = strtod(text, NULL);
        check_f64(x);
        check_f64(nextafter(x, 0));
    }
}
