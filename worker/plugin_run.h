// SPDX-License-Identifier: MIT
// PluginRun: what the runs of a plugin's functions share.
#ifndef WORKER_PLUGIN_RUN_H
#define WORKER_PLUGIN_RUN_H

#include "worker/job_context.h"

// Ends the transaction the function may have opened: by completing the job, or by a rollback. The answer is the outcome of the run.
JobOutcome plugin_end_transaction(JobContext *context, JobOutcome outcome);

// After the function has returned, unless it is known to be untouched (process_guard_end): ends this process where the function has closed files of the worker's.
void plugin_check_files(const RunContext *run);

#endif
