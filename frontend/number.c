#include "frontend/number.h"
#include "frontend/ast.h"
#include "runtime/kernels.h"
#include <math.h>

/* ---- operators ---- */

typedef bool whole_fn(int64_t a, int64_t b, int64_t *out);

static bool
whole_add(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static bool
whole_sub(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_sub_overflow(a, b, out);
}

static bool
whole_mul(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Rounds towards minus infinity; |b| is not 0. */
static bool
whole_floordiv(int64_t a, int64_t b, int64_t *out)
{
    if (b == -1)
        return !__builtin_sub_overflow((int64_t)0, a, out);
    *out = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

/* |b| >= 0; by squaring. */
static bool
whole_pow(int64_t a, int64_t b, int64_t *out)
{
    int64_t result = 1;
    for (bool fits = true;; fits = whole_mul(a, a, &a)) {
        if (b && !fits)
            return false;
        if (b & 1 && !whole_mul(result, a, &result))
            return false;
        if (!(b >>= 1))
            break;
    }
    *out = result;
    return true;
}

static const struct operator {
    int op;
    enum op map;     /* the same operation of the running program */
    whole_fn *whole; /* NULL: always real */
    const char *text;
    bool exchanged;  /* map takes the operands exchanged */
} operators[] = {
    {'+', OP_ADD, whole_add, "+", false},
    {'-', OP_SUB, whole_sub, "-", false},
    {'*', OP_MUL, whole_mul, "*", false},
    {'/', OP_DIV, NULL, "/", false},
    {AST_FLOORDIV, OP_FLOORDIV, whole_floordiv, "//", false},
    {'^', OP_POW, whole_pow, "^", false},
    {'<', OP_LT, NULL, "<", false},
    {'>', OP_LT, NULL, ">", true},
    {AST_LE, OP_LE, NULL, "<=", false},
    {AST_GE, OP_LE, NULL, ">=", true},
    {AST_EQ, OP_EQ, NULL, "==", false},
    {AST_NE, OP_NE, NULL, "!=", false},
    {AST_AND, OP_AND, NULL, "and", false},
    {AST_OR, OP_OR, NULL, "or", false},
};

/* A MAP operation in f64, under the rules of the running program. */
static double
real_map(enum op op, int n, const double *in)
{
    unsigned before = float_enter();
    double v = scalar_map(op, n, in);
    float_leave(before);
    return v;
}

/* Exact also beyond 2^53. */
static int
compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static struct number
condition(const struct operator *o, struct number a, struct number b)
{
    double in[2] = {a.real, b.real};
    if (o->map == OP_AND || o->map == OP_OR) {
        in[0] = number_is_true(a);
        in[1] = number_is_true(b);
    } else if (a.is_whole && b.is_whole) {
        in[0] = compare(a.whole, b.whole);
        in[1] = 0;
    }
    if (o->exchanged) {
        double t = in[0];
        in[0] = in[1];
        in[1] = t;
    }
    return number_of_bool(real_map(o->map, 2, in) != 0);
}

static bool
whole_result(const struct operator *o, struct number a, struct number b, struct number *out, struct place place,
             struct diag *diag)
{
    if (o->op == AST_FLOORDIV && !b.whole) {
        diag_report(diag, WHOLE_DIVISION_BY_ZERO, place, (long long)a.whole);
        return false;
    }
    int64_t v;
    if (!o->whole(a.whole, b.whole, &v)) {
        diag_report(diag, WHOLE_OVERFLOW, place, (long long)a.whole, o->text, (long long)b.whole);
        diag_report(diag, HELP_WHOLE_OVERFLOW, place);
        return false;
    }
    *out = number_of_whole(v);
    return true;
}

bool
number_binary(int op, struct number a, struct number b, struct number *out, struct place place, struct diag *diag)
{
    const struct operator *o = operators, *end = operators + sizeof operators / sizeof *operators;
    while (o < end && o->op != op)
        o++;
    if (o == end) {
        diag_report(diag, NUMBER_MATMUL, place);
        return false;
    }
    if (op_info[o->map].flags & OP_BOOLEAN || o->map == OP_AND || o->map == OP_OR) {
        *out = condition(o, a, b);
        return true;
    }
    if (o->whole && a.is_whole && b.is_whole && !(o->op == '^' && b.whole < 0))
        return whole_result(o, a, b, out, place, diag);
    *out = number_of_real(real_map(o->map, 2, (double[]){a.real, b.real}));
    return true;
}

bool
number_unary(int op, struct number a, struct number *out, struct place place, struct diag *diag)
{
    if (op == AST_NOT)
        *out = number_of_bool(!number_is_true(a));
    else if (a.is_whole)
        return number_binary('-', number_of_whole(0), a, out, place, diag);
    else
        *out = number_of_real(-a.real);
    return true;
}

/* ---- operations by name ---- */

/* Operations that keep whole numbers whole. */
static bool
whole_map(enum op op, const struct number *in, struct number *out)
{
    int64_t a = in[0].whole, v = a;
    switch (op) {
    case OP_MIN:
        v = a < in[1].whole ? a : in[1].whole;
        break;
    case OP_MAX:
        v = a > in[1].whole ? a : in[1].whole;
        break;
    case OP_ABS:
        if (a < 0 && __builtin_sub_overflow((int64_t)0, a, &v))
            return false;
        break;
    case OP_SIGN:
        v = compare(a, 0);
        break;
    default:
        break;
    }
    *out = number_of_whole(v);
    return true;
}

static const bool keeps_whole[OP_COUNT] = {[OP_MIN] = true,   [OP_MAX] = true,   [OP_ABS] = true,
                                           [OP_SIGN] = true,  [OP_FLOOR] = true, [OP_ROUND] = true};

bool
number_map(enum op op, int n, const struct number *in, struct number *out)
{
    if (op >= OP_COUNT || op_info[op].class != CLASS_MAP || op_info[op].nin != n)
        return false;
    if (op == OP_WHERE || op == OP_STOP) {
        *out = op == OP_STOP ? in[0] : number_is_true(in[0]) ? in[1] : in[2];
        return true;
    }
    bool all_whole = true;
    double real[3];
    for (int i = 0; i < n; i++) {
        all_whole = all_whole && in[i].is_whole;
        real[i] = in[i].real;
    }
    if (all_whole && keeps_whole[op])
        return whole_map(op, in, out);
    double v = real_map(op, n, real);
    bool to_whole = (op == OP_FLOOR || op == OP_ROUND) && fabs(v) < 0x1p63 && (v != 0 || !signbit(v));
    if (op_info[op].flags & OP_BOOLEAN || op == OP_AND || op == OP_OR || op == OP_NOT)
        *out = number_of_bool(v != 0);
    else
        *out = to_whole ? number_of_whole((int64_t)v) : number_of_real(v);
    return true;
}
