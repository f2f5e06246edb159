/* Tables, text and what is fitted, through data blocks and the files that they read. */
#include "frontend/data.h"
#include "frontend/model.h"
#include "runtime/data/decimal.h"
#include "runtime/data/fit.h"
#include "tests/unit/data_block.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[] = "/tmp/nnc-tables-XXXXXX";

static void
setup(void)
{
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&sources, &arena);
    cr_assert(mkdtemp(folder) != NULL);
}

static void
teardown(void)
{
    static const char *const files[] = {"a.csv", "a.csv.gz", "a.tsv", "a.txt", "a.txt.gz"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(arena_printf(&arena, "%s/%s", folder, files[i]));
    rmdir(folder);
    data_free(&result);
    arena_free(&arena);
}

TestSuite(tables, .init = setup, .fini = teardown);

static void
write_file(const char *name, const char *text, size_t size)
{
    const char *path = arena_printf(&arena, "%s/%s", folder, name);
    size_t n = strlen(name);
    if (!strcmp(name + n - 3, ".gz")) {
        gzFile f = gzopen(path, "wb");
        cr_assert(f && gzwrite(f, text, (unsigned)size) == (int)size);
        gzclose(f);
        return;
    }
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(text, 1, size, f) == size);
    fclose(f);
}

static void
write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void
runs(const char *block)
{
    const char *text = arena_printf(&arena, "data {\n%s\n}\n", block);
    diag_init(&diag, &arena);
    int file = source_add(&sources, "m.nn", text, strlen(text));
    struct ast_file tree = parse_file(&sources, file, &diag);
    cr_assert(!diag.errors && tree.block && tree.block->nbody == 1, "%s", block);
    struct data_env env = {.arena = &arena, .sources = &sources, .files = {folder, NULL, 0}};
    data_free(&result);
    bool good = data_run(tree.block->body[0], &env, &result, &diag);
    cr_assert(good && !diag.errors, "%s: %s: %s", block, diag.first && diag.first->subject ? diag.first->subject : "",
              diag.first ? diag.first->message : "");
}

static void
tensor_is(const struct tensor *t, const char *what, const char *type, int n, const double *want)
{
    char text[TYPE_TEXT];
    type_text(&t->type, ", ", text);
    cr_assert(!strcmp(text, type), "%s: %s, expected %s", what, text, type);
    for (int i = 0; i < n; i++) {
        double got = element(t, i);
        cr_assert(got == want[i] || (isnan(got) && isnan(want[i])), "%s: element %d is %.17g, expected %.17g", what, i, got, want[i]);
    }
}

static void
value_is(const char *block, const char *type, int n, const double *want)
{
    runs(block);
    cr_assert(named("v")->kind == DATA_TENSOR, "%s", block);
    tensor_is(named("v")->tensor, block, type, n, want);
}

#define NUMBERS(...) (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__}
#define GIVES(block, type, ...) value_is(block, type, NUMBERS(__VA_ARGS__))

Test(tables, cells)
{
    write_text("a.csv", "\xef\xbb\xbf" "a,\"b, c\",k\r\n1, 2.5,\"say \"\"hi\"\"\"\r\n\n -4 ,\".5\", x \r\n\"1e2\"  ,+.25e1,\"\n\"");
    GIVES("t = csv(\"a.csv\")\nv = t.columns(0:2)", "f64[3, 2]", 1, 2.5, -4, .5, 100, 2.5);
    GIVES("v = csv(\"a.csv\")[\"b, c\"]", "f64[3]", 2.5, .5, 2.5);
    GIVES("n = 1\nt = csv(\"a.csv\")\nv = t.columns(n:2)", "f64[3, 1]", 2.5, .5, 2.5);
    GIVES("t = csv(\"a.csv\")\nv = t.columns(-3:-1)", "f64[3, 2]", 1, 2.5, -4, .5, 100, 2.5);
    runs("t = csv(\"a.csv\").column(-1)");
    const struct data_text *t = named("t")->text;
    cr_assert(named("t")->kind == DATA_TEXT && data_text_rows(t) == 3);
    cr_assert(!strcmp(data_text_cell(t, 0), "say \"hi\"") && !strcmp(data_text_cell(t, 1), " x ") && !strcmp(data_text_cell(t, 2), "\n"));
}

Test(tables, formats)
{
    write_text("a.csv", "1,5;2\n-3;4e1\n");
    GIVES("v = csv(\"a.csv\", header = false, separator = \";\", decimal = \",\").columns(0:2)", "f64[2, 2]", 1.5, 2, -3, 40);
    write_text("a.tsv", "a \"b\t1\n\tNA");
    GIVES("v = category(tsv(\"a.tsv\", header = false).column(0))", "i32[2]", 0, 1);
    write_text("a.csv", "1,2\n3,NA\n,4\nnan,-inf\n5,6");
    GIVES("v = csv(\"a.csv\", header = false, missing = drop).columns(0:2)", "f64[2, 2]", 1, 2, 5, 6);
    GIVES("v = csv(\"a.csv\", header = false, missing = nan).columns(0:2)", "f64[5, 2]", 1, 2, 3, NAN, NAN, 4, NAN, NAN, 5, 6);
    GIVES("v = csv(\"a.csv\", header = false, missing = -1).columns(0:2)", "f64[5, 2]", 1, 2, 3, -1, -1, 4, -1, -1, 5, 6);
    GIVES("v = category(csv(\"a.csv\", header = false).column(1))", "i32[5]", 0, 1, 2, 3, 4);
    write_text("a.csv.gz", "x\n7\n");
    GIVES("v = csv(\"a.csv.gz\")[\"x\"]", "f64[1]", 7);
    write_text("a.txt", "AZ");
    GIVES("v = bytes(\"a.txt\")", "u8[2]", 65, 90);
}

