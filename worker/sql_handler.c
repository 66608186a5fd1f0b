// SPDX-License-Identifier: MIT
// SQL handlers: see the header.
#include "worker/sql_handler.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "sql_queries.h"
#include "worker/runner.h"

// The statement is the server's text, which names the function as it is there.
static SqlHandlerCall *make_call(const char *text, int number)
{
    SqlHandlerCall *call = mem_alloc(sizeof *call);
    call->name = mem_printf("%s_%d", SQL_run_sql_handler.name, number);
    call->text = mem_strdup(text);
    call->statement = (SqlStatement){.name = call->name, .text = call->text};
    return call;
}

bool sql_handler_check(const char *function, bool applies, Db *db, int number,
                       SqlHandlerCall **call, StrBuf *why)
{
    if (db == NULL) {
        return true;
    }
    if (db_is_pooled(db)) {
        strbuf_append(why, RUNNER_NEEDS_DIRECT);
        return false;
    }
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, function);
    db_param_bool(&params, applies);
    PGresult *result = NULL;
    const Status status =
        db_exec(db, &SQL_check_sql_handler, &params, DB_STATEMENT_TIMEOUT_MS, &result);
    if (status == STATUS_LOST || status == STATUS_RETRY) {
        return true;
    }
    const char *problem =
        status == STATUS_OK ? db_text(result, 0, "problem") : db_error_message(db);
    if (problem != NULL) {
        strbuf_append(why, problem);
    } else if (call != NULL && number < SQL_HANDLER_CALLS_MAX) {
        *call = make_call(db_text(result, 0, "call"), number);
    }
    PQclear(result);
    return problem == NULL;
}

void sql_handler_free(SqlHandlerCall *call)
{
    if (call != NULL) {
        free(call->name);
        free(call->text);
        free(call);
    }
}
