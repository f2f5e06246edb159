/* main: finds the command, runs it, prints what it reported. */
#include "frontend/cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
run(struct cli *cli, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        name = "help";
    if (!strcmp(name, "--version")) {
        printf("nnc %s\n", NNC_VERSION);
        return 0;
    }
    if (argc < 2) {
        print_help(stderr);
        return STATUS_USAGE;
    }
    const struct command *command = command_find(name, cli->diag);
    if (!command || !options_parse(command, argc - 2, argv + 2, cli->arena, &cli->options, cli->diag))
        return STATUS_USAGE;
    if (cli->options.help) {
        print_command_help(command, stdout);
        return 0;
    }
    return cpu_check(cli->diag) ? command->run(cli) : STATUS_MACHINE;
}

/* A closed standard stream gets a descriptor on which it fails, so that no file of ours is taken for it. */
static void
keep_streams_closed(void)
{
    for (int i = 0; i <= 2; i++)
        if (fcntl(i, F_GETFD) < 0 && open("/dev/null", i ? O_RDONLY : O_WRONLY) != i)
            break;
}

int
main(int argc, char **argv)
{
    keep_streams_closed();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    jmp_buf oom;
    struct arena arena;
    struct diag diag;
    static struct cli cli; /* static: a longjmp keeps it */
    if (setjmp(oom)) {
        fprintf(stderr, "nnc: error: out of memory\n");
        return STATUS_MACHINE;
    }
    arena_init(&arena, &oom);
    diag_init(&diag, &arena);
    cli.arena = &arena;
    cli.diag = &diag;
    sources_init(&cli.sources, &arena);
    int status = run(&cli, argc, argv);
    arena.undo = NULL; /* what the command has left to the process's end */
    const char *reason = fflush(stdout) ? strerror(errno) : "";
    render_diag(&diag, &cli.sources, stderr, use_color(&cli.options, STDERR_FILENO));
    if (diag.errors && status < (int)diag.status)
        status = (int)diag.status;
    if (ferror(stdout) || fclose(stdout)) {
        fprintf(stderr, "nnc: error: the standard output cannot be written%s%s\n", *reason ? ": " : "", reason);
        status = STATUS_MACHINE;
    }
    arena_free(&arena);
    return status;
}
