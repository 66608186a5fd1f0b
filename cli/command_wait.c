// SPDX-License-Identifier: MIT
// Command jobs wait: polls until jobs have ended, often at first, then once a second.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { WAIT_POLL_FIRST_MS = 20, WAIT_POLL_MOST_MS = 1000 };

typedef struct Counts {
    int missing; // first id that does not exist: index + 1
    int active;
    int completed;
    int other; // failed or cancelled
} Counts;

static Counts count_rows(const PGresult *result)
{
    Counts counts = {0};
    for (int row = 0; row < PQntuples(result); row++) {
        const char *status = db_text(result, row, "status");
        if (!status) {
            counts.missing = counts.missing == 0 ? row + 1 : counts.missing;
        } else if (str_equal(status, "completed")) {
            counts.completed++;
        } else if (str_equal(status, "failed") || str_equal(status, "cancelled")) {
            counts.other++;
        } else {
            counts.active++;
        }
    }
    return counts;
}

static void show_progress(const struct Cli *cli, const Counts *counts, int total, bool is_over)
{
    if (!cli->is_talk_shown) {
        return;
    }
    (void)fputs("\r\033[K", stderr);
    if (!is_over) {
        (void)fprintf(stderr, "waiting: %d of %d jobs have ended",
                      counts->completed + counts->other, total);
    }
    (void)fflush(stderr);
}

// Polls; on EXIT_CODE_OK *out has the last rows (all ended, or time is up).
static int poll_jobs(struct Cli *cli, const DbParams *params, int64_t deadline, PGresult **out,
                     Counts *counts)
{
    int64_t pause = WAIT_POLL_FIRST_MS;
    for (;;) {
        int exit_code = patience_query(cli, &SQL_cli_jobs_status, params, deadline, out);
        if (exit_code != EXIT_CODE_OK) {
            return exit_code;
        }
        *counts = count_rows(*out);
        int64_t left = deadline == 0 ? pause : deadline - clock_boot_ms();
        bool is_over = counts->active == 0 || counts->missing > 0 || left <= 0;
        show_progress(cli, counts, PQntuples(*out), is_over);
        if (is_over) {
            return EXIT_CODE_OK;
        }
        PQclear(*out);
        *out = NULL;
        patience_pause_ms(left < pause ? left : pause);
        pause = pause * 3 / 2 > WAIT_POLL_MOST_MS ? WAIT_POLL_MOST_MS : pause * 3 / 2;
    }
}

int command_jobs_wait(struct Cli *cli)
{
    DbArray ids;
    DbParams params;
    PGresult *result = NULL;
    Counts counts = {0};
    int64_t timeout_ms = 0;
    int exit_code = EXIT_CODE_OK;
    bool has_timeout = cli_option(cli, OPT_TIMEOUT) != NULL;
    if (has_timeout && !cli_read_duration(cli, OPT_TIMEOUT, &timeout_ms, &exit_code)) {
        return exit_code;
    }
    if (!ids_read(cli, &ids, &exit_code)) {
        return exit_code;
    }
    db_params_init(&params);
    db_param_array(&params, &ids);
    int64_t deadline = has_timeout ? clock_boot_ms() + timeout_ms : 0;
    exit_code = poll_jobs(cli, &params, deadline, &result, &counts);
    db_array_free(&ids);
    if (exit_code == EXIT_CODE_OK && counts.missing > 0) {
        cli_say("there is no job %" PRId64, db_int(result, counts.missing - 1, "id", 0));
        exit_code = EXIT_CODE_FAILED;
    } else if (exit_code == EXIT_CODE_OK) {
        output_rows(cli, result, "");
        exit_code = counts.other + counts.active > 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
        if (counts.active > 0) {
            cli_say("timeout: %d of %d jobs have not ended", counts.active, PQntuples(result));
        }
    }
    PQclear(result);
    return exit_code;
}
