/* Trees of texts: how operators bind, what ends a statement, where places point, and odd files. */
#include "frontend/sources.h"
#include "frontend/utf8.h"
#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parsed {
    struct arena arena;
    struct diag diag;
    struct sources sources;
    struct ast_file file;
};

static void
parse_bytes(struct parsed *p, const char *text, size_t length)
{
    arena_init(&p->arena, NULL);
    diag_init(&p->diag, &p->arena);
    sources_init(&p->sources, &p->arena);
    p->file = parse_file(&p->sources, source_add(&p->sources, "m.nn", text, length), &p->diag);
}

static void
parse_text(struct parsed *p, const char *text)
{
    parse_bytes(p, text, strlen(text));
}

static void
drop(struct parsed *p)
{
    arena_free(&p->arena);
}

/* An expression with all its brackets. */
static void
put(FILE *out, const struct ast *a)
{
    static const char *const LONG[] = {"or", "and", "not", "==", "!=", "<=", ">=", "//"};
    char one[2] = {(char)a->op, 0};
    const char *op = a->op >= AST_OR ? LONG[a->op - AST_OR] : one;
    switch (a->kind) {
    case AST_NUMBER:
        fprintf(out, "%g", a->number);
        break;
    case AST_NAME:
        fputs(a->text, out);
        break;
    case AST_UNARY:
        fprintf(out, "(%s ", op);
        put(out, a->child[0]);
        putc(')', out);
        break;
    case AST_BINARY:
        putc('(', out);
        put(out, a->child[0]);
        fprintf(out, " %s ", op);
        put(out, a->child[1]);
        putc(')', out);
        break;
    case AST_COND:
        putc('(', out);
        put(out, a->child[0]);
        fputs(" ? ", out);
        put(out, a->child[1]);
        fputs(" : ", out);
        put(out, a->child[2]);
        putc(')', out);
        break;
    case AST_FIELD:
        put(out, a->child[0]);
        fprintf(out, ".%s", a->text);
        break;
    default:
        put(out, a->child[0]);
        fputs(a->kind == AST_CALL ? "(" : "[", out);
        for (int i = 0; i < a->nargs; i++)
            put(out, a->args[i].value);
        fputs(a->kind == AST_CALL ? ")" : "]", out);
    }
}

static void
expect_bound(const char *text, const char *want)
{
    struct parsed p;
    char line[200], *got = NULL;
    size_t n;
    snprintf(line, sizeof line, "r = %s", text);
    parse_text(&p, line);
    cr_assert(!p.diag.errors && p.file.block->nbody == 1, "%s: %s", text, p.diag.first ? p.diag.first->message : "");
    FILE *out = open_memstream(&got, &n);
    put(out, p.file.block->body[0]->child[0]);
    fclose(out);
    cr_expect_str_eq(got, want, "%s is read as %s", text, got);
    free(got);
    drop(&p);
}

