// SPDX-License-Identifier: MIT
// Wait: polls until jobs have ended, often at first, then once a second.
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include "cli/cli.h"
#include "common/db/db_array.h"

typedef struct WaitCounts {
    int missing; // first id that does not exist: index + 1
    int active;
    int completed;
    int other; // failed or cancelled
} WaitCounts;

// Until `deadline` (CLOCK_BOOTTIME ms, 0 = none), over a restart of the database. On EXIT_CODE_OK *out has the last rows (caller PQclears):
// all have ended, one does not exist, or the time is up.
int wait_for_jobs(Cli *cli, DbArray *ids, int64_t deadline, PGresult **out, WaitCounts *counts);

#endif
