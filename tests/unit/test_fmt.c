/* The layout of whole files: tests/golden/fmt/NAME.nn and NAME.out. Each is also laid out a second time, which changes
 * nothing, and has the same tree and the same comments before and after. */
#include "frontend/sources.h"
#include "tests/unit/golden_text.h"

struct formatted {
    struct ast_file file;
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
    f->file = parse_file(&f->sources, file, &f->diag);
    FILE *out = open_memstream(&f->tree, &n);
    ast_print(&f->file, out, false);
    fclose(out);
    out = open_memstream(&f->text, &n);
    if (!f->diag.errors)
        ast_format(&f->file, out);
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
expect_same_comments(const char *name, const struct ast_file *a, const struct ast_file *b)
{
    cr_expect_eq(a->ncomments, b->ncomments, "%s: %d comments of %d", name, b->ncomments, a->ncomments);
    for (int i = 0; i < a->ncomments && i < b->ncomments; i++) {
        size_t length = strlen(b->comments[i].text);
        cr_expect(!strncmp(a->comments[i].text, b->comments[i].text, length), "%s: %s", name, a->comments[i].text);
        cr_expect_eq(a->comments[i].alone, b->comments[i].alone, "%s: %s", name, a->comments[i].text);
    }
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
    expect_same_comments(name, &first.file, &second.file);
    drop(&second);
    drop(&first);
    free(text);
}

Test(fmt, files)
{
    golden_each("fmt", check_layout);
}
