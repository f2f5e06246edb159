/* opt: the IR as text: read, passed through passes, printed. */
#include "frontend/cli/cli.h"
#include "passes/pass.h"
#include "runtime/number_text.h"
#include <string.h>

/* All of the standard input. */
static int
read_input(struct cli *cli)
{
    size_t length = 0, cap = 1 << 16;
    char *text = arena_alloc(cli->arena, cap);
    for (size_t got; (got = fread(text + length, 1, cap - length - 1, stdin)) > 0;) {
        length += got;
        if (length + 1 == cap) {
            if (cap > (size_t)64 << 20) {
                diag_subject(cli->diag, SOURCE_LARGE, "standard input");
                return 0;
            }
            char *more = arena_alloc(cli->arena, cap * 2);
            memcpy(more, text, length);
            text = more;
            cap *= 2;
        }
    }
    return source_add(&cli->sources, "standard input", text, length);
}

/* The passes that "a,b" names; "" names none. */
static bool
run_passes(struct cli *cli, struct graph *g, const char *list)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        const char *name = arena_text(cli->arena, list, length), *names[PASS_COUNT];
        enum pass p = pass_from_name(name);
        if (p == PASS_COUNT) {
            for (int i = 0; i < PASS_COUNT; i++)
                names[i] = pass_info[i].name;
            diag_subject(cli->diag, NO_SUCH_PASS, "--passes", name);
            const char *near = nearest_name(name, names, PASS_COUNT);
            if (near)
                diag_report(cli->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
            return false;
        }
        pass_info[p].run(g, cli->diag);
        if (cli->diag->errors || !graph_verify(g, cli->diag))
            return false;
        list += length + (list[length] == ',');
    }
    return true;
}

int
command_opt(struct cli *cli)
{
    const char *path = cli->options.operand;
    int file = path ? source_read(&cli->sources, path, cli->diag) : read_input(cli);
    if (!file)
        return (int)cli->diag->status;
    const struct source *s = &cli->sources.source[file - 1];
    struct module *m = module_read(cli->arena, s->text, s->length, file, cli->diag);
    for (int i = 0; m && i < m->ngraphs; i++) {
        if (!run_passes(cli, m->graphs[i], cli->options.passes ? cli->options.passes : ""))
            break;
        if (i)
            putchar('\n');
        fputs(graph_text(m->graphs[i], cli->arena, cli->options.places), stdout);
    }
    return (int)cli->diag->status;
}
