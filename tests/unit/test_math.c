/* test_math: ir/math.def through its reader for C scalars.
 *
 * f32 functions against the C library's f64, for every 4,099th operand; f64 functions against long double (64 bits or more
 * of mantissa), for random operands of every magnitude; special values bit by bit; whole numbers and bool against plain C.
 * tests/reference reads the same bodies with a checking type. */
#include <criterion/criterion.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "runtime/kernels.h"

#define MATH_ELEM f32
#include "ir/math_c.h"
#define MATH_ELEM f64
#include "ir/math_c.h"
#define MATH_ELEM i32
#include "ir/math_c.h"
#define MATH_ELEM i64
#include "ir/math_c.h"
#define MATH_ELEM u8
#include "ir/math_c.h"
#define MATH_ELEM bool
#include "ir/math_c.h"

_Static_assert(LDBL_MANT_DIG >= 64, "the reference of f64 needs more bits than f64");

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void
enter(void)
{
    float_enter();
}

TestSuite(math, .init = enter);

static uint64_t
next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static float
flushed_f32(uint32_t bits)
{
    return math_value_f32(bits & 0x7f800000 ? bits : bits & 0x80000000);
}

static double
flushed_f64(uint64_t bits)
{
    return math_value_f64(bits & UINT64_C(0x7ff0000000000000) ? bits : bits & UINT64_C(0x8000000000000000));
}

/* Equal bits, any NaN for a NaN. */
static bool
same_f32(float a, float b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : math_bits_f32(a) == math_bits_f32(b);
}

static bool
same_f64(double a, double b)
{
    return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : math_bits_f64(a) == math_bits_f64(b);
}

/* What a format is: normal numbers from 2^minimum to below 2^maximum with `bits` bits. */
struct format {
    int bits, minimum, maximum;
};
static const struct format F32 = {24, -126, 128}, F64 = {53, -1022, 1024};

/* The distance of a result from the truth in units of the last place of the truth; infinite where the result is NaN,
 * infinite, zero or of the other sign and must not be. A truth below the normal numbers asks for zero, or for the smallest
 * normal number where it rounds up to that. */
static double
distance(long double result, long double truth, struct format f)
{
    long double smallest = ldexpl(1, f.minimum), size = fabsl(truth), largest = ldexpl(1, f.maximum);

    if (isnan(truth) || isnan(result))
        return isnan(truth) && isnan(result) ? 0 : INFINITY;
    if (!signbit(result) != !signbit(truth))
        return INFINITY;
    if (size < smallest)
        return result == 0 || (fabsl(result) == smallest && size > smallest * (1 - ldexpl(1, -f.bits))) ? 0 : INFINITY;
    if (isinf(result))
        return size >= largest * (1 - ldexpl(1, -f.bits - 1)) ? 0 : INFINITY;
    if (isinf(truth) || fabsl(result) < smallest)
        return INFINITY;
    return (double)(fabsl(result - truth) / ldexpl(1, ilogbl(size) - f.bits + 1));
}

static double
sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static long double
sigmoidl(long double x)
{
    return 1 / (1 + expl(-x));
}

/*   ID       f64       long double   f32 and f64 operands of interest lie within +-this */
#define FUNCTIONS(F) \
    F(EXP,     exp,     expl,     90, 750) \
    F(EXPM1,   expm1,   expm1l,   90, 750) \
    F(LOG,     log,     logl,     4, 4) \
    F(LOG1P,   log1p,   log1pl,   4, 4) \
    F(TANH,    tanh,    tanhl,    12, 22) \
    F(SIGMOID, sigmoid, sigmoidl, 90, 750) \
    F(ERF,     erf,     erfl,     5, 7) \
    F(SIN,     sin,     sinl,     100, 1000) \
    F(COS,     cos,     cosl,     100, 1000)

/* ---- accuracy ---- */

