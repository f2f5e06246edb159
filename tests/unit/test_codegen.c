/* codegen: compiled graphs give the bits of graph mode, for every vector width, with and without LLVM's passes, fused or
 * not. */
#include "runtime/blas.h"
#include "tests/unit/code_check.h"
#include <sys/prctl.h>

static const int64_t sizes[] = {1, 2, 3, 15, 16, 17, 31, 33};
enum { SIZES = 8, ROWS_MOST = 33 };

static void
check_ir(struct fixture *f, const struct graph *g, const struct code_options *options)
{
    char *ir = f->gen.text(g, options, false, &f->arena, &f->diag);
    cr_assert(ir, "%s", said(f));
    cr_assert(!strstr(ir, "fmuladd") && !strstr(ir, " fast ") && !strstr(ir, " contract ") && !strstr(ir, " reassoc "),
              "%s", ir);
}

static void
check_options(struct fixture *f, struct graph *g, const struct code_options *options)
{
    check_ir(f, g, options);
    struct code *c = compiled(f, g, options);
    cr_assert(c, "%s", said(f));
    for (int r = 0; r < SIZES; r++)
        compare_runs(f, g, code_function(c, 0), sizes[r], options);
    code_free(c);
}

/* All widths and passes; '#' in |text| takes |count| of the sizes. */
static void
check_sized(const char *text, int count, const int64_t *d, bool blas)
{
    static const int widths[] = {4, 8, 16, 0};
    struct fixture f;
    setup(&f);
    for (int i = 0; i < count; i++)
        for (int fuse = 0; fuse < 2; fuse++) {
            struct graph *g = planned(&f, text, d[i], ROWS_MOST, fuse);
            for (int w = 0; w < 4; w++)
                for (int passes = 0; passes < (w == 2 ? 2 : 1); passes++) {
                    struct code_options options = {.vector_width = widths[w], .llvm_passes = passes};
                    options.gemm = blas ? GEMM_OPENBLAS : GEMM_NNC;
                    check_options(&f, g, &options);
                }
        }
    teardown(&f);
}

static void
check(const char *text)
{
    check_sized(text, 1, sizes, false);
}

/* ---- elementwise ---- */

Test(codegen, arithmetic)
{
    check("graph g(x: f32[N,10], y: f32[N,10], b: f32[10], c: f32[N,1]) {\n"
          "  %1 = add x, y : f32[N,10]\n"
          "  %2 = mul %1, b : f32[N,10]\n"
          "  %3 = sub %2, c : f32[N,10]\n"
          "  %4 = div %3, y : f32[N,10]\n"
          "  %5 = fma x, b, c : f32[N,10]\n"
          "  %6 = max %5, %4 : f32[N,10]\n"
          "  %7 = min %6, x : f32[N,10]\n"
          "  %8 = floordiv x, y : f32[N,10]\n"
          "  return %4 \"a\", %5 \"b\", %7 \"c\", %8 \"d\"\n}\n");
}

Test(codegen, functions)
{
    static const char *const names[] = {"neg",   "abs", "sign",  "floor", "round",   "sqrt", "exp", "expm1",
                                        "log", "log1p", "tanh", "sigmoid", "erf",  "sin", "cos"};
    static const char *const elems[] = {"f32", "f64"};
    for (size_t e = 0; e < 2; e++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            char text[TEXT_MAX];
            snprintf(text, sizeof text, "graph g(x: %s[N]) {\n  %%1 = %s x : %s[N]\n  return %%1 \"y\"\n}\n", elems[e],
                     names[i], elems[e]);
            check(text);
        }
}

Test(codegen, power)
{
    check("graph g(x: f32[N,3], y: f32[N,3]) {\n  %1 = pow x, y : f32[N,3]\n  return %1 \"y\"\n}\n");
    check("graph g(x: f64[N,3], y: f64[N,3]) {\n  %1 = pow x, y : f64[N,3]\n  return %1 \"y\"\n}\n");
}

Test(codegen, whole_numbers)
{
    static const char *const elems[] = {"i32", "i64", "u8"};
    for (size_t e = 0; e < 3; e++) {
        char text[TEXT_MAX];
        const char *t = elems[e];
        snprintf(text, sizeof text,
                 "graph g(x: %s[N,3], y: %s[N,3], i: %s[3]) {\n"
                 "  %%1 = add x, y : %s[N,3]\n  %%2 = mul %%1, y : %s[N,3]\n  %%3 = sub %%2, x : %s[N,3]\n"
                 "  %%4 = floordiv x, i : %s[N,3]\n  %%5 = min %%4, x : %s[N,3]\n  %%6 = max %%3, y : %s[N,3]\n"
                 "  %%7 = neg x : %s[N,3]\n  %%8 = abs %%7 : %s[N,3]\n  %%9 = sign %%3 : %s[N,3]\n"
                 "  %%10 = lt x, y : bool[N,3]\n  %%11 = le x, i : bool[N,3]\n  %%12 = eq x, y : bool[N,3]\n"
                 "  %%13 = where %%10, %%8, %%9 : %s[N,3]\n"
                 "  return %%5 \"a\", %%6 \"b\", %%13 \"c\", %%11 \"d\", %%12 \"e\"\n"
                 "}\n", t, t, t, t, t, t, t, t, t, t, t, t, t);
        check(text);
    }
}

