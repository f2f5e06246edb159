/* Data blocks: values, shapes, bindings and messages, through the parser. */
#include "frontend/data_run.h"
#include "frontend/model.h"
#include "runtime/data/npy.h"
#include "tests/unit/data_block.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/nnc-data-XXXXXX";

static void
setup(void)
{
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&sources, &arena);
}

static void
teardown(void)
{
    data_free(&result);
    arena_free(&arena);
}

TestSuite(data, .init = setup, .fini = teardown);

/* Runs a data block with |block| as its statements; `width` is a const of value 3. */
static bool
run_with(const char *block, const char *const *options, int noptions)
{
    static const struct const_value consts[] = {{"width", {.is_whole = true, .whole = 3, .real = 3}, {0}, false}};
    const char *text = arena_printf(&arena, "data {\n%s\n}\n", block);
    diag_init(&diag, &arena);
    int file = source_add(&sources, "m.nn", text, strlen(text));
    struct ast_file tree = parse_file(&sources, file, &diag);
    cr_assert(!diag.errors && tree.block && tree.block->nbody == 1, "%s: %s", block, diag.first ? diag.first->message : "");
    struct data_env env = {.arena = &arena, .sources = &sources, .files = {folder, options, noptions}, .consts = consts, .nconsts = 1};
    data_free(&result);
    return data_run(tree.block->body[0], &env, &result, &diag);
}

static bool
run(const char *block)
{
    return run_with(block, NULL, 0);
}

static void
runs(const char *block)
{
    bool good = run(block);
    cr_assert(good && !diag.errors, "%s: %d:%d: %s", block, diag.first ? diag.first->place.line : 0,
              diag.first ? diag.first->place.column : 0, diag.first ? diag.first->message : "");
}

/* What `v = |expression|` gives: the type's text and the elements. |before|: statements above. */
static void
gives_after(const char *before, const char *expression, const char *type, int n, const double *want)
{
    char text[TYPE_TEXT];
    runs(arena_printf(&arena, "%s\nv = %s", before, expression));
    const struct data_value *v = named("v");
    cr_assert(v->kind == DATA_TENSOR, "%s: %s", expression, data_describe(v, &arena));
    type_text(&v->tensor->type, ", ", text);
    cr_assert(!strcmp(text, type), "%s: %s, expected %s", expression, text, type);
    cr_assert(tensor_count(v->tensor) == n);
    for (int i = 0; i < n; i++)
        cr_assert(element(v->tensor, i) == want[i], "%s: element %d is %.17g, expected %.17g", expression, i,
                  element(v->tensor, i), want[i]);
}

#define GIVES(before, expression, type, ...) \
    gives_after(before, expression, type, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})

/* |block| fails; the first message stands at |line| (of the block, from 1) and |column| and holds |says|; the next one holds
 * |then|. */
static void
fails(const char *block, int line, int column, const char *says, const char *then)
{
    bool good = run(block);
    cr_assert(!good && diag.errors, "%s: no error", block);
    const struct diagnostic *d = diag.first;
    cr_assert(strstr(d->message, says), "%s: %s", block, d->message);
    cr_assert(d->place.line == line + 1 && d->place.column == column, "%s: %d:%d: %s", block, d->place.line - 1,
              d->place.column, d->message);
    if (then)
        cr_assert(d->next && strstr(d->next->message, then), "%s: %s, then %s", block, d->message,
                  d->next ? d->next->message : "nothing");
}

/* ---- values ---- */

