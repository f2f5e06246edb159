#include "frontend/cli/cli.h"

int
command_help(struct cli *cli)
{
    if (!cli->options.operand) {
        print_help(stdout);
        return 0;
    }
    const struct command *command = command_find(cli->options.operand, cli->diag);
    if (!command)
        return STATUS_USAGE;
    print_command_help(command, stdout);
    return 0;
}