/* f32: every 4,099th pattern, and densely where the function moves. */
#define ACCURATE_F32(ID, reference, precise, range32, range64) \
    Test(math, ID##_f32_within_2_ulp) \
    { \
        double worst = 0; \
        float at = 0; \
        for (uint64_t i = 0; i < UINT64_C(1) << 32; i += 4099) { \
            float x = flushed_f32((uint32_t)i); \
            double d = distance(math_##ID##_f32(x), reference(x), F32); \
            if (!(d <= worst)) \
                worst = d, at = x; \
        } \
        for (int i = -100000; i <= 100000; i++) { \
            float x = (float)i * (float)(range32 / 1e5); \
            double d = distance(math_##ID##_f32(x), reference(x), F32); \
            if (!(d <= worst)) \
                worst = d, at = x; \
        } \
        cr_expect(worst <= 2, "%s(%a): %g ulp", #ID, (double)at, worst); \
    }
FUNCTIONS(ACCURATE_F32)

/* f64: random patterns, random numbers within the range, and random numbers of every magnitude around 1. */
#define ACCURATE_F64(ID, reference, precise, range32, range64) \
    Test(math, ID##_f64_within_4_ulp) \
    { \
        uint64_t state = 1; \
        double worst = 0, at = 0; \
        for (int i = 0; i < 150000; i++) { \
            uint64_t bits = next_random(&state); \
            double unit = ((double)(bits >> 11) * 0x1p-52 - 1); \
            double x = i % 3 == 0 ? flushed_f64(bits) : i % 3 == 1 ? unit * range64 : ldexp(unit, (int)(bits % 64) - 48); \
            double d = distance(math_##ID##_f64(x), precise(x), F64); \
            if (!(d <= worst)) \
                worst = d, at = x; \
        } \
        cr_expect(worst <= 4, "%s(%a): %g ulp", #ID, at, worst); \
    }
FUNCTIONS(ACCURATE_F64)

/* The neighbours of multiples of pi/2 leave the least after reduction; these are the multiples nearest to a float. */
Test(math, sin_and_cos_near_multiples_of_a_right_angle)
{
    const double right = 1.5707963267948966;

    for (int k = 1; k < 200000; k++) {
        float x = (float)(k * right);
        cr_expect(distance(math_SIN_f32(x), sin(x), F32) <= 2, "sin(%a)", (double)x);
        cr_expect(distance(math_COS_f32(x), cos(x), F32) <= 2, "cos(%a)", (double)x);
        double y = k * right;
        cr_expect(distance(math_SIN_f64(y), sinl(y), F64) <= 4, "sin(%a)", y);
        cr_expect(distance(math_COS_f64(y), cosl(y), F64) <= 4, "cos(%a)", y);
    }
}

/* For each window of SINE the operands nearest to a multiple of pi/2, by continued fractions of 2^e 2/pi;
 * 0x16ac5b262ca1ffp797 is the nearest of all f64. */
Test(math, sin_and_cos_of_the_worst_operands)
{
    static const double operands[] = {
        0x1504cac51f1eafp79, 0x1e7e44a78ac18cp145, 0x1c45cd11154dfdp243, 0x1b2196364d750bp201, 0x1b88cbb4e32576p435,
        0x1e3ca9b6c655cbp356, 0x14c96c11134d36p525, 0x183009e2e9e2ebp562, 0x1db41f3cb71d7bp628, 0x1db41f3cb71d7bp629,
        0x16ac5b262ca1ffp797, 0x16ac5b262ca1ffp798, 0x1e009c53148be1p939, 0x1e009c53148be1p940, 0x1.fffffffffffffp1023};
    static const float narrow[] = {0xa3e87fp11, 0xa3e87fp12, 0xf9be45p72, 0xf9be45p73, 0xd84625p88, 0xd84625p89,
                                   0x1p64, 0x1.fffffep64, 0x1p65, 0x1.fffffep104, 0x1p105, 0x1.fffffep127};

    for (size_t i = 0; i < COUNT(operands); i++) {
        double x = operands[i];
        cr_expect(distance(math_SIN_f64(x), sinl(x), F64) <= 4, "sin(%a) = %a", x, math_SIN_f64(x));
        cr_expect(distance(math_COS_f64(x), cosl(x), F64) <= 4, "cos(%a) = %a", x, math_COS_f64(x));
    }
    for (size_t i = 0; i < COUNT(narrow); i++) {
        float x = narrow[i];
        cr_expect(distance(math_SIN_f32(x), sin(x), F32) <= 2, "sin(%a) = %a", (double)x, (double)math_SIN_f32(x));
        cr_expect(distance(math_COS_f32(x), cos(x), F32) <= 2, "cos(%a) = %a", (double)x, (double)math_COS_f32(x));
    }
}

/* Where results begin to overflow, to vanish, or a body goes from one formula to another: every operand around. */
Test(math, around_the_bounds)
{
    static const double bounds[] = {88.72283905, -87.33654475, -103.97, 16.635532, -16.635532, -20, 0x1p-26, 0x1p25, 0.625,
                                    0.921875, 4, 0.70710678, 1.41421356, 0.78539816, 709.782712893384, -708.3964185322641,
                                    -745.1332, -40, 0x1p-55, 0x1p54, 1, 6, 20};

    for (size_t i = 0; i < COUNT(bounds); i++) {
        float x = (float)bounds[i];
        double y = bounds[i];
        for (int k = 0; k < 100; k++)
            x = nextafterf(x, -INFINITY), y = nextafter(y, -INFINITY);
        for (int k = 0; k < 200; k++) {
            x = nextafterf(x, INFINITY);
            y = nextafter(y, INFINITY);
#define EXPECT_NEAR(ID, reference, precise, ...) \
            cr_expect(distance(math_##ID##_f32(x), reference(x), F32) <= 2, "%s(%a) = %a", #ID, (double)x, \
                      (double)math_##ID##_f32(x)); \
            cr_expect(distance(math_##ID##_f64(y), precise(y), F64) <= 4, "%s(%a) = %a", #ID, y, math_##ID##_f64(y));
            FUNCTIONS(EXPECT_NEAR)
        }
    }
}

Test(math, POW_f32_within_2_ulp)
{
    uint64_t state = 7;
    double worst = 0;
    float worst_x = 0, worst_y = 0;

    for (int i = 0; i < 3000000; i++) {
        uint64_t bits = next_random(&state);
        float x = flushed_f32((uint32_t)bits), y = flushed_f32((uint32_t)(bits >> 32));
        if (i % 4) {
            /* an exponent that keeps the result in range, bases of every size or near 1 */
            x = i % 4 == 1 ? 1 + (float)(int32_t)bits * 0x1p-33f : fabsf(x);
            double size = fabs(log2(x));
            y = (float)((double)(int32_t)(bits >> 32) * 0x1p-31 * 150 / (size > 1e-30 ? size : 1));
            if (i % 4 == 3 && fabsf(y) < 1000)
                y = rintf(y), x = bits & 1 ? -x : x;
        }
        double d = distance(math_POW_f32(x, y), pow(x, y), F32);
        if (!(d <= worst))
            worst = d, worst_x = x, worst_y = y;
    }
    cr_expect(worst <= 2, "pow(%a, %a): %g ulp", (double)worst_x, (double)worst_y, worst);
}

Test(math, POW_f64_within_4_ulp)
{
    uint64_t state = 9;
    double worst = 0, worst_x = 0, worst_y = 0;

    for (int i = 0; i < 300000; i++) {
        uint64_t bits = next_random(&state), more = next_random(&state);
        double x = flushed_f64(bits), y = flushed_f64(more);
        if (i % 4) {
            x = i % 4 == 1 ? 1 + (double)(int64_t)bits * 0x1p-65 : fabs(x);
            double size = fabs(log2(x));
            y = (double)(int64_t)more * 0x1p-63 * 1100 / (size > 1e-300 ? size : 1);
            if (i % 4 == 3 && fabs(y) < 1000)
                y = rint(y), x = bits & 1 ? -x : x;
        }
        double d = distance(math_POW_f64(x, y), powl(x, y), F64);
        if (!(d <= worst))
            worst = d, worst_x = x, worst_y = y;
    }
    cr_expect(worst <= 4, "pow(%a, %a): %g ulp", worst_x, worst_y, worst);
}

/* ---- special values ---- */

/*   ID       operand     result, the same for f32 and f64 */
#define SPECIAL(S) \
    S(EXP, 0.0, 1.0) S(EXP, -0.0, 1.0) S(EXP, INFINITY, INFINITY) S(EXP, -INFINITY, 0.0) S(EXP, NAN, NAN) \
    S(EXP, 1000.0, INFINITY) S(EXP, -1000.0, 0.0) S(EXP, 1e30, INFINITY) S(EXP, -1e30, 0.0) \
    S(EXPM1, 0.0, 0.0) S(EXPM1, -0.0, -0.0) S(EXPM1, INFINITY, INFINITY) S(EXPM1, -INFINITY, -1.0) S(EXPM1, NAN, NAN) \
    S(EXPM1, -1e30, -1.0) S(EXPM1, 1e30, INFINITY) S(EXPM1, 0x1p-126, 0x1p-126) \
    S(LOG, 1.0, 0.0) S(LOG, 0.0, -INFINITY) S(LOG, -0.0, -INFINITY) S(LOG, INFINITY, INFINITY) S(LOG, NAN, NAN) \
    S(LOG, -1.0, NAN) S(LOG, -INFINITY, NAN) S(LOG, -0x1p-126, NAN) \
    S(LOG1P, 0.0, 0.0) S(LOG1P, -0.0, -0.0) S(LOG1P, -1.0, -INFINITY) S(LOG1P, -1.5, NAN) S(LOG1P, INFINITY, INFINITY) \
    S(LOG1P, -INFINITY, NAN) S(LOG1P, NAN, NAN) S(LOG1P, -0x1p-126, -0x1p-126) \
    S(TANH, 0.0, 0.0) S(TANH, -0.0, -0.0) S(TANH, INFINITY, 1.0) S(TANH, -INFINITY, -1.0) S(TANH, NAN, NAN) \
    S(TANH, 1e30, 1.0) S(TANH, -1e30, -1.0) S(TANH, 0x1p-126, 0x1p-126) \
    S(SIGMOID, 0.0, 0.5) S(SIGMOID, -0.0, 0.5) S(SIGMOID, INFINITY, 1.0) S(SIGMOID, -INFINITY, 0.0) S(SIGMOID, NAN, NAN) \
    S(SIGMOID, 1e30, 1.0) S(SIGMOID, -1e30, 0.0) \
    S(ERF, 0.0, 0.0) S(ERF, -0.0, -0.0) S(ERF, INFINITY, 1.0) S(ERF, -INFINITY, -1.0) S(ERF, NAN, NAN) S(ERF, -1e30, -1.0) \
    S(SIN, 0.0, 0.0) S(SIN, -0.0, -0.0) S(SIN, INFINITY, NAN) S(SIN, -INFINITY, NAN) S(SIN, NAN, NAN) \
    S(SIN, 0x1p-126, 0x1p-126) \
    S(COS, 0.0, 1.0) S(COS, -0.0, 1.0) S(COS, INFINITY, NAN) S(COS, -INFINITY, NAN) S(COS, NAN, NAN) S(COS, 0x1p-126, 1.0) \
    S(SQRT, -0.0, -0.0) S(SQRT, 4.0, 2.0) S(SQRT, -1.0, NAN) S(SQRT, INFINITY, INFINITY) \
    S(SIGN, 0.0, 0.0) S(SIGN, -3.0, -1.0) S(SIGN, INFINITY, 1.0) S(SIGN, NAN, NAN) S(SIGN, 0x1p-126, 1.0) \
    S(ROUND, 0.5, 0.0) S(ROUND, 1.5, 2.0) S(ROUND, 2.5, 2.0) S(ROUND, -0.5, -0.0) S(ROUND, -2.5, -2.0) S(ROUND, NAN, NAN) \
    S(ROUND, INFINITY, INFINITY) S(FLOOR, -0.5, -1.0) S(FLOOR, 2.75, 2.0) S(FLOOR, -0.0, -0.0) \
    S(FLOOR, -INFINITY, -INFINITY) \
    S(ABS, -0.0, 0.0) S(ABS, -INFINITY, INFINITY) S(NEG, 0.0, -0.0) S(STOP, -0.0, -0.0)

Test(math, special_values)
{
    /* volatile: a compiler's own arithmetic does not flush */
    volatile double operand;
#define EXPECT_SPECIAL(ID, x, result) \
    operand = x; \
    cr_expect(same_f32(math_##ID##_f32((float)operand), (float)result), "%s(%a) = %a", #ID, operand, \
              (double)math_##ID##_f32((float)operand)); \
    cr_expect(same_f64(math_##ID##_f64(operand), result), "%s(%a) = %a, f64", #ID, operand, math_##ID##_f64(operand));
    SPECIAL(EXPECT_SPECIAL)
}

/* NaN of any payload stays NaN: the bodies compute with bits. */
Test(math, every_nan_stays_nan)
{
    for (uint32_t i = 1; i < 0x800000; i = i * 3 + 1)
        for (uint32_t sign = 0; sign < 2; sign++) {
            float x = math_value_f32(0x7f800000 | i | sign << 31);
            double y = math_value_f64(UINT64_C(0x7ff0000000000000) | i | (uint64_t)i << 29 | (uint64_t)sign << 63);
#define EXPECT_NAN(ID, ...) cr_expect(isnan(math_##ID##_f32(x)) && isnan(math_##ID##_f64(y)), "%s %a", #ID, y);
            FUNCTIONS(EXPECT_NAN)
        }
}

static const double edges[] = {0.0, 0x1p-126, 0x1p-60, 0.25, 0.5, 0x1.fffffep-1, 1.0, 0x1.000002p+0, 1.5, 2.0, 3.0, 4.0,
                               5.5, 127.0, 8388607.0, 8388608.5, 16777215.0, 16777216.0, 0x1p60, 0x1p100,
                               0x1.fffffep127, INFINITY, NAN};

/* C's pow has the same special values. */
Test(math, pow_of_edges)
{
    for (size_t i = 0; i < 2 * COUNT(edges); i++)
        for (size_t j = 0; j < 2 * COUNT(edges); j++) {
            double x = i % 2 ? -edges[i / 2] : edges[i / 2], y = j % 2 ? -edges[j / 2] : edges[j / 2];
            double p = math_POW_f64(x, y);
            cr_expect(distance(p, powl(x, y), F64) <= 4, "pow(%a, %a) = %a, f64", x, y, p);
            float q = math_POW_f32((float)x, (float)y);
            cr_expect(distance(q, pow((float)x, (float)y), F32) <= 2, "pow(%a, %a) = %a", x, y, (double)q);
        }
}

Test(math, min_and_max_of_edges)
{
    for (size_t i = 0; i < 2 * COUNT(edges); i++)
        for (size_t j = 0; j < 2 * COUNT(edges); j++) {
            double x = i % 2 ? -edges[i / 2] : edges[i / 2], y = j % 2 ? -edges[j / 2] : edges[j / 2];
            bool x_less = x < y || (x == y && signbit(x));
            double less = isnan(x) || isnan(y) ? NAN : x_less ? x : y, more = isnan(x) || isnan(y) ? NAN : x_less ? y : x;
            cr_expect(same_f64(math_MIN_f64(x, y), less) && same_f64(math_MAX_f64(x, y), more), "f64 %a %a", x, y);
            cr_expect(same_f32(math_MIN_f32((float)x, (float)y), (float)less), "min(%a, %a)", x, y);
            cr_expect(same_f32(math_MAX_f32((float)x, (float)y), (float)more), "max(%a, %a)", x, y);
            cr_expect(math_LT_f32((float)x, (float)y) == (x < y) && math_LE_f64(x, y) == (x <= y), "%a %a", x, y);
            cr_expect(math_EQ_f32((float)x, (float)y) == (x == y) && math_NE_f64(x, y) == (x != y), "%a %a", x, y);
            cr_expect(same_f64(math_FLOORDIV_f64(x, y), floor(x / y)), "%a // %a", x, y);
        }
}

/* ---- whole numbers and bool ---- */

/* The floor of a / b in a type that holds every quotient; what math.def promises where C promises nothing. */
static __int128
floor_quotient(__int128 a, __int128 b)
{
    if (b == 0)
        return 0;
    __int128 q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static const int64_t whole_edges[] = {0, 1, 2, 3, 7, 8, 100, 255, 256, 65537, INT32_MAX - 1, INT32_MAX, INT64_MAX - 1,
                                      INT64_MAX, -1, -2, -3, -7, -8, -100, INT32_MIN + 1, INT32_MIN, INT64_MIN + 1,
                                      INT64_MIN};

#define EXPECT_WHOLE(ELEM, T) \
    do { \
        T a = (T)whole_edges[i], b = (T)whole_edges[j]; \
        __int128 x = a, y = b; \
        cr_expect(math_FLOORDIV_##ELEM(a, b) == (T)floor_quotient(x, y), "%s %" PRId64 " // %" PRId64, #ELEM, (int64_t)a, \
                  (int64_t)b); \
        cr_expect(math_ADD_##ELEM(a, b) == (T)(x + y)); \
        cr_expect(math_SUB_##ELEM(a, b) == (T)(x - y)); \
        cr_expect(math_MUL_##ELEM(a, b) == (T)(x * y)); \
        cr_expect(math_NEG_##ELEM(a) == (T)-x); \
        cr_expect(math_ABS_##ELEM(a) == (T)(x < 0 ? -x : x)); \
        cr_expect(math_SIGN_##ELEM(a) == (x > 0) - (x < 0)); \
        cr_expect(math_MIN_##ELEM(a, b) == (a < b ? a : b) && math_MAX_##ELEM(a, b) == (a < b ? b : a)); \
        cr_expect(math_LT_##ELEM(a, b) == (a < b) && math_LE_##ELEM(a, b) == (a <= b)); \
        cr_expect(math_EQ_##ELEM(a, b) == (a == b) && math_NE_##ELEM(a, b) == (a != b)); \
        cr_expect(math_WHERE_##ELEM(true, a, b) == a && math_WHERE_##ELEM(false, a, b) == b && math_STOP_##ELEM(a) == a); \
    } while (0)

Test(math, whole_numbers)
{
    for (size_t i = 0; i < COUNT(whole_edges); i++)
        for (size_t j = 0; j < COUNT(whole_edges); j++) {
            EXPECT_WHOLE(i32, int32_t);
            EXPECT_WHOLE(i64, int64_t);
            EXPECT_WHOLE(u8, uint8_t);
        }
}

Test(math, every_floordiv_of_u8)
{
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++)
            cr_expect(math_FLOORDIV_u8((uint8_t)a, (uint8_t)b) == (b ? a / b : 0), "%d // %d", a, b);
}

Test(math, bool_and_where)
{
    for (int i = 0; i < 8; i++) {
        bool a = i & 1, b = i & 2, c = i & 4;
        cr_expect(math_AND_bool(a, b) == (a && b) && math_OR_bool(a, b) == (a || b) && math_NOT_bool(a) == !a);
        cr_expect(math_EQ_bool(a, b) == (a == b) && math_NE_bool(a, b) == (a != b) && math_STOP_bool(a) == a);
        cr_expect(math_WHERE_bool(c, a, b) == (c ? a : b));
    }
    cr_expect(isnan(math_WHERE_f32(true, NAN, 1)) && math_WHERE_f32(false, NAN, 1) == 1);
    cr_expect(math_FMA_f32(0x1.000002p0f, 0x1.000002p0f, -0x1.000004p0f) == 0x1p-46f);
    cr_expect(math_DIV_f32(1, 3) == 1.0f / 3 && math_DIV_f64(1, 3) == 1.0 / 3);
}
