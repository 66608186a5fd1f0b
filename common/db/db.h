// SPDX-License-Identifier: MIT
// Db: one PostgreSQL connection used synchronously, with a deadline on every call.
//
// Statements come from common/sql only, and from the server (sql_statement.h). They are prepared at first use. An error is logged here, once,
// with its SQLSTATE; callers get the Status class (db_error.h).
#ifndef COMMON_DB_DB_H
#define COMMON_DB_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "common/base/status.h"
#include "common/base/timeline.h"
#include "common/db/db_hosts.h"
#include "common/db/sql_statement.h"

enum { DB_PARAM_MAX = 24, DB_CONNECT_TIMEOUT_MS = 5000, DB_STATEMENT_TIMEOUT_MS = 30000 };

typedef struct Db Db;

// Connects to `url` (URI or key=value; NULL = libpq's environment) as application_name `name`, with TCP
// timeouts, keepalives and client_connection_check_interval set. Blocks at most `timeout_ms`.
// STATUS_LOST: not reachable; STATUS_REFUSED: the URL is malformed (logged without the URL, unless quiet).
// *out owned by the caller. Only the resolution of a host name is not bounded by timeout_ms.
// Of several hosts in `url` the first that takes writes; each gets an equal share of the time.
MUST_CHECK Status db_open(Db **out, const char *url, const char *name, int64_t timeout_ms,
                          bool quiet);
// The same for a process of a node: the server must be a primary, and no older one than `floor`; of several hosts the next is tried.
// db_timeline then says which it is. Behind a pooler this holds for the server of that moment.
MUST_CHECK Status db_open_at_least(Db **out, const char *url, const char *name, int64_t timeout_ms,
                                   bool quiet, const Timeline *floor);
Timeline db_timeline(const Db *db);
// Why the last db_open of this process failed.
const char *db_open_error(void);
void db_close(Db *db); // NULL is fine

// For those who wait by themselves: begins a connection with the parameters of db_open; PQconnectPoll goes on. `host` is the one of the
// string's to connect to, NULL all of them, as libpq does it. NULL: out of memory.
PGconn *db_start_connection(const char *url, const char *name, const DbHost *host,
                            bool is_one_of_many);

PGconn *db_conn(Db *db);
int db_socket(const Db *db);
int db_backend_pid(const Db *db);
// True when the connection has been found broken: close it and open another.
bool db_is_lost(const Db *db);
// From here on it counts as lost: what somebody has done to the session is not to be met by others.
void db_give_up(Db *db, const char *why);
// True when the last call found it broken after its statement had been sent: nobody knows whether that was carried out.
bool db_is_unknown(const Db *db);
// True when a pooler (PgBouncer) stands between: no session state, no LISTEN, nobody's backend to terminate.
bool db_is_pooled(const Db *db);
// What ALTER ROLE ... SET should have set for a pooled session and has not, as "NAME = 'VALUE', ..."; "" nothing.
const char *db_lacking_settings(const Db *db);
// The statement can be run again, prepared anew: what was prepared is gone, or a migration has changed what it returns.
bool db_error_is_stale(const PGresult *error);
// Warns when a commit of the session may be lost with a crash of the server; `settings`: what connect_settings has answered.
void db_tell_durable(const PGresult *settings);
// The notice of a commit that did not wait for the synchronous standby, as it should have: the next failover may undo it.
bool db_notice_is_unconfirmed(const PGresult *notice);
// Text of the last error for people, and its SQLSTATE ("" when none); valid until the next call.
const char *db_error_message(const Db *db);
const char *db_error_detail(const Db *db); // DETAIL and HINT, or ""
const char *db_sqlstate(const Db *db);
int db_error_position(const Db *db); // character in the statement's text, from 1; 0 = not known
// Errors of class refused are not logged (a CLI prints them itself).
void db_set_quiet(Db *db, bool quiet);

// `on_warning` is told the text of each WARNING of the server.
void db_set_warned(Db *db, void (*on_warning)(const char *message));
// `on_wait` is called about once a second while a call waits for the server, and must not use the connection.
void db_set_waiting(Db *db, void (*on_wait)(void *data), void *data);

// Parameters of one call; values are borrowed until the call returns, numbers are copied.
typedef struct DbParams {
    int count;
    const char *values[DB_PARAM_MAX];
    int lengths[DB_PARAM_MAX];
    int formats[DB_PARAM_MAX];
    char numbers[DB_PARAM_MAX][24];
} DbParams;

void db_params_init(DbParams *params);
void db_param_text(DbParams *params, const char *text); // NULL = SQL null
void db_param_int(DbParams *params, int64_t value);
void db_param_int_or_null(DbParams *params, int64_t value, bool is_known);
void db_param_bool(DbParams *params, bool value);
void db_param_null(DbParams *params);
void db_param_binary(DbParams *params, const char *bytes,
                     size_t length); // PostgreSQL's binary form

// Runs one statement and waits for its result. *out (caller PQclears) may be NULL when `out` is NULL.
// STATUS_OK, also with zero rows. On failure *out is NULL.
MUST_CHECK Status db_exec(Db *db, const SqlStatement *statement, const DbParams *params,
                          int64_t timeout_ms, PGresult **out);

// Sends one statement; its results are the caller's to read (db_conn), all of them. On failure nothing has run: it could not be
// prepared, or the connection is lost (db_is_lost).
MUST_CHECK Status db_send(Db *db, const SqlStatement *statement, const DbParams *params);
// True when the statement sent was not known to the server (somebody has dropped all prepared ones): send it again, and it is.
bool db_is_forgotten(Db *db, const PGresult *result);

// A transaction over several calls. db_commit: STATUS_REFUSED when the server rolled back instead.
MUST_CHECK Status db_begin(Db *db);
MUST_CHECK Status db_commit(Db *db);
MUST_CHECK Status db_rollback(Db *db);

// --- several statements in one transaction and one round trip (libpq pipeline)
// db_pipeline_add queues; db_pipeline_run sends, waits, and fills results[i] (caller PQclears each).
// The statements are one implicit transaction: all or none. On failure all results are NULL.
enum { DB_PIPELINE_MAX = 32 };
MUST_CHECK Status db_pipeline_begin(Db *db);
MUST_CHECK Status db_pipeline_add(Db *db, const SqlStatement *statement, const DbParams *params);
MUST_CHECK Status db_pipeline_run(Db *db, int64_t timeout_ms, PGresult **results, int *count);

// Cancels what runs on a connection a caller has sent a statement on by itself (db_conn); its answer still comes. STATUS_LOST: the
// request could not be brought to its end in time, so the connection is given up, as a late cancel would hit the next statement.
MUST_CHECK Status db_cancel(Db *db);

// Field readers; a NULL field reads as the given default.
const char *db_text(const PGresult *result, int row, const char *column); // NULL when null
int64_t db_int(const PGresult *result, int row, const char *column, int64_t if_null);
bool db_bool(const PGresult *result, int row, const char *column);

// Runs text that is no statement of ours: a migration file, many statements at once. Not for queries.
MUST_CHECK Status db_exec_script(Db *db, const char *text, int64_t timeout_ms);
// How many statements of the last script completed.
int db_script_statements_done(const Db *db);

#endif
