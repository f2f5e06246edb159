/* The f64 functions of ir/math.def against MPFR: 20,000 operands each, of every magnitude and densely where the function
 * moves, within 4 ulp of the true value. test_math.c has the special values, and f32. */
#include <criterion/criterion.h>
#include <math.h>
#include <mpfr.h>
#include "runtime/kernels.h"
#include "tests/reference/draw.h"

#define MATH_ELEM f64
#include "ir/math_c.h"

enum { POINTS = 20000, PRECISION = 200 };

static void
enter(void)
{
    float_enter();
}

TestSuite(math_mpfr, .init = enter);

/* In units of the last place of |truth|, which is no NaN; a truth below the normal numbers asks for zero, or for the
 * smallest normal number. */
static double
distance(double got, const mpfr_t truth)
{
    mpfr_t d;
    if (isnan(got) || (!mpfr_zero_p(truth) && !mpfr_signbit(truth) != !signbit(got)))
        return INFINITY;
    if (mpfr_inf_p(truth))
        return isinf(got) ? 0 : INFINITY;
    if (mpfr_zero_p(truth) || mpfr_get_exp(truth) < -1021)
        return fabs(got) <= 0x1p-1022 ? 0 : INFINITY;
    if (mpfr_get_exp(truth) > 1024 || isinf(got))
        return isinf(got) && mpfr_get_exp(truth) >= 1024 ? 0 : INFINITY;
    mpfr_init2(d, PRECISION);
    mpfr_sub_d(d, truth, got, MPFR_RNDN);
    mpfr_mul_2si(d, d, 53 - (long)mpfr_get_exp(truth), MPFR_RNDN);
    double ulps = fabs(mpfr_get_d(d, MPFR_RNDN));
    mpfr_clear(d);
    return ulps;
}

static int
sigmoid(mpfr_t out, const mpfr_t x, mpfr_rnd_t mode)
{
    mpfr_neg(out, x, mode);
    mpfr_exp(out, out, mode);
    mpfr_add_ui(out, out, 1, mode);
    return mpfr_ui_div(out, 1, out, mode);
}

/* Every magnitude, the range where the function moves, and around 1. |positive|: the domain. */
static double
operand(struct draw *d, int i, double range, bool positive)
{
    double x = i % 3 == 0   ? ldexp(draw_real(d, 0.5, 1), draw_below(d, 2044) - 1021)
               : i % 3 == 1 ? draw_real(d, 0, range)
                            : ldexp(draw_real(d, 0.5, 1), draw_below(d, 64) - 54);
    return !positive && draw_below(d, 2) ? -x : x;
}

static void
check(const char *name, double (*is)(double), int (*truth)(mpfr_t, const mpfr_t, mpfr_rnd_t), double range, bool positive)
{
    mpfr_t x, y;
    struct draw d = {1};
    double worst = 0, at = 0;
    mpfr_init2(x, PRECISION);
    mpfr_init2(y, PRECISION);
    for (int i = 0; i < POINTS; i++) {
        double v = operand(&d, i, range, positive);
        mpfr_set_d(x, v, MPFR_RNDN);
        truth(y, x, MPFR_RNDN);
        double ulps = distance(is(v), y);
        if (!(ulps <= worst))
            worst = ulps, at = v;
    }
    cr_expect(worst <= 4, "%s(%a) = %a: %g ulp", name, at, is(at), worst);
    mpfr_clear(x);
    mpfr_clear(y);
}

/*   ID       MPFR           moves up to  domain     */
#define FUNCTIONS(F) \
    F(EXP,     mpfr_exp,      750,  false) \
    F(EXPM1,   mpfr_expm1,    750,  false) \
    F(LOG,     mpfr_log,      4,    true) \
    F(LOG1P,   mpfr_log1p,    4,    true) \
    F(TANH,    mpfr_tanh,     22,   false) \
    F(SIGMOID, sigmoid,       750,  false) \
    F(ERF,     mpfr_erf,      7,    false) \
    F(SIN,     mpfr_sin,      1000, false) \
    F(COS,     mpfr_cos,      1000, false) \
    F(SQRT,    mpfr_sqrt,     4,    true) \
    F(RSQRT,   mpfr_rec_sqrt, 4,    true)

#define CHECK(ID, precise, range, positive) \
    static double is_##ID(double x) { return math_##ID##_f64(x); } \
    Test(math_mpfr, ID) { check(#ID, is_##ID, precise, range, positive); }
FUNCTIONS(CHECK)

/* Operands of log1p between -1 and 0. */
Test(math_mpfr, LOG1P_below_zero)
{
    mpfr_t x, y;
    struct draw d = {2};
    mpfr_init2(x, PRECISION);
    mpfr_init2(y, PRECISION);
    for (int i = 0; i < POINTS; i++) {
        double v = i % 2 ? -draw_real(&d, 0, 1) : -1 + ldexp(draw_real(&d, 0.5, 1), -draw_below(&d, 52));
        mpfr_set_d(x, v, MPFR_RNDN);
        mpfr_log1p(y, x, MPFR_RNDN);
        cr_assert(distance(math_LOG1P_f64(v), y) <= 4, "log1p(%a) = %a", v, math_LOG1P_f64(v));
    }
    mpfr_clear(x);
    mpfr_clear(y);
}

Test(math_mpfr, POW)
{
    mpfr_t x, y;
    struct draw d = {3};
    double worst = 0, worst_x = 0, worst_y = 0;
    mpfr_init2(x, PRECISION);
    mpfr_init2(y, PRECISION);
    for (int i = 0; i < POINTS; i++) {
        double a = i % 2 ? operand(&d, i, 10, true) : 1 + ldexp(draw_real(&d, -1, 1), -1 - draw_below(&d, 30)),
            size = fabs(log2(a));
        double b = draw_real(&d, -1100, 1100) / (size > 1e-300 ? size : 1);
        if (i % 5 == 0 && fabs(b) < 1000)
            b = rint(b), a = -a;
        mpfr_set_d(x, a, MPFR_RNDN);
        mpfr_set_d(y, b, MPFR_RNDN);
        mpfr_pow(y, x, y, MPFR_RNDN);
        double ulps = distance(math_POW_f64(a, b), y);
        if (!(ulps <= worst))
            worst = ulps, worst_x = a, worst_y = b;
    }
    cr_expect(worst <= 4, "pow(%a, %a) = %a: %g ulp", worst_x, worst_y, math_POW_f64(worst_x, worst_y), worst);
    mpfr_clear(x);
    mpfr_clear(y);
}
