// SPDX-License-Identifier: MIT
// SQL call: one statement that calls a function of the user's and completes the job, in one transaction.
#ifndef WORKER_SQL_CALL_H
#define WORKER_SQL_CALL_H

#include "worker/job_context.h"

// Runs it on the worker's connection, for as long as the job may run; a stop cancels it. OUTCOME_COMPLETED: run->settled is set, the
// job is completed with what the function did. OUTCOME_ERROR: nothing of it is left, and the context's error says why; but when the
// connection broke (db_is_lost) nobody knows: whatever is written or tried then is fenced by the lease, so it changes nothing where
// the job was completed after all.
JobOutcome sql_call(JobContext *context, const SqlStatement *statement, const DbParams *params);

#endif
