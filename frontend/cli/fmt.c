/* fmt: a file in the canonical layout. */
#include "frontend/cli/cli.h"
#include "runtime/save_file.h"
#include <stdlib.h>
#include <string.h>

static bool
write_back(const char *path, const char *text, size_t length, struct diag *diag)
{
    struct save_file f;
    if (!save_file_begin(&f, path, diag))
        return false;
    save_file_write(&f, text, length);
    return save_file_commit(&f, false, diag);
}

int
command_fmt(struct cli *cli)
{
    const char *path = cli->options.operand;
    int file = source_read(&cli->sources, path, cli->diag);
    if (!file)
        return (int)cli->diag->status;
    struct ast_file tree = parse_file(&cli->sources, file, cli->diag);
    if (cli->diag->errors)
        return (int)cli->diag->status;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out || (ast_format(&tree, out), fclose(out))) {
        diag_report(cli->diag, OUT_OF_MEMORY, (struct place){0});
        free(text);
        return STATUS_MACHINE;
    }
    const struct source *s = &cli->sources.source[file - 1];
    bool same = s->length == length && !memcmp(s->text, text, length);
    int status = STATUS_OK;
    if (cli->options.check && !same) {
        diag_subject(cli->diag, NOT_FORMATTED, path);
        status = STATUS_INPUT;
    } else if (!cli->options.check && !same && !write_back(path, text, length, cli->diag))
        status = (int)cli->diag->status;
    free(text);
    return status;
}
