// SPDX-License-Identifier: MIT
// Several statements in one transaction and one round trip.
#include <stdlib.h>

#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/db/db_internal.h"

static Status read_results(Db *db, int64_t deadline, PGresult **results);

Status db_pipeline_begin(Db *db)
{
    TRY(db_call_begin(db, "pipeline"));
    if (PQenterPipelineMode(db->conn) == 0) {
        return db_fail_lost(db, "pipeline", NULL);
    }
    db->in_pipeline = true;
    db->pipeline_length = 0;
    db->pipeline_statements = 0;
    return STATUS_OK;
}

static void expect(Db *db, const SqlStatement *statement, bool is_prepare)
{
    db->pipeline[db->pipeline_length] = statement;
    db->pipeline_is_prepare[db->pipeline_length] = is_prepare;
    db->pipeline_length++;
}

static bool is_queued_prepare(const Db *db, const SqlStatement *statement)
{
    for (int i = 0; i < db->pipeline_length; i++) {
        if (db->pipeline_is_prepare[i] && db->pipeline[i] == statement) {
            return true;
        }
    }
    return false;
}

Status db_pipeline_add(Db *db, const SqlStatement *statement, const DbParams *params)
{
    if (db->is_lost) {
        return STATUS_LOST;
    }
    if (!db->in_pipeline || db->pipeline_statements >= DB_PIPELINE_MAX) {
        panic("%s: no pipeline, or a full one", statement->name);
    }
    if (!db->is_pooled && !db_is_prepared(db, statement) && !is_queued_prepare(db, statement)) {
        char name[DB_PREPARED_NAME_BYTES];
        db_prepared_name(db, statement, name);
        if (PQsendPrepare(db->conn, name, statement->text, 0, NULL) == 0) {
            return db_fail_lost(db, statement->name, NULL);
        }
        expect(db, statement, true);
    }
    if (db_send_statement(db, statement, params) == 0) {
        return db_fail_lost(db, statement->name, NULL);
    }
    expect(db, statement, false);
    db->pipeline_statements++;
    return STATUS_OK;
}

static Status run_to_sync(Db *db, int64_t timeout_ms, PGresult **results)
{
    if (PQpipelineSync(db->conn) == 0) {
        return db_fail_lost(db, "pipeline", NULL);
    }
    FAULT_POINT(pipeline_sent);
    Status status = read_results(db, db_deadline(timeout_ms), results);
    FAULT_POINT(pipeline_answered);
    return status;
}

Status db_pipeline_run(Db *db, int64_t timeout_ms, PGresult **results, int *count)
{
    *count = 0;
    db->in_pipeline = false;
    int statements = db->pipeline_statements;
    for (int i = 0; i < statements; i++) {
        results[i] = NULL;
    }
    if (db->is_lost) {
        return STATUS_LOST;
    }
    Status status = STATUS_OK;
    if (db->pipeline_length > 0) {
        status = run_to_sync(db, timeout_ms, results);
    }
    if (!db->is_lost && PQexitPipelineMode(db->conn) == 0) {
        status = db_fail_lost(db, "pipeline", NULL);
    }
    db_call_end(db);
    if (status == STATUS_OK) {
        *count = statements;
        return STATUS_OK;
    }
    for (int i = 0; i < statements; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
    return status;
}

// What one result means. `at` is the queued command it belongs to, `filled` the next free place of
// results; a result that is kept is not cleared.
static Status take_result(Db *db, PGresult *result, int at, PGresult **results, int *filled)
{
    const char *what = at < db->pipeline_length ? db->pipeline[at]->name : "commit";
    ExecStatusType kind = PQresultStatus(result);
    Status status = STATUS_OK;
    if (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK || kind == PGRES_EMPTY_QUERY) {
        if (at < db->pipeline_length && !db->pipeline_is_prepare[at]) {
            results[(*filled)++] = result;
            return STATUS_OK;
        }
        if (at < db->pipeline_length) {
            db_mark_prepared(db, db->pipeline[at]);
        }
    } else if (kind == PGRES_FATAL_ERROR) {
        status = db_fail_result(db, result, what);
    } else if (kind != PGRES_PIPELINE_ABORTED) {
        status = db_fail_lost(db, what, "an answer that fits no pipeline");
    }
    PQclear(result);
    return status;
}

// Each command answers with a result and a NULL; the end is the answer to the sync. An error may also
// come between the last command and the sync: that is the commit failing.
static Status read_results(Db *db, int64_t deadline, PGresult **results)
{
    Status status = STATUS_OK;
    int at = 0;
    int filled = 0;
    int nulls = 0;
    while (!db->is_lost) {
        TRY(db_wait_result(db, deadline));
        PGresult *result = PQgetResult(db->conn);
        if (result == NULL) {
            at++;
            if (++nulls > 2) {
                return db_fail_lost(db, "pipeline", "the end of the pipeline is missing");
            }
            continue;
        }
        nulls = 0;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return status == STATUS_OK && db->is_unconfirmed ? db_fail_unconfirmed(db, "pipeline")
                                                             : status;
        }
        Status one = take_result(db, result, at, results, &filled);
        status = status == STATUS_OK ? one : status;
    }
    return STATUS_LOST;
}
