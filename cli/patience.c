// SPDX-License-Identifier: MIT
// Patience: statements of commands that go on while the database restarts.
#include "cli/patience.h"

#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/exit_code.h"

enum {
    RECONNECT_PAUSE_MS = 1000,
    OUTAGE_MOST_MS = 60 * 1000 // a restart takes less; who waits longer says so with --timeout
};

void patience_pause_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static bool wait_for_database(Cli *cli, int64_t deadline)
{
    int64_t until = clock_boot_ms() + OUTAGE_MOST_MS;
    until = deadline > 0 && deadline < until ? deadline : until;
    if (cli->is_talk_shown) {
        (void)fprintf(stderr, "\r\033[Kwaiting for %s", cli->database_origin);
    }
    Status status = cli_reconnect(cli);
    while (status == STATUS_LOST && clock_boot_ms() < until) {
        int64_t left = until - clock_boot_ms();
        patience_pause_ms(left < RECONNECT_PAUSE_MS ? left : RECONNECT_PAUSE_MS);
        status = cli_reconnect(cli);
    }
    if (cli->is_talk_shown) {
        (void)fputs("\r\033[K", stderr);
    }
    if (status != STATUS_OK) {
        cli_say("cannot reach %s: %s", cli->database_origin, db_open_error());
    }
    return status == STATUS_OK;
}

int patience_query(Cli *cli, const SqlStatement *statement, const DbParams *params,
                   int64_t deadline, PGresult **out)
{
    *out = NULL;
    int exit_code = cli_connect(cli);
    while (exit_code == EXIT_CODE_OK) {
        Status status = db_exec(cli->db, statement, params, DB_STATEMENT_TIMEOUT_MS, out);
        if (status == STATUS_OK) {
            return EXIT_CODE_OK;
        }
        if (status != STATUS_LOST) {
            return cli_fail_statement(cli, status);
        }
        exit_code = wait_for_database(cli, deadline) ? EXIT_CODE_OK : EXIT_CODE_NO_DATABASE;
    }
    return exit_code;
}