Test(codegen, conditions)
{
    check("graph g(x: f32[N,5], y: f32[5], b: bool[N,5]) {\n"
          "  %1 = lt x, y : bool[N,5]\n  %2 = le y, x : bool[N,5]\n  %3 = eq x, x : bool[N,5]\n  %4 = ne x, y : bool[N,5]\n"
          "  %5 = and %1, b : bool[N,5]\n  %6 = or %2, %5 : bool[N,5]\n  %7 = not %6 : bool[N,5]\n"
          "  %8 = eq %7, b : bool[N,5]\n"
          "  %9 = where b, x, y : f32[N,5]\n  %10 = where %8, %3, %4 : bool[N,5]\n  %11 = ne b, %3 : bool[N,5]\n"
          "  return %7 \"a\", %8 \"b\", %9 \"c\", %10 \"d\", %11 \"e\"\n}\n");
}

Test(codegen, casts)
{
    static const char *const elems[] = {"f32", "f64", "i32", "i64", "u8", "bool"};
    for (size_t from = 0; from < 6; from++) {
        char text[TEXT_MAX];
        int at = snprintf(text, sizeof text, "graph g(x: %s[N,3]) {\n", elems[from]), line = 0;
        for (size_t to = 0; to < 6; to++)
            if (to != from)
                at += snprintf(text + at, sizeof text - (size_t)at, "  %%%d = cast x : %s[N,3]\n", ++line, elems[to]);
        snprintf(text + at, sizeof text - (size_t)at, "  return %%1 \"a\", %%2 \"b\", %%3 \"c\", %%4 \"d\", %%5 \"e\"\n}\n");
        check(text);
    }
}

Test(codegen, numbers)
{
    check("graph g(x: f32[N,3], lr: f64[], n: i64[]) {\n"
          "  %1 = rows : f64[]\n  %2 = div 1:f64, %1 : f64[]\n  %3 = mul %2, lr : f64[]\n  %4 = cast %3 : f32[]\n"
          "  %5 = mul x, %4 : f32[N,3]\n  %6 = add n, 3:i64 : i64[]\n  %7 = cast %6 : f32[]\n  %8 = add %5, %7 : f32[N,3]\n"
          "  %9 = mul 1.17549435e-38, 0.75 : f32[]\n  %10 = add x, %9 : f32[N,3]\n  %11 = div %9, %9 : f32[]\n"
          "  return %8 \"a\", %3 \"b\", %10 \"c\", %11 \"d\"\n}\n");
}

Test(codegen, broadcasts)
{
    check_sized("graph g(x: f32[N,#], a: f32[#], b: f32[N,1], c: f32[]) {\n"
                "  %1 = broadcast a : f32[N,#]\n  %2 = broadcast b : f32[N,#]\n  %3 = broadcast c : f32[N,#]\n"
                "  %4 = add %1, %2 : f32[N,#]\n  %5 = mul %4, x : f32[N,#]\n  %6 = mul a, a : f32[#]\n"
                "  %7 = add %6, b : f32[N,#]\n"
                "  %8 = broadcast c : f32[3,N,2]\n"
                "  return %3 \"a\", %5 \"b\", %7 \"c\", %2 \"d\", %8 \"e\"\n}\n", SIZES, sizes, false);
}

/* ---- reductions ---- */

Test(codegen, reductions_of_the_last_axis)
{
    check_sized("graph g(x: f32[N,#]) {\n"
                "  %1 = sum x {axis=[1]} : f32[N]\n  %2 = prod x {axis=[1]} : f32[N]\n  %3 = mean x {axis=[1]} : f32[N]\n"
                "  %4 = max_over x {axis=[1]} : f32[N]\n  %5 = min_over x {axis=[1], keep} : f32[N,1]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\"\n}\n", SIZES, sizes, false);
}

Test(codegen, reductions_of_the_first_axis)
{
    check_sized("graph g(x: f32[N,#]) {\n"
                "  %1 = sum x {axis=[0]} : f32[#]\n  %2 = prod x {axis=[0]} : f32[#]\n  %3 = mean x {axis=[0]} : f32[#]\n"
                "  %4 = max_over x {axis=[0], keep} : f32[1,#]\n  %5 = min_over x {axis=[0]} : f32[#]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\"\n}\n", SIZES, sizes, false);
}

