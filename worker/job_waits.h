// SPDX-License-Identifier: MIT
// Waits: what a run is to be suspended for, and the tokens it may wait for.
#ifndef WORKER_JOB_WAITS_H
#define WORKER_JOB_WAITS_H

#include "worker/job_context.h"

// The last of these counts, when the run ends with OUTCOME_WAIT.
void job_wait_for(JobContext *context, int64_t ms);
void job_wait_until(JobContext *context, int64_t unix_ms);
void job_wait_token(JobContext *context, const char *token); // without asking how it stands

// Answers GANGER_TOKEN_..., GANGER_FAILED or GANGER_LOST. *data: JSON or NULL, valid for as long as the context.
int job_wait_for_token(JobContext *context, const char *token, const char **data);

// Whether this run was told how `token` has ended: the job's last wait was for it. Of what was loaded (job_steps_load).
bool job_wait_is_told(const JobContext *context, const char *token);
// Called when a program is to be suspended. False: it waits again for the token whose end it was told, so it would be started again and
// again, without a pause and without a charge; the error says so.
bool job_wait_is_new(JobContext *context);

// A new token of this job, committed whatever becomes of the handler's transaction. `tags`: JSON array of strings or NULL.
// NULL: last_error says why. Valid for as long as the context.
const char *job_create_token(JobContext *context, int64_t timeout_ms, const char *tags);
// In the handler's transaction, if there is one. GANGER_FAILED also when it was completed before.
int job_complete_token(JobContext *context, const char *token, const char *json);

// The body of the result: NULL when the wait is a delay. Caller frees.
char *job_wait_body(const JobContext *context);

#endif
