// SPDX-License-Identifier: MIT
// The handlers this worker has: those of the configuration that its pool wants and that could be
// loaded.
#ifndef WORKER_HANDLER_TABLE_H
#define WORKER_HANDLER_TABLE_H

#include "worker/runner.h"

// Well below the silence for which the supervisor takes a starting worker for stuck.
enum { HANDLER_LOAD_BUDGET_MS = 15000 };

typedef struct HandlerTable HandlerTable;

// Loads every handler the pool wants (job_types, empty = all). One that cannot be loaded is refused
// with one clear log line (missing file, not ELF, wrong symbol, wrong ABI, unsafe owner or mode)
// and left out: its job type is not claimed by this worker, and `slot` (may be NULL) says so to the reaper. All files together have HANDLER_LOAD_BUDGET_MS; a refused file is
// named once, with all its job types. `db` (may be NULL) is used to check
// that sql functions exist. A plugin's on_error hook is a handler of its own, of a job type with HOOK_TYPE_SUFFIX. Never fails; *out owned by the caller.
void handler_table_load(HandlerTable **out, const Config *config, const PoolConfig *pool, Db *db,
                        Slot *slot);
// Finds the row where the runs of each are counted.
void handler_table_number(HandlerTable *table, const CounterNames *names);
void handler_table_destroy(HandlerTable *table);
int handler_table_count(const HandlerTable *table);
const Handler *handler_table_at(const HandlerTable *table, int index);
// True when the whole worker may be in the sandbox (sandbox.h): it has programs, all of them would be in it, and no plugins, not even
// refused ones.
bool handler_table_fits_sandbox(const HandlerTable *table);
// By job type; NULL when this worker lacks it.
const Handler *handler_table_find(const HandlerTable *table, const char *job_type);

#endif
