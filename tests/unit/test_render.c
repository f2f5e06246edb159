/* Messages as text: labels, source lines and carets, helps and notes. */
#include "frontend/sources.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct page {
    struct arena arena;
    struct diag diag;
    struct sources sources;
};

static const char LOSS[] = "model m {\n\tloss   mse(p, y)\n}";

static void
begin(struct page *p)
{
    arena_init(&p->arena, NULL);
    diag_init(&p->diag, &p->arena);
    sources_init(&p->sources, &p->arena);
    source_add(&p->sources, "m.nn", LOSS, strlen(LOSS));
}

static void
expect_page(struct page *p, bool color, const char *want)
{
    char *got;
    size_t n;
    FILE *out = open_memstream(&got, &n);
    render_diag(&p->diag, &p->sources, out, color);
    fclose(out);
    cr_expect_str_eq(got, want);
    free(got);
    arena_free(&p->arena);
}

Test(render, error_with_help_and_notes)
{
    struct page p;
    begin(&p);
    struct place at = {1, 2, 9, 9}, none = {0};
    diag_add(&p.diag, DIAG_INTERNAL, at, NULL, "mse compares\nwith %s", "y");
    diag_add(&p.diag, DIAG_CHARACTER_INSTEAD, at, NULL, "drop the last axis");
    diag_add(&p.diag, DIAG_NOTE_HERE, none, NULL, "as PyTorch does");
    diag_add(&p.diag, DIAG_NOTE_HERE, at, NULL, "in mse, here");
    expect_page(&p, false,
                "m.nn:2:9: error: mse compares\n"
                "                 with y\n"
                "    2 |     loss   mse(p, y)\n"
                "      |            ^~~~~~~~~\n"
                "  help: drop the last axis\n"
                "  note: as PyTorch does\n"
                "  m.nn:2:9: note: in mse, here\n");
}

Test(render, notes_in_users_files_begin_the_line)
{
    struct page p;
    char path[] = "/tmp/nnc-render-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, "a = 1\n", 6) == 6);
    close(fd);
    begin(&p);
    cr_assert_eq(source_read(&p.sources, path, &p.diag), 2);
    unlink(path);
    diag_add(&p.diag, DIAG_INTERNAL, (struct place){1, 1, 1, 5}, NULL, "x");
    diag_add(&p.diag, DIAG_NOTE_DECLARED, (struct place){2, 1, 1, 1}, NULL, "a is declared here");
    char want[300];
    snprintf(want, sizeof want, "m.nn:1:1: error: x\n    1 | model m {\n      | ^~~~~\n%s:1:1: note: a is declared here\n", path);
    expect_page(&p, false, want);
}

Test(render, subjects_and_warnings)
{
    struct page p;
    begin(&p);
    diag_subject(&p.diag, SOURCE_DIRECTORY, "d");
    diag_add(&p.diag, DIAG_OUT_OF_MEMORY, (struct place){0}, NULL, "out of memory");
    expect_page(&p, false, "d: error: a directory; the name of a .nn file was expected\nnnc: error: out of memory\n");
}

Test(render, colors_only_if_asked)
{
    struct page p;
    begin(&p);
    diag_subject(&p.diag, SOURCE_UTF16, "d");
    expect_page(&p, true, "\033[1md: \033[1;31merror: \033[0mthe file is UTF-16; convert it to UTF-8\n");
}

Test(render, places_beyond_the_text)
{
    struct page p;
    begin(&p);
    diag_add(&p.diag, DIAG_INTERNAL, (struct place){1, 3, 9, 3}, NULL, "behind the line");
    diag_add(&p.diag, DIAG_INTERNAL, (struct place){1, 7, 1, 1}, NULL, "behind the text");
    diag_add(&p.diag, DIAG_INTERNAL, (struct place){9, 1, 1, 1}, NULL, "no such file");
    expect_page(&p, false,
                "m.nn:3:9: error: behind the line\n"
                "    3 | }\n"
                "      |  ^\n"
                "m.nn:7:1: error: behind the text\n"
                "nnc: error: no such file\n");
}

Test(render, more_than_twenty)
{
    struct page p;
    char want[2000] = "";
    begin(&p);
    for (int i = 0; i < 23; i++)
        diag_subject(&p.diag, SOURCE_UTF16, "d");
    for (int i = 0; i < 20; i++)
        strcat(want, "d: error: the file is UTF-16; convert it to UTF-8\n");
    expect_page(&p, false, strcat(want, "3 more errors\n"));
}
