/* Arithmetic on numbers that are known at compile time. */
#include "frontend/number.h"
#include "frontend/ast.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct arena arena;
static struct diag diag;

static void
setup(void)
{
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
}

static void
teardown(void)
{
    arena_free(&arena);
}

TestSuite(number, .init = setup, .fini = teardown);

#define W(v) number_of_whole(v)
#define R(v) number_of_real(v)
#define B(v) number_of_bool(v)

static void
gives(struct number a, int op, struct number b, struct number want)
{
    struct number got;
    char x[NUMBER_TEXT], y[NUMBER_TEXT], g[NUMBER_TEXT];
    number_show(a, x);
    number_show(b, y);
    cr_assert(number_binary(op, a, b, &got, (struct place){0}, &diag), "%s op %d %s fails", x, op, y);
    number_show(got, g);
    cr_assert(got.is_whole == want.is_whole && got.is_bool == want.is_bool, "%s op %d %s is %s", x, op, y, g);
    cr_assert((!got.is_whole || got.whole == want.whole) && got.real == want.real, "%s op %d %s is %s", x, op, y, g);
}

static void
fails(struct number a, int op, struct number b, const char *says)
{
    struct number got;
    diag_init(&diag, &arena);
    cr_assert(!number_binary(op, a, b, &got, (struct place){1, 2, 3, 1}, &diag) && diag.errors == 1);
    cr_assert(strstr(diag.first->message, says) && diag.first->place.line == 2, "%s", diag.first->message);
}

Test(number, whole_arithmetic_stays_whole)
{
    gives(W(7), '+', W(-9), W(-2));
    gives(W(7), '-', W(9), W(-2));
    gives(W(7), '*', W(-9), W(-63));
    gives(W(7), AST_FLOORDIV, W(2), W(3));
    gives(W(-7), AST_FLOORDIV, W(2), W(-4));
    gives(W(7), AST_FLOORDIV, W(-2), W(-4));
    gives(W(-8), AST_FLOORDIV, W(-2), W(4));
    gives(W(-8), AST_FLOORDIV, W(2), W(-4));
    gives(W(2), '^', W(62), W((int64_t)1 << 62));
    gives(W(-2), '^', W(63), W(INT64_MIN));
    gives(W(-3), '^', W(3), W(-27));
    gives(W(0), '^', W(0), W(1));
    gives(W((int64_t)1 << 53), '+', W(1), W(((int64_t)1 << 53) + 1));
}

Test(number, division_never_divides_as_whole)
{
    gives(W(7), '/', W(2), R(3.5));
    gives(W(6), '/', W(2), R(3));
    gives(W(1), '/', W(0), R(INFINITY));
    gives(W(2), '^', W(-1), R(0.5));
}

Test(number, reals)
{
    gives(W(7), '+', R(0.5), R(7.5));
    gives(R(7.5), AST_FLOORDIV, W(2), R(3));
    gives(R(-7.5), AST_FLOORDIV, W(2), R(-4));
    gives(R(-1.5), '^', W(3), R(-3.375));
    gives(R(0.1), '+', R(0.2), R(0.1 + 0.2));
    gives(R(1e-200), '*', R(1e-115), R(0)); /* subnormal numbers are flushed, as in the running program */
}

Test(number, comparisons_and_logic)
{
    gives(W(((int64_t)1 << 53) + 1), '>', W((int64_t)1 << 53), B(true));
    gives(W(((int64_t)1 << 53) + 1), AST_EQ, W((int64_t)1 << 53), B(false));
    gives(W(1), '<', R(1.5), B(true));
    gives(W(2), AST_LE, W(2), B(true));
    gives(W(2), AST_GE, W(3), B(false));
    gives(W(2), AST_NE, W(3), B(true));
    gives(R(NAN), AST_NE, R(NAN), B(true));
    gives(R(NAN), AST_GE, R(NAN), B(false));
    gives(B(true), AST_AND, W(0), B(false));
    gives(B(false), AST_OR, R(0.1), B(true));
    gives(B(true), AST_EQ, B(true), B(true));
    gives(B(true), '+', B(true), W(2));
}

Test(number, what_does_not_fit_is_reported)
{
    fails(W(INT64_MAX), '+', W(1), "9223372036854775807 + 1");
    fails(W(INT64_MIN), '-', W(1), "out of range");
    fails(W((int64_t)1 << 62), '*', W(2), "out of range");
    fails(W(2), '^', W(63), "2 ^ 63");
    fails(W(2), '^', W(64), "2 ^ 64");
    fails(W(10), '^', W(19), "10 ^ 19");
    fails(W(INT64_MIN), AST_FLOORDIV, W(-1), "out of range");
    fails(W(3), AST_FLOORDIV, W(0), "3 // 0");
    fails(W(3), '@', W(2), "matrices");
}

Test(number, unary)
{
    struct number n;
    cr_assert(number_unary('-', W(3), &n, (struct place){0}, &diag) && n.is_whole && n.whole == -3);
    cr_assert(number_unary('-', R(0), &n, (struct place){0}, &diag) && !n.is_whole && signbit(n.real));
    cr_assert(number_unary(AST_NOT, W(0), &n, (struct place){0}, &diag) && n.is_bool && n.whole == 1);
    cr_assert(!number_unary('-', W(INT64_MIN), &n, (struct place){0}, &diag) && diag.errors == 1);
}

static void
maps(enum op op, int n, struct number a, struct number b, struct number c, struct number want)
{
    struct number in[3] = {a, b, c}, got;
    char g[NUMBER_TEXT];
    cr_assert(number_map(op, n, in, &got), "%s fails", op_info[op].text);
    cr_assert(got.is_whole == want.is_whole && got.is_bool == want.is_bool && got.real == want.real, "%s gives %s",
              op_info[op].text, number_show(got, g));
}

Test(number, operations_by_name)
{
    struct number n, in[3] = {W(INT64_MIN)};
    maps(OP_MIN, 2, W(3), W(2), W(0), W(2));
    maps(OP_MAX, 2, W(3), R(2.5), W(0), R(3));
    maps(OP_ABS, 1, W(-3), W(0), W(0), W(3));
    maps(OP_ABS, 1, R(-0.5), W(0), W(0), R(0.5));
    maps(OP_SIGN, 1, W(-7), W(0), W(0), W(-1));
    maps(OP_FLOOR, 1, R(-2.5), W(0), W(0), W(-3));
    maps(OP_FLOOR, 1, W(5), W(0), W(0), W(5));
    maps(OP_FLOOR, 1, R(1e300), W(0), W(0), R(1e300));
    maps(OP_ROUND, 1, R(2.5), W(0), W(0), W(2));
    maps(OP_SQRT, 1, W(9), W(0), W(0), R(3));
    maps(OP_EXP, 1, W(0), W(0), W(0), R(1));
    maps(OP_WHERE, 3, B(true), W(4), R(0.5), W(4));
    maps(OP_FMA, 3, W(2), W(3), R(0.5), R(6.5));
    cr_assert(!number_map(OP_ABS, 1, in, &n));
    cr_assert(!number_map(OP_MATMUL, 2, in, &n) && !number_map(OP_MIN, 1, in, &n));
}

Test(number, texts)
{
    char t[NUMBER_TEXT];
    cr_assert(!strcmp(number_show(W(-3), t), "-3"));
    cr_assert(!strcmp(number_show(R(0.1), t), "0.1"));
    cr_assert(!strcmp(number_show(B(false), t), "false"));
}
