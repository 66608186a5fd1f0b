// SPDX-License-Identifier: MIT
// Steps: results a handler stores under names, for the later runs of its job.
#ifndef WORKER_JOB_STEPS_H
#define WORKER_JOB_STEPS_H

#include "worker/job_context.h"

enum { JOB_STEP_NAME_MAX_BYTES = 255 };

// All answer GANGER_DONE, GANGER_FAILED or GANGER_LOST, with the reason in last_error.

// Reads what earlier runs have left into context->memory, unless that has been done.
int job_steps_load(JobContext *context);
// *json is the result, NULL when there is none; valid for as long as the context.
int job_steps_get(JobContext *context, const char *name, const char **json);
// Committed when this returns, whatever becomes of the handler's transaction.
int job_steps_put(JobContext *context, const char *name, const char *json, size_t length);

#endif
