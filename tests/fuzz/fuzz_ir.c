/* An input is IR text. What was read is checked and printed, and what was printed reads back to the same text. */
#include "ir/graph.h"
#include "tests/fuzz/fuzz.h"
#include <string.h>

static void
print_and_read(const struct graph *g, struct arena *arena)
{
    struct diag diag;
    const char *once = graph_text(g, arena, false);
    diag_init(&diag, arena);
    struct module *again = module_read(arena, once, strlen(once), 1, &diag);
    if (!again || again->ngraphs != 1 || strcmp(once, graph_text(again->graphs[0], arena, false)))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct diag diag;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    const char *text = arena_text(&arena, (const char *)data, size);
    struct module *m = module_read(&arena, text, size, 1, &diag);
    fuzz_told(m != NULL, &diag);
    for (int i = 0; m && i < m->ngraphs; i++) {
        diag_init(&diag, &arena);
        if (graph_verify(m->graphs[i], &diag))
            print_and_read(m->graphs[i], &arena);
    }
    arena_free(&arena);
    return 0;
}
