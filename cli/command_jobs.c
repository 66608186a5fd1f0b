// SPDX-License-Identifier: MIT
// Commands over several jobs: list, cancel, retry, edit, events.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/output.h"
#include "common/base/duration.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { LIST_LIMIT_DEFAULT = 20, LIST_LIMIT_MAX = 10000 };

// An instant is for PostgreSQL to read; a duration is meant from now back.
static void add_time(const struct Cli *cli, DbParams *params, OptionId id)
{
    const char *text = cli_option(cli, id);
    const char *why = NULL;
    int64_t ms = 0;
    bool is_duration = text && duration_parse(text, &ms, &why) == STATUS_OK;
    db_param_text(params, is_duration ? NULL : text);
    db_param_int_or_null(params, ms, is_duration);
}

static bool fill_filter(const struct Cli *cli, DbParams *params, int *exit_code)
{
    int64_t priority = 0;
    const char *priority_text = cli_option(cli, OPT_PRIORITY);
    if (!cli_check_json(cli, OPT_SEARCH, cli_option(cli, OPT_SEARCH), exit_code) ||
        (priority_text && !cli_read_number(cli, "--priority", priority_text, INT32_MIN, INT32_MAX,
                                           &priority, exit_code))) {
        return false;
    }
    db_params_init(params);
    db_param_text(params, cli_option(cli, OPT_STATUS));
    db_param_text(params, cli_option(cli, OPT_TYPE));
    db_param_text(params, cli_option(cli, OPT_QUEUE));
    db_param_text(params, cli_option(cli, OPT_OWNER));
    db_param_text(params, cli_option(cli, OPT_TAG));
    db_param_text(params, cli_option(cli, OPT_SEARCH));
    db_param_int_or_null(params, priority, priority_text != NULL);
    db_param_text(params, cli_option(cli, OPT_KEY));
    add_time(cli, params, OPT_SINCE);
    add_time(cli, params, OPT_UNTIL);
    return true;
}

int command_jobs_list(struct Cli *cli)
{
    int64_t limit = LIST_LIMIT_DEFAULT;
    int64_t after = 0;
    int exit_code = EXIT_CODE_OK;
    const char *limit_text = cli_option(cli, OPT_LIMIT);
    const char *after_text = cli_option(cli, OPT_AFTER);
    if (limit_text &&
        !cli_read_number(cli, "--limit", limit_text, 1, LIST_LIMIT_MAX, &limit, &exit_code)) {
        return exit_code;
    }
    if (after_text &&
        !cli_read_number(cli, "--after", after_text, 1, INT64_MAX, &after, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    if (!fill_filter(cli, &params, &exit_code)) {
        return exit_code;
    }
    db_param_int(&params, limit);
    db_param_int_or_null(&params, after, after_text != NULL);
    db_param_bool(&params, cli->is_json);
    PGresult *result = NULL;
    exit_code = cli_query(cli, &SQL_cli_jobs_list, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, "no such jobs");
        if (!cli->is_json && PQntuples(result) == limit && cli->is_talk_shown) {
            (void)fprintf(stderr, "more: --after %" PRId64 "\n",
                          db_int(result, (int)limit - 1, "id", 0));
        }
    }
    PQclear(result);
    return exit_code;
}

// What to say about one job that was, or was not, changed.
typedef struct Words {
    const char *done;
    const char *done_running; // when it was processing; NULL = the same
    const char *refused;      // "cannot be cancelled"
} Words;

static bool say_change(const PGresult *result, int row, const Words *words)
{
    int64_t id = db_int(result, row, "id", 0);
    const char *was = db_text(result, row, "was");
    if (db_bool(result, row, "done")) {
        bool is_running = was && str_equal(was, "processing") && words->done_running;
        (void)printf("job %" PRId64 " %s\n", id, is_running ? words->done_running : words->done);
        return true;
    }
    if (was) {
        cli_say("job %" PRId64 " %s: it is %s", id, words->refused, was);
    } else {
        cli_say("there is no job %" PRId64, id);
    }
    return false;
}

static int print_changes(struct Cli *cli, PGresult *result, const Words *words)
{
    bool are_all_done = true;
    if (cli->is_json) {
        output_rows(cli, result, "");
    }
    for (int row = 0; row < PQntuples(result); row++) {
        bool is_done = cli->is_json ? db_bool(result, row, "done") : say_change(result, row, words);
        are_all_done = are_all_done && is_done;
    }
    PQclear(result);
    return are_all_done ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int change_jobs(struct Cli *cli, const SqlStatement *statement, const Words *words)
{
    DbArray ids;
    DbParams params;
    PGresult *result = NULL;
    int exit_code = EXIT_CODE_OK;
    if (!ids_read(cli, &ids, &exit_code)) {
        return exit_code;
    }
    db_params_init(&params);
    db_param_array(&params, &ids);
    exit_code = cli_change(cli, statement, &params, &result);
    db_array_free(&ids);
    return exit_code == EXIT_CODE_OK ? print_changes(cli, result, words) : exit_code;
}

int command_jobs_cancel(struct Cli *cli)
{
    static const Words words = {"cancelled", "is running and is being stopped",
                                "cannot be cancelled"};
    return change_jobs(cli, &SQL_cli_jobs_cancel, &words);
}

int command_jobs_retry(struct Cli *cli)
{
    static const Words words = {"will run again", NULL, "cannot be retried"};
    return change_jobs(cli, &SQL_cli_jobs_retry, &words);
}

int command_jobs_edit(struct Cli *cli)
{
    static const Words words = {"changed", NULL, "cannot be changed"};
    int64_t id = 0;
    int exit_code = EXIT_CODE_OK;
    if (!cli_option(cli, OPT_SET)) {
        return cli_usage(cli, "say what to change with --set '{...}'");
    }
    if (!ids_read_one(cli, cli->line.args[0], &id, &exit_code) ||
        !cli_check_json(cli, OPT_SET, cli_option(cli, OPT_SET), &exit_code)) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_int(&params, id);
    db_param_text(&params, cli_option(cli, OPT_SET));
    exit_code = cli_change(cli, &SQL_cli_job_edit, &params, &result);
    return exit_code == EXIT_CODE_OK ? print_changes(cli, result, &words) : exit_code;
}

int command_jobs_events(struct Cli *cli)
{
    int64_t id = 0;
    int exit_code = EXIT_CODE_OK;
    if (!ids_read_one(cli, cli->line.args[0], &id, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_int(&params, id);
    db_param_bool(&params, cli->is_json);
    exit_code = cli_query(cli, &SQL_cli_job_events, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, "no events: there is no such job");
        exit_code = PQntuples(result) > 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    }
    PQclear(result);
    return exit_code;
}