Test(data, arithmetic_on_tensors)
{
    const char *x = "x = tensor([[1, 2, 3], [4, 5, 6]])\nc = tensor([1, 0])\nk = i64(x)";
    GIVES(x, "x + 1", "f64[2, 3]", 2, 3, 4, 5, 6, 7);
    GIVES(x, "10 - x * 2", "f64[2, 3]", 8, 6, 4, 2, 0, -2);
    GIVES(x, "x / tensor([2, 4, 8])", "f64[2, 3]", 0.5, 0.5, 0.375, 2, 1.25, 0.75);
    GIVES(x, "x - reshape(c, [2, 1])", "f64[2, 3]", 0, 1, 2, 4, 5, 6);
    GIVES(x, "-x // 2", "f64[2, 3]", -1, -1, -2, -2, -3, -3);
    GIVES(x, "x ^ 2", "f64[2, 3]", 1, 4, 9, 16, 25, 36);
    GIVES(x, "x @ tensor([[1], [10], [100]])", "f64[2, 1]", 321, 654);
    GIVES(x, "x > 3 and not (x == 5)", "bool[2, 3]", 0, 0, 0, 1, 0, 1);
    GIVES(x, "4 <= x", "bool[2, 3]", 0, 0, 0, 1, 1, 1);
    GIVES(x, "x >= 4 ? x : -1", "f64[2, 3]", -1, -1, -1, 4, 5, 6);
    GIVES(x, "x > 3 ? 1 : 0", "i64[2, 3]", 0, 0, 0, 1, 1, 1);
    GIVES(x, "max(x, 3) + min(x, c[0])", "f64[2, 3]", 4, 4, 4, 5, 6, 7);
    GIVES(x, "k * 2 + k", "i64[2, 3]", 3, 6, 9, 12, 15, 18);
    GIVES(x, "k / 2", "f64[2, 3]", 0.5, 1, 1.5, 2, 2.5, 3);
    GIVES(x, "k // 2", "i64[2, 3]", 0, 1, 1, 2, 2, 3);
    GIVES(x, "k + 0.5", "f64[2, 3]", 1.5, 2.5, 3.5, 4.5, 5.5, 6.5);
    GIVES(x, "u8(k) * 100 + i32(k)", "i64[2, 3]", 101, 202, 303, 404, 505, 606);
    GIVES(x, "sqrt(k * k)", "f64[2, 3]", 1, 2, 3, 4, 5, 6);
    GIVES(x, "f32(x) + 0.1", "f32[2, 3]", 1.1f, 2.1f, 3.1f, 4.1f, 5.1f, 6.1f);
    GIVES(x, "i32(x / 2)", "i32[2, 3]", 0, 1, 1, 2, 2, 3);
    GIVES(x, "f32(0.1)", "f32[]", 0.1f);
}

Test(data, reductions_and_shapes)
{
    const char *x = "x = tensor([[1, 2, 3], [4, 6, 5]])";
    GIVES(x, "sum(x)", "f64[]", 21);
    GIVES(x, "sum(x, axis = 1)", "f64[2]", 6, 15);
    GIVES(x, "sum(x, axis = -2, keep = true)", "f64[1, 3]", 5, 8, 8);
    GIVES(x, "sum(x > 2, axis = [0, 1])", "i64[]", 4);
    GIVES(x, "mean(i32(x), 0)", "f64[3]", 2.5, 4, 4);
    GIVES(x, "max(x)", "f64[]", 6);
    GIVES(x, "max(x, axis = 0)", "f64[3]", 4, 6, 5);
    GIVES(x, "x.min(axis = 1)", "f64[2]", 1, 4);
    GIVES(x, "argmax(x, axis = 1)", "i32[2]", 2, 1);
    GIVES(x, "argmax(x)", "i32[]", 4);
    GIVES(x, "x[1]", "f64[3]", 4, 6, 5);
    GIVES(x, "x[:, 1:3]", "f64[2, 2]", 2, 3, 6, 5);
    GIVES(x, "x[:, -1]", "f64[2]", 3, 5);
    GIVES(x, "x[-1, :-1]", "f64[2]", 4, 6);
    GIVES(x, "x[1:, 0]", "f64[1]", 4);
    GIVES(x, "x[i64(tensor([1, 1, 0]))]", "f64[3, 3]", 4, 6, 5, 4, 6, 5, 1, 2, 3);
    GIVES(x, "reshape(x, [3, -1])", "f64[3, 2]", 1, 2, 3, 4, 6, 5);
    GIVES(x, "transpose(x)", "f64[3, 2]", 1, 4, 2, 6, 3, 5);
    const char *cube = "x = reshape(tensor([1, 2, 3, 4, 5, 6, 7, 8]), [2, 2, 2])";
    GIVES(cube, "transpose(x, [0, 2, 1])", "f64[2, 2, 2]", 1, 3, 2, 4, 5, 7, 6, 8);
    GIVES(x, "concat([x, x + 10], axis = 1)", "f64[2, 6]", 1, 2, 3, 11, 12, 13, 4, 6, 5, 14, 16, 15);
    GIVES(x, "squeeze(x[:, 0:1])", "f64[2]", 1, 4);
    GIVES(x, "squeeze(x[0:1], axis = 0)", "f64[3]", 1, 2, 3);
    GIVES("", "one_hot(i32(tensor([2, 0])), 3)", "f64[2, 3]", 0, 0, 1, 1, 0, 0);
    GIVES(x, "zeros([shape_of(x)[1]]) + ones(3)", "f64[3]", 1, 1, 1);
}