Test(parse, operators)
{
    static const char *const CASES[][2] = {
        {"1 + x * 2", "(1 + (x * 2))"}, {"-x ^ 2", "(- (x ^ 2))"}, {"2 ^ -1", "(2 ^ (- 1))"}, {"2 ^ 3 ^ 4", "(2 ^ (3 ^ 4))"},
        {"2 ^ -x ^ 2 * 3", "((2 ^ (- (x ^ 2))) * 3)"}, {"2 - x - 1", "((2 - x) - 1)"}, {"a / b / c", "((a / b) / c)"},
        {"a // b * c", "((a // b) * c)"}, {"a * b @ c", "(a * (b @ c))"}, {"a @ b * c", "((a @ b) * c)"}, {"-a @ b", "((- a) @ b)"},
        {"a @ -b", "(a @ (- b))"}, {"a + b < c * d", "((a + b) < (c * d))"}, {"not a == b", "(not (a == b))"},
        {"not a and b", "((not a) and b)"}, {"a or b and c", "(a or (b and c))"}, {"a and not b or c", "((a and (not b)) or c)"},
        {"a ? b : c ? d : e", "(a ? b : (c ? d : e))"}, {"a ? b ? c : d : e", "(a ? (b ? c : d) : e)"},
        {"a or b ? c + 1 : d", "((a or b) ? (c + 1) : d)"}, {"-h.w[1](2)", "(- h.w[1](2))"}, {"a - -b", "(a - (- b))"},
        {"a.b ^ c(1) ^ d[0]", "(a.b ^ (c(1) ^ d[0]))"}, {"a != b and c <= d", "((a != b) and (c <= d))"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        expect_bound(CASES[i][0], CASES[i][1]);
}

static void
expect_statements(const char *text, int count)
{
    struct parsed p;
    parse_text(&p, text);
    cr_expect(!p.diag.errors, "%s: %s", text, p.diag.first ? p.diag.first->message : "");
    if (p.file.block)
        cr_expect_eq(p.file.block->nbody, count, "%s: %d statements", text, p.file.block->nbody);
    drop(&p);
}

Test(parse, newlines)
{
    expect_statements("", 0);
    expect_statements("\n\n# nothing\n", 0);
    expect_statements("# nothing", 0);
    expect_statements("a = 1\nb = 2", 2);
    expect_statements("a = 1;; b = 2;\n;", 2);
    expect_statements("a = 1 +\n\n # c\n 2\nb =\n 3\nc = a ?\n b :\n c\nd = a and\n b", 4);
    expect_statements("a = f(1\n, 2\n)\nb = [1\n, 2]\nc = x[\n1\n]", 3);
    expect_statements("a,\nb = f(x)", 1);
    expect_statements("model m\n\n{\n}\nif a\n{ x = 1 }\n\nelse\n{ x = 2 }", 2);
    expect_statements("model m { a = 1 }\r\nb = 1\r\n", 2);
    expect_statements("w a, b into c, d by 0.2, k = 1, x: [..., D], y: f32[N] = 3, 0:4", 1);
    expect_statements("optimizer adam(lr = 1)\noptimizer adam\noptimizer adam(p, g) { p = 1 }", 3);
    expect_statements("loss = step + seed + reversed + as + into + by + model + data", 1);
    expect_statements("scan t in T reversed carry a = 1, b = 2 { yield a, b } as u, v", 1);
    expect_statements("repeat i in a + 1..b * 2 { x = i }", 1);
    expect_statements("x = a[:] + a[1:] + a[:1] + a[..., -1] + a[] + t.columns(0:4) + t.columns(:4) + t.columns(4:)", 1);
}

Test(parse, numbers)
{
    struct parsed p;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* if the machine has it, a point would end a number */
    parse_text(&p, "a = 0.1\nb = .5\nc = 1e3\nd = 9223372036854775807\ne = 5e-324\nf = 0e9\ng = 1.7976931348623157e308\nh = 007");
    static const double WANT[] = {0.1, 0.5, 1000, 9223372036854775807.0, 4.9406564584124654e-324, 0, 1.7976931348623157e308, 7};
    cr_assert(!p.diag.errors, "%s", p.diag.first ? p.diag.first->message : "");
    for (int i = 0; i < 8; i++) {
        const struct ast *n = p.file.block->body[i]->child[0];
        cr_expect(n->number == WANT[i], "number %d is %g", i, n->number);
        cr_expect_eq(n->is_whole, i == 3 || i == 7);
    }
    cr_expect_eq(p.file.block->body[3]->child[0]->whole, INT64_MAX);
    drop(&p);
    parse_text(&p, "repeat i in 1..4 { }");
    const struct ast *count = p.file.block->body[0]->child[0];
    cr_expect(count->kind == AST_COUNT && count->child[0]->whole == 1 && count->child[1]->whole == 4);
    drop(&p);
}

Test(parse, strings)
{
    struct parsed p;
    parse_text(&p, "a = \"x\\\"\\\\\\n\\t# ü\"");
    cr_assert(!p.diag.errors);
    cr_expect_str_eq(p.file.block->body[0]->child[0]->text, "x\"\\\n\t# ü");
    drop(&p);
}

static void
expect_place(const struct ast *a, int line, int column, int length)
{
    cr_expect(a->place.line == line && a->place.column == column && a->place.length == length, "%s: %d:%d+%d",
              a->text ? a->text : "?", a->place.line, a->place.column, a->place.length);
}

Test(parse, places)
{
    struct parsed p;
    parse_text(&p, "model m {\n    loss   mse(p, y)\n    h = \"ä\" + dnse(x,3)[0]\n    output p = z + 1\n    a.b.c(\n1)\n}\n");
    cr_assert(p.diag.errors == 1 && p.diag.first->place.line == 5, "a.b.c( is no statement");
    const struct ast *block = p.file.block->body[0]->child[0];
    expect_place(p.file.block->body[0], 1, 1, 5);
    expect_place(block->body[0], 2, 5, 4);
    expect_place(block->body[0]->args[0].value, 2, 12, 9);
    expect_place(block->body[0]->args[0].value->child[0], 2, 12, 3);
    expect_place(block->body[1], 3, 5, 1);
    const struct ast *sum = block->body[1]->child[0];
    expect_place(sum, 3, 13, 1);
    expect_place(sum->child[1], 3, 15, 12);
    expect_place(sum->child[1]->child[0], 3, 15, 9);
    cr_expect_eq(block->body[2]->args[0].place.column, 12);
    expect_place(block->body[2]->args[0].value->child[0], 4, 16, 1);
    cr_expect_eq(block->end_line, 7);
    drop(&p);
}

Test(parse, definition)
{
    struct parsed p;
    parse_text(&p, "optimizer adam(p, g, lr = 0.1, x: [..., D] = 3) { update p = p }");
    const struct ast *a = p.file.block->body[0];
    cr_assert(!p.diag.errors && a->kind == AST_DEFINITION && a->op == AST_OPTIMIZER && a->nargs == 4);
    cr_expect(!strcmp(a->names[0].text, "adam") && !strcmp(a->args[0].name, "p") && !a->args[0].value);
    cr_expect(a->args[0].name == a->child[0]->body[0]->args[0].name, "equal names are one pointer");
    cr_expect(a->args[3].type->kind == AST_LIST && a->args[3].value->whole == 3);
    drop(&p);
}

/* The one error of |text| is |message| at |line|:|column|. */
static void
expect_error(const char *text, size_t length, int line, int column, const char *message)
{
    struct parsed p;
    parse_bytes(&p, text, length);
    cr_assert_eq(p.diag.errors, 1, "%s: %d errors", message, p.diag.errors);
    cr_expect(strstr(p.diag.first->message, message), "%s", p.diag.first->message);
    cr_expect(p.diag.first->place.line == line && p.diag.first->place.column == column, "%s: %d:%d", message,
              p.diag.first->place.line, p.diag.first->place.column);
    drop(&p);
}

static char *
repeated(const char *before, const char *text, int count, const char *after)
{
    size_t n = strlen(text);
    char *all = malloc(strlen(before) + n * (size_t)count + strlen(after) + 1), *to = stpcpy(all, before);
    for (int i = 0; i < count; i++, to += n)
        memcpy(to, text, n);
    strcpy(to, after);
    return all;
}

Test(parse, nesting_has_a_limit)
{
    static const struct {
        const char *before, *text, *after;
    } CASES[] = {
        {"a = ", "(", "x\n"}, {"a = ", "-", "x"}, {"a = ", "not ", "x"}, {"a = ", "x ^ ", "x"}, {"a = ", "x + ", "x"},
        {"a = x", "[0]", ""}, {"a = x", ".y", ""}, {"a = x", "(1)", ""}, {"a = ", "f(", ""}, {"a = ", "x ? x : ", "x"},
        {"a = ", "[", ""}, {"", "if x { ", ""}, {"", "model m { ", ""}, {"", "if x { a = 1 } else ", "{ a = 2 }"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct parsed p;
        char *deep = repeated(CASES[i].before, CASES[i].text, 100000, CASES[i].after);
        parse_text(&p, deep);
        cr_expect_eq(p.diag.errors, 1, "%s: %d errors", CASES[i].text, p.diag.errors);
        cr_expect(p.diag.first && strstr(p.diag.first->message, "nesting over 256"), "%s", CASES[i].text);
        drop(&p);
        free(deep);
    }
}

Test(parse, nesting_up_to_the_limit)
{
    char *open = repeated("a = ", "(", 256, "x"), *all = repeated(open, ")", 256, "");
    expect_statements(all, 1);
    free(all), free(open);
    open = repeated("", "if x { ", 250, "y = 1"), all = repeated(open, " }", 250, "");
    expect_statements(all, 1);
    free(all), free(open);
    open = repeated("a = ", "f(1, g[", 126, "x"), all = repeated(open, "])", 126, "");
    expect_statements(all, 1);
    free(all), free(open);
}

Test(parse, odd_bytes)
{
    expect_error("a = 1\n\0", 7, 2, 1, "\\x00");
    expect_error("a = 1\n\xff\xfe", 8, 2, 1, "\\xff");
    expect_error("a = 1 # \xc0\xaf", 10, 1, 9, "\\xc0");
    expect_error("# \xed\xa0\x80\n", 6, 1, 3, "\\xed");
    char *name = repeated("model ", "a", 200000, " {\n}\n");
    expect_error(name, strlen(name), 1, 7, "255");
    free(name);
    name = repeated("", "a", 255, " = 1");
    expect_statements(name, 1);
    free(name);
}

Test(parse, long_tokens_are_read_once, .timeout = 20)
{
    char *comment = repeated("# ", "12345678", 4 << 20, "\na = 1");
    expect_statements(comment, 1);
    free(comment);
    comment = repeated("a = \"", "12345678", 4 << 20, "");
    expect_error(comment, strlen(comment), 1, 5, "not closed");
    free(comment);
    comment = repeated("", ")\n", 1 << 20, "");
    struct parsed p;
    parse_text(&p, comment);
    cr_expect_eq(p.diag.errors, 100);
    drop(&p);
    free(comment);
}

static void
expect_refused(const char *path, const char *message)
{
    struct arena a;
    struct diag d;
    struct sources s;
    arena_init(&a, NULL);
    diag_init(&d, &a);
    sources_init(&s, &a);
    cr_expect_eq(source_read(&s, path, &d), 0, "%s", path);
    cr_assert(d.errors == 1 && d.status == STATUS_INPUT);
    cr_expect(strstr(d.first->message, message), "%s: %s", path, d.first->message);
    cr_expect_str_eq(d.first->subject, path);
    arena_free(&a);
}

static void
write_temporary(char *path, const char *text, size_t length)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, length) == (ssize_t)length);
    close(fd);
}

