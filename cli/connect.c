// SPDX-License-Identifier: MIT
// Connect: which database is meant, and what to say when it does not answer as hoped.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/dev_state.h"
#include "common/base/exit_code.h"
#include "common/db/migrate.h"

// Long enough for a big maintain() or a chunk waiting for a lock; a lost server is noticed much earlier.
enum { CLI_STATEMENT_TIMEOUT_MS = 10 * 60 * 1000 };

static char *url_of_state(Cli *cli, const char *dir)
{
    char *url = dev_state_read_url(dir);
    if (url) {
        cli->database_origin = mem_printf("the `ganger dev` database in %s", dir);
        cli->is_dev_database = true;
    }
    return url;
}

static int choose_url(Cli *cli, char **url)
{
    const char *option = cli_option(cli, OPT_DATABASE);
    const char *state = cli_option(cli, OPT_STATE);
    const char *environment = getenv("DATABASE_URL");
    if (option) {
        cli->database_origin = mem_strdup("the database named by --database");
        *url = mem_strdup(option);
        return EXIT_CODE_OK;
    }
    if (state) {
        *url = url_of_state(cli, state);
        if (!*url) {
            cli_say("%s: no `ganger dev` has ever run there", state);
        }
        return *url ? EXIT_CODE_OK : EXIT_CODE_NO_DATABASE;
    }
    if (environment && environment[0] != '\0') {
        cli->database_origin = mem_strdup("the database named by DATABASE_URL");
        *url = mem_strdup(environment);
        return EXIT_CODE_OK;
    }
    if (cli_option(cli, OPT_CONFIG)) {
        Config *config = NULL;
        int exit_code = cli_load_config(cli, &config);
        if (exit_code != EXIT_CODE_OK) {
            return exit_code;
        }
        if (config->database_url) {
            *url = mem_strdup(config->database_url);
            cli->database_origin =
                mem_printf("the database named by database.url in %s", cli_option(cli, OPT_CONFIG));
        }
        config_destroy(config);
        if (*url) {
            return EXIT_CODE_OK;
        }
    }
    char *dir = dev_state_last_dir();
    *url = dir ? url_of_state(cli, dir) : NULL;
    free(dir);
    if (!*url) {
        cli_say("no database is named: give --database URL, set DATABASE_URL, or start one with "
                "`ganger dev`");
        return EXIT_CODE_NO_DATABASE;
    }
    return EXIT_CODE_OK;
}

int cli_connect(Cli *cli)
{
    char *url = NULL;
    if (cli->db) {
        return EXIT_CODE_OK;
    }
    int exit_code = choose_url(cli, &url);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    // Instants are UTC in all that is printed; durations read as such.
    (void)setenv("PGTZ", "UTC", 1);
    Status status = db_open(&cli->db, url, "ganger", DB_CONNECT_TIMEOUT_MS, true);
    free(url);
    if (status != STATUS_OK) {
        cli_say("cannot reach %s: %s", cli->database_origin, db_open_error());
        if (cli->is_dev_database) {
            (void)fputs("  `ganger dev` seems not to be running; start it in another terminal.\n",
                        stderr);
        }
        if (status != STATUS_REFUSED) {
            return EXIT_CODE_NO_DATABASE;
        }
        return cli_option(cli, OPT_DATABASE) ? EXIT_CODE_USAGE : EXIT_CODE_CONFIG;
    }
    db_set_quiet(cli->db, true);
    return EXIT_CODE_OK;
}

static bool is_schema_problem(const char *sqlstate)
{
    // Missing schema, table, function or column: the database is not, or not yet, ours.
    return str_equal(sqlstate, "3F000") || str_equal(sqlstate, "42P01") ||
           str_equal(sqlstate, "42883") || str_equal(sqlstate, "42703");
}

static void say_detail(const char *detail)
{
    while (*detail != '\0') {
        size_t length = strcspn(detail, "\n");
        (void)fprintf(stderr, "  %.*s\n", (int)length, detail);
        detail += length + (detail[length] == '\n' ? 1 : 0);
    }
}

int cli_fail_statement(Cli *cli, Status status)
{
    if (status == STATUS_LOST) {
        cli_say("the connection to %s is lost: %s", cli->database_origin,
                db_error_message(cli->db));
        return EXIT_CODE_NO_DATABASE;
    }
    char *message = mem_strdup(db_error_message(cli->db));
    char *detail = mem_strdup(db_error_detail(cli->db));
    StrBuf why = {0};
    int exit_code = EXIT_CODE_FAILED;
    if (is_schema_problem(db_sqlstate(cli->db)) && migrate_check(cli->db, &why) != STATUS_OK &&
        why.length > 0) {
        cli_say("%s (%s)", why.text, cli->database_origin);
        exit_code = EXIT_CODE_CONFIG;
    } else {
        cli_say("%s", message);
        say_detail(detail);
    }
    strbuf_free(&why);
    free(message);
    free(detail);
    return exit_code;
}

int cli_query(Cli *cli, const SqlStatement *statement, const DbParams *params, PGresult **out)
{
    *out = NULL;
    int exit_code = cli_connect(cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    Status status = db_exec(cli->db, statement, params, CLI_STATEMENT_TIMEOUT_MS, out);
    return status == STATUS_OK ? EXIT_CODE_OK : cli_fail_statement(cli, status);
}