Test(data, scaling_by_column)
{
    const char *x = "x = tensor([[1, 10, 7], [3, 30, 7], [2, 20, 7], [5, 50, 7]])";
    GIVES(x, "minmax(x)", "f64[4, 3]", 0, 0, 0, 0.5, 0.5, 0, 0.25, 0.25, 0, 1, 1, 0);
    GIVES(x, "minmax(x[:, 0] * 2, fit = x[:, 0])", "f64[4]", 0.25, 1.25, 0.75, 2.25);
    GIVES("", "standardize(tensor([1, 3, 1, 3]))", "f64[4]", -1, 1, -1, 1);
    GIVES("", "standardize(i32(tensor([5, 7])), fit = tensor([1, 3, 1, 3]))", "f64[2]", 3, 5);
    GIVES("", "standardize(tensor([[2], [2]]))", "f64[2, 1]", 0, 0);
}

Test(data, numbers_and_names)
{
    runs("a = width * 2 + 1; b = 7 / 2; c = 7 // 2; d = max(a, 2.5); e = sqrt(16); a = a + 1\n"
         "if a > 7 { f = 1 } else { f = 2 }\nrepeat i in 1..4 { f = f * i }\ng = true ? [1, 2] : 3");
    cr_assert(named("a")->number.whole == 8 && named("a")->number.is_whole);
    cr_assert(named("b")->number.real == 3.5 && named("c")->number.whole == 3);
    cr_assert(named("d")->number.real == 7 && !named("d")->number.is_whole);
    cr_assert(named("e")->number.real == 4);
    cr_assert(named("f")->number.whole == 24);
    cr_assert(named("g")->kind == DATA_LIST && named("g")->list.count == 2);
}

Test(data, random_numbers)
{
    GIVES("r = numpy_random(0)", "normal(r, [2, 2])", "f64[2, 2]", 1.764052345967664, 0.4001572083672233, 0.9787379841057392,
          2.240893199201458);
    GIVES("r = numpy_random(0)\ns = r\nx = normal(s, 2)", "normal(r, 1)", "f64[1]", 0.9787379841057392);
    GIVES("r = numpy_random(42)", "uniform(r, [2], low = 0, high = 2)", "f64[2]", 2 * 0.3745401188473625,
          2 * 0.9507143064099162);
    GIVES("r = numpy_rng(42)", "r.normal([2])", "f64[2]", 0.30471707975443135, -1.0399841062404955);
    GIVES("r = numpy_random(0)", "permutation(r, 10)", "i64[10]", 2, 8, 4, 9, 1, 6, 7, 3, 0, 5);
    GIVES("r = numpy_random(0)\nx = tensor([[0, 0], [1, 10], [2, 20]])", "shuffle(r, x)", "f64[3, 2]", 2, 20, 1, 10, 0, 0);
    GIVES("r = numpy_random(0)", "integers(r, 0, 10, [8])", "i64[8]", 5, 0, 3, 3, 7, 9, 3, 5);
    GIVES("r = numpy_random(0)", "choice(r, 10, 3)", "i64[3]", 2, 8, 4);
}

/* ---- whole blocks ---- */

