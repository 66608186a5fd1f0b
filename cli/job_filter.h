// SPDX-License-Identifier: MIT
// Job filter: the options that choose jobs.
#ifndef CLI_JOB_FILTER_H
#define CLI_JOB_FILTER_H

#include "cli/cli.h"

// The filter the options mean, as JSON; "{}" without any. Asks the database, as it has the clock and reads instants. Caller
// frees. NULL: *exit_code is set and the reason was said.
char *job_filter_read(Cli *cli, int *exit_code);

// For commands that change jobs by id or by filter: false, with *exit_code set, unless the command line has exactly one of
// ids, filter options and --all.
bool job_filter_check(const Cli *cli, bool *is_by_filter, int *exit_code);

#endif
