// SPDX-License-Identifier: MIT
// Commands about the whole: nodes, workers, stats, maintain, config.
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/dev_state.h"
#include "cli/output.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

static int list_rows(struct Cli *cli, const SqlStatement *statement, const DbParams *params,
                     const char *nothing)
{
    PGresult *result = NULL;
    int exit_code = cli_query(cli, statement, params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, nothing);
    }
    PQclear(result);
    return exit_code;
}

static void print_facts(const struct Cli *cli, const PGresult *result)
{
    if (cli->is_json) {
        output_object(result);
    } else {
        output_facts(cli, result);
    }
}

static int list_facts(struct Cli *cli, const SqlStatement *statement, const DbParams *params)
{
    PGresult *result = NULL;
    int exit_code = cli_query(cli, statement, params, &result);
    if (exit_code == EXIT_CODE_OK) {
        print_facts(cli, result);
    }
    PQclear(result);
    return exit_code;
}

int command_nodes(struct Cli *cli)
{
    DbParams params;
    bool is_all = cli_option(cli, OPT_ALL) != NULL;
    db_params_init(&params);
    db_param_bool(&params, is_all);
    db_param_bool(&params, cli->is_json);
    return list_rows(cli, &SQL_cli_nodes, &params,
                     is_all ? "no node has ever registered: start gangerd"
                            : "no node is there: start gangerd (--all shows those that stopped)");
}

int command_workers(struct Cli *cli)
{
    DbParams params;
    db_params_init(&params);
    db_param_bool(&params, cli->is_json);
    return list_rows(cli, &SQL_cli_workers, &params, "no workers: start gangerd");
}

int command_failures(struct Cli *cli)
{
    enum { SINCE_DEFAULT_MS = 24 * 3600 * 1000, GROUPS_MAX = 1000 };
    int64_t since_ms = SINCE_DEFAULT_MS;
    int64_t limit = 0;
    int exit_code = EXIT_CODE_OK;
    if ((cli_option(cli, OPT_SINCE) && !cli_read_duration(cli, OPT_SINCE, &since_ms, &exit_code)) ||
        !cli_read_limit(cli, &limit, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, since_ms);
    db_param_text(&params, cli_option(cli, OPT_TYPE));
    db_param_int(&params, limit < GROUPS_MAX ? limit : GROUPS_MAX);
    return list_rows(cli, &SQL_cli_failures, &params, "no failures");
}

int command_stats(struct Cli *cli)
{
    DbParams params;
    const char *type = cli->line.arg_count > 0 ? cli->line.args[0] : NULL;
    db_params_init(&params);
    db_param_text(&params, type);
    PGresult *result = NULL;
    int exit_code = cli_query(cli, &SQL_cli_stats, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        print_facts(cli, result);
        if (type && !db_bool(result, 0, "is_known")) {
            cli_say("no job of type \"%s\" is known", type);
        }
    }
    PQclear(result);
    result = NULL;
    if (exit_code != EXIT_CODE_OK || type || cli->is_json) {
        return exit_code;
    }
    db_params_init(&params);
    exit_code = cli_query(cli, &SQL_cli_stats_types, &params, &result);
    if (exit_code == EXIT_CODE_OK && PQntuples(result) > 0) {
        (void)putchar('\n');
        output_rows(cli, result, "");
    }
    PQclear(result);
    return exit_code;
}

int command_maintain(struct Cli *cli)
{
    int exit_code = cli_require_schema(cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    DbParams params;
    db_params_init(&params);
    return list_facts(cli, &SQL_cli_maintain, &params);
}

// Nothing is set, and yet the commands find a database: the configuration alone would not tell which.
static void say_dev_database(const struct Cli *cli, const Config *config)
{
    bool is_named = config->database_url || cli_option(cli, OPT_DATABASE);
    const char *state = cli_option(cli, OPT_STATE);
    char *dir = state ? mem_strdup(state) : dev_state_default_dir();
    char *url = dir && !is_named ? dev_state_read_url(dir) : NULL;
    if (url) {
        cli_say("note: database.url is not set; ganger's commands use the database of `ganger dev` "
                "in %s, gangerd none",
                dir);
    }
    free(url);
    free(dir);
}

int command_config(struct Cli *cli)
{
    StrBuf text = {0};
    if (cli_option(cli, OPT_SAMPLE) && cli->is_json) {
        return cli_usage(cli, "a sample is YAML: --json has no place there");
    }
    if (cli_option(cli, OPT_SAMPLE)) {
        config_print_sample(&text);
    } else {
        Config *config = NULL;
        int exit_code = cli_load_config(cli, &config);
        if (exit_code != EXIT_CODE_OK) {
            return exit_code;
        }
        config_print_effective(config, cli->is_json, &text);
        say_dev_database(cli, config);
        config_destroy(config);
    }
    if (text.length > 0) {
        (void)fputs(text.text, stdout);
    }
    strbuf_free(&text);
    return EXIT_CODE_OK;
}