Test(data, the_block_of_the_sine)
{
    runs("r = numpy_random(0)\nx = normal(r, [7000, 10])\nxv = normal(r, [700, 10])\n"
         "y = sum(sin(x), axis = 1)\nyv = sum(sin(xv), axis = 1)\n"
         "train x = x, y = minmax(y)\nvalid x = xv, y = minmax(yv, fit = y)");
    cr_assert(result.train.count == 2 && result.valid.count == 2 && result.train.rows == 7000 && result.valid.rows == 700);
    const struct tensor *x = &bound(&result.train, "x")->value, *y = &bound(&result.train, "y")->value;
    cr_assert(y->type.rank == 1 && x->type.rank == 2 && element(x, 0) == 1.764052345967664);
    double low = INFINITY, high = -INFINITY, sums[2] = {0};
    for (int64_t i = 0; i < 7000; i++) {
        double s = 0;
        for (int k = 0; k < 10; k++)
            s += sin(element(x, i * 10 + k));
        sums[i == 1] = i < 2 ? s : sums[i == 1];
        low = fmin(low, s);
        high = fmax(high, s);
    }
    cr_assert(fabs(element(y, 1) - (sums[1] - low) / (high - low)) < 1e-14);
    const struct tensor *xv = &bound(&result.valid, "x")->value, *yv = &bound(&result.valid, "y")->value;
    double s = 0;
    for (int k = 0; k < 10; k++)
        s += sin(element(xv, k));
    cr_assert(fabs(element(yv, 0) - (s - low) / (high - low)) < 1e-14);
}

Test(data, the_blocks_of_small_experiments)
{
    runs("r = numpy_random(5)\nx = normal(r, [200, 6])\ny = sum(sin(x), axis = 1)\n"
         "train x = x[0:150], y = y[0:150]\nvalid x = x[150:200], y = y[150:200]");
    cr_assert(result.train.rows == 150 && result.valid.rows == 50);
    const struct data_value *x = named("x");
    cr_assert(element(&bound(&result.valid, "x")->value, 0) == element(x->tensor, 150 * 6));
    runs("r = numpy_random(11)\nx = normal(r, [333, 20])\nc = argmax(x[:, 0:5], axis = 1)\n"
         "train x = x[0:270], c = c[0:270]\nvalid x = x[270:333], c = c[270:333]");
    cr_assert(bound(&result.train, "c")->value.type.elem == ELEM_I32);
    runs("r = numpy_random(2)\nx = normal(r, [120, 4])\ny = x[:, 0] * 2 - x[:, 1]\nc = i32(x[:, 2] > 0)\n"
         "train x, y\ntrain c = c");
    cr_assert(result.train.count == 3 && result.train.rows == 120);
}

Test(data, memory_of_values_that_no_name_reaches_is_freed)
{
    runs("r = numpy_random(0)\nx = normal(r, [10])\ny = x + 1\nx = y * 2\ntrain x = x - 1\ntrain z = y\nif 1 { y = 0 }");
    int held = 0;
    struct held {
        struct tensor tensor;
        struct held *next;
    };
    for (const struct held *h = (const struct held *)result.context.pool.first; h; h = h->next)
        held++;
    cr_assert(held == 3, "%d tensors", held); /* x, x - 1, and y as z */
    cr_assert(element(&bound(&result.train, "z")->value, 0) == 2.764052345967664);
}

/* ---- files ---- */

static void
write_npy(const char *name, double first)
{
    struct type type = {.elem = ELEM_F64, .rank = 1, .dim = {2}};
    struct tensor t = tensor_new(&type);
    ((double *)t.data)[0] = first;
    cr_assert(npy_write(arena_printf(&arena, "%s/%s", folder, name), &t, &diag));
    tensor_free(&t);
}

Test(data, files_are_found_as_told)
{
    cr_assert(mkdtemp(folder) != NULL);
    const char *other = arena_printf(&arena, "%s/other", folder);
    cr_assert(mkdir(other, 0700) == 0);
    write_npy("a.npy", 1);
    write_npy("other/a.npy", 2);
    write_npy("b.npy", 3);
    const char *replaced = arena_printf(&arena, "a.npy=%s/b.npy", folder);
    const struct {
        const char *options[2];
        int n;
        double want;
    } cases[] = {{{NULL}, 0, 1}, {{other}, 1, 2}, {{"/nosuch", other}, 2, 2}, {{other, replaced}, 2, 3}, {{"/no"}, 1, 1}};
    for (int i = 0; i < 5; i++) {
        cr_assert(run_with("x = npy(\"a.npy\")", cases[i].options, cases[i].n));
        cr_assert(element(named("x")->tensor, 0) == cases[i].want, "case %d", i);
    }
    cr_assert(!run("x = npy(\"c.npy\")"));
    cr_assert(strstr(diag.first->subject, "c.npy") && diag.first->next->place.line == 2);
    unlink(arena_printf(&arena, "%s/a.npy", folder));
    unlink(arena_printf(&arena, "%s/b.npy", folder));
    unlink(arena_printf(&arena, "%s/other/a.npy", folder));
    rmdir(other);
    rmdir(folder);
}

