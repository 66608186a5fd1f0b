// SPDX-License-Identifier: MIT
// Command jobs wait.
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/output.h"
#include "cli/wait.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"

int command_jobs_wait(struct Cli *cli)
{
    DbArray ids;
    PGresult *result = NULL;
    WaitCounts counts = {0};
    int64_t timeout_ms = 0;
    int exit_code = EXIT_CODE_OK;
    bool has_timeout = cli_option(cli, OPT_TIMEOUT) != NULL;
    if (has_timeout && !cli_read_duration(cli, OPT_TIMEOUT, &timeout_ms, &exit_code)) {
        return exit_code;
    }
    if (!ids_read(cli, &ids, &exit_code)) {
        return exit_code;
    }
    int64_t deadline = has_timeout ? clock_boot_ms() + timeout_ms : 0;
    exit_code = wait_for_jobs(cli, &ids, deadline, &result, &counts);
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