Test(parse, files)
{
    char utf16[] = "/tmp/nnc-parse-XXXXXX", large[] = "/tmp/nnc-parse-XXXXXX", good[] = "/tmp/nnc-parse-XXXXXX";
    expect_refused("/dev/zero", "64 MiB");
    expect_refused("/", "directory");
    expect_refused("/nosuch.nn", "cannot be opened");
    write_temporary(utf16, "\xff\xfe" "m\0", 4);
    expect_refused(utf16, "UTF-16");
    unlink(utf16);
    write_temporary(large, "", 0);
    cr_assert(!truncate(large, (off_t)1 << 30));
    expect_refused(large, "64 MiB");
    unlink(large);

    struct parsed p;
    write_temporary(good, "\xef\xbb\xbf" "a = 1\r\nb = x y", 17);
    arena_init(&p.arena, NULL);
    diag_init(&p.diag, &p.arena);
    sources_init(&p.sources, &p.arena);
    int file = source_read(&p.sources, good, &p.diag);
    unlink(good);
    cr_assert_eq(file, 1);
    p.file = parse_file(&p.sources, file, &p.diag);
    cr_expect(p.diag.errors == 1 && p.diag.first->place.line == 2 && p.diag.first->place.column == 7);
    cr_expect(!strcmp(p.sources.source[0].text, "a = 1\r\nb = x y"), "the scanner leaves the text as it was");
    drop(&p);
}

