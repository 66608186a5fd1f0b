// SPDX-License-Identifier: MIT
// SQL call: see the header.
#include "worker/sql_call.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"

static const char SQLSTATE_LEASE_LOST[] = "GG002"; // raised by ganger._end_sql_handler

enum { CANCEL_REPEAT_MS = 250 }; // a cancel that comes before the statement has begun does nothing

static PGresult *run_statement(RunContext *run, const SqlStatement *statement,
                               const DbParams *params, bool *is_refused);
static JobOutcome judge(JobContext *context, PGconn *conn, const PGresult *result);

JobOutcome sql_call(JobContext *context, const SqlStatement *statement, const DbParams *params)
{
    RunContext *run = context->run;
    if (run->db == NULL) {
        job_context_set_error(context, "no connection to the database");
        return OUTCOME_ERROR;
    }
    if (db_is_pooled(run->db)) { // not so when the handler was loaded
        job_context_set_error(context, RUNNER_NEEDS_DIRECT);
        return OUTCOME_ERROR;
    }
    FAULT_POINT(handler_before_complete);
    bool is_refused = false;
    PGresult *answer = run_statement(run, statement, params, &is_refused);
    if (is_refused) { // it could not be got ready: nothing has run
        char *why = mem_printf("%s (SQLSTATE %s)", db_error_message(run->db), db_sqlstate(run->db));
        job_context_set_error(context, why);
        free(why);
        return OUTCOME_ERROR;
    }
    const JobOutcome outcome = judge(context, db_conn(run->db), answer);
    PQclear(answer);
    if (outcome == OUTCOME_COMPLETED) {
        FAULT_POINT(handler_after_commit);
    }
    return outcome;
}

// Waits for the answer, but not without an ear for the supervisor: a stop cancels the statement.
// NULL: the connection is gone.
static PGresult *await_answer(RunContext *run, PGconn *conn)
{
    PGresult *last = NULL;
    for (;;) {
        while (!PQisBusy(conn)) {
            PGresult *next = PQgetResult(conn);
            if (next == NULL) {
                return last;
            }
            PQclear(last);
            last = next;
        }
        const bool is_stopped = run_should_stop(run);
        if (is_stopped && db_cancel(run->db) != STATUS_OK) {
            PQclear(last);
            return NULL;
        }
        struct pollfd fds[] = {{.fd = PQsocket(conn), .events = POLLIN},
                               {.fd = FD_WAKE, .events = POLLIN}};
        if (poll(fds, 2, is_stopped ? CANCEL_REPEAT_MS : -1) < 0) {
            continue;
        }
        eventfd_t wakeups;
        if ((fds[1].revents & POLLIN) != 0 && eventfd_read(FD_WAKE, &wakeups) != 0) {
            log_debug("worker.wake", "error=%d", errno);
        }
        if (fds[0].revents != 0 && PQconsumeInput(conn) == 0 && PQstatus(conn) != CONNECTION_OK) {
            PQclear(last);
            return NULL;
        }
    }
}

static PGresult *run_statement(RunContext *run, const SqlStatement *statement,
                               const DbParams *params, bool *is_refused)
{
    for (int tries = 0;; tries++) {
        if (db_send(run->db, statement, params) != STATUS_OK) {
            *is_refused = !db_is_lost(run->db);
            return NULL;
        }
        PGresult *answer = await_answer(run, db_conn(run->db));
        if (tries > 0 || answer == NULL || !db_is_forgotten(run->db, answer)) {
            return answer;
        }
        PQclear(answer); // nothing has run
    }
}

// Rolled back as a whole. The worker still writes this failure: it changes nothing where the lease
// is gone, and ends the job where it was cancelled.
static JobOutcome lease_lost(JobContext *context)
{
    const RunContext *run = context->run;
    if (context->is_in_doubt) { // the log tells of it when the failure is refused (finish.c)
        job_context_set_error(context, "this attempt no longer owned the job: its completion may "
                                       "have been committed before");
        return OUTCOME_ERROR;
    }
    log_warn("job.lease_lost", "job=%" PRId64 " attempt=%d transaction=rolled_back", run->job->id,
             run->job->attempt);
    job_context_set_error(context, "this attempt no longer owned the job");
    return OUTCOME_ERROR;
}

static JobOutcome judge(JobContext *context, PGconn *conn, const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        if (!db_bool(result, 0, "done")) {
            return lease_lost(context);
        }
        context->run->settled = true;
        return OUTCOME_COMPLETED;
    }
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    if (sqlstate != NULL && str_equal(sqlstate, SQLSTATE_LEASE_LOST)) {
        return lease_lost(context);
    }
    char *text = NULL;
    if (sqlstate == NULL || message == NULL) {
        // Nobody knows whether it was committed. The failure that is written now is fenced by the
        // lease, so it changes nothing where the job was completed after all.
        context->is_in_doubt = true;
        text =
            mem_printf("the connection was lost while the function ran: %s", PQerrorMessage(conn));
    } else {
        text = mem_printf("%s (SQLSTATE %s)%s%s", message, sqlstate, detail != NULL ? "\n" : "",
                          detail != NULL ? detail : "");
    }
    job_context_set_error(context, text);
    free(text);
    return OUTCOME_ERROR;
}
