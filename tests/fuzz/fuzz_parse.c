/* The input is a .nn file: parsed, laid out, checked with the prelude, lowered. */
#include "frontend/model.h"
#include "passes/pass.h"
#include "tests/fuzz/fuzz.h"

static void
lay_out(const char *path)
{
    struct arena arena;
    struct diag diag;
    struct sources sources;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&sources, &arena);
    int file = source_read(&sources, path, &diag);
    if (file) {
        struct ast_file tree = parse_file(&sources, file, &diag);
        char *text = NULL;
        size_t length;
        FILE *out = open_memstream(&text, &length);
        if (tree.block && !diag.errors)
            ast_format(&tree, out);
        if (tree.block)
            ast_print(&tree, out, true);
        fclose(out);
        free(text);
    }
    arena_free(&arena);
}

static void
lower_all(const struct experiment *x)
{
    const struct model *m = &x->model;
    struct graph *g = graph_new(x->arena, "lowered");
    struct diag diag;
    diag_init(&diag, x->arena);
    if (m->has_loss && x->train.has_optimizer)
        lower_train(m, &x->train, g);
    else
        lower_eval(m, false, g);
    if (!graph_verify(g, &diag))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[256];
    struct arena arena;
    struct diag diag;
    struct sources sources;
    const char *path = fuzz_file(data, size, 0, name);
    lay_out(path);
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&sources, &arena);
    struct experiment *x = experiment_check(&arena, &sources, path, NULL, NULL, 0, &diag);
    if (!diag.errors != (x != NULL) && !diag.errors)
        abort();
    for (const struct diagnostic *d = diag.first; d; d = d->next)
        if (!d->message || !*d->message || ((d->severity == SEVERITY_ERROR || d->severity == SEVERITY_WARNING) &&
                                            !d->place.file && !d->subject))
            abort();
    if (diag.errors && diag.status != STATUS_INPUT)
        abort();
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    render_diag(&diag, &sources, out, false);
    fclose(out);
    free(text);
    if (x && !diag.errors)
        lower_all(x);
    unlink(path);
    arena_free(&arena);
    return 0;
}