Test(parse, a_reading_that_stops_early_leaves_the_text_whole)
{
    char path[] = "/tmp/nnc-parse-XXXXXX", *deep = repeated("a = ", "(", 300, "x + y\n");
    struct parsed p;
    write_temporary(path, deep, strlen(deep));
    arena_init(&p.arena, NULL);
    diag_init(&p.diag, &p.arena);
    sources_init(&p.sources, &p.arena);
    int file = source_read(&p.sources, path, &p.diag);
    unlink(path);
    cr_assert_eq(file, 1);
    parse_file(&p.sources, file, &p.diag);
    cr_expect_eq(p.diag.errors, 1);
    cr_expect_eq(p.sources.source[0].length, strlen(deep));
    cr_expect(!memcmp(p.sources.source[0].text, deep, strlen(deep)));
    drop(&p);
    free(deep);
}

Test(parse, a_fault_drops_its_statement_only)
{
    struct parsed p;
    parse_text(&p, "model m {\n a = )\n b = 1\n c = f(1 2)\n d = 2\n}\ne = 5 5; f = 3");
    cr_expect_eq(p.diag.errors, 3);
    cr_assert(p.file.block && p.file.block->nbody == 2);
    cr_expect_eq(p.file.block->body[0]->child[0]->nbody, 2);
    drop(&p);
}

Test(parse, utf8)
{
    const char *text = "aä€😀\xff\xe2\x82";
    cr_expect_eq(utf8_count(text, strlen(text)), 7);
    cr_expect_eq(utf8_step("\xf4\x90\x80\x80", text), 0);
}

Test(suggest, nearest)
{
    static const char *const NAMES[] = {"dense", "dropout", "relu", "batch_norm", "lr", "momentum", "x"};
    cr_expect_str_eq(nearest_name("dnse", NAMES, 7), "dense");
    cr_expect_str_eq(nearest_name("desne", NAMES, 7), "dense");
    cr_expect_str_eq(nearest_name("batchnorm", NAMES, 7), "batch_norm");
    cr_expect_str_eq(nearest_name("rl", NAMES, 7), "lr");
    cr_expect_str_eq(nearest_name("momentun", NAMES, 7), "momentum");
    cr_expect_null(nearest_name("colour", NAMES, 7));
    cr_expect_null(nearest_name("y", NAMES, 7));
    cr_expect_null(nearest_name("", NAMES, 7));
}