Test(codegen, reductions_of_all_kinds)
{
    check_sized("graph g(x: f32[N,3,#], y: f64[N,#], i: i32[N,#], u: u8[#,N]) {\n"
                "  %1 = sum x {axis=[0,1,2]} : f32[]\n  %2 = sum x {axis=[0,2]} : f32[3]\n"
                "  %3 = mean x {axis=[0,1]} : f32[#]\n"
                "  %4 = sum x {axis=[1]} : f32[N,#]\n  %5 = mean y {axis=[0,1]} : f64[]\n  %6 = sum y {axis=[0]} : f64[#]\n"
                "  %7 = max_over i {axis=[1]} : i32[N]\n  %8 = sum u {axis=[0]} : u8[N]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\", %6 \"f\", %7 \"g\", %8 \"h\"\n"
                "}\n", SIZES, sizes, false);
}

/* Operands that keep the reduced axes apart: they are one flat axis all the same. */
Test(codegen, reductions_of_broadcasts)
{
    check_sized("graph g(x: f32[3,N,#], b: f32[N,#], c: f32[#], d: f64[5,#], e: f64[5,1]) {\n"
                "  %1 = mul x, b : f32[3,N,#]\n  %2 = sum %1 {axis=[0,1,2]} : f32[]\n  %3 = add %1, c : f32[3,N,#]\n"
                "  %4 = mean %3 {axis=[1,2]} : f32[3]\n  %5 = max_over %3 {axis=[0,1,2]} : f32[]\n"
                "  %6 = mul d, e : f64[5,#]\n  %7 = prod %6 {axis=[0,1]} : f64[]\n  %8 = broadcast c : f32[2,7,#]\n"
                "  %9 = sum %8 {axis=[0,1,2]} : f32[]\n"
                "  return %2 \"a\", %4 \"b\", %5 \"c\", %7 \"d\", %9 \"e\"\n}\n", SIZES, sizes, false);
}

Test(codegen, fused_reductions)
{
    check_sized("graph g(x: f32[N,#], b: f32[#]) {\n"
                "  %1 = add x, b : f32[N,#]\n  %2 = exp %1 : f32[N,#]\n  %3 = sum %2 {axis=[1], keep} : f32[N,1]\n"
                "  %4 = div %2, %3 : f32[N,#]\n  %5 = sum %4 {axis=[0]} : f32[#]\n  %6 = mul %4, %4 : f32[N,#]\n"
                "  %7 = mean %6 {axis=[0,1]} : f32[]\n  %8 = max_over %6 {axis=[1]} : f32[N]\n"
                "  return %4 \"a\", %5 \"b\", %7 \"c\", %8 \"d\"\n}\n", SIZES, sizes, false);
}

Test(codegen, argmax)
{
    check_sized("graph g(x: f32[N,#], y: i64[#,N]) {\n"
                "  %1 = argmax x {axis=[1]} : i32[N]\n  %2 = argmin x {axis=[0]} : i32[#]\n"
                "  %3 = argmax y {axis=[0]} : i32[N]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\"\n}\n", SIZES, sizes, false);
}

/* ---- contractions ---- */

Test(codegen, matmul)
{
    static const int64_t columns[] = {1, 2, 3, 15, 16, 17, 31, 33, 70, 130};
    check_sized("graph g(x: f32[N,7], y: f32[N,#], p: f32[13,5]) {\n"
                "  var %w: f32[7,#] = \"w\"\n  var %v: f32[#,7] = \"v\"\n  var %q: f32[#,13] = \"q\"\n"
                "  %1 = matmul x, %w : f32[N,#]\n  %2 = matmul x, %v {transpose_b} : f32[N,#]\n"
                "  %3 = matmul x, y {transpose_a} : f32[7,#]\n  %4 = matmul %q, p : f32[#,5]\n"
                "  %5 = matmul p, %q {transpose_a, transpose_b} : f32[5,#]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\"\n}\n", 10, columns, false);
}

Test(codegen, matmul_of_rows)
{
    check_sized("graph g(x: f32[N,#], y: f32[N,#], z: f64[3,N,#], w: f64[3,#,4], v: f64[#,9], u: f32[#,N]) {\n"
                "  %1 = matmul x, y {transpose_b} : f32[N,N]\n  %2 = matmul %1, y : f32[N,#]\n"
                "  %3 = matmul z, w : f64[3,N,4]\n"
                "  %4 = matmul z, v : f64[3,N,9]\n  %5 = matmul z, z {transpose_b} : f64[3,N,N]\n"
                "  %6 = matmul z, z {transpose_a} : f64[3,#,#]\n"
                "  %7 = matmul u, x : f32[#,#]\n"
                "  return %2 \"a\", %3 \"b\", %4 \"c\", %5 \"d\", %6 \"e\", %7 \"f\"\n}\n", SIZES, sizes, false);
}

