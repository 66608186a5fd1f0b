// SPDX-License-Identifier: MIT
// Ids: job ids given as arguments.
#include "cli/ids.h"

bool ids_read_one(const Cli *cli, const char *text, int64_t *id, int *exit_code)
{
    return cli_read_number(cli, "the job id", text, 1, INT64_MAX, id, exit_code);
}

bool ids_read(const Cli *cli, DbArray *ids, int *exit_code)
{
    db_array_begin(ids, DB_ELEMENT_INT8);
    for (int i = 0; i < cli->line.arg_count; i++) {
        int64_t id = 0;
        if (!ids_read_one(cli, cli->line.args[i], &id, exit_code)) {
            db_array_free(ids);
            return false;
        }
        db_array_add_int8(ids, id);
    }
    return true;
}
