// SPDX-License-Identifier: MIT
// Connect: which database is meant, and what to say when it does not answer as hoped.
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/dev_state.h"
#include "cli/text.h"
#include "common/base/exit_code.h"

static char *url_of_state(Cli *cli, const char *dir)
{
    char *url = dev_state_read_url(dir);
    if (url) {
        cli->database_origin = mem_printf("the `ganger dev` database in %s", dir);
        cli->is_dev_database = true;
    }
    return url;
}

// The database.url of --config; NULL when it has none.
static int url_of_config(Cli *cli, char **url)
{
    Config *config = NULL;
    int exit_code = cli_load_config(cli, &config);
    if (exit_code == EXIT_CODE_OK && config->database_url) {
        *url = mem_strdup(config->database_url);
        cli->database_origin =
            mem_printf("the database named by database.url in %s", cli_option(cli, OPT_CONFIG));
    }
    config_destroy(config);
    return exit_code;
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
        return *url ? EXIT_CODE_OK : EXIT_CODE_CONFIG;
    }
    if (environment && environment[0] != '\0') {
        cli->database_origin = mem_strdup("the database named by DATABASE_URL");
        *url = mem_strdup(environment);
        return EXIT_CODE_OK;
    }
    if (cli_option(cli, OPT_CONFIG)) {
        int exit_code = url_of_config(cli, url);
        if (exit_code != EXIT_CODE_OK || *url) {
            return exit_code;
        }
    }
    char *dir = dev_state_default_dir();
    *url = dir ? url_of_state(cli, dir) : NULL;
    free(dir);
    if (!*url) {
        cli_say("no database is named: give --database URL, set DATABASE_URL, name the folder of a "
                "`ganger dev` with --state DIR, or start one with `ganger dev`");
        return EXIT_CODE_CONFIG;
    }
    return EXIT_CODE_OK;
}

// A function that has done less than it was asked to says so by a warning.
static void on_warning(const char *message)
{
    StrBuf safe = {0};
    text_append_safe(&safe, message, false);
    cli_say("warning: %s", safe.text ? safe.text : "");
    strbuf_free(&safe);
}

static void set_up(Cli *cli)
{
    db_set_quiet(cli->db, true);
    db_set_warned(cli->db, on_warning);
}

int cli_connect(Cli *cli)
{
    if (cli->db) {
        return EXIT_CODE_OK;
    }
    int exit_code = cli->url ? EXIT_CODE_OK : choose_url(cli, &cli->url);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    // Instants are UTC in all that is printed; durations read as such.
    (void)setenv("PGTZ", "UTC", 1);
    Status status = db_open(&cli->db, cli->url, "ganger", DB_CONNECT_TIMEOUT_MS, true);
    if (status != STATUS_OK) {
        cli_say("cannot reach %s: %s", cli->database_origin, db_open_error());
        if (cli->is_dev_database) {
            (void)fputs("  `ganger dev` seems not to be running; start it in another terminal.\n",
                        stderr);
        }
        return status == STATUS_REFUSED ? EXIT_CODE_CONFIG : EXIT_CODE_NO_DATABASE;
    }
    set_up(cli);
    return EXIT_CODE_OK;
}

Status cli_reconnect(Cli *cli)
{
    db_close(cli->db);
    cli->db = NULL;
    Status status = db_open(&cli->db, cli->url, "ganger", DB_CONNECT_TIMEOUT_MS, true);
    if (status == STATUS_OK) {
        set_up(cli);
    }
    return status;
}
