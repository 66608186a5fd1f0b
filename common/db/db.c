// SPDX-License-Identifier: MIT
// Running one statement, and what is known about the last error.
#include "common/db/db.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/db/db_error.h"
#include "common/db/db_internal.h"

static Status collect(Db *db, const char *what, int64_t deadline, PGresult **out);
static Status prepare(Db *db, const SqlStatement *statement, int64_t deadline);

PGconn *db_conn(Db *db)
{
    return db->conn;
}

int db_socket(const Db *db)
{
    return db->socket;
}

int db_backend_pid(const Db *db)
{
    return PQbackendPID(db->conn);
}

bool db_is_lost(const Db *db)
{
    return db->is_lost;
}

void db_give_up(Db *db, const char *why)
{
    (void)!db_fail_lost(db, "session", why);
}

bool db_is_unknown(const Db *db)
{
    return db->is_lost && db->is_sent;
}

Timeline db_timeline(const Db *db)
{
    return db->timeline;
}

bool db_is_pooled(const Db *db)
{
    return db->is_pooled;
}

const char *db_lacking_settings(const Db *db)
{
    return db->lacking_settings == NULL ? "" : db->lacking_settings;
}

const char *db_error_message(const Db *db)
{
    return db->message.text == NULL ? "" : db->message.text;
}

const char *db_error_detail(const Db *db)
{
    return db->detail.text == NULL ? "" : db->detail.text;
}

int db_error_position(const Db *db)
{
    return db->error_position;
}

const char *db_sqlstate(const Db *db)
{
    return db->sqlstate;
}

void db_set_quiet(Db *db, bool quiet)
{
    db->is_quiet = quiet;
}

void db_set_warned(Db *db, void (*on_warning)(const char *message))
{
    db->on_warning = on_warning;
}

void db_set_waiting(Db *db, void (*on_wait)(void *data), void *data)
{
    db->on_wait = on_wait;
    db->on_wait_data = data;
}

// --- errors

static void log_failure(const Db *db, const char *what, Status status)
{
    if (status == STATUS_REFUSED && db->is_quiet) {
        return;
    }
    LogLevel level =
        status == STATUS_RETRY || status == STATUS_REFUSED ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR;
    log_write(level, "db.error", "statement=%s sqlstate=%s class=%s message=\"%s\"", what,
              db->sqlstate, status_name(status), db_error_message(db));
}

static void set_message(Db *db, const char *text)
{
    strbuf_clear(&db->message);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    strbuf_append_bytes(&db->message, text, length);
}

Status db_fail_lost(Db *db, const char *what, const char *why)
{
    db->is_lost = true;
    if (why == NULL && db_socket_is_ours(db)) {
        why = PQerrorMessage(db->conn);
    }
    set_message(db, why == NULL || why[0] == '\0' ? "the connection is gone" : why);
    log_failure(db, what, STATUS_LOST);
    return STATUS_LOST;
}

// The plan of a prepared statement is refused when a migration has changed the columns it returns.
bool db_error_is_stale(const PGresult *error)
{
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(error, PG_DIAG_SOURCE_FUNCTION);
    return sqlstate != NULL &&
           (str_equal(sqlstate, "26000") || (str_equal(sqlstate, "0A000") && function != NULL &&
                                             str_equal(function, "RevalidateCachedQuery")));
}

static void forget_prepared(Db *db)
{
    db->prepared_count = 0;
    db->prepared_generation++;
}

Status db_fail_result(Db *db, const PGresult *result, const char *what)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    if (sqlstate == NULL || !str_copy(db->sqlstate, sizeof db->sqlstate, sqlstate)) {
        // Made by libpq itself: the connection broke under the statement.
        return db_fail_lost(db, what, PQresultErrorMessage(result));
    }
    set_message(db, message == NULL ? PQresultErrorMessage(result) : message);
    strbuf_append(&db->detail, detail == NULL ? "" : detail);
    if (hint != NULL) {
        strbuf_printf(&db->detail, "%s%s", detail == NULL ? "" : "\n", hint);
    }
    db->error_position = position == NULL ? 0 : (int)strtol(position, NULL, 10);
    Status status = db_error_status(db->sqlstate);
    if (db_error_is_stale(result)) {
        forget_prepared(db);
        status = STATUS_RETRY;
    }
    db->is_lost = db->is_lost || status == STATUS_LOST;
    log_failure(db, what, status);
    return status;
}

