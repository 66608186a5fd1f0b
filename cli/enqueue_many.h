// SPDX-License-Identifier: MIT
// Enqueue many: jobs from NDJSON, a thousand lines per transaction.
#ifndef CLI_ENQUEUE_MANY_H
#define CLI_ENQUEUE_MANY_H

#include "cli/cli.h"

// Reads `path` ("-" = stdin) to its end; returns the exit code.
int enqueue_many_run(Cli *cli, const char *path);

#endif
