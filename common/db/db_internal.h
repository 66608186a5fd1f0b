// SPDX-License-Identifier: MIT
// What the files of the connection share: the struct and the calls between them.
#ifndef COMMON_DB_DB_INTERNAL_H
#define COMMON_DB_DB_INTERNAL_H

#include <sys/types.h>

#include "common/db/db.h"

enum {
    DB_CANCEL_LIMIT_MS = 1000,   // how long a cancelled statement may take to say so
    DB_PREPARED_MAX = 256,       // more than the programs have statements
    DB_PREPARED_NAME_BYTES = 80, // PostgreSQL does not limit these names
    DB_WAITING_SLICE_MS = 1000,  // of a poll(2) with somebody to tell that we wait
    DB_POLL_SLICE_MS = 60000     // longest single poll(2); keeps its int argument in range
};

typedef struct Db {
    PGconn *conn;
    // The socket as it was made. A handler may close it, or open something else under its number.
    int socket;
    dev_t socket_device;
    ino_t socket_inode;
    bool is_lost;
    bool is_sent; // the last call has got as far as sending its statement
    bool is_quiet;
    bool is_pooled; // a pooler stands between: no named statements, no session settings
    bool
        is_unconfirmed; // the last commit did not wait for the synchronous standby, as it should have
    char *lacking_settings;
    Timeline timeline; // of the server, where it was asked for
    bool in_pipeline;
    void (*on_warning)(const char *message); // NULL none
    void (*on_wait)(void *data);             // NULL none
    void *on_wait_data;
    char sqlstate[6];
    int error_position; // characters, from 1; 0 = not given
    int results_done;   // statements of the last call that completed
    StrBuf message;
    StrBuf detail;
    const SqlStatement *prepared[DB_PREPARED_MAX];
    int prepared_count;
    // Part of every statement's name: raised when the old ones can no longer be used.
    unsigned prepared_generation;
    // The pipeline being built: what each result will belong to.
    const SqlStatement *pipeline[DB_PIPELINE_MAX * 2];
    bool pipeline_is_prepare[DB_PIPELINE_MAX * 2];
    int pipeline_length;
    int pipeline_statements;
} Db;

// A point on clock_boot_ms; INT64_MAX when timeout_ms is too large to matter.
int64_t db_deadline(int64_t timeout_ms);

// Sends what is queued and waits until PQgetResult would not block. Past the deadline the statement is
// cancelled; one that does not react in DB_CANCEL_LIMIT_MS costs the connection. STATUS_OK or STATUS_LOST.
MUST_CHECK Status db_wait_result(Db *db, int64_t deadline);

// Every call starts and ends with these. begin: clears the last error and refuses a connection that is lost
// or was left in the middle of something.
MUST_CHECK Status db_call_begin(Db *db, const char *what);
void db_call_end(Db *db);

// Refuses a server that is no primary, or an older one than `floor` (logged, but not each time). STATUS_OK, or an error as the
// last of this connection.
MUST_CHECK Status db_check_identity(Db *db, const Timeline *floor, int64_t deadline);

// A new connection is not wanted: `why` is for whoever opened it, and is not logged here. STATUS_LOST.
Status db_turn_away(Db *db, const char *why);
// A commit that was not confirmed may be undone by the next failover: its outcome is as unknown as if the connection had gone.
Status db_fail_unconfirmed(Db *db, const char *what);

bool db_socket_is_ours(const Db *db);

// Keeps and logs an error of `what` and says its class.
Status db_fail_result(Db *db, const PGresult *result, const char *what);
// The connection cannot be used any more: the text comes from `why`, or from libpq when NULL.
Status db_fail_lost(Db *db, const char *what, const char *why);

bool db_is_prepared(const Db *db, const SqlStatement *statement);
void db_mark_prepared(Db *db, const SqlStatement *statement);
void db_prepared_name(const Db *db, const SqlStatement *statement,
                      char name[DB_PREPARED_NAME_BYTES]);
// Queues one statement with its parameters, by name unless there is a pooler; 0 = libpq refused.
int db_send_statement(Db *db, const SqlStatement *statement, const DbParams *params);

#endif
