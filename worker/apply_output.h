// SPDX-License-Identifier: MIT
// Apply output: gives what a program has said to a function in the database, which completes the job with what it does.
#ifndef WORKER_APPLY_OUTPUT_H
#define WORKER_APPLY_OUTPUT_H

#include "worker/job_context.h"

// The program has ended well, and run->output is what it said (NULL nothing). OUTCOME_COMPLETED: the function's effects and the job's
// completion are committed, run->settled is set. OUTCOME_ERROR: none of it is, the context's error says why. When the connection is
// lost it is made anew and the function called again, so that the program need not run again for it: the lease sees to it that this
// has an effect once at most.
JobOutcome apply_output(JobContext *context, const char *function, int64_t cpu_us,
                        int64_t max_rss_bytes);

#endif
