// SPDX-License-Identifier: MIT
// Commands over jobs: list, cancel, retry, edit, redrive, explain, events.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/job_filter.h"
#include "cli/output.h"
#include "cli/text.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

int command_jobs_list(struct Cli *cli)
{
    int64_t limit = 0;
    int64_t after = 0;
    int exit_code = EXIT_CODE_OK;
    const char *after_text = cli_option(cli, OPT_AFTER);
    if (!cli_read_limit(cli, &limit, &exit_code)) {
        return exit_code;
    }
    if (after_text &&
        !cli_read_number(cli, "--after", after_text, 1, INT64_MAX, &after, &exit_code)) {
        return exit_code;
    }
    char *filter = job_filter_read(cli, &exit_code);
    if (!filter) {
        return exit_code;
    }
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, filter);
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
    free(filter);
    return exit_code;
}

static int change_by_id(struct Cli *cli, const SqlStatement *statement, const ChangeWords *words)
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
    return exit_code == EXIT_CODE_OK ? changes_print(cli, result, words) : exit_code;
}

// `changes` NULL: the statement takes the filter only. `besides` is said when there were any.
static int change_by_filter(struct Cli *cli, const SqlStatement *statement, const char *changes,
                            const char *done, const char *besides)
{
    int exit_code = cli_require_schema(cli);
    char *filter = exit_code == EXIT_CODE_OK ? job_filter_read(cli, &exit_code) : NULL;
    if (!filter) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, filter);
    if (changes) {
        db_param_text(&params, changes);
    }
    exit_code = cli_change(cli, statement, &params, &result);
    if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        int64_t jobs = db_int(result, 0, "jobs", 0);
        (void)printf("%" PRId64 " job%s %s%s\n", jobs, jobs == 1 ? "" : "s", done,
                     jobs > 0 ? besides : "");
    }
    PQclear(result);
    free(filter);
    return exit_code;
}

int command_jobs_cancel(struct Cli *cli)
{
    static const ChangeWords words = {"job", false, "cancelled", "is running and is being stopped",
                                      "cannot be cancelled"};
    bool is_by_filter = false;
    int exit_code = EXIT_CODE_OK;
    if (!job_filter_check(cli, &is_by_filter, &exit_code)) {
        return exit_code;
    }
    return is_by_filter ? change_by_filter(cli, &SQL_cli_jobs_cancel_all, NULL, "cancelled",
                                           "; running ones are being stopped")
                        : change_by_id(cli, &SQL_cli_jobs_cancel, &words);
}

int command_jobs_retry(struct Cli *cli)
{
    static const ChangeWords words = {"job", false, "will run again", NULL, "cannot be retried"};
    bool is_by_filter = false;
    int exit_code = EXIT_CODE_OK;
    if (!job_filter_check(cli, &is_by_filter, &exit_code)) {
        return exit_code;
    }
    return is_by_filter ? change_by_filter(cli, &SQL_cli_jobs_retry_all, NULL, "will run again", "")
                        : change_by_id(cli, &SQL_cli_jobs_retry, &words);
}

int command_workers_kill(struct Cli *cli)
{
    static const ChangeWords words = {"worker", false, "is being ended", NULL, "cannot be ended"};
    return change_by_id(cli, &SQL_cli_workers_kill, &words);
}

int command_jobs_edit(struct Cli *cli)
{
    static const ChangeWords words = {"job", false, "changed", NULL, "cannot be changed"};
    int64_t id = 0;
    bool is_by_filter = false;
    int exit_code = EXIT_CODE_OK;
    const char *changes = cli_option(cli, OPT_SET);
    if (!changes) {
        return cli_usage(cli, "say what to change with --set '{...}'");
    }
    if (!job_filter_check(cli, &is_by_filter, &exit_code) ||
        !cli_check_json(cli, OPT_SET, changes, &exit_code) ||
        (!is_by_filter && !ids_read_one(cli, cli->line.args[0], &id, &exit_code))) {
        return exit_code;
    }
    if (is_by_filter) {
        return change_by_filter(cli, &SQL_cli_jobs_edit_all, changes, "changed", "");
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_int(&params, id);
    db_param_text(&params, changes);
    exit_code = cli_change(cli, &SQL_cli_job_edit, &params, &result);
    return exit_code == EXIT_CODE_OK ? changes_print(cli, result, &words) : exit_code;
}

int command_jobs_redrive(struct Cli *cli)
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
    exit_code = cli_change(cli, &SQL_cli_jobs_redrive, &params, &result);
    db_array_free(&ids);
    if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_rows(cli, result, "");
    }
    for (int row = 0; exit_code == EXIT_CODE_OK && !cli->is_json && row < PQntuples(result);
         row++) {
        (void)printf("job %" PRId64 " is enqueued again, as job %" PRId64 "\n",
                     db_int(result, row, "id", 0), db_int(result, row, "job", 0));
    }
    PQclear(result);
    return exit_code;
}

int command_jobs_explain(struct Cli *cli)
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
    exit_code = cli_query(cli, &SQL_cli_job_explain, &params, &result);
    const char *explanation = exit_code == EXIT_CODE_OK ? db_text(result, 0, "explanation") : NULL;
    if (exit_code == EXIT_CODE_OK && (!explanation || !db_bool(result, 0, "is_known"))) {
        cli_say("there is no job %" PRId64, id);
        exit_code = EXIT_CODE_FAILED;
    } else if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        StrBuf text = {0};
        StrBuf wrapped = {0};
        text_append_safe(&text, explanation, true);
        text_append_wrapped(&wrapped, text.text ? text.text : "",
                            cli->width > 0 ? cli->width : SIZE_MAX, 0);
        (void)puts(wrapped.text ? wrapped.text : "");
        strbuf_free(&wrapped);
        strbuf_free(&text);
    }
    PQclear(result);
    return exit_code;
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