Test(codegen, matmul_long)
{
    static const int64_t lengths[] = {100, 700};
    check_sized("graph g(x: f32[N,#], y: f32[3,#], z: f32[33,#]) {\n"
                "  %1 = matmul x, y {transpose_b} : f32[N,3]\n  %2 = matmul x, z {transpose_b} : f32[N,33]\n"
                "  %3 = matmul z, z {transpose_b} : f32[33,33]\n  %4 = matmul x, x {transpose_a} : f32[#,#]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\"\n}\n", 2, lengths, false);
}

/* Both operands are copied; the parts that are left over in each direction. */
Test(codegen, matmul_large)
{
    struct fixture f;
    setup(&f);
    struct graph *g = planned(&f, "graph g(x: f32[N,2]) {\n"
                                  "  var %a: f32[501,530] = \"a\"\n  var %b: f32[530,515] = \"b\"\n"
                                  "  var %c: f32[530,501] = \"c\"\n  var %d: f32[515,530] = \"d\"\n"
                                  "  %1 = matmul %a, %b : f32[501,515]\n  %2 = matmul %c, %b {transpose_a} : f32[501,515]\n"
                                  "  %3 = matmul %a, %d {transpose_b} : f32[501,515]\n"
                                  "  return %1 \"a\", %2 \"b\", %3 \"c\", x \"d\"\n}\n", 1, 1, true);
    for (int width = 0; width <= 8; width += 8) {
        struct code_options options = {.vector_width = width};
        struct code *c = compiled(&f, g, &options);
        cr_assert(c, "%s", said(&f));
        compare_runs(&f, g, code_function(c, 0), 1, &options);
        code_free(c);
    }
    teardown(&f);
}

/* Weight gradients: few columns with the lanes along the rows, one column, long chains. */
Test(codegen, matmul_of_gradients)
{
    static const int64_t columns[] = {1, 2, 9, 10, 16, 17};
    check_sized("graph g(x: f32[N,#]) {\n"
                "  var %a: f32[530,33] = \"a\"\n  var %b: f32[530,#] = \"b\"\n  var %c: f32[530,70] = \"c\"\n"
                "  var %w: f32[#,1] = \"w\"\n"
                "  %1 = matmul %a, %b {transpose_a} : f32[33,#]\n  %2 = matmul %c, %b {transpose_a} : f32[70,#]\n"
                "  %3 = matmul %a, %c {transpose_a} : f32[33,70]\n  %4 = matmul %b, %w : f32[530,1]\n"
                "  %5 = matmul x, %w : f32[N,1]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\"\n}\n", 6, columns, false);
}

/* What stands behind a contraction: bias, activation, masks, sums and means over the rows, another operand's place. */
Test(codegen, tails)
{
    static const int64_t columns[] = {1, 3, 16, 33};
    check_sized("graph g(x: f32[N,5], y: f32[N,#], z: f32[N,1], s: f32[], d: f64[N,5]) {\n"
                "  var %w: f32[5,#] = \"w\"\n  var %v: f32[#,5] = \"v\"\n  var %b: f32[#] = \"b\"\n  var %u: f64[5,#] = \"u\"\n"
                "  %1 = matmul x, %w : f32[N,#]\n  %2 = add %1, %b : f32[N,#]\n  %3 = max %2, 0 : f32[N,#]\n"
                "  %4 = lt 0, %2 : bool[N,#]\n"
                "  %5 = matmul x, %v {transpose_b} : f32[N,#]\n  %6 = where %4, %5, 0 : f32[N,#]\n"
                "  %7 = sum %6 {axis=[0]} : f32[#]\n"
                "  %8 = matmul x, %w : f32[N,#]\n  %9 = mul %8, z : f32[N,#]\n  %10 = mean %9 {axis=[0], keep} : f32[1,#]\n"
                "  %11 = matmul %3, %v : f32[N,5]\n  %12 = mul %11, s : f32[N,5]\n  %13 = sub %12, x : f32[N,5]\n"
                "  %14 = matmul %v, %w : f32[#,#]\n  %15 = sub %14, %b : f32[#,#]\n"
                "  %16 = matmul d, %u : f64[N,#]\n  %17 = mul %16, %16 : f64[N,#]\n  %18 = sum %17 {axis=[0]} : f64[#]\n"
                "  %19 = matmul %13, %w : f32[N,#]\n  %20 = add %19, y : f32[N,#]\n  %21 = sum %20 {axis=[1]} : f32[N]\n"
                "  %22 = matmul x, %w : f32[N,#]\n  %23 = tanh %22 : f32[N,#]\n  %24 = matmul %23, %v : f32[N,5]\n"
                "  %25 = add %24, %13 : f32[N,5]\n"
                "  return %3 \"a\", %6 \"b\", %7 \"c\", %10 \"d\", %9 \"e\", %13 \"f\", %15 \"g\", %18 \"h\", %21 \"i\", %25 \"j\"\n"
                "}\n", 4, columns, false);
}

/* An update with divisions behind a weight gradient waits in a queue: rows and columns that are left over, more vectors in the
 * queue than numbers in a chain. */
