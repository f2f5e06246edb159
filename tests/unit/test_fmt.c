/* The layout of whole files: tests/golden/fmt/NAME.nn and NAME.out. Each is also laid out a second time, which changes nothing, and
 * has the same tree before and after. */
#include "frontend/sources.h"
#include "tests/unit/golden_text.h"

struct formatted {
    struct arena arena;
    struct diag diag;
    struct sources sources;
    char *text, *tree;
};

static void
format_text(struct formatted *f, const char *text, size_t length)
{
    size_t n;
    arena_init(&f->arena, NULL);
    diag_init(&f->diag, &f->arena);
    sources_init(&f->sources, &f->arena);
    int file = source_add(&f->sources, "m.nn", text, length);
    struct ast_file tree = parse_file(&f->sources, file, &f->diag);
    FILE *out = open_memstream(&f->tree, &n);
    ast_print(&tree, out, false);
    fclose(out);
    out = open_memstream(&f->text, &n);
    if (!f->diag.errors)
        ast_format(&tree, out);
    fclose(out);
}

static void
drop(struct formatted *f)
{
    free(f->text);
    free(f->tree);
    arena_free(&f->arena);
}

static void
check_layout(const char *name)
{
    struct formatted first, second;
    char path[300];
    snprintf(path, sizeof path, "%s.nn", name);
    char *text = golden_read(path);
    format_text(&first, text, strlen(text));
    cr_expect(!first.diag.errors, "%s has faults: %s", name, first.diag.first ? first.diag.first->message : "");
    snprintf(path, sizeof path, "%s.out", name);
    golden_compare(path, first.text);
    format_text(&second, first.text, strlen(first.text));
    cr_expect_str_eq(first.text, second.text, "the layout of %s is not stable", name);
    cr_expect_str_eq(first.tree, second.tree, "the layout of %s changes its meaning", name);
    drop(&second);
    drop(&first);
    free(text);
}

Test(fmt, files)
{
    golden_each("fmt", check_layout);
}
