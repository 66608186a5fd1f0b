// SPDX-License-Identifier: MIT
// The handler's transaction: opened when a handler asks for the connection, ended by the worker
// only.
#include "worker/job_transaction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/seeded_bug.h"
#include "sql_queries.h"

static Status set_limits(JobContext *context, PGresult **result);
static const char ENDED[] = "handler ended the job's transaction";

static void rollback(JobContext *context);
static JobTransactionEnd fail(JobContext *context, const char *message);
static JobTransactionEnd fail_statement(JobContext *context, const char *what);

static void forget(RunContext *run)
{
    run->in_transaction = false;
    run->transaction_id[0] = '\0';
}

bool job_transaction_begin(JobContext *context)
{
    RunContext *run = context->run;
    if (run->in_transaction) {
        return true;
    }
    if (run->db != NULL && db_is_pooled(run->db)) {
        (void)job_context_fail(context, RUNNER_NEEDS_DIRECT);
        return false;
    }
    if (run->db == NULL || db_begin(run->db) != STATUS_OK) {
        (void)job_context_fail(context, "%s",
                               run->db == NULL ? "no connection to the database"
                                               : db_error_message(run->db));
        return false;
    }
    run->in_transaction = true;
    PGresult *result = NULL;
    if (set_limits(context, &result) != STATUS_OK ||
        !str_copy(run->transaction_id, sizeof run->transaction_id, db_text(result, 0, "id"))) {
        (void)job_context_fail(context, "%s", db_error_message(run->db));
        PQclear(result);
        rollback(context);
        return false;
    }
    PQclear(result);
    return true;
}

static Status set_limits(JobContext *context, PGresult **result)
{
    const int64_t left = job_context_remaining_ms(context);
    // The soft stop is the supervisor's: the server ends what runs when the grace after it is over too.
    const int64_t limit = left < 0 ? 0 : left + context->run->job->kill_grace_ms;
    DbParams params;
    db_params_init(&params);
    // 0 turns the server's limits off, so a job out of time gets one millisecond.
    db_param_int(&params, left < 0 ? 0 : limit < 1 ? 1 : limit > INT32_MAX ? INT32_MAX : limit);
    return db_exec(context->run->db, &SQL_begin_handler_transaction, &params,
                   DB_STATEMENT_TIMEOUT_MS, result);
}

void job_transaction_update_limits(JobContext *context)
{
    RunContext *run = context->run;
    if (run->in_transaction && PQtransactionStatus(db_conn(run->db)) == PQTRANS_INTRANS) {
        PGresult *result = NULL;
        if (set_limits(context, &result) == STATUS_OK) {
            PQclear(result);
        }
    }
}

// What the handler made of the connection, seen without asking the server.
static const char *misuse(const PGconn *conn)
{
    switch (PQtransactionStatus(conn)) {
    case PQTRANS_INTRANS:
        return NULL;
    case PQTRANS_IDLE:
        return ENDED;
    case PQTRANS_INERROR:
        return "a statement of the handler failed and aborted the job's transaction";
    case PQTRANS_ACTIVE:
        return "handler left a statement running on the job's connection";
    case PQTRANS_UNKNOWN:
        break;
    }
    return "the connection of the job's transaction was lost";
}

// The log goes first, as it is written on a running job only.
static Status add_log(const JobContext *context)
{
    const RunContext *run = context->run;
    char *log = job_context_copy_log(context);
    if (log == NULL) {
        return STATUS_OK;
    }
    DbParams params;
    job_context_begin_params(context, &params);
    db_param_text(&params, log);
    const Status status = db_pipeline_add(run->db, &SQL_append_log, &params);
    free(log);
    return status;
}

static int64_t completion_limit_ms(const JobContext *context)
{
    const int64_t left = job_context_remaining_ms(context);
    return left < 0 ? INT64_MAX : left + context->run->job->kill_grace_ms + DB_STATEMENT_TIMEOUT_MS;
}

// Role, log and completion: one round trip. The handler may have taken another role, which may not
// write about jobs. *completion is the caller's to clear.
static Status send_completion(const JobContext *context, PGresult **completion)
{
    const RunContext *run = context->run;
    DbParams params;
    PGresult *results[DB_PIPELINE_MAX];
    int count = 0;
    TRY(db_pipeline_begin(run->db));
    Status status = db_pipeline_add(run->db, &SQL_reset_role, NULL);
    if (status == STATUS_OK) {
        status = add_log(context);
    }
    if (status == STATUS_OK) {
        job_context_begin_params(context, &params);
        db_param_text(&params, run->output);
        status = db_pipeline_add(run->db, &SQL_complete_in_transaction, &params);
    }
    const Status ran = db_pipeline_run(run->db, completion_limit_ms(context), results, &count);
    if (status != STATUS_OK || ran != STATUS_OK) {
        return ran != STATUS_OK ? ran : status;
    }
    for (int i = 0; i < count - 1; i++) {
        PQclear(results[i]);
    }
    *completion = results[count - 1];
    return STATUS_OK;
}

