// SPDX-License-Identifier: MIT
// Patience: statements of commands that go on while the database restarts.
#ifndef CLI_PATIENCE_H
#define CLI_PATIENCE_H

#include "cli/cli.h"

// As cli_query, but a lost connection is none of the caller's concern as long as the database comes back: until `deadline`
// (CLOCK_BOOTTIME ms, 0 = none), or for as long as a restart may take.
int patience_query(Cli *cli, const SqlStatement *statement, const DbParams *params,
                   int64_t deadline, PGresult **out);

// A signal ends it early.
void patience_pause_ms(int64_t ms);

#endif
