/* code_threads: compiled graphs whose kernels are cut up give the bits of graph mode on one, two and three threads, for every
 * vector width, with and without LLVM's passes, fused or not. Kernels of any size are cut up here; test_random_graphs does the
 * same with graphs that are drawn. */
#include "tests/unit/code_check.h"

enum { THREADS = 3 };

/* How many kernels the code has cut up. */
static int
cut_kernels(struct fixture *f, const struct graph *g, const struct code_options *options)
{
    int count = 0;
    const char *ir = f->gen.text(g, options, false, &f->arena, &f->diag);
    cr_assert(ir, "%s", said(f));
    for (const char *at = ir; (at = strstr(at, "call i32 @code_parts(")); at++)
        count++;
    return count;
}

/* |g| on |rows| rows, the first first: which is the greatest. */
static void
check_threads(struct fixture *f, struct graph *g, const struct code_options *options, int nrows, const int64_t *rows)
{
    struct code *c = compiled(f, g, options);
    cr_assert(c, "%s", said(f));
    for (int count = 1; count <= THREADS; count++) {
        f->threads = threads_new(count);
        threads_least(f->threads, 0);
        for (int i = 0; i < nrows; i++)
            compare_runs(f, g, code_function(c, 0), rows[i], options);
        threads_free(f->threads);
        f->threads = NULL;
    }
    code_free(c);
}

/* '#' in |text| takes the |count| numbers |d|; at least |kernels| kernels are cut up where the graph is fused. */
static void
check(const char *text, int kernels, int count, const int64_t *d)
{
    static const int64_t rows[] = {70, 33, 17, 2, 1};
    struct fixture f;
    setup(&f);
    for (int i = 0; i < count; i++)
        for (int fuse = 0; fuse < 2; fuse++) {
            struct graph *g = planned(&f, text, d[i], rows[0], fuse);
            for (int width = 4; width <= 16; width *= 2) {
                struct code_options options = {.vector_width = width, .llvm_passes = width == 8 && fuse, .cut_small = true};
                int cut = cut_kernels(&f, g, &options);
                cr_assert(cut >= kernels || !fuse, "%d kernels are cut up of %d:\n%s", cut, kernels, graph_text(g, g->arena, false));
                check_threads(&f, g, &options, 5, rows);
            }
        }
    teardown(&f);
}

/* Rows and columns of one shape and another; the lanes along rows that the call brings; products of a batch. */
Test(code_threads, contractions)
{
    static const int64_t d[] = {5, 64, 130};
    check("graph g(x: f32[N,#], y: f32[N,40], z: f64[3,N,#], w: f64[3,#,4]) {\n"
          "  var %w: f32[#,200] = \"w\"\n  var %v: f32[150,#] = \"v\"\n  var %u: f32[70,#] = \"u\"\n"
          "  %1 = matmul x, %w : f32[N,200]\n  %2 = matmul x, %v {transpose_b} : f32[N,150]\n"
          "  %3 = matmul x, y {transpose_a} : f32[#,40]\n  %4 = matmul %u, %w : f32[70,200]\n"
          "  %5 = matmul y, x {transpose_a} : f32[40,#]\n  %6 = matmul x, x {transpose_b} : f32[N,N]\n"
          "  %7 = matmul z, w : f64[3,N,4]\n  %8 = matmul z, z {transpose_a} : f64[3,#,#]\n"
          "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\", %6 \"f\", %7 \"g\", %8 \"h\"\n}\n", 6, 3, d);
}

/* Few columns with the lanes along the rows, one column, long chains in blocks. */
Test(code_threads, weight_gradients)
{
    static const int64_t d[] = {1, 10, 12};
    check("graph g(x: f32[N,#]) {\n"
          "  var %a: f32[530,90] = \"a\"\n  var %b: f32[530,#] = \"b\"\n  var %c: f32[530,140] = \"c\"\n  var %w: f32[#,1] = \"w\"\n"
          "  %1 = matmul %a, %b {transpose_a} : f32[90,#]\n  %2 = matmul %c, %b {transpose_a} : f32[140,#]\n"
          "  %3 = matmul %a, %c {transpose_a} : f32[90,140]\n  %4 = matmul %b, %w : f32[530,1]\n"
          "  %5 = matmul x, %w : f32[N,1]\n"
          "  return %1 \"a\", %2 \"b\", %3 \"c\", %4 \"d\", %5 \"e\"\n}\n", 3, 3, d);
}

