// SPDX-License-Identifier: MIT
// Wait: polls until jobs have ended, often at first, then once a second.
#include "cli/wait.h"

#include <stdio.h>

#include "cli/patience.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { WAIT_POLL_FIRST_MS = 20, WAIT_POLL_MOST_MS = 1000 };

static WaitCounts count_rows(const PGresult *result)
{
    WaitCounts counts = {0};
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

static void show_progress(const Cli *cli, const WaitCounts *counts, int total, bool is_over)
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

int wait_for_jobs(Cli *cli, DbArray *ids, int64_t deadline, PGresult **out, WaitCounts *counts)
{
    int64_t pause = WAIT_POLL_FIRST_MS;
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, ids);
    for (;;) {
        int exit_code = patience_query(cli, &SQL_cli_jobs_status, &params, deadline, out);
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
