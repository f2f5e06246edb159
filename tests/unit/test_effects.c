/* effects: the statistics of compare, against tables. */
#include "frontend/cli/effects.h"
#include <criterion/criterion.h>
#include <math.h>

/* Two-sided 5 % and 1 % points of Student's t, as any table has them. */
Test(effects, student)
{
    static const struct { int n; double five, one; } rows[] = {
        {1, 12.706, 63.657}, {2, 4.303, 9.925}, {3, 3.182, 5.841}, {4, 2.776, 4.604}, {9, 2.262, 3.250}, {10, 2.228, 3.169}, {30, 2.042, 2.750}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_float_eq(student_beyond(rows[i].five, rows[i].n), 0.05, 1e-4, "n = %d", rows[i].n);
        cr_expect_float_eq(student_beyond(-rows[i].one, rows[i].n), 0.01, 1e-4, "n = %d", rows[i].n);
    }
}

/* Mean 3, deviation sqrt(2.5), error sqrt(0.5): t = 4.2426 with 4 degrees; R: t.test(1:5) has p = 0.01324 and 1.036757 to 4.963243. */
Test(effects, paired)
{
    const double x[] = {1, 2, 3, 4, 5};
    struct effect e = effect_of(x, 5);
    cr_expect_float_eq(e.mean, 3, 1e-15);
    cr_expect_float_eq(e.half, 1.963243, 1e-6);
    cr_expect_float_eq(e.p, 0.01324, 1e-5);
}

Test(effects, without_deviation)
{
    const double nothing[] = {0, 0, 0}, same[] = {2, 2, 2}, infinite[] = {1, NAN, 1};
    cr_expect_eq(effect_of(nothing, 3).p, 1);
    cr_expect_eq(effect_of(same, 3).p, 0);
    cr_expect(isnan(effect_of(infinite, 3).p));
    cr_expect(isnan(effect_of(same, 1).p));
}

/* R: 2 * pt(-(3 - 1) / sqrt(0.5), 4) = 0.04742. What is not beyond the least is chance; an effect without deviation is not, if it is. */
Test(effects, least)
{
    const double x[] = {1, 2, 3, 4, 5}, back[] = {-1, -2, -3, -4, -5}, same[] = {2, 2, 2};
    struct effect e = effect_of(x, 5), b = effect_of(back, 5), s = effect_of(same, 3), one = effect_of(x, 1);
    cr_expect_float_eq(effect_chance(&e, 5, 1), 0.04742, 1e-5);
    cr_expect_float_eq(effect_chance(&b, 5, 1), 0.04742, 1e-5);
    cr_expect_eq(effect_chance(&e, 5, 3.5), 1);
    cr_expect_eq(effect_chance(&s, 3, 1.9), 0);
    cr_expect_eq(effect_chance(&s, 3, 2.1), 1);
    cr_expect(isnan(effect_chance(&one, 1, 0)));
}

/* R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") = 0.03 0.06 0.06 0.02. What is exactly 0 does not count. */
Test(effects, holm)
{
    struct effect e[6] = {{1, 1, 1, 0.01, 0}, {1, 1, 1, 0.04, 0}, {0, 0, 0, 1, 0}, {1, 1, 1, 0.03, 0}, {1, NAN, NAN, NAN, 0}, {1, 1, 1, 0.005, 0}}, *family[6];
    for (int i = 0; i < 6; i++)
        family[i] = &e[i];
    effects_holm(family, 6);
    cr_expect_float_eq(e[0].p, 0.03, 1e-12);
    cr_expect_float_eq(e[1].p, 0.06, 1e-12);
    cr_expect_float_eq(e[3].p, 0.06, 1e-12);
    cr_expect_float_eq(e[5].p, 0.02, 1e-12);
    cr_expect_eq(e[2].p, 1);
    cr_expect(isnan(e[4].p));
}
