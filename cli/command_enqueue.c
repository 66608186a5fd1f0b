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
#include "cli/job_options.h"
#include "cli/output.h"
#include "cli/text.h"
#include "cli/wait.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

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

static int say_no_end(int64_t id, const PGresult *result, bool is_known)
{
    const char *status = db_text(result, 0, "status");
    if (!is_known) {
        cli_say("job %" PRId64
                " has ended, and is not kept: nobody knows how (the retention of its "
                "queue says for how long jobs are)",
                id);
        return EXIT_CODE_UNKNOWN;
    }
    if (str_equal(status, "failed")) {
        StrBuf safe = {0};
        text_append_safe(&safe, db_text(result, 0, "error_note"), false);
        cli_say("job %" PRId64 " failed: %s", id, safe.text ? safe.text : "");
        strbuf_free(&safe);
    } else if (str_equal(status, "cancelled")) {
        cli_say("job %" PRId64 " was cancelled", id);
    } else {
        cli_say("job %" PRId64 " is %s, and goes on; `ganger jobs wait %" PRId64 "` waits again",
                id, status, id);
    }
    return EXIT_CODE_FAILED;
}

// The job's output in place of its id, when it has ended.
static int print_outcome(struct Cli *cli, int64_t id, int64_t timeout_ms)
{
    DbArray ids;
    PGresult *result = NULL;
    WaitCounts counts = {0};
    if (cli->is_talk_shown) {
        (void)fprintf(stderr, "job %" PRId64 "\n", id);
    }
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_add_int8(&ids, id);
    int64_t deadline = timeout_ms >= 0 ? clock_boot_ms() + timeout_ms : 0;
    int exit_code = wait_for_jobs(cli, &ids, deadline, &result, &counts);
    db_array_free(&ids);
    if (exit_code == EXIT_CODE_OK) {
        if (cli->is_json && counts.missing == 0) {
            output_object(result);
        } else if (counts.completed > 0 && db_text(result, 0, "raw_output")) {
            (void)puts(db_text(result, 0, "raw_output"));
        }
        if (counts.completed == 0) {
            exit_code = say_no_end(id, result, counts.missing == 0);
        }
    }
    PQclear(result);
    return exit_code;
}

static int enqueue_one(struct Cli *cli, const char *payload)
{
    int64_t delay_ms = 0;
    int64_t expires_in_ms = -1;
    int64_t wait_ms = -1;
    int exit_code = EXIT_CODE_OK;
    bool has_delay = cli_option(cli, OPT_DELAY) != NULL;
    if ((has_delay && !cli_read_duration(cli, OPT_DELAY, &delay_ms, &exit_code)) ||
        (cli_option(cli, OPT_WAIT_TIMEOUT) &&
         !cli_read_duration(cli, OPT_WAIT_TIMEOUT, &wait_ms, &exit_code)) ||
        !cli_check_json(cli, OPT_PAYLOAD, payload, &exit_code)) {
        return exit_code;
    }
    char *options = job_options_json(cli, cli->line.command->options, &expires_in_ms, &exit_code);
    if (!options) {
        return exit_code;
    }
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, cli->line.args[0]);
    db_param_text(&params, payload);
    db_param_text(&params, options);
    db_param_int_or_null(&params, delay_ms, has_delay);
    db_param_int_or_null(&params, expires_in_ms, expires_in_ms >= 0);
    exit_code =
        cli_change_or(cli, &SQL_cli_enqueue, &params,
                      cli_option(cli, OPT_IDEMPOTENCY_KEY)
                          ? "give the command again: with this idempotency key there is one "
                            "job, whatever happened"
                          : "the job may be enqueued or not (with --idempotency-key the "
                            "command could be given again)",
                      &result);
    if (exit_code == EXIT_CODE_OK) {
        exit_code = cli_option(cli, OPT_WAIT)
                        ? print_outcome(cli, db_int(result, 0, "id", 0), wait_ms)
                        : print_id(cli, result);
    }
    PQclear(result);
    free(options);
    return exit_code;
}

int command_enqueue(struct Cli *cli)
{
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
    if (cli_option(cli, OPT_WAIT_TIMEOUT) && !cli_option(cli, OPT_WAIT)) {
        return cli_usage(cli, "--wait-timeout is for --wait");
    }
    return cli_with_payload(cli, OPT_PAYLOAD, enqueue_one);
}