/* ---- bytes ---- */

/* u.npy: u8[100, 50], whose values are even, 0 to 250. */
static void
write_bytes(void)
{
    struct type type = {.elem = ELEM_U8, .rank = 2, .dim = {100, 50}};
    struct tensor t = tensor_new(&type);
    cr_assert(mkdtemp(folder) != NULL);
    for (int i = 0; i < 5000; i++)
        ((uint8_t *)t.data)[i] = (uint8_t)(i * 7 % 126 * 2);
    cr_assert(npy_write(arena_printf(&arena, "%s/u.npy", folder), &t, &diag));
    tensor_free(&t);
}

static void
remove_bytes(void)
{
    unlink(arena_printf(&arena, "%s/u.npy", folder));
    rmdir(folder);
}

static struct tensor
copy_of(const struct tensor *t)
{
    struct tensor copy = tensor_new(&t->type);
    memcpy(copy.data, t->data, (size_t)tensor_bytes(t));
    return copy;
}

/* What is computed of a byte by the table of its 256 values is what is computed of every element, as i64 here. */
Test(data, bytes_are_computed_as_every_element)
{
    static const struct {
        const char *expression; /* of u */
        bool coded;
    } cases[] = {
        {"u / 255", true},           {"(u / 255 - 0.1307) / 0.3081", true}, {"-(u - 125) * 3", true},    {"1 / (u + 1)", true},
        {"u ^ 2", true},             {"u > 100", true},                     {"(u * 0.1)[3]", true},      {"(u * 0.1)[10:20, 4]", true},
        {"(u * 0.1)[-20:]", true}, {"u // 7", false},                {"1 - u + u", false},        {"sqrt(u / 3)", false},
        {"u > 9 ? u / 2 : 1", false}, {"sum(u / 10, axis = 1)", false},     {"(u / 255) @ transpose(u / 2)", false}, {"1000 // (u - 1)", false},
        {"(u / 255)[permutation(numpy_rng(1), 100)]", true}, {"minmax(u / 3)", false}, {"not (u > 3)", false},
    };
    write_bytes();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tensor each[2];
        for (int plain = 0; plain < 2; plain++) {
            runs(arena_printf(&arena, "u = npy(\"u.npy\")\n%sv = %s", plain ? "u = i64(u)\n" : "", cases[i].expression));
            const struct data_value *v = data_name_value(&result, source_name(&sources, "v", 1));
            cr_assert(v && (v->kind == DATA_CODED) == (!plain && cases[i].coded), "%s", cases[i].expression);
            each[plain] = copy_of(named("v")->tensor);
            cr_assert(named("v")->kind == DATA_TENSOR);
        }
        cr_assert(type_equal(&each[0].type, &each[1].type), "%s", cases[i].expression);
        cr_assert(!memcmp(each[0].data, each[1].data, (size_t)tensor_bytes(&each[0])), "%s", cases[i].expression);
        tensor_free(&each[0]);
        tensor_free(&each[1]);
    }
    remove_bytes();
}

/* Bound, split and converted without ever being f64. */
Test(data, bytes_become_inputs)
{
    static const char *const how[] = {"train x = @", "split x = @ into train, valid by 0.3", "split x = @ into train, valid by 0.3, seed = 7"};
    static const struct type wanted[] = {{.elem = ELEM_F32, .rank = 2, .dim = {DIM_N, 50}}, {.elem = ELEM_F64, .rank = 2, .dim = {DIM_N, 50}},
                                         {.elem = ELEM_I32, .rank = 2, .dim = {DIM_N, 50}}};
    static const char *const values[] = {"u / 255", "u / 255", "u / 2"};
    write_bytes();
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            for (int set = 0; set < (i ? 2 : 1); set++) {
                struct tensor each[2];
                for (int plain = 0; plain < 2; plain++) {
                    const char *at = strchr(how[i], '@');
                    runs(arena_printf(&arena, "u = npy(\"u.npy\")\n%s%.*s%s%s\nu = 0", plain ? "u = i64(u)\n" : "", (int)(at - how[i]), how[i],
                                      values[k], at + 1));
                    const struct data_binding *b = bound(set ? &result.valid : &result.train, "x");
                    cr_assert((b->table == NULL) == plain && data_convert(b, &wanted[k], &each[plain], &diag));
                }
                cr_assert(type_equal(&each[0].type, &each[1].type) && each[0].type.dim[0] == (i ? set ? 30 : 70 : 100));
                cr_assert(!memcmp(each[0].data, each[1].data, (size_t)tensor_bytes(&each[0])), "%s of %s", how[i], values[k]);
                tensor_free(&each[0]);
                tensor_free(&each[1]);
            }
    struct tensor t;
    runs("u = npy(\"u.npy\")\nsplit x = u / 4 into train, valid by 0.3"); /* the first odd half is element 1, 14 / 4 */
    cr_assert(!data_convert(bound(&result.train, "x"), &wanted[2], &t, &diag) && !t.data);
    cr_assert(strstr(diag.first->message, "row 0") && strstr(diag.first->message, "3.5"), "%s", diag.first->message);
    cr_assert(!data_convert(bound(&result.valid, "x"), &wanted[2], &t, &diag));
    cr_assert(strstr(diag.first->next->message, "row 70"), "%s", diag.first->next->message);
    remove_bytes();
}