/* Many weights for few rows: the chains are cut, and what stands behind them is done by the last part. */
Test(code_threads, chains)
{
    static const int64_t d[] = {400, 410, 1000};
    check("graph g(x: f32[N,300], y: f32[N,#]) {\n"
          "  var %w: f32[300,#] = \"w\"\n  var %b: f32[#] = \"b\"\n  var %u: f32[20,300] = \"u\"\n"
          "  %1 = matmul x, %w : f32[N,#]\n  %2 = add %1, %b : f32[N,#]\n  %3 = max %2, 0 : f32[N,#]\n"
          "  %4 = lt 0, %2 : bool[N,#]\n  %5 = matmul %u, %w : f32[20,#]\n  %6 = matmul %u, %w : f32[20,#]\n"
          "  %7 = mul %6, %b : f32[20,#]\n  %8 = matmul x, y {transpose_a} : f32[300,#]\n"
          "  return %3 \"a\", %4 \"b\", %5 \"c\", %7 \"d\", %8 \"e\"\n}\n", 3, 3, d);
}

/* Both operands are copied, by each part what it needs. */
Test(code_threads, large_contractions)
{
    static const int64_t one = 1;
    struct fixture f;
    setup(&f);
    struct graph *g = planned(&f, "graph g(x: f32[N,2]) {\n"
                                  "  var %a: f32[501,530] = \"a\"\n  var %b: f32[530,515] = \"b\"\n"
                                  "  var %c: f32[530,501] = \"c\"\n  var %d: f32[515,530] = \"d\"\n"
                                  "  %1 = matmul %a, %b : f32[501,515]\n  %2 = matmul %c, %b {transpose_a} : f32[501,515]\n"
                                  "  %3 = matmul %a, %d {transpose_b} : f32[501,515]\n"
                                  "  return %1 \"a\", %2 \"b\", %3 \"c\", x \"d\"\n}\n", 1, 1, true);
    for (int width = 8; width <= 16; width += 8) {
        struct code_options options = {.vector_width = width}; /* large enough as they are */
        cr_assert_eq(cut_kernels(&f, g, &options), 3);
        check_threads(&f, g, &options, 1, &one);
    }
    teardown(&f);
}

/* What stands behind a contraction: with sums over the rows, of values that are kept or not, and without. */
Test(code_threads, tails)
{
    static const int64_t d[] = {33, 70, 130};
    check("graph g(x: f32[N,5], z: f32[N,1]) {\n"
          "  var %w: f32[5,#] = \"w\"\n  var %v: f32[#,5] = \"v\"\n  var %b: f32[#] = \"b\"\n  var %u: f32[40,5] = \"u\"\n"
          "  %1 = matmul x, %w : f32[N,#]\n  %2 = add %1, %b : f32[N,#]\n  %3 = max %2, 0 : f32[N,#]\n"
          "  %4 = lt 0, %2 : bool[N,#]\n"
          "  %5 = matmul x, %v {transpose_b} : f32[N,#]\n  %6 = where %4, %5, 0 : f32[N,#]\n  %7 = sum %6 {axis=[0]} : f32[#]\n"
          "  %8 = matmul x, %w : f32[N,#]\n  %9 = mul %8, z : f32[N,#]\n  %10 = mean %9 {axis=[0], keep} : f32[1,#]\n"
          "  %11 = matmul %u, %w : f32[40,#]\n  %12 = sub %11, %b : f32[40,#]\n  %13 = mean %12 {axis=[0]} : f32[#]\n"
          "  %14 = matmul x, %w : f32[N,#]\n  %15 = sub %14, %b : f32[N,#]\n  %16 = abs %15 : f32[N,#]\n"
          "  %17 = sum %15 {axis=[0]} : f32[#]\n"
          "  return %3 \"a\", %4 \"b\", %6 \"c\", %7 \"d\", %9 \"e\", %10 \"f\", %12 \"g\", %13 \"h\", %16 \"i\", %17 \"j\"\n}\n", 2, 3, d);
}

