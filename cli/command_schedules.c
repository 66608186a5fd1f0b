// SPDX-License-Identifier: MIT
// Commands about schedules: jobs that a cron expression makes again and again.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/job_options.h"
#include "cli/output.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { NEXT_DEFAULT = 10, NEXT_MAX = 1000 };

int command_schedules_list(struct Cli *cli)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_bool(&params, cli->is_json);
    int exit_code = cli_query(cli, &SQL_cli_schedules, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, "no schedules: `ganger schedules create` makes one");
    }
    PQclear(result);
    return exit_code;
}

int command_schedules_show(struct Cli *cli)
{
    return facts_show(cli, &SQL_cli_schedule_facts, "schedule", cli->line.args[0]);
}

static int create_schedule(struct Cli *cli, const char *payload)
{
    int64_t expires_in_ms = -1;
    int exit_code = EXIT_CODE_OK;
    if (!cli_check_json(cli, OPT_PAYLOAD, payload, &exit_code)) {
        return exit_code;
    }
    char *options = job_options_json(cli, cli->line.command->options, &expires_in_ms, &exit_code);
    if (!options) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    for (int i = 0; i < 3; i++) {
        db_param_text(&params, cli->line.args[i]);
    }
    db_param_text(&params, payload);
    db_param_text(&params, cli_option(cli, OPT_TIMEZONE));
    db_param_text(&params, cli_option(cli, OPT_OVERLAP));
    db_param_text(&params, cli_option(cli, OPT_CATCH_UP));
    db_param_text(&params, options);
    exit_code = cli_change(cli, &SQL_cli_schedule_create, &params, &result);
    if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        const char *zone = cli_option(cli, OPT_TIMEZONE);
        (void)printf("schedule '%s' created; its first run is at %s (%s)\n", cli->line.args[0],
                     db_text(result, 0, "next_run_at"), zone ? zone : "UTC");
    }
    PQclear(result);
    free(options);
    return exit_code;
}

int command_schedules_create(struct Cli *cli)
{
    return cli_with_payload(cli, OPT_PAYLOAD, create_schedule);
}

static int edit_schedule(struct Cli *cli, const char *payload)
{
    static const ChangeWords words = {"schedule", true, "changed", NULL, "cannot be changed"};
    static const OptionId parts[] = {OPT_CRON, OPT_TIMEZONE, OPT_OVERLAP, OPT_CATCH_UP, OPT_TYPE};
    const char *set = cli_option(cli, OPT_SET);
    bool is_anything = set || payload;
    int exit_code = EXIT_CODE_OK;
    if (!cli_check_json(cli, OPT_SET, set, &exit_code) ||
        !cli_check_json(cli, OPT_PAYLOAD, payload, &exit_code)) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, cli->line.args[0]);
    db_param_text(&params, set);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *value = cli_option(cli, parts[i]);
        db_param_text(&params, value);
        is_anything = is_anything || value;
    }
    db_param_text(&params, payload);
    if (!is_anything) {
        return cli_usage(cli, "say what to change: --cron, --timezone, --overlap, --catch-up, "
                              "--job-type, --payload or --set '{...}'");
    }
    exit_code = cli_change(cli, &SQL_cli_schedule_edit, &params, &result);
    return exit_code == EXIT_CODE_OK ? changes_print(cli, result, &words) : exit_code;
}

int command_schedules_edit(struct Cli *cli)
{
    return cli_with_payload(cli, OPT_PAYLOAD, edit_schedule);
}

int command_schedules_pause(struct Cli *cli)
{
    static const ChangeWords words = {"schedule", true, "is paused", NULL, "cannot be paused"};
    return changes_by_name(cli, &SQL_cli_schedule_pause, &words);
}

int command_schedules_resume(struct Cli *cli)
{
    static const ChangeWords words = {"schedule", true, "goes on", NULL, "cannot be resumed"};
    return changes_by_name(cli, &SQL_cli_schedule_resume, &words);
}

int command_schedules_delete(struct Cli *cli)
{
    static const ChangeWords words = {"schedule", true, "deleted", NULL, "cannot be deleted"};
    return changes_by_name(cli, &SQL_cli_schedule_delete, &words);
}

int command_schedules_run(struct Cli *cli)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, cli->line.args[0]);
    int exit_code = cli_change(cli, &SQL_cli_schedule_run, &params, &result);
    if (exit_code == EXIT_CODE_OK && cli->is_json) {
        output_object(result);
    } else if (exit_code == EXIT_CODE_OK) {
        (void)printf("%" PRId64 "\n", db_int(result, 0, "id", 0));
    }
    PQclear(result);
    return exit_code;
}

int command_schedules_next(struct Cli *cli)
{
    int64_t limit = NEXT_DEFAULT;
    int exit_code = EXIT_CODE_OK;
    const char *limit_text = cli_option(cli, OPT_LIMIT);
    const char *name = cli->line.arg_count > 0 ? cli->line.args[0] : NULL;
    const char *cron = cli_option(cli, OPT_CRON);
    if (limit_text &&
        !cli_read_number(cli, "--limit", limit_text, 1, NEXT_MAX, &limit, &exit_code)) {
        return exit_code;
    }
    if (!name == !cron) {
        return cli_usage(cli, "'schedules next' needs either NAME or --cron");
    }
    if (name && cli_option(cli, OPT_TIMEZONE)) {
        return cli_usage(cli, "--timezone goes with --cron: a schedule has its own");
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, name);
    db_param_text(&params, cron);
    db_param_text(&params, cli_option(cli, OPT_TIMEZONE));
    db_param_int(&params, limit);
    exit_code = cli_query(cli, &SQL_cli_schedule_next, &params, &result);
    if (exit_code == EXIT_CODE_OK && PQntuples(result) == 0) {
        cli_say("there is no schedule '%s'", name ? name : "");
        exit_code = EXIT_CODE_FAILED;
    } else if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, "");
    }
    PQclear(result);
    return exit_code;
}
