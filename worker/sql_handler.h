// SPDX-License-Identifier: MIT
// SQL handlers: whether a function can be one, and the statement that calls it.
#ifndef WORKER_SQL_HANDLER_H
#define WORKER_SQL_HANDLER_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "common/db/db.h"

// So many handlers of a worker have a statement of their own, of the 256 that a connection remembers; others share run_sql_handler, which
// looks its function up at each call.
enum { SQL_HANDLER_CALLS_MAX = 100 };

typedef struct SqlHandlerCall {
    SqlStatement statement; // of the two below
    char *name;
    char *text;
} SqlHandlerCall;

// False, with the reason in `why`, when `function` can be no handler, or none that a program's output is given to (`applies`). Without a
// connection (`db` NULL or lost) that is left to the first run. `call` (may be NULL): the handler's statement, named after `number`, to be
// freed with sql_handler_free, but not before the connections it was used on, which know it by its address; untouched where there is none.
bool sql_handler_check(const char *function, bool applies, Db *db, int number,
                       SqlHandlerCall **call, StrBuf *why);
// NULL is none.
void sql_handler_free(SqlHandlerCall *call);

#endif