Test(codegen, tails_that_wait)
{
    static const int64_t columns[] = {16, 48, 144, 33};
    check_sized("graph g(x: f32[N,21], y: f32[N,#], s: f32[]) {\n"
                "  var %m: f32[21,#] = \"m\"\n  var %v: f32[21,#] = \"v\"\n  var %w: f32[21,#] = \"w\"\n"
                "  %1 = matmul x, y {transpose_a} : f32[21,#]\n"
                "  %2 = fused(%1, %m, %v, %w, s) : f32[21,#] {\n"
                "    %a = add $0, $1 : f32[21,#]\n    %b = mul %a, %a : f32[21,#]\n    %c = add %b, $2 : f32[21,#]\n"
                "    %d = abs %c : f32[21,#]\n    %e = sqrt %d : f32[21,#]\n    %f = add %e, $4 : f32[21,#]\n"
                "    %g = div %a, %f : f32[21,#]\n    %h = sub $3, %g : f32[21,#]\n    return %a, %c, %h\n  }\n"
                "  %3 = result %2 {index=0} : f32[21,#]\n  %4 = result %2 {index=1} : f32[21,#]\n"
                "  %5 = result %2 {index=2} : f32[21,#]\n"
                "  %6 = update %m, %3 : f32[21,#]\n  %7 = update %v, %4 : f32[21,#]\n  %8 = update %w, %5 : f32[21,#]\n"
                "  return %3 \"a\", %4 \"b\", %5 \"c\"\n}\n", 4, columns, false);
}

Test(codegen, matmul_of_one_column)
{
    static const int64_t lengths[] = {4, 8, 12, 100};
    check_sized("graph g(x: f32[N,#]) {\n"
                "  var %w: f32[#,1] = \"w\"\n  %1 = matmul x, %w : f32[N,1]\n  return %1 \"a\"\n}\n", 4, lengths, false);
}

Test(codegen, matmul_by_openblas)
{
    struct fixture f;
    setup(&f);
    bool loaded = blas_load(&f.diag);
    teardown(&f);
    if (!loaded)
        cr_skip_test("no OpenBLAS");
    check_sized("graph g(x: f32[N,7], y: f32[N,#], z: f64[2,N,3]) {\n"
                "  %1 = matmul x, y {transpose_a} : f32[7,#]\n  %2 = matmul y, %1 {transpose_b} : f32[N,7]\n"
                "  %3 = matmul z, z {transpose_a} : f64[2,3,3]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\"\n}\n", SIZES, sizes, true);
}

/* ---- movement ---- */

Test(codegen, movement)
{
    static const int64_t d[] = {1, 2, 17};
    check_sized("graph g(x: f32[N,3,#], b: bool[N,#]) {\n"
                "  %1 = transpose x {perm=[2,0,1]} : f32[#,N,3]\n  %2 = transpose x {perm=[0,2,1]} : f32[N,#,3]\n"
                "  %3 = slice x {start=[0,1,0], stop=[N,3,#]} : f32[N,2,#]\n  %4 = concat x, x {axis=0} : f32[2N,3,#]\n"
                "  %5 = concat x, %3 {axis=1} : f32[N,5,#]\n  %6 = transpose b {perm=[1,0]} : bool[#,N]\n"
                "  %7 = add %2, 1 : f32[N,#,3]\n  %8 = stop_gradient %7 : f32[N,#,3]\n  %9 = mul %8, %8 : f32[N,#,3]\n"
                "  return %1 \"a\", %2 \"b\", %3 \"c\", %5 \"d\", %6 \"e\", %4 \"f\", %9 \"g\", %8 \"h\"\n}\n", 3, d, false);
}

Test(codegen, slices_and_pads)
{
    check("graph g(x: f32[N,5], y: i32[4,6]) {\n"
          "  %1 = pad x {before=[N,2], after=[0,1]} : f32[2N,8]\n  %2 = pad y {before=[1,0], after=[0,3]} : i32[5,9]\n"
          "  %3 = slice y {start=[1,2], stop=[3,6]} : i32[2,4]\n  %4 = concat x, x {axis=1} : f32[N,10]\n"
          "  %5 = reshape %4 : f32[N,2,5]\n  %6 = sum %5 {axis=[1]} : f32[N,5]\n  %7 = concat y, y {axis=0} : i32[8,6]\n"
          "  return %1 \"a\", %2 \"b\", %3 \"c\", %6 \"d\", %7 \"e\"\n}\n");
}

Test(codegen, indices)
{
    check_sized("graph g(i: i32[N], j: i64[N,2], u: u8[N], v: f32[N,#]) {\n"
                "  var %t: f32[9,#] = \"t\"\n  var %s: f64[9] = \"s\"\n"
                "  %1 = gather %t, i : f32[N,#]\n  %2 = gather %t, j : f32[N,2,#]\n  %3 = gather %s, i : f64[N]\n"
                "  %4 = scatter_add i, v : f32[9,#]\n  %5 = one_hot i : f32[N,8]\n  %6 = one_hot j : i32[N,2,3]\n"
                "  %7 = one_hot u : f64[N,5]\n"
                "  %8 = scatter_add i, %3 : f64[9]\n"
                "  return %1 \"a\", %2 \"b\", %4 \"c\", %5 \"d\", %6 \"e\", %7 \"f\", %8 \"g\"\n}\n", SIZES, sizes, false);
}