/* A column that turns out to be text only far down, over many blocks of rows and refills of the buffer. */
Test(tables, long_files)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < 300000; i++)
        fprintf(f, "%d,%d.25,%s\n", i, -i, i == 299000 ? "late" : "7");
    fclose(f);
    write_file("a.csv", text, size);
    write_file("a.csv.gz", text, size);
    free(text);
    for (int packed = 0; packed < 2; packed++) {
        runs(packed ? "t = csv(\"a.csv.gz\", header = false)\nx = t.columns(0:2)\nk = t.column(2)\nc = category(k)"
                    : "t = csv(\"a.csv\", header = false)\nx = t.columns(0:2)\nk = t.column(2)\nc = category(k)");
        const double *x = named("x")->tensor->data;
        for (int i = 0; i < 300000; i++)
            cr_assert(x[2 * i] == i && x[2 * i + 1] == (i ? -i - .25 : .25));
        cr_assert(!strcmp(data_text_cell(named("k")->text, 299000), "late") && element(named("c")->tensor, 299000) == 1);
    }
    write_file("a.txt.gz", (const char *)arena_alloc(&arena, 200000), 200000);
    runs("b = bytes(\"a.txt.gz\")");
    cr_assert(named("b")->tensor->type.dim[0] == 200000);
}

Test(tables, numbers_in_text)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0}, {"-0", -0.0}, {"1", 1}, {"+1.5", 1.5}, {".5", .5}, {"5.", 5}, {"1e3", 1e3}, {"1E-3", 1e-3}, {"0.1", 0.1},
                {"0.30000000000000004", 0.30000000000000004}, {"9007199254740993", 9007199254740992.0}, {"9007199254740993.00001", 9007199254740994.0},
                {"123456789.123456789", 123456789.123456789}, {"0.0000000000000000001", 1e-19}, {"1e23", 1e23}, {"8.41e21", 8.41e21},
                {"2.2250738585072014e-308", 0x1p-1022}, {"1.7976931348623157e308", 0x1.fffffffffffffp1023}, {"18446744073709551616", 0x1p64},
                {"0.500000000000000166533453693773481063544750213623046875", 0.5000000000000002}, {"4.35", 4.35}, {"0.000001", 1e-6}};
    static const char *const bad[] = {"", "-", ".", "e5", "1e999", "x", "+-1", "--1"};
    double v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char *end = decimal_read(good[i].text, '.', &v);
        cr_assert(end && !*end && v == good[i].value && signbit(v) == signbit(good[i].value), "%s: %.17g", good[i].text, v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(!decimal_read(bad[i], '.', &v), "%s", bad[i]);
    const char *rest[] = {"1e", "1e+", "0x1p3", "1.2.3", "1 2", "12,5"};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        const char *end = decimal_read(rest[i], '.', &v);
        cr_assert(end && *end, "%s", rest[i]);
    }
    for (int i = 0; i < 200000; i++) { /* against the library, in the C locale of the tests */
        char text[64];
        uint64_t bits = (uint64_t)i * 0x9e3779b97f4a7c15;
        double x = (double)(bits >> 11) * 0x1p-53 * pow(10, i % 40 - 20);
        snprintf(text, sizeof text, "%.*g", 10 + i % 10, x);
        cr_assert(decimal_read(text, '.', &v) && v == strtod(text, NULL), "%s", text);
    }
}

Test(tables, text)
{
    write_text("a.tsv", "the cat  sat\t1\nthe dog\t0.5\na cat the\t1\n\t2");
    const char *t = "t = tsv(\"a.tsv\", header = false)\n";
    GIVES(arena_printf(&arena, "%sv = words(t.column(0), vocabulary = 4, length = 3)", t), "i32[4, 3]", 2, 3, 1, 0, 2, 1, 1, 3, 2, 0, 0, 0);
    GIVES(arena_printf(&arena, "%sv = words(t.column(0), vocabulary = 100, length = 2)", t), "i32[4, 2]", 3, 4, 2, 5, 3, 2, 0, 0);
    GIVES(arena_printf(&arena, "%sv = words(t.column(1), fit = t.column(0), vocabulary = 9, length = 1)", t), "i32[4, 1]", 1, 1, 1, 1);
    GIVES(arena_printf(&arena, "%sv = number(t.column(1))", t), "f64[4]", 1, .5, 1, 2);
    GIVES(arena_printf(&arena, "%sv = category(t.column(1))", t), "i32[4]", 0, 1, 0, 2);
    GIVES(arena_printf(&arena, "%sv = category(t.column(1)[1:3], fit = t.column(1))", t), "i32[2]", 1, 0);
}

