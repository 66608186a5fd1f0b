// SPDX-License-Identifier: MIT
// Command bench: which server to measure, then this process becomes ganger-bench.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/dev_state.h"
#include "common/base/exit_code.h"
#include "common/base/paths.h"

// Never one that was not named: a benchmark is no small guest on a server. NULL: nothing is named.
static char *choose_server(const Cli *cli)
{
    const char *environment = getenv("DATABASE_URL");
    if (cli_option(cli, OPT_DATABASE)) {
        return mem_strdup(cli_option(cli, OPT_DATABASE));
    }
    if (cli_option(cli, OPT_STATE)) {
        return dev_state_read_url(cli_option(cli, OPT_STATE));
    }
    return environment && environment[0] != '\0' ? mem_strdup(environment) : NULL;
}

static int become_bench(const Cli *cli, char *program, char *server)
{
    static char database_option[] = "--database";
    static char quick_option[] = "--quick";
    static char json_option[] = "--json";
    static char only_option[] = "--only";
    static char standard_output[] = "-";
    char **argv = mem_alloc(sizeof *argv * (2 * (size_t)cli->line.arg_count + 7));
    int count = 0;
    argv[count++] = program;
    argv[count++] = database_option;
    argv[count++] = server;
    if (cli_option(cli, OPT_QUICK)) {
        argv[count++] = quick_option;
    }
    if (cli->is_json) {
        argv[count++] = json_option;
        argv[count++] = standard_output;
    }
    for (int i = 0; i < cli->line.arg_count; i++) {
        argv[count++] = only_option;
        argv[count++] = cli->line.args[i];
    }
    (void)execv(program, argv);
    cli_say("cannot start %s: %s", program, strerror(errno));
    free(argv);
    return EXIT_CODE_INTERNAL;
}

int command_bench(struct Cli *cli)
{
    char *program = path_program("ganger-bench");
    char *server = choose_server(cli);
    int exit_code = EXIT_CODE_FAILED;
    if (!program) {
        cli_say("ganger-bench is not installed beside this program");
    } else if (!server) {
        exit_code = cli_usage(cli, "name the server to measure: --database URL, DATABASE_URL, or "
                                   "--state DIR of a running `ganger dev`");
    } else {
        exit_code = become_bench(cli, program, server);
    }
    free(program);
    free(server);
    return exit_code;
}