Test(codegen, constants)
{
    check("graph g(x: f32[N,3]) {\n"
          "  %1 = const [1, 2.5, -3] : f32[3]\n  %2 = add x, %1 : f32[N,3]\n  %3 = const [1, 0, 2] : i32[3]\n"
          "  %4 = gather %1, %3 : f32[3]\n"
          "  %5 = const [true, false, true] : bool[3]\n  %6 = where %5, %2, x : f32[N,3]\n  %7 = reshape %1 : f32[3,1]\n"
          "  %8 = matmul x, %7 : f32[N,1]\n"
          "  return %6 \"a\", %4 \"b\", %8 \"c\"\n}\n");
}

/* ---- random numbers, variables, a whole step ---- */

Test(codegen, random_numbers)
{
    check("graph g(x: f32[N,3], seed: i64[], step: i64[]) {\n"
          "  %1 = random_uniform seed, step {stream=0x5, from=-1, to=2} : f32[N,3]\n"
          "  %2 = random_normal seed, step {stream=0x6, from=0, to=1} : f64[N,3]\n"
          "  %3 = random_bits seed, step {stream=0x7, from=0, to=0} : i32[N,3]\n  %4 = mul %1, x : f32[N,3]\n"
          "  %5 = random_uniform seed, step {stream=0x8, from=0, to=1} : f32[]\n"
          "  %6 = random_uniform seed, step {stream=0x9, from=0, to=1} : f32[1,70]\n"
          "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\", %6 \"f\"\n}\n");
}

/* Numbers that are made where they are used, and beside that. */
Test(codegen, dropout)
{
    static const int64_t columns[] = {12, 64, 70, 128};
    check_sized("graph g(x: f32[N,#], m: f32[#], seed: i64[], step: i64[]) {\n"
                "  var %w: f32[#,20] = \"w\"\n  var %b: f32[20] = \"b\"\n"
                "  %1 = random_uniform seed, step {stream=0xffffffffffffff85, from=0, to=1} : f32[N,#]\n"
                "  %2 = le 0.5, %1 : bool[N,#]\n  %3 = mul x, 2 : f32[N,#]\n  %4 = where %2, %3, m : f32[N,#]\n"
                "  %5 = matmul %4, %w : f32[N,20]\n  %6 = add %5, %b : f32[N,20]\n  %7 = max %6, 0 : f32[N,20]\n"
                "  %8 = random_uniform seed, step {stream=0x9, from=0, to=1} : f32[N,20]\n"
                "  %9 = lt %8, 0.3 : bool[N,20]\n  %10 = where %9, %7, 0 : f32[N,20]\n  %11 = lt 0, %6 : bool[N,20]\n"
                "  return %4 \"a\", %2 \"b\", %10 \"c\", %11 \"d\"\n}\n", 4, columns, false);
}

Test(codegen, updates)
{
    check("graph g(x: f32[4], lr: f64[]) {\n"
          "  var %w: f32[4] = \"w\"\n  var %v: f32[4] = \"v\"\n  var %u: f32[4] = \"u\"\n  var %k: i64[] = \"k\"\n"
          "  %1 = cast lr : f32[]\n  %2 = mul x, %1 : f32[4]\n  %3 = sub %w, %2 : f32[4]\n  %4 = update %w, %3 : f32[4]\n"
          "  %5 = add %v, %w : f32[4]\n  %6 = update %v, %5 : f32[4]\n  %7 = update %u, %w : f32[4]\n"
          "  %8 = add %k, 1:i64 : i64[]\n  %9 = update %k, %8 : i64[]\n"
          "  return %3 \"a\", %5 \"b\"\n}\n");
}

