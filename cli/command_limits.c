// SPDX-License-Identifier: MIT
// Commands about what limits claims: queues, job types, groups, and pausing.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/job_options.h"
#include "cli/output.h"
#include "cli/text.h"
#include "common/base/duration.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

// One kind of what has limits.
typedef struct Limited {
    const SqlStatement *list;
    const SqlStatement *set;
    const char *what; // the options
    const char *nothing;
} Limited;

static const Limited queues = {&SQL_cli_queues, &SQL_cli_queue_set,
                               "--concurrency, --group-concurrency, --rate, --retention",
                               "no queues: nothing was enqueued yet"};
static const Limited types = {&SQL_cli_types, &SQL_cli_type_set,
                              "--concurrency, --timeout, --max-crashes",
                              "no job types: there are no live jobs"};
static const Limited groups = {&SQL_cli_groups, &SQL_cli_group_set, "--concurrency, --rate",
                               "no groups: there are no live jobs with a --group-key"};

static bool has_value(const PGresult *result, int row, const char *column)
{
    int number = PQfnumber(result, column);
    return number >= 0 && PQgetisnull(result, row, number) == 0;
}

static void append_part(StrBuf *out, const PGresult *result, int row, const char *column,
                        const char *before, const char *after, bool is_duration)
{
    char shown[TEXT_SHORT_BYTES];
    if (!has_value(result, row, column)) {
        return;
    }
    int64_t value = db_int(result, row, column, 0);
    if (is_duration) {
        duration_format(value, shown, sizeof shown);
    } else {
        (void)snprintf(shown, sizeof shown, "%" PRId64, value);
    }
    strbuf_printf(out, "%s%s%s%s", out->length > 0 ? ", " : "", before, shown, after);
}

// "5 at once, 1 of each group, 100 starts in 1m"
static char *describe_limits(const PGresult *result, int row)
{
    StrBuf out = {0};
    append_part(&out, result, row, "raw_concurrency", "", " at once", false);
    append_part(&out, result, row, "raw_group_concurrency", "", " of each group", false);
    append_part(&out, result, row, "raw_rate", "", " starts", false);
    if (has_value(result, row, "raw_rate_period")) {
        char shown[TEXT_SHORT_BYTES];
        duration_format(db_int(result, row, "raw_rate_period", 0), shown, sizeof shown);
        strbuf_printf(&out, " in %s", shown);
    }
    append_part(&out, result, row, "raw_timeout", "timeout ", "", true);
    append_part(&out, result, row, "raw_max_crashes", "max crashes ", "", false);
    append_part(&out, result, row, "raw_retention", "kept ", "", true);
    strbuf_append(&out, "");
    return strbuf_take(&out);
}

static int list_limited(struct Cli *cli, const Limited *kind, const char *name)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, name);
    db_param_bool(&params, cli->is_json);
    int exit_code = cli_query(cli, kind->list, &params, &result);
    if (exit_code == EXIT_CODE_OK && name && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        output_rows_noted(cli, result, name ? "no limits any more" : kind->nothing, "limits",
                          describe_limits);
    }
    PQclear(result);
    return exit_code;
}

// Sets what is named, and shows what holds now.
static int set_limited(struct Cli *cli, const Limited *kind)
{
    int exit_code = EXIT_CODE_OK;
    const char *name = cli->line.args[0];
    char *changes = limit_options_json(cli, cli->line.command->options, &exit_code);
    if (!changes) {
        return exit_code;
    }
    if (str_equal(changes, "{}")) {
        free(changes);
        return cli_usage(cli, "say what to set: %s", kind->what);
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, name);
    db_param_text(&params, changes);
    exit_code = cli_change(cli, kind->set, &params, &result);
    PQclear(result);
    free(changes);
    return exit_code == EXIT_CODE_OK ? list_limited(cli, kind, name) : exit_code;
}

int command_queues_list(struct Cli *cli)
{
    return list_limited(cli, &queues, NULL);
}

// Without a number of starts its time means nothing.
static int set_with_rate(struct Cli *cli, const Limited *kind)
{
    const char *rate = cli_option(cli, OPT_RATE);
    if (rate && str_equal(rate, "none") && !cli_option(cli, OPT_RATE_PERIOD)) {
        cli->line.values[OPT_RATE_PERIOD] = "none";
    }
    return set_limited(cli, kind);
}

int command_queues_set(struct Cli *cli)
{
    return set_with_rate(cli, &queues);
}

int command_types_list(struct Cli *cli)
{
    return list_limited(cli, &types, NULL);
}

int command_types_set(struct Cli *cli)
{
    return set_limited(cli, &types);
}

int command_groups_list(struct Cli *cli)
{
    return list_limited(cli, &groups, NULL);
}

int command_groups_set(struct Cli *cli)
{
    return set_with_rate(cli, &groups);
}

int command_pause_queue(struct Cli *cli)
{
    static const ChangeWords words = {"queue", true, "is paused", NULL, NULL};
    return changes_by_name(cli, &SQL_cli_pause_queue, &words);
}

int command_pause_type(struct Cli *cli)
{
    static const ChangeWords words = {"job type", true, "is paused", NULL, NULL};
    return changes_by_name(cli, &SQL_cli_pause_type, &words);
}

int command_resume_queue(struct Cli *cli)
{
    static const ChangeWords words = {"queue", true, "goes on", NULL, NULL};
    return changes_by_name(cli, &SQL_cli_resume_queue, &words);
}

int command_resume_type(struct Cli *cli)
{
    static const ChangeWords words = {"job type", true, "goes on", NULL, NULL};
    return changes_by_name(cli, &SQL_cli_resume_type, &words);
}
