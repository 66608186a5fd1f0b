// SPDX-License-Identifier: MIT
// The handler's transaction: opened when a handler asks for the connection, ended by the worker
// only, so that the handler's writes and the completion of its job are one.
#ifndef WORKER_JOB_TRANSACTION_H
#define WORKER_JOB_TRANSACTION_H

#include "worker/job_context.h"

typedef enum JobTransactionEnd {
    JOB_TRANSACTION_COMMITTED,
    // All others: rolled back, or the connection broke. The job is still to be finished by the
    // worker.
    JOB_TRANSACTION_LOST,  // the lease is gone or the job was cancelled: whatever is written now,
                           // that stands
    JOB_TRANSACTION_FAILED // context->error says why
} JobTransactionEnd;

// Opens it unless it is open. False: last_error says why.
bool job_transaction_begin(JobContext *context);
// The server's own limits follow the job's deadline after a prolong. Does nothing without a
// transaction.
void job_transaction_update_limits(JobContext *context);
// Completes the job and commits. A row that somebody's open transaction holds is waited for, for as
// long as the job may run: the answer must be final. When the connection breaks at COMMIT nobody knows whether it happened;
// this is JOB_TRANSACTION_FAILED too: the failure the worker then writes is fenced by the lease, so
// it changes nothing where the job was completed after all, and where it was not the handler's
// writes are gone and the job has to run again. (Finishing it as completed could complete it
// without its writes.)
// A handler that has ended the transaction itself has failed, whatever it says, and its session is given up, as settings it has
// committed may be in it.
JobTransactionEnd job_transaction_commit(JobContext *context);
// For a handler that does not complete its job. False: it had committed what it wrote; context->error says so.
bool job_transaction_abandon(JobContext *context);

#endif