/* ---- messages ---- */

Test(data, messages)
{
    fails("x = nromal(1, 2)", 1, 5, "nromal", "normal");
    fails("xyz = 1\nx = xzy + 1", 2, 5, "xzy", "xyz");
    fails("x = normal", 1, 5, "normal", "function");
    fails("x = normal(numpy_random(0))", 1, 5, "argument shape is missing", "normal(r, shape, loc = 0, scale = 1)");
    fails("x = normal(numpy_random(0), [2], scala = 2)", 1, 34, "scala", "scale");
    fails("x = normal(numpy_random(0), [2], shape = 2)", 1, 34, "shape is given twice", "shape");
    fails("x = numpy_random(0, 1)", 1, 21, "at most 1", "numpy_random(seed)");
    fails("x = normal(3, [2])", 1, 12, "generator", NULL);
    fails("x = normal(numpy_random(0), [2.5])", 1, 29, "dimensions", NULL);
    fails("x = normal(numpy_random(0), [-1])", 1, 29, "dimensions", NULL);
    fails("x = numpy_random(-1)", 1, 18, "from 0 to 4294967295", NULL);
    fails("x = zeros([65536, 65536, 65536, 65536])", 1, 5, "2^63", NULL);
    fails("x = ones([3]) + ones([4])", 1, 15, "f64[3]", NULL);
    fails("x = f32(ones([3])) + ones([3])", 1, 20, "f32[3]", "f64");
    fails("x = ones([3]) and true", 1, 15, "bool", NULL);
    fails("x = sum(ones([3]), axis = 1)", 1, 20, "axis", NULL);
    fails("x = ones([3])[1:5]", 1, 15, "1:5", NULL);
    fails("x = ones([3])[3]", 1, 15, "size 3", NULL);
    fails("x = ones([3])[0, 0]", 1, 5, "2 indices", NULL);
    fails("x = ones([3])[i32(tensor([1, 3]))]", 1, 15, "element 1", NULL);
    fails("x = i64(ones([2])) // i64(zeros([2]))", 1, 20, "division by zero", NULL);
    fails("x = 9223372036854775807 + 1", 1, 25, "64 bits", NULL);
    fails("x = \"a\" + 1", 1, 9, "string", NULL);
    fails("x = reshape(ones([6]), [4, -1])", 1, 5, "6 elements", NULL);
    fails("x = squeeze(ones([6]))", 1, 5, "f64[6]", NULL);
    fails("x = one_hot(i32(tensor([3])), 3)", 1, 13, "below 3, got 3", NULL);
    fails("x, y = sum(ones([3]))", 1, 8, "2 names", NULL);
    fails("x = max(ones([3]), 2, axis = 0)", 1, 23, "nothing", NULL);
    fails("batch 32", 1, 1, "batch", NULL);
    fails("trian x = 1", 1, 1, "trian", "train");
    fails("train ones([3])", 1, 7, "name", "train x");
    fails("train x = 5", 1, 11, "number 5", NULL);
    fails("train x = ones([70, 2]), y = ones([7])", 1, 26, "train x has 70 rows, y 7", NULL);
    fails("train x = ones([3])\ntrain x = ones([3])", 2, 7, "train has x already", "x is declared");
    fails("x = npy(3)", 1, 9, "string", NULL);
}

