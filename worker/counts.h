// SPDX-License-Identifier: MIT
// Counts: what this worker adds to its counters in the scoreboard (common/base/counters.h).
#ifndef WORKER_COUNTS_H
#define WORKER_COUNTS_H

#include "worker/worker.h"

// A claim came back with `got` jobs, `took_us` after it was sent.
void counts_claimed(Worker *self, int got, int64_t took_us);
// The run of a job begins.
void counts_started(Worker *self, const Job *job, int64_t started_us);
// It is over, and its entry says so. What became of a run that its worker did not survive is counted by the reaper.
void counts_finished(Worker *self, int index, RunOutcome outcome);
// Of a job's result that nobody stopped.
RunOutcome counts_outcome(JobOutcome outcome);

#endif