static JobTransactionEnd judge_completion(JobContext *context, const PGresult *completion)
{
    const char *id = db_text(completion, 0, "transaction_id");
    if (id == NULL || !str_equal(id, context->run->transaction_id)) {
        return fail(context, ENDED);
    }
    return db_bool(completion, 0, "done") ? JOB_TRANSACTION_COMMITTED : JOB_TRANSACTION_LOST;
}

JobTransactionEnd job_transaction_commit(JobContext *context)
{
    RunContext *run = context->run;
    const char *why = misuse(db_conn(run->db));
    if (why == ENDED) {
        return fail(context, why);
    }
    if (why != NULL) { // perhaps in a transaction of its own
        job_context_set_error(context, why);
        (void)job_transaction_abandon(context);
        return JOB_TRANSACTION_FAILED;
    }
    FAULT_POINT(handler_before_complete);
    PGresult *completion = NULL;
    if (send_completion(context, &completion) != STATUS_OK) {
        return fail_statement(context, "completing the job failed");
    }
    const JobTransactionEnd end = judge_completion(context, completion);
    PQclear(completion);
    if (end != JOB_TRANSACTION_COMMITTED && !SEEDED_BUG("commit_unfenced")) {
        rollback(context);
        return end;
    }
    FAULT_POINT(handler_before_commit);
    if (db_commit(run->db) != STATUS_OK) {
        context->is_in_doubt = db_is_lost(run->db);
        return fail_statement(context, "COMMIT failed");
    }
    FAULT_POINT(handler_after_commit);
    forget(run);
    return JOB_TRANSACTION_COMMITTED;
}

static JobTransactionEnd fail(JobContext *context, const char *message)
{
    job_context_set_error(context, message);
    rollback(context);
    if (message == ENDED) {
        db_give_up(context->run->db, ENDED);
    }
    return JOB_TRANSACTION_FAILED;
}

static JobTransactionEnd fail_statement(JobContext *context, const char *what)
{
    const Db *db = context->run->db;
    char *message = mem_printf("%s: %s%s%s%s", what, db_error_message(db),
                               db_sqlstate(db)[0] != '\0' ? " (SQLSTATE " : "", db_sqlstate(db),
                               db_sqlstate(db)[0] != '\0' ? ")" : "");
    const JobTransactionEnd end = fail(context, message);
    free(message);
    return end;
}

static void rollback(JobContext *context)
{
    RunContext *run = context->run;
    if (!run->in_transaction) {
        return;
    }
    forget(run);
    if (db_is_lost(run->db) || PQtransactionStatus(db_conn(run->db)) == PQTRANS_IDLE) {
        return;
    }
    // A failure here is a lost connection, which the worker finds; the server rolls back by itself
    // then.
    if (db_rollback(run->db) != STATUS_OK) {
        log_warn("job.rollback_failed", "job=%" PRId64, run->job->id);
    }
}

// Also where it has begun another one since, or that one has failed, too.
static bool is_committed(RunContext *run, const char *transaction_id)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    db_param_text(&params, transaction_id);
    if (db_is_lost(run->db) || PQtransactionStatus(db_conn(run->db)) != PQTRANS_IDLE ||
        db_exec(run->db, &SQL_is_committed, &params, DB_STATEMENT_TIMEOUT_MS, &result) !=
            STATUS_OK) {
        return false; // nobody can tell
    }
    const bool committed = db_bool(result, 0, "committed");
    PQclear(result);
    return committed;
}

bool job_transaction_abandon(JobContext *context)
{
    RunContext *run = context->run;
    char id[sizeof run->transaction_id];
    memcpy(id, run->transaction_id, sizeof id);
    rollback(context);
    if (!is_committed(run, id)) {
        return true;
    }
    char *message = mem_printf("%s, and what it wrote stays%s%s", ENDED,
                               context->error != NULL ? "; it said: " : "",
                               context->error != NULL ? context->error : "");
    job_context_set_error(context, message);
    free(message);
    db_give_up(run->db, ENDED);
    return false;
}
