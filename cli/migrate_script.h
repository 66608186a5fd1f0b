// SPDX-License-Identifier: MIT
// Migrate script: all migrations as SQL for psql or another tool, which leaves what `migrate up` leaves.
#ifndef CLI_MIGRATE_SCRIPT_H
#define CLI_MIGRATE_SCRIPT_H

#include "common/base/memory.h"

// Appends `statement` with $1..$9 replaced by `values`, which are SQL literals. Pure.
void migrate_script_bind(StrBuf *out, const char *statement, const char *const *values, int count);
// The whole script: each migration in a transaction of its own, with the row that records it.
void migrate_script_write(StrBuf *out);

#endif