static const char mlp_step[] =
    "graph mlp(x: f32[N,20], y: f32[N,4], lr: f64[], step: i64[]) {\n"
    "  var %w1: f32[20,33] = \"w1\"\n  var %b1: f32[33] = \"b1\"\n  var %w2: f32[33,4] = \"w2\"\n"
    "  var %b2: f32[4] = \"b2\"\n"
    "  var %m1: f32[20,33] = \"pm1\"\n  var %v1: f32[20,33] = \"pv1\"\n"
    "  %1 = matmul x, %w1 : f32[N,33]\n  %2 = add %1, %b1 : f32[N,33]\n  %3 = max %2, 0 : f32[N,33]\n"
    "  %4 = matmul %3, %w2 : f32[N,4]\n  %5 = add %4, %b2 : f32[N,4]\n"
    "  %6 = max_over %5 {axis=[1], keep} : f32[N,1]\n  %7 = sub %5, %6 : f32[N,4]\n  %8 = exp %7 : f32[N,4]\n"
    "  %9 = sum %8 {axis=[1], keep} : f32[N,1]\n  %10 = log %9 : f32[N,1]\n  %11 = sub %7, %10 : f32[N,4]\n"
    "  %12 = mul %11, y : f32[N,4]\n  %13 = sum %12 {axis=[1]} : f32[N]\n  %14 = mean %13 {axis=[0]} : f32[]\n"
    "  %15 = neg %14 : f32[]\n"
    "  %16 = div %8, %9 : f32[N,4]\n  %17 = sub %16, y : f32[N,4]\n  %18 = rows : f64[]\n  %19 = div 1:f64, %18 : f64[]\n"
    "  %20 = cast %19 : f32[]\n  %21 = mul %17, %20 : f32[N,4]\n"
    "  %22 = matmul %3, %21 {transpose_a} : f32[33,4]\n  %23 = sum %21 {axis=[0]} : f32[4]\n"
    "  %24 = matmul %21, %w2 {transpose_b} : f32[N,33]\n  %25 = lt 0, %2 : bool[N,33]\n"
    "  %26 = where %25, %24, 0 : f32[N,33]\n"
    "  %27 = matmul x, %26 {transpose_a} : f32[20,33]\n  %28 = sum %26 {axis=[0]} : f32[33]\n  %29 = cast lr : f32[]\n"
    "  %30 = mul %22, %29 : f32[33,4]\n  %31 = sub %w2, %30 : f32[33,4]\n  %32 = update %w2, %31 : f32[33,4]\n"
    "  %33 = mul %23, %29 : f32[4]\n  %34 = sub %b2, %33 : f32[4]\n  %35 = update %b2, %34 : f32[4]\n"
    "  %36 = mul %28, %29 : f32[33]\n  %37 = sub %b1, %36 : f32[33]\n  %38 = update %b1, %37 : f32[33]\n"
    "  %39 = sub %27, %m1 : f32[20,33]\n  %40 = fma %39, 0.1, %m1 : f32[20,33]\n  %41 = update %m1, %40 : f32[20,33]\n"
    "  %42 = mul %27, %27 : f32[20,33]\n  %43 = sub %42, %v1 : f32[20,33]\n  %44 = fma %43, 0.001, %v1 : f32[20,33]\n"
    "  %45 = update %v1, %44 : f32[20,33]\n  %46 = sqrt %44 : f32[20,33]\n  %47 = add %46, 1e-7 : f32[20,33]\n"
    "  %48 = mul %40, %29 : f32[20,33]\n  %49 = div %48, %47 : f32[20,33]\n  %50 = sub %w1, %49 : f32[20,33]\n"
    "  %51 = update %w1, %50 : f32[20,33]\n"
    "  return %15 \"loss\", %16 \"p\"\n}\n";

Test(codegen, training_step)
{
    check(mlp_step);
}

/* ---- the module ---- */

Test(codegen, assembly)
{
    struct fixture f;
    setup(&f);
    struct graph *g = planned(&f, mlp_step, 1, ROWS_MOST, true);
    struct code_options options = {.vector_width = 8};
    char *text = f.gen.text(g, &options, true, &f.arena, &f.diag);
    cr_assert(text, "%s", said(&f));
    cr_assert(strstr(text, "step"));
    cr_assert(strstr(text, "matmul."), "kernels carry the names of their operations");
#ifdef __x86_64__
    cr_assert(strstr(text, "vfmadd") && strstr(text, "ymm") && !strstr(text, "zmm"));
    if (__builtin_cpu_supports("avx512f")) {
        options.vector_width = 16;
        text = f.gen.text(g, &options, true, &f.arena, &f.diag);
        cr_assert(text && strstr(text, "zmm"));
        for (const char *line = text; (line = strstr(line, "%zmm")); line++) {
            int length = (int)strcspn(line, "\n");
            const char *stack = strstr(line, "(%rsp");
            cr_assert(!stack || stack - line > length, "an accumulator on the stack: %.*s", length, line);
        }
    }
#endif
    teardown(&f);
}

Test(codegen, equal_nodes_share_a_kernel)
{
    struct fixture f;
    setup(&f);
    struct graph *g = planned(&f, "graph g(x: f32[N,8], y: f32[N,8]) {\n"
                                  "  var %w: f32[8,8] = \"w\"\n  %1 = matmul x, %w : f32[N,8]\n"
                                  "  %2 = matmul %1, %w : f32[N,8]\n"
                                  "  %3 = matmul %2, y {transpose_b} : f32[N,N]\n  return %2 \"a\", %3 \"b\"\n"
                                  "}\n", 1, ROWS_MOST, true);
    char *text = f.gen.text(g, &(struct code_options){0}, false, &f.arena, &f.diag);
    int definitions = 0, calls = 0;
    for (char *p = text; (p = strstr(p, "void @matmul.")); p++)
        *(p - 1) == ' ' && p[-2] == 'l' && p[-5] == 'c' ? calls++ : definitions++;
    cr_assert(definitions == 2 && calls == 3, "%d definitions, %d calls\n%s", definitions, calls, text);
    teardown(&f);
}

