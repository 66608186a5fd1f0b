// SPDX-License-Identifier: MIT
// Job filter: the options that choose jobs.
#include "cli/job_filter.h"

#include "common/base/duration.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

static const OptionId filter_options[] = {
    OPT_STATUS, OPT_TYPE,     OPT_QUEUE, OPT_OWNER, OPT_TAG,    OPT_KEY,        OPT_GROUP_KEY,
    OPT_BATCH,  OPT_PRIORITY, OPT_SINCE, OPT_UNTIL, OPT_SEARCH, OPT_ERROR_GROUP};

// An instant is for PostgreSQL to read; a duration is meant from now back.
static void add_time(const Cli *cli, DbParams *params, OptionId id)
{
    const char *text = cli_option(cli, id);
    const char *why = NULL;
    int64_t ms = 0;
    bool is_duration = text && duration_parse(text, &ms, &why) == STATUS_OK;
    db_param_text(params, is_duration ? NULL : text);
    db_param_int_or_null(params, ms, is_duration);
}

static bool fill_params(const Cli *cli, DbParams *params, int *exit_code)
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
    db_param_text(params, cli_option(cli, OPT_GROUP_KEY));
    db_param_text(params, cli_option(cli, OPT_BATCH));
    add_time(cli, params, OPT_SINCE);
    add_time(cli, params, OPT_UNTIL);
    db_param_text(params, cli_option(cli, OPT_ERROR_GROUP));
    return true;
}

char *job_filter_read(Cli *cli, int *exit_code)
{
    DbParams params;
    PGresult *result = NULL;
    if (!fill_params(cli, &params, exit_code)) {
        return NULL;
    }
    *exit_code = cli_query(cli, &SQL_cli_filter, &params, &result);
    char *filter = *exit_code == EXIT_CODE_OK ? mem_strdup(db_text(result, 0, "filter")) : NULL;
    PQclear(result);
    return filter;
}

bool job_filter_check(const Cli *cli, bool *is_by_filter, int *exit_code)
{
    const char *named = NULL;
    for (size_t i = 0; i < sizeof filter_options / sizeof filter_options[0]; i++) {
        if (cli_option(cli, filter_options[i])) {
            named = OPT_SPECS[filter_options[i]].name;
        }
    }
    bool is_all = cli_option(cli, OPT_ALL) != NULL;
    bool has_ids = cli->line.arg_count > 0;
    *is_by_filter = named || is_all;
    if (has_ids && *is_by_filter) {
        *exit_code = cli_usage(cli, "job ids and --%s exclude one another", named ? named : "all");
    } else if (named && is_all) {
        *exit_code = cli_usage(cli, "--all and --%s exclude one another", named);
    } else if (!has_ids && !*is_by_filter) {
        *exit_code = cli_usage(cli, "say which jobs: their ids, options like --status failed, or "
                                    "--all");
    } else {
        return true;
    }
    return false;
}
