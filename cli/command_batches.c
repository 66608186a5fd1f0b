// SPDX-License-Identifier: MIT
// Commands about batches: many jobs under one name, a few at a time.
#include <stdio.h>
#include <stdlib.h>

#include "cli/batch_items.h"
#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/job_options.h"
#include "cli/output.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

int command_batches_list(struct Cli *cli)
{
    int64_t limit = 0;
    int exit_code = EXIT_CODE_OK;
    if (!cli_read_limit(cli, &limit, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_int(&params, limit);
    db_param_bool(&params, cli->is_json);
    exit_code = cli_query(cli, &SQL_cli_batches, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, "no batches: `ganger batches create` makes one");
    }
    PQclear(result);
    return exit_code;
}

int command_batches_show(struct Cli *cli)
{
    return facts_show(cli, &SQL_cli_batch_facts, "batch", cli->line.args[0]);
}

static bool add_number(const Cli *cli, DbParams *params, OptionId id, int *exit_code)
{
    int64_t value = 0;
    const char *text = cli_option(cli, id);
    char *what = mem_printf("--%s", OPT_SPECS[id].name);
    bool is_read =
        !text || cli_read_number(cli, what, text, INT32_MIN, INT32_MAX, &value, exit_code);
    db_param_int_or_null(params, value, text != NULL);
    free(what);
    return is_read;
}

static bool fill_params(const Cli *cli, const char *items, const char *options,
                        int64_t expires_in_ms, DbParams *params, int *exit_code)
{
    int64_t retry_ms = 0;
    bool has_retry = cli_option(cli, OPT_RETRY_DELAY) != NULL;
    db_params_init(params);
    db_param_text(params, cli_option(cli, OPT_ID));
    db_param_text(params, cli->line.args[0]);
    db_param_text(params, items);
    if (!add_number(cli, params, OPT_CONCURRENCY, exit_code) ||
        !add_number(cli, params, OPT_MAX_ATTEMPTS, exit_code) ||
        (has_retry && !cli_read_duration(cli, OPT_RETRY_DELAY, &retry_ms, exit_code)) ||
        !cli_check_json(cli, OPT_ON_FINISH, cli_option(cli, OPT_ON_FINISH), exit_code)) {
        return false;
    }
    db_param_int_or_null(params, retry_ms, has_retry);
    db_param_text(params, cli_option(cli, OPT_ON_FINISH));
    db_param_text(params, options);
    db_param_int_or_null(params, expires_in_ms, expires_in_ms >= 0);
    db_param_bool(params, cli_option(cli, OPT_START) != NULL);
    return true;
}

int command_batches_create(struct Cli *cli)
{
    int64_t expires_in_ms = -1;
    int exit_code = EXIT_CODE_OK;
    // What create_batch has parameters of its own for.
    OptionSet own = OPT_BIT(OPT_CONCURRENCY) | OPT_BIT(OPT_MAX_ATTEMPTS) | OPT_BIT(OPT_RETRY_DELAY);
    if (!cli_option(cli, OPT_ITEMS)) {
        return cli_usage(cli, "say which items: --items FILE, or - for standard input");
    }
    char *options =
        job_options_json(cli, cli->line.command->options & ~own, &expires_in_ms, &exit_code);
    char *items = options ? batch_items_read(cli_option(cli, OPT_ITEMS), &exit_code) : NULL;
    DbParams params;
    PGresult *result = NULL;
    if (items && fill_params(cli, items, options, expires_in_ms, &params, &exit_code)) {
        exit_code = cli_change(cli, &SQL_cli_batch_create, &params, &result);
        if (exit_code == EXIT_CODE_OK && cli->is_json) {
            output_object(result);
        } else if (exit_code == EXIT_CODE_OK) {
            (void)puts(db_text(result, 0, "id"));
        }
    }
    PQclear(result);
    free(items);
    free(options);
    return exit_code;
}

int command_batches_start(struct Cli *cli)
{
    static const ChangeWords words = {"batch", true, "started", NULL, "cannot be started"};
    return changes_by_name(cli, &SQL_cli_batch_start, &words);
}

int command_batches_pause(struct Cli *cli)
{
    static const ChangeWords words = {"batch", true, "is paused", NULL, "cannot be paused"};
    return changes_by_name(cli, &SQL_cli_batch_pause, &words);
}

int command_batches_resume(struct Cli *cli)
{
    static const ChangeWords words = {"batch", true, "goes on", NULL, "cannot be resumed"};
    return changes_by_name(cli, &SQL_cli_batch_resume, &words);
}

int command_batches_cancel(struct Cli *cli)
{
    static const ChangeWords words = {"batch", true, "cancelled; what ran of it is being stopped",
                                      NULL, "cannot be cancelled"};
    return changes_by_name(cli, &SQL_cli_batch_cancel, &words);
}

int command_batches_clear(struct Cli *cli)
{
    static const ChangeWords words = {"batch", true, "deleted", NULL, "cannot be deleted"};
    return changes_by_name(cli, &SQL_cli_batch_clear, &words);
}

int command_batches_stats(struct Cli *cli)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    int exit_code = cli_query(cli, &SQL_cli_batch_stats, &params, &result);
    if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        output_facts(cli, result);
    }
    PQclear(result);
    return exit_code;
}
