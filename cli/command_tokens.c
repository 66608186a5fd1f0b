// SPDX-License-Identifier: MIT
// Commands about tokens: what suspended jobs wait for.
#include <stdio.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/ids.h"
#include "cli/output.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

int command_tokens_list(struct Cli *cli)
{
    int64_t limit = 0;
    int exit_code = EXIT_CODE_OK;
    bool is_all = cli_option(cli, OPT_ALL) != NULL;
    if (!cli_read_limit(cli, &limit, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_bool(&params, is_all);
    db_param_int(&params, limit);
    db_param_bool(&params, cli->is_json);
    exit_code = cli_query(cli, &SQL_cli_tokens, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result,
                    is_all ? "no tokens" : "no tokens are waiting (--all shows those that ended)");
    }
    PQclear(result);
    return exit_code;
}

int command_tokens_show(struct Cli *cli)
{
    return facts_show(cli, &SQL_cli_token_facts, "token", cli->line.args[0]);
}

int command_tokens_create(struct Cli *cli)
{
    int64_t timeout_ms = 0;
    int64_t job = 0;
    int exit_code = EXIT_CODE_OK;
    const char *job_text = cli_option(cli, OPT_JOB);
    bool has_timeout = cli_option(cli, OPT_TIMEOUT) != NULL;
    if ((has_timeout && !cli_read_duration(cli, OPT_TIMEOUT, &timeout_ms, &exit_code)) ||
        (job_text && !cli_read_number(cli, "--job", job_text, 1, INT64_MAX, &job, &exit_code))) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_int_or_null(&params, timeout_ms, has_timeout);
    db_param_text(&params, cli_option(cli, OPT_TAGS));
    db_param_int_or_null(&params, job, job_text != NULL);
    exit_code = cli_change(cli, &SQL_cli_token_create, &params, &result);
    if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        (void)puts(db_text(result, 0, "token"));
    }
    PQclear(result);
    return exit_code;
}

static int complete_token(struct Cli *cli, const char *data)
{
    static const ChangeWords words = {"token", true, "completed", NULL, "cannot be completed"};
    int exit_code = EXIT_CODE_OK;
    if (!cli_check_json(cli, OPT_DATA, data, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, cli->line.args[0]);
    db_param_text(&params, data);
    exit_code = cli_change(cli, &SQL_cli_token_complete, &params, &result);
    return exit_code == EXIT_CODE_OK ? changes_print(cli, result, &words) : exit_code;
}

int command_tokens_complete(struct Cli *cli)
{
    return cli_with_payload(cli, OPT_DATA, complete_token);
}
