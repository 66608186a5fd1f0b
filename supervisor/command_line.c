// SPDX-License-Identifier: MIT
// Command line: see command_line.h.
#include "supervisor/command_line.h"

#include <getopt.h>
#include <stdio.h>

#include "common/base/memory.h"

enum {
    OPTION_CHECK = 256,
    OPTION_VERSION,
    OPTION_POSTGRES_BIN,
    OPTION_POSTGRES_DATA,
    OPTION_POSTGRES_SOCKET,
    OPTION_POSTGRES_USER
};

static void finish(CommandLine *out, ExitCode code);
static void print_help(void);
static void check_postgres(CommandLine *out);

// The --postgres-* options are what `ganger dev` passes; they are not for users and not in the help.
static const struct option OPTIONS[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {"postgres-bin", required_argument, NULL, OPTION_POSTGRES_BIN},
    {"postgres-data", required_argument, NULL, OPTION_POSTGRES_DATA},
    {"postgres-socket", required_argument, NULL, OPTION_POSTGRES_SOCKET},
    {"postgres-user", required_argument, NULL, OPTION_POSTGRES_USER},
    {NULL, 0, NULL, 0},
};

void command_line_read(CommandLine *out, int argc, char **argv)
{
    *out = (CommandLine){.check = false};
    for (int option; (option = getopt_long(argc, argv, "c:h", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'c':
            out->options.config_path = optarg;
            break;
        case 'h':
            print_help();
            finish(out, EXIT_CODE_OK);
            return;
        case OPTION_CHECK:
            out->check = true;
            break;
        case OPTION_VERSION:
            printf("gangerd %s\n", GANGER_VERSION);
            finish(out, EXIT_CODE_OK);
            return;
        case OPTION_POSTGRES_BIN:
            out->options.postgres.bin = optarg;
            break;
        case OPTION_POSTGRES_DATA:
            out->options.postgres.data = optarg;
            break;
        case OPTION_POSTGRES_SOCKET:
            out->options.postgres.socket = optarg;
            break;
        case OPTION_POSTGRES_USER:
            out->options.postgres.user = optarg;
            break;
        default: // getopt has said what is wrong
            fprintf(stderr, "Try 'gangerd --help'.\n");
            finish(out, EXIT_CODE_USAGE);
            return;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "gangerd: unexpected argument '%s'\nTry 'gangerd --help'.\n", argv[optind]);
        finish(out, EXIT_CODE_USAGE);
        return;
    }
    check_postgres(out);
}

static void check_postgres(CommandLine *out)
{
    const PostgresOptions *postgres = &out->options.postgres;
    bool any = postgres->bin != NULL || postgres->data != NULL || postgres->socket != NULL ||
               postgres->user != NULL;
    bool all = postgres->bin != NULL && postgres->data != NULL && postgres->socket != NULL;

    if (any && !all) {
        fprintf(stderr, "gangerd: --postgres-bin, --postgres-data and --postgres-socket go "
                        "together\n");
        finish(out, EXIT_CODE_USAGE);
    }
}

static void finish(CommandLine *out, ExitCode code)
{
    out->is_done = true;
    out->code = code;
}

static void print_help(void)
{
    StrBuf options = {0};

    printf("Usage: gangerd [-c FILE] [--check]\n\n"
           "Starts and watches the worker processes that run the jobs of a PostgreSQL database.\n\n"
           "  -c, --config FILE  configuration (YAML); without it the defaults hold and the\n"
           "                     environment variable DATABASE_URL names the database\n"
           "      --check        check the configuration and exit\n"
           "      --version      print the version and exit\n"
           "  -h, --help         print this and exit\n\n"
           "Signals:\n");
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        if (SIGNAL_TABLE[i].help != NULL) {
            printf("  %-6s %s\n", SIGNAL_TABLE[i].name, SIGNAL_TABLE[i].help);
        }
    }
    printf("\nExit codes:\n"
           "  %-6d stopped as asked\n"
           "  %-6d the command line is wrong\n"
           "  %-6d internal error\n"
           "  %-6d the configuration, the schema version or the node name was refused\n\n"
           "Configuration:\n",
           EXIT_CODE_OK, EXIT_CODE_USAGE, EXIT_CODE_INTERNAL, EXIT_CODE_CONFIG);
    config_print_options(&options);
    fputs(options.text != NULL ? options.text : "", stdout);
    strbuf_free(&options);
}