Test(data, all_faults_of_a_block_are_told_once)
{
    cr_assert(!run("x = nothing(1)\ny = x + 1\ntrain y = y\nz = nowhere"));
    cr_assert(diag.errors == 2, "%d errors", diag.errors);
}

/* ---- conversion ---- */

static struct tensor
converted(const char *expression, const struct type *wanted)
{
    struct tensor t;
    runs(arena_printf(&arena, "train x = %s", expression));
    bool good = data_convert(bound(&result.train, "x"), wanted, &t, &diag);
    cr_assert(good, "%s: %s", expression, diag.first ? diag.first->message : "");
    return t;
}

static void
not_converted(const char *expression, const struct type *wanted, const char *says, const char *then)
{
    struct tensor t;
    runs(arena_printf(&arena, "train x = %s", expression));
    cr_assert(!data_convert(bound(&result.train, "x"), wanted, &t, &diag) && !t.data);
    cr_assert(strstr(diag.first->message, says) && diag.first->place.line == 2, "%s: %s", expression, diag.first->message);
    cr_assert(!then || strstr(diag.first->next->message, then));
}

static const struct type f32_n = {.elem = ELEM_F32, .rank = 1, .dim = {DIM_N}};
static const struct type i32_n = {.elem = ELEM_I32, .rank = 1, .dim = {DIM_N}};
static const struct type f32_n4 = {.elem = ELEM_F32, .rank = 2, .dim = {DIM_N, 4}};

Test(data, conversion_to_inputs)
{
    struct tensor t = converted("tensor([0.1, -1e-40, 1e-39, 1.1754943508222875e-38, -0.0])", &f32_n);
    const float *f = t.data;
    cr_assert(t.type.elem == ELEM_F32 && t.type.dim[0] == 5 && f[0] == 0.1f);
    cr_assert(f[1] == 0 && signbit(f[1]) && f[2] == 0 && !signbit(f[2]) && f[3] == 0x1p-126f && signbit(f[4]));
    tensor_free(&t);
    t = converted("tensor([1, 0, -1]) / tensor([0, 0, 0])", &f32_n); /* what is not finite is the training's affair */
    f = t.data;
    cr_assert(isinf(f[0]) && isnan(f[1]) && isinf(f[2]));
    tensor_free(&t);
    t = converted("tensor([3, -2])", &i32_n);
    cr_assert(((int32_t *)t.data)[0] == 3 && ((int32_t *)t.data)[1] == -2);
    tensor_free(&t);
    t = converted("permutation(numpy_random(0), 5) > 2", &f32_n);
    cr_assert(element(&t, 0) + element(&t, 1) + element(&t, 2) + element(&t, 3) + element(&t, 4) == 2);
    tensor_free(&t);
}

Test(data, what_does_not_fit_an_input)
{
    const struct type column = {.elem = ELEM_F32, .rank = 2, .dim = {DIM_N, 1}};
    const struct type u8_n = {.elem = ELEM_U8, .rank = 1, .dim = {DIM_N}};
    not_converted("tensor([1, 2, 0.5])", &i32_n, "row 2, counted from 0, holds 0.5", NULL);
    not_converted("tensor([1, 1e10])", &i32_n, "row 1, counted from 0, holds 10000000000", NULL);
    not_converted("tensor([1, 0]) / tensor([1, 0])", &i32_n, "holds nan", NULL);
    not_converted("tensor([0, 256])", &u8_n, "u8 cannot hold", NULL);
    not_converted("tensor([1e39])", &f32_n, "f32 cannot hold", NULL);
    not_converted("zeros([6, 3])", &f32_n4, "expects f32[N, 4], the data are f64[6, 3]", NULL);
    not_converted("zeros([6, 1])", &f32_n, "expects f32[N], the data are f64[6, 1]", "squeeze");
    not_converted("zeros([6])", &column, "expects f32[N, 1], the data are f64[6]", "reshape");
    struct tensor t = converted("tensor([0, 4, 5])", &i32_n);
    cr_assert(data_bounded(bound(&result.train, "x"), &t, 6, &diag));
    cr_assert(!data_bounded(bound(&result.train, "x"), &t, 5, &diag) && strstr(diag.first->message, "below 5; row 2"));
    tensor_free(&t);
}