/* How many kernels the graph |text| has. */
static int
count_kernels(struct fixture *f, const char *text)
{
    struct graph *g = planned(f, text, 1, ROWS_MOST, true);
    char *ir = f->gen.text(g, &(struct code_options){0}, false, &f->arena, &f->diag);
    int count = 0;
    cr_assert(ir);
    for (char *p = ir; (p = strstr(p, "define internal ")); p++)
        count++;
    return count;
}

/* All elements, a multiple of 16 of them and others; columns of several numbers of registers; streams. */
Test(codegen, sizes_share_a_kernel)
{
    static const char elements[] =
        "graph g(x: f32[20,32], y: f32[7], z: f32[N,5], u: f32[N,48], lr: f32[]) {\n"
        "  %1 = mul x, lr : f32[20,32]\n  %2 = mul y, lr : f32[7]\n  %3 = mul z, lr : f32[N,5]\n"
        "  %4 = mul u, lr : f32[N,48]\n  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\"\n}\n";
    static const char columns[] =
        "graph g(x: f32[N,64], y: f32[N,192], a: f32[64], b: f32[192], c: f32[N,1]) {\n"
        "  %1 = add x, a : f32[N,64]\n  %2 = mul %1, c : f32[N,64]\n  %3 = mean %2 {axis=[0]} : f32[64]\n"
        "  %4 = add y, b : f32[N,192]\n  %5 = mul %4, c : f32[N,192]\n  %6 = mean %5 {axis=[0]} : f32[192]\n"
        "  %7 = sum %2 {axis=[1]} : f32[N]\n  %8 = sum %5 {axis=[1]} : f32[N]\n"
        "  return %2 \"a\", %3 \"b\", %5 \"c\", %6 \"d\", %7 \"e\", %8 \"f\"\n}\n";
    static const char streams[] =
        "graph g(x: f32[N,64], y: f32[N,128], a: f32[64], b: f32[128], seed: i64[], step: i64[]) {\n"
        "  %1 = random_uniform seed, step {stream=0x5, from=0, to=1} : f32[N,64]\n  %2 = le 0.5, %1 : bool[N,64]\n"
        "  %3 = mul x, a : f32[N,64]\n  %4 = where %2, %3, 0 : f32[N,64]\n"
        "  %5 = random_uniform seed, step {stream=0x6, from=0, to=1} : f32[N,128]\n  %6 = le 0.5, %5 : bool[N,128]\n"
        "  %7 = mul y, b : f32[N,128]\n  %8 = where %6, %7, 0 : f32[N,128]\n  return %4 \"a\", %8 \"b\"\n}\n";
    struct fixture f;
    setup(&f);
    check(elements);
    check(columns);
    check(streams);
    cr_assert_eq(count_kernels(&f, elements), 2, "multiples of 16, and others");
    cr_assert_eq(count_kernels(&f, columns), 3, "with the sums of rows, which are of one number of columns");
    cr_assert_eq(count_kernels(&f, streams), 1);
    teardown(&f);
}

/* A process that may not make memory executable: PR_SET_MDWE of Linux 6.3, as SELinux and noexec mounts deny it. */
Test(codegen, denied_pages)
{
    enum { SET_MDWE = 65, REFUSE_EXEC_GAIN = 1 };
    struct fixture f;
    setup(&f);
    struct graph *g = planned(&f, "graph g(x: f32[N]) {\n  %1 = exp x : f32[N]\n  return %1 \"y\"\n}\n", 1, 5, true);
    if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0))
        cr_skip_test("this system does not refuse executable pages");
    cr_assert(!compiled(&f, g, &(struct code_options){0}));
    cr_assert(f.diag.first && f.diag.first->code == DIAG_JIT_DENIED && f.diag.status == STATUS_MACHINE, "%s", said(&f));
    teardown(&f);
}

Test(codegen, loads_and_unloads)
{
    for (int i = 0; i < 5; i++) {
        struct fixture f;
        setup(&f);
        struct graph *g = planned(&f, "graph g(x: f32[N]) {\n  %1 = exp x : f32[N]\n  return %1 \"y\"\n}\n", 1,
                                  ROWS_MOST, true);
        struct code_options options = {0};
        struct code *a = compiled(&f, g, &options), *b = compiled(&f, g, &options);
        cr_assert(a && b);
        compare_runs(&f, g, code_function(a, 0), 5, &options);
        code_free(a);
        compare_runs(&f, g, code_function(b, 0), 5, &options);
        code_free(b);
        teardown(&f);
    }
}
