// SPDX-License-Identifier: MIT
// Ids: job ids given as arguments.
#ifndef CLI_IDS_H
#define CLI_IDS_H

#include "cli/cli.h"
#include "common/db/db_array.h"

// False: *exit_code is set and the reason was said.
bool ids_read_one(const Cli *cli, const char *text, int64_t *id, int *exit_code);
// All arguments of the command as a bigint[]; on success db_array_free.
bool ids_read(const Cli *cli, DbArray *ids, int *exit_code);

#endif
