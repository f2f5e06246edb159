/* Every pass on text: tests/golden/PASS/NAME.ir holds
 *
 *     # run PASS
 *     # what the file is about
 *     graph ...
 *     # expect changed        (or unchanged: what the pass returns)
 *     graph ...
 *
 * Besides the outcome this checks that both texts are printed as they are read, that the pass finds nothing more to do on
 * its outcome, and that the verifier accepts everything. BLESS=1 rewrites the files. */
#include "passes/pass.h"
#include "tests/unit/golden_text.h"

struct golden {
    struct arena arena;
    struct diag diag;
    const char *path;
    char *head, *before, *after; /* the comment, the two texts */
    enum pass pass;
    bool changed;
};

/* Shows the lines in which |want| and |got| differ, with one line before them. */
static void
show_difference(const char *path, const char *what, const char *want, const char *got)
{
    const char *from = want, *line = want;
    size_t same = 0;
    for (; want[same] && want[same] == got[same]; same++)
        if (want[same] == '\n') {
            from = line;
            line = want + same + 1;
        }
    const char *got_line = got + (line - want), *want_end = want + strlen(want), *got_end = got + strlen(got);
    while (want_end > line && got_end > got_line && want_end[-1] == got_end[-1]) {
        want_end--;
        got_end--;
    }
    want_end += strcspn(want_end, "\n");
    got_end += strcspn(got_end, "\n");
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "%s: %s\n  %.*s", path, what, (int)(line - from), from);
    for (const char *p = line; p < want_end; p += strcspn(p, "\n") + 1)
        fprintf(out, "- %.*s\n", (int)strcspn(p, "\n"), p);
    for (const char *p = got_line; p < got_end; p += strcspn(p, "\n") + 1)
        fprintf(out, "+ %.*s\n", (int)strcspn(p, "\n"), p);
    fclose(out);
    cr_expect(false, "%s", text);
    free(text);
}

static void
expect_text(const struct golden *t, const char *what, const char *want, const char *got)
{
    if (strcmp(want, got))
        show_difference(t->path, what, want, got);
    else
        cr_expect(true);
}

static bool
is_clean(const struct golden *t, const char *what)
{
    if (t->diag.first)
        cr_expect(false, "%s: %s: line %d: %s", t->path, what, t->diag.first->place.line, t->diag.first->message);
    return !t->diag.first;
}

static struct graph *
read_graph(struct golden *t, const char *what, const char *text)
{
    struct module *m = module_read(&t->arena, text, strlen(text), 1, &t->diag);
    if (!is_clean(t, what))
        return NULL;
    cr_assert_eq(m->ngraphs, 1, "%s: %s has %d graphs", t->path, what, m->ngraphs);
    graph_verify(m->graphs[0], &t->diag);
    return is_clean(t, what) ? m->graphs[0] : NULL;
}

/* The text after the line "# expect changed", which is cut off. */
static char *
cut_expectation(struct golden *t, char *text)
{
    char *mark = strstr(text, "# expect ");
    cr_assert(mark, "%s: no expectation", t->path);
    t->changed = !strncmp(mark, "# expect changed\n", 17);
    char *rest = strchr(mark, '\n');
    *mark = 0;
    return rest ? rest + 1 : mark;
}

static void
split(struct golden *t, char *text)
{
    char name[32];
    cr_assert(sscanf(text, "# run %31[a-z]", name) == 1, "%s: does not begin with # run PASS", t->path);
    t->pass = pass_from_name(name);
    cr_assert_neq(t->pass, PASS_COUNT, "%s: no pass %s", t->path, name);
    char *graph = strstr(text, "\ngraph ");
    cr_assert(graph, "%s: no graph", t->path);
    *graph = 0;
    t->head = text;
    t->before = graph + 1;
    t->after = cut_expectation(t, t->before);
}

static void
bless(const struct golden *t, const char *before, bool changed, const char *after)
{
    FILE *f = fopen(t->path, "w");
    cr_assert(f, "%s cannot be written", t->path);
    fprintf(f, "%s\n%s# expect %s\n%s", t->head, before, changed ? "changed" : "unchanged", after);
    fclose(f);
}

static void
run_again(struct golden *t, const char *after)
{
    struct graph *g = read_graph(t, "the outcome", after);
    if (!g)
        return;
    expect_text(t, "the outcome is printed otherwise than it is read", after, graph_text(g, &t->arena, true));
    pass_info[t->pass].run(g, &t->diag);
    expect_text(t, "a second run changes more", after, graph_text(g, &t->arena, true));
}

/* Returns whether the pass changed the graph. */
static bool
check_file(const char *path)
{
    struct golden t = {.path = path};
    arena_init(&t.arena, NULL);
    diag_init(&t.diag, &t.arena);
    char *text = golden_read(path);
    cr_assert(text, "%s cannot be read", path);
    split(&t, text);
    struct graph *g = read_graph(&t, "the input", t.before);
    bool changed = false;
    if (g) {
        char *before = graph_text(g, &t.arena, true);
        changed = pass_info[t.pass].run(g, &t.diag);
        graph_verify(g, &t.diag);
        char *after = graph_text(g, &t.arena, true);
        if (is_clean(&t, "after the pass"))
            run_again(&t, after);
        if (getenv("BLESS"))
            bless(&t, before, changed, after);
        else {
            expect_text(&t, "the input is printed otherwise than it is read", t.before, before);
            expect_text(&t, "the outcome", t.after, after);
            cr_expect_eq(changed, t.changed, "%s: the pass says it changed %s", path, changed ? "something" : "nothing");
        }
    }
    free(text);
    arena_free(&t.arena);
    return changed;
}

static int
is_ir(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 3 && !strcmp(e->d_name + n - 3, ".ir");
}

static void
check_pass(const char *name)
{
    struct dirent **files;
    cr_assert(!chdir(NNC_SOURCE_DIR "/tests/golden") && !chdir(name), "tests/golden/%s is missing", name);
    int count = scandir(".", &files, is_ir, alphasort);
    cr_assert(count > 0, "tests/golden/%s is empty", name);
    for (int i = 0; i < count; i++) {
        bool changed = check_file(files[i]->d_name);
        cr_expect(i || !changed, "%s/%s is the first and changes something", name, files[i]->d_name);
        free(files[i]);
    }
    free(files);
}

Test(golden_ir, every_pass)
{
    for (int p = 0; p < PASS_COUNT; p++)
        check_pass(pass_info[p].name);
}