Test(tables, series)
{
    GIVES("x = tensor([1, 2, 3, 4, 5])\nv, y = windows(x, length = 2, ahead = 2)", "f64[2, 2]", 1, 2, 2, 3);
    GIVES("x = tensor([1, 2, 3, 4, 5])\nw, v = windows(x, length = 2, ahead = 2)", "f64[2]", 4, 5);
    GIVES("x = tensor([[1, 2], [3, 4], [5, 6]])\nw, v = windows(x, length = 2)", "f64[1, 2]", 5, 6);
    GIVES("x = tensor([[1, 2], [3, 4], [5, 6]])\nv = windows(x, length = 2)", "f64[1, 2, 2]", 1, 2, 3, 4);
    GIVES("v, y = shift(tensor([1, 2, 3]), 1)", "f64[2]", 1, 2);
    GIVES("x, v = shift(tensor([1, 2, 3]), 1)", "f64[2]", 2, 3);
    GIVES("v, y = shift(tensor([1, 2, 3]), -2)", "f64[1]", 3);
    GIVES("v = shift(tensor([1, 2, 3]), 0)", "f64[3]", 1, 2, 3);
}

Test(tables, splits)
{
    runs("x = tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])\nsplit x = x, d = x * 2 into train, valid by 0.25");
    tensor_is(&bound(&result.train, "x")->value, "train", "f64[7]", NUMBERS(0, 1, 2, 3, 4, 5, 6));
    tensor_is(&bound(&result.valid, "d")->value, "valid", "f64[3]", NUMBERS(14, 16, 18));
    runs("x = tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])\nsplit x into train, valid by 0.25, seed = 7");
    tensor_is(&bound(&result.train, "x")->value, "train", "f64[7]", NUMBERS(2, 1, 9, 7, 3, 6, 4));
    tensor_is(&bound(&result.valid, "x")->value, "valid", "f64[3]", NUMBERS(8, 5, 0));
    tensor_is(bound(&result.valid, "x")->origin, "origin", "i64[3]", NUMBERS(8, 5, 0));
    cr_assert(result.train.rows == 7 && result.valid.rows == 3);
}

/* What was fitted goes with a value to the sets, can be done to raw values, and undone. */
Test(tables, fits)
{
    write_text("a.csv", "v,w,k\n1,2,red\n3,2,blue\n2,8,red\n7,8,green\n");
    runs("t = csv(\"a.csv\")\nx = minmax(standardize(t.columns(0:2)))\nz = minmax(t[\"v\"])\na, y = windows(z, length = 2)\n"
         "c = category(t[\"k\"])\nh = one_hot(c, 3)\ns = reshape(z, [-1, 1])\n"
         "raw = t.columns(0:2)\nsplit x, h, s into train, valid by 0.25, seed = 3\nu = x + 1");
    struct data_value out;
    const struct data_fit *fit = bound(&result.train, "x")->fit;
    cr_assert(fit && fit->kind == FIT_MINMAX && fit->before && fit->before->kind == FIT_STANDARDIZE);
    cr_assert(data_fit_apply(&result.context, fit, named("raw"), (struct place){0}, &out));
    cr_assert(!memcmp(out.tensor->data, named("x")->tensor->data, 8 * sizeof(double)));
    const struct tensor *back = data_fit_undo(&result.context, fit, out.tensor, (struct place){0});
    for (int i = 0; i < 8; i++)
        cr_assert(fabs(element(back, i) - element(named("raw")->tensor, i)) < 1e-12);
    cr_assert(named("a")->fit == named("z")->fit && named("y")->fit == named("z")->fit && bound(&result.valid, "s")->fit == named("z")->fit);
    back = data_fit_undo(&result.context, named("a")->fit, named("a")->tensor, (struct place){0});
    tensor_is(back, "windows", "f64[2, 2]", NUMBERS(1, 3, 3, 2));
    fit = bound(&result.train, "h")->fit;
    cr_assert(fit->kind == FIT_ONE_HOT && fit->length == 3 && fit->before->kind == FIT_CATEGORY && fit->before->ntexts == 3 &&
              !strcmp(fit->before->texts[1], "blue"));
    runs("t = csv(\"a.csv\")\nk = t[\"k\"]\nh = one_hot(category(k), 3)");
    cr_assert(data_fit_apply(&result.context, named("h")->fit, named("k"), (struct place){0}, &out));
    tensor_is(out.tensor, "one_hot", "f64[4, 3]", NUMBERS(1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1));
    cr_assert(!data_fit_undoable(named("h")->fit) && !data_fit_undo(&result.context, named("h")->fit, out.tensor, (struct place){0}));
    runs("x = minmax(tensor([1, 2, 3])) + 1");
    cr_assert(!named("x")->fit);
}