/* Updates that wait until the next tile is multiplied, in each part. */
Test(code_threads, tails_that_wait)
{
    static const int64_t d[] = {32, 64, 144};
    check("graph g(x: f32[N,21], y: f32[N,#], s: f32[]) {\n"
          "  var %m: f32[21,#] = \"m\"\n  var %v: f32[21,#] = \"v\"\n  var %w: f32[21,#] = \"w\"\n"
          "  %1 = matmul x, y {transpose_a} : f32[21,#]\n"
          "  %2 = fused(%1, %m, %v, %w, s) : f32[21,#] {\n"
          "    %a = add $0, $1 : f32[21,#]\n    %b = mul %a, %a : f32[21,#]\n    %c = add %b, $2 : f32[21,#]\n"
          "    %d = abs %c : f32[21,#]\n    %e = sqrt %d : f32[21,#]\n    %f = add %e, $4 : f32[21,#]\n"
          "    %g = div %a, %f : f32[21,#]\n    %h = sub $3, %g : f32[21,#]\n    return %a, %c, %h\n  }\n"
          "  %3 = result %2 {index=0} : f32[21,#]\n  %4 = result %2 {index=1} : f32[21,#]\n"
          "  %5 = result %2 {index=2} : f32[21,#]\n"
          "  %6 = update %m, %3 : f32[21,#]\n  %7 = update %v, %4 : f32[21,#]\n  %8 = update %w, %5 : f32[21,#]\n"
          "  return %3 \"a\", %4 \"b\", %5 \"c\"\n}\n", 1, 3, d);
}

/* Groups: long ones, rows, reductions along rows and down columns, several in one group, updates. */
Test(code_threads, groups)
{
    static const int64_t d[] = {3, 16, 150};
    check("graph g(x: f32[N,#], y: f32[N,#], b: f32[#], s: f64[2,N,#]) {\n"
          "  var %w: f32[#,40] = \"w\"\n  var %m: f32[#,40] = \"m\"\n"
          "  %1 = add x, y : f32[N,#]\n  %2 = tanh %1 : f32[N,#]\n  %3 = mul %2, b : f32[N,#]\n"
          "  %4 = sum %3 {axis=[1], keep} : f32[N,1]\n  %5 = sub %3, %4 : f32[N,#]\n  %6 = exp %5 : f32[N,#]\n"
          "  %7 = mean %6 {axis=[0]} : f32[#]\n  %8 = sub %6, %7 : f32[N,#]\n  %9 = mul %8, %8 : f32[N,#]\n"
          "  %10 = mean %9 {axis=[0]} : f32[#]\n  %11 = max_over %9 {axis=[1]} : f32[N]\n  %12 = sum s {axis=[1]} : f64[2,#]\n"
          "  %13 = sum s {axis=[1,2]} : f64[2]\n  %14 = mul %m, 0.5 : f32[#,40]\n  %15 = sub %w, %14 : f32[#,40]\n"
          "  %16 = add %14, %15 : f32[#,40]\n  %17 = update %w, %16 : f32[#,40]\n  %18 = update %m, %14 : f32[#,40]\n"
          "  return %2 \"a\", %8 \"b\", %10 \"c\", %11 \"d\", %12 \"e\", %13 \"f\", %16 \"g\"\n}\n", 5, 3, d);
}

/* Random numbers inside the group that uses them do not depend on where parts begin. */
Test(code_threads, random_numbers)
{
    static const int64_t d[] = {64, 192};
    check("graph g(x: f32[N,#], step: i64[], seed: i64[]) {\n"
          "  %1 = random_uniform seed, step {stream=0x5bd7e0bbebfdd371, from=0, to=1} : f32[N,#]\n"
          "  %2 = le 0.5, %1 : bool[N,#]\n  %3 = where %2, x, 0 : f32[N,#]\n"
          "  %4 = random_uniform seed, step {stream=0x76a889320a2c7378, from=-1, to=2} : f32[6,#]\n  %5 = neg %4 : f32[6,#]\n"
          "  return %3 \"a\", %2 \"b\", %5 \"c\"\n}\n", 2, 2, d);
}

/* Kernels that are not worth two threads have no such call. */
Test(code_threads, small_kernels_are_called_directly)
{
    struct fixture f;
    setup(&f);
    const char *text = "graph g(x: f32[N,10]) {\n  var %w: f32[10,20] = \"w\"\n"
                       "  %1 = matmul x, %w : f32[N,20]\n  %2 = tanh %1 : f32[N,20]\n  return %2 \"a\"\n}\n";
    struct code_options options = {.vector_width = 8};
    cr_assert_eq(cut_kernels(&f, planned(&f, text, 1, 32, true), &options), 0);
    cr_assert_eq(cut_kernels(&f, planned(&f, text, 1, 100000, true), &options), 2);
    teardown(&f);
}