// --- the frame of a call

Status db_turn_away(Db *db, const char *why)
{
    db->is_lost = true;
    set_message(db, why);
    return STATUS_LOST;
}

Status db_fail_unconfirmed(Db *db, const char *what)
{
    return db_fail_lost(db, what,
                        "the commit was not confirmed by the synchronous standby: its outcome is "
                        "not known");
}

Status db_call_begin(Db *db, const char *what)
{
    strbuf_clear(&db->message);
    strbuf_clear(&db->detail);
    db->sqlstate[0] = '\0';
    db->error_position = 0;
    db->results_done = 0;
    db->is_sent = false;
    db->is_unconfirmed = false;
    if (db->is_lost || PQstatus(db->conn) == CONNECTION_BAD || !db_socket_is_ours(db)) {
        return db_fail_lost(db, what, NULL);
    }
    if (db->in_pipeline) {
        panic("%s inside a pipeline", what);
    }
    // A handler had the connection and did not read all its results, or left a COPY or pipeline open.
    if (PQpipelineStatus(db->conn) != PQ_PIPELINE_OFF ||
        PQtransactionStatus(db->conn) == PQTRANS_ACTIVE) {
        return db_fail_lost(db, what, "the connection was left in the middle of a command");
    }
    // Blocking again after each call, as handlers that get the connection expect it.
    if (PQsetnonblocking(db->conn, 1) != 0) {
        return db_fail_lost(db, what, NULL);
    }
    return STATUS_OK;
}

void db_call_end(Db *db)
{
    if (!db->is_lost && PQsetnonblocking(db->conn, 0) != 0) {
        db->is_lost = true;
    }
}

// --- prepared statements

bool db_is_prepared(const Db *db, const SqlStatement *statement)
{
    for (int i = 0; i < db->prepared_count; i++) {
        if (db->prepared[i] == statement) {
            return true;
        }
    }
    return false;
}

void db_mark_prepared(Db *db, const SqlStatement *statement)
{
    if (db->prepared_count >= DB_PREPARED_MAX) {
        panic("more than %d statements", (int)DB_PREPARED_MAX);
    }
    db->prepared[db->prepared_count++] = statement;
}

void db_prepared_name(const Db *db, const SqlStatement *statement,
                      char name[DB_PREPARED_NAME_BYTES])
{
    int length = snprintf(name, DB_PREPARED_NAME_BYTES, "ganger_%s_%u", statement->name,
                          db->prepared_generation);
    if (length < 0 || length >= DB_PREPARED_NAME_BYTES) {
        panic("the name of statement %s is too long", statement->name);
    }
}

int db_send_statement(Db *db, const SqlStatement *statement, const DbParams *params)
{
    static const DbParams none;
    const DbParams *p = params == NULL ? &none : params;
    if (db->is_pooled) {
        return PQsendQueryParams(db->conn, statement->text, p->count, NULL, p->values, p->lengths,
                                 p->formats, 0);
    }
    char name[DB_PREPARED_NAME_BYTES];
    db_prepared_name(db, statement, name);
    return PQsendQueryPrepared(db->conn, name, p->count, p->values, p->lengths, p->formats, 0);
}

static Status prepare(Db *db, const SqlStatement *statement, int64_t deadline)
{
    if (db->is_pooled || db_is_prepared(db, statement)) {
        return STATUS_OK;
    }
    char name[DB_PREPARED_NAME_BYTES];
    db_prepared_name(db, statement, name);
    if (PQsendPrepare(db->conn, name, statement->text, 0, NULL) == 0) {
        return db_fail_lost(db, statement->name, NULL);
    }
    TRY(collect(db, statement->name, deadline, NULL));
    db_mark_prepared(db, statement);
    return STATUS_OK;
}

// --- running

