// SPDX-License-Identifier: MIT
// Statement: running one, whether the schema fits this program, and what to say when it fails.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/blame.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "common/base/exit_code.h"
#include "common/db/migrate.h"

enum {
    // Long enough for a big maintain() or a chunk waiting for a lock; a lost server is noticed much earlier.
    CLI_STATEMENT_TIMEOUT_MS = 10 * 60 * 1000,
    SHOWN_VALUE_COLUMNS = 60
};

static bool is_schema_problem(const char *sqlstate)
{
    // Missing schema, table, function or column: the database is not, or not yet, ours.
    return str_equal(sqlstate, "3F000") || str_equal(sqlstate, "42P01") ||
           str_equal(sqlstate, "42883") || str_equal(sqlstate, "42703");
}

static void say_indented(const char *text)
{
    StrBuf safe = {0};
    text_append_safe(&safe, text, true);
    const char *line = safe.text ? safe.text : "";
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        (void)fprintf(stderr, "  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    strbuf_free(&safe);
}

// Our sentence with the option first, then PostgreSQL's about the parameter.
static void say_option(const Cli *cli, OptionId id, const char *sqlstate, const char *message,
                       const char *detail)
{
    const char *name = OPT_SPECS[id].name;
    StrBuf safe = {0};
    StrBuf value = {0};
    text_append_safe(&safe, cli_option(cli, id), false);
    text_append_cut(&value, safe.text ? safe.text : "", SHOWN_VALUE_COLUMNS);
    bool is_time = str_equal(sqlstate, "22007") || str_equal(sqlstate, "22008");
    if (is_time) {
        cli_say("--%s '%s' is no instant; write it like 2030-01-31T09:00Z", name, value.text);
    } else {
        cli_say("--%s '%s' is not accepted", name, value.text ? value.text : "");
    }
    say_indented(message);
    if (!is_time) {
        // For an instant it is a hint about a setting of the server.
        say_indented(detail);
    }
    strbuf_free(&value);
    strbuf_free(&safe);
}

static int fail_value(Cli *cli, const char *message, const char *detail)
{
    const char *sqlstate = db_sqlstate(cli->db);
    OptionId id = blame_option(&cli->line, sqlstate, message);
    if (id != OPT_COUNT) {
        say_option(cli, id, sqlstate, message, detail);
    } else {
        cli_say("%s", message);
        say_indented(detail);
    }
    return blame_is_value(sqlstate) ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}

// PostgreSQL says what is refused, but not to whom, nor who might.
static void say_rights(const Cli *cli)
{
    const char *role = PQuser(db_conn(cli->db));
    (void)fprintf(
        stderr,
        "  You connect as \"%s\". A ganger_reader may look, a ganger_operator change things; "
        "docs/sql-api.md, Rights, has the rest.\n",
        role ? role : "");
}

int cli_fail_change(Cli *cli, Status status, const char *if_unknown)
{
    if (status != STATUS_LOST || !db_is_unknown(cli->db)) {
        int exit_code = cli_fail_statement(cli, status);
        if (status == STATUS_LOST) {
            cli_say("nothing was done");
        }
        return exit_code;
    }
    cli_say("the connection to %s was lost before its answer came: %s", cli->database_origin,
            db_error_message(cli->db));
    cli_say("whether it was done is not known; %s", if_unknown);
    return EXIT_CODE_UNKNOWN;
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
        exit_code = fail_value(cli, message, detail);
        if (detail[0] == '\0' && str_equal(db_sqlstate(cli->db), "42501")) {
            say_rights(cli);
        }
    }
    strbuf_free(&why);
    free(message);
    free(detail);
    return exit_code;
}

// True when the schema is known not to be this program's. A role that may not look is left alone: what it may
// do, the functions of the schema decide.
static bool is_schema_foreign(Cli *cli, StrBuf *why)
{
    if (cli->is_schema_checked) {
        return false;
    }
    cli->is_schema_checked = true;
    return migrate_check(cli->db, why) == STATUS_REFUSED;
}

int cli_require_schema(Cli *cli)
{
    StrBuf why = {0};
    int exit_code = cli_connect(cli);
    if (exit_code == EXIT_CODE_OK && is_schema_foreign(cli, &why)) {
        cli_say("%s (%s)", why.text, cli->database_origin);
        exit_code = EXIT_CODE_CONFIG;
    }
    strbuf_free(&why);
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
    if (status != STATUS_OK) {
        return cli_fail_statement(cli, status);
    }
    StrBuf why = {0};
    if (is_schema_foreign(cli, &why)) {
        cli_say("warning: %s (%s)", why.text, cli->database_origin);
    }
    strbuf_free(&why);
    return EXIT_CODE_OK;
}

int cli_change_or(Cli *cli, const SqlStatement *statement, const DbParams *params,
                  const char *if_unknown, PGresult **out)
{
    *out = NULL;
    int exit_code = cli_require_schema(cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    Status status = db_exec(cli->db, statement, params, CLI_STATEMENT_TIMEOUT_MS, out);
    return status == STATUS_OK ? EXIT_CODE_OK : cli_fail_change(cli, status, if_unknown);
}

int cli_change(Cli *cli, const SqlStatement *statement, const DbParams *params, PGresult **out)
{
    return cli_change_or(cli, statement, params, "look before you give the command again", out);
}
