/* ast_text: a tree as text reads back to the same tree. */
#define _GNU_SOURCE /* open_memstream */
#include "frontend/model.h"
#include "tests/unit/golden_text.h"

static struct arena arena;
static struct diag diag;
static struct sources sources;

static struct ast_file
parse(const char *text)
{
    return parse_file(&sources, source_add(&sources, "m.nn", text, strlen(text)), &diag);
}

static char *
tree_of(const struct ast_file *file)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ast_print(file, out, false);
    fclose(out);
    return text;
}

/* Each statement of |text| alone: there and back. */
static void
check_text(const char *name, const char *text)
{
    struct ast_file file = parse(text);
    cr_assert(file.block && !diag.errors, "%s", name);
    for (int i = 0; i < file.block->nbody; i++) {
        struct ast block = *file.block;
        block.body += i;
        block.nbody = 1;
        const char *once = ast_text(block.body[0], &arena);
        struct ast_file one = {.block = &block}, again = parse(once);
        cr_assert(again.block && again.block->nbody == 1 && !diag.errors, "%s: %s", name, once);
        char *before = tree_of(&one), *after = tree_of(&again);
        cr_expect_str_eq(before, after, "%s: %s", name, once);
        cr_expect_str_eq(once, ast_text(again.block->body[0], &arena));
        free(before);
        free(after);
    }
}

static void
begin(void)
{
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&sources, &arena);
}

Test(ast_text, preludes)
{
    begin();
    check_text("nnc.nn", prelude_nnc);
    check_text("keras.nn", prelude_keras);
    check_text("torch.nn", prelude_torch);
    arena_free(&arena);
}

Test(ast_text, models)
{
    begin();
    cr_assert(!chdir(NNC_SOURCE_DIR "/models"));
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcmp(e->d_name + n - 3, ".nn"))
            continue;
        char *text = golden_read(e->d_name);
        check_text(e->d_name, text);
        free(text);
    }
    closedir(d);
    arena_free(&arena);
}

Test(ast_text, expressions)
{
    static const char *const rows[] = {
        "a = (b + c) * d - (e - f)", "a = -(b ^ c) ^ d", "a = (-b) ^ c", "a = b ^ -c", "a = (b ? c : d) ? e : f ? g : h", "a = not (b and c) or d < e",
        "a = (b < c) == d", "a = x[:, 0:3][1, -1]", "a = f(x, 3, k = g(1e-30)).h.w", "a = \"q\\\"\\\\\\n\"", "split x, y = z into train, valid by 0.2, seed = 7",
        "scan t in T reversed carry h = 0, c = 1 { yield h, c } as hs, cs", "if a { b = 1 } else if c { b = 2 } else { b = 3 }",
        "repeat i in 1..n - 1 { x = f(x, i) }", "a = b - (c - d) - e", "a = b // (c / d) @ (e * f)"};
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_text(rows[i], rows[i]);
    cr_expect_str_eq(ast_text(parse("a   =  1.50e-3*( b+ c) # why").block->body[0], &arena), "a = 0.0015 * (b + c)");
    arena_free(&arena);
}