// Reads results until there are no more; the last one goes to *out (may be NULL), the first error decides.
static Status collect(Db *db, const char *what, int64_t deadline, PGresult **out)
{
    Status status = STATUS_OK;
    PGresult *last = NULL;
    for (;;) {
        if (db_wait_result(db, deadline) != STATUS_OK) {
            status = STATUS_LOST;
            break;
        }
        PGresult *result = PQgetResult(db->conn);
        if (result == NULL) {
            break;
        }
        ExecStatusType kind = PQresultStatus(result);
        if (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK || kind == PGRES_EMPTY_QUERY) {
            PQclear(last);
            last = result;
            db->results_done++;
            continue;
        }
        if (kind == PGRES_FATAL_ERROR && status == STATUS_OK) {
            status = db_fail_result(db, result, what);
        } else if (kind != PGRES_FATAL_ERROR) {
            status = db_fail_lost(db, what, "the server answered with a COPY");
        }
        PQclear(result);
        if (db->is_lost) {
            break;
        }
    }
    if (status == STATUS_OK && db->is_unconfirmed) {
        status = db_fail_unconfirmed(db, what);
    }
    if (status == STATUS_OK && out != NULL) {
        *out = last;
    } else {
        PQclear(last);
    }
    return status;
}

Status db_exec(Db *db, const SqlStatement *statement, const DbParams *params, int64_t timeout_ms,
               PGresult **out)
{
    if (out != NULL) {
        *out = NULL;
    }
    int64_t deadline = db_deadline(timeout_ms);
    TRY(db_call_begin(db, statement->name));
    Status status = prepare(db, statement, deadline);
    if (status == STATUS_OK) {
        db->is_sent = true; // or a part of it, should that fail
        if (db_send_statement(db, statement, params) == 0) {
            status = db_fail_lost(db, statement->name, NULL);
        } else {
            FAULT_POINT(db_sent);
            status = collect(db, statement->name, deadline, out);
            FAULT_POINT(db_answered);
        }
    }
    db_call_end(db);
    return status;
}

Status db_send(Db *db, const SqlStatement *statement, const DbParams *params)
{
    TRY(db_call_begin(db, statement->name));
    Status status = prepare(db, statement, db_deadline(DB_STATEMENT_TIMEOUT_MS));
    db_call_end(db);
    if (status == STATUS_OK && db_send_statement(db, statement, params) == 0) {
        status = db_fail_lost(db, statement->name, NULL);
    }
    return status;
}

// The code alone is not enough: a function of the user's may raise it.
bool db_is_forgotten(Db *db, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (sqlstate == NULL || !str_equal(sqlstate, "26000") || function == NULL ||
        !str_equal(function, "FetchPreparedStatement")) {
        return false;
    }
    forget_prepared(db);
    return true;
}

static Status run_text(Db *db, const char *what, const char *text, int64_t timeout_ms,
                       PGresult **out)
{
    int64_t deadline = db_deadline(timeout_ms);
    TRY(db_call_begin(db, what));
    db->is_sent = true;
    Status status = PQsendQuery(db->conn, text) == 0 ? db_fail_lost(db, what, NULL)
                                                     : collect(db, what, deadline, out);
    db_call_end(db);
    return status;
}

Status db_exec_script(Db *db, const char *text, int64_t timeout_ms)
{
    return run_text(db, "script", text, timeout_ms, NULL);
}

int db_script_statements_done(const Db *db)
{
    return db->results_done;
}

Status db_begin(Db *db)
{
    return run_text(db, "begin", "BEGIN", DB_STATEMENT_TIMEOUT_MS, NULL);
}

// The server answers ROLLBACK, without an error, to the COMMIT of a transaction that has failed.
Status db_commit(Db *db)
{
    PGresult *result = NULL;
    TRY(run_text(db, "commit", "COMMIT", DB_STATEMENT_TIMEOUT_MS, &result));
    Status status = STATUS_OK;
    if (result == NULL || !str_equal(PQcmdStatus(result), "COMMIT")) {
        set_message(db, "the transaction had failed and was rolled back");
        status = STATUS_REFUSED;
        log_failure(db, "commit", status);
    }
    PQclear(result);
    return status;
}

Status db_rollback(Db *db)
{
    return run_text(db, "rollback", "ROLLBACK", DB_STATEMENT_TIMEOUT_MS, NULL);
}
