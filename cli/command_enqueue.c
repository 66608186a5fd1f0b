// SPDX-License-Identifier: MIT
// Command enqueue: one job from options; many are the matter of enqueue_many.c.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/enqueue_many.h"
#include "cli/output.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { PAYLOAD_INPUT_MAX_BYTES = 32 * 1024 * 1024 }; // twice the hard limit of the SQL API

// Options bound to the statement: number or null, duration in ms or null.
static bool add_number(struct Cli *cli, DbParams *params, OptionId id, int *exit_code)
{
    int64_t value = 0;
    if (!cli_option(cli, id)) {
        db_param_null(params);
        return true;
    }
    char *what = mem_printf("--%s", OPT_SPECS[id].name);
    bool is_read =
        cli_read_number(cli, what, cli_option(cli, id), INT32_MIN, INT32_MAX, &value, exit_code);
    free(what);
    db_param_int(params, value);
    return is_read;
}

static bool add_duration(struct Cli *cli, DbParams *params, OptionId id, int *exit_code)
{
    int64_t ms = 0;
    if (!cli_option(cli, id)) {
        db_param_null(params);
        return true;
    }
    bool is_read = cli_read_duration(cli, id, &ms, exit_code);
    db_param_int(params, ms);
    return is_read;
}

static bool fill_params(struct Cli *cli, DbParams *params, const char *payload, int *exit_code)
{
    db_params_init(params);
    db_param_text(params, cli->line.args[0]);
    db_param_text(params, payload);
    db_param_text(params, cli_option(cli, OPT_QUEUE));
    bool is_good = add_number(cli, params, OPT_PRIORITY, exit_code);
    db_param_text(params, cli_option(cli, OPT_RUN_AT));
    is_good = is_good && add_duration(cli, params, OPT_DELAY, exit_code) &&
              add_number(cli, params, OPT_MAX_ATTEMPTS, exit_code) &&
              add_duration(cli, params, OPT_TIMEOUT, exit_code) &&
              add_duration(cli, params, OPT_KILL_GRACE, exit_code) &&
              add_duration(cli, params, OPT_RETRY_DELAY, exit_code);
    // NULL is true, the default of the SQL API.
    db_param_text(params, cli_option(cli, OPT_NO_RETRY_BACKOFF) ? "false" : NULL);
    is_good = is_good && add_duration(cli, params, OPT_RETRY_DELAY_MAX, exit_code);
    db_param_text(params, cli_option(cli, OPT_TAGS));
    db_param_text(params, cli_option(cli, OPT_IDEMPOTENCY_KEY));
    db_param_text(params, cli_option(cli, OPT_OWNER));
    db_param_text(params, cli_option(cli, OPT_METADATA));
    return is_good;
}

// The job is there whether or not its id can be told; who does not know it enqueues a second one.
static int print_id(struct Cli *cli, const PGresult *result)
{
    int64_t id = db_int(result, 0, "id", 0);
    if (cli->is_json) {
        output_object(result);
    } else {
        (void)printf("%" PRId64 "\n", id);
    }
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return EXIT_CODE_OK;
    }
    cli_say("job %" PRId64 " is enqueued, but its id could not be written: %s", id,
            strerror(errno));
    cli->is_output_said = true;
    return EXIT_CODE_INTERNAL;
}

static int enqueue_one(struct Cli *cli, const char *payload)
{
    DbParams params;
    PGresult *result = NULL;
    int exit_code = EXIT_CODE_OK;
    if (!fill_params(cli, &params, payload, &exit_code) ||
        !cli_check_json(cli, OPT_PAYLOAD, payload, &exit_code) ||
        !cli_check_json(cli, OPT_METADATA, cli_option(cli, OPT_METADATA), &exit_code)) {
        return exit_code;
    }
    exit_code = cli_change(cli, &SQL_cli_enqueue, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        exit_code = print_id(cli, result);
    }
    PQclear(result);
    return exit_code;
}

int command_enqueue(struct Cli *cli)
{
    const char *payload = cli_option(cli, OPT_PAYLOAD);
    if (cli_option(cli, OPT_MANY)) {
        for (int id = 0; id < OPT_COUNT; id++) {
            bool is_general = (OPTS_EVERYWHERE & OPT_BIT(id)) != 0;
            if (cli->line.values[id] && !is_general && id != OPT_MANY) {
                return cli_usage(cli, "with --many each line says it all: --%s has no place there",
                                 OPT_SPECS[id].name);
            }
        }
        if (cli->line.arg_count > 0) {
            return cli_usage(cli,
                             "with --many each line names its job_type: '%s' has no place there",
                             cli->line.args[0]);
        }
        return enqueue_many_run(cli, cli_option(cli, OPT_MANY));
    }
    if (cli->line.arg_count == 0) {
        return cli_usage(cli, "'enqueue' needs TYPE, or --many FILE");
    }
    if (cli_option(cli, OPT_RUN_AT) && cli_option(cli, OPT_DELAY)) {
        return cli_usage(cli, "--run-at and --delay exclude one another");
    }
    if (!payload || !str_equal(payload, "-")) {
        return enqueue_one(cli, payload);
    }
    char *text = cli_read_input("-", PAYLOAD_INPUT_MAX_BYTES);
    int exit_code = text ? enqueue_one(cli, text) : EXIT_CODE_FAILED;
    free(text);
    return exit_code;
}
